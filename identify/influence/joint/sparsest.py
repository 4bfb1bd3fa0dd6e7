"""A sparsest basis of directions, and the entanglement that all sparsest bases together allow.

Directions weigh the number of actions that move them, so a sparsest basis is a minimum-weight basis of a linear
matroid. It is reached from the true latents by exchanges: a direction that moves fewer actions than a basis element in
its support takes the element's place, until there is none. Directions that weigh as much as an element can then
take its place too, and no others occur in a sparsest basis. (Ours, docs/theory.md.)
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from identify.influence.joint.fields import Field, Matrix, PrimeField, Rationals, machine_primes
from identify.influence.joint.light import LightSearch

__all__ = ["Effects", "Sparsest", "entangled", "find_sparsest", "weigh"]


@dataclass(frozen=True, eq=False)
class Effects:
    """What the actions do, as numbers.

    Attributes:
        field: The field of the numbers.
        columns: Columns of all actions side by side, shape (n, number of columns).
        owner: For each column, its action, shape (number of columns,).
        n_actions: Number of actions.
    """

    field: Field
    columns: Matrix
    owner: NDArray[np.integer]
    n_actions: int

    @property
    def n_latents(self) -> int:
        """Number of latents."""
        return len(self.columns)

    def moved(self, vectors: Matrix) -> NDArray[np.bool_]:
        """Return which actions move each direction, shape (number of vectors, n_actions)."""
        nonzero = self.field.nonzero(self.field.product(vectors, self.columns))
        member = np.zeros((len(self.owner), self.n_actions), dtype=bool)
        member[np.arange(len(self.owner)), self.owner] = True
        result: NDArray[np.bool_] = nonzero @ member
        return result

    def cancelling(self, actions: NDArray[np.bool_]) -> Matrix:
        """Return a basis of all directions that these actions don't move, as rows."""
        return self.field.left_null(self.columns[:, actions[self.owner]])

    def in_basis(self, basis: Matrix) -> Effects:
        """Return the same effects with the rows of a basis in the place of the latents."""
        return Effects(self.field, self.field.product(basis, self.columns), self.owner, self.n_actions)

    def light(self, latent: int, budget: int, others: NDArray[np.bool_] | None = None) -> Iterator[Matrix]:
        """Yield subspaces that together hold every direction with a latent that at most ``budget`` actions move.

        Args:
            latent: The latent whose coefficient must not be zero.
            budget: Largest number of actions that move the direction.
            others: Which latents may have nonzero coefficients, shape (n,); all by default.

        Yields:
            Bases of subspaces as rows, as from `LightSearch.flats`. For rational effects, every pair of the latent and
            another one that some direction contains is contained in one of the subspaces.
        """
        used = np.ones(self.n_latents, dtype=bool) if others is None else others
        if isinstance(self.field, Rationals):
            yield from self._light_by_primes(latent, budget, used)
        else:
            search = LightSearch(self.field, self.columns, self.owner, self.n_actions)
            yield from search.flats(latent, budget, used)

    def _light_by_primes(self, latent: int, budget: int, used: NDArray[np.bool_]) -> Iterator[Matrix]:
        """Search modulo several primes.

        Whether some direction contains two given latents and cancels given actions depends on whether two minors of
        [columns, identity] are zero. The product of the primes exceeds that of any two minors, so every such direction
        shows modulo one of them. What shows modulo a prime is then computed in rational numbers.
        """
        integers = _integer_columns(self.columns)
        bound, primes = _bound_on_minors(integers) ** 2, machine_primes()
        seen: set[bytes] = set()
        while bound > 0:
            modular = PrimeField(next(primes))
            columns = modular.array(integers % modular.prime)
            search = LightSearch(modular, columns, self.owner, self.n_actions)
            for flat in search.flats(latent, budget, used):
                cancelled = ~search.moved(flat)
                if cancelled.tobytes() in seen:
                    continue
                chosen = cancelled[self.owner]
                basis = self.field.left_null(self.columns[used][:, chosen])
                if len(basis) < len(modular.left_null(columns[used][:, chosen])):
                    # the prime divides a minor, so it proves nothing
                    break
                seen.add(cancelled.tobytes())
                yield self._systematic(basis, latent, used)
            else:
                bound //= modular.prime

    def _systematic(self, basis: Matrix, latent: int, used: NDArray[np.bool_]) -> Matrix:
        """Return directions on some of the latents as directions on all; the first one contains the latent."""
        subspace = self.field.array([[0] * self.n_latents] * len(basis))
        subspace[:, used] = basis
        pivot = self.field.pivot(subspace[:, latent])
        if pivot is None:
            raise AssertionError("a subspace modulo a prime contains a latent that the rational one lacks")
        subspace[[0, pivot]] = subspace[[pivot, 0]]
        self.field.eliminate(subspace, 0, latent)
        return subspace


@dataclass(eq=False)
class Sparsest:
    """What is known about the sparsest bases.

    Attributes:
        basis: The sparsest basis found so far, directions as rows, shape (n, n); the identity is the true latents.
        weights: The weights of its rows.
        equal: Pairs of a row of the basis and a subspace, in coordinates of the basis: all of its directions with that
            row in them may take the place of the row.
        complete: Whether the basis is proved to be a sparsest one, and ``equal`` has every direction.
    """

    basis: Matrix
    weights: list[int]
    equal: list[tuple[int, Matrix]] = field(default_factory=list)
    complete: bool = False


def weigh(effects: Effects, vectors: Matrix) -> list[int]:
    """Return the number of actions that move each direction."""
    return [int(count) for count in effects.moved(vectors).sum(axis=1)]


def find_sparsest(effects: Effects, found: Sparsest) -> None:
    """Exchange directions until the basis is a sparsest one, and collect the directions that are equally light.

    Args:
        effects: What the actions do.
        found: The start, for instance the true latents; it is updated and stays usable if the search is interrupted.
    """
    while True:
        local = effects.in_basis(found.basis)
        lighter = _collect(local, found)
        if lighter is None:
            found.complete = True
            return
        row, coordinates = lighter
        found.basis[row] = effects.field.product(coordinates[None], found.basis)[0]
        found.weights[row] = weigh(effects, found.basis[row : row + 1])[0]


def _collect(local: Effects, found: Sparsest) -> tuple[int, Matrix] | None:
    """Fill ``found.equal``, or return a row of the basis and a lighter direction, in coordinates of the basis."""
    found.equal = []
    weights = np.array(found.weights)
    for row in np.argsort(weights, kind="stable").tolist():
        # heavier rows are excluded: a direction with one of them is found at that row
        others = weights <= weights[row]
        subspaces = [
            subspace
            for subspace in local.light(row, int(weights[row]), others)
            if local.field.support(subspace).sum() > 1
        ]
        if subspaces:
            lighter = next(local.light(row, int(weights[row]) - 1, others), None)
            if lighter is not None:
                return row, lighter[0]
            found.equal += [(row, subspace) for subspace in subspaces]
    return None


def _integer_columns(columns: Matrix) -> Matrix:
    """Return rational columns scaled to integers without a common factor."""
    result = columns.copy()
    for k in range(columns.shape[1]):
        scale = math.lcm(*(value.denominator for value in columns[:, k]))
        integers = [int(value * scale) for value in columns[:, k]]
        factor = math.gcd(*integers) or 1
        result[:, k] = [value // factor for value in integers]
    return result


def _bound_on_minors(integers: Matrix) -> int:
    """Return a bound on the minors of [integers, a unit vector], by Hadamard's inequality for the columns."""
    squares = sorted((sum(value * value for value in column) for column in integers.T.tolist()), reverse=True)
    largest = math.prod(max(square, 1) for square in squares[: max(len(integers) - 1, 0)])
    return math.isqrt(largest) + 1


def entangled(effects: Effects, found: Sparsest) -> NDArray[np.bool_]:
    """Return V: the pairs of latents that meet in a direction of some sparsest basis.

    Args:
        effects: What the actions do, on the true latents.
        found: The complete result of `find_sparsest`.

    Returns:
        V[i, j] is true if i = j or if i and j are in the support of a direction w that some sparsest basis contains,
        and latent j is not in the span of the directions that are lighter than w.
    """
    n, field = effects.n_latents, effects.field
    result = np.eye(n, dtype=bool)
    is_basis_row = [(row, field.eye(n)[row : row + 1]) for row in range(n)]
    open_latents: dict[int, NDArray[np.bool_]] = {}
    for row, subspace in [*is_basis_row, *found.equal]:
        weight = found.weights[row]
        if weight not in open_latents:
            lighter = found.basis[[k for k in range(n) if found.weights[k] < weight]]
            open_latents[weight] = ~_in_span(field, lighter)
        support = field.support(field.product(subspace, found.basis))
        result[np.ix_(support, support & open_latents[weight])] = True
    return result


def _in_span(field: Field, rows: Matrix) -> NDArray[np.bool_]:
    """Return which unit vectors are in the span of independent rows."""
    reduced, pivots = field.echelon(rows)
    result = np.zeros(rows.shape[1], dtype=bool)
    # a unit vector in the span is a row of the reduced form
    is_unit = field.nonzero(reduced).sum(axis=1) == 1
    result[np.array(pivots, dtype=int)[is_unit]] = True
    return result
