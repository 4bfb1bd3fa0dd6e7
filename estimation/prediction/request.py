"""The inputs of a prediction, checked: actions by name, and observations in which entries may be missing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from estimation.dataset.counts import require_count_rows
from estimation.dataset.readers.arrays import as_numbers, constant_columns, matched_numbers
from estimation.dataset.readers.column_matching import match_actions
from estimation.dataset.readers.frames import frame_actions, is_frame
from estimation.dataset.readers.labelled_arrays import column_labels, without_labels
from estimation.dataset.readers.roles import Roles
from estimation.exceptions import DataError
from estimation.prediction.seen_actions import SeenActions
from identify.names import shown
from identify.wording import listed

__all__ = [
    "HasActions",
    "requested_actions",
    "requested_observations",
    "require_complete_counts",
    "require_requested_counts",
]


class HasActions(Protocol):
    """A trained model, as far as its columns are concerned."""

    @property
    def action_names(self) -> tuple[str, ...]:
        """Names of the m actions."""

    @property
    def actions_named(self) -> bool:
        """Whether the training data named the actions."""

    @property
    def roles(self) -> Roles | None:
        """Columns of the table that the training data were read from, or None."""


def requested_actions(
    actions: ArrayLike | Mapping[str, Any] | None, like: HasActions, seen: SeenActions | None
) -> NDArray[np.float64]:
    """Return the actions of a request in the order of the training data, shape (..., m), in the user's units.

    Args:
        actions: Shape (N, m) or (N, T, m); a data frame, whose columns are matched by name, and whose columns of text
            become one action per category; or a mapping of names to values of one row, the other actions being at
            their reference.
        like: The trained model.
        seen: Actions of its training data, which a mapping needs; None for models that don't store them.

    Raises:
        DataError: If an action is unknown, missing, no number, or not finite.
    """
    names, labels, actions = like.action_names, column_labels(actions, "actions"), without_labels(actions)
    if actions is None:
        raise DataError(
            f"actions are missing; the model was trained on {listed([shown(n) for n in names], 8)}"
        )
    if isinstance(actions, Mapping):
        if seen is None:
            raise DataError(
                "this model was saved by an earlier version, which didn't store the actions of its training data; give "
                "all actions as an array, or train it again"
            )
        return _named(actions, like, seen)[np.newaxis]
    if is_frame(actions):
        return _framed(actions, like)
    numbers, given = as_numbers(actions, "actions"), np.asarray(actions)
    # numbers in double precision keep it
    values = (given if given.dtype == np.float64 else numbers).astype(np.float64)
    values = values if labels is None else _in_order(values, labels, like, {})
    if values.ndim not in (2, 3) or values.shape[-1] != len(names):
        raise DataError(f"actions have shape {values.shape}; this model needs (N, {len(names)})")
    require_rows(len(values), "actions")
    if not values.shape[1]:
        raise DataError("actions have 0 steps; give at least 1")
    constant_columns(values, "actions")
    return values


def requested_observations(
    observations: ArrayLike, names: tuple[str, ...], n_observed: int, what: str, allow_missing: bool = False
) -> NDArray[Any]:
    """Return observations of a request, shape (N, d_x) or (N, T, d_x), in the order of the training data.

    Args:
        observations: An array, or a data frame, whose columns are matched by name.
        names: Names of the observed columns of the training data; empty if they had none.
        n_observed: Number of observed dimensions d_x.
        what: Name of the observations in error messages.
        allow_missing: Whether NaN, masked and empty entries are missing values; they become NaN.

    Raises:
        DataError: If the shape is wrong, or an entry is no finite number and not a missing value.
    """
    values = matched_numbers(observations, names, n_observed, what, allow_missing)
    if values.ndim not in (2, 3):
        raise DataError(f"{what} have shape {values.shape}; this model needs (N, {n_observed})")
    if values.shape[-1] != n_observed:
        raise DataError(
            f"the data have {values.shape[-1]} observed dimensions; the model was trained on {n_observed}"
        )
    # entries that aren't missing are returned to the user
    values = values if values.dtype == np.float32 else values.astype(np.float64)
    require_rows(len(values), what)
    with np.errstate(over="ignore", invalid="ignore"):
        # larger numbers are infinite for the networks
        single = values.astype(np.float32)
    finite = np.isfinite(single) | (np.isnan(single) if allow_missing else False)
    if not finite.all():
        place = ", ".join(str(k) for k in np.argwhere(~finite)[0])
        raise DataError(
            f"{what}[{place}] is {values[~finite][0]}; every entry must be a finite number"
            + ", or NaN where it is missing" * allow_missing
        )
    return values


def require_rows(n_rows: int, what: str) -> None:
    """Refuse inputs without rows.

    Raises:
        DataError: If there are none.
    """
    if not n_rows:
        raise DataError(f"{what} have 0 rows; give at least 1")


def _named(actions: Mapping[str, Any], like: HasActions, seen: SeenActions) -> NDArray[np.float64]:
    names = like.action_names
    positions = {name: k for k, name in enumerate(names)}
    row = seen.reference.copy()
    for column in {} if like.roles is None else like.roles.categorical:
        # one category replaces the other ones of its column
        group = [k for k, name in enumerate(names) if name.startswith(f"{column}=")]
        if any(names[k] in actions for k in group):
            row[group] = 0
    for name, value in actions.items():
        if name not in positions:
            known = listed([shown(known) for known in names], 8)
            raise DataError(f"no action is called {shown(str(name))!r}; the model was trained on {known}")
        number = as_numbers([[value]], f"action {shown(name)!r}")
        if number.shape != (1, 1) or not np.isfinite(number).all():
            raise DataError(f"action {shown(name)!r} is {value!r}; it must be a finite number")
        row[positions[name]] = float(value) if isinstance(value, int | float) else float(number[0, 0])
    return row


def _framed(frame: Any, like: HasActions) -> NDArray[np.float64]:
    values, names, categories = frame_actions(frame, "actions")
    _require_known(categories, like.action_names)
    require_rows(len(values), "actions")
    if not np.isfinite(values).all():
        row, column = (int(k) for k in np.argwhere(~np.isfinite(values))[0])
        raise DataError(
            f"actions[{row}, {column}] is {values[row, column]}; every entry must be a finite number"
        )
    return _in_order(values, names, like, categories)


def _in_order(
    values: NDArray[np.float64],
    names: tuple[str, ...] | None,
    like: HasActions,
    categories: Mapping[str, tuple[str, ...]],
) -> NDArray[np.float64]:
    """Return actions (..., columns) in the order of the training data, matched by name."""
    known = {} if like.roles is None else dict(like.roles.categorical)
    unnamed = names is None or not like.actions_named
    matched = match_actions(names or (), like.action_names, categories, known, unnamed, "the model")
    # a category that doesn't occur is a column of zeros
    return values if matched is None else np.where(matched >= 0, values[..., matched], 0.0)


def _require_known(categories: Mapping[str, tuple[str, ...]], names: tuple[str, ...]) -> None:
    for column, values in categories.items():
        known = [name.partition("=")[2] for name in names if name.startswith(f"{column}=")]
        unknown = [value for value in values if f"{column}={value}" not in names]
        # without known categories, the model has no such column
        if known and unknown:
            raise DataError(
                f"column {column!r} of actions has the category {shown(unknown[0])!r}, which the model was not "
                f"trained on; its categories are {listed(known, 10)}"
            )


def require_requested_counts(observations: NDArray[Any], names: Sequence[str], likelihood: str) -> None:
    """Refuse observations that are no counts; rows with missing entries may have 0 in all others.

    Args:
        observations: Shape (N, ..., d_x); NaN entries are missing.
        names: Names of the columns; empty without names.
        likelihood: Likelihood of the model.

    Raises:
        DataError: If an observation is negative or has a fraction, or if a complete row has no counts at all.
    """
    require_count_rows(np.where(np.isnan(observations), 1, observations), names, likelihood)


def require_complete_counts(observations: NDArray[Any], names: Sequence[str], likelihood: str) -> None:
    """Refuse observations that are no counts, and missing ones.

    Args:
        observations: Shape (N, d_x); NaN entries are missing.
        names: Names of the columns; empty without names.
        likelihood: Likelihood of the model.

    Raises:
        DataError: If an observation is missing, negative or has a fraction, or if a row has no counts at all.
    """
    missing = np.isnan(observations)
    if missing.any():
        row, column = (int(index) for index in np.argwhere(missing)[0])
        name = shown(names[column]) if names else str(column)
        raise DataError(
            f"observation {name} of row {row} is missing; the size of a row of counts is the sum of all, so give "
            "complete rows"
        )
    require_count_rows(observations, names, likelihood)
