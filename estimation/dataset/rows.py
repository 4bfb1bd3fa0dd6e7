"""Rows of arrays as a dataset: independent rows, or sequences whose order in time is that of the rows."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from estimation.dataset.covariate_categories import categories_of
from estimation.dataset.covariates import covariate_columns, covariate_notes
from estimation.dataset.dataset import Dataset
from estimation.dataset.readers.arrays import as_numbers
from estimation.dataset.readers.episodes import cut_episodes, encode_groups
from estimation.dataset.readers.frames import frame_actions, is_frame
from estimation.dataset.readers.raw_data import RawData
from estimation.dataset.readers.roles import roles_of_frames
from estimation.exceptions import ConfigError, DataError

__all__ = ["Order", "action_columns", "dataset_of_rows", "row_order"]

#: Meaning of the order of rows.
Order = Literal["sequence", "independent"]

_ORDERS = ("auto", "sequence", "independent")


def row_order(order: str, actions: ArrayLike | None, groups: ArrayLike | None) -> Order:
    """Return the meaning of the order of rows.

    Args:
        order: ``"sequence"``, ``"independent"``, or ``"auto"``: independent if there are actions and no groups, else a
            sequence.
        actions: Actions, or None.
        groups: Labels of the sequences, or None.

    Raises:
        ConfigError: If the order is unknown, or conflicts with actions and groups.

    Example:
        >>> row_order("auto", actions=[0, 1], groups=None), row_order("auto", actions=None, groups=None)
        ('independent', 'sequence')
    """
    if order not in _ORDERS:
        raise ConfigError(f"order is {order!r}; it is one of {', '.join(_ORDERS)}")
    if order == "independent" and groups is not None:
        raise ConfigError("groups are given, but rows are independent here; leave the groups out")
    if order == "independent" and actions is None:
        raise ConfigError(
            "rows are independent here and there are no actions, so there are no mechanisms to learn; give actions, or "
            "order='sequence' if the rows follow each other in time"
        )
    if order == "independent" or (order == "auto" and actions is not None and groups is None):
        return "independent"
    return "sequence"


def dataset_of_rows(
    x: NDArray[Any],
    x_names: tuple[str, ...],
    actions: ArrayLike | None,
    groups: ArrayLike | None,
    order: Order,
    allow_constant: bool,
    covariates: ArrayLike | None = None,
    covariate_names: Sequence[str] | None = None,
    covariate_categories: Mapping[str, Sequence[str]] | None = None,
) -> Dataset:
    """Return rows as a dataset, with a note that says how their order was interpreted.

    Args:
        x: Observations, shape (N, d_x).
        x_names: Names of the d_x columns; empty without names.
        actions: Shape (N, d_a) or (N,), or a data frame; None without actions. In a sequence, the action of a row acts
            on the step that leads to it.
        groups: Labels of the sequences, shape (N,); None for a single one. Used only if the rows are sequences.
        order: Meaning of the order of the rows; sequences are cut into pairs of steps.
        allow_constant: Whether columns may be constant.
        covariates: Shape (N, d_c) or (N,), or a data frame or one of its columns; None without covariates. They may not
            change within a sequence.
        covariate_names: Names of the covariates, which take precedence over those of the frame.
        covariate_categories: Categories of covariates of an array.

    Raises:
        DataError: If rows, actions, groups and covariates don't fit each other, or hold invalid values.

    Example:
        >>> dataset_of_rows(np.array([[0.0], [1.0], [3.0]]), (), None, None, "sequence", False)
        Dataset(2 samples, 2 steps, 1 observed)
    """
    a, names, categories = (None, None, {}) if actions is None else action_columns(actions)
    if a is not None and len(a) != len(x):
        raise DataError(f"actions have {len(a)} rows and X has {len(x)}; every row of X needs its action")
    absent = covariate_notes(covariates)
    c, c_names, c_categories = covariate_columns(covariates, covariate_names)
    c = None if c is None else as_numbers(c, "covariates")
    if c is not None and c.shape[:1] != x.shape[:1]:
        raise DataError(f"covariates have shape {c.shape}; every row of X needs its own, ({len(x)}, d_c)")
    raw = RawData(
        x,
        actions=a,
        action_names=names,
        notes=("rows were treated as independent", *absent),
        observation_names=tuple(str(name) for name in x_names),
        roles=roles_of_frames(x_names, names, categories) if categories else None,
        covariates=c,
        covariate_names=c_names,
        covariate_categories=c_categories | categories_of(c_names or (), covariate_categories or {}),
        allow_constant=allow_constant,
    )
    return Dataset.from_raw_data(_cut_pairs(raw, groups) if order == "sequence" else raw)


def action_columns(
    actions: ArrayLike,
) -> tuple[NDArray[Any], tuple[str, ...] | None, dict[str, tuple[str, ...]]]:
    """Return the actions, shape (N, d_a), their names if they have any, and the categories of columns of text.

    Args:
        actions: Shape (N, d_a) or (N,), or a data frame.

    Raises:
        DataError: If the shape is wrong, or an entry is not a number.
    """
    if is_frame(actions):
        return frame_actions(actions, "actions")
    array = as_numbers(actions, "actions")
    if array.ndim not in (1, 2):
        raise DataError(f"actions have shape {array.shape}; they must be (n_samples, d_a)")
    return array[:, np.newaxis] if array.ndim == 1 else array, None, {}


def _cut_pairs(raw: RawData, groups: ArrayLike | None) -> RawData:
    n_rows = len(raw.observations)
    if groups is None:
        codes, labels = np.zeros(n_rows, dtype=np.int64), ["X"]
        note = "rows were treated as one sequence in time"
    else:
        codes, labels = encode_groups(groups, n_rows)
        note = f"rows were treated as {len(labels)} sequences in time"
    raw = dataclasses.replace(raw, notes=(note, *raw.notes[1:]))
    return cut_episodes(raw, codes, labels, None, 2, lambda row: f"row {row}")
