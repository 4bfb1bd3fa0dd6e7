"""Demand of a cover: how many candidates must separate each pair of latents, and how many do."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from identify.design.candidates import Candidates
from identify.entanglement import Entanglement
from identify.exceptions import RequestError

__all__ = ["Demand", "demand_of"]

# entangled latents; all their pairs are counted repeatedly
_MAX_LATENTS = 5_000


@dataclass(frozen=True, eq=False)
class Demand:
    """Pairs to separate, and the candidates for it; restricted to the latents that occur in a pair.

    Attributes:
        latents: Positions of these latents in the graph, shape (n,).
        entangled: Mask of the pairs with V[i, j] = 1 and i != j, shape (n, n).
        targets: Mask of the targets of each candidate, shape (n, n_candidates).
        costs: Costs of the candidates, shape (n_candidates,).
        margin: Desired number of candidates that separate each pair.
        required: Required number of chosen candidates that separate each pair, shape (n, n). The default is ``margin``,
            or the number of available candidates if that is smaller.
    """

    latents: NDArray[np.intp]
    entangled: NDArray[np.bool_]
    targets: NDArray[np.bool_]
    costs: NDArray[np.float64]
    margin: int
    required: NDArray[np.int64] | None = None

    @cached_property
    def available(self) -> NDArray[np.int64]:
        """Number of candidates that separate i from j, shape (n, n)."""
        return np.rint(self.coverage(np.ones(len(self.costs)))).astype(np.int64)

    @cached_property
    def needs(self) -> NDArray[np.int64]:
        """Required number of chosen candidates that separate i from j, shape (n, n)."""
        if self.required is not None:
            return self.required
        return np.where(self.entangled, np.minimum(self.available, self.margin), 0)

    @cached_property
    def recoverable(self) -> NDArray[np.bool_]:
        """Whether each latent can be separated from all latents that it is entangled with, shape (n,)."""
        impossible = self.entangled & (self.available == 0)
        return np.asarray(~impossible.any(axis=1))

    @cached_property
    def _weights(self) -> NDArray[np.float32]:
        return self.targets.astype(np.float32)

    def coverage(self, amounts: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return how many candidates separate i from j, when a candidate counts by the amount that is chosen of it.

        Args:
            amounts: Amount of each candidate from 0 to 1, shape (n_candidates,).

        Returns:
            The coverage of the pairs, shape (n, n).
        """
        used = np.flatnonzero(amounts)
        weights = self._weights[:, used].astype(np.float64)
        weighted = weights * amounts[used]
        coverage: NDArray[np.float64] = weighted.sum(axis=1)[:, None] - weighted @ weights.T
        return coverage

    def outside(self, missing: NDArray[np.int64]) -> NDArray[np.float32]:
        """Count the unmet pairs (i, j) of some latents i whose latent j is not a target, for each candidate.

        Args:
            missing: Missing separations of some rows i, shape (n_rows, n).

        Returns:
            The counts, shape (n_rows, n_candidates).
        """
        unmet = (missing > 0).astype(np.float32)
        return np.asarray(unmet.sum(axis=1)[:, None] - unmet @ self._weights)

    def inside(self, counts: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the sums of counts of shape (n, n_candidates) over the targets of each candidate."""
        return np.asarray(np.einsum("ic,ic->c", self._weights, counts), dtype=np.float64)

    def only(self, positions: NDArray[np.intp], costs: NDArray[np.float64] | None = None) -> Demand:
        """Return the same demand with some of the candidates, optionally at other costs."""
        prices = self.costs[positions] if costs is None else costs
        return Demand(
            self.latents, self.entangled, self.targets[:, positions], prices, self.margin, self.needs
        )

    def rest(self, chosen: NDArray[np.bool_]) -> Demand:
        """Return the remaining demand on the other candidates when some are chosen."""
        missing = self.missing(chosen)
        others = ~chosen
        return Demand(
            self.latents, missing > 0, self.targets[:, others], self.costs[others], self.margin, missing
        )

    def missing(self, chosen: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Return how many further candidates each pair needs, shape (n, n)."""
        covered = np.rint(self.coverage(chosen.astype(np.float64))).astype(np.int64)
        return np.asarray(np.maximum(self.needs - covered, 0))


def demand_of(entanglement: Entanglement, candidates: Candidates, robust: bool) -> Demand:
    """Return the demand of a predicted entanglement on candidates.

    Raises:
        RequestError: If more than 5,000 latents are entangled.
    """
    matrix = entanglement.above
    has_pairs = (entanglement.sizes > 1) | (np.diff(matrix.indptr) > 0)
    has_pairs[matrix.indices] = True
    latents = np.flatnonzero(has_pairs[entanglement.labels])
    if len(latents) > _MAX_LATENTS:
        raise RequestError(
            f"{len(latents):,} latents are entangled; candidates are supported for at most {_MAX_LATENTS:,}, "
            "free choice (no candidates) for any number"
        )
    blocks = entanglement.labels[latents]
    related = matrix.toarray()[np.ix_(blocks, blocks)] | (blocks[:, None] == blocks[None, :])
    np.fill_diagonal(related, False)
    targets = candidates.matrix(entanglement.n_latents)[latents]
    return Demand(latents, related, targets, candidates.costs, 2 if robust else 1)
