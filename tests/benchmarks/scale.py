"""Training with 30 to 100 latents: quality, time and memory.

``python -m tests.benchmarks.scale --out FILE`` trains on every problem of a table, with defaults, and appends one line
of JSON for each: MCC, R, SHD on held-out rows, wall and CPU time, peak memory, and what the run says about itself.
Graphs are random ones that the criterion accepts, with as many edges to each latent; mechanisms are sums of sines, or
shifts by on/off interventions.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from estimation.config import TrainingConfig
from estimation.dataset import Dataset
from estimation.evaluation import evaluate
from estimation.simulate import simulate
from estimation.training import fit
from identify.criterion import check
from identify.graph import CausalGraph
from tests.benchmarks.published_run import commit

__all__ = ["PROBLEMS", "Problem", "main"]

_TEST_ROWS = 10_000


@dataclass(frozen=True)
class Problem:
    """A size of a problem.

    Attributes:
        n_latents: Number of latents.
        n_actions: Number of actions; 0 for a past instead.
        n_edges: Targets of each action, or past parents of each latent.
        n_observed: Number of observed columns.
        n_rows: Rows of the training data.
        interventions: Whether actions are on/off, one at a time, instead of uniform.
    """

    n_latents: int
    n_actions: int
    n_edges: int
    n_observed: int
    n_rows: int
    interventions: bool = False

    def graph(self, seed: int) -> CausalGraph:
        """Return a random graph that the criterion accepts; latents have as many actions, or children, each."""
        rng, n = np.random.default_rng(seed), self.n_latents
        n_causes = self.n_actions or n
        while True:
            n_rounds = self.n_edges * n_causes // n
            order = np.concatenate([rng.permutation(n) for _ in range(n_rounds)])
            matrix = np.zeros((n, n_causes), dtype=bool)
            matrix[order, np.repeat(np.arange(n_causes), self.n_edges)] = True
            graph = CausalGraph(Ga=matrix) if self.n_actions else CausalGraph(Gz=matrix.T)
            if matrix.sum() == len(order) and check(graph).complete:
                return graph

    def data(self, seed: int, split: str, n_rows: int) -> Dataset:
        """Return rows of the process with this seed."""
        actions = "interventions" if self.interventions else "uniform"
        return simulate(
            self.graph(seed),
            n_rows,
            seed,
            split,
            n_observed=self.n_observed,
            actions=actions,  # type: ignore[arg-type]
        )


PROBLEMS = {
    "30 latents": Problem(30, 30, 2, 60, 60_000),
    "50 latents": Problem(50, 50, 2, 100, 100_000),
    "100 latents": Problem(100, 100, 3, 400, 100_000),
    "50 latents with a past": Problem(50, 0, 4, 100, 100_000),
    "100 latents, interventions": Problem(100, 200, 2, 2_000, 50_000, interventions=True),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Train on the problems.

    Args:
        arguments: Arguments of the command line; None for those of the process.
    """
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.scale", description=__doc__)
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="file of JSON lines")
    parser.add_argument("--problems", nargs="*", default=list(PROBLEMS), help="names of problems")
    parser.add_argument("--seed", type=int, default=0, help="seed of processes")
    parser.add_argument("--steps", type=int, default=None, help="steps of training, instead of the default")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args(arguments)
    for name in options.problems:
        record = _measured(name, options.seed, options.steps, options.threads)
        with options.out.open("a", encoding="utf-8") as file:
            file.write(json.dumps(record) + "\n")
    return 0


def _measured(name: str, seed: int, steps: int | None, threads: int) -> dict[str, Any]:
    problem = PROBLEMS[name]
    data = problem.data(seed, "train", problem.n_rows)
    assert data.graph is not None
    budget = {"max_edges_actions" if problem.n_actions else "max_edges_past": data.graph.n_edges}
    config = TrainingConfig(**budget, threads=threads, **({} if steps is None else {"steps": steps}))
    started, used = time.monotonic(), time.process_time()
    model = fit(data, config, progress=False)
    minutes, cpu = (time.monotonic() - started) / 60, (time.process_time() - used) / 60
    outcome = evaluate(model, problem.data(seed, "test", _TEST_ROWS))
    return {
        "run": {"problem": name, "seed": seed, "steps": config.steps, "threads": threads},
        **{key: round(float(getattr(outcome, key)), 4) for key in ("mcc", "r", "r_con")},
        "shd": outcome.shd,
        "edges": data.graph.n_edges,
        "minutes": round(minutes, 2),
        "cpu_minutes": round(cpu, 2),
        "peak_gibibytes": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 2),
        "flagged": model.diagnostics is not None and bool(model.diagnostics.serious),
        "warnings": []
        if model.diagnostics is None
        else [warning.text for warning in model.diagnostics.warnings],
        "notes": model.history.notes,
        "commit": commit(),
    }


if __name__ == "__main__":
    sys.exit(main())
