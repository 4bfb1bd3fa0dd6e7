"""One run of a sweep, in a process of its own."""

from __future__ import annotations

import io
import shutil
import time
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from estimation.sweep.data import begin, datasets
from estimation.sweep.environment import surroundings
from estimation.sweep.folders import (
    FAILED,
    RESULT,
    STATE,
    Status,
    holding,
    status_of,
    write_record,
    write_trial,
)
from estimation.sweep.plan import Trial
from identify.exceptions import IdentifyError, one_line
from identify.files import write_whole

if TYPE_CHECKING:
    from estimation.config.baselines import BaselineConfig
    from estimation.config.training import TrainingConfig
    from estimation.dataset.dataset import Dataset
    from estimation.trained import TrainedModel

__all__ = ["run_trial"]

# rows of the test data whose latents are kept
_ENCODED = 2_000
_STATE_EVERY = 500


def run_trial(trial: Trial, folder: str, checkpoint_every: int = _STATE_EVERY) -> Status:
    """Run a trial unless it is done, has failed, or is under way elsewhere.

    A run that was interrupted goes on from its state. An error is written down and not raised.

    Args:
        trial: what to run.
        folder: its folder.
        checkpoint_every: steps between two states.

    Returns:
        what has become of it; ``"pending"`` when another process has it.
    """
    place = Path(folder)
    with holding(place) as held:
        if not held or status_of(place) != "pending":
            return status_of(place)
        write_trial(place, trial)
        start = time.monotonic()
        try:
            record = _trained(trial, place, checkpoint_every)
        except (
            IdentifyError,
            ArithmeticError,
            MemoryError,
            OSError,
            RuntimeError,
            TypeError,
            ValueError,
        ) as error:
            write_record(place, FAILED, _failure(error, start))
        else:
            write_record(place, RESULT, {**record, "minutes": (time.monotonic() - start) / 60})
            shutil.rmtree(place / STATE, ignore_errors=True)
        return status_of(place)


def _trained(trial: Trial, folder: Path, checkpoint_every: int) -> dict[str, Any]:
    train, test = datasets(trial.data)
    begin(folder, train, test)
    model = _fitted(
        train,
        trial.config(),
        checkpoint=folder / STATE,
        checkpoint_every=checkpoint_every,
        progress=False,
    )
    model.save(folder / "model")
    _keep_encodings(model, test, folder)
    return {**_scores(model, test), "steps": _steps(model), **surroundings()}


def _fitted(train: Dataset, config: TrainingConfig | BaselineConfig, **state: Any) -> TrainedModel:
    from estimation.training import fit

    return fit(train, config, **state)


def _steps(model: TrainedModel) -> int:
    return model.history.records[-1].step if model.history.records else 0


def _scores(model: TrainedModel, test: Dataset) -> dict[str, Any]:
    """What is known without the truth, and with it where there is one."""
    from estimation.evaluation.scores import evaluate

    found = evaluate(model, test)
    return {
        "edges": model.graph.n_edges if model.model.edges else None,
        "negative_elbo": None if found.negative_elbo is None else found.negative_elbo["total"],
        **{name: getattr(found, name) for name in ("mcc", "r_con", "r", "shd", "missing", "extra")},
        "confirmed": None if found.comparison is None else bool(found.comparison),
    }


def _keep_encodings(model: TrainedModel, test: Dataset, folder: Path) -> None:
    from estimation.dataset.alignment import align_observed

    latents = model.encode(np.asarray(align_observed(test, model).observations[:_ENCODED]))
    data = io.BytesIO()
    np.save(data, latents, allow_pickle=False)
    write_whole(folder / "encodings.npy", data.getvalue())


def _failure(error: BaseException, start: float) -> dict[str, Any]:
    return {
        "error": one_line(error, 1000),
        "kind": type(error).__name__,
        "traceback": traceback.format_exc(),
        "minutes": (time.monotonic() - start) / 60,
        **surroundings(),
    }
