"""CSV and Parquet tables read alike; errors are one line with the position."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from estimation.dataset import Dataset
from estimation.exceptions import DataError
from tests.estimation.table_files import Write, numbers, patients, put

# --- tables ---------------------------------------------------------------------------------------------------------


def test_a_table_is_the_same_in_every_format(write: Write, tmp_path: Path) -> None:
    x, a, z = numbers(7, 12), numbers(7, 2, seed=1), numbers(7, 3, seed=2)
    frame = pd.DataFrame(np.hstack([a, x, z]).astype(float))
    frame.columns = pd.Index([f"a{i}" for i in range(2)] + [f"x{i}" for i in range(12)] + ["z0", "z1", "z2"])
    frame["comment"] = ["", *"abcdef"]
    data = Dataset.read(write(frame, tmp_path))
    np.testing.assert_array_equal(data.observations[:, 0], x)
    np.testing.assert_array_equal(data.actions, a)  # type: ignore[arg-type]
    np.testing.assert_array_equal(data.latents, z[:, None])  # type: ignore[arg-type]
    assert (data.name, data.action_names, data.episodes) == ("t", ("a0", "a1"), None)


def test_columns_by_name_and_pattern(write: Write, tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {"b[1]": [1.0, 2], "p2": [3.0, 4], "p1": [5.0, 6], "flag": [True, False], "n": [2, 3]}
    )
    data = Dataset.read(write(frame, tmp_path), observations=["p1", "p*", "b[1]"], actions=["flag", "n"])
    np.testing.assert_array_equal(data.observations[:, 0], [[5, 3, 1], [6, 4, 2]])
    np.testing.assert_array_equal(data.actions, [[1, 2], [0, 3]])  # type: ignore[arg-type]
    assert data.action_names == ("flag", "n")


def test_no_actions_when_an_empty_list_is_given(write: Write, tmp_path: Path) -> None:
    frame = pd.DataFrame({"x0": [1.0, 2], "a0": [3.0, 4]})
    assert Dataset.read(write(frame, tmp_path)).n_actions == 1
    assert Dataset.read(write(frame, tmp_path), actions=[]).n_actions == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"observations": "y*"},
            "observations: no column is called or matches 'y[*]'; the columns are 'x0', 'x1', 'dose'",
        ),
        ({"actions": ["dose", "b?"]}, "actions: no column is called or matches 'b[?]'"),
        ({"latents": "z*"}, "latents: no column"),
        ({"categorical": "colour"}, "categorical: no column is called or matches 'colour'"),
        ({"episode": "patient"}, "episode: no column is called or matches 'patient'"),
        ({"time": "w[h]o"}, "time: no column"),
        ({"images": "picture"}, "images: no column is called or matches 'picture'"),
        ({"actions": "x*"}, "column 'x0' is selected for observations and for actions; select it once"),
        (
            {"observations": "*", "episode": "who"},
            "column 'who' is selected for observations and for episode",
        ),
        (
            {"observations": "x0", "images": "drug"},
            "observations and images are both given; with images, these are what is obs",
        ),
        (
            {"actions": "drug"},
            r"column 'drug', row (2 \(the names are row 1\)|0 \(counted from 0\)) is 'b'; it must",
        ),
        (
            {"categorical": {"drug": ["a", "b"]}},
            r"column 'drug', row [35] .* is 'none'; the categories are a, b$",
        ),
        (
            {"categorical": {"drug": ["a", "a", "b"]}},
            "column 'drug': the declared categories repeat: a, a, b",
        ),
    ],
)
def test_invalid_columns(options: dict[str, Any], message: str, write: Write, tmp_path: Path) -> None:
    path = write(patients(), tmp_path)
    with pytest.raises(DataError, match=rf"{path.name}: {message}"):
        Dataset.read(path, **options)


def test_a_table_without_default_names(write: Write, tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match=r"observations \(name them\): no column .* 'x\[0-9\]\*'; the columns are 'gene'$"
    ):
        Dataset.read(write(pd.DataFrame({"gene": [1.0, 2]}), tmp_path))


@pytest.mark.parametrize(
    ("cells", "what"),
    [
        (["1", "two"], "'two'; it must be a number"),
        (["1", "2,5"], r"'2,5'; it must be a number \(with a point, not a comma\)"),
        (["1", "1_0"], "'1_0'; it must be a number"),
        (["1", "inf"], "inf as float32; every cell must be a finite number"),
        (["1", "1e60"], "inf as float32"),
    ],
)
def test_a_bad_cell_is_named(cells: list[str | None], what: str, write: Write, tmp_path: Path) -> None:
    frame = pd.DataFrame({"x0": ["5", *cells], "x1": [1.0, 2, 3]})
    path = write(frame, tmp_path)
    row = r"row 4 \(the names are row 1\)" if path.suffix == ".csv" else r"row 2 \(counted from 0\)"
    with pytest.raises(DataError, match=rf"{path.name}: column 'x0', {row} is {what}"):
        Dataset.read(path)


def test_text_that_is_numbers(write: Write, tmp_path: Path) -> None:
    frame = pd.DataFrame({"x0": [" 1.5", "-2e1", "3 "], "x1": ["true", "False", "TRUE"]})
    data = Dataset.read(write(frame, tmp_path))
    np.testing.assert_array_equal(data.observations[:, 0], [[1.5, 1], [-20, 0], [3, 1]])


@pytest.mark.parametrize("missing", [None, np.nan])
def test_a_missing_number_in_parquet(missing: float | None, tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.table({"x0": pa.array([1.0, missing, 2.0], from_pandas=False)}), tmp_path / "d.parquet")
    table = pa.table({"x0": [0.5, 1.5, 2.5], "a0": pa.array([1.0, missing, 2.0], from_pandas=False)})
    pq.write_table(table, tmp_path / "a.parquet")
    with pytest.raises(DataError, match=r"column 'a0', row 1 \(counted from 0\) is (empty|nan)"):
        Dataset.read(tmp_path / "a.parquet")
    np.testing.assert_array_equal(Dataset.read(tmp_path / "d.parquet").observations.ravel(), [1, np.nan, 2])


@pytest.mark.parametrize(
    ("values", "kind"),
    [(pd.to_datetime(["2024-01-01", "2024-01-02"]), "timestamp"), ([[1.0], [2.0]], "list")],
)
def test_columns_of_parquet_that_hold_no_numbers(values: Any, kind: str, tmp_path: Path) -> None:
    pd.DataFrame({"x0": values}).to_parquet(tmp_path / "d.parquet")
    with pytest.raises(DataError, match=rf"d.parquet: column 'x0' holds {kind}.*; it must hold numbers"):
        Dataset.read(tmp_path / "d.parquet")


def test_many_kinds_of_numbers_in_parquet(tmp_path: Path) -> None:
    import decimal

    frame = pd.DataFrame(
        {"x0": pd.array([1, 2], "uint8"), "x1": [decimal.Decimal("0.5"), decimal.Decimal("1.5")]}
    )
    frame["x2"], frame["x3"] = pd.Categorical(["7", "8"]), np.array([2**53, 3], "int64")
    frame.to_parquet(tmp_path / "d.parquet")
    data = Dataset.read(tmp_path / "d.parquet")
    np.testing.assert_array_equal(data.observations[:, 0], np.array([[1, 0.5, 7, 2**53], [2, 1.5, 8, 3]]))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is not a CSV table in UTF-8: Empty CSV file"),
        (b"x0,x1\n", "has no rows below the names of the columns"),
        (b"x0,x1\n1,2\n3,4,5\n", "is not a CSV table in UTF-8: .*Row #3: Expected 2 columns, got 3: 3,4,5"),
        (b"x0,x1\n1,2\n3\n", "Row #3: Expected 2 columns, got 1"),
        (b"x0,x0\n1,2\n", "two columns are named 'x0'; names must be unique"),
        (b"x0,\n1,2\n", "column 1 has no name; the first row must name every column"),
        (
            b"0.5,1.5,2,3,4\n1,2,3,4,5\n",
            "the first row is 0.5, 1.5, 2 and 2 more; it must be the names of the columns",
        ),
        (b"x0,x1\n1,\xff\n", "is not a CSV table in UTF-8"),
        (b"x0;x1\n1;2\n", "column 'x0;x1', row 2 .* is '1;2'; it must be a number"),
        (b'x0,x1\n"1,2\n', "is not a CSV table in UTF-8"),
        (b"x0\n1\n1\n", "every observed column is constant"),
        (b"x0,x1\n1,5\n1,6\n", "observed column 0 is constant"),
        (b"x0,a0\n1,5\n2,5\n", "action column a0 is constant"),
    ],
)
def test_invalid_csv_files(content: bytes, message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=rf"d.csv: .*{message}|d.csv: {message}") as caught:
        Dataset.read(put(tmp_path / "d.csv", content))
    assert "\n" not in str(caught.value)


def test_constant_columns_may_be_allowed(tmp_path: Path) -> None:
    path = put(tmp_path / "d.csv", "x0,x1\n1,5\n1,6\n")
    assert Dataset.read(path, allow_constant=True).n_observed == 2


def test_csv_as_spreadsheets_write_it(tmp_path: Path) -> None:
    path = put(tmp_path / "d.csv", b'\xef\xbb\xbfx0,"note, long",x1\r\n1,"two\r\nlines",2\r\n3,,4\r\n\r\n')
    np.testing.assert_array_equal(Dataset.read(path).observations[:, 0], [[1, 2], [3, 4]])


@pytest.mark.parametrize("content", [b"", b"PAR1rubbish", b"x0\n1\n"])
def test_invalid_parquet_files(content: bytes, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"d.parquet: is not a Parquet table: ") as caught:
        Dataset.read(put(tmp_path / "d.parquet", content))
    assert "\n" not in str(caught.value)


def test_a_damaged_column_of_parquet(tmp_path: Path) -> None:
    pd.DataFrame({"x0": np.arange(1000.0)}).to_parquet(tmp_path / "d.parquet", compression="zstd")
    content = bytearray((tmp_path / "d.parquet").read_bytes())
    content[40:400] = bytes(360)
    with pytest.raises(DataError, match=r"d.parquet: is not a Parquet table: "):
        Dataset.read(put(tmp_path / "d.parquet", bytes(content)))


def test_a_missing_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path / "d.csv", "x0\n1\n2\n")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(
        DataError, match=r"a table needs the package pyarrow; install mechsparse\[estimation\]"
    ):
        Dataset.read(tmp_path / "d.csv")


# --- categories -----------------------------------------------------------------------------------------------------


def test_a_categorical_action_becomes_a_column_per_value(write: Write, tmp_path: Path) -> None:
    data = Dataset.read(write(patients(), tmp_path), actions=["d*"], categorical="drug", time=None)
    # 'day' matches as well
    assert data.action_names == ("dose", "drug=a", "drug=b", "drug=none", "day")
    assert data.actions is not None
    np.testing.assert_array_equal(data.actions[:, 1:4].argmax(1), [1, 0, 0, 2, 1, 1])
    np.testing.assert_array_equal(data.actions[:, 1:4].sum(1), 1)


def test_a_categorical_column_is_an_action_by_itself(write: Write, tmp_path: Path) -> None:
    data = Dataset.read(write(patients(), tmp_path), categorical={"drug": ["b", "a", "none"]})
    assert data.action_names == ("drug=b", "drug=a", "drug=none")


def test_two_files_get_the_same_columns_from_declared_categories(write: Write, tmp_path: Path) -> None:
    frame, kinds = patients(), {"drug": ["none", "a", "b"]}
    train = Dataset.read(write(frame[frame.drug != "none"], tmp_path), categorical=kinds, allow_constant=True)
    test = Dataset.read(write(frame, tmp_path), categorical=kinds)
    with pytest.raises(
        DataError, match="action 'drug=none' is 1 in row 3, a value that doesn't occur in training"
    ):
        train.check_actions_seen(test)


def test_numbers_as_categories_are_sorted_as_numbers(write: Write, tmp_path: Path) -> None:
    frame = pd.DataFrame({"x0": [1.0, 2, 3], "plate": [10, 9, 100]})
    data = Dataset.read(write(frame, tmp_path), categorical="plate")
    assert data.action_names == ("plate=9", "plate=10", "plate=100")


def test_categories_of_pandas(tmp_path: Path) -> None:
    frame = pd.DataFrame({"x0": [1.0, 2, 3]})
    frame["drug"] = pd.Categorical(["b", "a", "b"], categories=["never", "b", "a"])
    frame.to_parquet(tmp_path / "d.parquet")
    assert Dataset.read(tmp_path / "d.parquet", categorical="drug").action_names == ("drug=a", "drug=b")


def test_a_category_that_is_empty(write: Write, tmp_path: Path) -> None:
    frame = pd.DataFrame({"x0": [1.0, 2, 3], "drug": ["a", None, "b"]})
    with pytest.raises(DataError, match=r"column 'drug', row (3|1) .* is empty; every row needs a value"):
        Dataset.read(write(frame, tmp_path), categorical="drug")


def test_too_many_categories(write: Write, tmp_path: Path) -> None:
    frame = pd.DataFrame({"x0": np.arange(1001.0), "dose": np.arange(1001) / 7})
    with pytest.raises(
        DataError, match=r"column 'dose' has 1001 categories; the limit is 1000. Is it a number"
    ):
        Dataset.read(write(frame, tmp_path), categorical="dose")
