"""Sufficient influence of a black box: numerical evidence, never a certificate.

If the density is a program and not a formula, second differences take the place of second derivatives, and singular
values take the place of linear independence. The error of the differences is measured by halving their step. A smallest
singular value well above the error is evidence for influence, one below the error is evidence against it, and anything
between is reported as unclear.

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

_MIN_GAP = 10.0


@dataclass(frozen=True, eq=False)
class Evidence:
    """The numerical evidence for one action.

    Attributes:
        action: Name of the action.
        children: Names of its k children.
        verdict: ``"for"``, ``"against"`` or ``"unclear"``.
        singular_values: Singular values of the second differences, with columns scaled to unit length, in descending
            order; shape (points, k).
        error: Error of the differences in the same units, shape (points,): the change when the step is halved.
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
        texts = {"for": "evidence for", "against": "evidence against", "unclear": "no clear evidence of"}
        return (
            f"{self.action}: {texts[self.verdict]} sufficient influence on {', '.join(self.children) or 'nothing'} "
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
    gap: float = _MIN_GAP,
    floor: float = 0.0,
) -> dict[str, Evidence]:
    """Test sufficient influence of actions numerically, for a density that can only be evaluated.

    Args:
        log_density: Function that maps latents (N, n), past latents (N, n) or None and actions (N, m) to the
            log-densities of all latents (N, n), up to terms that don't contain the latent.
        graph: The causal graph, which defines the children of each action.
        latents: Points at which influence is tested, shape (P, n); a few typical ones.
        actions: Conditions, shape (C, m): observed rows, at least as many as an action has children.
        past: Past latents of the conditions, shape (C, n), or None.
        action_values: Values of the actions with finitely many values, by name.
        step: Step of the differences, in standard deviations of the latent and the action.
        gap: Minimum ratio of the smallest singular value to the error.
        floor: Minimum ratio of the smallest singular value to the largest, for densities that are only approximately
            known.

    Returns:
        The evidence for each action, by name.

    Raises:
        RequestError: If shapes don't match the graph, there are too few conditions, a number is not finite, the step or
            gap is not positive, or the floor is not in [0, 1).

    Example:
        >>> rng = np.random.default_rng(0)
        >>> def density(z, past, a):
        ...     return -((z - np.column_stack([np.sin(a[:, 0]), np.sin(2 * a[:, 0])])) ** 2)
        >>> evidence = numerical_influence(
        ...     density, CausalGraph(Ga=[[1], [1]]), rng.normal(size=(3, 2)), rng.uniform(-2, 2, (40, 1))
        ... )
        >>> evidence["a0"].verdict
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
            raise RequestError(f"action_values names {name!r}, which is not an action of the graph")
    return {
        name: problem.evidence(column, values.get(name), step, gap, floor)
        for column, name in enumerate(graph.actions)
    }


@dataclass(frozen=True, eq=False)
class _Problem:
    """The validated arguments of `numerical_influence`."""

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
            empty = np.zeros((len(self.latents), 0))
            return Evidence(name, (), "for", empty, np.zeros(len(self.latents)), np.inf, 1.0)
        n_rows = len(self.actions) * (1 if values is None else len(values) - 1)
        if n_rows < len(children):
            raise RequestError(
                f"{n_rows} conditions for the {len(children)} children of {name}; give more rows of actions"
            )
        singular_values, errors = [], []
        for point in self.latents:
            coarse, fine = (
                self._effects(point, column, values, size)[:, children] for size in (step, step / 2)
            )
            scale = np.linalg.norm(fine, axis=0)
            # the column of a child that does not react stays zero
            scale[scale == 0] = 1
            singular_values.append(np.linalg.svd(fine / scale, compute_uv=False))
            errors.append(
                np.linalg.norm((coarse - fine) / scale, 2) + np.finfo(float).eps * len(fine) / step**2
            )
        singular, error = np.array(singular_values), np.array(errors)
        ratios = singular[:, -1] / error
        # if nothing moves a child, the smallest singular value is zero, and the largest may be zero too
        relative = float((singular[:, -1] / np.maximum(singular[:, 0], np.finfo(float).tiny)).min())
        verdict: Literal["for", "against", "unclear"] = "unclear"
        if ratios.min() > gap and relative > floor:
            verdict = "for"
        elif ratios.max() < 1:
            verdict = "against"
        return Evidence(name, names, verdict, singular, error, float(ratios.min()), relative)

    def _effects(self, point: Array, column: int, values: Sequence[float] | None, step: float) -> Array:
        """Return d/da_l d/dz_i log q_i at one z for all conditions, or its differences; shape (rows, n)."""
        deviations = np.std(self.latents, axis=0)
        latent_steps = step * np.where(deviations > 0, deviations, 1)
        if values is None:
            action_step = step * (self.actions[:, column].std() or 1.0)
            forward, backward = self.actions.copy(), self.actions.copy()
            forward[:, column] += action_step
            backward[:, column] -= action_step
            difference = self._scores(point, forward, latent_steps) - self._scores(
                point, backward, latent_steps
            )
            return difference / (2 * action_step)
        scores = []
        for value in values:
            actions = self.actions.copy()
            actions[:, column] = value
            scores.append(self._scores(point, actions, latent_steps))
        return np.concatenate([score - scores[0] for score in scores[1:]])

    def _scores(self, point: Array, actions: Array, latent_steps: Array) -> Array:
        """Return d/dz_i log q_i, shape (C, n); each latent has its own density, so all are moved at once."""
        high, low = (
            np.asarray(self.log_density(np.tile(latents, (len(actions), 1)), self.past, actions), dtype=float)
            for latents in (point + latent_steps, point - latent_steps)
        )
        for values in (high, low):
            if values.shape != (len(actions), self.graph.n_latents) or not np.isfinite(values).all():
                raise RequestError(
                    f"the log-density returns shape {values.shape}, or numbers that are not finite; "
                    f"it must return finite numbers of shape ({len(actions)}, {self.graph.n_latents})"
                )
        return np.asarray((high - low) / (2 * latent_steps))


def _rows(values: ArrayLike, n_columns: int, name: str) -> Array:
    rows = np.asarray(values, dtype=float)
    if rows.ndim != 2 or rows.shape[1] != n_columns or not len(rows) or not np.isfinite(rows).all():
        raise RequestError(
            f"{name} have shape {rows.shape}, or a number that is not finite; they must be rows of {n_columns} "
            "finite numbers"
        )
    return rows
