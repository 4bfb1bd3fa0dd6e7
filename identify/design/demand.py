"""What candidates have to do: how many of them must separate each pair of latents, and how many do."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from identify.design.candidates import Candidates
from identify.entanglement import Entanglement
from identify.exceptions import RequestError

__all__ = ["Demand", "demand_of"]

# entangled latents; the pairs of so many are counted again and again
_MOST_LATENTS = 5_000


@dataclass(frozen=True, eq=False)
class Demand:
    """Pairs to separate and candidates to do it with, among the latents that occur in a pair.

    Attributes:
        latents: their positions in the graph, shape (n,).
        entangled: shape (n, n), true where V[i, j] = 1 and i != j.
        targets: shape (n, n_candidates), which candidate targets which latent.
        costs: shape (n_candidates,).
        margin: how many candidates should separate each pair.
        required: shape (n, n); how many of the chosen ones must separate each pair. By default ``margin``, or all
            that there are where these are fewer.
    """

    latents: NDArray[np.intp]
    entangled: NDArray[np.bool_]
    targets: NDArray[np.bool_]
    costs: NDArray[np.float64]
    margin: int
    required: NDArray[np.int64] | None = None

    @cached_property
    def available(self) -> NDArray[np.int64]:
        """Shape (n, n): how many candidates separate i from j."""
        return np.rint(self.coverage(np.ones(len(self.costs)))).astype(np.int64)

    @cached_property
    def needs(self) -> NDArray[np.int64]:
        """Shape (n, n): how many of the chosen ones must separate i from j, as far as there are any."""
        if self.required is not None:
            return self.required
        return np.where(self.entangled, np.minimum(self.available, self.margin), 0)

    @cached_property
    def recoverable(self) -> NDArray[np.bool_]:
        """Shape (n,): whether all pairs of a latent can be separated."""
        impossible = self.entangled & (self.available == 0)
        return np.asarray(~impossible.any(axis=1))

    @cached_property
    def _weights(self) -> NDArray[np.float32]:
        return self.targets.astype(np.float32)

    def coverage(self, amounts: NDArray[np.float64]) -> NDArray[np.float64]:
        """By how much of the candidates, each taken with an amount from 0 to 1, i is separated from j.

        Args:
            amounts: shape (n_candidates,).

        Returns:
            Shape (n, n).
        """
        used = np.flatnonzero(amounts)
        weights = self._weights[:, used].astype(np.float64)
        taken = weights * amounts[used]
        result: NDArray[np.float64] = taken.sum(axis=1)[:, None] - taken @ weights.T
        return result

    def outside(self, missing: NDArray[np.int64]) -> NDArray[np.float32]:
        """Of the pairs of some latents that miss something, how many have their second latent outside a candidate.

        Args:
            missing: shape (some, n).

        Returns:
            Shape (some, n_candidates).
        """
        wanted = (missing > 0).astype(np.float32)
        return np.asarray(wanted.sum(axis=1)[:, None] - wanted @ self._weights)

    def inside(self, counts: NDArray[np.float32]) -> NDArray[np.float64]:
        """Sum, over the targets of each candidate, of counts of shape (n, n_candidates)."""
        return np.asarray(np.einsum("ic,ic->c", self._weights, counts), dtype=np.float64)

    def only(self, positions: NDArray[np.intp], costs: NDArray[np.float64] | None = None) -> Demand:
        """The same pairs to separate, as often, with some of the candidates, at their costs or at others."""
        prices = self.costs[positions] if costs is None else costs
        return Demand(
            self.latents, self.entangled, self.targets[:, positions], prices, self.margin, self.needs
        )

    def rest(self, chosen: NDArray[np.bool_]) -> Demand:
        """What is left to do for the other candidates when some are taken."""
        missing = self.missing(chosen)
        others = ~chosen
        return Demand(
            self.latents, missing > 0, self.targets[:, others], self.costs[others], self.margin, missing
        )

    def missing(self, chosen: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Shape (n, n): how many candidates more each pair needs."""
        covered = np.rint(self.coverage(chosen.astype(np.float64))).astype(np.int64)
        return np.asarray(np.maximum(self.needs - covered, 0))


def demand_of(entanglement: Entanglement, candidates: Candidates, robust: bool) -> Demand:
    """The pairs of a predicted entanglement, and what candidates do for them.

    Raises:
        RequestError: more than 5,000 latents are entangled.
    """
    matrix = entanglement.above
    busy = (entanglement.sizes > 1) | (np.diff(matrix.indptr) > 0)
    busy[matrix.indices] = True
    latents = np.flatnonzero(busy[entanglement.labels])
    if len(latents) > _MOST_LATENTS:
        raise RequestError(
            f"{len(latents):,} latents are entangled; choosing from candidates is for at most {_MOST_LATENTS:,}, "
            "free choice (no candidates) for any number"
        )
    blocks = entanglement.labels[latents]
    related = matrix.toarray()[np.ix_(blocks, blocks)] | (blocks[:, None] == blocks[None, :])
    np.fill_diagonal(related, False)
    targets = candidates.matrix(entanglement.n_latents)[latents]
    return Demand(latents, related, targets, candidates.costs, 2 if robust else 1)
