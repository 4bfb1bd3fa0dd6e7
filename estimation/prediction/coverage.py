"""What the learned graph says about a prediction: which mechanisms were seen under these actions, and which were not.

A latent's mechanism depends on its parents only. Two actions that were never applied together are covered all the same
if they have no child in common: no latent then combines their effects, and each effect was seen by itself. If they
share a latent, its mechanism is extrapolated to a combination of its parents that no row of the training data has.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from estimation.exceptions import DataError
from estimation.prediction.seen_actions import SeenActions
from identify.names import shown
from identify.wording import listed, plural

__all__ = ["Coverage", "coverage", "require_seen"]

_MAX_NAMED = 6


@dataclass(frozen=True, eq=False)
class Coverage:
    """Which parts of a prediction the training data cover. ``bool(coverage)`` is whether they cover all of it.

    Attributes:
        actions: Names of the m actions.
        latents: Names of the n latents.
        edges: The learned G^a, shape (n, m); rows are children.
        applied: Which actions differ from their reference, shape (N, m).
        in_range: Which actions lie in the range of the seen values, shape (N, m).
        seen_values: Which actions have a value that was seen, or lie in the range of a continuous one, shape (N, m).
        seen_latents: For which latents the joint values of their parents among the actions were seen, shape (N, n).
            Continuous parents count as seen if each is in its range.
        adds_effects: Whether the effects of single actions are added in the other latents; otherwise the transition
            network extrapolates.
    """

    actions: tuple[str, ...]
    latents: tuple[str, ...]
    edges: NDArray[np.bool_]
    applied: NDArray[np.bool_]
    in_range: NDArray[np.bool_]
    seen_values: NDArray[np.bool_]
    seen_latents: NDArray[np.bool_]
    adds_effects: bool = True

    @property
    def complete(self) -> NDArray[np.bool_]:
        """Which rows are covered: every latent has parents whose joint values were seen, shape (N,)."""
        complete: NDArray[np.bool_] = np.all(self.seen_latents, axis=1)
        return complete

    def __bool__(self) -> bool:
        return bool(self.complete.all())

    def explain(self, row: int = 0) -> tuple[str, ...]:
        """Return in sentences what the training data say about a row.

        Args:
            row: Position of the row.

        Raises:
            DataError: If there is no such row.
        """
        if not -len(self.applied) <= row < len(self.applied):
            raise DataError(f"row is {row}; the prediction has {plural(len(self.applied), 'row')}")
        applied = np.flatnonzero(self.applied[row]).tolist()
        if not applied:
            return ("no action differs from its reference",)
        sentences = [self._of_action(row, k) for k in applied]
        pairs = [(a, b) for i, a in enumerate(applied) for b in applied[i + 1 :]]
        disjoint = [(a, b) for a, b in pairs if not (self.edges[:, a] & self.edges[:, b]).any()]
        if pairs and len(disjoint) == len(pairs):
            names = listed([repr(shown(self.actions[k])) for k in applied], _MAX_NAMED)
            sentences.append(
                f"the actions {names} have no child in common, so no latent combines their effects"
            )
        sentences += self._of_shared(row, applied)
        return tuple(sentences)

    def _of_action(self, row: int, action: int) -> str:
        children = [self.latents[i] for i in np.flatnonzero(self.edges[:, action])]
        affects = f"affects {listed(children, _MAX_NAMED)}" if children else "affects no latent"
        name = repr(shown(self.actions[action]))
        if not self.in_range[row, action]:
            return (
                f"action {name} {affects}; its value is outside of the range seen in training: extrapolated"
            )
        if not self.seen_values[row, action]:
            return f"action {name} {affects}; its value lies between those seen in training: interpolated"
        return f"action {name} {affects}; its value was seen in training"

    def _of_shared(self, row: int, applied: list[int]) -> list[str]:
        """Return a sentence for every set of applied actions that some latents combine."""
        latents_of: dict[tuple[tuple[int, ...], bool], list[str]] = {}
        for i, edges in enumerate(self.edges):
            parents = tuple(k for k in applied if edges[k])
            if len(parents) > 1:
                latents_of.setdefault((parents, bool(self.seen_latents[row, i])), []).append(self.latents[i])
        sentences, how = [], "the effects are added" if self.adds_effects else "extrapolated by its network"
        for (parents, is_seen), latents in latents_of.items():
            names = listed([repr(shown(self.actions[k])) for k in parents], _MAX_NAMED)
            combine, their = ("combines", "its") if len(latents) == 1 else ("combine", "their")
            joint = "were seen in training" if is_seen else f"were not seen in training: {how}"
            sentences.append(
                f"{listed(latents, _MAX_NAMED)} {combine} {names}; the joint values of {their} parents {joint}"
            )
        return sentences

    def __repr__(self) -> str:
        covered = int(self.complete.sum())
        return f"Coverage({covered} of {plural(len(self.complete), 'row')} covered by the training data)"


def coverage(
    seen: SeenActions,
    actions: NDArray[np.float64],
    edges: NDArray[np.bool_],
    names: tuple[str, ...],
    latents: tuple[str, ...],
    adds_effects: bool = True,
) -> Coverage:
    """Return which parts of a prediction the training data cover.

    Args:
        seen: Actions of the training data.
        actions: Actions of the prediction, shape (N, m), in the user's units.
        edges: The learned G^a, shape (n, m); rows are children.
        names: Names of the m actions.
        latents: Names of the n latents.
        adds_effects: Whether effects are added where joint values were not seen.
    """
    in_range = np.stack([a.in_range(actions[:, k]) for k, a in enumerate(seen.actions)], axis=1)
    positions = {k: a.positions(actions[:, k]) for k, a in enumerate(seen.actions) if a.values is not None}
    seen_values = in_range.copy()
    for k, column in positions.items():
        seen_values[:, k] = column >= 0
    applied = np.stack(
        [np.abs(actions[:, k] - a.reference) > a.tolerance for k, a in enumerate(seen.actions)], axis=1
    )
    seen_latents = np.stack([seen_values[:, parents].all(axis=1) for parents in edges], axis=1)
    for i, combinations in enumerate(seen.combinations):
        if combinations is not None:
            parents, rows = combinations
            requested = np.stack([positions[k] for k in parents], axis=1)
            seen_latents[:, i] &= _contains(rows, requested)
    return Coverage(names, latents, edges, applied, in_range, seen_values, seen_latents, adds_effects)


def require_seen(coverage: Coverage, seen: SeenActions, actions: NDArray[np.float64]) -> None:
    """Refuse values of actions outside of the range that was seen in training.

    Raises:
        DataError: If there is one; the message says how to extrapolate.
    """
    outside = np.argwhere(~coverage.in_range)
    if len(outside):
        row, column = (int(position) for position in outside[0])
        action = seen.actions[column]
        known = f"{action.low:g} to {action.high:g}" if action.low < action.high else f"{action.low:g} only"
        raise DataError(
            f"action {shown(coverage.actions[column])!r} is {actions[row, column]:g} in row {row}; in training it was "
            f"{known}; extrapolate=True predicts it all the same"
        )


def _contains(rows: NDArray[np.intp], requested: NDArray[np.intp]) -> NDArray[np.bool_]:
    """Return which requested rows (N, k) are among the given ones (R, k)."""
    known = {tuple(row) for row in rows.tolist()}
    return np.array([tuple(row) in known for row in requested.tolist()], dtype=bool)
