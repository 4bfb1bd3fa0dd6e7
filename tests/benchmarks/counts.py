"""Screens whose observations are counts: their likelihoods against logarithms with Gaussian noise, by depth.

``python -m tests.benchmarks.counts --out FILE`` trains a model for each screen, median size of a row and likelihood,
and appends one line of JSON per run: MCC, R, SHD, and what the run says about itself, without restarts. Screens have
on/off interventions on two of six latents each, one at a time; logarithms of rates are a random network of the latents.
*log* is what most pipelines do: log(1 + x / size) with a Gaussian likelihood. ``--batches 3`` gives rows one of three
batches, whose rates differ, and the models the batch as covariates.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from estimation.config import TrainingConfig
from estimation.dataset import Dataset
from estimation.evaluation import evaluate
from estimation.training import fit
from identify.criterion import check
from identify.graph import CausalGraph

__all__ = ["count_screen", "main", "on_log_scale"]

Array = NDArray[np.float64]

_N_LATENTS, _N_ACTIONS, _N_OBSERVED = 6, 12, 200
_ROWS, _TEST_ROWS, _STEPS = 20_000, 5_000, 3_000
_DEPTHS = (50, 150, 500, 5_000)
_LIKELIHOODS = ("negative_binomial", "log")
_HIDDEN, _DISPERSION, _DEVIATION = 64, 5.0, 0.7


def count_screen(seed: int, n_rows: int, depth: float, split: str = "train", n_batches: int = 1) -> Dataset:
    """Return a screen of counts.

    Args:
        seed: Seed of the process.
        n_rows: Number of rows.
        depth: Median of the sums of the rows.
        split: ``"train"`` or ``"test"``: other rows of the same process.
        n_batches: Number of batches; their indicators are covariates if there are several.
    """
    process = np.random.default_rng([seed, 0])
    targets = _targets(process)
    effects = process.uniform(1, 3, targets.shape) * process.choice([-1, 1], targets.shape) * targets
    first = process.normal(size=(_N_LATENTS, _HIDDEN)) / np.sqrt(_N_LATENTS)
    offset, second = process.normal(size=_HIDDEN), process.normal(size=(_HIDDEN, _N_OBSERVED)) * 0.15
    base, by_batch = process.normal(size=_N_OBSERVED) * 1.2, process.normal(size=(n_batches, _N_OBSERVED)) / 2
    rng = np.random.default_rng([seed, 1 + ("train", "test").index(split)])
    which = rng.integers(-1, _N_ACTIONS, n_rows)
    actions = (which[:, None] == np.arange(_N_ACTIONS)).astype(np.float32)
    latents = actions @ effects.T + _DEVIATION * rng.normal(size=(n_rows, _N_LATENTS))
    batch = rng.integers(0, n_batches, n_rows)
    hidden = latents @ first
    log_rates = base + (np.tanh(0.6 * hidden + offset) + 0.15 * hidden) @ second
    rates = np.exp(log_rates + (by_batch[batch] if n_batches > 1 else 0))
    means = rates / rates.sum(1, keepdims=True) * (depth * np.exp(0.4 * rng.normal(size=n_rows)))[:, None]
    counts = rng.poisson(means * rng.gamma(_DISPERSION, 1 / _DISPERSION, means.shape)).astype(np.float32)
    kept = counts.sum(1) > 0
    indicators = (batch[:, None] == np.arange(n_batches)).astype(np.float32)
    return Dataset.from_arrays(
        counts[kept],
        actions[kept],
        latents[kept].astype(np.float32),
        CausalGraph(Ga=targets),
        covariates=indicators[kept] if n_batches > 1 else None,
        covariate_names=[f"batch={k}" for k in range(n_batches)] if n_batches > 1 else None,
        allow_constant=True,
    )


def on_log_scale(data: Dataset) -> Dataset:
    """Return counts x as log(1 + x m / s), s the sum of a row, m the median of the sums."""
    sizes = data.observations.sum(-1, keepdims=True)
    values = np.log1p(data.observations / sizes * np.median(sizes)).astype(np.float32)
    return replace(data, observations=values)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what is not in the file yet.

    Args:
        arguments: Arguments of the command line; None for those of the process.
    """
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.counts", description=__doc__)
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="file of JSON lines")
    parser.add_argument("--seeds", type=int, nargs="*", default=[0, 1, 2], help="seeds of the screens")
    parser.add_argument("--depths", type=float, nargs="*", default=_DEPTHS, help="median sizes of a row")
    parser.add_argument("--likelihoods", nargs="*", default=_LIKELIHOODS, help="likelihoods, or log")
    parser.add_argument("--batches", type=int, default=1, help="number of batches")
    parser.add_argument("--steps", type=int, default=_STEPS, help="steps of training")
    options = parser.parse_args(arguments)
    lines = options.out.read_text(encoding="utf-8").splitlines() if options.out.exists() else []
    finished = [json.loads(line)["run"] for line in lines]
    for seed in options.seeds:
        for depth in options.depths:
            for likelihood in options.likelihoods:
                run = {"seed": seed, "depth": depth, "likelihood": likelihood, "batches": options.batches}
                if run not in finished:
                    record = {"run": run, **_measured(run, options.steps)}
                    with options.out.open("a", encoding="utf-8") as file:
                        file.write(json.dumps(record) + "\n")
    return 0


def _measured(run: dict[str, Any], steps: int) -> dict[str, Any]:
    screens = [
        count_screen(run["seed"], n_rows, run["depth"], split, run["batches"])
        for n_rows, split in ((_ROWS, "train"), (_TEST_ROWS, "test"))
    ]
    log = run["likelihood"] == "log"
    train, test = (on_log_scale(screen) if log else screen for screen in screens)
    assert train.graph is not None
    config = TrainingConfig(
        max_edges_actions=train.graph.n_edges,
        steps=steps,
        likelihood="gaussian" if log else run["likelihood"],
        restarts=1,
    )
    started = time.process_time()
    model = fit(train, config, progress=False)
    seconds = time.process_time() - started
    outcome = evaluate(model, test)
    return {
        "mcc": round(float(outcome.mcc or 0), 4),
        "r": round(float(outcome.r or 0), 4),
        "shd": outcome.shd,
        "complete": bool(check(train.graph, effects="shifts").complete),
        "flagged": model.diagnostics is not None and bool(model.diagnostics.serious),
        "margin": None if model.margin is None else model.margin.summary,
        "seconds": round(seconds),
        "steps": steps,
    }


def _targets(process: np.random.Generator) -> NDArray[np.bool_]:
    """Return two targets for each action; every latent is the target of four actions."""
    while True:
        order = np.concatenate([process.permutation(_N_LATENTS) for _ in range(2 * _N_ACTIONS // _N_LATENTS)])
        targets = np.zeros((_N_LATENTS, _N_ACTIONS), dtype=bool)
        targets[order, np.repeat(np.arange(_N_ACTIONS), 2)] = True
        if (targets.sum(0) == 2).all() and check(CausalGraph(Ga=targets), effects="shifts").complete:
            return targets


if __name__ == "__main__":
    sys.exit(main())
