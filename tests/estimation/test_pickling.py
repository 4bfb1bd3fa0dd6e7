"""Estimators pickled on one machine and unpickled on a machine with other devices."""

from __future__ import annotations

import copy
import io
import pickle
from collections.abc import Callable

import joblib
import numpy as np
import pytest
from sklearn.base import clone

from estimation.estimator import SparseMechanismVAE
from estimation.exceptions import ConfigError
from tests.estimation.tiny_estimator import numbers, tiny


@pytest.fixture(scope="module")
def fitted() -> SparseMechanismVAE:
    return tiny(steps=5).fit(numbers(60, 4), actions=numbers(60, 2, seed=1))


def through_joblib(estimator: SparseMechanismVAE) -> SparseMechanismVAE:
    file = io.BytesIO()
    joblib.dump(estimator, file)
    file.seek(0)
    return joblib.load(file)


@pytest.mark.parametrize(
    "make_copy",
    [lambda estimator: pickle.loads(pickle.dumps(estimator)), through_joblib, copy.deepcopy, copy.copy],
    ids=["pickle", "joblib", "deepcopy", "copy"],
)
def test_a_copy_gives_the_same_results(
    fitted: SparseMechanismVAE, make_copy: Callable[[SparseMechanismVAE], SparseMechanismVAE]
) -> None:
    rows = numbers(10, 4, seed=2)
    duplicate = make_copy(fitted)
    assert duplicate is not fitted
    np.testing.assert_array_equal(duplicate.transform(rows), fitted.transform(rows))
    assert duplicate.graph_ == fitted.graph_
    assert duplicate.get_params() == fitted.get_params()
    assert not hasattr(clone(duplicate), "model_")


def test_tensors_are_pickled_on_the_cpu(fitted: SparseMechanismVAE) -> None:
    """Tensors of torch's meta device have no data: pickling moves them to the CPU, and fails."""
    elsewhere = copy.deepcopy(fitted)
    elsewhere.model_.model.to("meta")
    assert pickle.dumps(elsewhere.model_.model)
    for holder in (elsewhere, elsewhere.model_):
        with pytest.raises(NotImplementedError, match="Cannot copy out of meta tensor"):
            pickle.dumps(holder)
    # copies within a process stay where they are
    assert copy.deepcopy(elsewhere).model_.model.x_mean.device.type == "meta"
    assert copy.copy(elsewhere.model_).model is elsewhere.model_.model


def test_an_estimator_fitted_on_a_missing_device_still_encodes(fitted: SparseMechanismVAE) -> None:
    rows = numbers(10, 4, seed=2)
    elsewhere = copy.deepcopy(fitted).set_params(device="cuda:99")
    unpickled = pickle.loads(pickle.dumps(elsewhere))
    np.testing.assert_array_equal(unpickled.transform(rows), fitted.transform(rows))
    with pytest.raises(ConfigError, match=r"device is 'cuda:99', which can't be used here"):
        unpickled.fit(numbers(60, 4), actions=numbers(60, 2, seed=1))
