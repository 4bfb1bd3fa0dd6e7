"""Sufficient influence of a black box: numerical evidence, never a certificate.

Where the density is a function of a computer and not a formula, second differences stand for second derivatives, and
singular values for linear independence. How far the differences can be trusted is measured by halving their step. A
smallest singular value well above that is evidence for influence, one that drowns in it is evidence against, and
anything between is called unclear.

(The condition is that of `identify.influence`.)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from identify.exceptions import RequestError
from identify.graph import CausalGraph

__all__ = ["Evidence", "LogDensity", "numerical_influence"]

Array = NDArray[np.float64]
# (latents (N, n), past (N, n) or None, actions (N, m)) -> log-densities of every latent (N, n)
LogDensity = Callable[[Array, Array | None, Array], Array]

_GAP = 10.0


@dataclass(frozen=True, eq=False)
class Evidence:
    """What the numbers say of one action.

    Attributes:
        action: Its name.
        children: Names of its children, k.
        verdict: ``"for"``, ``"against"`` or ``"unclear"``.
        singular_values: Of the second differences, columns scaled to unit length, shape (points, k), the largest first.
        error: Of the differences, in the same units, shape (points,): what changes when the step is halved.
        gap: The smallest ratio, over points, of the smallest singular value to the error.
        relative: The smallest ratio, over points, of the smallest singular value to the largest; 1 without children.
    """

    action: str
    children: tuple[str, ...]
    verdict: Literal["for", "against", "unclear"]
    singular_values: Array
    error: Array
    gap: float
    relative: float

    def __str__(self) -> str:
        what = {"for": "evidence for", "against": "evidence against", "unclear": "no clear evidence of"}
        return (
            f"{self.action}: {what[self.verdict]} sufficient influence on {', '.join(self.children) or 'nothing'} "
            f"(numerical, no certificate; smallest singular value {self.gap:.2g} times the "
            f"error and {self.relative:.2g} times the largest)"
        )


def numerical_influence(
    log_density: LogDensity,
    graph: CausalGraph,
    latents: ArrayLike,
    actions: ArrayLike,
    past: ArrayLike | None = None,
    action_values: Mapping[str, Sequence[float]] | None = None,
    step: float = 1e-2,
    gap: float = _GAP,
    floor: float = 0.0,
) -> dict[str, Evidence]:
    """Look for sufficient influence of actions in a density that can only be evaluated.

    Args:
        log_density: Maps latents (N, n), past latents (N, n) or None and actions (N, m) to the log-densities of all
            latents (N, n), up to terms that don't contain the latent.
        graph: Says which latents are the children of which action.
        latents: Points at which the question is asked, shape (P, n); a few typical ones.
        actions: Conditions, shape (C, m): rows as they occur, at least as many as an action has children.
        past: Past latents that belong to the conditions, shape (C, n), or None.
        action_values: For actions with finitely many values, by name: those values.
        step: Of the differences, in standard deviations of the latent and the action.
        gap: How many times the error a smallest singular value must be.
        floor: What share of the largest it must be, for densities that are themselves only roughly known.

    Returns:
        The evidence for each action, by name.

    Raises:
        RequestError: If shapes that don't fit the graph, too few conditions, numbers that are not finite, a step or gap
            that is not positive, or a floor outside 0 to 1.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> def density(z, past, a):
        ...     return -((z - np.column_stack([np.sin(a[:, 0]), np.sin(2 * a[:, 0])])) ** 2)
        >>> found = numerical_influence(
        ...     density, CausalGraph(Ga=[[1], [1]]), rng.normal(size=(3, 2)), rng.uniform(-2, 2, (40, 1))
        ... )
        >>> found["a0"].verdict
        'for'
    """
    problem = _Problem(
        log_density,
        graph,
        _rows(latents, graph.n_latents, "latents"),
        _rows(actions, graph.n_actions, "actions"),
        None if past is None else _rows(past, graph.n_latents, "past"),
    )
    if problem.past is not None and len(problem.past) != len(problem.actions):
        raise RequestError(f"{len(problem.past)} rows of the past for {len(problem.actions)} of actions")
    for name, value in (("step", step), ("gap", gap)):
        if not value > 0:
            raise RequestError(f"{name} is {value}; it must be a number above 0")
    if not 0 <= floor < 1:
        raise RequestError(f"floor is {floor}; it must be from 0 to below 1")
    values = action_values or {}
    for name in values:
        if name not in graph.actions:
            raise RequestError(f"action_values names {name!r}, which is no action of the graph")
    return {
        name: problem.evidence(column, values.get(name), step, gap, floor)
        for column, name in enumerate(graph.actions)
    }


@dataclass(frozen=True, eq=False)
class _Problem:
    log_density: LogDensity
    graph: CausalGraph
    latents: Array
    actions: Array
    past: Array | None

    def evidence(
        self, column: int, values: Sequence[float] | None, step: float, gap: float, floor: float
    ) -> Evidence:
        name = self.graph.actions[column]
        children = self.graph.Ga.T.tocsr()[[column]].indices.tolist()
        names = tuple(self.graph.latents[i] for i in children)
        if not children:
            nothing = np.zeros((len(self.latents), 0))
            return Evidence(name, (), "for", nothing, np.zeros(len(self.latents)), np.inf, 1.0)
        rows = len(self.actions) * (1 if values is None else len(values) - 1)
        if rows < len(children):
            raise RequestError(
                f"{rows} conditions for the {len(children)} children of {name}; give more rows of actions"
            )
        singular, errors = [], []
        for point in self.latents:
            coarse, fine = (
                self._effects(point, column, values, size)[:, children] for size in (step, step / 2)
            )
            scale = np.linalg.norm(fine, axis=0)
            # a child that does not react at all keeps its zeros
            scale[scale == 0] = 1
            singular.append(np.linalg.svd(fine / scale, compute_uv=False))
            errors.append(
                np.linalg.norm((coarse - fine) / scale, 2) + np.finfo(float).eps * len(fine) / step**2
            )
        found, error = np.array(singular), np.array(errors)
        ratios = found[:, -1] / error
        # a child that nothing moves makes the smallest zero, and the largest may be zero too
        relative = float((found[:, -1] / np.maximum(found[:, 0], np.finfo(float).tiny)).min())
        verdict: Literal["for", "against", "unclear"] = "unclear"
        if ratios.min() > gap and relative > floor:
            verdict = "for"
        elif ratios.max() < 1:
            verdict = "against"
        return Evidence(name, names, verdict, found, error, float(ratios.min()), relative)

    def _effects(self, point: Array, column: int, values: Sequence[float] | None, step: float) -> Array:
        """d/da_l d/dz_i log q_i at one z under all conditions, or differences between values; shape (rows, n)."""
        spread = np.std(self.latents, axis=0)
        widths = step * np.where(spread > 0, spread, 1)
        if values is None:
            size = step * (self.actions[:, column].std() or 1.0)
            forward, backward = self.actions.copy(), self.actions.copy()
            forward[:, column] += size
            backward[:, column] -= size
            return (self._scores(point, forward, widths) - self._scores(point, backward, widths)) / (2 * size)
        settings = []
        for value in values:
            changed = self.actions.copy()
            changed[:, column] = value
            settings.append(self._scores(point, changed, widths))
        return np.concatenate([setting - settings[0] for setting in settings[1:]])

    def _scores(self, point: Array, actions: Array, widths: Array) -> Array:
        """d/dz_i log q_i, shape (C, n): every latent's own density, so all latents are moved at once."""
        high, low = (
            np.asarray(self.log_density(np.tile(moved, (len(actions), 1)), self.past, actions), dtype=float)
            for moved in (point + widths, point - widths)
        )
        for found in (high, low):
            if found.shape != (len(actions), self.graph.n_latents) or not np.isfinite(found).all():
                raise RequestError(
                    f"the log-density gives shape {found.shape}, or numbers that are not finite; "
                    f"it must give ({len(actions)}, {self.graph.n_latents})"
                )
        return np.asarray((high - low) / (2 * widths))


def _rows(values: ArrayLike, width: int, what: str) -> Array:
    found = np.asarray(values, dtype=float)
    if found.ndim != 2 or found.shape[1] != width or not len(found) or not np.isfinite(found).all():
        raise RequestError(
            f"{what} have shape {found.shape}, or a number that is not finite; they must be rows of {width}"
        )
    return found
