"""The actions of the training data, as far as a prediction needs them: seen values, and those seen together.

A latent depends on its parents in the learned graph. Its mechanism is known where the joint values of the actions among
them occurred in training, whatever the other actions were. So combinations are stored for each latent, and not for
whole rows: actions on different latents need not have been seen together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from estimation.exceptions import DataError
from estimation.storage.schema import Fields, Many, Maybe, Real, Whole

__all__ = ["SEEN_ACTIONS", "Combinations", "SeenAction", "SeenActions"]

#: Positions of actions, and their joint values, as positions among the distinct values of each.
Combinations = tuple[tuple[int, ...], NDArray[np.intp]]

#: The schema of stored actions.
SEEN_ACTIONS = Fields(
    {
        "actions": Many(
            Fields({"values": Maybe(Many(Real())), "low": Real(), "high": Real(), "reference": Real()})
        ),
        "combinations": Many(Maybe(Fields({"parents": Many(Whole(0)), "rows": Many(Many(Whole(0)))}))),
    },
    closed=True,
)

# an action with more distinct values is continuous
_MAX_VALUES = 20
_MAX_COMBINATIONS = 4_096
# difference, relative to the range of an action, that is only rounding to float32
_ROUNDING = 1e-6


@dataclass(frozen=True)
class SeenAction:
    """The values of one action in the training data.

    Attributes:
        values: Its distinct values in ascending order, if there are at most 20; None for a continuous action.
        low: The smallest value.
        high: The largest value.
        reference: The value that stands for "not applied": 0 if it occurred or lies between the others, else the most
            frequent value of a discrete action, or the mean of a continuous one.
    """

    values: tuple[float, ...] | None
    low: float
    high: float
    reference: float

    @classmethod
    def of(cls, column: NDArray[Any]) -> SeenAction:
        """Return the seen values of a column of actions.

        Example:
            >>> SeenAction.of(np.array([0.0, 1.0, 0.0]))
            SeenAction(values=(0.0, 1.0), low=0.0, high=1.0, reference=0.0)
        """
        values, counts = np.unique(column, return_counts=True)
        low, high = float(values[0]), float(values[-1])
        discrete = len(values) <= _MAX_VALUES
        if 0 in values or (not discrete and low < 0 < high):
            reference = 0.0
        else:
            reference = float(values[counts.argmax()] if discrete else np.clip(column.mean(), low, high))
        return cls(tuple(values.tolist()) if discrete else None, low, high, reference)

    @property
    def tolerance(self) -> float:
        """The difference between two values that is only rounding to float32."""
        return _ROUNDING * max(self.high - self.low, abs(self.low), abs(self.high))

    def in_range(self, column: NDArray[Any]) -> NDArray[np.bool_]:
        """Return which values lie between the smallest and the largest seen one, shape (N,)."""
        return (column >= self.low - self.tolerance) & (column <= self.high + self.tolerance)

    def positions(self, column: NDArray[Any]) -> NDArray[np.intp]:
        """Return the position of each value among the distinct ones, shape (N,); -1 for another value.

        Example:
            >>> SeenAction((0.0, 0.5), 0.0, 0.5, 0.0).positions(np.array([0.5, 0.0, 0.25]))
            array([ 1,  0, -1])
        """
        assert self.values is not None
        differences = np.abs(column[:, np.newaxis] - np.array(self.values))
        nearest = differences.argmin(axis=1)
        return np.where(differences.min(axis=1) <= self.tolerance, nearest, -1)


@dataclass(frozen=True, eq=False)
class SeenActions:
    """The actions of the training data.

    Attributes:
        actions: Seen values of each of the m actions.
        combinations: For each latent the positions of its discrete parents among the actions, and their joint values
            that were seen, shape (rows, parents), as positions among the values of each. None for a latent with fewer
            than two discrete parents, for which seen values say all, and for one with more than 4,096 combinations.
    """

    actions: tuple[SeenAction, ...]
    combinations: tuple[Combinations | None, ...]

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
        discrete = np.array([action.values is not None for action in seen], dtype=bool)
        positions = {k: seen[k].positions(rows[:, k]) for k in np.flatnonzero(discrete).tolist()}
        return cls(seen, tuple(_combinations(positions, np.flatnonzero(row & discrete)) for row in edges))

    @property
    def reference(self) -> NDArray[np.float64]:
        """The value of each action that stands for "not applied", shape (m,)."""
        return np.array([action.reference for action in self.actions])

    def to_dict(self) -> dict[str, Any]:
        """Return a dictionary for JSON."""
        return {
            "actions": [
                {
                    "values": None if action.values is None else list(action.values),
                    "low": action.low,
                    "high": action.high,
                    "reference": action.reference,
                }
                for action in self.actions
            ],
            "combinations": [
                None if entry is None else {"parents": list(entry[0]), "rows": entry[1].tolist()}
                for entry in self.combinations
            ],
        }

    @classmethod
    def from_dict(cls, content: Mapping[str, Any], n_actions: int, n_latents: int) -> SeenActions:
        """Return the actions that `to_dict` wrote, of content with the schema ``SEEN_ACTIONS``.

        Raises:
            DataError: If the content doesn't fit a model of these sizes.
        """
        if (len(content["actions"]), len(content["combinations"])) != (n_actions, n_latents):
            raise DataError(
                f"seen_actions has {len(content['actions'])} actions and {len(content['combinations'])} latents; by "
                f"its shape the model has {n_actions} and {n_latents}"
            )
        actions = tuple(_stored_action(entry) for entry in content["actions"])
        return cls(actions, tuple(_stored_combinations(entry, actions) for entry in content["combinations"]))


def _combinations(
    positions: Mapping[int, NDArray[np.intp]], parents: NDArray[np.intp]
) -> Combinations | None:
    if len(parents) < 2:
        return None
    distinct = np.unique(np.stack([positions[k] for k in parents.tolist()], axis=1), axis=0)
    return None if len(distinct) > _MAX_COMBINATIONS else (tuple(parents.tolist()), distinct)


def _stored_action(entry: Mapping[str, Any]) -> SeenAction:
    values = None if entry["values"] is None else tuple(float(value) for value in entry["values"])
    low, high, reference = (float(entry[name]) for name in ("low", "high", "reference"))
    ascending = values is None or (bool(values) and all(a < b for a, b in pairwise(values)))
    if not ascending or not low <= reference <= high:
        raise DataError(
            f"seen_actions has an action with values from {low:g} to {high:g} that are not ascending, or whose "
            f"reference {reference:g} is not between them"
        )
    return SeenAction(values, low, high, reference)


def _stored_combinations(
    entry: Mapping[str, Any] | None, actions: Sequence[SeenAction]
) -> Combinations | None:
    if entry is None:
        return None
    parents, rows = tuple(entry["parents"]), entry["rows"]
    if max(parents, default=0) >= len(actions) or any(len(row) != len(parents) for row in rows):
        raise DataError("seen_actions has combinations of other actions than the model's")
    return parents, np.array(rows, dtype=np.intp).reshape(-1, len(parents))
