"""Basis functions of the actions, on which statistics of the latents are regressed."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import scipy.stats
from numpy.typing import NDArray

__all__ = ["ActionBasis", "has_few_values"]

Array = NDArray[np.float64]

# an action with more distinct values counts as continuous
_MAX_CATEGORIES = 12
_N_COSINES = 8
_MIN_COSINES = 2
# of each action, the number of functions whose products with those of another action are used
_N_FACTORS = 3
_MAX_FUNCTIONS = 512
# causes that explain a smaller share of the variance of all functions are taken to be independent of the actions, and
# functions of which less than this standard deviation is left are taken to be functions of the causes
_MIN_EXPLAINED, _MIN_LEFT = 0.02, 0.05
_RIDGE = 1e-3


@dataclass(frozen=True, eq=False)
class ActionBasis:
    """Functions of single actions, and products of functions of two actions, at N rows.

    A continuous action has cosines of its ranks, which no rescaling of the action changes; an action with few values
    has their indicators.

    Attributes:
        values: The functions, each with mean 0 and variance 1, shape (N, P).
        owners: Whether a function depends on an action, shape (P, m).

    Example:
        >>> actions = np.random.default_rng(0).uniform(size=(100, 2))
        >>> basis = ActionBasis.of(actions)
        >>> basis.values.shape, basis.owners.sum(0).tolist()
        ((100, 25), [17, 17])
    """

    values: Array
    owners: NDArray[np.bool_]

    @classmethod
    def of(cls, actions: Array) -> ActionBasis:
        """Evaluate the functions at actions, shape (N, m); products are left out where there would be too many."""
        n_actions = actions.shape[1]
        n_cosines = min(_N_COSINES, max(_MAX_FUNCTIONS // n_actions, _MIN_COSINES))
        singles = [list(_functions(column, n_cosines)) for column in actions.T]
        columns: list[tuple[Array, tuple[int, ...]]] = [
            (function, (action,)) for action, functions in enumerate(singles) for function in functions
        ]
        factors = [functions[:_N_FACTORS] for functions in singles]
        pairs = list(itertools.combinations(range(n_actions), 2))
        if sum(len(factors[first]) * len(factors[second]) for first, second in pairs) <= _MAX_FUNCTIONS:
            columns += [
                (factor * other, pair)
                for pair in pairs
                for factor, other in itertools.product(*(factors[action] for action in pair))
            ]
        columns = [(values, owners) for values, owners in columns if values.std() > 0]
        values = (
            np.stack([values for values, _ in columns], axis=1) if columns else np.zeros((len(actions), 0))
        )
        owners = np.zeros((len(columns), n_actions), dtype=bool)
        for function, (_, of) in enumerate(columns):
            owners[function, list(of)] = True
        values = values - values.mean(0)
        return cls(values / values.std(0), owners)

    def singles(self) -> ActionBasis:
        """Return the functions of single actions."""
        single = self.owners.sum(1) == 1
        return ActionBasis(self.values[:, single], self.owners[single])

    def given(self, others: Array) -> ActionBasis:
        """Return the functions less their regressions on functions of other causes, unless these say next to nothing.

        What past latents change would otherwise seem to be changed by actions that depend on them.

        Args:
            others: Other causes at the same rows, shape (N, k).
        """
        known = ActionBasis.of(others).singles().values
        gram = known.T @ known / len(known) + _RIDGE * np.eye(known.shape[1])
        explained = known @ np.linalg.solve(gram, known.T @ self.values / len(known))
        if not self.values.size or (explained**2).mean(0).max() < _MIN_EXPLAINED:
            return self
        rest = self.values - explained
        deviations = rest.std(0)
        is_left = deviations > _MIN_LEFT
        return ActionBasis(rest[:, is_left] / deviations[is_left], self.owners[is_left])

    def at(self, rows: NDArray[np.intp]) -> ActionBasis:
        """Return the functions at some of the rows."""
        return ActionBasis(self.values[rows], self.owners)

    def permuted(self, rng: np.random.Generator) -> ActionBasis:
        """Return the functions with their rows in random order."""
        return ActionBasis(self.values[rng.permutation(len(self.values))], self.owners)


def has_few_values(action: Array) -> bool:
    """Return whether an action, shape (N,), takes so few different values that it counts as discrete."""
    return len(np.unique(action)) <= _MAX_CATEGORIES


def _functions(action: Array, n_cosines: int) -> Iterator[Array]:
    categories = np.unique(action)
    if has_few_values(action):
        for category in categories[1:]:
            yield (action == category).astype(float)
        return
    ranks = (scipy.stats.rankdata(action) - 0.5) / len(action)
    for frequency in range(1, n_cosines + 1):
        yield np.cos(math.pi * frequency * ranks)
