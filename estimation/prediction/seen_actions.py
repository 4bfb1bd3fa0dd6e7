"""The actions of the training data, as far as a prediction needs them: seen values, and those seen together.

A latent depends on its parents in the learned graph. Its mechanism is known where the joint values of the actions among
them occurred in training, whatever the other actions were. So combinations are stored for each latent, and not for
whole rows: actions on different latents need not have been seen together. In a combination, a continuous action counts
as applied or not; its range is checked by itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from estimation.exceptions import DataError
from estimation.storage.schema import Fields, Flag, Many, Maybe, Real, Whole

__all__ = ["SEEN_ACTIONS", "Combinations", "SeenAction", "SeenActions"]

#: Positions of actions, and their joint codes, shape (rows, parents).
Combinations = tuple[tuple[int, ...], NDArray[np.intp]]

#: The schema of stored actions.
SEEN_ACTIONS = Fields(
    {
        "actions": Many(
            Fields(
                {
                    "values": Maybe(Many(Real())),
                    "low": Real(),
                    "high": Real(),
                    "reference": Real(),
                    "tolerance": Real(0),
                    "rests": Flag(),
                }
            )
        ),
        "combinations": Many(Fields({"parents": Many(Whole(0)), "rows": Many(Many(Whole(0)))})),
        # for each latent a position among the combinations
        "of_latents": Many(Maybe(Whole(0))),
    },
    closed=True,
)

# an action with more distinct values is continuous
_MAX_VALUES = 20
# combinations of one set of parents, and numbers in those of all sets
_MAX_COMBINATIONS, _MAX_NUMBERS = 4_096, 1_000_000
# difference, relative to the range of an action, that is only rounding
_ROUNDING = 1e-6
_MIN_RESTING = 0.01


@dataclass(frozen=True)
class SeenAction:
    """The values of one action in the training data.

    Attributes:
        values: Its distinct values in ascending order, if there are at most 20; None for a continuous action.
        low: The smallest value.
        high: The largest value.
        reference: The value that stands for "not applied": 0 if it occurred, or lies in the range of a continuous
            action; else the most frequent value of a discrete action, or the mean of a continuous one.
        tolerance: The difference between two values that is only rounding.
        rests: Whether a continuous action was at its reference in 1 % of the rows or more, so that "not applied" is a
            state of its own rather than one value among others.
    """

    values: tuple[float, ...] | None
    low: float
    high: float
    reference: float
    tolerance: float
    rests: bool = True

    @classmethod
    def of(cls, column: NDArray[Any]) -> SeenAction:
        """Return the seen values of a column of actions.

        Example:
            >>> seen = SeenAction.of(np.array([0.0, 1.0, 0.0]))
            >>> seen.values, seen.reference
            ((0.0, 1.0), 0.0)
        """
        values, counts = np.unique(column, return_counts=True)
        low, high = float(values[0]), float(values[-1])
        discrete = len(values) <= _MAX_VALUES
        if 0 in values or (not discrete and low < 0 < high):
            reference = 0.0
        else:
            reference = float(values[counts.argmax()] if discrete else np.clip(column.mean(), low, high))
        tolerance = _ROUNDING * (high - low)
        if column.dtype == np.float32:
            # the same numbers in double precision
            tolerance = max(tolerance, 2 * float(np.spacing(np.float32(max(abs(low), abs(high))))))
        rests = float((np.abs(column - reference) <= tolerance).mean()) >= _MIN_RESTING
        return cls(tuple(values.tolist()) if discrete else None, low, high, reference, tolerance, rests)

    def in_range(self, column: NDArray[Any]) -> NDArray[np.bool_]:
        """Return which values lie between the smallest and the largest seen one, shape (N,)."""
        return (column >= self.low - self.tolerance) & (column <= self.high + self.tolerance)

    def is_applied(self, column: NDArray[Any]) -> NDArray[np.bool_]:
        """Return which values differ from the reference, shape (N,)."""
        return np.abs(column - self.reference) > self.tolerance

    def codes(self, column: NDArray[Any]) -> NDArray[np.intp]:
        """Return the code of each value in a combination, shape (N,).

        Of a discrete action it is the position among the distinct values, -1 for another value; of a continuous one
        whether it is applied, 0 or 1, or always 1 if it never rests.

        Example:
            >>> SeenAction.of(np.array([0.0, 0.5])).codes(np.array([0.5, 0.0, 0.25]))
            array([ 1,  0, -1])
        """
        if self.values is None:
            return (self.is_applied(column) | (not self.rests)).astype(np.intp)
        values = np.array(self.values)
        right = np.searchsorted(values, column).clip(max=len(values) - 1)
        left = np.maximum(right - 1, 0)
        nearest = np.where(np.abs(values[left] - column) < np.abs(values[right] - column), left, right)
        return np.where(np.abs(values[nearest] - column) <= self.tolerance, nearest, -1)

    def neighbours(self, value: float) -> tuple[int, ...]:
        """Return the codes of the values on both sides of a value that is not among them; none outside of the range."""
        if self.values is None or not self.low < value < self.high:
            return ()
        right = int(np.searchsorted(self.values, value))
        return right - 1, right


@dataclass(frozen=True, eq=False)
class SeenActions:
    """The actions of the training data.

    Attributes:
        actions: Seen values of each of the m actions.
        combinations: For each latent its parents among the actions, and their joint codes that were seen. None for a
            latent with fewer than two parents, for which seen values say all, and for one with more combinations than
            are stored (``unchecked``).
        unchecked: Which latents have more combinations than are stored, shape (n,).
    """

    actions: tuple[SeenAction, ...]
    combinations: tuple[Combinations | None, ...]
    unchecked: NDArray[np.bool_]

    @classmethod
    def of(cls, actions: NDArray[Any], edges: NDArray[np.bool_]) -> SeenActions:
        """Return what a prediction needs of the actions of training data.

        Args:
            actions: Actions, shape (..., m), in the user's units.
            edges: The learned G^a, shape (n, m); rows are children.

        Example:
            >>> seen = SeenActions.of(np.array([[0, 0], [1, 0], [0, 1]]), np.array([[True, True], [True, False]]))
            >>> seen.combinations[0][1].tolist(), seen.combinations[1]
            ([[0, 0], [0, 1], [1, 0]], None)
        """
        rows = actions.reshape(-1, actions.shape[-1])
        seen = tuple(SeenAction.of(rows[:, k]) for k in range(rows.shape[1]))
        codes = np.stack([action.codes(rows[:, k]) for k, action in enumerate(seen)], axis=1)
        sets: dict[tuple[int, ...], Combinations | None] = {}
        numbers = 0
        for row in edges:
            parents = tuple(np.flatnonzero(row).tolist())
            if len(parents) < 2 or parents in sets:
                continue
            distinct = np.unique(codes[:, parents], axis=0)
            is_stored = len(distinct) <= _MAX_COMBINATIONS and numbers + distinct.size <= _MAX_NUMBERS
            numbers += distinct.size * is_stored
            sets[parents] = (parents, distinct) if is_stored else None
        of_latents = tuple(sets.get(tuple(np.flatnonzero(row).tolist())) for row in edges)
        unchecked = [row.sum() > 1 and entry is None for row, entry in zip(edges, of_latents, strict=True)]
        return cls(seen, of_latents, np.array(unchecked, dtype=bool))

    @property
    def reference(self) -> NDArray[np.float64]:
        """The value of each action that stands for "not applied", shape (m,)."""
        return np.array([action.reference for action in self.actions])

    def to_dict(self) -> dict[str, Any]:
        """Return a dictionary for JSON; latents with the same parents share their combinations."""
        sets = {entry[0]: entry for entry in self.combinations if entry is not None}
        positions = {parents: k for k, parents in enumerate(sets)}
        return {
            "actions": [
                {
                    "values": None if action.values is None else list(action.values),
                    "low": action.low,
                    "high": action.high,
                    "reference": action.reference,
                    "tolerance": action.tolerance,
                    "rests": action.rests,
                }
                for action in self.actions
            ],
            "combinations": [
                {"parents": list(parents), "rows": rows.tolist()} for parents, rows in sets.values()
            ],
            "of_latents": [None if entry is None else positions[entry[0]] for entry in self.combinations],
        }

    @classmethod
    def from_dict(cls, content: Mapping[str, Any], edges: NDArray[np.bool_]) -> SeenActions:
        """Return the actions that `to_dict` wrote, of content with the schema ``SEEN_ACTIONS``.

        Args:
            content: The content.
            edges: The learned G^a of the model, shape (n, m).

        Raises:
            DataError: If the content doesn't fit the model.
        """
        n_latents, n_actions = edges.shape
        if (len(content["actions"]), len(content["of_latents"])) != (n_actions, n_latents):
            raise DataError(
                f"seen_actions has {len(content['actions'])} actions and {len(content['of_latents'])} latents; by its "
                f"shape the model has {n_actions} and {n_latents}"
            )
        actions = tuple(_stored_action(entry) for entry in content["actions"])
        sets = [_stored_combinations(entry, actions) for entry in content["combinations"]]
        if any(position is not None and position >= len(sets) for position in content["of_latents"]):
            raise DataError("seen_actions.of_latents has a position without combinations")
        of_latents = tuple(None if k is None else sets[k] for k in content["of_latents"])
        for i, entry in enumerate(of_latents):
            if entry is not None and list(entry[0]) != np.flatnonzero(edges[i]).tolist():
                raise DataError(
                    f"seen_actions has combinations of latent {i} for other parents than the graph's"
                )
        unchecked = [row.sum() > 1 and entry is None for row, entry in zip(edges, of_latents, strict=True)]
        return cls(actions, of_latents, np.array(unchecked, dtype=bool))


def _stored_action(entry: Mapping[str, Any]) -> SeenAction:
    values = None if entry["values"] is None else tuple(float(value) for value in entry["values"])
    low, high, reference, tolerance = (
        float(entry[name]) for name in ("low", "high", "reference", "tolerance")
    )
    ascending = values is None or (bool(values) and all(a < b for a, b in pairwise(values)))
    if not ascending or not low <= reference <= high:
        raise DataError(
            f"seen_actions has an action with values from {low:g} to {high:g} that are not ascending, or whose "
            f"reference {reference:g} is not between them"
        )
    return SeenAction(values, low, high, reference, tolerance, bool(entry["rests"]))


def _stored_combinations(entry: Mapping[str, Any], actions: Sequence[SeenAction]) -> Combinations:
    parents, rows = tuple(entry["parents"]), entry["rows"]
    if max(parents, default=0) >= len(actions) or any(len(row) != len(parents) for row in rows):
        raise DataError("seen_actions has combinations of other actions than the model's")
    return parents, np.array(rows, dtype=np.intp).reshape(-1, len(parents))
