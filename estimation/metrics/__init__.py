"""Scores of a learned representation against a known truth, from two arrays or two graphs.

=====  ================================================================  =========================================
score  says                                                              here
=====  ================================================================  =========================================
MCC    are single latents found?                                         `mean_correlation`
R_con  are they found up to the predicted entanglement?                  `multiple_correlation` with ``allowed``
R      are they found up to a linear map?                                `multiple_correlation`
SHD    is the graph found?                                               `structural_hamming`
DCI    does each learned latent serve one true latent, and the reverse?  `dci`
=====  ================================================================  =========================================

In-sample, MCC <= R_con <= R. Consistency with the prediction shows as R_con near R, complete disentanglement as MCC
near R; `chance_level` says what latents turned at random would have. Nothing here needs torch.
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
