"""Features of an action, and covariates that stand for the other causes.

The features are functions of the action: a spline, or an indicator of each of its values. If these are too few,
products of the action with the other causes are added. The covariates are functions of the other causes alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import BSpline
from scipy.stats import rankdata

from identify.graph import CausalGraph

__all__ = [
    "Causes",
    "count_settings",
    "covariates",
    "fine_functions",
    "interactions",
    "other_causes",
    "transform",
]

Array = NDArray[np.float64]

# a cause with at most so many different values is discrete
_MAX_VALUES = 8
_N_SPLINES = 7
_MAX_SPLINES = 40
_DEGREE = 3
# more products would cost more power than they add
_MAX_PRODUCTS = 10


@dataclass(frozen=True, eq=False)
class Causes:
    """The causes of the latents in all rows.

    Attributes:
        actions: Shape (N, m).
        past: Past latents, shape (N, n), or None.
    """

    actions: Array
    past: Array | None = None

    @property
    def columns(self) -> Array:
        """Actions and past latents side by side, shape (N, m) or (N, m + n)."""
        return self.actions if self.past is None else np.concatenate([self.actions, self.past], axis=1)

    def take(self, rows: NDArray[np.intp]) -> Causes:
        """Return the causes of some rows."""
        return Causes(self.actions[rows], None if self.past is None else self.past[rows])


def other_causes(
    graph: CausalGraph, children: NDArray[np.intp], action: int, causes: Causes
) -> NDArray[np.intp]:
    """Return the columns of the causes of these latents, other than an action."""
    parents = graph.Ga.toarray()[children]
    if causes.past is not None:
        parents = np.concatenate([parents, graph.Gz.toarray()[children]], axis=1)
    return np.setdiff1d(np.flatnonzero(parents.any(0)), [action])


def transform(values: Array, n_splines: int = _N_SPLINES) -> Array:
    """Return functions of one cause that span its possible effects: indicators of its values, or a spline of its ranks.

    Splines of the ranks have few large values, however the values are distributed; large ones would make robust
    estimates of the noise of an effect too small.

    Args:
        values: Shape (N,).
        n_splines: Number of functions of a cause with many values.

    Returns:
        Shape (N, number of functions); no function is constant, and no combination of them is.
    """
    levels = np.unique(values)
    if len(levels) <= _MAX_VALUES:
        return np.asarray(values[:, None] == levels[1:], dtype=float)
    ranks = rankdata(values) / len(values)
    low, high = ranks.min(), ranks.max()
    interior = np.unique(np.quantile(ranks, np.linspace(0, 1, n_splines - _DEGREE + 2))[1:-1])
    interior = interior[(interior > low) & (interior < high)]
    knots = np.concatenate([[low] * (_DEGREE + 1), interior, [high] * (_DEGREE + 1)])
    # the splines sum to 1
    return np.asarray(BSpline.design_matrix(ranks, knots, _DEGREE).toarray()[:, 1:])


def interactions(causes: Causes, action: int, modifiers: NDArray[np.intp]) -> Array:
    """Return products of an action with the other causes, not yet centred.

    Args:
        causes: All causes.
        action: Column of the action.
        modifiers: Columns of the other causes of its children, on which its effect may depend.
    """
    linear = _standardised(causes.actions[:, [action]])
    others = _standardised(causes.columns[:, modifiers[:_MAX_PRODUCTS]])
    return np.concatenate([linear * others, linear * (others**2 - 1)], axis=1)


def covariates(causes: Causes, action: int, modifiers: NDArray[np.intp]) -> Array:
    """Return functions of all causes but the action.

    Args:
        causes: All causes.
        action: Column of the action.
        modifiers: Columns of the other causes of its children; other causes enter linearly only.
    """
    columns = causes.columns
    rest = np.setdiff1d(np.arange(columns.shape[1]), [action])
    parts = [columns[:, rest], *(transform(columns[:, column]) for column in modifiers)]
    linear = _standardised(columns[:, modifiers[:_MAX_PRODUCTS]])
    first, second = np.triu_indices(linear.shape[1], 1)
    parts.append(linear[:, first] * linear[:, second])
    return np.concatenate(parts, axis=1)


def fine_functions(causes: Causes, columns: NDArray[np.intp]) -> Array:
    """Return functions of single causes that fit effects on means ever better with more rows.

    A misfit of the mean would look like an effect on the variance.

    Args:
        causes: All causes.
        columns: Columns of the causes.
    """
    values = causes.columns[:, columns]
    n_splines = int(np.clip(len(values) ** (1 / 3), _N_SPLINES, _MAX_SPLINES))
    return np.concatenate(
        [np.zeros((len(values), 0)), *(transform(column, n_splines) for column in values.T)], axis=1
    )


def count_settings(causes: Causes, action: int) -> int | None:
    """Return the dimension of the functions of all causes, modulo those that don't depend on the action.

    It is the largest number of children that the action can move independently: an on/off action that occurs in one
    setting of the other causes offers a single difference.

    Args:
        causes: All causes.
        action: Column of the action.

    Returns:
        The dimension, or None if a cause is continuous.
    """
    columns = causes.columns
    if any(len(np.unique(columns[:, column])) > _MAX_VALUES for column in range(columns.shape[1])):
        return None
    n_all = len(np.unique(columns, axis=0))
    return n_all - len(np.unique(np.delete(columns, action, axis=1), axis=0))


def _standardised(values: Array) -> Array:
    scale = values.std(0)
    return np.asarray((values - values.mean(0)) / np.where(scale > 0, scale, 1))
