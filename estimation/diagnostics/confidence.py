"""The probability that the true graph has an edge, from one run.

A logistic regression on few features of a pair of cause and latent. Its coefficients were fitted to runs on simulated
problems, whose graphs are known: ``python -m tests.benchmarks.promise.calibrate`` (ours). In the right basis, the
size of an effect tells edges and other pairs apart. In a wrong one, latents have strong effects of causes that are not
theirs; so what the margin says against the basis, and strong effects that the graph leaves out, lower the confidence in
all edges of the latents concerned.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from estimation.diagnostics.edges import RelativeEffects, relative_effects
from estimation.diagnostics.evidence import Evidence
from estimation.diagnostics.overlap import overlap_of
from estimation.diagnostics.result import Margin, Rows

__all__ = [
    "COEFFICIENTS",
    "FEATURES",
    "confidence_of",
    "doubts_of",
    "edge_confidence",
    "pair_features",
]

Array = NDArray[np.float64]
Edges = Mapping[str, NDArray[np.bool_]]

#: Coefficients of the logistic regression: of the logarithm of the relative size; of whether the learned graph has the
#: edge; of the logarithm of the largest other effect on the latent that the graph leaves out; of whether the margin
#: says that another basis is as good and mixes the latent; and of whether there are no data between the settings of
#: discrete actions (`estimation.diagnostics.overlap`).
COEFFICIENTS = {
    "constant": 0.9,
    "size": 2.38,
    "edge": 2.08,
    "largest left out": -0.69,
    "doubt": -1.0,
    "no overlap": -1.71,
    "no overlap * size": -1.06,
}
#: Names of the features: those with coefficients, and the standard deviation of the logarithm of the size, which
#: resamples estimate.
FEATURES = (*COEFFICIENTS, "spread")

# logarithms are of relative sizes within these limits, beyond which more or less says nothing
_MIN_SIZE, _MAX_SIZE = 0.01, 1.0
_DIGITS = 4


def edge_confidence(evidence: Evidence, margin: Margin | None) -> dict[str, Rows] | None:
    """Return the probability that the true graph has each edge, as `Diagnostics` stores it.

    Args:
        evidence: What was measured on held-out rows, with resampled sizes.
        margin: The margin of the basis.

    Returns:
        Rows of all latents by ``"actions"`` and ``"past"``, with None in dense columns and for collapsed latents. None
        without resampled sizes, without edges, and if the graph has all edges: then nothing is sparse.
    """
    features = pair_features(evidence, margin)
    if features is None:
        return None
    n, n_actions = evidence.graph.n_latents, evidence.graph.n_actions
    result = {}
    for kind, values in features.items():
        full = np.full((n, n_actions if kind == "actions" else n), np.nan)
        columns = list(evidence.action_columns) if kind == "actions" else list(range(n))
        full[:, columns] = confidence_of(values)
        full[evidence.collapsed] = np.nan
        if kind == "past":
            full[:, evidence.collapsed] = np.nan
        result[kind] = tuple(
            tuple(None if np.isnan(value) else round(value, _DIGITS) for value in row)
            for row in full.tolist()
        )
    return result


def confidence_of(features: Array) -> Array:
    """Return probabilities for features, the last axis of which is in the order of ``FEATURES``.

    The probability is averaged over the sampling distribution of the size, which resamples estimate. For a normal
    distribution of z with variance s^2, the mean of sigmoid(z) is nearly sigmoid(z / sqrt(1 + pi s^2 / 8)) (MacKay
    1992, "The evidence framework applied to classification networks").

    Example:
        >>> clear = [1, 0, 1, np.log(0.02), 0, 0, 0, 0]
        >>> [bool(value > 0.95) for value in confidence_of(np.array([clear, [*clear[:-1], 2.0]]))]
        [True, False]
    """
    values = features[..., :-1] @ np.array(list(COEFFICIENTS.values()))
    variances = (COEFFICIENTS["size"] * features[..., -1]) ** 2
    return np.asarray(1 / (1 + np.exp(-values / np.sqrt(1 + np.pi * variances / 8))))


def pair_features(evidence: Evidence, margin: Margin | None) -> dict[str, Array] | None:
    """Return the features of all pairs in the order of ``FEATURES``.

    Args:
        evidence: As for `edge_confidence`.
        margin: The margin of the basis.

    Returns:
        Features by ``"actions"``, shape (n, m, k), and ``"past"``, shape (n, n, k); None as for `edge_confidence`.
    """
    sizes = relative_effects(evidence)
    if sizes is None or not evidence.resampled_sizes:
        return None
    edges = {"actions": evidence.action_edges, "past": evidence.past_edges}
    if all(edges[kind].all() for kind in sizes.values):
        return None
    left_out, doubt = _largest_left_out(sizes, edges), doubts_of(evidence, margin)
    overlap = overlap_of(evidence)
    no_overlap = float(overlap is not None and overlap.is_lacking)
    features = {}
    for kind, size in sizes.values.items():
        spread = evidence.resampled_sizes[kind].std(0, ddof=1) / sizes.units[:, None]
        doubts = np.broadcast_to(doubt[:, None], size.shape)
        if kind == "past":
            doubts = np.maximum(doubts, doubt)
        columns = [
            np.ones(size.shape),
            _logarithm(size),
            edges[kind].astype(float),
            _logarithm(left_out[kind]),
            doubts,
            np.full(size.shape, no_overlap),
            no_overlap * _logarithm(size),
            spread / size.clip(_MIN_SIZE),
        ]
        features[kind] = np.stack(columns, axis=-1)
    return features


def _logarithm(values: Array) -> Array:
    """Return logarithms of relative sizes, from 0.01 on and up to 1."""
    return np.asarray(np.log(values.clip(_MIN_SIZE, _MAX_SIZE)))


def _largest_left_out(sizes: RelativeEffects, edges: Edges) -> dict[str, Array]:
    """Return for each pair the largest effect without an edge on the same latent, other than that of the pair."""
    kinds = list(sizes.values)
    without = np.concatenate([np.where(edges[kind], 0.0, sizes.values[kind]) for kind in kinds], axis=1)
    largest = np.sort(without, axis=1)[:, ::-1]
    second = largest[:, 1] if largest.shape[1] > 1 else np.zeros(len(largest))
    others = np.where(without == largest[:, :1], second[:, None], largest[:, :1])
    ends = np.cumsum([sizes.values[kind].shape[1] for kind in kinds])
    return dict(zip(kinds, np.split(others, ends[:-1], axis=1), strict=True))


def doubts_of(evidence: Evidence, margin: Margin | None) -> Array:
    """Return 1 for each latent that another basis mixes, if that basis is about as good or better; shape (n,)."""
    if margin is None or margin.verdict == "clear":
        return np.zeros(len(evidence.names))
    return np.isin(np.array(evidence.names), margin.latents).astype(float)
