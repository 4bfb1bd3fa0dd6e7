"""Confidence in latents and edges from several runs on the same data.

The confidence of each run comes from its own diagnostics. Another run is evidence about a latent of the reference. If
it has the latent too, up to the mixing that the graph allows, both are right, or both made the same mistake. If it
doesn't, one of the two is wrong, or the comparison found a dependency that isn't there. Let p be the probability that
the reference's latent is right, q that of its match in the other run, t the chance that two right latents are found to
agree, and s the chance that two wrong runs make the same mistake. Bayes' rule multiplies the odds p / (1 - p) by

    q t / ((1 - q) s)                 if the runs agree about the latent,
    (1 - q t) / (1 - (1 - q) s)       if they don't.

A run that agrees never lowers the confidence, and one that contradicts never raises it: for small q the rule would say
so, but then little is known about that run. Seeds can share a mistake, whose cause is in the data or the settings: a
budget that is too small, a violated assumption. So runs that agree count as one, by the mean of their q; each run that
contradicts counts (ours).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from estimation.evaluation.comparison import Comparison

if TYPE_CHECKING:
    from estimation.trained import TrainedModel

__all__ = [
    "FOUND_TO_AGREE",
    "SHARED_MISTAKES",
    "confidence_from_runs",
    "edges_from_runs",
    "latents_from_runs",
]

Array = NDArray[np.float64]
Bools = NDArray[np.bool_]

#: Chance that two wrong runs on the same data have the same wrong latent; assumed.
SHARED_MISTAKES = 0.5
#: Chance that two right latents are found to agree: 19 of 29 in pairs of short runs on the problems that the confidence
#: of one run was fitted to.
FOUND_TO_AGREE = 0.66
# no probability is closer to 0 or 1, so that evidence of the other runs always counts
_SMALLEST = 1e-4


def confidence_from_runs(
    best: TrainedModel, others: Mapping[str, TrainedModel], comparisons: Mapping[str, Comparison]
) -> tuple[Array | None, dict[str, Array] | None]:
    """Return the confidence in the latents and in the edges of the best run, from all runs.

    Args:
        best: The best run, the reference.
        others: The other runs, by name.
        comparisons: The comparison of the reference with each of them.

    Returns:
        `latents_from_runs` and `edges_from_runs`; None for what the reference has no confidence in itself.
    """
    n = best.model.shape.n_latents
    agree = np.stack([comparisons[name].confirmed_latents for name in others], axis=1)
    matches = [comparisons[name].permutation for name in others]
    before, after = np.full((2, n), np.nan)
    latents = best.latent_confidence
    if latents is not None:
        evidence = [_evidence_of(model, comparisons[name], latents) for name, model in others.items()]
        before, after = latents, latents_from_runs(latents, np.stack(evidence, axis=1), agree)
    edges = best.edge_confidence
    if edges is None:
        return (None if latents is None else after), None
    of_others = {
        kind: np.stack(
            [
                _matched(_columns_of_best(model, best, match, kind), match, values.shape)
                for model, match in zip(others.values(), matches, strict=True)
            ]
        )
        for kind, values in edges.items()
    }
    return (None if latents is None else after), edges_from_runs(edges, of_others, agree, before, after)


def latents_from_runs(own: Array, others: Array, agree: Bools) -> Array:
    """Return the probability that each latent of the reference is right, from several runs.

    Args:
        own: The probability by the reference alone, shape (n,); nan where there is none.
        others: The probability of its match in each of the other runs, shape (n, runs); nan for what is no evidence.
        agree: Whether each of the other runs agrees about the latent, shape (n, runs).

    Returns:
        Probabilities, shape (n,); nan where the reference has none.

    Example:
        >>> own = np.array([0.9, 0.9])
        >>> latents_from_runs(own, np.array([[0.9], [0.9]]), np.array([[True], [False]])).round(2)
        array([0.99, 0.79])
    """
    known, q = ~np.isnan(others), others.clip(_SMALLEST, 1 - _SMALLEST)
    odds = own.clip(_SMALLEST, 1 - _SMALLEST)
    odds = odds / (1 - odds)
    for_it = known & agree
    count = for_it.sum(1)
    mean = np.where(for_it, q, 0.0).sum(1) / np.maximum(count, 1)
    odds = odds * np.where(
        count > 0, np.maximum(mean * FOUND_TO_AGREE / ((1 - mean) * SHARED_MISTAKES), 1.0), 1.0
    )
    against = np.where(
        known & ~agree, np.minimum((1 - q * FOUND_TO_AGREE) / (1 - (1 - q) * SHARED_MISTAKES), 1.0), 1.0
    )
    odds = odds * against.prod(1)
    return np.asarray(odds / (1 + odds))


def edges_from_runs(
    own: Mapping[str, Array],
    others: Mapping[str, Array],
    agree: Bools,
    before: Array,
    after: Array,
) -> dict[str, Array]:
    """Return the probability that the true graph has each edge of the reference's latents, from several runs.

    The confidence is averaged over the reference and the runs that agree about the latents concerned. What all runs say
    about a latent then replaces what the reference alone said: in a wrong latent an edge is as likely as on average.

    Args:
        own: The confidence by the reference alone, by ``"actions"``, shape (n, m), and ``"past"``, shape (n, n).
        others: The confidence in the edges of the matched latents in the other runs, shapes (runs, n, m) and
            (runs, n, n), nan where there is none.
        agree: Whether each of the other runs agrees about the latent, shape (n, runs).
        before: The probability that each latent is right by the reference alone, shape (n,); nan where there is none.
        after: The same from all runs.

    Returns:
        The confidence by ``"actions"`` and ``"past"``; nan where the reference has none.

    Example:
        >>> own, others = {"actions": np.array([[0.9, 0.1]])}, {"actions": np.array([[[0.7, 0.1]]])}
        >>> edges_from_runs(own, others, np.array([[True]]), np.ones(1), np.ones(1))["actions"].round(2)
        array([[0.8, 0.1]])
    """
    result = {}
    for kind, values in own.items():
        kept = np.broadcast_to(agree.T[:, :, None], (agree.shape[1], *values.shape))
        right_before, right_after = before[:, None], after[:, None]
        if kind == "past":
            kept = kept & agree.T[:, None, :]
            # an edge of a latent to itself concerns one latent, the others two
            right_before, right_after = (
                np.where(np.eye(len(each), dtype=bool), each, each[:, None] * each)
                for each in (before, after)
            )
        pooled = _mean(np.concatenate([values[None], np.where(kept, others[kind], np.nan)]))
        result[kind] = np.where(np.isnan(values), np.nan, _updated(pooled, right_before, right_after))
    return result


def _mean(values: Array) -> Array:
    """Return the mean over the first axis of what is not nan; nan where nothing is."""
    known = ~np.isnan(values)
    total = np.where(known, values, 0.0).sum(0)
    return np.asarray(np.where(known.any(0), total / np.maximum(known.sum(0), 1), np.nan))


def _updated(values: Array, before: Array, after: Array) -> Array:
    """Return the confidence in edges after that in their latents has changed; unchanged where that isn't known."""
    rate = float(values[~np.isnan(values)].mean()) if (~np.isnan(values)).any() else 0.0
    right, is_right = (
        np.broadcast_to(each, values.shape).clip(_SMALLEST, 1 - _SMALLEST) for each in (before, after)
    )
    # values = if_right * right + if_wrong * (1 - right), with if_wrong as near to the rate as probabilities allow
    if_wrong = np.clip(rate, (values - right) / (1 - right), values / (1 - right)).clip(0, 1)
    if_right = ((values - if_wrong * (1 - right)) / right).clip(0, 1)
    updated = if_right * is_right + if_wrong * (1 - is_right)
    return np.asarray(np.where(np.isnan(before) | np.isnan(after), values, updated))


def _evidence_of(model: TrainedModel, comparison: Comparison, own: Array) -> Array:
    """Return the probability of the matches of the best run's latents in another run, nan for what is no evidence.

    A run that was not examined is none. A latent that may depend on all others can't be contradicted. A run that lacks
    a latent can have merged it with another one, so that it only contradicts. Where a contradicting run has no
    confidence in the match, as without a match or with a collapsed one, the mean over its latents stands for it.
    """
    confidence = model.latent_confidence
    if confidence is None or np.isnan(confidence).all():
        return np.full(len(own), np.nan)
    matched = _matched(confidence, comparison.permutation, own.shape)
    matched = np.where(np.isnan(matched), np.nanmean(confidence), matched)
    lacks_latents = bool((comparison.permutation[~np.isnan(own)] < 0).any())
    is_none = comparison.allowed.all(axis=1) | (comparison.confirmed_latents & lacks_latents)
    return np.where(is_none, np.nan, matched)


def _columns_of_best(
    model: TrainedModel, best: TrainedModel, match: NDArray[np.int64], kind: str
) -> Array | None:
    """Return the confidence in edges of another run, with its causes in the order of the best run."""
    values = None if model.edge_confidence is None else model.edge_confidence.get(kind)
    if values is None:
        return None
    of_actions = [model.action_names.index(name) for name in best.action_names]
    order = match if kind == "past" else np.array(of_actions)
    return _matched(values.T, order, (len(order), len(values))).T


def _matched(values: Array | None, match: NDArray[np.int64], shape: tuple[int, ...]) -> Array:
    """Return the rows of another run's values that are matched to those of the best run; nan without a match."""
    result = np.full(shape, np.nan)
    if values is not None:
        has_match = match >= 0
        result[has_match] = values[match[has_match]]
    return result
