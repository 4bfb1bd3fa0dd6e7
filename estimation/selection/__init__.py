"""Selection of the sparsity without ground truth, from runs with several settings and seeds.

===============  ================================================================================
module           contents
===============  ================================================================================
``runs``         `Run`: the outcome of one run; `SettingSummary`: the runs of one setting
``rules``        `RULES`: the elbow of the held-out ELBO, the stability across seeds, and both
``stability``    `udr`, `partial_udr`: agreement between the latents of several seeds
``choice``       `select`: the setting with the highest score of a rule, and the reason
``measurement``  `measure_runs`: the runs for `select`, from trained models and held-out data
===============  ================================================================================
"""

from __future__ import annotations

from estimation.selection.choice import Selection, select
from estimation.selection.measurement import measure_runs
from estimation.selection.rules import RULES
from estimation.selection.runs import Run, SettingSummary
from estimation.selection.stability import Stability, partial_udr, udr

__all__ = [
    "RULES",
    "Run",
    "Selection",
    "SettingSummary",
    "Stability",
    "measure_runs",
    "partial_udr",
    "select",
    "udr",
]
