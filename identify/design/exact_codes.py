"""Codes by integer programming: decide whether m actions suffice, or maximise the number of latents with a code."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import scipy
from numpy.typing import NDArray

from identify.design.blocks import FreeChoice
from identify.design.codes import Codes

__all__ = ["CodeSolution", "is_tractable", "solve_codes"]

# pairs times actions; larger programmes take too long
_MAX_SIZE = 4_000
# actions that enter the numbers by which the codes of a block are ordered
_MAX_DIGITS = 10


@dataclass(frozen=True)
class CodeSolution:
    """Result of the solver within its time limit.

    Attributes:
        codes: Best codes, or None if the solver found none.
        upper_bound: Proved upper bound on the number of entangled latents that can have codes.
    """

    codes: Codes | None
    upper_bound: int


def is_tractable(problem: FreeChoice, m: int) -> bool:
    """Return whether the programme is small enough to be solved."""
    sizes = np.array([len(block) for block in problem.blocks], dtype=np.int64)
    pairs = sizes @ (sizes - 1) + sum(
        int(size * sizes[above].sum()) for size, above in zip(sizes, problem.above, strict=True)
    )
    return bool(0 < pairs * m <= _MAX_SIZE)


def solve_codes(problem: FreeChoice, m: int, time_limit: float, partial: bool = False) -> CodeSolution:
    """Find codes of m actions for all latents or prove that there are none; or find codes for most latents.

    Args:
        problem: Latents that need codes.
        m: Number of actions.
        time_limit: Time limit in seconds.
        partial: Whether to maximise the number of latents with a code, instead of requiring a code for each.
    """
    programme = _Programme(problem, m)
    return programme.solve(time_limit, partial)


class _Programme:
    """Integer programme. Variables: r[e, l] (action l targets e), y[p, l] (l separates pair p), d[e] (e has a code)."""

    def __init__(self, problem: FreeChoice, m: int) -> None:
        self.problem, self.m = problem, m
        starts = np.cumsum([0, *(len(block) for block in problem.blocks)])
        self.starts = starts.tolist()
        self.n = int(starts[-1])
        self.pairs = np.array(_pairs(problem), dtype=np.int64).reshape(-1, 2)
        self.entangled = np.repeat(problem.entangled, np.diff(starts))
        self.n_variables = self.n * m + len(self.pairs) * m + self.n
        self._rows: list[tuple[list[int], list[float], float, float]] = []

    def solve(self, time_limit: float, partial: bool) -> CodeSolution:
        self._add_separation()
        self._add_target_limits()
        if not partial:
            self._break_symmetry()
        total = int(self.entangled.sum())
        lower, upper = np.zeros(self.n_variables), np.ones(self.n_variables)
        has_code = slice(self.n_variables - self.n, self.n_variables)
        if not partial:
            lower[has_code] = 1
        lower[has_code][~self.entangled] = 1
        objective = np.zeros(self.n_variables)
        objective[has_code] = -self.entangled.astype(float)
        result = scipy.optimize.milp(
            objective,
            integrality=np.ones(self.n_variables, dtype=np.int64),
            bounds=scipy.optimize.Bounds(lower, upper),
            constraints=self._constraints(),
            options={"time_limit": max(time_limit, 0.1)},
        )
        if result.status == 2:
            return CodeSolution(None, total - 1)
        bound = total if result.mip_dual_bound is None else min(total, int(-result.mip_dual_bound + 1e-6))
        return CodeSolution(None if result.x is None else self._codes(np.round(result.x)), bound)

    def _target(self, e: int, action: int) -> int:
        """Return the column of the variable r[e, action]."""
        return e * self.m + action

    def _separator(self, pair: int, action: int) -> int:
        """Return the column of the variable y[pair, action]."""
        return self.n * self.m + pair * self.m + action

    def _has_code(self, e: int) -> int:
        """Return the column of the variable d[e]."""
        return self.n_variables - self.n + e

    def _add(self, columns: list[int], values: list[float], low: float, high: float = np.inf) -> None:
        self._rows.append((columns, values, low, high))

    def _add_separation(self) -> None:
        actions, margin = range(self.m), float(self.problem.margin)
        for p, (i, j) in enumerate(self.pairs.tolist()):
            for a in actions:
                self._add([self._target(i, a), self._separator(p, a)], [1, -1], 0)
                self._add([self._target(j, a), self._separator(p, a)], [1, 1], -np.inf, 1)
            self._add(
                [*(self._separator(p, a) for a in actions), self._has_code(i)], [*[1.0] * self.m, -margin], 0
            )
        for b, ceiling in enumerate(self.problem.ceiling):
            for e in range(self.starts[b], self.starts[b + 1]) if ceiling else ():
                self._add(
                    [*(self._target(e, a) for a in actions), self._has_code(e)], [*[1.0] * self.m, -margin], 0
                )
        for e in range(self.n):
            # a latent without a code gets the empty set, which restricts no other latent
            for a in actions:
                self._add([self._has_code(e), self._target(e, a)], [1, -1], 0)

    def _add_target_limits(self) -> None:
        if self.problem.max_targets is not None:
            for a in range(self.m):
                columns = [self._target(e, a) for e in range(self.n)]
                self._add(columns, [1.0] * self.n, 0, self.problem.max_targets)

    def _break_symmetry(self) -> None:
        """Order the actions by number of targets, and the latents of a block by their codes read as binary numbers."""
        for a, b in pairwise(range(self.m)):
            columns = [self._target(e, x) for x in (a, b) for e in range(self.n)]
            self._add(columns, [1.0] * self.n + [-1.0] * self.n, 0)
        digits = min(self.m, _MAX_DIGITS)
        powers = [float(2 ** (digits - 1 - a)) for a in range(digits)]
        min_difference = 1.0 if digits == self.m else 0.0
        for start, end in pairwise(self.starts):
            for e in range(start, end - 1):
                columns = [self._target(x, a) for x in (e, e + 1) for a in range(digits)]
                self._add(columns, [*powers, *(-power for power in powers)], min_difference)

    def _constraints(self) -> scipy.optimize.LinearConstraint:
        lengths = [len(columns) for columns, *_ in self._rows]
        matrix = scipy.sparse.csr_array(
            (
                np.concatenate([values for _, values, *_ in self._rows]),
                np.concatenate([columns for columns, *_ in self._rows]),
                np.concatenate([[0], np.cumsum(lengths)]),
            ),
            shape=(len(self._rows), self.n_variables),
        )
        low, high = (np.array([row[side] for row in self._rows], dtype=float) for side in (2, 3))
        return scipy.optimize.LinearConstraint(matrix, low, high)

    def _codes(self, x: NDArray[np.float64]) -> Codes:
        member = x[: self.n * self.m].reshape(self.n, self.m).astype(bool)
        has_code = x[self.n_variables - self.n :].astype(bool)
        codes = [
            tuple(np.flatnonzero(row).tolist()) if present else None
            for row, present in zip(member, has_code, strict=True)
        ]
        return [codes[a:b] for a, b in pairwise(self.starts)]


def _pairs(problem: FreeChoice) -> list[tuple[int, int]]:
    """Return the pairs (i, j) to separate; latents are numbered block after block."""
    starts = np.cumsum([0, *(len(block) for block in problem.blocks)]).tolist()
    pairs: list[tuple[int, int]] = []
    for b, above in enumerate(problem.above):
        members = range(starts[b], starts[b + 1])
        pairs += [(i, j) for i in members for j in members if i != j]
        for c in above.tolist():
            pairs += [(i, j) for i in members for j in range(starts[c], starts[c + 1])]
    return pairs
