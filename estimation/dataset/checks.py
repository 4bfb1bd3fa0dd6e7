"""The arrays of a dataset, checked against each other: shapes, values, names, the true graph."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from estimation.dataset.readers.arrays import as_numbers, constant_columns
from estimation.dataset.readers.raw_data import Parts
from estimation.exceptions import DataError
from identify.exceptions import GraphError
from identify.graph import CausalGraph
from identify.names import check_names, default_names
from identify.wording import listed

__all__ = [
    "checked",
    "checked_actions",
    "checked_episodes",
    "checked_latents",
    "checked_names",
    "checked_observation_names",
    "checked_observations",
    "require_graph",
    "require_seen",
    "require_varying_actions",
]

Array = NDArray[np.floating]

_MOST_DISCRETE_VALUES = 20


def checked(parts: Parts, allow_constant: bool = False) -> Parts:
    """The parts of a dataset, each checked, and against each other.

    Args:
        parts: as given or read.
        allow_constant: accept columns that never change.

    Raises:
        DataError: shapes don't fit each other, an entry is not finite, a column is constant, or the graph has
            other numbers of latents or actions than the data.
    """
    x = checked_observations(parts.observations, parts.observation_shape, allow_constant)
    z = None if parts.latents is None else checked_latents(parts.latents, x)
    a = None if parts.actions is None else checked_actions(parts.actions, x)
    require_graph(parts.graph, z, a)
    names = checked_names(parts.action_names, parts.graph, a)
    if a is not None:
        require_varying_actions(a, names, allow_constant)
    shape, episodes = parts.observation_shape, parts.episodes
    return replace(
        parts,
        observations=x,
        actions=a,
        latents=z,
        action_names=names,
        actions_named=parts.actions_named and (parts.action_names, parts.graph) != (None, None),
        observation_names=checked_observation_names(parts.observation_names, x.shape[2]),
        observation_shape=None if shape is None else tuple(int(n) for n in shape),
        episodes=None if episodes is None else checked_episodes(episodes, len(x)),
        notes=tuple(parts.notes),
    )


def checked_observations(values: Any, shape: Sequence[int] | None, allow_constant: bool) -> Array:
    """Observations of shape (N, T, d_x) from (N, T, d_x) or (N, d_x).

    Args:
        values: the observations.
        shape: that of an image, whose pixels may be constant.
        allow_constant: accept columns that never change.

    Raises:
        DataError: the shape is another one, an entry is not finite, or a column is constant.

    Example:
        >>> checked_observations([[1.0], [2.0]], None, False).shape
        (2, 1, 1)
    """
    x = as_numbers(values, "observations")
    if x.ndim in (4, 5):
        raise DataError(
            f"observations have shape {x.shape}; images come as float rows (N, T, C * H * W), with "
            "observation_shape=(C, H, W)"
        )
    if x.ndim not in (2, 3):
        raise DataError(f"observations have shape {x.shape}; they must be (N, T, d_x) or (N, d_x)")
    if 0 in x.shape:
        raise DataError(f"observations have shape {x.shape}; there must be at least one number")
    x = x[:, np.newaxis] if x.ndim == 2 else x
    _require_image(shape, x.shape[2])
    constant = constant_columns(x, "observations")
    if len(constant) == x.shape[2] > 0 and not allow_constant:
        raise DataError("every observed column is constant; nothing can be learned from these observations")
    if constant and shape is None and not allow_constant:
        raise _constant("observed", constant)
    return x


def checked_latents(values: Any, observations: Array) -> Array:
    """Latents of shape (N, T, d_z) that go with observations of shape (N, T, d_x).

    Raises:
        DataError: the shape is another one, or an entry is not finite.
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
    """Actions of shape (N, d_a), or (N, T - 1, d_a) when T > 2.

    Raises:
        DataError: the shape is another one, or an entry is not finite.

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
        right = " or ".join(f"({', '.join(map(str, shape))}, d_a)" for shape in shapes)
        raise DataError(f"actions have shape {a.shape}; for these observations they must be {right}")
    return a


def require_varying_actions(actions: Array, names: Sequence[str], allow_constant: bool) -> None:
    """Check that every action is finite and, unless allowed, that each one changes.

    Raises:
        DataError: an entry is not finite, or an action is constant.
    """
    constant = constant_columns(actions, "actions")
    if constant and not allow_constant:
        raise _constant("action", [names[column] for column in constant])


def require_seen(actions: Array, others: Array, names: Sequence[str]) -> None:
    """Refuse a value of a discrete action, one with at most 20 different values, that doesn't occur in ``actions``.

    Raises:
        DataError: such a value occurs in ``others``.
    """
    if actions.dtype != others.dtype:
        # the same value, rounded in one of the two
        actions, others = actions.astype(np.float32), others.astype(np.float32)
    for column, name in enumerate(names):
        known = np.unique(actions[..., column])
        if len(known) > _MOST_DISCRETE_VALUES:
            continue
        unseen = ~np.isin(others[..., column], known)
        if unseen.any():
            row = int(np.argwhere(unseen)[0][0])
            value = others[..., column][unseen][0]
            raise DataError(
                f"action {name!r} is {value:g} in row {row}, a value that training never saw; it saw "
                f"{listed([f'{v:g}' for v in known])}"
            )


def checked_names(
    names: Sequence[str] | None, graph: CausalGraph | None, actions: Array | None
) -> tuple[str, ...]:
    """Names of the columns of the actions: those given, else the graph's, else ``a0, a1, ...``.

    Raises:
        DataError: their number is wrong, or one is empty or repeats.

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
    """Names of the observed columns; none are made up.

    Raises:
        DataError: their number is wrong, or one is empty or repeats.

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
    """Numbers of episodes, shape (N,).

    Raises:
        DataError: the shape is another one, or they are no whole numbers.
    """
    array = np.asarray(values)
    if array.shape != (n_samples,):
        raise DataError(f"episodes have shape {array.shape}; one number per row is ({n_samples},)")
    if array.dtype.kind not in "iu":
        raise DataError(f"episodes are of type {array.dtype}; they must be whole numbers")
    return array.astype(np.int64, copy=False)


def require_graph(graph: CausalGraph | None, latents: Array | None, actions: Array | None) -> None:
    """Check that the true graph has the latents and actions of the data.

    Raises:
        DataError: it has other numbers of them, or is no graph.
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


def _require_image(shape: Sequence[int] | None, n_observed: int) -> None:
    if shape is None:
        return
    sizes = tuple(shape)
    if not sizes or any(not isinstance(size, int | np.integer) or size < 1 for size in sizes):
        raise DataError(f"observation_shape is {sizes}; it must be positive whole numbers, like (3, 32, 32)")
    if math.prod(sizes) != n_observed:
        raise DataError(
            f"observation_shape {sizes} makes {math.prod(sizes)} numbers; the observations have {n_observed}"
        )


def _constant(kind: str, columns: Sequence[Any]) -> DataError:
    what = (
        f"{kind} column {columns[0]} is"
        if len(columns) == 1
        else f"{kind} columns {listed(list(columns))} are"
    )
    them = "it" if len(columns) == 1 else "them"
    return DataError(f"{what} constant; drop {them} or pass allow_constant=True")
