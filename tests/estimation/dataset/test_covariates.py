"""Covariates: read from arrays, frames and files, kept with their rows, and matched by name."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from estimation.dataset import Dataset
from estimation.dataset.alignment import align
from estimation.dataset.covariate_requests import requested_covariates
from estimation.dataset.covariates import aligned_covariates, covariate_columns, repeated_covariates
from estimation.dataset.fingerprint import fingerprint
from estimation.exceptions import DataError
from tests.seeds import training_seed

N = 12


def dataset(n_steps: int = 1, **changes: object) -> Dataset:
    rng = np.random.default_rng(training_seed(0))
    given = {"covariates": np.arange(2.0 * N).reshape(N, 2), "covariate_names": ["age", "depth"], **changes}
    return Dataset.from_arrays(rng.normal(size=(N, n_steps, 3)), rng.normal(size=(N, 2)), **given)


def test_rows_keep_their_covariates() -> None:
    data = dataset()
    order = np.random.default_rng(training_seed(1)).permutation(N)
    np.testing.assert_array_equal(data.take(order).covariates, data.covariates[order])
    parts = data.split((0.5, 0.5), seed=training_seed(3))
    whole = np.concatenate([part.covariates for part in parts])
    np.testing.assert_array_equal(np.sort(whole, axis=0), data.covariates)
    sequences = dataset(4)
    windows = sequences.windows(2)
    np.testing.assert_array_equal(windows.covariates, np.repeat(sequences.covariates, 3, axis=0))
    assert repr(data) == "Dataset(12 samples, 1 step, 3 observed, 2 actions, 2 covariates)"


def test_files_keep_them(tmp_path: Path) -> None:
    data = dataset()
    data.write(tmp_path / "data.npz")
    again = Dataset.read(tmp_path / "data.npz")
    np.testing.assert_array_equal(again.covariates, data.covariates)
    assert again.covariate_names == data.covariate_names
    assert fingerprint(again) == fingerprint(data)
    assert fingerprint(replace(data, covariates=None, covariate_names=())) != fingerprint(data)
    # a file that another program wrote
    np.savez(tmp_path / "plain.npz", observations=data.observations, covariates=data.covariates)
    plain = Dataset.read(tmp_path / "plain.npz")
    np.testing.assert_array_equal(plain.covariates, data.covariates)
    assert plain.covariate_names == ("c0", "c1")


def test_episodes_keep_them(tmp_path: Path) -> None:
    np.savez(
        tmp_path / "rows.npz",
        observations=np.random.default_rng(training_seed(0)).normal(size=(6, 2)),
        covariates=np.array([[0.0], [0], [0], [1], [1], [1]]),
        run=np.array([0, 0, 0, 1, 1, 1]),
    )
    data = Dataset.read(tmp_path / "rows.npz", episode="run", window=2)
    np.testing.assert_array_equal(data.covariates[:, 0], data.episodes)


@pytest.mark.parametrize(
    "column",
    [
        pd.Series(["b1", "b2", "b1"]),
        pd.Series(["1", "2", "1"]),
        pd.Series([1, 2, 1]).astype("category"),
        pd.Series(["1", "2", "1"]).astype("category"),
    ],
)
def test_text_and_categories_become_indicators(column: pd.Series) -> None:
    values, names, _ = covariate_columns(pd.DataFrame({"batch": column, "age": [30, 40, 50]}), None)
    first, second = (str(value) for value in sorted(set(column)))
    assert names == (f"batch={first}", f"batch={second}", "age")
    np.testing.assert_array_equal(values, [[1, 0, 30], [0, 1, 40], [1, 0, 50]])


def test_a_column_of_a_frame_is_a_frame_of_one_column() -> None:
    series = pd.Series(["b1", "b2"], name="batch")
    assert covariate_columns(series, None)[1] == ("batch=b1", "batch=b2")


def test_numbers_stay_numbers() -> None:
    values, names, _ = covariate_columns(pd.DataFrame({"batch": [1, 2, 1]}), None)
    assert names == ("batch",)
    np.testing.assert_array_equal(values, [[1], [2], [1]])


@given(st.permutations(["age", "batch=a", "batch=b", "unused"]))
def test_columns_are_matched_by_name_in_any_order(names: list[str]) -> None:
    rows = np.arange(8.0, dtype=np.float32).reshape(2, 4)
    trained = ["batch=b", "age", "batch=a"]
    result = aligned_covariates(rows, names, trained, "the model")
    np.testing.assert_array_equal(result, rows[:, [names.index(name) for name in trained]])


def test_numbers_are_the_categories_of_the_training_data() -> None:
    trained = ["batch=1", "batch=2", "batch=b3"]
    for values in ({"batch": [2, 1]}, {"batch": ["2", "1"]}):
        np.testing.assert_array_equal(
            requested_covariates(pd.DataFrame(values), trained), [[0, 1, 0], [1, 0, 0]]
        )
    np.testing.assert_array_equal(requested_covariates({"batch": "b3"}, trained), [[0, 0, 1]])
    np.testing.assert_array_equal(requested_covariates({"batch": 2}, trained), [[0, 1, 0]])


def test_a_few_rows_that_hardly_differ_are_requests_too() -> None:
    ages = [[20.0], [20.13377926], [20.26755853]]
    np.testing.assert_array_equal(requested_covariates(ages, ["age"]), np.float32(ages))
    np.testing.assert_array_equal(
        requested_covariates(pd.DataFrame(ages, columns=["age"]), ["age"]), np.float32(ages)
    )


def test_a_category_that_does_not_occur_is_zero() -> None:
    trained = dataset(covariates=np.eye(3)[np.arange(N) % 3], covariate_names=["b=x", "b=y", "b=z"])
    other = dataset(covariates=np.eye(2)[np.arange(N) % 2], covariate_names=["b=z", "b=x"])
    aligned = align(other, trained)
    assert aligned.covariate_names == trained.covariate_names
    np.testing.assert_array_equal(aligned.covariates[:2], [[0, 0, 1], [1, 0, 0]])


def test_further_covariates_are_left_out() -> None:
    plain = dataset(covariates=None, covariate_names=None)
    aligned = align(dataset(), plain)
    assert aligned.covariates is None
    assert aligned.covariate_names == ()


def test_one_row_is_repeated_for_all_rows_and_steps() -> None:
    np.testing.assert_array_equal(repeated_covariates(np.array([[1.0], [2]]), 2, 2, "x")[:, 0], [1, 1, 2, 2])
    np.testing.assert_array_equal(repeated_covariates(np.array([[3.0]]), 2, 2, "x")[:, 0], [3, 3, 3, 3])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"covariates": np.ones((3, 2))}, r"covariates have shape \(3, 2\); .* must be \(12, d_c\)"),
        ({"covariates": np.ones((N, 2, 1))}, r"covariates have shape \(12, 2, 1\); .* must be \(12, d_c\)"),
        ({"covariates": np.eye(N, 2) + np.nan}, r"covariates\[0, 0\] is nan"),
        ({"covariates": np.ones((N, 2))}, r"^covariates age, depth are constant; drop them or pass"),
        (
            {"covariates": np.stack([np.ones(N), np.arange(N)], 1)},
            r"^covariate age is constant; drop it or pass allow_constant=True",
        ),
        ({"covariate_names": ["age"]}, r"1 covariate names for 2 columns of covariates"),
        ({"covariate_names": ["age", "age"]}, r"covariate_names: .*age"),
        ({"covariates": None}, r"covariate_names are given \(age, depth\), but there are no covariates"),
        (
            {"covariates": np.stack([1.7e9 + np.linspace(0, 50, N), np.arange(N)], 1)},
            r"covariate 'age' varies by 16 around 1.7e\+09, too little for single precision, like a time",
        ),
    ],
)
def test_wrong_covariates_are_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(DataError, match=message):
        dataset(**changes)


def test_a_temperature_in_kelvin_varies_enough() -> None:
    kelvin = np.stack([293 + np.linspace(0, 0.1, N), np.arange(N)], 1)
    data = dataset(covariates=kelvin)
    assert data.covariates is not None
    assert data.covariates.dtype == np.float32
    np.testing.assert_allclose(data.covariates, kelvin, rtol=1e-6)
    constant = dataset(covariates=np.stack([np.full(N, 293.1), np.arange(N)], 1), allow_constant=True)
    assert constant.covariates is not None


def test_wrong_requests_are_refused() -> None:
    trained = ["batch=a", "batch=b", "age"]
    with pytest.raises(
        DataError, match=r"the model was trained with the covariates age, which the data lack"
    ):
        aligned_covariates(np.ones((1, 2), dtype=np.float32), ["batch=a", "batch=b"], trained, "the model")
    with pytest.raises(
        DataError, match=r"covariate 'batch' is 'c' in row 1, on which the model was not trained"
    ):
        aligned_covariates(
            np.array([[0, 1], [1, 1]], dtype=np.float32), ["batch=c", "age"], trained, "the model"
        )
    with pytest.raises(
        DataError, match=r"0 covariate names for 2 columns of covariates; give covariate_names"
    ):
        replace(dataset(), covariate_names=())
    with pytest.raises(
        DataError, match=r"covariates have 3 rows, and latents have 4; give one each, or one for all"
    ):
        repeated_covariates(np.ones((3, 1)), 4, 1, "latents")
