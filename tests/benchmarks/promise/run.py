"""Run the promise-kept benchmark: ``python -m tests.benchmarks.promise.run --out docs/results/promise.jsonl``.

One line of JSON per run is appended to the file; runs that it contains already are left out, so that the benchmark can
be run in several sessions. A run is a single one, whatever its doubts; ``--restart 1`` and ``--restart 2`` train those
that follow a run with doubts, which the page compares as training does. ``--set restarts=auto`` trains all of them at
once, and knows whether those without doubts disagree. ``--tunnel`` runs the light tunnel instead.
Runs with other seeds than that of the benchmark can be short, with which `calibrate` calibrates the confidence: 1,200
steps, one start, and at most 60,000 rows. ``--set observation_transform=none`` changes a setting.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from estimation.config import TrainingConfig
from estimation.config.settings import read_changes
from estimation.dataset import Dataset
from estimation.dataset.holdout import hold_out
from estimation.diagnostics.result import SERIOUS
from estimation.evaluation import Evaluation, evaluate
from estimation.trained import TrainedModel
from estimation.training import fit
from estimation.training.restarts import restart_seed
from identify.graph import CausalGraph
from tests.benchmarks.promise.light_tunnel import TARGETS, tunnel
from tests.benchmarks.promise.problems import N_PROBLEMS, Problem, problem
from tests.benchmarks.promise.truth import MIN_SHARE, latent_shares, matching, true_edges
from tests.benchmarks.published_run import commit

__all__ = ["FLAGS", "is_flagged", "is_kept", "main", "training_data", "tunnel_runs"]

#: Seed of the reported problems; no setting was chosen on them.
SEED = 2026
_N_TEST, _N_STEPS, _DIGITS = 10_000, 5_000, 4
_SHORT_STEPS, _SHORT_ROWS = 1_200, 60_000
#: The kinds of warnings that say that the promise was not kept.
FLAGS = (*SERIOUS, "disagreeing restarts")
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
    return has_right_graph and score >= MIN_SHARE * outcome.r


def is_flagged(model: TrainedModel) -> bool:
    """Return whether a run's own warnings say that the promise was not kept, or its restarts contradict each other."""
    kinds = {warning.kind for warning in model.warnings}
    return not kinds.isdisjoint(FLAGS)


def training_data(case: Problem, short: bool = False) -> Dataset:
    """Return the training rows of a problem, in short runs no more than 60,000."""
    return case.data(min(case.n_samples, _SHORT_ROWS) if short else None)


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
    parser.add_argument("--model-seed", type=int, default=0, help="seed of the models")
    parser.add_argument(
        "--restart",
        type=int,
        default=0,
        help="train this restart, which follows a run with doubts, instead of the first run",
    )
    parser.add_argument(
        "--set",
        nargs="+",
        default=[],
        metavar="KEY=VALUE",
        help="settings that differ from the defaults",
    )
    parser.add_argument("--short", action="store_true", help="runs that take a quarter of the time")
    parser.add_argument(
        "--save", type=Path, default=None, metavar="FOLDER", help="keep models in FOLDER/NUMBER"
    )
    options = parser.parse_args(arguments)
    lines = options.out.read_text(encoding="utf-8").splitlines() if options.out.exists() else []
    finished = [json.loads(line)["run"] for line in lines]
    numbers = range(N_PROBLEMS) if options.numbers is None else options.numbers
    changes = {"model_seed": options.model_seed} if options.model_seed else {}
    changes |= {"short": True} if options.short else {}
    changes |= {"restart": options.restart} if options.restart else {}
    changes |= {"settings": read_changes(options.set)} if options.set else {}
    problems = [{"seed": options.seed, "number": k, **changes} for k in numbers]
    for run in list(tunnel_runs()) if options.tunnel else problems:
        if run not in finished:
            record = {
                "run": run,
                **(_tunnel_record(run) if options.tunnel else _problem_record(run, options.save)),
            }
            with options.out.open("a", encoding="utf-8") as file:
                file.write(json.dumps(record) + "\n")
    return 0


def _problem_record(run: dict[str, Any], folder: Path | None) -> dict[str, Any]:
    case: Problem = problem(run["seed"], run["number"])
    short = {"steps": _SHORT_STEPS, "starts": 1} if run.get("short") else {"steps": _N_STEPS}
    seed, restart = run.get("model_seed", 0), run.get("restart", 0)
    settings = {"restarts": 1, "seed": restart_seed(seed, restart), **run.get("settings", {})}
    config = case.config(**short, **settings)
    budgets = [edges for edges in (config.max_edges_actions, config.max_edges_past) if edges is not None]
    data, held_out = training_data(case, run.get("short", False)), None
    if restart:
        # restarts share the held-out rows of the first
        data, held_out = hold_out(data, seed)
    test, max_edges = case.data(_N_TEST, "test"), sum(budgets) or None
    model, measured = _measure(data, test, config, case.complete, max_edges, held_out)
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        model.save(folder / str(run["number"]))
    return {"problem": case.summary(), **measured}


def _tunnel_record(run: dict[str, Any]) -> dict[str, Any]:
    data = tunnel(_TUNNEL_ROWS, run["process"], with_camera=run["camera"])
    test = tunnel(_N_TEST, run["process"], "test", with_camera=run["camera"])
    max_edges = int(TARGETS.sum())
    config = TrainingConfig(max_edges_actions=max_edges, steps=_N_STEPS, seed=run["model_seed"])
    return _measure(data, test, config, True, max_edges)[1]


def _measure(
    data: Dataset,
    test: Dataset,
    config: TrainingConfig,
    complete: bool,
    max_edges: int | None,
    held_out: Dataset | None = None,
) -> tuple[TrainedModel, dict[str, Any]]:
    started = time.process_time()
    model = fit(data, config, validation=held_out, progress=False)
    seconds = round(time.process_time() - started)
    outcome = evaluate(model, test)
    assert data.graph is not None
    scores = {"mcc": outcome.mcc, "r": outcome.r, "r_con": outcome.r_con}
    return model, {
        **{name: None if value is None else round(value, 4) for name, value in scores.items()},
        "missing": outcome.missing,
        "extra": outcome.extra,
        "kept": is_kept(outcome, data.graph, complete, max_edges),
        "flagged": is_flagged(model),
        "diagnostics": None if model.diagnostics is None else model.diagnostics.to_dict(),
        "confidence": _confidence(model, test),
        "notes": list(model.history.notes),
        "negative_elbo": round(model.history.records[-1].negative_elbo, _DIGITS),
        "seconds": seconds,
        "commit": commit(),
    }


def _confidence(model: TrainedModel, test: Dataset) -> dict[str, list[list[float]]]:
    """Return the confidence in each edge beside the truth, and that in each latent beside what is explained of it."""
    assert test.graph is not None
    n_latents = model.model.shape.n_latents
    truth = true_edges(test.graph, matching(model, test), n_latents)
    edges = [
        [round(confidence, _DIGITS), int(is_true)]
        for kind, values in (model.edge_confidence or {}).items()
        for confidence, is_true in zip(values.ravel().tolist(), truth[kind].ravel().tolist(), strict=True)
        if not np.isnan(confidence)
    ]
    own = np.full(n_latents, np.nan) if model.latent_confidence is None else model.latent_confidence
    latents = [
        [round(confidence, _DIGITS), round(share, _DIGITS)]
        for confidence, share in zip(own.tolist(), latent_shares(model, test).tolist(), strict=True)
        if not np.isnan(confidence)
    ]
    return {"edges": edges, "latents": latents}


if __name__ == "__main__":
    sys.exit(main())
