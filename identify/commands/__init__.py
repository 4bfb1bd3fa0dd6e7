"""Command line of the graph side: ``check``, ``design``, ``plot``, ``classes``, ``catalog``, ``convert``.

A larger command line can include `app`; `run` turns errors into one line and an exit code. Heavy imports happen inside
the commands, so that ``--help`` and completion respond at once.

===========  ==========================================
module       contents
===========  ==========================================
``app``      the application
``check``    the verdict on a graph
``design``   interventions to add
``plot``     figures of a graph
``classes``  consistency classes
``catalog``  the named graphs
``convert``  a graph in another format
``options``  options and output that the commands share
``sources``  graphs named by arguments
``streams``  standard input and output
===========  ==========================================
"""

from __future__ import annotations

from identify.commands.app import app, run

__all__ = ["app", "run"]
