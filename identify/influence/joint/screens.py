"""On/off interventions with generic effects: joint influence and V for a graph of any size, by minimum cuts.

`expansion` has the conditions. The directions that compete with the true latents are computed at random effects modulo
a prime: the direction on a set I that |I| - 1 independent actions don't move, one of them an action on latent i.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import scipy
from numpy.typing import NDArray

from identify.influence.joint.counting import GenericEffects
from identify.influence.joint.expansion import Shortfall, generic_rank, loosest_sets, shortfalls
from identify.influence.joint.fields import MACHINE_PRIME, PrimeField
from identify.influence.joint.supports import Competitor

__all__ = ["Screen", "SparserBasis"]

_FIELD = PrimeField(MACHINE_PRIME)


@dataclass(frozen=True)
class SparserBasis:
    """A basis with fewer edges than the true latents.

    Attributes:
        competitors: The directions that are not true latents, each with a latent that it is lighter than; lightest
            first.
        coefficients: For each of them, its nonzero coefficients, all at the same effects modulo a prime.
        replaced: For each of them, the true latent that it replaces.
        kept: The true latents that are in the basis.
        weights: The weights of the basis, ascending.
        proved: Whether no basis has fewer edges.
    """

    competitors: tuple[Competitor, ...]
    coefficients: tuple[tuple[int, ...], ...]
    replaced: tuple[int, ...]
    kept: tuple[int, ...]
    weights: tuple[int, ...]
    proved: bool


class Screen:
    """On/off actions with generic effects.

    Args:
        effects: The actions; each has rank 1, or 0 if it targets nothing.
        seed: Seed of the effects at which directions are computed.
    """

    def __init__(self, effects: GenericEffects, seed: int = 0) -> None:
        self.matrix = effects.matrix()
        self.weights: NDArray[np.int64] = self.matrix.sum(axis=1)
        self.idle: NDArray[np.bool_] = self.weights == 0
        rng = np.random.default_rng(seed)
        self._values = self.matrix * rng.integers(1, MACHINE_PRIME, size=self.matrix.shape)

    @cached_property
    def worst(self) -> list[Shortfall]:
        """Sets of latents with parents that too few actions touch."""
        kept = np.flatnonzero(~self.idle).tolist()
        return [
            Shortfall(tuple(kept[k] for k in found.support), _at(kept, found.latent), found.missing)
            for found in shortfalls(self.matrix[kept])
        ]

    @property
    def lighter(self) -> list[Shortfall]:
        """The sets among them with a direction that is lighter than one of its latents."""
        return [found for found in self.worst if found.latent is None or found.missing > 1]

    @cached_property
    def entanglement(self) -> NDArray[np.bool_]:
        """V; an upper bound in the parts of the graph where some direction is lighter than a true latent.

        Parts of the graph that share no action don't compete: the weight of a direction is the sum of the weights of
        its restrictions to the parts. Only directions that no action moves can be added to those of other parts.
        """
        result = np.eye(len(self.matrix), dtype=bool)
        for part in self._parts(np.flatnonzero(~self.idle)):
            rows = self.matrix[part]
            found = shortfalls(rows)
            if any(short.latent is None or short.missing > 1 for short in found):
                result[np.ix_(part, part)] = True
                # a direction that no action moves may be added to any other
                if generic_rank(rows) < len(part):
                    result[part] = True
            elif found:
                for j, tight in enumerate(loosest_sets(rows)[1]):
                    connected = next(k for k in self._parts(part[list(tight)]) if part[j] in k)
                    result[connected, part[j]] = True
        result[self.idle] = True
        return result

    def equal(self) -> list[Competitor]:
        """Return directions as light as the latent that they can replace, which cover V; nothing lighter exists."""
        idle = np.flatnonzero(self.idle).tolist()
        result = []
        for j in range(len(self.matrix)):
            support = {j, *idle}
            if len(support) > 1:
                result.append(_competitor(j, support, (), int(self.weights[j])))
        covered: dict[int, set[int]] = {}
        for found in self.worst:
            if found.latent is not None and not set(found.support) <= covered.setdefault(found.latent, set()):
                competitor = self._direction(found.support, found.latent)[1]
                covered[found.latent] |= set(found.support)
                result.append(competitor)
        return result

    def sparser_basis(self) -> SparserBasis:
        """Return the sparsest basis of the axes and the lightest directions that the minimum cuts give."""
        n = len(self.matrix)
        pool: list[tuple[int, int, NDArray[np.int64], Competitor | None]] = []
        for k, axis in enumerate(np.eye(n, dtype=np.int64)):
            pool.append((int(self.weights[k]), -1, axis, None))
        unmoved = _FIELD.left_null(self._values)
        for vector in unmoved:
            if np.count_nonzero(vector) > 1:
                latent = max(np.flatnonzero(vector).tolist(), key=lambda k: int(self.weights[k]))
                pool.append((0, 0, vector, self._described(vector, latent)))
        for found in self.lighter:
            if found.latent is not None:
                vector, competitor = self._direction(found.support, found.latent)
                pool.append((competitor.weight, len(found.support), vector, competitor))
        # axes come before other directions of the same weight
        pool.sort(key=lambda entry: entry[:2])
        chosen = [pool[k] for k in _first_independent([entry[2] for entry in pool], n)]
        weights = tuple(entry[0] for entry in chosen)
        kept = [int(np.flatnonzero(entry[2])[0]) for entry in chosen if entry[3] is None]
        others = [(entry[2], entry[3]) for entry in chosen if entry[3] is not None]
        return SparserBasis(
            tuple(competitor for _, competitor in others),
            tuple(tuple(vector[vector != 0].tolist()) for vector, _ in others),
            _matching([vector for vector, _ in others], kept, n),
            tuple(sorted(kept)),
            weights,
            sum(weights) <= self._fewest_edges(len(unmoved)),
        )

    def _fewest_edges(self, n_unmoved: int) -> int:
        """Return a lower bound on the edges of any basis.

        Some order of a basis has latent i in its i-th direction, which weighs at least the least t(I) - |I| + 1 over
        the sets I with i; at most `n_unmoved` directions of a basis weigh 0.
        """
        least = np.minimum(loosest_sets(self.matrix)[0] + 1, self.weights)
        least = np.maximum(least, 0)
        return int(least.sum()) + max(0, int((least == 0).sum()) - n_unmoved)

    def _direction(self, support: Sequence[int], latent: int) -> tuple[NDArray[np.int64], Competitor]:
        """Return a direction on a set of latents, with the given one, that as many actions as possible don't move."""
        rows = [latent, *(k for k in support if k != latent)]
        touching = np.flatnonzero(self.matrix[rows].any(axis=0))
        # an action on the latent and another one comes first, so that the direction is not the latent itself
        is_shared = self.matrix[latent, touching] & self.matrix[rows[1:]][:, touching].any(axis=0)
        touching = touching[np.argsort(~is_shared, kind="stable")]
        # the pivots are independent without the latent, whose coefficient can then be 1
        pivots = _FIELD.echelon(self._values[rows[1:]][:, touching])[1]
        null = _FIELD.left_null(self._values[rows][:, touching[pivots]])
        vector = np.zeros(len(self.matrix), dtype=np.int64)
        combination = np.arange(1, len(null) + 1)[None, :]
        vector[rows] = _FIELD.product(combination, null)[0]
        return vector, self._described(vector, latent)

    def _described(self, vector: NDArray[np.int64], latent: int) -> Competitor:
        support = np.flatnonzero(vector)
        is_touched = self.matrix[support].any(axis=0)
        is_moved = _FIELD.product(vector[None, :], self._values)[0] != 0
        cancelled = tuple(np.flatnonzero(is_touched & ~is_moved).tolist())
        return _competitor(latent, support.tolist(), cancelled, int(is_moved.sum()))

    def _parts(self, latents: NDArray[np.intp]) -> list[NDArray[np.intp]]:
        """Return the latents in groups that common actions connect."""
        rows = self.matrix[latents].astype(np.int64)
        graphs = scipy.sparse.csgraph
        count, labels = graphs.connected_components(scipy.sparse.csr_array(rows @ rows.T), directed=False)
        return [latents[labels == k] for k in range(count)]


def _competitor(latent: int, support: Iterable[int], cancelled: tuple[int, ...], weight: int) -> Competitor:
    return Competitor(latent, sum(1 << k for k in support), cancelled, weight)


def _matching(vectors: Sequence[NDArray[np.int64]], kept: Sequence[int], n: int) -> tuple[int, ...]:
    """Return a latent for each vector of a basis that completes the axes of the kept latents."""
    free = np.setdiff1d(np.arange(n), kept)
    entries = scipy.sparse.csr_array(np.array(vectors).reshape(-1, n)[:, free] != 0)
    # these rows are independent without the kept latents, so all of them can be matched
    matched = scipy.sparse.csgraph.maximum_bipartite_matching(entries, perm_type="column")
    return tuple(free[matched].tolist())


def _first_independent(vectors: Sequence[NDArray[np.int64]], n: int) -> list[int]:
    """Return the positions of the vectors that are independent of those before them."""
    return _FIELD.echelon(_FIELD.array(np.array(vectors).reshape(-1, n).T))[1]


def _at(values: Sequence[int], position: int | None) -> int | None:
    return None if position is None else values[position]
