"""The prediction held against what was learned, pair by pair and block by block.

The prediction V says which learned latents MAY enter a true latent, in the worst case that fits the theory. So the two
kinds of disagreement differ in meaning::

    missing   allowed, and not learned: the model did better than it had to; harmless
    extra     learned, and not allowed: contradicts the prediction, or its assumptions, or the training

A block of the prediction is confirmed when nothing extra enters any of its latents.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from estimation.arithmetic import default_errors
from estimation.exceptions import DataError
from estimation.learned import LearnedEntanglement
from identify.entanglement import Entanglement
from identify.wording import listed, plural

__all__ = ["BOTH", "EXTRA", "MISSING", "NEITHER", "BlockComparison", "Comparison", "compare"]

BOTH, NEITHER, MISSING, EXTRA = "both", "neither", "missing", "extra"

# blocks that the verdict spells out
_MOST_SPELLED = 3


@dataclass(frozen=True)
class BlockComparison:
    """What was learned of the latents of one predicted block.

    Attributes:
        number: of the block.
        latents: names of its latents.
        allowed: names of the true latents whose learned latents may enter them: the block's own, and those that it
            stays entangled with one way.
        intruders: names of those whose learned latents enter and may not; of a learned latent that is matched to no
            true one, its own name.
        lost: latents of the block that no learned latent enters: the model doesn't know them.
        unused: how many of the allowed pairs were not learned.
    """

    number: int
    latents: tuple[str, ...]
    allowed: tuple[str, ...]
    intruders: tuple[str, ...]
    lost: tuple[str, ...]
    unused: int

    @property
    def confirmed(self) -> bool:
        """Whether nothing enters the block from outside what is allowed, and none of its latents is lost."""
        return not self.intruders and not self.lost

    def __str__(self) -> str:
        names, mixes = listed(self.latents, rest="others"), "mix" if len(self.latents) > 1 else "mixes"
        said = []
        if self.intruders:
            said.append(f"{names} also {mixes} with {listed(self.intruders, rest='others')}")
        if self.lost:
            said.append(f"no learned latent shows {listed(self.lost, rest='others')}")
        if said:
            return "; ".join(said)
        others = [name for name in self.allowed if name not in self.latents]
        within = f" with {listed(others, rest='others')} at most" if others else " with nothing outside"
        return f"{names} {mixes}{within}"


@dataclass(frozen=True, eq=False, repr=False)
class Comparison:
    """A prediction beside what was learned; ``bool(comparison)`` says that every block is confirmed.

    Rows and columns of the matrices are the true latents of the prediction; column j stands for the learned latent
    that is matched to true latent j.

    Attributes:
        predicted: the prediction.
        learned: the measured entanglement.
    """

    predicted: Entanglement
    learned: LearnedEntanglement

    @property
    def latents(self) -> tuple[str, ...]:
        """Names of the true latents."""
        return self.predicted.graph.latents

    @property
    def permutation(self) -> NDArray[np.int64]:
        """The learned latent matched to each true one; -1 where none is left."""
        return self.learned.permutation

    @property
    def columns(self) -> tuple[str, ...]:
        """For each true latent the name of the learned one matched to it; empty where none is left."""
        return tuple("" if k < 0 else self.learned.learned[k] for k in self.permutation.tolist())

    @cached_property
    def matched(self) -> NDArray[np.bool_]:
        """The learned entanglement with its columns in the order of the true latents, shape (n, n)."""
        present = self.permutation >= 0
        result: NDArray[np.bool_] = np.where(present, self.learned.matrix[:, self.permutation], False)
        return result

    @cached_property
    def surplus(self) -> tuple[str, ...]:
        """Names of the learned latents that are matched to no true one."""
        return tuple(self.learned.learned[k] for k in self._surplus.tolist())

    @property
    def _surplus(self) -> NDArray[np.int64]:
        return np.setdiff1d(np.arange(len(self.learned.learned)), self.permutation)

    @cached_property
    def allowed(self) -> NDArray[np.bool_]:
        """The predicted entanglement graph V as an array, shape (n, n)."""
        return np.asarray(self.predicted.matrix.toarray(), dtype=bool)

    @cached_property
    def agreement(self) -> NDArray[np.str_]:
        """``"both"``, ``"neither"``, ``"missing"`` or ``"extra"`` for every pair, shape (n, n)."""
        here, there = self.allowed, self.matched
        return np.where(here, np.where(there, BOTH, MISSING), np.where(there, EXTRA, NEITHER))

    def count(self, kind: str) -> int:
        """How many pairs are of a kind; what learned latents without a match enter is extra."""
        of_surplus = self.learned.matrix[:, self._surplus].sum() if kind == EXTRA else 0
        return int(np.count_nonzero(self.agreement == kind) + of_surplus)

    def pairs(self, kind: str) -> tuple[tuple[str, str], ...]:
        """Names (true latent, true latent whose learned latent enters or may enter it) of the pairs of a kind."""
        names = self.latents
        return tuple((names[i], names[j]) for i, j in np.argwhere(self.agreement == kind).tolist())

    @property
    def precision(self) -> float:
        """The share of the learned pairs that are allowed; 1 when nothing was learned."""
        return _share(self.count(BOTH), self.count(BOTH) + self.count(EXTRA))

    @property
    def recall(self) -> float:
        """The share of the allowed pairs that were learned; below 1 is harmless."""
        return _share(self.count(BOTH), self.count(BOTH) + self.count(MISSING))

    @property
    def distance(self) -> int:
        """Missing and extra pairs together: the structural Hamming distance of the two entanglement graphs."""
        return self.count(MISSING) + self.count(EXTRA)

    @cached_property
    def blocks(self) -> tuple[BlockComparison, ...]:
        """Every block of the prediction, in its order."""
        return tuple(self._block(number) for number in range(self.predicted.n_blocks))

    def _block(self, number: int) -> BlockComparison:
        rows = np.array(self.predicted.blocks[number])
        row = self.allowed[rows[0]]
        entering = np.asarray(self.matched[rows].any(axis=0)) & ~row
        unmatched = np.asarray(self.learned.matrix[rows][:, self._surplus].any(axis=0))
        intruders = (*_chosen(self.latents, entering), *_chosen(self.surplus, unmatched))
        lost = rows[~np.asarray(self.learned.matrix[rows].any(axis=1))]
        return BlockComparison(
            number=number,
            latents=tuple(self.latents[i] for i in rows.tolist()),
            allowed=_chosen(self.latents, row),
            intruders=intruders,
            lost=tuple(self.latents[i] for i in lost.tolist()),
            unused=int(np.count_nonzero(row & ~self.matched[rows])),
        )

    @property
    def strongest_extra(self) -> float:
        """The largest relative strength of a pair that is not allowed, at any threshold; 0 without such pairs.

        Nothing extra is learned at thresholds from here on, and something at every one below.
        """
        allowed = np.zeros(self.learned.matrix.shape, dtype=bool)
        present = self.permutation >= 0
        allowed[:, self.permutation[present]] = self.allowed[:, present]
        return float(np.where(allowed, 0.0, self.learned.relative).max())

    @property
    def confirmed(self) -> bool:
        """Whether every block of the prediction is confirmed."""
        return all(block.confirmed for block in self.blocks)

    def __bool__(self) -> bool:
        return self.confirmed

    @property
    def verdict(self) -> str:
        """The outcome in one or two sentences."""
        return self._agrees() if self.confirmed else self._contradicts()

    def _agrees(self) -> str:
        unused, n = self.count(MISSING), len(self.latents)
        if self.predicted.complete:
            which = "the only latent is" if n == 1 else f"all {n} latents are"
            return f"Confirmed: {which} disentangled, as predicted."
        blocks = plural(self.predicted.n_blocks, "block")
        if not unused:
            return f"Confirmed: the {n} latents mix exactly as predicted, in {blocks}."
        return (
            f"Confirmed: nothing mixes that the prediction keeps apart ({n} latents in {blocks}). "
            f"Of {int(self.allowed.sum())} allowed pairs {unused} did not mix: better than guaranteed."
        )

    def _contradicts(self) -> str:
        wrong = [block for block in self.blocks if not block.confirmed]
        spelled = "; ".join(str(block) for block in wrong[:_MOST_SPELLED])
        more = len(wrong) - _MOST_SPELLED
        rest = f"; and {plural(more, 'block')} more" if more > 0 else ""
        found = (
            f"Not confirmed in {len(wrong)} of {plural(self.predicted.n_blocks, 'block')}: {spelled}{rest}."
        )
        if self.strongest_extra <= self.learned.threshold:
            return found
        return (
            f"{found} The strongest pair that should not mix has a relative strength of {self.strongest_extra:.2f}; "
            f"the threshold is {self.learned.threshold:g}."
        )

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        return {
            "confirmed": self.confirmed,
            "verdict": self.verdict,
            "precision": self.precision,
            "recall": self.recall,
            "distance": self.distance,
            "strongest_extra": self.strongest_extra,
            "missing": [list(pair) for pair in self.pairs(MISSING)],
            "extra": [list(pair) for pair in self.pairs(EXTRA)],
            "blocks": [
                {
                    "latents": list(block.latents),
                    "confirmed": block.confirmed,
                    "allowed": list(block.allowed),
                    "intruders": list(block.intruders),
                    "lost": list(block.lost),
                    "unused": block.unused,
                }
                for block in self.blocks
            ],
            "unmatched": list(self.surplus),
            "learned": self.learned.to_dict(),
        }

    def __repr__(self) -> str:
        right = sum(block.confirmed for block in self.blocks)
        return (
            f"Comparison({right} of {plural(len(self.blocks), 'block')} confirmed, {self.count(MISSING)} missing, "
            f"{self.count(EXTRA)} extra)"
        )


@default_errors
def compare(predicted: Entanglement, learned: LearnedEntanglement) -> Comparison:
    """Hold a prediction against what was learned.

    Args:
        predicted: from the true graph; or from the first model's learned graph, when two models were measured
            against each other.
        learned: what was measured. Its rows are the latents of the prediction.

    Raises:
        DataError: they are about different numbers of latents.

    Example:
        >>> from identify.entanglement import predict_entanglement
        >>> from identify.graph import CausalGraph
        >>> predicted = predict_entanglement(CausalGraph(Ga=[[1, 0], [1, 0], [0, 1]]))
        >>> strengths = np.array([[0.0, 1.0, 0.4], [0.0, 0.3, 0.9], [0.7, 0.0, 0.2]])
        >>> names = predicted.graph.latents
        >>> found = compare(predicted, LearnedEntanglement(strengths, 0.1, "jacobian", names, ("v0", "v1", "v2")))
        >>> found.agreement.tolist()
        [['both', 'both', 'neither'], ['both', 'both', 'neither'], ['neither', 'extra', 'both']]
        >>> print(found.verdict)
        Not confirmed in 1 of 2 blocks: z2 also mixes with z1. The strongest pair that should not mix has a relative
        strength of 0.29; the threshold is 0.1.
    """
    n = len(learned.strengths)
    if predicted.n_latents != n:
        raise DataError(
            f"the prediction is about {predicted.n_latents} latents, what was learned about {n}; give the "
            "prediction of the graph whose latents are its rows"
        )
    return Comparison(predicted, learned)


def _chosen(names: Sequence[str], chosen: NDArray[np.bool_]) -> tuple[str, ...]:
    return tuple(names[k] for k in np.flatnonzero(chosen).tolist())


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 1.0
