"""Certificates of joint influence, which `verify` recomputes exactly."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from identify.influence.joint.counting import GenericEffects, members
from identify.influence.joint.fields import MACHINE_PRIME, Matrix, PrimeField
from identify.influence.joint.heavier import NoLighterRival, no_lighter_rival
from identify.influence.joint.minors import Minors, are_nonzero, find_minors
from identify.influence.joint.sparsest import Effects, Sparsest, find_sparsest, weigh
from identify.influence.joint.supports import Competition, Competitor
from identify.wording import plural

__all__ = [
    "EnoughActions",
    "GenericDirection",
    "LightDirection",
    "NoGenericDirection",
    "NoLightDirection",
    "enough_actions",
    "generic_direction",
    "no_generic_direction",
]

_ATTEMPTS = 20


@dataclass(frozen=True)
class EnoughActions:
    """A proof that the true latents are the one sparsest basis of on/off actions: nonzero minors modulo a prime.

    They show that at least |J| actions without an effect on latent i touch every set J of other latents, and one more
    if some latent of J has an action in common with i (the condition of ``expansion``).

    Attributes:
        effects: The actions with their children; each has one generic effect.
        independent: A minor with the rows of all latents; None for one latent.
        against: For each latent i, minors with the rows of all other latents and the columns of actions that are not on
            i, bordered by the rows of the latents that have an action in common with i.
    """

    effects: GenericEffects
    independent: Minors | None
    against: tuple[Minors, ...]

    def verify(self) -> bool:
        """Check which rows and columns the minors have, and compute them at random entries modulo the prime."""
        n, matrix = self.effects.n_latents, self.effects.matrix()
        if n < 2:
            return True
        if max(self.effects.ranks, default=0) > 1 or self.independent is None or len(self.against) != n:
            return False
        everyone, available = range(n), np.ones(self.effects.n_actions, dtype=np.int64)
        return _prove(matrix, self.independent, everyone, available, ()) and all(
            _prove(matrix, minors, _without(everyone, i), available * ~matrix[i], _sharing(matrix, i))
            for i, minors in enumerate(self.against)
        )

    def __str__(self) -> str:
        if self.independent is None:
            return "no other latent to compare with"
        n_minors = sum(minors.count for minors in (self.independent, *self.against))
        latents = plural(self.effects.n_latents, "latent")
        return f"{plural(n_minors, 'nonzero minor')} modulo {MACHINE_PRIME} for {latents}"


def enough_actions(effects: GenericEffects) -> EnoughActions:
    """Return the proof for on/off actions of which the minimum cuts say that joint influence holds.

    Args:
        effects: The actions; each has rank 1, or 0 if it targets nothing.
    """
    n, matrix = effects.n_latents, effects.matrix()
    if n < 2:
        return EnoughActions(effects, None, ())
    independent = find_minors(matrix, range(n), range(effects.n_actions))
    against = [
        find_minors(matrix, _without(range(n), i), np.flatnonzero(~matrix[i]).tolist(), _sharing(matrix, i))
        for i in range(n)
    ]
    return EnoughActions(effects, independent, tuple(minors for minors in against if minors is not None))


@dataclass(frozen=True)
class NoGenericDirection:
    """A proof that generic effects have no direction as light as a true latent in its support: nonzero minors.

    For every latent i, minors modulo a prime show that actions outside Pa(i) outnumber every set of other latents (see
    ``counting``), or that every direction of i and the sets that are left is heavier (see ``heavier``).

    Attributes:
        effects: The actions with their children and ranks.
        against: For each latent i without rivals, minors with the rows of the other latents that are no heavier, each
            row repeated in a bordered minor, and the columns of actions outside Pa(i), each as often as the action
            counts; for each latent with rivals, the proof for those.
    """

    effects: GenericEffects
    against: tuple[Minors | NoLighterRival, ...]

    def verify(self) -> bool:
        """Check which rows and columns the minors have, and compute them at random entries modulo the prime."""
        n = self.effects.n_latents
        return len(self.against) == n and all(self._verify(i, proof) for i, proof in enumerate(self.against))

    def _verify(self, i: int, proof: Minors | NoLighterRival) -> bool:
        available = _counted(self.effects, i)
        if isinstance(proof, NoLighterRival):
            return proof.latent == i and proof.verify(self.effects, available)
        others = self.effects.no_heavier(i, self.effects.weights())
        return _prove(self.effects.matrix(), proof, others, available, others)

    def __str__(self) -> str:
        n_minors = sum(proof.count for proof in self.against)
        if not n_minors:
            return "no other latent to compare with"
        latents = plural(self.effects.n_latents, "latent")
        return f"{plural(n_minors, 'nonzero minor')} modulo {MACHINE_PRIME} for {latents}"


def no_generic_direction(effects: GenericEffects, competition: Competition) -> NoGenericDirection:
    """Return the proof for a complete search that found no competitor.

    Args:
        effects: The actions.
        competition: The result of the search.
    """
    matrix = effects.matrix()
    against: list[Minors | NoLighterRival] = []
    for i, rivals in enumerate(competition.rivals):
        available = _counted(effects, i)
        if rivals:
            against.append(no_lighter_rival(effects, i, rivals, available))
            continue
        others = effects.no_heavier(i, competition.weights)
        columns = np.repeat(np.arange(effects.n_actions), available).tolist()
        minors = find_minors(matrix, others, columns, others)
        # without rivals the actions outnumber every set of other latents
        assert minors is not None
        against.append(minors)
    return NoGenericDirection(effects, tuple(against))


def _counted(effects: GenericEffects, i: int) -> NDArray[np.int64]:
    """Return how often the column of each action may be used against latent i."""
    # more columns than children and one repeated row are never matched
    most = [mask.bit_count() + 1 for mask in effects.children]
    return np.minimum(effects.capacities(i), most)


def _prove(
    matrix: NDArray[np.bool_],
    minors: Minors,
    rows: Sequence[int],
    available: NDArray[np.int64],
    repeated: Sequence[int],
) -> bool:
    """Return whether minors have the right rows, no more columns than available, and are nonzero."""
    actions = [*minors.columns, *(action for _, action in minors.borders)]
    if not all(0 <= action < len(available) for action in actions):
        return False
    used = np.bincount(np.array(minors.columns, dtype=int), minlength=len(available))
    return (
        minors.rows == tuple(rows)
        and bool((used <= available).all())
        and all(used[action] < available[action] for _, action in minors.borders)
        and {latent for latent, _ in minors.borders} >= set(repeated)
        and are_nonzero(matrix, minors)
    )


def _sharing(matrix: NDArray[np.bool_], i: int) -> list[int]:
    """Return the other latents that have an action in common with latent i."""
    return _without(np.flatnonzero(matrix[:, matrix[i]].any(axis=1)).tolist(), i)


def _without(latents: Iterable[int], i: int) -> list[int]:
    return [k for k in latents if k != i]


@dataclass(frozen=True, eq=False)
class GenericDirection:
    """A proof that a direction exists for generic effects: its coefficients at effects modulo a prime.

    The matrix of the cancelled actions, restricted to the support, has full column rank at these effects, so its left
    null space at generic effects specialises to the one here. The coefficients are minors of that matrix, or
    combinations of them; they are nonzero modulo the prime, so they are nonzero at generic effects.

    Attributes:
        graph: The actions with their children and ranks.
        latent: The latent that the direction is not heavier than.
        support: Latents with a nonzero coefficient.
        cancelled: Actions that act on the support and that the direction cancels.
        columns: Effects of the cancelled actions on the support modulo the prime, shape (support, total rank).
        coefficients: Coefficients of the direction modulo the prime.
        prime: The prime.
    """

    graph: GenericEffects
    latent: int
    support: tuple[int, ...]
    cancelled: tuple[int, ...]
    columns: Matrix
    coefficients: tuple[int, ...]
    prime: int = MACHINE_PRIME

    @property
    def weight(self) -> int:
        """Number of actions that move the direction."""
        mask = sum(1 << i for i in self.support)
        return sum(1 for children in self.graph.children if children & mask) - len(self.cancelled)

    def verify(self) -> bool:
        """Compute rank, products and weights again, and return whether they are as claimed."""
        field = PrimeField(self.prime)
        vector = field.array([self.coefficients])
        owners = [a for a in self.cancelled for _ in range(self.graph.ranks[a])]
        if self.columns.shape != (len(self.support), len(owners)) or len(set(self.cancelled)) < len(
            self.cancelled
        ):
            return False
        on_graph = np.array(
            [[bool(self.graph.children[a] >> i & 1) for a in owners] for i in self.support], dtype=bool
        ).reshape(self.columns.shape)
        mask = sum(1 << i for i in self.support)
        return (
            len(self.support) > 1
            and self.latent in self.support
            and all(self.graph.children[a] & mask for a in self.cancelled)
            and not field.nonzero(self.columns)[~on_graph].any()
            and bool(field.nonzero(vector).all())
            and field.rank(self.columns) == len(owners)
            and not field.nonzero(field.product(vector, self.columns)).any()
            and self.weight <= self.graph.weights()[self.latent]
        )

    def __str__(self) -> str:
        return (
            f"a direction of {plural(len(self.support), 'latent')} that moves with {plural(self.weight, 'action')}, "
            f"with effects modulo {self.prime}"
        )


@dataclass(frozen=True, eq=False)
class LightDirection:
    """A proof that a direction is not heavier than a true latent in it: exact numbers, multiplied again.

    Attributes:
        effects: What the actions do.
        vector: The direction, shape (n,).
    """

    effects: Effects
    vector: Matrix

    def verify(self) -> bool:
        """Multiply the direction with all effects again and compare the weights."""
        support = np.flatnonzero(self.effects.field.nonzero(self.vector))
        units = self.effects.field.eye(self.effects.n_latents)[support]
        weight = weigh(self.effects, self.vector[None])[0]
        return len(support) > 1 and weight <= max(weigh(self.effects, units))

    def __str__(self) -> str:
        support = int(self.effects.field.nonzero(self.vector).sum())
        weight = weigh(self.effects, self.vector[None])[0]
        return f"a direction of {plural(support, 'latent')} that moves with {plural(weight, 'action')}"


@dataclass(frozen=True, eq=False)
class NoLightDirection:
    """A proof that every direction of two or more latents is heavier than each of them: an exhaustive search.

    Attributes:
        effects: What the actions do.
    """

    effects: Effects

    def verify(self) -> bool:
        """Search again, with latents and columns in reverse order, which gives other information sets."""
        field, n = self.effects.field, self.effects.n_latents
        owner = self.effects.n_actions - 1 - self.effects.owner[::-1]
        reverse = Effects(field, self.effects.columns[::-1, ::-1].copy(), owner, self.effects.n_actions)
        found = Sparsest(field.eye(n), weigh(reverse, field.eye(n)))
        find_sparsest(reverse, found)
        return found.complete and not found.equal and not field.nonzero(found.basis - field.eye(n)).any()

    def __str__(self) -> str:
        return f"an exhaustive search for light directions of {plural(self.effects.n_latents, 'latent')}"


def generic_direction(effects: GenericEffects, competitor: Competitor, seed: int = 0) -> GenericDirection:
    """Return a direction with the support of a competitor at random effects modulo a prime.

    Args:
        effects: The actions.
        competitor: A support with the actions that it cancels.
        seed: Seed of the effects.
    """
    field, rng = PrimeField(MACHINE_PRIME), np.random.default_rng(seed)
    support = members(competitor.support)
    owners = [a for a in competitor.cancelled for _ in range(effects.ranks[a])]
    on_graph = np.array([[effects.children[a] >> i & 1 for a in owners] for i in support], dtype=np.int64)
    on_graph = on_graph.reshape(len(support), len(owners))
    for _ in range(_ATTEMPTS):
        columns = on_graph * rng.integers(1, field.prime, size=on_graph.shape)
        null = field.left_null(columns)
        weights = field.array([rng.integers(1, field.prime, size=len(null))])
        vector = field.product(weights, null)[0]
        if field.nonzero(vector).all() and field.rank(columns) == len(owners):
            break
    coefficients = tuple(int(value) for value in vector)
    return GenericDirection(
        effects, competitor.latent, tuple(support), competitor.cancelled, columns, coefficients
    )
