"""What free choice has to do, by blocks: which latents need codes, and what each code must differ from."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from identify.entanglement import Entanglement

__all__ = ["FreeChoice", "free_choice"]

Blocks = tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class FreeChoice:
    """Latents that need codes, by blocks of latents entangled with each other.

    Attributes:
        blocks: the latents of each block that actions may target; blocks without any pair are left out.
        above: for each block the others that it is entangled with one way: its codes must have what theirs lack.
        ceiling: for each block whether a latent that no action may target must be told apart from it, so
            that its codes are not empty.
        margin: how many actions the code of i must have that the code of j lacks.
        max_targets: how many latents an action may target; None for any number.
    """

    blocks: Blocks
    above: tuple[NDArray[np.intp], ...]
    ceiling: tuple[bool, ...]
    margin: int
    max_targets: int | None

    @cached_property
    def entangled(self) -> tuple[bool, ...]:
        """For each block whether its latents have anything to be separated from."""
        return tuple(
            len(block) > 1 or len(above) > 0 or ceiling
            for block, above, ceiling in zip(self.blocks, self.above, self.ceiling, strict=True)
        )

    @cached_property
    def n_entangled(self) -> int:
        """Number of latents that have something to be separated from."""
        pairs = zip(self.blocks, self.entangled, strict=True)
        return sum(len(block) for block, entangled in pairs if entangled)

    @cached_property
    def height(self) -> NDArray[np.intp]:
        """For each block how many blocks the longest chain above it has."""
        result = np.full(len(self.blocks), -1, dtype=np.intp)
        for b in self.top_first:
            result[b] = result[self.above[b]].max() + 1 if len(self.above[b]) else 0
        return result

    @property
    def n_links(self) -> int:
        """Blocks in the longest chain, a latent out of reach included."""
        return int(self.height.max(initial=-1)) + 1 + any(self.ceiling)

    @cached_property
    def top_first(self) -> tuple[int, ...]:
        """Blocks so that each comes after those above it: the order is transitive, so by their number."""
        return tuple(sorted(range(len(self.blocks)), key=lambda b: (len(self.above[b]), b)))


def free_choice(
    entanglement: Entanglement, forbidden: Collection[int], robust: bool, max_targets: int | None
) -> FreeChoice:
    """What codes must do for the pairs that some action can separate.

    Args:
        entanglement: of the graph as it is.
        forbidden: latents that no action may target.
        robust: whether each pair must be separated by two actions.
        max_targets: how many latents an action may target.
    """
    out = set(forbidden)
    allowed = [tuple(i for i in block if i not in out) for block in entanglement.blocks]
    out_of_reach = [len(kept) < len(block) for kept, block in zip(allowed, entanglement.blocks, strict=True)]
    above = [entanglement.blocks_above(b) for b in range(entanglement.n_blocks)]
    below = np.zeros(entanglement.n_blocks, dtype=bool)
    for others in above:
        below[others] = True
    ceiling = [out_of_reach[b] or any(out_of_reach[c] for c in above[b].tolist()) for b in range(len(above))]
    kept = [
        b
        for b, block in enumerate(allowed)
        if block and (len(block) > 1 or len(above[b]) or below[b] or ceiling[b])
    ]
    number = {b: position for position, b in enumerate(kept)}
    limit = None if max_targets is None or max_targets >= entanglement.n_latents else max_targets
    return FreeChoice(
        blocks=tuple(allowed[b] for b in kept),
        above=tuple(_renumbered(above[b].tolist(), number) for b in kept),
        ceiling=tuple(ceiling[b] for b in kept),
        margin=2 if robust else 1,
        max_targets=limit,
    )


def _renumbered(blocks: Sequence[int], number: dict[int, int]) -> NDArray[np.intp]:
    return np.array([number[b] for b in blocks if b in number], dtype=np.intp)
