"""Single rows of actions, of the past and of covariates are repeated for the others, as numpy broadcasts them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from estimation.config import TrainingConfig
from estimation.dataset import Dataset
from estimation.exceptions import DataError
from estimation.trained import TrainedModel
from estimation.training import fit
from tests.seeds import training_seed

COVARIATES = np.eye(3)


def trained(with_actions: bool, with_past: bool) -> TrainedModel:
    rng = np.random.default_rng(training_seed())
    n_steps = 1 + with_past
    data = Dataset.from_arrays(
        rng.normal(size=(90, n_steps, 3)),
        rng.integers(0, 2, (90, 2)) if with_actions else None,
        covariates=COVARIATES[np.arange(90) % 3],
        covariate_names=["batch=a", "batch=b", "batch=c"],
    )
    budgets = {"max_edges_actions": 3 if with_actions else None, "max_edges_past": 2 if with_past else None}
    sizes = {"width": 8, "transition_width": 4, "depth": 1, "batch_size": 32}
    config = TrainingConfig(n_latents=2, steps=10, unmixing=False, seed=training_seed(), **budgets, **sizes)
    return fit(data, config, progress=False)


@pytest.fixture(scope="module", params=[(True, True), (False, True)], ids=["actions", "past only"])
def model(request: pytest.FixtureRequest) -> TrainedModel:
    return trained(*request.param)


START = np.random.default_rng(training_seed(1)).normal(size=(3, 3))


def simulated(model: TrainedModel, start: Any, covariates: Any, n_rows: int = 1) -> np.ndarray:
    given: dict[str, Any] = {"actions": None, "n_steps": 4}
    if model.action_names:
        given = {"actions": np.resize(np.eye(2)[[0, 1, 1, 0]], (n_rows, 4, 2))}
    result = model.intervene(start=start, covariates=covariates, n_samples=5, seed=training_seed(2), **given)
    return result.observations


def test_one_start_with_several_rows_of_covariates(model: TrainedModel) -> None:
    drawn = simulated(model, START[:1], COVARIATES)
    assert drawn.shape == (5, 3, 4, 3)
    np.testing.assert_array_equal(drawn, simulated(model, START[[0, 0, 0]], COVARIATES))
    if model.action_names:
        np.testing.assert_array_equal(drawn, simulated(model, START[:1], COVARIATES, n_rows=3))
    # rows of other covariates have other observations
    assert not np.allclose(drawn[:, 0], drawn[:, 1])


def test_several_starts_with_one_row_of_covariates(model: TrainedModel) -> None:
    drawn = simulated(model, START, {"batch": "b"})
    np.testing.assert_array_equal(drawn, simulated(model, START, COVARIATES[[1, 1, 1]]))


def test_one_past_with_several_rows_of_covariates(model: TrainedModel) -> None:
    actions = [[0, 1]] if model.action_names else None
    forecast = model.predict(actions, past=START[:1], covariates=COVARIATES)
    same = model.predict(actions, past=START[[0, 0, 0]], covariates=COVARIATES)
    assert forecast.mean.shape == (3, 3)
    np.testing.assert_array_equal(forecast.mean, same.mean)


def test_without_a_past() -> None:
    forecast = trained(True, False).predict([[1, 0]], covariates=COVARIATES)
    assert forecast.mean.shape == (3, 3)


def test_other_numbers_of_rows_are_refused(model: TrainedModel) -> None:
    with pytest.raises(DataError, match=r"start has shape \(2, 3\); this needs \(3, 3\)"):
        simulated(model, START[:2], COVARIATES)
    with pytest.raises(DataError, match=r"past has shape \(2, 3\); this needs \(3, 3\)"):
        model.predict([[0, 1]] if model.action_names else None, past=START[:2], covariates=COVARIATES)
    if model.action_names:
        message = "^there are 3 rows of actions and 2 of covariates; give as many, or 1 for all rows$"
        for start in (START, START[:1]):
            with pytest.raises(DataError, match=message):
                simulated(model, start, COVARIATES[:2], n_rows=3)
        message = "^there are 2 rows of actions and 3 of covariates; give as many"
        for start in (START, START[:1]):
            with pytest.raises(DataError, match=message):
                simulated(model, start, COVARIATES, n_rows=2)
            with pytest.raises(DataError, match=message):
                model.predict(np.eye(2), start, covariates=COVARIATES)
            with pytest.raises(DataError, match=message):
                model.sample(np.eye(2), start, covariates=COVARIATES)
    with pytest.raises(DataError, match="covariates have 2 rows; this needs 3, or 1 for all rows"):
        model.impute(np.stack([START, START], axis=1), covariates=COVARIATES[:2])
