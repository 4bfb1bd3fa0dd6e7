"""What the learned graph says about a prediction: which mechanisms were seen under these actions, and which were not.

A latent's mechanism depends on its parents only. Two actions that were never applied together are covered all the same
if they have no child in common: no latent then combines their effects, and each effect was seen by itself. If they
share a latent, its mechanism is extrapolated to a combination of its parents that no row of the training data has.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from estimation.exceptions import DataError
from estimation.prediction.seen_actions import SeenActions
from identify.names import shown
from identify.wording import listed, plural

__all__ = ["Coverage", "coverage", "require_seen"]

_MAX_NAMED = 6
# neighbours of values that lie between seen ones, of which every combination must have been seen
_MAX_CORNERS = 64


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
        seen_latents: For which latents the joint values of their parents among the actions were seen, or lie between
            joint values that were, shape (N, n). Of a continuous parent it counts whether it is applied.
        added: For which of the other latents the effects of single actions are added, shape (N, n): those where the
            reference and every single action were seen. In the rest the transition network extrapolates.
        unchecked: Which latents have more combinations in the training data than are stored, shape (n,). They count as
            seen if the value of each parent is in its range.
    """

    actions: tuple[str, ...]
    latents: tuple[str, ...]
    edges: NDArray[np.bool_]
    applied: NDArray[np.bool_]
    in_range: NDArray[np.bool_]
    seen_values: NDArray[np.bool_]
    seen_latents: NDArray[np.bool_]
    added: NDArray[np.bool_]
    unchecked: NDArray[np.bool_]

    @property
    def complete(self) -> NDArray[np.bool_]:
        """Which rows are covered: the joint values of every latent's parents were seen, shape (N,)."""
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
        sentences = [self._of_action(row, k) for k in applied]
        if not applied:
            sentences.append("no action differs from its reference")
        pairs = itertools.combinations(applied, 2)
        shares = [bool((self.edges[:, a] & self.edges[:, b]).any()) for a, b in pairs]
        if shares and not any(shares):
            names = listed([repr(shown(self.actions[k])) for k in applied], _MAX_NAMED)
            sentences.append(
                f"the actions {names} have no child in common, so no latent combines their effects"
            )
        return (*sentences, *self._of_latents(row, applied))

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

    def _of_latents(self, row: int, applied: list[int]) -> list[str]:
        """Return a sentence for every set of applied actions that some latents combine, or that is not covered."""
        groups: dict[tuple[tuple[int, ...], str], list[int]] = {}
        for i, edges in enumerate(self.edges):
            parents = tuple(k for k in applied if edges[k])
            state = self._state(row, i)
            # a single action has a sentence of its own
            if len(parents) > 1 or (edges.sum() > 1 and state in (_EXTRAPOLATED, _ADDED)):
                groups.setdefault((parents, state), []).append(i)
        sentences = []
        for (parents, state), latents in groups.items():
            who = listed([self.latents[i] for i in latents], _MAX_NAMED)
            combine, their = ("combines", "its") if len(latents) == 1 else ("combine", "their")
            names = listed([repr(shown(self.actions[k])) for k in parents], _MAX_NAMED)
            subject = f"{who} {combine} {names}" if len(parents) > 1 else who
            sentences.append(f"{subject}; the joint values of {their} parents {state}")
        return sentences

    def _state(self, row: int, latent: int) -> str:
        if self.unchecked[latent]:
            return _UNCHECKED
        if self.seen_latents[row, latent]:
            interpolated = self.edges[latent] & ~self.seen_values[row]
            return _INTERPOLATED if interpolated.any() else _SEEN
        return _ADDED if self.added[row, latent] else _EXTRAPOLATED

    def __repr__(self) -> str:
        covered = int(self.complete.sum())
        return f"Coverage({covered} of {plural(len(self.complete), 'row')} covered by the training data)"


_SEEN = "were seen in training"
_INTERPOLATED = "lie between those seen in training: interpolated"
_ADDED = "were not seen in training: the effects are added"
_EXTRAPOLATED = "were not seen in training: extrapolated by the network"
_UNCHECKED = "are too many in training to be stored: not checked"


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
    columns = list(enumerate(seen.actions))
    in_range = np.stack([a.in_range(actions[:, k]) for k, a in columns], axis=1)
    codes = np.stack([a.codes(actions[:, k]) for k, a in columns], axis=1)
    applied = np.stack([a.is_applied(actions[:, k]) for k, a in columns], axis=1)
    seen_latents = np.stack([in_range[:, parents].all(axis=1) for parents in edges], axis=1)
    added = np.zeros_like(seen_latents)
    for i, combinations in enumerate(seen.combinations):
        if combinations is None:
            continue
        parents, rows = list(combinations[0]), combinations[1]
        known = {tuple(row) for row in rows.tolist()}
        # rows of a screen repeat
        distinct, inverse = np.unique(
            np.hstack([codes[:, parents], np.where(codes[:, parents] < 0, actions[:, parents], 0)]),
            axis=0,
            return_inverse=True,
        )
        answers = [_is_known(row, parents, seen, known) for row in distinct]
        seen_latents[:, i] &= np.array(answers, dtype=bool)[inverse.ravel()]
        if adds_effects:
            added[:, i] = ~seen_latents[:, i] & _addable(codes, parents, seen, known)
    return Coverage(
        names, latents, edges, applied, in_range, in_range & (codes >= 0), seen_latents, added, seen.unchecked
    )


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


def _is_known(
    row: NDArray[np.float64], parents: list[int], seen: SeenActions, known: set[tuple[int, ...]]
) -> bool:
    """Return whether joint codes were seen, or all combinations of the seen values on both sides of other values."""
    codes, values = np.split(row, 2)
    options = [
        (int(code),) if code >= 0 else seen.actions[k].neighbours(float(value))
        for k, code, value in zip(parents, codes, values, strict=True)
    ]
    if np.prod([len(option) for option in options]) > _MAX_CORNERS:
        return False
    corners = list(itertools.product(*options))
    return bool(corners) and all(corner in known for corner in corners)


def _addable(
    codes: NDArray[np.intp], parents: list[int], seen: SeenActions, known: set[tuple[int, ...]]
) -> NDArray[np.bool_]:
    """Return for which rows the reference, and every single action of the latent's parents, were seen, shape (N,)."""
    reference = tuple(int(seen.actions[k].codes(np.array([seen.actions[k].reference]))[0]) for k in parents)
    if reference not in known:
        return np.zeros(len(codes), dtype=bool)
    result = np.ones(len(codes), dtype=bool)
    for position, k in enumerate(parents):
        singles = {
            code: (*reference[:position], code, *reference[position + 1 :]) in known
            for code in set(codes[:, k].tolist())
        }
        result &= np.array([singles[code] for code in codes[:, k].tolist()], dtype=bool)
    return result
