"""Pickled here, unpickled on a machine with other devices."""

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
    "copied",
    [lambda each: pickle.loads(pickle.dumps(each)), through_joblib, copy.deepcopy, copy.copy],
    ids=["pickle", "joblib", "deepcopy", "copy"],
)
def test_a_copy_says_the_same(
    fitted: SparseMechanismVAE, copied: Callable[[SparseMechanismVAE], SparseMechanismVAE]
) -> None:
    rows = numbers(10, 4, seed=2)
    found = copied(fitted)
    assert found is not fitted
    np.testing.assert_array_equal(found.transform(rows), fitted.transform(rows))
    assert found.graph_ == fitted.graph_
    assert found.get_params() == fitted.get_params()
    assert not hasattr(clone(found), "model_")


def test_tensors_are_pickled_on_the_cpu(fitted: SparseMechanismVAE) -> None:
    """Seen on torch's device without data: what brings its tensors to the CPU can't be pickled, and nothing else."""
    elsewhere = copy.deepcopy(fitted)
    elsewhere.model_.model.to("meta")
    assert pickle.dumps(elsewhere.model_.model)
    for each in (elsewhere, elsewhere.model_):
        with pytest.raises(NotImplementedError, match="Cannot copy out of meta tensor"):
            pickle.dumps(each)
    # copies within a process stay where they are
    assert copy.deepcopy(elsewhere).model_.model.x_mean.device.type == "meta"
    assert copy.copy(elsewhere.model_).model is elsewhere.model_.model


def test_one_fitted_on_a_device_that_is_missing_here_still_encodes(fitted: SparseMechanismVAE) -> None:
    rows = numbers(10, 4, seed=2)
    there = copy.deepcopy(fitted).set_params(device="cuda:99")
    found = pickle.loads(pickle.dumps(there))
    np.testing.assert_array_equal(found.transform(rows), fitted.transform(rows))
    with pytest.raises(ConfigError, match=r"device is 'cuda:99', which can't be used here"):
        found.fit(numbers(60, 4), actions=numbers(60, 2, seed=1))
