"""Covariates of requests: numbers that are categories, further columns, one column, and refusals by name."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import polars
import pyarrow
import pytest
from hypothesis import given
from hypothesis import strategies as st

from estimation.dataset import Dataset
from estimation.dataset.alignment import align
from estimation.dataset.covariate_requests import requested_covariates
from estimation.dataset.covariates import aligned_covariates, covariate_columns
from estimation.exceptions import DataError
from tests.seeds import training_seed

N = 12
NAMES = ("batch=b1", "batch=b2", "age")
KNOWN = {"batch": ("b1", "b2")}
ROWS = pd.DataFrame({"batch": ["b2", "b1"], "age": [40, 50]})
MATRIX = [[0, 1, 40], [1, 0, 50]]


def dataset(covariates: Any) -> Dataset:
    rng = np.random.default_rng(training_seed())
    return Dataset.from_arrays(rng.normal(size=(N, 3)), covariates=covariates)


def requested(values: Any) -> Any:
    return requested_covariates(values, NAMES, KNOWN)


# numbers that are categories


@given(
    numbers=st.one_of(
        st.lists(st.integers(-(2**53), 2**53), min_size=2, unique=True),
        st.lists(st.floats(-1e30, 1e30), min_size=2, unique=True),
        st.just([False, True]),
    )
)
def test_numbers_are_their_categories(numbers: list[Any]) -> None:
    column = pd.Series(pd.Categorical(numbers), name="q")
    values, names, known = covariate_columns(column, None)
    assert names is not None
    for given_again in (pd.Series(numbers, name="q"), column.astype(str)):
        np.testing.assert_array_equal(requested_covariates(given_again, names, known), values)
    for number, row in zip(numbers, values, strict=True):
        for value in (number, str(number)):
            np.testing.assert_array_equal(requested_covariates({"q": value}, names, known), [row])


def test_numbers_in_single_precision_are_categories_too() -> None:
    trained = dataset(pd.DataFrame({"plate": pd.Categorical([1234567, 20240501, 0.1] * 4)}))
    numbers = dataset(pd.DataFrame({"plate": np.float32([1234567, 20240501, 0.1] * 4)}))
    np.testing.assert_array_equal(align(numbers, trained).covariates, trained.covariates)
    single = pd.DataFrame({"plate": np.float32([0.1])})
    again = requested_covariates(single, trained.covariate_names, trained.covariate_categories)
    np.testing.assert_array_equal(again, trained.covariates[2:3])  # type: ignore[index]


def test_numbers_that_single_precision_merges_are_refused() -> None:
    names = ["plate=20240500", "plate=20240501"]
    rows = np.array([[20240500]], dtype=np.float32)
    with pytest.raises(
        DataError, match=r"covariate 'plate' is 20240500 in single precision, which may be any of 2024"
    ):
        aligned_covariates(rows, ["plate"], names, "the model")
    np.testing.assert_array_equal(requested_covariates({"plate": 20240501}, names), [[0, 1]])


def test_an_unknown_number_is_named() -> None:
    names = ["plate=1234567", "plate=1234568"]
    for values in ({"plate": 1234569}, pd.DataFrame({"plate": [1234569]})):
        with pytest.raises(
            DataError, match=r"'plate' is '1234569' in row 0, .* it is one of 1234567, 1234568$"
        ):
            requested_covariates(values, names)
    # also a number that is as good as a category
    with pytest.raises(DataError, match=r"'dose' is '1.0000000000000002' in row 0"):
        requested_covariates({"dose": 1.0000000000000002}, ["dose=1", "dose=2"])
    both = ["dose=0.1", "dose=0.10000000149011612"]
    np.testing.assert_array_equal(requested_covariates({"dose": float(np.float32(0.1))}, both), [[0, 1]])
    with pytest.raises(DataError, match=r"'plate' is '20240500' in row 0"):
        requested_covariates({"plate": 20240500}, ["plate=20240501", "plate=1"])


# columns


@pytest.mark.parametrize("frame", [pd.Series, polars.Series])
def test_categories_that_do_not_occur_are_left_out(frame: Any) -> None:
    kind = (
        polars.Enum(["b3", "b2", "b1"]) if frame is polars.Series else pd.CategoricalDtype(["b3", "b2", "b1"])
    )
    data = dataset(
        frame(name="batch", dtype=kind, **{"values" if frame is polars.Series else "data": ["b1", "b2"] * 6})
    )
    # in the order of the declaration
    assert data.covariate_names == ("batch=b2", "batch=b1")


@pytest.mark.parametrize(
    "further",
    [
        {"note": [np.nan, np.nan]},
        {"note": pd.to_datetime(["2024-01-01", "2024-01-02"])},
        {"note": ["c0", None]},
    ],
)
def test_further_columns_of_frames_are_not_read(further: dict[str, Any]) -> None:
    frame = ROWS.assign(**further)
    for given_frame in (frame, polars.from_pandas(frame), pyarrow.Table.from_pandas(frame)):
        np.testing.assert_array_equal(requested(given_frame), MATRIX)


def test_identifiers_of_rows_are_not_read() -> None:
    many = pd.concat([ROWS] * 600).assign(cell=[f"c{k}" for k in range(1200)])
    np.testing.assert_array_equal(requested(many), MATRIX * 600)


@pytest.mark.parametrize(
    "column",
    [
        pd.Series(range(N)),
        pd.DataFrame(np.arange(N)[:, np.newaxis])[0],
        polars.Series(range(N)),
        np.arange(N),
        list(range(N)),
    ],
    ids=["pandas", "column of pandas", "polars", "array", "list"],
)
def test_one_column_without_a_name_is_one_covariate(column: Any) -> None:
    data = dataset(column)
    assert data.covariate_names == ("c0",)
    np.testing.assert_array_equal(data.covariates, np.arange(N)[:, np.newaxis])
    np.testing.assert_array_equal(requested_covariates(column, ["age"]), data.covariates)


@pytest.mark.parametrize(
    "column",
    [
        pd.Series(["a", "b"] * 6),
        pd.Series([1, 2] * 6, dtype="category"),
        polars.Series(["a", "b"] * 6),
        np.array(["a", "b"] * 6),
        ["a", "b"] * 6,
    ],
)
def test_categories_need_a_name(column: Any) -> None:
    message = "^covariates are texts or categories without names; give a data frame, or a Series with a name"
    with pytest.raises(DataError, match=message):
        dataset(column)
    with pytest.raises(DataError, match=message):
        requested(column)


# refusals


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"batch": "b1", "age": 50, "foo": 3}, "without a covariate 'foo'; its covariates are batch, age$"),
        ({"batch": "b1", "age": 50, "foo": "x"}, "without a covariate 'foo'; its covariates are batch, age$"),
        (
            {"batch": "b1", "batch=b2": 1, "age": 40},
            "covariates give 'batch', and 'batch=b2' too; leave one out",
        ),
        (ROWS.assign(**{"batch=b2": 1}), "covariates give 'batch', and 'batch=b2' too; leave one out"),
        (
            {"batch": ["b1", "b2"], "age": 40},
            r"covariate 'batch' is \['b1', 'b2'\]; a mapping gives one value",
        ),
        ({"batch": None, "age": 40}, "covariate 'batch' is empty"),
        ({"batch": "b1", "age": "old"}, "the covariate 'age' as a number; it was given as 'old'"),
        ({"batch": "b1"}, "trained with the covariates age, which the data lack"),
        ({}, "covariates are an empty mapping; this model needs batch, age$"),
        (
            ROWS[["age"]].rename(columns={"age": "weight"}),
            "have the columns weight; this model needs batch, age$",
        ),
    ],
)
def test_nothing_in_a_request_is_dropped(values: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        requested(values)


def test_a_mapping_is_no_training_data() -> None:
    with pytest.raises(
        DataError, match="covariates are a mapping, which is one row of a request; give an array"
    ):
        dataset({"age": list(range(N))})
