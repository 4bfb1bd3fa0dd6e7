"""Scores of a learned representation against a known truth, computed from two arrays or two graphs.

=====  =================================================================  =========================================
score  question                                                           function
=====  =================================================================  =========================================
MCC    Are the latents identified up to permutation and scaling?          `mean_correlation`
R_con  Are they identified up to the predicted entanglement?              `multiple_correlation` with ``allowed``
R      Are they identified up to a linear map?                            `multiple_correlation`
SHD    Is the graph identified?                                           `structural_hamming`
DCI    Does each learned latent encode one true latent, and vice versa?   `dci`
=====  =================================================================  =========================================

In-sample, MCC <= R_con <= R. An R_con near R indicates consistency with the prediction, an MCC near R complete
disentanglement. `chance_level` returns the scores of the random rotation baseline. No score needs torch.

==============  ==================================================
module          contents
==============  ==================================================
``matching``    the assignment of learned to true latents, and MCC
``regression``  R and R_con: multiple correlations
``graphs``      SHD: the distance between two graphs
``importance``  DCI
``chance``      the scores of a random rotation
``inputs``      checks of the arrays and graphs
==============  ==================================================
"""

from __future__ import annotations

from estimation.metrics.chance import Chance, chance_level
from estimation.metrics.graphs import EdgeErrors, GraphDistance, structural_hamming
from estimation.metrics.importance import DCI, dci
from estimation.metrics.matching import MeanCorrelation, mean_correlation
from estimation.metrics.regression import MultipleCorrelation, multiple_correlation

__all__ = [
    "DCI",
    "Chance",
    "EdgeErrors",
    "GraphDistance",
    "MeanCorrelation",
    "MultipleCorrelation",
    "chance_level",
    "dci",
    "mean_correlation",
    "multiple_correlation",
    "structural_hamming",
]
