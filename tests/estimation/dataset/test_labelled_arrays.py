"""Labelled arrays of xarray as observations, actions, covariates and requests."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray

from estimation.config import TrainingConfig
from estimation.dataset import Dataset
from estimation.estimator import SparseMechanismVAE
from estimation.exceptions import DataError
from estimation.trained import TrainedModel
from estimation.training import fit
from tests.seeds import training_seed

JOINTS, MOTORS = ["hip", "knee", "ankle"], ["left", "right"]


def arrays(n_steps: int = 2) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(training_seed(1))
    actions = rng.normal(size=(40, n_steps - 1, 2)) if n_steps > 2 else rng.normal(size=(40, 2))
    return {"x": rng.normal(size=(40, n_steps, 3)), "a": actions, "site": np.arange(40.0)[:, None] % 2}


def labelled(values: np.ndarray, columns: list[str]) -> xarray.DataArray:
    dims = ["episode", "time", "column"] if values.ndim == 3 else ["episode", "column"]
    return xarray.DataArray(values, dims=dims, coords={"column": columns})


@pytest.fixture(scope="module")
def model() -> TrainedModel:
    values = arrays()
    data = Dataset.from_arrays(
        labelled(values["x"], JOINTS),
        labelled(values["a"], MOTORS),
        covariates=labelled(values["site"], ["site"]),
    )
    settings: dict[str, Any] = {"steps": 6, "batch_size": 16, "width": 8, "n_latents": 2, "unmixing": False}
    return fit(
        data,
        TrainingConfig(max_edges_past=2, max_edges_actions=2, seed=training_seed(), **settings),
        progress=False,
    )


@pytest.mark.parametrize("n_steps", [1, 2, 4])
def test_names_are_those_of_the_last_dimension(n_steps: int) -> None:
    values = arrays(n_steps)
    with_labels = Dataset.from_arrays(labelled(values["x"], JOINTS), labelled(values["a"], MOTORS))
    plain = Dataset.from_arrays(values["x"], values["a"], observation_names=JOINTS, action_names=MOTORS)
    assert with_labels.observation_names == tuple(JOINTS)
    assert with_labels.action_names == tuple(MOTORS)
    np.testing.assert_array_equal(with_labels.observations, plain.observations)
    np.testing.assert_array_equal(with_labels.actions, plain.actions)


def test_given_names_come_first_and_other_labels_are_no_names() -> None:
    values = arrays()["x"]
    renamed = Dataset.from_arrays(labelled(values, JOINTS), observation_names=["a", "b", "c"])
    assert renamed.observation_names == ("a", "b", "c")
    for unnamed in (
        xarray.DataArray(values),
        xarray.DataArray(values, dims=["episode", "time", "column"], coords={"column": [3, 1, 2]}),
        xarray.DataArray(values, dims=["e", "t", "c"], coords={"e": [f"episode {k}" for k in range(40)]}),
    ):
        assert Dataset.from_arrays(unnamed).observation_names == ()


def test_requests_are_matched_by_name(model: TrainedModel) -> None:
    values, order = arrays(), [2, 0, 1]
    assert model.covariate_names == ("site",)
    sites = labelled(values["site"], ["site"])
    expected = model.encode(values["x"], values["site"])
    shuffled = labelled(values["x"][..., order], [JOINTS[k] for k in order])
    np.testing.assert_array_equal(model.encode(shuffled, sites), expected)
    past, actions = values["x"][:, 0], values["a"]
    plain = model.predict(actions, past, covariates=values["site"], extrapolate=True)
    named = model.predict(
        labelled(actions[:, ::-1], MOTORS[::-1]),
        labelled(past[:, order], [JOINTS[k] for k in order]),
        covariates=sites,
        extrapolate=True,
    )
    np.testing.assert_array_equal(named.mean, plain.mean)


def test_sequences_of_actions_are_matched_by_name(model: TrainedModel) -> None:
    values = arrays()
    actions = np.random.default_rng(training_seed(3)).uniform(-0.5, 0.5, size=(40, 3, 2))
    options: dict[str, Any] = {"covariates": values["site"], "n_samples": 2, "extrapolate": True}
    plain = model.intervene(actions, values["x"][:, 0], **options)
    named = model.intervene(labelled(actions[..., ::-1], MOTORS[::-1]), values["x"][:, 0], **options)
    np.testing.assert_array_equal(named.observations, plain.observations)


def test_names_that_do_not_fit_are_refused(model: TrainedModel) -> None:
    values = arrays()
    with pytest.raises(DataError, match="observations have two columns called 'hip'; names must be unique"):
        Dataset.from_arrays(labelled(values["x"], ["hip", "knee", "hip"]))
    with pytest.raises(DataError, match="the data lack the observed column 'ankle'"):
        model.encode(labelled(values["x"], ["hip", "knee", "toe"]), values["site"])
    actions = labelled(np.zeros((40, 3, 2)), ["left", "up"])
    with pytest.raises(DataError, match="trained on left, right; the data lack 'right'"):
        model.intervene(actions, values["x"][:, 0], covariates=values["site"], n_samples=1)


def test_arrays_without_names_are_taken_in_order(model: TrainedModel) -> None:
    values = arrays()
    past, site = values["x"][:, 0], values["site"]
    plain = model.predict(values["a"], past, covariates=site, extrapolate=True)
    for labels in ({}, {"column": [5, 7]}):
        unnamed = xarray.DataArray(values["a"], dims=["row", "column"], coords=labels)
        assert np.array_equal(
            model.predict(unnamed, past, covariates=site, extrapolate=True).mean, plain.mean
        )


def test_numbers_are_shared_and_texts_become_categories() -> None:
    values = arrays()["x"][:, 0].astype(np.float32)
    data = Dataset.from_arrays(labelled(values, JOINTS), actions=np.eye(2)[np.arange(40) % 2])
    assert np.shares_memory(data.observations, values)
    drugs = xarray.DataArray(
        np.array([["a"], ["b"]] * 20), dims=["row", "column"], coords={"column": ["drug"]}
    )
    categorical = Dataset.from_arrays(values, actions=drugs, covariates=drugs)
    assert categorical.action_names == ("drug=a", "drug=b")
    assert categorical.covariate_names == ("drug=a", "drug=b")


def test_names_may_be_any_sequence() -> None:
    values = arrays()
    for names in (np.array(JOINTS), pd.Index(JOINTS)):
        data = Dataset.from_arrays(
            values["x"], values["a"], observation_names=names, action_names=pd.Index(MOTORS)
        )
        assert data.observation_names == tuple(JOINTS)
        assert data.action_names == tuple(MOTORS)


def test_the_estimator_reads_labelled_covariates() -> None:
    values = arrays()
    estimator = SparseMechanismVAE(
        max_edges_actions=2,
        n_latents=2,
        steps=6,
        batch_size=16,
        unmixing=False,
        order="independent",
        random_state=training_seed(),
        settings={"width": 8},
    )
    sites = labelled(values["site"], ["site"])
    estimator.fit(values["x"][:, 0], actions=values["a"], covariates=sites)
    assert estimator.model_.covariate_names == ("site",)
    latents = estimator.transform(values["x"][:, 0], covariates=sites)
    np.testing.assert_array_equal(latents, estimator.transform(values["x"][:, 0], covariates=values["site"]))
