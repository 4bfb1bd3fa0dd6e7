"""Many runs: data sets x methods x settings x seeds, one folder each, resumable, on one machine or a cluster."""

from __future__ import annotations

from estimation.sweep.plan import SweepPlan, Trial, read_plan
from estimation.sweep.results import Results, collect
from estimation.sweep.running import Outcome, run_sweep

__all__ = ["Outcome", "Results", "SweepPlan", "Trial", "collect", "read_plan", "run_sweep"]
