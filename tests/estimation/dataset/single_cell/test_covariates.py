"""Batches and donors become indicators, numbers stay numbers, and every refusal."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from estimation.dataset import Dataset
from estimation.dataset.alignment import align
from estimation.dataset.covariates import aligned_covariates
from estimation.dataset.readers.single_cell.covariates import covariates_of
from estimation.exceptions import DataError
from tests.estimation.dataset.single_cell.cells import adata_of, counts

OPTIONS: dict[str, Any] = {"perturbation": "perturbation", "control": "ctrl"}


def covariates(obs: dict[str, Any], *columns: str, **options: Any) -> Any:
    frame = pd.DataFrame(obs)
    frame.index = pd.Index([f"c{k}" for k in range(len(frame))])
    return covariates_of(frame, list(frame.index), columns or tuple(obs), **options)


@given(labels=st.lists(st.sampled_from(["b1", " b2", "b10", "x=y"]), min_size=1), kind=st.booleans())
def test_a_category_is_one_indicator_per_value(labels: list[str], kind: bool) -> None:
    column = pd.Categorical(labels, categories=["b1", " b2", "b10", "x=y", "unused"]) if kind else labels
    result = covariates({"batch": column}, allow_constant=True)
    names = sorted({label.strip() for label in labels})
    assert result.names == tuple(f"batch={name}" for name in names)
    np.testing.assert_array_equal(
        result.values, [[label.strip() == name for name in names] for label in labels]
    )
    assert result.values.dtype == np.float32


@pytest.mark.parametrize("dtype", ["float64", "float32", "int64", "Int64", "Float32", "uint8"])
def test_numbers_stay_numbers(dtype: str) -> None:
    result = covariates({"depth": pd.array([1, 2, 4], dtype=dtype)})  # type: ignore[call-overload]
    np.testing.assert_array_equal(result.values, [[1], [2], [4]])
    assert result.names == ("depth",)


def test_whole_numbers_may_be_categories() -> None:
    notes = covariates({"batch": [1, 2, 1]}).notes
    assert notes == ("covariate 'batch' is taken as a number; make it categorical if it numbers categories",)
    assert covariates({"batch": pd.Categorical([1, 2, 1])}).names == ("batch=1", "batch=2")


@pytest.mark.parametrize("dtype", ["bool", "boolean", "object"])
def test_true_and_false_are_one_and_zero(dtype: str) -> None:
    result = covariates({"flag": pd.Series([True, False, True], dtype=dtype).array})
    assert (result.names, result.categories) == (("flag",), {})
    np.testing.assert_array_equal(result.values, [[1], [0], [1]])


def test_models_that_stored_true_and_false_as_categories_take_them() -> None:
    known = {"flag": ("False", "True")}
    result = covariates({"flag": [True, False]})
    aligned = aligned_covariates(result.values, result.names, ["flag=False", "flag=True"], "the model", known)
    np.testing.assert_array_equal(aligned, [[0, 1], [1, 0]])


@pytest.mark.parametrize(
    ("obs", "message"),
    [
        (
            {"batch": ["a", None, "b"]},
            r"^column 'batch' of .obs is empty in 1 cell, first in cell 'c1'; every cell needs",
        ),
        (
            {"depth": [1.0, np.nan]},
            r"^column 'depth' of .obs, cell 'c1', is nan; every covariate must be a finite number$",
        ),
        (
            {"depth": pd.array([1, None], dtype="Int64")},
            r"cell 'c1', is nan; every covariate must be a finite number$",
        ),
        (
            {"batch": ["a", "a"]},
            r"^covariate 'batch' is 'a' in all cells; a constant covariate explains nothing, so leave",
        ),
        (
            {"depth": [2.5, 2.5]},
            r"^covariate 'depth' is 2.5 in all cells; a constant covariate explains nothing",
        ),
        (
            {"name": [str(k) for k in range(1001)]},
            r"^covariate 'name' has 1,001 categories; the limit is 1,000$",
        ),
    ],
)
def test_refused_covariates(obs: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        covariates(obs)


def test_refused_columns() -> None:
    with pytest.raises(
        DataError, match=r"^covariates: .obs has no column called 'donor'; the columns are 'batch'$"
    ):
        covariates({"batch": ["a", "b"]}, "donor")
    with pytest.raises(DataError, match=r"^covariates are batch, batch; name each column once$"):
        covariates({"batch": ["a", "b"]}, "batch", "batch")


def test_covariates_of_a_dataset() -> None:
    batches = ["b1", "b2"] * 20
    adata = adata_of(obs={"batch": batches, "depth": np.arange(40.0)})
    data = Dataset.from_anndata(adata, covariates=["batch", "depth"], **OPTIONS)
    assert data.covariate_names == ("batch=b1", "batch=b2", "depth")
    assert data.covariates is not None
    np.testing.assert_array_equal(data.covariates[:, 1], [batch == "b2" for batch in batches])
    assert Dataset.from_anndata(adata, covariates="[bd]*", **OPTIONS).covariate_names == data.covariate_names
    shuffled = Dataset.from_anndata(adata, covariates="depth", shuffle_seed=3, **OPTIONS)
    assert shuffled.covariates is not None
    order = shuffled.covariates[:, 0].astype(int)
    np.testing.assert_array_equal(shuffled.observations[:, 0], counts()[order])
    np.testing.assert_array_equal(shuffled.actions, data.actions[order])  # type: ignore[index]
    assert "the cells are in random order, drawn with the seed 3" in shuffled.notes


def test_covariates_are_those_of_the_training_data() -> None:
    training = Dataset.from_anndata(adata_of(obs={"batch": ["b1", "b2"] * 20}), covariates="batch", **OPTIONS)
    one = Dataset.from_anndata(
        adata_of(obs={"batch": ["b2"] * 40}), covariates="batch", like=training, **OPTIONS
    )
    np.testing.assert_array_equal(align(one, training).covariates, [[0, 1]] * 40)  # type: ignore[arg-type]
    other = Dataset.from_anndata(
        adata_of(obs={"batch": ["b3"] * 40}), covariates="batch", like=training, **OPTIONS
    )
    with pytest.raises(
        DataError, match=r"covariate 'batch' is 'b3' in row 0, on which the model was not trained"
    ):
        align(other, training)
