"""Missing entries filled by a trained model, beside scikit-learn's imputers, on the published processes.

``python -m tests.benchmarks.imputation --out FILE`` trains a model for each process, loses entries of test rows at
random, fills them, and appends one line of JSON per process and share of missing entries: root mean square errors in
units of each column's standard deviation, and how many entries the 90 % intervals hold. The imputers are fitted to
complete training rows, as the model is, without and with the actions as further columns; they see both steps of a
sequence side by side. ``--training`` measures training on rows with missing entries instead: MCC and SHD on complete
test rows, one line per process and share, 0 included.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.experimental import enable_iterative_imputer  # noqa: F401
from sklearn.impute import IterativeImputer, KNNImputer

from estimation.checkpoint import load
from estimation.config.training import TrainingConfig
from estimation.dataset import Dataset
from estimation.evaluation import evaluate
from estimation.simulate.published_processes import NAMES
from estimation.simulate.sampling import published
from estimation.trained import TrainedModel
from estimation.training import fit

__all__ = ["main"]

SHARES = (0.1, 0.3, 0.5)
_LEVEL = 0.9
# each split is standardised by its own rows: with few, mean and scale are off by as much as the noise
_SPLIT_ROWS = 100_000
Array = NDArray[np.float64]


def lose(rows: Array, share: float, seed: int) -> Array:
    """Return rows of which each entry is lost with a probability."""
    return np.where(np.random.default_rng(seed).random(rows.shape) < share, np.nan, rows)


def model_of(
    name: str, n_rows: int, steps: int, seed: int, folder: Path | None, lost: float = 0.0
) -> TrainedModel:
    """Return the model in a folder, or train it, on rows of which a share is lost, and keep it there."""
    place = None if folder is None else folder / (f"{name}-{lost:g}" if lost else name)
    if place is not None and place.exists():
        return load(place)
    data = published(name, n_rows)
    assert data.graph is not None
    budgets: dict[str, Any] = {}
    if data.actions is not None:
        budgets["max_edges_actions"] = data.graph.Ga.nnz
    if data.n_steps > 1:
        budgets["max_edges_past"] = data.graph.Gz.nnz
    if lost:
        gaps = lose(np.asarray(data.observations), lost, seed).astype(np.float32)
        data = replace(data, observations=gaps)
    model = fit(data, TrainingConfig(steps=steps, seed=seed, **budgets), progress=False)
    if place is not None:
        model.save(place)
    return model


def measured(model: TrainedModel, train: Dataset, test: Dataset, share: float, seed: int) -> dict[str, Any]:
    """Return errors of the model and of the imputers, and how many entries the intervals hold."""
    complete = test.observations.astype(float)
    lost = lose(complete, share, seed)
    missing = np.isnan(lost)
    scale = train.observations.std(axis=(0, 1))

    def error(filled: Array) -> float:
        return float(np.sqrt((((filled - complete) / scale)[missing] ** 2).mean()))

    result: dict[str, Any] = {"share": share, "rows": len(test)}
    for label, actions in (("model", None), ("model_with_actions", test.actions)):
        if label == "model_with_actions" and actions is None:
            continue
        started = time.process_time()
        imputed = model.impute(lost, actions, level=_LEVEL, seed=seed)
        inside = (complete >= imputed.low) & (complete <= imputed.high)
        result[label] = error(imputed.observations)
        result[f"{label}_inside"] = float(inside[missing].mean())
        result[f"{label}_seconds"] = round(time.process_time() - started, 1)
    for label, columns in (("", ()), ("_with_actions", ("actions",))):
        if columns and test.actions is None:
            continue
        known, gaps = _table(train, train.observations, bool(columns)), _table(test, lost, bool(columns))
        for name, imputer in (
            ("iterative", IterativeImputer(random_state=seed, max_iter=20)),
            ("nearest_neighbours", KNNImputer()),
        ):
            started = time.process_time()
            filled = imputer.fit(known).transform(gaps)[:, : lost[0].size]
            result[f"{name}{label}"] = error(filled.reshape(lost.shape))
            result[f"{name}{label}_seconds"] = round(time.process_time() - started, 1)
    return {key: round(value, 4) if isinstance(value, float) else value for key, value in result.items()}


def _table(dataset: Dataset, observations: Array, with_actions: bool) -> Array:
    """Return the steps of every row side by side, and the actions beside them, shape (N, columns)."""
    columns = [observations.reshape(len(dataset), -1)]
    if with_actions and dataset.actions is not None:
        columns.append(dataset.actions.reshape(len(dataset), -1))
    return np.hstack(columns)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure what is not in the file yet.

    Args:
        arguments: Arguments of the command line; None for those of the process.
    """
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.imputation", description=__doc__)
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="file of JSON lines")
    parser.add_argument(
        "--names", nargs="*", default=list(NAMES), help="processes; default: all published ones"
    )
    parser.add_argument("--rows", type=int, default=200_000, help="rows to train on")
    parser.add_argument("--steps", type=int, default=10_000, help="steps of training")
    parser.add_argument("--test-rows", type=int, default=1_000, help="rows to fill")
    parser.add_argument("--fit-rows", type=int, default=20_000, help="rows that the imputers are fitted to")
    parser.add_argument("--shares", type=float, nargs="*", default=SHARES, help="shares of missing entries")
    parser.add_argument("--seed", type=int, default=0, help="seed of the model and of the lost entries")
    parser.add_argument(
        "--models", type=Path, default=None, metavar="FOLDER", help="keep models in FOLDER/NAME"
    )
    parser.add_argument(
        "--training", action="store_true", help="measure training on rows with missing entries"
    )
    options = parser.parse_args(arguments)
    lines = options.out.read_text(encoding="utf-8").splitlines() if options.out.exists() else []
    if options.training:
        _measure_training(options, [json.loads(line) for line in lines])
        return 0
    finished = {(record["process"], record.get("share")) for record in map(json.loads, lines)}
    for name in options.names:
        shares = [share for share in options.shares if (name, share) not in finished]
        if not shares:
            continue
        model = model_of(name, options.rows, options.steps, options.seed, options.models)
        train = published(name, options.rows).take(slice(options.fit_rows))
        test = published(name, _SPLIT_ROWS, "test").take(slice(options.test_rows))
        for share in shares:
            record = {
                "process": name,
                "steps": options.steps,
                **measured(model, train, test, share, options.seed),
            }
            with options.out.open("a", encoding="utf-8") as file:
                file.write(json.dumps(record) + "\n")
    return 0


def _measure_training(options: argparse.Namespace, finished: Sequence[dict[str, Any]]) -> None:
    for name in options.names:
        test = published(name, _SPLIT_ROWS, "test")
        for lost in (0.0, *options.shares):
            run = {"process": name, "trained_without": lost, "rows": options.rows, "steps": options.steps}
            run |= {"seed": options.seed}
            if any(run.items() <= record.items() for record in finished):
                continue
            started = time.process_time()
            model = model_of(name, options.rows, options.steps, options.seed, options.models, lost)
            seconds = round(time.process_time() - started)
            outcome = evaluate(model, test)
            scores = {"mcc": outcome.mcc, "r": outcome.r, "shd": outcome.shd, "r_con": outcome.r_con}
            with options.out.open("a", encoding="utf-8") as file:
                file.write(json.dumps({**run, **scores, "seconds": seconds}) + "\n")


if __name__ == "__main__":
    raise SystemExit(main())
