"""The margin of a basis: how much sparser and likelier it is than any other that a search finds."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy.optimize import linear_sum_assignment

from estimation.diagnostics.evidence import Evidence
from estimation.diagnostics.result import MIN_SPARSITY, Margin
from estimation.unmixing import Basis, Rivals, rival_bases
from estimation.unmixing.moments import CLEAR_EFFECT, effect_sizes
from identify.entanglement import predict_entanglement

__all__ = ["margin_of"]

_N_STARTS = 64
# effects relative to the largest on the latent, from which on an edge is present, and below which it is absent
_PRESENT, _ABSENT = CLEAR_EFFECT, 0.1


def margin_of(evidence: Evidence) -> Margin | None:
    """Return the margin; None if sparsity can't tell bases apart.

    That is so for fewer than two active latents, without sparse columns, or if the graph leaves all mixing open.
    """
    n_active = int((~evidence.collapsed).sum())
    if n_active < 2 or (evidence.action_effects is None and evidence.past_jacobians is None):
        return None
    # adding a latent to one with all of its parents and more changes no edge, so that sparsity can't tell them apart
    allowed = predict_entanglement(evidence.graph).matrix.toarray().astype(bool).T
    if allowed.all():
        return None
    edges = {}
    if evidence.action_effects is not None:
        edges["actions"] = int(evidence.action_edges.sum())
    if evidence.past_jacobians is not None:
        edges["past"] = int(evidence.past_edges.sum())
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
    own, rival = found.own, _best_rival(found)
    fewer = _latents_with_fewer_edges(evidence, found.own)
    if fewer:
        own, rival = found.given, replace(found.own, mixed=fewer)
    if rival is None:
        return Margin(None, None, (), _N_STARTS + 1, own.n_starts)
    likelihood = None
    if own.negative_log_likelihood is not None and rival.negative_log_likelihood is not None:
        likelihood = rival.negative_log_likelihood - own.negative_log_likelihood
    names = tuple(evidence.names[i] for i in rival.mixed)
    return Margin(rival.penalty - own.penalty, likelihood, names, _N_STARTS + 1, own.n_starts)


def _best_rival(found: Rivals) -> Basis | None:
    """Return the likeliest of the other bases that are nearly as sparse or sparser, or the sparsest one if none is."""
    sparsest = next(iter(found.others), None)
    near = [
        (basis.negative_log_likelihood, rank)
        for rank, basis in enumerate(found.others)
        if basis.penalty - found.own.penalty < MIN_SPARSITY and basis.negative_log_likelihood is not None
    ]
    return found.others[min(near)[1]] if near else sparsest


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
