"""The margin of a basis: how much sparser and likelier it is than any other that a search finds, and a better one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from estimation.diagnostics.edges import graph_with_effects
from estimation.diagnostics.evidence import Evidence
from estimation.diagnostics.result import MIN_SPARSITY, Margin
from estimation.unmixing import TOGETHER, Basis, Rivals, left_open, rival_bases
from estimation.unmixing.moments import CLEAR_EFFECT, NEGLIGIBLE_EFFECT, effect_sizes

__all__ = ["better_basis", "margin_of"]

_N_STARTS = 64
_SEVERITY = ("worse", "close", "clear")
# effects relative to the largest on the latent, from which on an edge is present, and below which it is absent
_PRESENT, _ABSENT = CLEAR_EFFECT, NEGLIGIBLE_EFFECT


def margin_of(evidence: Evidence) -> Margin | None:
    """Return the margin; None if sparsity can't tell bases apart.

    That is so for fewer than two active latents, without sparse columns, or if the graph leaves all mixing open.
    """
    compared = _compared(evidence)
    return None if compared is None else compared[0]


def better_basis(evidence: Evidence) -> NDArray[np.float64] | None:
    """Return the basis that is better than the run's, as rows in its latents, shape (n, n); None without one."""
    compared = _compared(evidence)
    if compared is None or compared[0].verdict != "worse" or compared[1] is None:
        return None
    return compared[1].matrix


def _compared(evidence: Evidence) -> tuple[Margin, Basis | None] | None:
    """Return the margin and the other basis that it refers to, if there is one; None as in `margin_of`."""
    n_active = int((~evidence.collapsed).sum())
    if n_active < 2 or (evidence.action_effects is None and evidence.past_jacobians is None):
        return None
    # adding a latent to one with all of its parents and more changes no edge, so that sparsity can't tell them apart
    if left_open(evidence.graph).all():
        return None
    # an edge that has hardly any effect separates no latents either
    allowed = left_open(graph_with_effects(evidence))
    edges = {}
    if evidence.action_effects is not None:
        edges["actions"] = int(evidence.action_edges.sum())
    if evidence.past_jacobians is not None:
        edges["past"] = int(evidence.past_edges.sum())
    if evidence.counts_together and len(edges) > 1:
        edges = {TOGETHER: sum(edges.values())}
    found = rival_bases(
        evidence.action_effects,
        evidence.past_jacobians,
        evidence.covariance,
        evidence.residual,
        edges=edges,
        allowed=allowed,
        noise=evidence.posterior,
        samples=evidence.samples,
        seed=evidence.seed,
        n_starts=_N_STARTS,
    )
    own, rivals = found.own, _serious_rivals(found)
    fewer = _latents_with_fewer_edges(evidence, found.own)
    if fewer:
        own, rivals = found.given, [replace(found.own, mixed=fewer)]
    if not rivals:
        return Margin(None, None, (), _N_STARTS + 1, own.n_starts), None
    # the rival that is the greatest reason to doubt the basis; of several, the sparsest
    margins = [(_margin(own, rival, evidence.names), rival) for rival in rivals]
    return min(margins, key=lambda pair: _SEVERITY.index(pair[0].verdict))


def _margin(own: Basis, rival: Basis, names: Sequence[str]) -> Margin:
    likelihood = None
    if own.negative_log_likelihood is not None and rival.negative_log_likelihood is not None:
        likelihood = rival.negative_log_likelihood - own.negative_log_likelihood
    mixed = tuple(names[i] for i in rival.mixed)
    return Margin(rival.penalty - own.penalty, likelihood, mixed, _N_STARTS + 1, own.n_starts)


def _serious_rivals(found: Rivals) -> list[Basis]:
    """Return the sparsest of the other bases, and all others that are nearly as sparse as the run's or sparser."""
    return [
        basis
        for rank, basis in enumerate(found.others)
        if rank == 0 or basis.penalty - found.own.penalty < MIN_SPARSITY
    ]


def _latents_with_fewer_edges(evidence: Evidence, basis: Basis) -> tuple[int, ...]:
    """Return the latents that lose an edge in a basis that the graph leaves open, though the edge has an effect."""
    covariance = evidence.covariance
    weights = np.abs(basis.matrix * np.sqrt(np.diag(covariance)))
    rows, latents = linear_sum_assignment(-weights)
    order = np.empty(len(rows), dtype=int)
    order[latents] = rows
    before, after = (
        effect_sizes(matrix, covariance, evidence.action_effects, evidence.past_jacobians)
        for matrix in (np.eye(len(covariance)), basis.matrix[order])
    )
    lost = np.zeros(len(covariance), dtype=bool)
    for old, new, present in zip(before, after, (evidence.action_edges, evidence.past_edges), strict=True):
        if old is not None and new is not None:
            was_there = old / old.max(1, keepdims=True) > _PRESENT
            is_there = new / new.max(1, keepdims=True) >= _ABSENT
            lost |= (present & was_there & ~is_there).any(1)
    return tuple(np.flatnonzero(lost & ~evidence.collapsed).tolist())
