"""Comparison of predicted and learned entanglement, pair by pair and block by block.

The predicted entanglement graph V states which learned latents a true latent MAY depend on, in the worst case that the
theory permits. The two kinds of disagreement therefore differ in meaning::

    missing   allowed but not learned: the model is better than guaranteed; harmless
    extra     learned but not allowed: contradicts the prediction, its assumptions, or the training

A block of the prediction is confirmed when none of its latents has an extra dependency.
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
from identify.markup import MAX_ROWS, card, paragraph, rest, table
from identify.wording import listed, plural

__all__ = ["BOTH", "EXTRA", "MISSING", "NEITHER", "BlockComparison", "Comparison", "compare"]

BOTH, NEITHER, MISSING, EXTRA = "both", "neither", "missing", "extra"

# number of contradicted blocks that the verdict lists
_MAX_LISTED_BLOCKS = 3


@dataclass(frozen=True)
class BlockComparison:
    """The learned entanglement of the latents in one predicted block.

    Attributes:
        number: Index of the block.
        latents: Names of its latents.
        allowed: Names of the true latents whose matched learned latents the block may depend on: those of the block
            itself, and those that it stays entangled with one way.
        extra: Names of the true latents whose matched learned latents the block depends on although the prediction
            excludes them. An unmatched learned latent appears under its own name.
        unrecovered: Names of the latents in the block that depend on no learned latent.
        n_missing: Number of allowed pairs that were not learned.
    """

    number: int
    latents: tuple[str, ...]
    allowed: tuple[str, ...]
    extra: tuple[str, ...]
    unrecovered: tuple[str, ...]
    n_missing: int

    @property
    def confirmed(self) -> bool:
        """Whether the block has no extra dependency and every one of its latents is recovered."""
        return not self.extra and not self.unrecovered

    def __str__(self) -> str:
        names, mixes = listed(self.latents, rest="others"), "mix" if len(self.latents) > 1 else "mixes"
        contradictions = []
        if self.extra:
            contradictions.append(f"{names} also {mixes} with {listed(self.extra, rest='others')}")
        if self.unrecovered:
            contradictions.append(f"no learned latent recovers {listed(self.unrecovered, rest='others')}")
        if contradictions:
            return "; ".join(contradictions)
        outside = [name for name in self.allowed if name not in self.latents]
        partners = f"at most with {listed(outside, rest='others')}" if outside else "with no other latent"
        return f"{names} {mixes} {partners}"


@dataclass(frozen=True, eq=False, repr=False)
class Comparison:
    """Predicted against learned entanglement; ``bool(comparison)`` is true if every block is confirmed.

    Rows and columns of the matrices are the true latents of the prediction; column j stands for the learned latent
    that is matched to true latent j.

    Attributes:
        predicted: The predicted entanglement.
        learned: The measured entanglement.
    """

    predicted: Entanglement
    learned: LearnedEntanglement

    @property
    def latents(self) -> tuple[str, ...]:
        """Names of the true latents."""
        return self.predicted.graph.latents

    @property
    def permutation(self) -> NDArray[np.int64]:
        """Index of the learned latent matched to each true latent; -1 for a true latent without a match."""
        return self.learned.permutation

    @property
    def matched_names(self) -> tuple[str, ...]:
        """Name of the learned latent matched to each true latent; empty for a true latent without a match."""
        return tuple("" if k < 0 else self.learned.learned[k] for k in self.permutation.tolist())

    @cached_property
    def matched(self) -> NDArray[np.bool_]:
        """The learned entanglement with its columns in the order of the true latents, shape (n, n)."""
        has_match = self.permutation >= 0
        matrix: NDArray[np.bool_] = np.where(has_match, self.learned.matrix[:, self.permutation], False)
        return matrix

    @cached_property
    def unmatched(self) -> tuple[str, ...]:
        """Names of the learned latents that are matched to no true latent."""
        return tuple(self.learned.learned[k] for k in self._unmatched_indices.tolist())

    @property
    def _unmatched_indices(self) -> NDArray[np.int64]:
        return np.setdiff1d(np.arange(len(self.learned.learned)), self.permutation)

    @cached_property
    def allowed(self) -> NDArray[np.bool_]:
        """The predicted entanglement graph V as a dense array, shape (n, n)."""
        return np.asarray(self.predicted.matrix.toarray(), dtype=bool)

    @cached_property
    def agreement(self) -> NDArray[np.str_]:
        """``"both"``, ``"neither"``, ``"missing"`` or ``"extra"`` for every pair, shape (n, n)."""
        allowed, learned = self.allowed, self.matched
        return np.where(allowed, np.where(learned, BOTH, MISSING), np.where(learned, EXTRA, NEITHER))

    @cached_property
    def confirmed_latents(self) -> NDArray[np.bool_]:
        """Whether each true latent is recovered and has no extra dependency, shape (n,)."""
        extra = (self.agreement == EXTRA).any(axis=1)
        extra |= self.learned.matrix[:, self._unmatched_indices].any(axis=1)
        return np.asarray(self.learned.matrix.any(axis=1) & ~extra)

    def count(self, kind: str) -> int:
        """Count the pairs of a kind. Every dependency on an unmatched learned latent counts as extra."""
        n_unmatched = self.learned.matrix[:, self._unmatched_indices].sum() if kind == EXTRA else 0
        return int(np.count_nonzero(self.agreement == kind) + n_unmatched)

    def pairs(self, kind: str) -> tuple[tuple[str, str], ...]:
        """List the pairs (i, j) of a kind by name: true latent i depends, or may depend, on the match of latent j."""
        names = self.latents
        return tuple((names[i], names[j]) for i, j in np.argwhere(self.agreement == kind).tolist())

    @property
    def precision(self) -> float:
        """Fraction of the learned pairs that are allowed; 1 if no pair was learned."""
        return _ratio(self.count(BOTH), self.count(BOTH) + self.count(EXTRA))

    @property
    def recall(self) -> float:
        """Fraction of the allowed pairs that were learned; a value below 1 is harmless."""
        return _ratio(self.count(BOTH), self.count(BOTH) + self.count(MISSING))

    @property
    def distance(self) -> int:
        """Structural Hamming distance of the two entanglement graphs: the number of missing and extra pairs."""
        return self.count(MISSING) + self.count(EXTRA)

    @cached_property
    def blocks(self) -> tuple[BlockComparison, ...]:
        """The comparison of every predicted block, in the order of the prediction."""
        return tuple(self._compare_block(number) for number in range(self.predicted.n_blocks))

    def _compare_block(self, number: int) -> BlockComparison:
        rows = np.array(self.predicted.blocks[number])
        allowed = self.allowed[rows[0]]
        extra = np.asarray(self.matched[rows].any(axis=0)) & ~allowed
        extra_unmatched = np.asarray(self.learned.matrix[rows][:, self._unmatched_indices].any(axis=0))
        unrecovered = rows[~np.asarray(self.learned.matrix[rows].any(axis=1))]
        return BlockComparison(
            number=number,
            latents=tuple(self.latents[i] for i in rows.tolist()),
            allowed=_select_names(self.latents, allowed),
            extra=(*_select_names(self.latents, extra), *_select_names(self.unmatched, extra_unmatched)),
            unrecovered=tuple(self.latents[i] for i in unrecovered.tolist()),
            n_missing=int(np.count_nonzero(allowed & ~self.matched[rows])),
        )

    @property
    def strongest_extra(self) -> float:
        """Largest relative strength of a pair that is not allowed; 0 without such pairs.

        At thresholds from this value on, no extra pair is learned; at every smaller threshold, at least one is.
        """
        allowed = np.zeros(self.learned.matrix.shape, dtype=bool)
        has_match = self.permutation >= 0
        allowed[:, self.permutation[has_match]] = self.allowed[:, has_match]
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
        return self._describe_agreement() if self.confirmed else self._describe_contradiction()

    def _describe_agreement(self) -> str:
        n_missing, n = self.count(MISSING), len(self.latents)
        if self.predicted.complete:
            subject = "the only latent is" if n == 1 else f"all {n} latents are"
            return f"Confirmed: {subject} disentangled, as predicted."
        blocks = plural(self.predicted.n_blocks, "block")
        if not n_missing:
            return f"Confirmed: the {n} latents mix exactly as predicted, in {blocks}."
        return (
            f"Confirmed: no latents mix that the prediction separates ({n} latents in {blocks}). "
            f"Of {int(self.allowed.sum())} allowed pairs, {n_missing} did not mix: better than guaranteed."
        )

    def _describe_contradiction(self) -> str:
        contradicted = [block for block in self.blocks if not block.confirmed]
        reasons = "; ".join(str(block) for block in contradicted[:_MAX_LISTED_BLOCKS])
        n_omitted = len(contradicted) - _MAX_LISTED_BLOCKS
        omitted = f"; and {plural(n_omitted, 'other block')}" if n_omitted > 0 else ""
        n_blocks = plural(self.predicted.n_blocks, "block")
        summary = f"Not confirmed in {len(contradicted)} of {n_blocks}: {reasons}{omitted}."
        if self.strongest_extra <= self.learned.threshold:
            return summary
        return (
            f"{summary} The strongest pair that should not mix has a relative strength of {self.strongest_extra:.2f}; "
            f"the threshold is {self.learned.threshold:g}."
        )

    def to_dict(self) -> dict[str, Any]:
        """Return everything as a dictionary that JSON can hold."""
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
                    "extra": list(block.extra),
                    "unrecovered": list(block.unrecovered),
                    "n_missing": block.n_missing,
                }
                for block in self.blocks
            ],
            "unmatched": list(self.unmatched),
            "learned": self.learned.to_dict(),
        }

    def __repr__(self) -> str:
        n_confirmed = sum(block.confirmed for block in self.blocks)
        return (
            f"Comparison({n_confirmed} of {plural(len(self.blocks), 'block')} confirmed, "
            f"{self.count(MISSING)} missing, {self.count(EXTRA)} extra)"
        )

    def _repr_html_(self) -> str:
        """Return the comparison for notebooks: the verdict, and the contradicted blocks first."""
        ordered = sorted(self.blocks, key=lambda each: each.confirmed)
        rows = [
            (listed(each.latents), "confirmed" if each.confirmed else "contradicted", each)
            for each in ordered[:MAX_ROWS]
        ]
        return card(
            repr(self),
            paragraph(self.verdict, self.confirmed),
            table("Predicted blocks", ("block of latents", "outcome", "learned"), rows),
            rest(len(ordered), "block"),
        )


@default_errors
def compare(predicted: Entanglement, learned: LearnedEntanglement) -> Comparison:
    """Compare the learned entanglement with the predicted one.

    Args:
        predicted: The prediction from the true graph or, when two models were measured against each other, from the
            learned graph of the first model.
        learned: The measured entanglement. Its rows are the latents of the prediction.

    Returns:
        The comparison of every pair and every block.

    Raises:
        DataError: If the two have different numbers of latents.

    Example:
        >>> from identify.entanglement import predict_entanglement
        >>> from identify.graph import CausalGraph
        >>> predicted = predict_entanglement(CausalGraph(Ga=[[1, 0], [1, 0], [0, 1]]))
        >>> strengths = np.array([[0.0, 1.0, 0.4], [0.0, 0.3, 0.9], [0.7, 0.0, 0.2]])
        >>> names = predicted.graph.latents
        >>> learned = LearnedEntanglement(strengths, 0.1, "jacobian", names, ("v0", "v1", "v2"))
        >>> comparison = compare(predicted, learned)
        >>> comparison.agreement.tolist()
        [['both', 'both', 'neither'], ['both', 'both', 'neither'], ['neither', 'extra', 'both']]
        >>> print(comparison.verdict)
        Not confirmed in 1 of 2 blocks: z2 also mixes with z1. The strongest pair that should not mix has a relative
        strength of 0.29; the threshold is 0.1.
    """
    n = len(learned.strengths)
    if predicted.n_latents != n:
        raise DataError(
            f"the prediction has {predicted.n_latents} latents, the learned entanglement has {n}; give the prediction "
            "of the graph whose latents are the rows of the learned entanglement"
        )
    return Comparison(predicted, learned)


def _select_names(names: Sequence[str], selected: NDArray[np.bool_]) -> tuple[str, ...]:
    return tuple(names[k] for k in np.flatnonzero(selected).tolist())


def _ratio(part: int, whole: int) -> float:
    return part / whole if whole else 1.0
