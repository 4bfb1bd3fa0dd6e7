"""Certificates of joint influence, which `verify` recomputes exactly."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from identify.influence.joint.counting import GenericEffects, members
from identify.influence.joint.fields import MACHINE_PRIME, Matrix, PrimeField
from identify.influence.joint.sparsest import Effects, Sparsest, find_sparsest, weigh
from identify.influence.joint.supports import Competition, Competitor, compete
from identify.wording import plural

__all__ = [
    "GenericDirection",
    "LightDirection",
    "NoGenericDirection",
    "NoLightDirection",
    "generic_direction",
]

_ATTEMPTS = 20


@dataclass(frozen=True)
class NoGenericDirection:
    """A proof that generic effects have no direction as light as a true latent in its support.

    For every latent i, a flow shows that no set of other latents is outnumbered by actions outside Pa(i) (see
    ``counting``), or every set that is left was examined (see ``forests``).

    Attributes:
        effects: The actions with their children and ranks.
        examined: For each latent, its rivals: the latents of the sets that were examined one by one.
    """

    effects: GenericEffects
    examined: tuple[tuple[int, ...], ...]

    def verify(self) -> bool:
        """Compute the flows again, in reverse order of the latents, and examine the sets that they leave."""
        n = self.effects.n_latents
        reverse = _reversed(self.effects)
        competition = Competition(reverse.weights())
        compete(reverse, competition)
        examined = tuple(
            tuple(n - 1 - j for j in reversed(rivals or ())) for rivals in competition.rivals[::-1]
        )
        is_alone = competition.complete and competition.lighter is None and not competition.equal
        return is_alone and examined == self.examined

    def __str__(self) -> str:
        n_examined = sum(1 for rivals in self.examined if rivals)
        counted = f"flows for {plural(len(self.examined), 'latent')}"
        return (
            counted if not n_examined else f"{counted}, and sets of rivals of {n_examined} of them examined"
        )


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


def _reversed(effects: GenericEffects) -> GenericEffects:
    n = effects.n_latents
    children = tuple(_mask(n - 1 - i for i in members(mask)) for mask in effects.children)
    return GenericEffects(n, children, effects.ranks)


def _mask(positions: Iterable[int]) -> int:
    return sum(1 << position for position in positions)
