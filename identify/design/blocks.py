"""Free choice of targets as a problem of codes: which latents need codes, and which codes must not contain them."""

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
    """Latents that need codes, by blocks of mutually entangled latents.

    The code of a latent is the set of new actions that target it.

    Attributes:
        blocks: Latents of each block that actions may target. Blocks without a pair to separate are left out.
        above: For each block, the blocks that it is entangled with one way. None of its codes may be contained in
            theirs.
        ceiling: For each block, whether it must be separated from a latent that no action may target. Its codes must
            then not be empty.
        margin: Number of actions that the code of i must have and the code of j must lack, for each pair (i, j).
        max_targets: Largest number of latents that an action may target; None for any number.
    """

    blocks: Blocks
    above: tuple[NDArray[np.intp], ...]
    ceiling: tuple[bool, ...]
    margin: int
    max_targets: int | None

    @cached_property
    def entangled(self) -> tuple[bool, ...]:
        """Whether the latents of each block must be separated from any other latent."""
        return tuple(
            len(block) > 1 or len(above) > 0 or ceiling
            for block, above, ceiling in zip(self.blocks, self.above, self.ceiling, strict=True)
        )

    @cached_property
    def n_entangled(self) -> int:
        """Number of latents that must be separated from another latent."""
        return sum(
            len(block) for block, entangled in zip(self.blocks, self.entangled, strict=True) if entangled
        )

    @cached_property
    def height(self) -> NDArray[np.intp]:
        """Length of the longest chain above each block, in blocks."""
        heights = np.full(len(self.blocks), -1, dtype=np.intp)
        for b in self.top_first:
            heights[b] = heights[self.above[b]].max() + 1 if len(self.above[b]) else 0
        return heights

    @property
    def chain_length(self) -> int:
        """Length of the longest chain of blocks; a latent that no action may target counts as a block."""
        return int(self.height.max(initial=-1)) + 1 + any(self.ceiling)

    @cached_property
    def top_first(self) -> tuple[int, ...]:
        """Blocks in an order in which each block follows all blocks above it.

        The order of the blocks is transitive, so it suffices to sort by the number of blocks above.
        """
        return tuple(sorted(range(len(self.blocks)), key=lambda b: (len(self.above[b]), b)))


def free_choice(
    entanglement: Entanglement, forbidden: Collection[int], robust: bool, max_targets: int | None
) -> FreeChoice:
    """Return the problem of codes for all pairs that some action can separate.

    Args:
        entanglement: Predicted entanglement without new actions.
        forbidden: Latents that no action may target.
        robust: Whether each pair must be separated by two actions.
        max_targets: Largest number of latents that an action may target.
    """
    not_allowed = set(forbidden)
    allowed = [tuple(i for i in block if i not in not_allowed) for block in entanglement.blocks]
    has_forbidden = [len(part) < len(block) for part, block in zip(allowed, entanglement.blocks, strict=True)]
    above = [entanglement.blocks_above(b) for b in range(entanglement.n_blocks)]
    has_below = np.zeros(entanglement.n_blocks, dtype=bool)
    for blocks in above:
        has_below[blocks] = True
    ceiling = [
        has_forbidden[b] or any(has_forbidden[c] for c in above[b].tolist()) for b in range(len(above))
    ]
    selected = [
        b
        for b, block in enumerate(allowed)
        if block and (len(block) > 1 or len(above[b]) or has_below[b] or ceiling[b])
    ]
    position = {b: k for k, b in enumerate(selected)}
    limit = None if max_targets is None or max_targets >= entanglement.n_latents else max_targets
    return FreeChoice(
        blocks=tuple(allowed[b] for b in selected),
        above=tuple(_renumber(above[b].tolist(), position) for b in selected),
        ceiling=tuple(ceiling[b] for b in selected),
        margin=2 if robust else 1,
        max_targets=limit,
    )


def _renumber(blocks: Sequence[int], position: dict[int, int]) -> NDArray[np.intp]:
    return np.array([position[b] for b in blocks if b in position], dtype=np.intp)
