"""Sweeps: data sets x methods x settings x seeds, one folder per run, resumable, on one machine or a cluster.

=================  ===================================================================================
module             contents
=================  ===================================================================================
``specification``  `Trial` and its data: one run of a sweep
``checks``         validation of a sweep before anything is trained
``plan``           `SweepPlan`: the runs of a sweep, read from TOML
``environment``    the machine and the library versions of a run
``folders``        the folder of a run: status, records, lock
``data``           the data of a run, and their fingerprints
``trial``          `run_trial`: one run
``workers``        processes of this machine that run trials
``cluster``        workers of a Dask or SLURM cluster
``running``        `run_sweep`: all runs of a plan
``results``        `collect`: the results of a folder as one table
=================  ===================================================================================
"""

from __future__ import annotations

from estimation.sweep.plan import SweepPlan, read_plan
from estimation.sweep.results import Results, collect
from estimation.sweep.running import Outcome, run_sweep
from estimation.sweep.specification import Trial

__all__ = ["Outcome", "Results", "SweepPlan", "Trial", "collect", "read_plan", "run_sweep"]
