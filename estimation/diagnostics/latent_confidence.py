"""The probability that a learned latent depends on no other true latents than the learned graph allows, from one run.

A logistic regression on what the margin says. Its coefficients were fitted to runs on simulated problems, whose latents
are known: ``python -m tests.benchmarks.promise.calibrate`` (ours). The theory says that a wrong basis needs more edges
than the true one. So if a run has a wrong one, another one is better, or about as good, and the latents that it mixes
are in doubt; the others less so. Effects that the graph leaves out did not add to this: in most of these runs they were
missing edges of latents that were right.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from estimation.diagnostics.confidence import doubts_of
from estimation.diagnostics.evidence import Evidence
from estimation.diagnostics.overlap import overlap_of
from estimation.diagnostics.result import Margin

__all__ = ["LATENT_COEFFICIENTS", "latent_confidence", "latent_features", "probabilities_of"]

Array = NDArray[np.float64]

#: Coefficients of the logistic regression: of whether the margin says that another basis is as good and mixes the
#: latent, and of whether it says so and mixes any latents.
LATENT_COEFFICIENTS = {"constant": 3.1, "doubt": -3.07, "doubt about any": -1.31}

_DIGITS = 4


def latent_confidence(evidence: Evidence, margin: Margin | None) -> tuple[float | None, ...] | None:
    """Return the probability of each latent, as `Diagnostics` stores it.

    Args:
        evidence: What was measured on held-out rows.
        margin: The margin of the basis.

    Returns:
        Probabilities of all latents, with None for collapsed ones. None if no basis was compared with others (then
        nothing is sparse), and if there are no data between the settings of discrete actions: latents
        can be distorted there without a sign of it.
    """
    features = latent_features(evidence, margin)
    if features is None:
        return None
    return tuple(
        None if collapsed else round(value, _DIGITS)
        for value, collapsed in zip(
            probabilities_of(features).tolist(), evidence.collapsed.tolist(), strict=True
        )
    )


def probabilities_of(features: Array) -> Array:
    """Return probabilities for features, the last axis of which is in the order of ``LATENT_COEFFICIENTS``.

    Example:
        >>> clear, doubtful = [1, 0, 0], [1, 1, 1]
        >>> [bool(value > 0.5) for value in probabilities_of(np.array([clear, doubtful]))]
        [True, False]
    """
    return np.asarray(1 / (1 + np.exp(-(features @ np.array(list(LATENT_COEFFICIENTS.values()))))))


def latent_features(evidence: Evidence, margin: Margin | None) -> Array | None:
    """Return the features of all latents in the order of ``LATENT_COEFFICIENTS``, shape (n, k).

    None as for `latent_confidence`.
    """
    overlap = overlap_of(evidence)
    if margin is None or (overlap is not None and overlap.is_lacking):
        return None
    doubts = doubts_of(evidence, margin)
    return np.stack([np.ones_like(doubts), doubts, np.full_like(doubts, doubts.max())], axis=-1)
