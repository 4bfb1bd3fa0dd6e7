"""The probability that a learned latent depends on no other true latents than the learned graph allows, from one run.

A logistic regression on what the examination measures of each latent. Its coefficients were fitted to runs on simulated
problems, whose latents are known: ``python -m tests.benchmarks.promise.calibrate`` (ours). The theory says that
a wrong basis needs more edges than the true one. So a latent that mixes others shows it by an effect that the graph
leaves out, or by another basis that is as good; and a mistake in one latent is seldom alone.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from estimation.diagnostics.confidence import doubts_of, logarithm
from estimation.diagnostics.edges import RelativeEffects, relative_effects
from estimation.diagnostics.evidence import Evidence
from estimation.diagnostics.overlap import overlap_of
from estimation.diagnostics.result import Margin

__all__ = ["LATENT_COEFFICIENTS", "latent_confidence", "latent_features", "probabilities_of"]

Array = NDArray[np.float64]

#: Coefficients of the logistic regression: of the logarithm of the largest effect on the latent that the graph leaves
#: out, of the same over all latents, of whether the margin says that another basis is as good and mixes the latent, or
#: other latents, and of whether there are no data between the settings of discrete actions.
LATENT_COEFFICIENTS = {
    "constant": 0.0,
    "left out": -1.0,
    "left out of any": -0.5,
    "doubt": -2.0,
    "doubt about any": -1.0,
    "no overlap": -1.0,
}

_DIGITS = 4


def latent_confidence(evidence: Evidence, margin: Margin | None) -> tuple[float | None, ...] | None:
    """Return the probability of each latent, as `Diagnostics` stores it.

    Args:
        evidence: What was measured on held-out rows.
        margin: The margin of the basis.

    Returns:
        Probabilities of all latents, with None for collapsed ones. None if no basis was compared with others (then
        nothing is sparse), and without edges.
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
        >>> clear = [1, np.log(0.02), np.log(0.02), 0, 0, 0]
        >>> doubtful = [1, np.log(0.6), np.log(0.6), 1, 1, 0]
        >>> [bool(value > 0.5) for value in probabilities_of(np.array([clear, doubtful]))]
        [True, False]
    """
    return np.asarray(1 / (1 + np.exp(-(features @ np.array(list(LATENT_COEFFICIENTS.values()))))))


def latent_features(evidence: Evidence, margin: Margin | None) -> Array | None:
    """Return the features of all latents in the order of ``LATENT_COEFFICIENTS``, shape (n, k).

    None as for `latent_confidence`.
    """
    sizes = None if margin is None else relative_effects(evidence)
    if sizes is None:
        return None
    left_out, doubts = _left_out(evidence, sizes), doubts_of(evidence, margin)
    active = ~evidence.collapsed
    overlap = overlap_of(evidence)
    n = len(left_out)
    return np.stack(
        [
            np.ones(n),
            logarithm(left_out),
            np.full(n, logarithm(left_out)[active].max()),
            doubts,
            np.full(n, doubts.max()),
            np.full(n, float(overlap is not None and overlap.is_lacking)),
        ],
        axis=-1,
    )


def _left_out(evidence: Evidence, sizes: RelativeEffects) -> Array:
    """Return the largest relative effect on each latent that has no edge, shape (n,); 0 if all have one."""
    edges = {"actions": evidence.action_edges, "past": evidence.past_edges}
    without = [np.where(edges[kind], 0.0, values) for kind, values in sizes.values.items()]
    return np.asarray(np.concatenate(without, axis=1).max(1))
