"""Checks of raw data: shapes, values, names and the true graph, each and against each other."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from estimation.dataset.covariate_categories import found_categories
from estimation.dataset.covariates import checked_covariates
from estimation.dataset.readers.arrays import as_numbers, constant_and_missing, constant_columns
from estimation.dataset.readers.raw_data import RawData
from estimation.exceptions import DataError
from identify.exceptions import GraphError
from identify.graph import CausalGraph
from identify.names import check_names, default_names
from identify.wording import listed

__all__ = [
    "check_raw_data",
    "checked_actions",
    "checked_episodes",
    "checked_latents",
    "checked_names",
    "checked_observation_names",
    "checked_observations",
    "require_dimensions",
    "require_fitting_graph",
    "require_known_values",
    "require_varying_actions",
]

Array = NDArray[np.floating]

_MAX_DISCRETE_VALUES = 20
_MISSING_NOTE = " of the observed entries are missing; the likelihood leaves them out"


def check_raw_data(raw: RawData) -> RawData:
    """Return raw data in the types and shapes of a dataset, after checking each part and all against each other.

    Args:
        raw: Raw data, as given or read.

    Raises:
        DataError: If the shapes don't fit each other, an entry is not finite, a column is constant, or the graph has
            other numbers of latents or actions than the data.
    """
    if raw.decoder is not None and not callable(raw.decoder):
        raise DataError(f"decoder is {type(raw.decoder).__name__}; it must be a function or a torch module")
    x, n_missing = _checked_with_missing(raw.observations, raw.observation_shape, raw.allow_constant)
    z = None if raw.latents is None else checked_latents(raw.latents, x)
    a = None if raw.actions is None else checked_actions(raw.actions, x)
    require_fitting_graph(raw.graph, z, a)
    names = checked_names(raw.action_names, raw.graph, a)
    if a is not None:
        require_varying_actions(a, names, raw.allow_constant)
    shape, episodes = raw.observation_shape, raw.episodes
    c, covariate_names = checked_covariates(raw.covariates, raw.covariate_names, len(x), raw.allow_constant)
    return replace(
        raw,
        observations=x,
        actions=a,
        latents=z,
        action_names=names,
        actions_named=raw.actions_named and (raw.action_names, raw.graph) != (None, None),
        observation_names=checked_observation_names(raw.observation_names, x.shape[2]),
        observation_shape=None if shape is None else tuple(int(n) for n in shape),
        episodes=None if episodes is None else checked_episodes(episodes, len(x)),
        notes=_notes(raw.notes, n_missing / x.size),
        covariates=c,
        covariate_names=covariate_names,
        covariate_categories=found_categories(c, covariate_names, raw.covariate_categories),
    )


def _notes(notes: Sequence[str], missing_share: float) -> tuple[str, ...]:
    """Return the notes, with one on missing entries if there are any."""
    others = tuple(note for note in notes if not note.endswith(_MISSING_NOTE))
    return (*others, f"{missing_share:.2%}{_MISSING_NOTE}") if missing_share else others


def checked_observations(values: Any, shape: Sequence[int] | None, allow_constant: bool) -> Array:
    """Return observations of shape (N, T, d_x), from (N, T, d_x) or (N, d_x).

    Args:
        values: Observations.
        shape: Shape (C, H, W) of images, whose pixels may be constant, or None.
        allow_constant: Whether columns may be constant.

    Raises:
        DataError: If the shape is wrong, an entry is infinite, or a column is constant or has no entry. NaN entries
            are missing.

    Example:
        >>> checked_observations([[1.0], [2.0]], None, False).shape
        (2, 1, 1)
    """
    return _checked_with_missing(values, shape, allow_constant)[0]


def _checked_with_missing(
    values: Any, shape: Sequence[int] | None, allow_constant: bool
) -> tuple[Array, int]:
    """Return checked observations, and the number of missing entries."""
    x = as_numbers(values, "observations", allow_missing=True)
    if x.ndim in (4, 5):
        raise DataError(
            f"observations have shape {x.shape}; give images as float rows (N, T, C * H * W), with "
            "observation_shape=(C, H, W)"
        )
    if x.ndim not in (2, 3):
        raise DataError(f"observations have shape {x.shape}; they must be (N, T, d_x) or (N, d_x)")
    if 0 in x.shape:
        raise DataError(f"observations have shape {x.shape}; there must be at least one number")
    x = x[:, np.newaxis] if x.ndim == 2 else x
    _require_image_shape(shape, x.shape[2])
    constant, n_missing = constant_and_missing(x, "observations")
    if not allow_constant and (lost := np.flatnonzero(n_missing == len(x) * x.shape[1])).size:
        columns = "columns" if lost.size > 1 else "column"
        raise DataError(
            f"observed {columns} {listed(lost.tolist())} {'have' if lost.size > 1 else 'has'} no entry that isn't "
            "missing; drop them"
        )
    if len(constant) == x.shape[2] > 0 and not allow_constant:
        raise DataError("every observed column is constant; nothing can be learned from these observations")
    if constant and shape is None and not allow_constant:
        raise _constant_error("observed", constant)
    return x, int(n_missing.sum())


def checked_latents(values: Any, observations: Array) -> Array:
    """Return latents of shape (N, T, d_z) for observations of shape (N, T, d_x).

    Args:
        values: Latents, shape (N, T, d_z), or (N, d_z) when T = 1.
        observations: Checked observations.

    Raises:
        DataError: If the shape is wrong, or an entry is not finite.
    """
    z = as_numbers(values, "latents")
    n, steps = observations.shape[:2]
    if z.ndim == 2 and steps == 1:
        z = z[:, np.newaxis]
    if z.ndim != 3 or z.shape[:2] != (n, steps) or z.shape[2] == 0:
        raise DataError(
            f"latents have shape {z.shape}; for these observations they must be ({n}, {steps}, d_z)"
        )
    constant_columns(z, "latents")
    return z


def checked_actions(values: Any, observations: Array) -> Array:
    """Return actions of shape (N, d_a), or (N, T - 1, d_a) when T > 2.

    Args:
        values: Actions.
        observations: Checked observations.

    Raises:
        DataError: If the shape is wrong, or an entry is not finite.

    Example:
        >>> pairs = np.zeros((5, 2, 3), dtype=np.float32)
        >>> checked_actions(np.zeros((5, 1, 4)), pairs).shape
        (5, 4)
    """
    a = as_numbers(values, "actions")
    n, steps = observations.shape[:2]
    if a.ndim == 3 and a.shape[:2] == (n, 1) and steps == 2:
        a = a[:, 0]
    shapes = [(n,)] + ([(n, steps - 1)] if steps > 2 else [])
    if a.ndim < 2 or a.shape[:-1] not in shapes or a.shape[-1] == 0:
        required = " or ".join(f"({', '.join(map(str, shape))}, d_a)" for shape in shapes)
        raise DataError(f"actions have shape {a.shape}; for these observations they must be {required}")
    return a


def require_varying_actions(actions: Array, names: Sequence[str], allow_constant: bool) -> None:
    """Require that every action is finite and, unless constant columns are allowed, that each one varies.

    Args:
        actions: Actions, shape (..., d_a).
        names: Names of the d_a actions.
        allow_constant: Whether columns may be constant.

    Raises:
        DataError: If an entry is not finite, or an action is constant.
    """
    constant = constant_columns(actions, "actions")
    if constant and not allow_constant:
        raise _constant_error("action", [names[column] for column in constant])


def require_known_values(training: Array, other: Array, names: Sequence[str]) -> None:
    """Refuse a value of a discrete action, one with at most 20 distinct values, that doesn't occur in training.

    Args:
        training: Actions of the training data, shape (..., d_a).
        other: Actions to check, shape (..., d_a).
        names: Names of the d_a actions.

    Raises:
        DataError: If such a value occurs in ``other``.
    """
    if training.dtype != other.dtype:
        # a value in double precision differs from the same value in float32
        training, other = training.astype(np.float32), other.astype(np.float32)
    for column, name in enumerate(names):
        known = np.unique(training[..., column])
        if len(known) > _MAX_DISCRETE_VALUES:
            continue
        unknown = ~np.isin(other[..., column], known)
        if unknown.any():
            row = int(np.argwhere(unknown)[0][0])
            value = other[..., column][unknown][0]
            raise DataError(
                f"action {name!r} is {value:g} in row {row}, a value that doesn't occur in training; it must be one of "
                f"{listed([f'{v:g}' for v in known])}"
            )


def checked_names(
    names: Sequence[str] | None, graph: CausalGraph | None, actions: Array | None
) -> tuple[str, ...]:
    """Return the names of the actions: those given, else those of the graph, else ``a0, a1, ...``.

    Args:
        names: Given names, or None.
        graph: True graph, or None.
        actions: Checked actions, or None.

    Raises:
        DataError: If their number is wrong, or a name is empty or repeats.

    Example:
        >>> checked_names(None, None, np.zeros((5, 2), dtype=np.float32))
        ('a0', 'a1')
    """
    count = 0 if actions is None else actions.shape[-1]
    if names is None:
        return default_names("a", count) if graph is None else graph.actions
    try:
        result = check_names(names, "actions")
    except GraphError as error:
        raise DataError(f"action_names: {error}") from error
    if len(result) != count:
        raise DataError(f"{len(result)} action names for {count} columns of actions")
    return result


def checked_observation_names(names: Sequence[str], count: int) -> tuple[str, ...]:
    """Return the names of the observed columns; there are no default names.

    Args:
        names: Given names; empty without names.
        count: Number of columns d_x.

    Raises:
        DataError: If their number is wrong, or a name is empty or repeats.

    Example:
        >>> checked_observation_names(["height", "weight"], 2)
        ('height', 'weight')
    """
    try:
        result = check_names(names, "observed columns")
    except GraphError as error:
        raise DataError(f"observation_names: {error}") from error
    if result and len(result) != count:
        raise DataError(f"{len(result)} observation names for {count} observed columns")
    return result


def checked_episodes(values: Any, n_samples: int) -> NDArray[np.int64]:
    """Return the episode of each row, shape (N,).

    Args:
        values: Whole numbers.
        n_samples: N.

    Raises:
        DataError: If the shape is wrong, or they aren't whole numbers.
    """
    array = np.asarray(values)
    if array.shape != (n_samples,):
        raise DataError(f"episodes have shape {array.shape}; one number per row is ({n_samples},)")
    if array.dtype.kind not in "iu":
        raise DataError(f"episodes are of type {array.dtype}; they must be whole numbers")
    return array.astype(np.int64, copy=False)


def require_fitting_graph(graph: CausalGraph | None, latents: Array | None, actions: Array | None) -> None:
    """Require that the true graph has the same numbers of latents and actions as the data.

    Args:
        graph: True graph, or None.
        latents: Checked latents, or None.
        actions: Checked actions, or None.

    Raises:
        DataError: If the numbers differ, or the graph isn't a `CausalGraph`.
    """
    if graph is None:
        return
    if not isinstance(graph, CausalGraph):
        raise DataError(f"graph is {type(graph).__name__}; it must be a CausalGraph")
    if latents is not None and graph.n_latents != latents.shape[2]:
        raise DataError(f"the graph has {graph.n_latents} latents and the data have {latents.shape[2]}")
    n_actions = 0 if actions is None else actions.shape[-1]
    if graph.n_actions != n_actions:
        raise DataError(f"the graph has {graph.n_actions} actions and the data have {n_actions}")


def require_dimensions(
    observations: Any, actions: Any, latents: Any, episodes: Any, covariates: Any = None
) -> None:
    """Require arrays with the numbers of dimensions that a dataset has, and one entry a row; None is left out.

    Args:
        observations: Observations of shape (N, T, d_x).
        actions: Actions of shape (N, d_a) or (N, T - 1, d_a).
        latents: Latents of shape (N, T, d_z).
        episodes: Episodes of shape (N,).
        covariates: Covariates of shape (N, d_c).

    Raises:
        DataError: If one is no array, or has another number of dimensions, or another number of rows.

    Example:
        >>> require_dimensions(np.zeros((4, 1, 2)), np.zeros((3, 1)), None, None)
        Traceback (most recent call last):
        ...
        estimation.exceptions.DataError: actions have 3 rows, and observations have 4
    """
    arrays = {
        "observations": (observations, "(N, T, d_x)", (3,)),
        "actions": (actions, "(N, d_a) or (N, T - 1, d_a)", (2, 3)),
        "latents": (latents, "(N, T, d_z)", (3,)),
        "episodes": (episodes, "(N,)", (1,)),
        "covariates": (covariates, "(N, d_c)", (2,)),
    }
    for name, (array, shapes, numbers) in arrays.items():
        if array is None and name != "observations":
            continue
        if not isinstance(array, np.ndarray):
            raise DataError(
                f"{name} are {type(array).__name__}; Dataset(...) takes arrays of numpy; use Dataset.from_arrays"
            )
        if array.ndim not in numbers:
            raise DataError(
                f"{name} have shape {array.shape}; Dataset(...) takes {shapes}; use Dataset.from_arrays"
            )
        if len(array) != len(observations):
            raise DataError(f"{name} have {len(array)} rows, and observations have {len(observations)}")


def _require_image_shape(shape: Sequence[int] | None, n_observed: int) -> None:
    if shape is None:
        return
    sizes = tuple(shape)
    if not sizes or any(not isinstance(size, int | np.integer) or size < 1 for size in sizes):
        raise DataError(f"observation_shape is {sizes}; it must be positive whole numbers, like (3, 32, 32)")
    if math.prod(sizes) != n_observed:
        raise DataError(
            f"observation_shape {sizes} means {math.prod(sizes)} numbers; the observations have {n_observed}"
        )


def _constant_error(kind: str, columns: Sequence[Any]) -> DataError:
    if len(columns) == 1:
        return DataError(f"{kind} column {columns[0]} is constant; drop it or pass allow_constant=True")
    return DataError(
        f"{kind} columns {listed(list(columns))} are constant; drop them or pass allow_constant=True"
    )
