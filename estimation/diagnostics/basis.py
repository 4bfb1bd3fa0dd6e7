"""The margin of a basis: how much sparser and likelier it is than any other that a search finds."""

from __future__ import annotations

from estimation.diagnostics.evidence import Evidence
from estimation.diagnostics.result import Margin
from estimation.unmixing import rival_bases
from identify.entanglement import predict_entanglement

__all__ = ["margin_of"]

_N_STARTS = 64


def margin_of(evidence: Evidence) -> Margin | None:
    """Return the margin; None for a single latent, or if no cause has sparse columns.

    The rival is the most serious one: the sparsest other basis, or the likeliest if a less sparse one is likelier.
    """
    n = len(evidence.covariance)
    if n < 2 or (evidence.action_effects is None and evidence.past_jacobians is None):
        return None
    edges = {}
    if evidence.action_effects is not None:
        edges["actions"] = int(evidence.action_edges.sum())
    if evidence.past_jacobians is not None:
        edges["past"] = int(evidence.past_edges.sum())
    # adding a latent to one with all of its parents and more changes no edge, so that sparsity can't tell them apart
    allowed = predict_entanglement(evidence.graph).matrix.toarray().astype(bool)
    found = rival_bases(
        evidence.action_effects,
        evidence.past_jacobians,
        evidence.covariance,
        evidence.residual,
        edges=edges,
        allowed=allowed | allowed.T,
        noise=evidence.posterior,
        samples=evidence.samples,
        seed=evidence.seed,
        n_starts=_N_STARTS,
    )
    own = found.own
    if not found.others:
        return Margin(None, None, (), _N_STARTS, own.n_starts)
    rival = found.others[0]
    likelihood = None
    if own.negative_log_likelihood is not None and rival.negative_log_likelihood is not None:
        likelihood = rival.negative_log_likelihood - own.negative_log_likelihood
    return Margin(
        rival.penalty - own.penalty,
        likelihood,
        tuple(evidence.names[i] for i in rival.mixed),
        _N_STARTS,
        own.n_starts,
    )
