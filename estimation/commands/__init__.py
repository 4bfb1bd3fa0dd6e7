"""The whole command line: the commands on graphs, and the training commands.

=====================  ===================================================================
module                 contents
=====================  ===================================================================
``app``                the application, and errors of missing packages and full memory
``options``            arguments and options that several commands share
``influence_options``  causes without influence: their columns stay dense
``data_options``       options that select data, for all commands that read data
``worker_options``     options of commands that run many trainings, and their live table
``sources``            the DATA argument -> a dataset
``simulate``           data with a known ground truth
``train``              from data to a model in a folder
``evaluate``           a model compared with the ground truth
``compare``            two models compared with each other
``verify``             several models compared with one prediction
``influence``          sufficient influence of the actions of a model, tested on held-out data
``predict``            observations under actions, and what the training data cover of them
``impute``             missing entries, filled
``report``             what a model has learned and predicts, as one page
``sweep``              many runs from one file
``reproduce``          the published table, reproduced
=====================  ===================================================================

torch and the modules that need it are imported inside the commands, so that ``--help`` and completion are fast, and so
that the commands on graphs work where the extra ``mechsparse[estimation]`` is not installed.
"""

from __future__ import annotations

from estimation.commands.app import main

__all__ = ["main"]
