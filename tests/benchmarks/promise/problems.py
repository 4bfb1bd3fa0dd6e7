"""Random problems of which the theory promises recovery, by seed and number."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from estimation.config import TrainingConfig
from estimation.dataset import Dataset
from estimation.simulate import simulate
from estimation.simulate.mechanisms import Mechanism
from identify.criterion import check
from identify.graph import CausalGraph
from identify.influence import check_joint_generic
from tests.benchmarks.promise.functions import FAMILIES, Family, random_function

__all__ = ["N_PROBLEMS", "Problem", "problem"]

Array = NDArray[np.float64]
Causes = Literal["actions", "past", "both"]
Values = Literal["continuous", "doses", "on/off"]
Decoder = Literal["mlp", "polynomial", "smooth"]
Budget = Literal["true", "adaptive", "fewer", "more"]

#: Number of problems of the published table of this benchmark.
N_PROBLEMS = 128
_CAUSES: tuple[Causes, ...] = ("actions", "past", "both", "actions")
_VALUES: tuple[Values, ...] = ("continuous", "doses", "on/off")
_DECODERS: tuple[Decoder, ...] = ("mlp", "polynomial", "smooth")
_BUDGETS: tuple[Budget, ...] = ("true", "adaptive", "true", "fewer", "adaptive", "more")
_DOSES = np.array([0.0, 0.5, 1.0, 2.0, 4.0])
_STEP = 0.7
# effects of on/off actions: on independently, and one at a time in standard deviations of the noise
_SHIFTS, _SINGLE_SHIFTS = np.array([1.5, 3.0]), np.array([1.5, 4.0])
# noise beside on/off actions that are on one at a time: with less, latents would hardly vary
_MIN_SINGLE_VARIANCE = 0.1
_MAX_CHILDREN, _MAX_PARENTS = 3, 4
_N_TYPICAL = 20_000
_OFF_BUDGET = 0.2


@dataclass(frozen=True)
class Problem:
    """A random problem.

    Attributes:
        seed: Seed of the benchmark.
        number: Number of the problem, from 0.
        causes: Whether latents depend on actions, on past latents, or on both.
        values: The values of the actions.
        family: How latents depend on their parents.
        decoder: The kind of decoder.
        single: Whether on/off actions are on one at a time, rather than independently.
        graph: The true graph.
        n_observed: Number of observed dimensions.
        variance: Variance of the latents' noise, where effects have variance 1.
        n_samples: Number of training rows.
        budget: Whether the number of edges is given, estimated, or off by a fifth.
        complete: Whether the theory promises complete disentanglement.
    """

    seed: int
    number: int
    causes: Causes
    values: Values
    family: Family
    decoder: Decoder
    single: bool
    graph: CausalGraph
    n_observed: int
    variance: float
    n_samples: int
    budget: Budget
    complete: bool

    def data(self, n_samples: int | None = None, split: Literal["train", "test"] = "train") -> Dataset:
        """Sample observations; by default the training rows."""
        rng = np.random.default_rng([self.seed, self.number, 1])
        return simulate(
            self.graph,
            self.n_samples if n_samples is None else n_samples,
            seed=1000 * self.seed + self.number,
            split=split,
            mechanism=self._mechanism(rng),
            decoder=functools.partial(_smooth, n_observed=self.n_observed)
            if self.decoder == "smooth"
            else self.decoder,
            n_observed=self.n_observed,
            actions=self._actions(),
        )

    def config(self, **changes: Any) -> TrainingConfig:
        """Return default settings with the budget of the problem."""
        if self.budget == "adaptive":
            return TrainingConfig(sparsity="adaptive", **changes)
        factor = {"true": 1.0, "fewer": 1 - _OFF_BUDGET, "more": 1 + _OFF_BUDGET}[self.budget]
        return TrainingConfig(
            max_edges_actions=_scaled(self.graph.Ga.nnz, factor, self.graph.Ga.shape)
            if self.causes != "past"
            else None,
            max_edges_past=_scaled(self.graph.Gz.nnz, factor, self.graph.Gz.shape)
            if self.causes != "actions"
            else None,
            **changes,
        )

    def summary(self) -> dict[str, Any]:
        """Return what describes the problem in a line of JSON."""
        return {
            "number": self.number,
            "causes": self.causes,
            "values": self.values if self.causes != "past" else None,
            "family": self.family,
            "decoder": self.decoder,
            "single": self.single,
            "n_latents": self.graph.n_latents,
            "n_actions": self.graph.n_actions,
            "n_edges": self.graph.n_edges,
            "n_observed": self.n_observed,
            "variance": self.variance,
            "n_samples": self.n_samples,
            "budget": self.budget,
            "complete": self.complete,
        }

    def _actions(self) -> Any:
        if self.values == "on/off" and self.causes != "past":
            if self.single:
                return "interventions"
            return lambda n, rng: rng.integers(0, 2, (n, self.graph.n_actions)).astype(float)
        if self.values == "doses":
            return lambda n, rng: _DOSES[rng.integers(0, len(_DOSES), (n, self.graph.n_actions))]
        return "uniform"

    def _mechanism(self, rng: np.random.Generator) -> Mechanism:
        actions, past = self.graph.Ga.toarray(), self.graph.Gz.toarray()
        n, m = self.graph.n_latents, self.graph.n_actions
        of_actions: list[Callable[[Array], Array]] = []
        if self.values == "on/off" and m:
            # one at a time, the latents of different settings must overlap, or their positions are not determined
            smallest, largest = (_SINGLE_SHIFTS * np.sqrt(self.variance)) if self.single else _SHIFTS
            shifts = (
                actions * rng.choice([-1, 1], actions.shape) * rng.uniform(smallest, largest, actions.shape)
            )
            of_actions = [functools.partial(_shift, shifts=shifts[i]) for i in range(n)]
        elif m:
            choice = self._actions()
            typical = rng.uniform(-2, 2, (_N_TYPICAL, m)) if choice == "uniform" else choice(_N_TYPICAL, rng)
            of_actions = _functions(self.family, actions, typical, rng, self.values == "doses")
        of_past = _functions(self.family, past, rng.normal(size=(_N_TYPICAL, n)), rng) if past.any() else []

        def mean(before: Array | None, acts: Array | None) -> Array:
            columns = np.zeros((len(before if before is not None else acts), n))  # type: ignore[arg-type]
            if acts is not None and m:
                columns = columns + np.column_stack([f(acts) for f in of_actions])
            if before is not None and of_past:
                columns = columns + before + _STEP * np.column_stack([f(before) for f in of_past])
            return columns

        return Mechanism(self.graph, mean, lambda _, __: np.array([[self.variance]]))


def problem(seed: int, number: int) -> Problem:
    """Return a problem of the benchmark with this seed."""
    rng = np.random.default_rng([seed, number, 0])
    causes, values = _CAUSES[number % 4], _VALUES[(number // 4) % 3]
    n = int(rng.integers(3, 13))
    blocks = number % 5 == 4
    graph = _graph(rng, n, causes, values, blocks)
    n_samples = int(np.exp(rng.uniform(np.log(2_000), np.log(50_000))))
    if rng.random() < 0.7:
        n_samples = int(np.exp(rng.uniform(np.log(50_000), np.log(200_000))))
    single = values == "on/off" and causes != "past" and number // 12 % 2 == 1
    return Problem(
        seed,
        number,
        causes,
        values,
        FAMILIES[int(rng.integers(len(FAMILIES)))],
        _DECODERS[int(rng.integers(len(_DECODERS)))],
        single,
        graph,
        int(np.ceil(n * np.exp(rng.uniform(np.log(1.5), np.log(10))))),
        float(np.exp(rng.uniform(np.log(_MIN_SINGLE_VARIANCE if single else 1e-4), np.log(0.5)))),
        n_samples,
        _BUDGETS[int(rng.integers(len(_BUDGETS)))],
        not blocks,
    )


def _graph(rng: np.random.Generator, n: int, causes: Causes, values: Values, blocks: bool) -> CausalGraph:
    """Return a random graph that meets the criterion, or one with a block of latents that share all parents."""
    n_free = n - 1 if blocks else n
    while True:
        past = _matrix(rng, n_free, n_free, _MAX_CHILDREN, loops=True) if causes != "actions" else None
        n_columns = n_free * (2 if values == "on/off" else 1) + int(rng.integers(0, 3))
        # effects of on/off actions don't depend on the past here, so several children would not be told apart
        most = 1 if values == "on/off" and causes == "both" else _MAX_CHILDREN
        actions = _matrix(rng, n_free, n_columns, most) if causes != "past" else None
        if blocks:
            twin = int(rng.integers(n_free))
            actions = None if actions is None else np.vstack([actions, actions[[twin]]])
            if past is not None:
                past = np.vstack([past, past[[twin]]])
                past = np.column_stack([past, past[:, twin]])
        graph = CausalGraph(Ga=actions, Gz=past)
        if _is_promised(graph, values, blocks):
            return graph


def _is_promised(graph: CausalGraph, values: Values, blocks: bool) -> bool:
    if check(graph).complete == blocks:
        return False
    if values != "on/off" or graph.Gz.nnz or blocks:
        return True
    return check_joint_generic(graph, basis=False, time_limit=10).status == "holds"


def _matrix(rng: np.random.Generator, n: int, m: int, most: int, loops: bool = False) -> NDArray[np.bool_]:
    matrix = np.zeros((n, m), dtype=bool)
    for column in range(m):
        k = int(rng.integers(1, min(most, n) + 1))
        matrix[rng.choice(n, k, replace=False), column] = True
        if loops:
            matrix[column, column] = True
    # no latent without a parent, none with so many that single ones have little effect
    for row in matrix:
        if not row.any():
            row[rng.integers(m)] = True
        while row.sum() > _MAX_PARENTS:
            row[rng.choice(np.flatnonzero(row))] = False
    return matrix


def _functions(
    family: Family,
    edges: NDArray[np.bool_],
    typical: Array,
    rng: np.random.Generator,
    standardise: bool = False,
) -> list[Callable[[Array], Array]]:
    centre, scale = (typical.mean(0), typical.std(0)) if standardise else (0.0, 1.0)
    result = []
    for row in edges:
        columns = np.flatnonzero(row)
        function = random_function(family, ((typical - centre) / scale)[:, columns], rng)
        result.append(lambda x, f=function, c=columns: f(((x - centre) / scale)[:, c]))
    return result


def _shift(actions: Array, shifts: Array) -> Array:
    return np.asarray(actions @ shifts)


def _scaled(n_edges: int, factor: float, shape: tuple[int, int]) -> int:
    return min(max(round(factor * n_edges), 1), shape[0] * shape[1])


class _Smooth(nn.Module):
    """A random smooth injective map: an orthogonal image of the latents and of waves of them, with small slopes."""

    def __init__(self, n_latents: int, n_observed: int, rng: np.random.Generator) -> None:
        super().__init__()
        n_waves = n_observed - n_latents
        frame = np.linalg.qr(rng.normal(size=(n_observed, n_observed)))[0]
        self.frequency = _constant(rng.normal(size=(n_latents, n_waves)) / np.sqrt(n_latents))
        self.phase = _constant(rng.uniform(0, 2 * np.pi, n_waves))
        self.frame = _constant(frame)

    def forward(self, latents: Tensor) -> Tensor:
        waves = torch.sin(latents @ self.frequency * 1.5 + self.phase)
        return torch.cat([latents, waves], -1) @ self.frame.T


def _smooth(n_latents: int, rng: np.random.Generator, n_observed: int) -> nn.Module:
    return _Smooth(n_latents, n_observed, rng)


def _constant(values: Array) -> nn.Parameter:
    return nn.Parameter(torch.from_numpy(np.asarray(values, dtype=np.float32)), requires_grad=False)
