"""Covariates in CSV and Parquet tables, NPZ and NPY files, and image folders."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from estimation.dataset import Dataset
from estimation.dataset.alignment import align
from estimation.dataset.fingerprint import fingerprint
from estimation.dataset.readers.episodes import cut_episodes, window_rows
from estimation.dataset.readers.raw_data import RawData
from estimation.dataset.readers.roles import roles_of
from estimation.exceptions import DataError
from tests.estimation.table_files import Write, numbers, put
from tests.seeds import training_seed

N = 12
COVARIATES = ["batch", "age"]


def rows(**columns: Any) -> pd.DataFrame:
    """Twelve rows of two observed columns and an action, with a batch, an age and a run."""
    given: dict[str, Any] = {f"x{k}": numbers(N, seed=k) for k in range(2)}
    given |= {"a0": numbers(N, seed=2), "batch": ["b1", "b2", "b10"] * 4, "age": np.linspace(20, 50.5, N)}
    return pd.DataFrame({**given, **columns})


def test_a_table_is_read_like_a_frame(write: Write, tmp_path: Path) -> None:
    frame = rows()
    data = Dataset.read(write(frame, tmp_path), covariates=COVARIATES)
    expected = Dataset.from_arrays(frame[["x0", "x1"]], frame[["a0"]], covariates=frame[COVARIATES])
    assert data.covariate_names == expected.covariate_names == ("batch=b1", "batch=b10", "batch=b2", "age")
    assert data.covariate_categories == expected.covariate_categories == {"batch": ("b1", "b10", "b2")}
    np.testing.assert_allclose(data.covariates, expected.covariates)  # type: ignore[arg-type]
    assert (data.n_actions, data.n_observed, data.notes) == (1, 2, ())
    # one name, a pattern, and columns that no option names are read as before
    assert Dataset.read(write(frame, tmp_path), covariates="age").covariate_names == ("age",)
    assert Dataset.read(write(frame, tmp_path), covariates="b*").n_covariates == 3
    assert Dataset.read(write(frame, tmp_path)).covariates is None


def test_numbers_of_categories(write: Write, tmp_path: Path) -> None:
    path = write(rows(batch=[1, 2, 10] * 4), tmp_path)
    data = Dataset.read(path, covariates="batch")
    assert data.covariate_names == ("batch",)
    assert data.notes == (
        "covariate 'batch' is taken as a number; declare it categorical if it numbers categories",
    )
    data = Dataset.read(path, covariates="batch", categorical="batch")
    assert (data.covariate_names, data.action_names) == (("batch=1", "batch=2", "batch=10"), ("a0",))
    declared = {"batch": ["10", "2", "1", "7"]}
    data = Dataset.read(path, covariates="batch", categorical=declared, allow_constant=True)
    assert data.covariate_names == ("batch=10", "batch=2", "batch=1", "batch=7")


def test_a_column_of_numbers_and_texts_is_one_of_text(tmp_path: Path) -> None:
    rows(age=["30", "31", "3O"] * 4, batch=["true", "false", "True"] * 4).to_csv(tmp_path / "t.csv")
    data = Dataset.read(tmp_path / "t.csv", covariates=COVARIATES)
    assert data.covariate_names == ("batch", "age=30", "age=31", "age=3O")
    assert data.notes == (
        "covariate 'age' is taken as categories, because row 4 (the names are row 1) holds '3O'",
    )


def test_texts_and_categorical_types_of_parquet_are_categories(tmp_path: Path) -> None:
    rows(batch=["1", "2"] * 6, age=pd.Categorical(["3", "4"] * 6)).to_parquet(tmp_path / "t.parquet")
    data = Dataset.read(tmp_path / "t.parquet", covariates=COVARIATES)
    assert data.covariate_names == ("batch=1", "batch=2", "age=3", "age=4")


@pytest.mark.parametrize(
    ("columns", "options", "message"),
    [
        (
            {},
            {"covariates": "donor"},
            r"covariates: no column is called or matches 'donor'; the columns are 'x0'",
        ),
        (
            {},
            {"covariates": "x0"},
            r"column 'x0' is selected for observations and for covariates; select it once",
        ),
        (
            {},
            {"covariates": "age", "latents": "age"},
            r"column 'age' is selected for latents and for covariates",
        ),
        (
            {"batch": ["b1", None, "b2"] * 4},
            {"covariates": "batch"},
            r"column 'batch', row . .* is .*every row needs",
        ),
        ({"age": [1.0, None, 2.0] * 4}, {"covariates": "age"}, r"column 'age', row . .* is (empty|nan)"),
        (
            {"batch": ["b1"] * N},
            {"covariates": "batch"},
            r"covariate batch=b1 is constant; drop it or pass",
        ),
        (
            {"age": [1e60, 2] * 6},
            {"covariates": "age"},
            r"column 'age', row . .* is inf as float32; every cell must",
        ),
        (
            {"age": pd.date_range("2024-01-01", periods=N)},
            {"covariates": "age", "categorical": {"age": ["a"]}},
            r"column 'age', row . .*; the categories are a",
        ),
    ],
)
def test_wrong_covariates_are_refused(
    columns: dict[str, Any], options: dict[str, Any], message: str, write: Write, tmp_path: Path
) -> None:
    path = write(rows(**columns), tmp_path)
    with pytest.raises(DataError, match=rf"{path.name}: {message}"):
        Dataset.read(path, **options)


# like the training data


def test_columns_have_the_covariates_of_the_training_table(write: Write, tmp_path: Path) -> None:
    training = Dataset.read(write(rows(), tmp_path), covariates=COVARIATES)
    other = rows(batch=["b2"] * N)[["age", "batch", "a0", "x1", "x0"]]
    data = Dataset.read(write(other, tmp_path), like=training)
    assert data.covariate_names == training.covariate_names
    np.testing.assert_array_equal(data.covariates[:, :3], [[0, 0, 1]] * N)  # type: ignore[index]
    assert align(data, training) is data
    # an option overrides them
    assert Dataset.read(write(other, tmp_path), like=training, covariates="age").covariate_names == ("age",)
    assert Dataset.read(write(other, tmp_path), like=training, covariates=()).covariates is None


def test_rows_that_hardly_differ_are_read_like_training(write: Write, tmp_path: Path) -> None:
    training = Dataset.read(write(rows(), tmp_path), covariates="age")
    ages = 20 + np.linspace(0, 0.01234567, N)
    data = Dataset.read(write(rows(age=ages), tmp_path), like=training)
    np.testing.assert_array_equal(data.covariates[:, 0], np.float32(ages))  # type: ignore[index]


def test_numbers_stay_the_categories_that_they_were(write: Write, tmp_path: Path) -> None:
    path = write(rows(batch=[1, 2, 3] * 4), tmp_path)
    training = Dataset.read(path, covariates="batch", categorical="batch", actions="a0")
    data = Dataset.read(write(rows(batch=[2] * N), tmp_path), like=training)
    np.testing.assert_array_equal(data.covariates, [[0, 1, 0]] * N)  # type: ignore[arg-type]
    assert (data.action_names, data.notes) == (("a0",), ())


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (
            {"batch": ["b1", "b9", "b2"] * 4},
            r"column 'batch', row [13] .* is 'b9'; the categories are b1, b10, b2$",
        ),
        ({"age": ["old", "1", "2"] * 4}, r"column 'age', row [02] .* is 'old'; it must be a number"),
        (None, r"lacks column 'age' of the training data; the columns are"),
    ],
)
def test_other_covariates_than_in_training_are_refused(
    columns: dict[str, Any] | None, message: str, write: Write, tmp_path: Path
) -> None:
    training = Dataset.read(write(rows(), tmp_path), covariates=COVARIATES)
    path = write(rows().drop(columns="age") if columns is None else rows(**columns), tmp_path)
    with pytest.raises(DataError, match=rf"{path.name}: {message}"):
        Dataset.read(path, like=training)


def test_columns_are_known_from_arrays_and_files_too(write: Write, tmp_path: Path) -> None:
    frame = rows()
    arrays = Dataset.from_arrays(frame[["x0", "x1"]], frame[["a0"]], covariates=frame[COVARIATES])
    arrays.write(tmp_path / "training.npz")
    table = Dataset.read(write(frame, tmp_path), covariates=COVARIATES)
    table.write(tmp_path / "table.npz")
    for training in (arrays, Dataset.read(tmp_path / "training.npz"), Dataset.read(tmp_path / "table.npz")):
        data = Dataset.read(write(frame, tmp_path), like=training)
        assert data.covariate_names == arrays.covariate_names
        np.testing.assert_allclose(data.covariates, arrays.covariates)  # type: ignore[arg-type]


def test_roles_follow_from_the_covariates() -> None:
    frame = rows()
    data = Dataset.from_arrays(frame[["x0", "x1"]], frame[["a0"]], covariates=frame[COVARIATES])
    roles = roles_of(data)
    assert roles is not None
    assert (roles.covariates, roles.covariate_categories) == (
        ("batch", "age"),
        {"batch": ("b1", "b10", "b2")},
    )
    assert "covariates" not in roles.to_dict()


def test_other_covariates_are_other_data(write: Write, tmp_path: Path) -> None:
    path = write(rows(), tmp_path)
    digests = {
        fingerprint(Dataset.read(path, covariates=covariates))
        for covariates in (None, "age", "batch", ["batch", "age"], ["age", "batch"])
    }
    digests.add(
        fingerprint(Dataset.read(write(rows(batch=["b2", "b1", "b10"] * 4), tmp_path), covariates="batch"))
    )
    assert len(digests) == 6


# sequences


def sequences(path: Path, batch: list[str], **options: Any) -> Dataset:
    frame = rows(run=["p"] * 4 + ["q"] * 8, batch=batch)
    frame.iloc[::-1].to_csv(path / "t.csv", index=False)
    return Dataset.read(path / "t.csv", covariates="batch", episode="run", **options)


def test_a_window_has_the_covariates_of_its_episode(tmp_path: Path) -> None:
    data = sequences(tmp_path, ["b1"] * 4 + ["b2"] * 8, window=3)
    assert data.episodes is not None
    np.testing.assert_array_equal(data.covariates[:, 0], data.episodes == 1)  # type: ignore[index]
    assert data.n_samples == 2 + 6


def test_a_covariate_that_changes_within_an_episode_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        DataError,
        match=r"t.csv: covariate 'batch' is 'b3' in row 5 .* and 'b2' in row 6 .* of episode 'q'; covariates are the "
        r"same in all steps of an episode, so let a new one begin there",
    ):
        sequences(tmp_path, ["b1"] * 4 + ["b2"] * 4 + ["b3"] * 4)
    # of single steps, each has its own
    data = sequences(tmp_path, ["b1"] * 4 + ["b2"] * 4 + ["b3"] * 4, window=1)
    assert data.covariates is not None
    assert data.covariates.sum(axis=0).tolist() == [4, 4, 4]


@given(
    codes=st.lists(st.integers(0, 2), min_size=4, max_size=12),
    values=st.lists(st.integers(0, 1), min_size=12, max_size=12),
    window=st.integers(1, 4),
)
def test_windows_of_one_covariate_each_are_accepted(codes: list[int], values: list[int], window: int) -> None:
    c = np.array(values[: len(codes)], dtype=float)[:, np.newaxis]
    raw = RawData(np.arange(float(len(codes)))[:, np.newaxis], covariates=c)
    windows, _, _ = window_rows(np.array(codes), None, window)
    if not len(windows):
        return
    arguments = (raw, np.array(codes), ["p", "q", "r"], None, window, lambda row: f"row {row}")
    if any(len(set(c[rows_of_window, 0])) > 1 for rows_of_window in windows):
        with pytest.raises(
            DataError, match=r"covariate 'c0' is (0|1) in row \d+ and (0|1) in row \d+ of episode"
        ):
            cut_episodes(*arguments)
        return
    np.testing.assert_array_equal(cut_episodes(*arguments).covariates, c[windows[:, 0]])


# other kinds of files


def test_arrays_are_named_in_npz_and_npy_files(tmp_path: Path) -> None:
    x, c = numbers(6, 2), numbers(6, 3, seed=1)
    np.savez(tmp_path / "d.npz", x=x, donors=c, covariates=c[:, :1])
    np.save(tmp_path / "d.npy", x)
    np.save(tmp_path / "c.npy", c)
    assert Dataset.read(tmp_path / "d.npz").n_covariates == 1
    for data in (
        Dataset.read(tmp_path / "d.npz", covariates="donors"),
        Dataset.read(tmp_path / "d.npy", covariates="c.npy"),
    ):
        np.testing.assert_array_equal(data.covariates, c)  # type: ignore[arg-type]
        assert data.covariate_names == ("c0", "c1", "c2")
    with pytest.raises(DataError, match=r"d.npz: has no array 'batch'; it has 'covariates', 'donors', 'x'"):
        Dataset.read(tmp_path / "d.npz", covariates="batch")
    with pytest.raises(DataError, match=r"d.npz: covariates is \['a', 'b'\]; it must be one name"):
        Dataset.read(tmp_path / "d.npz", covariates=["a", "b"])
    with pytest.raises(DataError, match=r"d.npz: perturbation, control is for .h5ad files; leave it out"):
        Dataset.read(tmp_path / "d.npz", perturbation="a", control="b")


def test_an_array_with_one_axis_is_one_covariate(tmp_path: Path) -> None:
    runs = {"x": numbers(6, 2), "run": [0, 0, 0, 1, 1, 1]}
    np.savez(tmp_path / "d.npz", **runs, covariates=[0.5, 0.5, 0.5, 1, 1, 1])
    np.testing.assert_array_equal(
        Dataset.read(tmp_path / "d.npz", episode="run").covariates, [[0.5], [0.5], [1], [1]]
    )
    np.savez(tmp_path / "d.npz", **runs, covariates=numbers(6))
    with pytest.raises(DataError, match=r"covariate 'c0' is .* in row 0 and .* in row 1 of episode"):
        Dataset.read(tmp_path / "d.npz", episode="run")


def test_arrays_of_another_shape_are_refused_with_episodes(tmp_path: Path) -> None:
    np.savez(tmp_path / "d.npz", x=numbers(6, 2), run=[0, 0, 0, 1, 1, 1], covariates=numbers(6, 2, 1))
    with pytest.raises(
        DataError, match=r"covariates have shape \(4, 2, 1\); for these observations they must be"
    ):
        Dataset.read(tmp_path / "d.npz", episode="run")


def test_the_table_of_an_image_folder_may_have_covariates(tmp_path: Path) -> None:
    rng = np.random.default_rng(training_seed())
    for number in range(3):
        Image.fromarray(rng.integers(0, 256, (2, 3), dtype=np.uint8)).save(tmp_path / f"{number}.png")
    put(tmp_path / "t.csv", "image,a0,batch\n0.png,0,b1\n1.png,1,b2\n2.png,2,b1\n")
    data = Dataset.read(tmp_path, covariates="batch")
    np.testing.assert_array_equal(data.covariates, [[1, 0], [0, 1], [1, 0]])  # type: ignore[arg-type]
    assert data.observation_shape == (1, 2, 3)
