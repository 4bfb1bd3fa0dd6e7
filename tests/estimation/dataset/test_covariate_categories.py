"""Categories of covariates are told from numbers with similar names, in arrays, frames, files and requests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from estimation.dataset import Dataset
from estimation.dataset.alignment import align
from estimation.dataset.covariate_categories import (
    categories_of,
    covariate_columns_of,
    found_categories,
    stored_categories,
)
from estimation.dataset.covariate_requests import requested_covariates
from estimation.dataset.covariates import aligned_covariates
from estimation.dataset.rows import dataset_of_rows
from estimation.exceptions import DataError
from tests.seeds import training_seed

N = 12
DOSES = np.linspace(0.1, 2.3, N)


def dataset(covariates: Any, names: list[str] | None = None, **options: Any) -> Dataset:
    rng = np.random.default_rng(training_seed())
    return Dataset.from_arrays(
        rng.normal(size=(N, 3)),
        rng.normal(size=(N, 2)),
        covariates=covariates,
        covariate_names=names,
        **options,
    )


@given(codes=st.lists(st.integers(0, 2), min_size=1, max_size=9), data=st.data())
def test_indicators_are_categories_whatever_stands_between_them(
    codes: list[int], data: st.DataObject
) -> None:
    columns = {f"batch=b{k}": [float(code == k) for code in codes] for k in range(3)}
    columns |= {"age": [0.5] * len(codes), "dose=high": [0.5] * len(codes)}
    names = data.draw(st.permutations(sorted(columns)))
    found = found_categories(np.array([columns[name] for name in names]).T, names)
    assert {column: sorted(known) for column, known in found.items()} == {"batch": ["b0", "b1", "b2"]}
    assert set(covariate_columns_of(names, found)) == {"batch", "age", "dose=high"}


@pytest.mark.parametrize(
    ("names", "values"),
    [
        (["dose=high", "dose=low"], [[0.5, 0.0], [1.0, 1.0]]),
        (["dose=high", "dose=low"], [[1, 1], [1, 0]]),
        (["dose=high", "dose=low"], [[1, 0], [0, 0]]),
        (["dose=high"], [[1], [0]]),
        (["=high", "=low"], [[1, 0], [0, 1]]),
    ],
)
def test_other_columns_are_numbers(names: list[str], values: list[list[float]]) -> None:
    assert found_categories(np.array(values), names) == {}


def test_a_frame_says_what_its_categories_are() -> None:
    frame = pd.DataFrame({"a=b": ["c", "d=e"] * 6, "a": ["x", "y", "z"] * 4, "dose=high": DOSES})
    data = dataset(frame)
    assert data.covariate_categories == {"a=b": ("c", "d=e"), "a": ("x", "y", "z")}
    assert covariate_columns_of(data.covariate_names, data.covariate_categories) == ("a=b", "a", "dose=high")
    # frames of dummies, as they were read before
    dummies = pd.get_dummies(frame[["a"]], prefix_sep="=")
    assert dataset(dummies).covariate_categories == {"a": ("x", "y", "z")}


def test_a_number_with_an_equals_sign_is_required_by_name() -> None:
    trained = dataset(np.stack([DOSES, np.arange(N)], 1), ["dose=high", "age"])
    assert trained.covariate_categories == {}
    other = dataset(np.stack([DOSES, np.arange(N)], 1), ["dose=low", "age"])
    with pytest.raises(
        DataError, match=r"trained with the covariates dose=high, which the data lack; give them"
    ):
        align(other, trained)
    both = dataset(np.stack([DOSES, np.arange(N), DOSES[::-1]], 1), ["dose=low", "age", "dose=high"])
    np.testing.assert_allclose(align(both, trained).covariates, np.stack([DOSES[::-1], np.arange(N)], 1))


def test_a_number_may_be_called_like_a_category_of_another_column() -> None:
    frame = pd.DataFrame({"dose": ["low", "none"] * 6, "dose=high": DOSES})
    trained = dataset(frame)
    assert align(dataset(frame), trained).covariates is not None
    np.testing.assert_array_equal(
        align(dataset(frame[["dose=high", "dose"]]), trained).covariates, trained.covariates
    )
    with pytest.raises(DataError, match=r"covariate 'dose' is 'mid' in row 0, .* it is one of low, none"):
        align(dataset(frame.replace("low", "mid")), trained)


def test_text_in_place_of_a_number_is_named() -> None:
    trained = dataset(pd.DataFrame({"age": DOSES}))
    with pytest.raises(
        DataError, match=r"trained with the covariate 'age' as a number; in the data it is 'new', 'old'$"
    ):
        align(dataset(pd.DataFrame({"age": ["old", "new"] * 6})), trained)
    with pytest.raises(DataError, match=r"this model was trained with the covariate 'age' as a number"):
        requested_covariates({"age": "old"}, trained.covariate_names, trained.covariate_categories)


def test_requests_distinguish_them_too() -> None:
    names, known = ["dose=high", "batch=a", "batch=b"], {"batch": ("a", "b")}
    assert requested_covariates({"dose=high": 3, "batch": "b"}, names, known).tolist() == [[3, 0, 1]]  # type: ignore[union-attr]
    for request in ({"dose": "high", "batch": "b"}, pd.DataFrame({"dose": ["high"], "batch": ["b"]})):
        with pytest.raises(
            DataError, match=r"covariate 'dose=high' as a number; it was given as a category of 'dose'$"
        ):
            requested_covariates(request, names, known)
    # without stored categories, as for models of earlier versions, the names decide
    assert requested_covariates({"dose": "high", "batch": "b"}, names).tolist() == [[1, 0, 1]]  # type: ignore[union-attr]


def test_a_file_keeps_the_categories(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {"dose=high": [0.0, 1.0] * 6, "dose=low": [1.0, 0.0] * 6, "batch": ["a", "b", "c"] * 4}
    )
    given = {"batch": ("a", "b", "c")}
    data = dataset(frame)
    # two columns that look like indicators, of a frame too
    assert data.covariate_categories == {**given, "dose": ("high", "low")}
    data.write(tmp_path / "data.npz")
    assert Dataset.read(tmp_path / "data.npz").covariate_categories == data.covariate_categories
    numbers = dataset(frame.drop(columns="dose=low"))
    numbers.write(tmp_path / "numbers.npz")
    assert Dataset.read(tmp_path / "numbers.npz").covariate_categories == given


def test_a_file_of_another_program_is_read_by_names_and_values(tmp_path: Path) -> None:
    rng = np.random.default_rng(training_seed(1))
    np.savez(
        tmp_path / "data.npz",
        observations=rng.normal(size=(4, 2)),
        covariates=[[1, 0, 0.2], [0, 1, 0.3], [1, 0, 0.4], [0, 1, 0.5]],
        covariate_names=["batch=a", "batch=b", "dose=high"],
    )
    assert Dataset.read(tmp_path / "data.npz").covariate_categories == {"batch": ("a", "b")}


def test_categories_without_a_column_are_left_out() -> None:
    assert categories_of(["age"], {"batch": ("a",)}) == {}
    rows = np.ones((1, 1), dtype=np.float32)
    assert aligned_covariates(rows, ["age"], ["age"], "the model", {"batch": ("a",)}).tolist() == [[1]]  # type: ignore[union-attr]


@pytest.mark.parametrize("content", [3, {"batch": "a"}, {"batch": [1]}])
def test_damaged_categories_are_refused(content: object) -> None:
    with pytest.raises(
        DataError, match="covariate_categories are damaged; they must be a list of texts for each"
    ):
        stored_categories(content)


def test_declared_categories_without_rows_are_left_out_with_a_note() -> None:
    batch = pd.Categorical(["a", "b"] * 10, categories=["a", "b", "c", "d"])
    frame = pd.DataFrame({"batch": batch, "site": pd.Categorical(["x", "y"] * 10)})
    x, actions = np.random.default_rng(training_seed(0)).normal(size=(20, 3)), np.eye(2)[np.arange(20) % 2]
    note = "covariate 'batch' declares categories that no row has, which are left out: c, d"
    for covariates in (frame, frame["batch"]):
        data = Dataset.from_arrays(x, actions, covariates=covariates)
        assert data.notes == (note,)
        assert data.covariate_names[:2] == ("batch=a", "batch=b")
    rows = dataset_of_rows(x, (), actions, None, "independent", False, frame)
    assert note in rows.notes
    sequence = dataset_of_rows(
        x, (), actions, None, "sequence", True, pd.DataFrame({"batch": batch[[0] * 20]})
    )
    assert any("left out: b, c, d" in text for text in sequence.notes)


def test_white_space_around_names_of_covariates() -> None:
    x, ages = np.random.default_rng(training_seed(0)).normal(size=(20, 3)), np.arange(20.0)
    data = Dataset.from_arrays(x, np.eye(2)[np.arange(20) % 2], covariates=pd.DataFrame({" age ": ages}))
    assert data.covariate_names == ("age",)
