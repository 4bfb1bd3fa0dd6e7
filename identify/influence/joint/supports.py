"""Light directions of generic effects by their supports: exact, by enumerating the sets that counting leaves."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from identify.influence.joint.counting import GenericEffects, members
from identify.influence.joint.forests import cancellable_actions, most_by_count

__all__ = ["MAX_RIVALS", "Competition", "Competitor", "compete", "light_supports"]

#: Maximum number of rivals of a latent whose subsets are enumerated.
MAX_RIVALS = 22
_WORD_BITS = 64
_WORD_MASK = (1 << 64) - 1


@dataclass(frozen=True)
class Competitor:
    """A support of generic directions that move no more actions than one of its latents does.

    Attributes:
        latent: The latent in whose place such a direction may enter a basis.
        support: Bit mask of the latents, ``latent`` included.
        cancelled: Actions that act on the support and that the direction cancels.
        weight: Number of actions that move the direction.
    """

    latent: int
    support: int
    cancelled: tuple[int, ...]
    weight: int


@dataclass
class Competition:
    """What is known so far about the directions that compete with the true latents.

    Attributes:
        weights: The weights of the true latents.
        rivals: For each latent, the latents that counting does not exclude; None where that was not computed yet.
        lighter: The first competitor found that moves fewer actions than its latent.
        equal: Competitors that move as many actions as their latent; together they cover column j of V.
        complete: Whether the search was finished.
    """

    weights: tuple[int, ...]
    rivals: list[list[int] | None] = field(default_factory=list)
    lighter: Competitor | None = None
    equal: list[Competitor] = field(default_factory=list)
    complete: bool = False

    def entanglement(self) -> NDArray[np.bool_]:
        """Return V if the search was complete and nothing is lighter than the true latents."""
        n = len(self.weights)
        result = np.eye(n, dtype=bool)
        for competitor in self.equal:
            result[members(competitor.support), competitor.latent] = True
        return result


def compete(effects: GenericEffects, competition: Competition) -> None:
    """Search for the directions that compete with the true latents, and note them as they are found.

    Args:
        effects: The actions.
        competition: An empty competition, which is filled; it stays usable if the search is interrupted.
    """
    n = effects.n_latents
    competition.rivals = [None] * n
    for i in range(n):
        competition.rivals[i] = effects.rivals(i, competition.weights)
    crowded = [i for i, rivals in enumerate(competition.rivals) if rivals]
    # a light direction with few latents is found before large sets of rivals are enumerated
    crowded.sort(key=lambda i: len(competition.rivals[i] or ()))
    parents = effects.parents()
    for i in crowded:
        for support, least in light_supports(effects, i, competition.rivals[i] or (), competition.weights[i]):
            if least < competition.weights[i]:
                found = _competitor(effects, parents, i, support, competition.weights[i] - 1)
                if found is not None:
                    competition.lighter = found
                    return
    for i in crowded:
        covered = 1 << i
        for support, _ in light_supports(effects, i, competition.rivals[i] or (), competition.weights[i]):
            if support & ~covered:
                found = _competitor(effects, parents, i, support, competition.weights[i])
                if found is not None:
                    competition.equal.append(found)
                    covered |= support
    competition.complete = all(
        len(rivals) <= MAX_RIVALS for rivals in competition.rivals if rivals is not None
    )


def _competitor(
    effects: GenericEffects, parents: tuple[int, ...], latent: int, support: int, weight: int
) -> Competitor | None:
    touching = 0
    for i in members(support):
        touching |= parents[i]
    needed = touching.bit_count() - weight
    cancelled = cancellable_actions(support, effects.children, effects.ranks, needed) if needed > 0 else ()
    if len(cancelled) < needed:
        return None
    return Competitor(latent, support, cancelled, touching.bit_count() - len(cancelled))


def light_supports(
    effects: GenericEffects, i: int, rivals: Sequence[int], weight: int
) -> Iterator[tuple[int, int]]:
    """Yield the supports of a latent and rivals whose directions may be as light as the latent, small ones first.

    A direction with support I cancels actions whose ranks add up to less than |I|; the other supports are heavier by
    that alone.

    Args:
        effects: The actions.
        i: The latent.
        rivals: Other latents; only subsets of the first `MAX_RIVALS` are enumerated.
        weight: The weight of the latent.

    Yields:
        A support as a bit mask, and a lower bound on the weight of its directions, at most ``weight``.
    """
    rivals, parents = rivals[:MAX_RIVALS], effects.parents()
    n_words = -(-effects.n_actions // _WORD_BITS)
    touched = np.zeros(1 << len(rivals), dtype=np.int64)
    for word in range(n_words):
        unions = np.array([_word(parents[i], word)], dtype=np.uint64)
        for j in rivals:
            unions = np.concatenate([unions, unions | np.uint64(_word(parents[j], word))])
        touched += np.bitwise_count(unions)
    sizes = np.bitwise_count(np.arange(1 << len(rivals), dtype=np.uint64)).astype(np.int64)
    ranks = [effects.ranks[a] for a in range(effects.n_actions) if effects.cancellable(a)]
    cancellable = np.array([most_by_count(ranks, size + 1) for size in range(len(rivals) + 1)])
    least = touched - cancellable[sizes]
    light = np.flatnonzero((least <= weight) & (sizes > 0))
    for chosen in light[np.argsort(sizes[light], kind="stable")].tolist():
        support = 1 << i
        for position in members(chosen):
            support |= 1 << rivals[position]
        yield support, int(least[chosen])


def _word(mask: int, word: int) -> int:
    return mask >> (word * _WORD_BITS) & _WORD_MASK
