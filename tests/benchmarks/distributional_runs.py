"""Runs with default settings where causes change variances, shapes, or means under noise that is not normal.

    python -m tests.benchmarks.distributional_runs --out docs/results/distributional_runs.jsonl

Each run takes about three minutes on one thread: 50,000 samples, 4,000 steps. One JSON line per run is appended to the
file. A run whose line is in the file already is left out, so that an interrupted benchmark continues.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from estimation.config import TrainingConfig
from estimation.dataset import Dataset
from estimation.evaluation import evaluate
from estimation.simulate import simulate
from estimation.simulate.mechanisms import Mechanism
from estimation.training import fit
from identify.graph import CausalGraph

__all__ = ["KINDS", "SAMPLERS", "data_of", "main", "runs"]

Array = NDArray[np.float64]
Record = dict[str, Any]
# (sums E of the effects, generator) -> latents
Sampler = Callable[[Array, np.random.Generator], Array]

_TARGETS = np.array([[1, 0, 0, 0], [0, 1, 1, 0], [0, 0, 1, 1], [0, 1, 0, 1]], dtype=bool)
_FREQUENCIES = (1.0, 3.5)
_SCREEN_LATENTS, _SCREEN_ACTIONS, _SCREEN_TARGETS = 6, 18, 2
_PAST_FREQUENCIES, _NOISE_BESIDE_PAST = (1.0, 2.5), 0.3
_N_TRAIN, _N_TEST, _N_STEPS = 50_000, 10_000, 4_000
_MODEL_SEEDS = range(5)


def _variance(effects: Array, rng: np.random.Generator) -> Array:
    return rng.normal(size=effects.shape) * np.exp(0.75 * effects)


def _separation(effects: Array, rng: np.random.Generator) -> Array:
    """Sample mixtures of two normal densities with mean 0 and variance 1."""
    separation = 0.98 / (1 + np.exp(-2 * effects))
    signs = rng.choice([-1.0, 1.0], size=effects.shape)
    return np.asarray(signs * separation + np.sqrt(1 - separation**2) * rng.normal(size=effects.shape))


def _skewness(effects: Array, rng: np.random.Generator) -> Array:
    """Sample skew normal densities with mean 0 and variance 1."""
    shape = 3 * effects
    delta = shape / np.sqrt(1 + shape**2)
    half = np.abs(rng.normal(size=effects.shape))
    values = delta * half + np.sqrt(1 - delta**2) * rng.normal(size=effects.shape)
    mean = delta * np.sqrt(2 / np.pi)
    return np.asarray((values - mean) / np.sqrt(1 - mean**2))


def _laplace(effects: Array, rng: np.random.Generator) -> Array:
    return np.asarray(effects + 0.2 * rng.laplace(size=effects.shape) / np.sqrt(2))


def _exponential(effects: Array, rng: np.random.Generator) -> Array:
    return effects + 0.2 * (rng.exponential(size=effects.shape) - 1)


def _bimodal(effects: Array, rng: np.random.Generator) -> Array:
    signs = rng.choice([-1.0, 1.0], size=effects.shape)
    return np.asarray(effects + 0.2 * (signs * 0.95 + 0.31 * rng.normal(size=effects.shape)))


#: How latents are sampled, by the kind of process. In the first three, the effects E change the variance, the
#: separation of two modes, or the skewness; in the others, the mean.
SAMPLERS: Mapping[str, Sampler] = {
    "variance": _variance,
    "separation": _separation,
    "skewness": _skewness,
    "laplace": _laplace,
    "exponential": _exponential,
    "bimodal": _bimodal,
}
#: The samplers' kinds; screens: on/off actions on two latents each, which shift them as `simulate` does by default; and
#: two kinds with a past: past latents change variances, or past latents move means and actions change variances.
KINDS = (*SAMPLERS, "screen", "past_variance", "past_mean")
# seeds of processes that no setting was chosen on; those of screens have joint influence
_PROCESSES = dict.fromkeys(KINDS, (301,)) | {"screen": (404, 409)}


class _Process(Mechanism):
    """Latents of a kind, whose effects are sums of sin(f a + p) over the parents."""

    sampler: Sampler

    def __init__(self, kind: str, graph: CausalGraph, rng: np.random.Generator) -> None:
        shape = graph.n_latents, graph.n_actions
        frequencies, phases = rng.uniform(*_FREQUENCIES, shape), rng.uniform(0, 2 * np.pi, shape)
        edges = graph.Ga.toarray()

        def effects(_: Array | None, actions: Array | None) -> Array:
            assert actions is not None
            return np.asarray((edges * np.sin(frequencies * actions[:, None, :] + phases)).sum(2))

        super().__init__(graph, effects, effects)
        object.__setattr__(self, "sampler", SAMPLERS[kind])

    def sample(self, past: Array | None, actions: Array | None, generator: np.random.Generator) -> Array:
        return self.sampler(self.mean(past, actions), generator)


def _sums(edges: NDArray[np.bool_], causes: Array | None, frequencies: Array, phases: Array) -> Array:
    assert causes is not None
    return np.asarray((edges * np.sin(frequencies * causes[:, None, :] + phases)).sum(2))


def _with_past(kind: str, rng: np.random.Generator) -> Mechanism:
    """Return a process with a past: variance exp(1.5 E) and mean 0, or mean E, and variances that actions change."""
    order = rng.permutation(len(_TARGETS))
    past, actions = _TARGETS[np.ix_(order, order)], _TARGETS[:, order]
    of_past = rng.uniform(*_PAST_FREQUENCIES, past.shape), rng.uniform(0, 2 * np.pi, past.shape)
    of_actions = rng.uniform(*_FREQUENCIES, past.shape), rng.uniform(0, 2 * np.pi, past.shape)
    if kind == "past_variance":
        return Mechanism(
            CausalGraph(Gz=past),
            lambda z, _: np.zeros_like(z),
            lambda z, _: np.exp(1.5 * _sums(past, z, *of_past)),
        )
    return Mechanism(
        CausalGraph(Gz=past, Ga=actions),
        lambda z, _: _sums(past, z, *of_past),
        lambda _, a: _NOISE_BESIDE_PAST**2 * np.exp(1.5 * _sums(actions, a, *of_actions)),
    )


def _screen(rng: np.random.Generator) -> CausalGraph:
    """Return a random screen."""
    targets = np.zeros((_SCREEN_LATENTS, _SCREEN_ACTIONS), dtype=bool)
    for action in range(_SCREEN_ACTIONS):
        targets[rng.choice(_SCREEN_LATENTS, _SCREEN_TARGETS, replace=False), action] = True
    return CausalGraph(Ga=targets)


def data_of(kind: str, seed: int, n_samples: int, split: Literal["train", "test"] = "train") -> Dataset:
    """Sample observations of the process of a kind and a seed.

    Args:
        kind: One of ``KINDS``. All but screens have four latents, and seven edges of actions, of the past, or of each.
        seed: Seed of the process.
        n_samples: Number of rows N.
        split: Which samples of the process.
    """
    rng = np.random.default_rng([seed, 7])
    if kind == "screen":
        return simulate(_screen(rng), n_samples, seed=seed, split=split, actions="interventions")
    mechanism: Mechanism
    if kind in ("past_variance", "past_mean"):
        mechanism = _with_past(kind, rng)
    else:
        mechanism = _Process(kind, CausalGraph(Ga=_TARGETS), rng)
    return simulate(mechanism.graph, n_samples, seed=seed, split=split, mechanism=mechanism)


def runs() -> Iterator[Record]:
    """Yield the runs of the benchmark."""
    for kind, seeds in _PROCESSES.items():
        for seed in seeds:
            for model_seed in _MODEL_SEEDS:
                yield {"kind": kind, "process": seed, "model_seed": model_seed}


def measure(kind: str, seed: int, model_seed: int) -> Record:
    """Train with default settings on one process, with the true number of edges, and return scores and CPU seconds."""
    data, test = data_of(kind, seed, _N_TRAIN), data_of(kind, seed, _N_TEST, "test")
    assert data.graph is not None
    config = TrainingConfig(
        max_edges_actions=int(data.graph.Ga.toarray().sum()) if data.graph.n_actions else None,
        max_edges_past=int(data.graph.Gz.toarray().sum()) if data.n_steps > 1 else None,
        steps=_N_STEPS,
        seed=model_seed,
    )
    started = time.process_time()
    outcome = evaluate(fit(data, config, progress=False), test)
    seconds = round(time.process_time() - started)
    assert outcome.mcc is not None
    assert outcome.r is not None
    return {"mcc": round(outcome.mcc, 4), "r": round(outcome.r, 4), "shd": outcome.shd, "seconds": seconds}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what is not in the file yet.

    Args:
        arguments: Arguments of the command line; None for those of the process.
    """
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks.distributional_runs", description=__doc__
    )
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="file of JSON lines")
    parser.add_argument("--kinds", nargs="*", choices=list(KINDS), default=list(KINDS), help="kinds to run")
    options = parser.parse_args(arguments)
    lines = options.out.read_text(encoding="utf-8").splitlines() if options.out.exists() else []
    finished = [json.loads(line)["run"] for line in lines]
    for run in runs():
        if run not in finished and run["kind"] in options.kinds:
            result = measure(run["kind"], run["process"], run["model_seed"])
            with options.out.open("a", encoding="utf-8") as file:
                file.write(json.dumps({"run": run, **result}) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
