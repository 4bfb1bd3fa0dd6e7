"""`run_trial`: one run of a sweep."""

from __future__ import annotations

import io
import shutil
import time
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from estimation.sweep.data import load_data, record_data
from estimation.sweep.environment import describe_environment
from estimation.sweep.folders import (
    FAILED,
    RESULT,
    STATE,
    Status,
    status_of,
    try_lock,
    write_record,
    write_trial,
)
from estimation.sweep.specification import Trial
from identify.exceptions import IdentifyError, one_line
from identify.files import write_whole

if TYPE_CHECKING:
    from estimation.config.baselines import BaselineConfig
    from estimation.config.training import TrainingConfig
    from estimation.dataset.dataset import Dataset
    from estimation.trained import TrainedModel

__all__ = ["run_trial"]

# rows of the test data whose encodings are stored
_MAX_ENCODED_ROWS = 2_000
_CHECKPOINT_EVERY = 500


def run_trial(trial: Trial, folder: str, checkpoint_every: int = _CHECKPOINT_EVERY) -> Status:
    """Run a trial unless it is done, has failed, or is running in another process.

    An interrupted run resumes from its last checkpoint. An error is recorded in the folder, not raised.

    Args:
        trial: The trial.
        folder: The folder of the run.
        checkpoint_every: Number of steps between two checkpoints.

    Returns:
        The status of the run; ``"pending"`` if another process runs it.
    """
    path = Path(folder)
    with try_lock(path) as locked:
        if not locked or status_of(path) != "pending":
            return status_of(path)
        write_trial(path, trial)
        start = time.monotonic()
        try:
            record = _train_and_score(trial, path, checkpoint_every)
        except (
            IdentifyError,
            ArithmeticError,
            MemoryError,
            OSError,
            RuntimeError,
            TypeError,
            ValueError,
        ) as error:
            write_record(path, FAILED, _failure_record(error, start))
        else:
            write_record(path, RESULT, {**record, "minutes": (time.monotonic() - start) / 60})
            shutil.rmtree(path / STATE, ignore_errors=True)
        return status_of(path)


def _train_and_score(trial: Trial, folder: Path, checkpoint_every: int) -> dict[str, Any]:
    train, test = load_data(trial.data)
    record_data(folder, train, test)
    model = _fit(
        train,
        trial.config(),
        checkpoint=folder / STATE,
        checkpoint_every=checkpoint_every,
        progress=False,
    )
    model.save(folder / "model")
    _save_encodings(model, test, folder)
    return {**_scores(model, test), "steps": _n_steps(model), **describe_environment()}


def _fit(train: Dataset, config: TrainingConfig | BaselineConfig, **options: Any) -> TrainedModel:
    from estimation.training import fit

    return fit(train, config, **options)


def _n_steps(model: TrainedModel) -> int:
    return model.history.records[-1].step if model.history.records else 0


def _scores(model: TrainedModel, test: Dataset) -> dict[str, Any]:
    """Return edges and negative ELBO, and the scores against ground truth where it is known."""
    from estimation.evaluation.scores import evaluate

    evaluation = evaluate(model, test)
    elbo, comparison = evaluation.negative_elbo, evaluation.comparison
    return {
        "edges": model.sparse_graph.n_edges if model.model.edges else None,
        "negative_elbo": None if elbo is None else elbo["total"],
        **{name: getattr(evaluation, name) for name in ("mcc", "r_con", "r", "shd", "missing", "extra")},
        "confirmed": None if comparison is None else bool(comparison),
    }


def _save_encodings(model: TrainedModel, test: Dataset, folder: Path) -> None:
    latents = model.encode_dataset(test.take(slice(0, _MAX_ENCODED_ROWS)))
    data = io.BytesIO()
    np.save(data, latents, allow_pickle=False)
    write_whole(folder / "encodings.npy", data.getvalue())


def _failure_record(error: BaseException, start: float) -> dict[str, Any]:
    return {
        "error": one_line(error, 1000),
        "kind": type(error).__name__,
        "traceback": traceback.format_exc(),
        "minutes": (time.monotonic() - start) / 60,
        **describe_environment(),
    }
