"""`Evidence`: what the diagnostics of a run are computed from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from estimation.unmixing import Samples
from identify.graph import CausalGraph

__all__ = ["Evidence"]

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Evidence:
    """Held-out latents of a run, with the effects and residuals of transition networks that have all edges.

    Attributes:
        graph: The graph of the trained model, with edges that the budget has removed since, without dense columns.
        latents: Learned latents, shape (N, n).
        actions: Sparse columns of the actions, shape (N, m), or None.
        action_columns: Numbers of these columns among the actions of the graph.
        action_effects: Effects of them on the mean of the latents, shape (S, n, m), or None.
        past_jacobians: Jacobians of the mean with respect to the past latents, shape (S, n, n), or None.
        covariance: Covariance of the past latents if there is a past, otherwise of the latents, shape (n, n).
        residual: Covariance of the residuals of the networks with all edges, shape (n, n).
        posterior: Mean covariance of the posteriors, shape (n, n).
        learned_residuals: Residuals of the learned transition in units of its standard deviations, shape (N, n).
        reconstruction_errors: Standardised observations minus their reconstructions, shape (N, d_x); NaN where an entry
            is missing.
        samples: Residuals of the networks with all edges, and their causes.
        removed: Edges of this graph that the budget has removed since, by ``"actions"``, shape (n, all actions), and
            ``"past"``, shape (n, n); none by default.
        seed: Seed of the search for other bases.
        resampled_sizes: Sizes of the effects on each latent, measured once more on each of R resamples of the training
            rows, by ``"actions"``, shape (R, n, m), and ``"past"``, shape (R, n, n); without resamples it is empty.
        counts_edges: Whether training has estimated the number of edges.
        counts_together: Whether it has compared bases by the edges of actions and of the past together.
        refuted: Pairs without an edge that made their latent hardly likelier when the transition was fitted again with
            them, by ``"actions"``, shape (n, m), and ``"past"``, shape (n, n); none by default.
    """

    graph: CausalGraph
    latents: Array
    actions: Array | None
    action_columns: tuple[int, ...]
    action_effects: Array | None
    past_jacobians: Array | None
    covariance: Array
    residual: Array
    posterior: Array
    learned_residuals: Array
    reconstruction_errors: Array
    samples: Samples
    removed: Mapping[str, NDArray[np.bool_]] = field(default_factory=dict)
    seed: int = 0
    resampled_sizes: Mapping[str, Array] = field(default_factory=dict)
    counts_edges: bool = False
    counts_together: bool = False
    refuted: Mapping[str, NDArray[np.bool_]] = field(default_factory=dict)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the learned latents."""
        return self.graph.latents

    @property
    def action_edges(self) -> NDArray[np.bool_]:
        """Learned edges of the sparse columns of the actions, shape (n, m)."""
        return np.asarray(self.graph.Ga.toarray()[:, list(self.action_columns)], dtype=bool)

    @property
    def past_edges(self) -> NDArray[np.bool_]:
        """Learned edges of the past, shape (n, n)."""
        return np.asarray(self.graph.Gz.toarray(), dtype=bool)

    def removed_edges(self, kind: str) -> NDArray[np.bool_]:
        """Return the removed edges of ``"actions"``, sparse columns only, or of the ``"past"``."""
        edges = self.action_edges if kind == "actions" else self.past_edges
        if kind not in self.removed:
            return np.zeros_like(edges)
        columns = list(self.action_columns) if kind == "actions" else slice(None)
        return np.asarray(self.removed[kind][:, columns], dtype=bool)

    @property
    def collapsed(self) -> NDArray[np.bool_]:
        """Which latents vary by less than their posterior, shape (n,)."""
        return np.asarray(self.latents.var(0) <= np.diag(self.posterior))
