"""The inputs of predictions: names, frames, categories, and models that can't predict."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from estimation import checkpoint
from estimation.config import BaselineConfig, TrainingConfig
from estimation.dataset import Dataset
from estimation.exceptions import CheckpointError, DataError
from estimation.trained import TrainedModel
from estimation.training import fit
from identify.graph import CausalGraph
from tests.estimation.prediction.linear_models import LinearModel, linear_model
from tests.seeds import training_seed

GRAPH = CausalGraph(Ga=[[1, 0], [1, 1], [0, 1]], actions=["push", "pull"])
RANGE = np.array([[-9.0, -9.0], [0.0, 0.0], [9.0, 9.0]])


@pytest.fixture(scope="module")
def linear() -> LinearModel:
    return linear_model(GRAPH, RANGE)


@pytest.fixture(scope="module")
def screen() -> TrainedModel:
    """A model of a short training on a frame with a categorical action."""
    rng = np.random.default_rng(training_seed())
    drugs, dose = rng.choice(["none", "aspirin", "ibuprofen"], 400), rng.choice([0.0, 1.0], 400)
    shift = np.stack([drugs == "aspirin", drugs == "ibuprofen", dose], axis=1) @ rng.normal(size=(3, 4))
    data = Dataset.from_arrays(
        pd.DataFrame(shift + 0.1 * rng.normal(size=(400, 4)), columns=list("wxyz")),
        actions=pd.DataFrame({"drug": drugs, "dose": dose}),
    )
    return fit(
        data, TrainingConfig(n_latents=3, steps=20, unmixing=False, sparsity="none", seed=training_seed())
    )


def test_actions_by_name_leave_the_others_at_their_reference(linear: LinearModel) -> None:
    named = linear.model.predict({"pull": 2.0})
    assert named.actions is not None
    assert named.actions.tolist() == [[0.0, 2.0]]
    assert np.array_equal(named.mean, linear.model.predict([[0.0, 2.0]]).mean)


@pytest.mark.parametrize("frame", [pd.DataFrame, pa.table])
def test_columns_of_a_frame_are_matched_by_name(linear: LinearModel, frame: Callable[..., Any]) -> None:
    swapped = linear.model.predict(frame({"pull": [2.0, 1.0], "push": [0.5, -0.5]}))
    assert np.array_equal(swapped.mean, linear.model.predict([[0.5, 2.0], [-0.5, 1.0]]).mean)


def test_categories_become_actions_as_in_training(screen: TrainedModel) -> None:
    assert screen.action_names == ("drug=aspirin", "drug=ibuprofen", "drug=none", "dose")
    forecast = screen.predict(pd.DataFrame({"dose": [1.0], "drug": ["ibuprofen"]}))
    assert forecast.actions is not None
    assert forecast.actions.tolist() == [[0, 1, 0, 1]]
    with pytest.raises(
        DataError, match=r"'drug' of actions has the category 'morphine', which the model was not trai"
    ):
        screen.predict(pd.DataFrame({"dose": [1.0], "drug": ["morphine"]}))


def test_columns_of_observations_are_matched_by_name(screen: TrainedModel) -> None:
    rows = pd.DataFrame([[0.1, np.nan, 0.3, 0.4]], columns=list("wxyz"))
    actions = pd.DataFrame({"drug": ["aspirin"], "dose": [0.0]})
    result = screen.impute(rows, actions)
    again = screen.impute(rows[["z", "y", "x", "w"]], actions)
    assert np.array_equal(result.observations, again.observations)
    assert np.isfinite(result.observations).all()
    empty = rows.astype(object).where(rows.notna(), None)
    assert np.array_equal(screen.impute(empty, actions).observations, result.observations)


def test_none_is_missing(linear: LinearModel) -> None:
    assert linear.model.impute([[None, 1, 1, 1, 1, 1]], [[0.0, 0.0]]).missing.sum() == 1


def test_a_category_by_name_replaces_the_others(screen: TrainedModel) -> None:
    forecast = screen.predict({"drug=aspirin": 1})
    assert forecast.actions is not None
    assert forecast.actions.tolist() == [[1, 0, 0, 0]]


def test_masked_entries_are_missing(linear: LinearModel) -> None:
    rows = np.ma.masked_array(np.zeros((1, 6)), mask=[[0, 1, 0, 0, 0, 0]])
    assert linear.model.impute(rows, [[0.0, 0.0]]).missing.tolist() == [
        [False, True, False, False, False, False]
    ]


def test_what_was_seen_is_stored_with_the_model(screen: TrainedModel, tmp_path: Path) -> None:
    screen.save(tmp_path / "model")
    again = checkpoint.load(tmp_path / "model")
    actions = pd.DataFrame({"dose": [1.0], "drug": ["ibuprofen"]})
    before, after = screen.predict(actions), again.predict(actions)
    assert np.array_equal(before.mean, after.mean)
    assert before.coverage is not None
    assert after.coverage is not None
    assert before.coverage.explain() == after.coverage.explain()
    description = tmp_path / "model" / "manifest.json"
    text = description.read_text(encoding="utf-8")
    assert '"reference": 0.0' in text
    description.write_text(text.replace('"reference": 0.0', '"reference": 5.0', 1), encoding="utf-8")
    with pytest.raises(CheckpointError, match=r"seen_actions has an action with values from 0 to 1 that"):
        checkpoint.load(tmp_path / "model")


def test_wrong_actions_are_refused(linear: LinearModel) -> None:
    model = linear.model
    with pytest.raises(DataError, match=r"no action is called 'lift'; the model was trained on push, pull"):
        model.predict({"lift": 1.0})
    with pytest.raises(DataError, match=r"action 'push' is inf; it must be a finite number"):
        model.predict({"push": np.inf})
    with pytest.raises(DataError, match=r"actions have shape \(1, 3\); this model needs \(N, 2\)"):
        model.predict([[1.0, 2.0, 3.0]])
    with pytest.raises(DataError, match=r"actions have shape \(1, 1, 2\); this needs \(N, m\), m = 2"):
        model.predict([[[1.0, 2.0]]])
    with pytest.raises(
        DataError, match=r"actions\[0, 1\] is nan as float32; every entry must be a finite number"
    ):
        model.predict([[1.0, np.nan]])
    with pytest.raises(DataError, match=r"unseen_combinations is 'multiply'; it must be 'add' or 'network'"):
        model.predict({"push": 1.0}, unseen_combinations="multiply")  # type: ignore[arg-type]
    with pytest.raises(DataError, match=r"actions have 0 rows; give at least 1"):
        model.predict(np.zeros((0, 2)))
    with pytest.raises(DataError, match=r"observations have 0 rows; give at least 1"):
        model.impute(np.zeros((0, 6)))
    with pytest.raises(
        DataError, match=r"observations\[0, 2\] is 1e\+39; every entry must be a finite number"
    ):
        model.impute([[np.nan, 0, 1e39, 0, 0, 0]], [[0.0, 0.0]])
    with pytest.raises(DataError, match=r"the data lack 'pull'"):
        model.predict(pd.DataFrame({"push": [1.0]}))
    with pytest.raises(
        DataError, match=r"action 'push' is 10 in row 0; in training it was -9 to 9; extrapolate=True"
    ):
        model.predict({"push": 10.0})
    assert np.isfinite(model.predict({"push": 10.0}, extrapolate=True).mean).all()


def test_models_that_predict_nothing_say_so(linear: LinearModel) -> None:
    with pytest.raises(
        DataError, match=r"this model was trained without a past, so it has no trajectories; use pred"
    ):
        linear.model.intervene([[[1.0, 2.0]]], np.zeros((1, 6)))
    old = TrainedModel(
        linear.model.model, linear.model.config, linear.model.history, linear.model.action_names
    )
    with pytest.raises(
        DataError, match=r"saved by an earlier version, which didn't store the actions of its training"
    ):
        old.predict([[1.0, 2.0]])
    with pytest.raises(
        DataError, match=r"didn't store the actions of its training data; give all actions as an array"
    ):
        old.predict({"push": 1.0})
    # the prior of the latents given actions needs no record
    assert np.isfinite(old.impute([[np.nan, 1, 1, 1, 1, 1]], [[1.0, 2.0]]).observations).all()
    rng = np.random.default_rng(training_seed())
    data = Dataset.from_arrays(rng.normal(size=(100, 4)), actions=rng.normal(size=(100, 2)))
    config = BaselineConfig("vae", n_latents=2, steps=5, seed=training_seed())
    with pytest.raises(
        DataError, match=r"this model is a baseline, which has no transition; only a sparse VAE predicts"
    ):
        fit(data, config).predict([[0.0, 0.0]])
