"""A large single-cell screen: 100,000 cells of 5,000 genes, 200 perturbations of two programmes each, 20 latents.

``python -m tests.benchmarks.large_screen --write cells.h5ad`` simulates the screen and writes it. ``--data cells.h5ad
--out FILE`` reads it as users would, backed by the file, trains on its counts, and appends one line of JSON: time and
memory of reading and of training, time of a step, MCC, R and SHD on cells that were not trained on, and what the run
says of itself. Both are separate so that the memory of the simulation doesn't count.

Logarithms of rates are a random network of the latents; counts are negative binomial, with a median of 3,000 a cell.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import time
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

import anndata
import h5py
import numpy as np
import pandas as pd
import scipy.sparse
from anndata.io import write_elem
from numpy.typing import NDArray

from estimation.config import TrainingConfig
from estimation.dataset import Dataset
from estimation.evaluation import evaluate
from estimation.training import fit
from identify.criterion import check
from identify.graph import CausalGraph
from tests.benchmarks.published_run import commit

__all__ = ["Screen", "main"]

Array = NDArray[np.float64]

_HIDDEN, _DISPERSION, _DEVIATION, _DEPTH = 64, 5.0, 0.7, 3_000.0
_BLOCK, _TEST_ROWS = 5_000, 5_000
_CONTROL = "control"


class Screen:
    """A screen of single perturbations with known latents.

    Args:
        seed: Seed of the process and of its cells.
        n_genes: Number of observed columns.
        n_latents: Number of latents.
        n_perturbations: Number of perturbations, each with two targets.
    """

    def __init__(
        self, seed: int, n_genes: int = 5_000, n_latents: int = 20, n_perturbations: int = 200
    ) -> None:
        process = np.random.default_rng([seed, 0])
        targets = np.zeros((n_latents, n_perturbations), dtype=bool)
        while not check(CausalGraph(Ga=targets), effects="shifts").complete:
            targets[:] = False
            for column in targets.T:
                column[process.choice(n_latents, 2, replace=False)] = True
        signs = process.choice([-1, 1], targets.shape)
        self.seed, self._effects = seed, process.uniform(1, 3, targets.shape) * signs * targets
        self._first = process.normal(size=(n_latents, _HIDDEN)) / np.sqrt(n_latents)
        self._offset = process.normal(size=_HIDDEN)
        self._second = process.normal(size=(_HIDDEN, n_genes)) * 0.15
        self._base = process.normal(size=n_genes) * 1.2
        self.names = [f"p{k:03d}" for k in range(n_perturbations)]
        self.graph = CausalGraph(Ga=targets, actions=self.names)

    def blocks(
        self, n_rows: int, split: str
    ) -> Iterator[tuple[NDArray[np.float32], NDArray[np.int64], Array]]:
        """Yield counts, the perturbation of each cell (-1 for controls), and latents, a block of cells at a time."""
        rng = np.random.default_rng([self.seed, 1 + ("train", "test").index(split)])
        for start in range(0, n_rows, _BLOCK):
            count = min(_BLOCK, n_rows - start)
            which = rng.integers(-1, len(self.names), count)
            actions = which[:, None] == np.arange(len(self.names))
            latents = actions @ self._effects.T + _DEVIATION * rng.normal(size=(count, self.graph.n_latents))
            hidden = latents @ self._first
            rates = np.exp(self._base + (np.tanh(0.6 * hidden + self._offset) + 0.15 * hidden) @ self._second)
            sizes = _DEPTH * np.exp(0.4 * rng.normal(size=count))
            means = rates / rates.sum(1, keepdims=True) * sizes[:, None]
            counts = rng.poisson(means * rng.gamma(_DISPERSION, 1 / _DISPERSION, means.shape))
            yield counts.astype(np.float32), which, latents

    def write(self, path: Path, n_rows: int) -> None:
        """Write an ``.h5ad`` file with sparse counts."""
        blocks = list(self._sparse_blocks(n_rows))
        counts = scipy.sparse.vstack([matrix for matrix, _ in blocks], format="csr")
        which = np.concatenate([each for _, each in blocks])
        obs = pd.DataFrame(
            {"perturbation": pd.Categorical([self.names[k] if k >= 0 else _CONTROL for k in which])},
            index=[f"cell{k}" for k in range(n_rows)],
        )
        var = pd.DataFrame(index=[f"gene{k}" for k in range(counts.shape[1])])
        with h5py.File(path, "w") as file:
            write_elem(file, "/", anndata.AnnData(counts, obs=obs, var=var))

    def _sparse_blocks(self, n_rows: int) -> Iterator[tuple[Any, NDArray[np.int64]]]:
        for counts, which, _ in self.blocks(n_rows, "train"):
            yield scipy.sparse.csr_matrix(counts), which

    def test_data(self) -> Dataset:
        """Return cells that were not trained on, with their latents and the graph."""
        counts, which, latents = (
            np.concatenate(part) for part in zip(*self.blocks(_TEST_ROWS, "test"), strict=True)
        )
        return Dataset.from_arrays(
            counts,
            (which[:, None] == np.arange(len(self.names))).astype(np.float32),
            latents.astype(np.float32),
            self.graph,
            observation_names=[f"gene{k}" for k in range(counts.shape[1])],
            allow_constant=True,
        )


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the screen, or train on it.

    Args:
        arguments: Arguments of the command line; None for those of the process.
    """
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.large_screen", description=__doc__)
    parser.add_argument(
        "--write", type=Path, default=None, metavar="FILE", help="write the screen to FILE, and stop"
    )
    parser.add_argument("--data", type=Path, default=None, metavar="FILE", help="the screen")
    parser.add_argument("--out", type=Path, default=None, metavar="FILE", help="file of JSON lines")
    parser.add_argument("--cells", type=int, default=100_000)
    parser.add_argument("--genes", type=int, default=5_000)
    parser.add_argument("--latents", type=int, default=20)
    parser.add_argument("--perturbations", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0, help="seed of the screen")
    parser.add_argument("--steps", type=int, default=10_000)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args(arguments)
    screen = Screen(options.seed, options.genes, options.latents, options.perturbations)
    if options.write is not None:
        screen.write(options.write, options.cells)
        return 0
    if options.data is None or options.out is None:
        parser.error("--data and --out are missing")
    record = _measured(screen, options)
    with options.out.open("a", encoding="utf-8") as file:
        file.write(json.dumps(record) + "\n")
    return 0


def _measured(screen: Screen, options: argparse.Namespace) -> dict[str, Any]:
    started, used = time.monotonic(), time.process_time()
    adata = anndata.read_h5ad(options.data, backed="r")
    data = Dataset.from_anndata(adata, perturbation="perturbation", control=_CONTROL)
    read = time.monotonic() - started
    config = TrainingConfig(
        n_latents=options.latents,
        max_edges_actions=screen.graph.n_edges,
        likelihood="negative_binomial",
        steps=options.steps,
        threads=options.threads,
        restarts=1,
    )
    model = fit(data, config, progress=False)
    seconds, cpu = time.monotonic() - started, time.process_time() - used
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    outcome = evaluate(model, screen.test_data())
    times = [(record.step, record.seconds) for record in model.history.records]
    # the first has the starts beside it, some others rounds of unmixing
    steps = [(after[1] - before[1]) / (after[0] - before[0]) for before, after in pairwise(times[1:-1])]
    run = {key: value for key, value in vars(options).items() if key not in ("write", "data", "out")}
    return {
        "run": run,
        "minutes": round(seconds / 60, 1),
        "cpu_minutes": round(cpu / 60, 1),
        "reading_minutes": round(read / 60, 2),
        "milliseconds_per_step": round(1000 * median(steps), 1) if steps else None,
        "peak_gibibytes": round(peak, 2),
        **{name: round(float(getattr(outcome, name)), 4) for name in ("mcc", "r", "r_con")},
        "missing": outcome.missing,
        "extra": outcome.extra,
        "flagged": model.diagnostics is not None and bool(model.diagnostics.serious),
        "warnings": []
        if model.diagnostics is None
        else [warning.text for warning in model.diagnostics.warnings],
        "notes": model.history.notes,
        "commit": commit(),
    }


if __name__ == "__main__":
    sys.exit(main())
