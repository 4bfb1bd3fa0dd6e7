"""Run the promise-kept benchmark: ``python -m tests.benchmarks.promise.run --out docs/results/promise.jsonl``.

One line of JSON per run is appended to the file; runs that it contains already are left out, so that the benchmark can
be run in several sessions. ``--tunnel`` runs the light tunnel instead.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from estimation.config import TrainingConfig
from estimation.dataset import Dataset
from estimation.evaluation import Evaluation, evaluate
from estimation.trained import TrainedModel
from estimation.training import fit
from identify.graph import CausalGraph
from tests.benchmarks.promise.light_tunnel import TARGETS, tunnel
from tests.benchmarks.promise.problems import N_PROBLEMS, Problem, problem

__all__ = ["is_flagged", "is_kept", "main", "tunnel_runs"]

#: Seed of the reported problems; no setting was chosen on them.
SEED = 2026
_N_TEST, _N_STEPS = 10_000, 5_000
_MIN_SHARE = 0.97
_TUNNEL_ROWS, _TUNNEL_PROCESS, _MODEL_SEEDS = 50_000, 0, range(5)


def is_kept(outcome: Evaluation, graph: CausalGraph, complete: bool, max_edges: int | None) -> bool:
    """Return whether a run kept the promise.

    That is: the learned graph has no errors, or only those that a wrong budget explains; and MCC is at least 0.97 of R
    where the theory promises complete disentanglement, R_con at least 0.97 of R where it doesn't.

    Args:
        outcome: Scores on test rows.
        graph: The true graph.
        complete: Whether complete disentanglement is promised.
        max_edges: The budget of the run; None if the number of edges was estimated.
    """
    assert outcome.mcc is not None
    assert outcome.r is not None
    assert outcome.missing is not None
    assert outcome.extra is not None
    off = 0 if max_edges is None else max_edges - graph.n_edges
    has_right_graph = outcome.missing == max(-off, 0) and outcome.extra == max(off, 0)
    score = outcome.mcc if complete else outcome.r_con
    assert score is not None
    return has_right_graph and score >= _MIN_SHARE * outcome.r


def is_flagged(model: TrainedModel) -> bool:
    """Return whether a run's own warnings say that the promise was not kept."""
    return model.diagnostics is not None and bool(model.diagnostics.serious)


def tunnel_runs() -> Iterator[dict[str, Any]]:
    """Yield the runs of the light tunnel: with nine sensors, and with the colours of a camera beside them."""
    for with_camera in (False, True):
        for model_seed in _MODEL_SEEDS if with_camera else _MODEL_SEEDS[:1]:
            yield {"camera": with_camera, "process": _TUNNEL_PROCESS, "model_seed": model_seed}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what is not in the file yet.

    Args:
        arguments: Arguments of the command line; None for those of the process.
    """
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.promise.run", description=__doc__)
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="file of JSON lines")
    parser.add_argument("--tunnel", action="store_true", help="run the light tunnel")
    parser.add_argument("--seed", type=int, default=SEED, help="seed of the problems")
    parser.add_argument(
        "--numbers", type=int, nargs="*", default=None, help="numbers of problems; default: all"
    )
    options = parser.parse_args(arguments)
    lines = options.out.read_text(encoding="utf-8").splitlines() if options.out.exists() else []
    finished = [json.loads(line)["run"] for line in lines]
    numbers = range(N_PROBLEMS) if options.numbers is None else options.numbers
    runs = list(tunnel_runs()) if options.tunnel else [{"seed": options.seed, "number": k} for k in numbers]
    for run in runs:
        if run not in finished:
            record = {"run": run, **(_tunnel_record(run) if options.tunnel else _problem_record(run))}
            with options.out.open("a", encoding="utf-8") as file:
                file.write(json.dumps(record) + "\n")
    return 0


def _problem_record(run: dict[str, Any]) -> dict[str, Any]:
    case: Problem = problem(run["seed"], run["number"])
    config = case.config(steps=_N_STEPS, seed=0)
    budgets = [edges for edges in (config.max_edges_actions, config.max_edges_past) if edges is not None]
    measured = _measure(case.data(), case.data(_N_TEST, "test"), config, case.complete, sum(budgets) or None)
    return {"problem": case.summary(), **measured}


def _tunnel_record(run: dict[str, Any]) -> dict[str, Any]:
    data = tunnel(_TUNNEL_ROWS, run["process"], with_camera=run["camera"])
    test = tunnel(_N_TEST, run["process"], "test", with_camera=run["camera"])
    max_edges = int(TARGETS.sum())
    config = TrainingConfig(max_edges_actions=max_edges, steps=_N_STEPS, seed=run["model_seed"])
    return _measure(data, test, config, True, max_edges)


def _measure(
    data: Dataset, test: Dataset, config: TrainingConfig, complete: bool, max_edges: int | None
) -> dict[str, Any]:
    started = time.process_time()
    model = fit(data, config, progress=False)
    seconds = round(time.process_time() - started)
    outcome = evaluate(model, test)
    assert data.graph is not None
    scores = {"mcc": outcome.mcc, "r": outcome.r, "r_con": outcome.r_con}
    return {
        **{name: None if value is None else round(value, 4) for name, value in scores.items()},
        "missing": outcome.missing,
        "extra": outcome.extra,
        "kept": is_kept(outcome, data.graph, complete, max_edges),
        "flagged": is_flagged(model),
        "diagnostics": None if model.diagnostics is None else model.diagnostics.to_dict(),
        "notes": list(model.history.notes),
        "seconds": seconds,
    }


if __name__ == "__main__":
    sys.exit(main())
