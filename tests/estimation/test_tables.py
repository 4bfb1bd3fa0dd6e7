"""Files of a person's own data: every kind says the same, and whatever is wrong is a line with the place."""

from __future__ import annotations

import errno
import io
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from estimation.dataset import Dataset
from estimation.exceptions import DataError
from estimation.tables.episodes import window_rows
from estimation.tables.images import read_images
from estimation.tables.numpy_files import read_npz
from estimation.tables.parts import parsing
from identify.exceptions import FileAccessError


def numbers(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def put(path: Path, text: str | bytes) -> Path:
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def patients() -> pd.DataFrame:
    """Three patients whose rows are mixed up; 'c' has one visit only."""
    return pd.DataFrame(
        {
            "x0": [10.0, 0.0, 11.0, 1.0, 20.0, 2.0],
            "x1": [5.0, 6.0, 7.0, 8.0, 9.0, 4.0],
            "dose": [0.5, 0.1, 0.6, 0.2, 0.9, 0.3],
            "drug": ["b", "a", "a", "None", "b", "b"],
            "who": ["q", "p", "q", "p", "c", "p"],
            "day": [0, 9, 3, 10, 0, 11],
        }
    )


WRITERS: dict[str, Callable[[pd.DataFrame, Path], Path]] = {
    "csv": lambda frame, folder: (frame.to_csv(folder / "t.csv", index=False), folder / "t.csv")[1],
    "parquet": lambda frame, folder: (frame.to_parquet(folder / "t.parquet"), folder / "t.parquet")[1],
}


@pytest.fixture(params=list(WRITERS))
def write(request: pytest.FixtureRequest) -> Callable[[pd.DataFrame, Path], Path]:
    return WRITERS[request.param]


Write = Callable[[pd.DataFrame, Path], Path]


# --- arrays ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("names", [("x", "a", "z"), ("observations", "actions", "latents")])
def test_a_plain_npz(names: tuple[str, str, str], tmp_path: Path) -> None:
    x, a, z = numbers(5, 2, 3), numbers(5, 2), numbers(5, 2, 4)
    np.savez(tmp_path / "own.npz", **dict(zip(names, (x, a, z), strict=True)))
    data = Dataset.read(tmp_path / "own.npz")
    np.testing.assert_array_equal(data.observations, x)
    np.testing.assert_array_equal(data.actions, a)  # type: ignore[arg-type]
    np.testing.assert_array_equal(data.latents, z)  # type: ignore[arg-type]
    assert data.name == "own"


def test_arrays_by_their_names(tmp_path: Path) -> None:
    np.savez(tmp_path / "d.npz", x=numbers(5, 3), genes=numbers(5, 4, seed=1), dose=numbers(5, 1))
    data = Dataset.read(str(tmp_path / "d.npz"), observations="genes", actions="dose")
    assert (data.n_observed, data.n_actions) == (4, 1)
    with pytest.raises(DataError, match=r"d.npz: has no array 'gene'; it has 'dose', 'genes', 'x'$"):
        Dataset.read(tmp_path / "d.npz", observations="gene")
    with pytest.raises(DataError, match=r"observations is \['x', 'genes'\]; it must be one name"):
        Dataset.read(tmp_path / "d.npz", observations=["x", "genes"])


def test_an_npy_in_memory_and_on_disk(tmp_path: Path) -> None:
    x, a, z = numbers(5, 2, 3), numbers(5, 2), numbers(5, 2, 4)
    for name, array in (("x", x), ("a", a), ("z", z), ("wide", x.astype(float))):
        np.save(tmp_path / f"{name}.npy", array)
    read = Dataset.read(tmp_path / "x.npy", actions="a.npy", latents="z.npy")
    mapped = Dataset.read(tmp_path / "x.npy", memory_map=True)
    np.testing.assert_array_equal(read.observations, x)
    np.testing.assert_array_equal(mapped.observations, x)
    assert (read.n_actions, read.n_latents) == (2, 4)
    assert isinstance(mapped.observations, np.memmap)
    assert not isinstance(read.observations, np.memmap)
    mapped.observations[:] = 0
    np.testing.assert_array_equal(np.load(tmp_path / "x.npy"), x)
    with pytest.raises(DataError, match=r"wide.npy: holds float64; only float32 can be left on disk"):
        Dataset.read(tmp_path / "wide.npy", memory_map=True)
    with pytest.raises(FileAccessError, match=r"none.npy: no such file$"):
        Dataset.read(tmp_path / "x.npy", actions="none.npy")


def damaged_npz() -> bytes:
    out = io.BytesIO()
    np.savez(out, x=numbers(50, 3))
    content = bytearray(out.getvalue())
    content[300] ^= 255
    return bytes(content)


def npz(**arrays: Any) -> bytes:
    out = io.BytesIO()
    np.savez(out, **arrays)
    return out.getvalue()


def npy(array: np.ndarray) -> bytes:
    out = io.BytesIO()
    np.save(out, array)
    return out.getvalue()


OURS = {"format": "mechsparse dataset", "version": 1, "name": "n", "action_names": np.array([], str)}
OURS |= {"notes": np.array([], str), "observations": numbers(3, 1, 2)}


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("d.npz", b"", "is no NPZ file of plain arrays: No data left"),
        ("d.npz", b"x,y\n1,2\n", "is no NPZ file of plain arrays: it is damaged, or another kind of file$"),
        ("d.npz", damaged_npz(), "is no NPZ file of plain arrays: Bad CRC-32"),
        ("d.npz", damaged_npz()[:200], "is no NPZ file of plain arrays"),
        ("d.npz", npy(numbers(2, 2)), r"is one array; name the file \.npy"),
        ("d.npz", npz(x=np.array([{}])), "is no NPZ file of plain arrays: Object arrays cannot be loaded"),
        ("d.npz", npz(y=[1]), "has no array 'observations' or 'x'; it has 'y'$"),
        ("d.npz", npz(), "has no array 'observations' or 'x'; it has none$"),
        ("d.npz", npz(x=[[1.0], [np.nan]]), r"observations\[1, 0, 0\] is nan"),
        ("d.npz", npz(x=[["a"]]), "observations holds text"),
        ("d.npz", npz(x=[[1.0], [2.0]], a=[1.0, 2.0]), r"actions have shape \(2,\)"),
        ("d.npz", npz(format="graph"), "key 'format' is 'graph'; a dataset has 'mechsparse dataset'"),
        ("d.npz", npz(**OURS | {"version": 2}), "key 'version' is 2; this version of mechsparse reads 1"),
        ("d.npz", npz(format="mechsparse dataset"), "key 'version' is None"),
        (
            "d.npz",
            npz(**{k: v for k, v in OURS.items() if k != "notes"}),
            "no NPZ file of plain arrays: .*notes",
        ),
        (
            "d.npz",
            npz(**OURS, Gz=[[2]], Ga=[[1]], graph_latents=["z"], graph_actions=["a"]),
            r"Gz\[0, 0\] is 2",
        ),
        ("d.npy", b"rubbish", "is no NPY file"),
        ("d.npy", b"", "is no NPY file"),
        ("d.npy", npz(x=[1]), r"holds several arrays; name the file \.npz"),
        ("d.npy", npy(np.array(["a"])), "observations holds text"),
        (
            "d.xlsx",
            b"",
            r"a file ending in '\.xlsx' is not known; use \.npz, \.npy, \.csv, \.parquet or a folder",
        ),
    ],
)
def test_arrays_that_are_none(name: str, content: bytes, message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=rf"{name}: .*{message}|{name}: {message}") as caught:
        Dataset.read(put(tmp_path / name, content))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("d.npz", {"categorical": "a"}),
        ("d.npz", {"images": "file"}),
        ("d.npz", {"memory_map": True}),
        ("d.npy", {"observations": "x"}),
        ("d.npy", {"episode": "e"}),
        ("d.npy", {"time": "t"}),
        ("d.csv", {"memory_map": True}),
        ("d.parquet", {"memory_map": True}),
    ],
)
def test_options_that_do_not_go_with_the_file(name: str, options: dict[str, Any], tmp_path: Path) -> None:
    message = f"{name}: the option {next(iter(options))} doesn't go with this kind of file; leave it out"
    with pytest.raises(DataError, match=message):
        Dataset.read(tmp_path / name, **options)


@pytest.mark.parametrize("suffix", [".npz", ".npy", ".csv", ".parquet"])
def test_files_that_are_not_there(suffix: str, tmp_path: Path) -> None:
    with pytest.raises(FileAccessError, match=rf"none\{suffix}: no such file$"):
        Dataset.read(tmp_path / f"none{suffix}")


def test_a_path_through_a_file(tmp_path: Path) -> None:
    put(tmp_path / "d.csv", "x0\n1\n")
    with pytest.raises(FileAccessError, match=r"d.csv/e.csv: Not a directory"):
        Dataset.read(tmp_path / "d.csv" / "e.csv")


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


def test_no_actions_when_none_are_wanted(write: Write, tmp_path: Path) -> None:
    frame = pd.DataFrame({"x0": [1.0, 2], "a0": [3.0, 4]})
    assert Dataset.read(write(frame, tmp_path)).n_actions == 1
    assert Dataset.read(write(frame, tmp_path), actions=[]).n_actions == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"observations": "y*"},
            "observations: no column is called or matches 'y[*]'; there are 'x0', 'x1', 'dose'",
        ),
        ({"actions": ["dose", "b?"]}, "actions: no column is called or matches 'b[?]'"),
        ({"latents": "z*"}, "latents: no column"),
        ({"categorical": "colour"}, "categorical: no column is called or matches 'colour'"),
        ({"episode": "patient"}, "episode: no column is called or matches 'patient'"),
        ({"time": "w[h]o"}, "time: no column"),
        ({"images": "picture"}, "images: no column is called or matches 'picture'"),
        ({"actions": "x*"}, "column 'x0' is chosen for observations and for actions; choose it once"),
        ({"observations": "*", "episode": "who"}, "column 'who' is chosen for observations and for episode"),
        (
            {"observations": "x0", "images": "drug"},
            "observations and images are both given; images are what is obs",
        ),
        (
            {"actions": "drug"},
            r"column 'drug', row (2 \(the names are row 1\)|0 \(counted from 0\)) is 'b'; it must",
        ),
        (
            {"categorical": {"drug": ["a", "b"]}},
            r"column 'drug', row [35] .* is 'None'; the categories are a, b$",
        ),
        ({"categorical": {"drug": ["a", "a", "b"]}}, "column 'drug': the categories given repeat: a, a, b"),
    ],
)
def test_columns_that_can_not_be(options: dict[str, Any], message: str, write: Write, tmp_path: Path) -> None:
    path = write(patients(), tmp_path)
    with pytest.raises(DataError, match=rf"{path.name}: {message}"):
        Dataset.read(path, **options)


def test_a_table_with_no_usual_names(write: Write, tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match=r"observations \(name them\): no column .* 'x\[0-9\]\*'; there are 'gene'$"
    ):
        Dataset.read(write(pd.DataFrame({"gene": [1.0, 2]}), tmp_path))


@pytest.mark.parametrize(
    ("cells", "what"),
    [
        (["1", "two"], "'two'; it must be a number"),
        (["1", "2,5"], r"'2,5'; it must be a number \(with a point, not a comma\)"),
        (["1", "1_0"], "'1_0'; it must be a number"),
        (["1", None], "empty; every cell must be a finite number"),
        (["1", " NaN "], "(empty|nan as float32); every cell must be a finite number"),
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

    pq.write_table(pa.table({"x0": pa.array([1.0, missing], from_pandas=False)}), tmp_path / "d.parquet")
    with pytest.raises(DataError, match=r"column 'x0', row 1 \(counted from 0\) is (empty|nan)"):
        Dataset.read(tmp_path / "d.parquet")


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
    frame["x2"], frame["x3"] = pd.Categorical(["7", "8"]), np.array([2**60, 3], "int64")
    frame.to_parquet(tmp_path / "d.parquet")
    data = Dataset.read(tmp_path / "d.parquet")
    np.testing.assert_array_equal(data.observations[:, 0], np.array([[1, 0.5, 7, 2**60], [2, 1.5, 8, 3]]))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is no CSV table in UTF-8: Empty CSV file"),
        (b"x0,x1\n", "has no rows below the names of the columns"),
        (b"x0,x1\n1,2\n3,4,5\n", "is no CSV table in UTF-8: .*Row #3: Expected 2 columns, got 3: 3,4,5"),
        (b"x0,x1\n1,2\n3\n", "Row #3: Expected 2 columns, got 1"),
        (b"x0,x0\n1,2\n", "two columns are named 'x0'; names must be unique"),
        (b"x0,\n1,2\n", "column 1 has no name; the first row must name every column"),
        (
            b"0.5,1.5,2,3\n1,2,3,4\n",
            "the first row is 0.5, 1.5, 2 and 1 more; it must be the names of the columns",
        ),
        (b"x0,x1\n1,\xff\n", "is no CSV table in UTF-8"),
        (b"x0;x1\n1;2\n", "column 'x0;x1', row 2 .* is '1;2'; it must be a number"),
        (b'x0,x1\n"1,2\n', "is no CSV table in UTF-8"),
        (b"x0\n1\n1\n", "every observed column is constant"),
        (b"x0,x1\n1,5\n1,6\n", "observed column 0 is constant"),
        (b"x0,a0\n1,5\n2,5\n", "action column a0 is constant"),
    ],
)
def test_csv_files_that_are_none(content: bytes, message: str, tmp_path: Path) -> None:
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
def test_parquet_files_that_are_none(content: bytes, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"d.parquet: is no Parquet table: ") as caught:
        Dataset.read(put(tmp_path / "d.parquet", content))
    assert "\n" not in str(caught.value)


def test_a_damaged_column_of_parquet(tmp_path: Path) -> None:
    pd.DataFrame({"x0": np.arange(1000.0)}).to_parquet(tmp_path / "d.parquet", compression="zstd")
    content = bytearray((tmp_path / "d.parquet").read_bytes())
    content[40:400] = bytes(360)
    with pytest.raises(DataError, match=r"d.parquet: is no Parquet table: "):
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
    assert data.action_names == ("dose", "drug=None", "drug=a", "drug=b", "day")
    assert data.actions is not None
    np.testing.assert_array_equal(data.actions[:, 1:4].argmax(1), [2, 1, 1, 0, 2, 2])
    np.testing.assert_array_equal(data.actions[:, 1:4].sum(1), 1)


def test_a_categorical_column_is_an_action_by_itself(write: Write, tmp_path: Path) -> None:
    data = Dataset.read(write(patients(), tmp_path), categorical={"drug": ["b", "a", "None"]})
    assert data.action_names == ("drug=b", "drug=a", "drug=None")


def test_two_files_get_the_same_columns_from_given_categories(write: Write, tmp_path: Path) -> None:
    frame, kinds = patients(), {"drug": ["None", "a", "b"]}
    train = Dataset.read(write(frame[frame.drug != "None"], tmp_path), categorical=kinds, allow_constant=True)
    test = Dataset.read(write(frame, tmp_path), categorical=kinds)
    with pytest.raises(DataError, match="action 'drug=None' is 1 in row 3, a value that training never saw"):
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


# --- episodes -------------------------------------------------------------------------------------------------------


def brute_windows(codes: list[int], times: list[int], window: int) -> list[list[int]]:
    found = []
    for code in sorted(set(codes)):
        rows = sorted((row for row in range(len(codes)) if codes[row] == code), key=lambda row: times[row])
        found += [rows[start : start + window] for start in range(len(rows) - window + 1)]
    return found


@given(codes=st.lists(st.integers(0, 3), min_size=1, max_size=12), window=st.integers(1, 5), data=st.data())
def test_windows_agree_with_a_search_by_hand(codes: list[int], window: int, data: st.DataObject) -> None:
    times = data.draw(st.permutations(range(len(codes))))
    rows, too_short, tie = window_rows(np.array(codes), np.array(times), window)
    assert rows.tolist() == brute_windows(codes, list(times), window)
    assert rows.shape[1] == window
    assert set(too_short) == {code for code in codes if codes.count(code) < window}
    assert tie is None
    unordered, _, _ = window_rows(np.array(codes), None, window)
    assert unordered.tolist() == brute_windows(codes, list(range(len(codes))), window)


def test_rows_of_patients_become_pairs_with_the_later_action(write: Write, tmp_path: Path) -> None:
    path = write(patients(), tmp_path)
    data = Dataset.read(path, actions="dose", categorical="drug", episode="who", time="day")
    np.testing.assert_array_equal(data.observations[:, :, 0], [[10, 11], [0, 1], [1, 2]])
    assert data.actions is not None
    np.testing.assert_allclose(data.actions[:, 0], [0.6, 0.2, 0.3])
    np.testing.assert_array_equal(data.actions[:, 1:], [[0, 1, 0], [1, 0, 0], [0, 0, 1]])
    assert data.episodes is not None
    assert data.episodes.tolist() == [0, 1, 1]
    assert data.notes == ("left out 1 episode of 3, shorter than 2 steps: 'c'",)


def test_longer_and_single_windows(write: Write, tmp_path: Path) -> None:
    path = write(patients(), tmp_path)
    three = Dataset.read(path, actions="dose", episode="who", time="day", window=3, allow_constant=True)
    np.testing.assert_array_equal(three.observations[:, :, 0], [[0, 1, 2]])
    np.testing.assert_allclose(three.actions, [[[0.2], [0.3]]])  # type: ignore[arg-type]
    assert three.notes == ("left out 2 episodes of 3, shorter than 3 steps: 'q', 'c'",)
    one = Dataset.read(path, actions="dose", episode="who", time="day", window=1)
    assert one.actions is not None
    np.testing.assert_allclose(one.actions[:, 0], [0.5, 0.6, 0.1, 0.2, 0.3, 0.9])
    assert one.notes == ()


def test_without_a_time_the_order_of_the_rows_counts(write: Write, tmp_path: Path) -> None:
    data = Dataset.read(write(patients().iloc[::-1], tmp_path), episode="who", actions=[])
    np.testing.assert_array_equal(data.observations[:, :, 0], [[2, 1], [1, 0], [11, 10]])


def test_time_alone_makes_one_sequence(write: Write, tmp_path: Path) -> None:
    frame = pd.DataFrame({"x0": [3.0, 1, 2], "when": ["2024-03-01", "2023-12-31", "2024-01-15T08:30:00"]})
    data = Dataset.read(write(frame, tmp_path), time="when")
    np.testing.assert_array_equal(data.observations[:, :, 0], [[1, 2], [2, 3]])


def test_dates_of_parquet_are_times(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {"x0": [3.0, 1, 2], "when": pd.to_datetime(["2024-03-01", "2023-12-31", "2024-01-15"])}
    )
    frame.to_parquet(tmp_path / "d.parquet")
    data = Dataset.read(tmp_path / "d.parquet", time="when")
    np.testing.assert_array_equal(data.observations[:, :, 0], [[1, 2], [2, 3]])
    frame.loc[1, "when"] = None
    frame.to_parquet(tmp_path / "d.parquet")
    with pytest.raises(
        DataError, match=r"column 'when', row 1 \(counted from 0\) is empty; every row needs a time"
    ):
        Dataset.read(tmp_path / "d.parquet", time="when")


def test_numbers_of_episodes(write: Write, tmp_path: Path) -> None:
    frame = patients().assign(who=[7, 3, 7, 3, 5, 3])
    data = Dataset.read(write(frame, tmp_path), episode="who", time="day", actions=[])
    np.testing.assert_array_equal(data.observations[:, :, 0], [[10, 11], [0, 1], [1, 2]])


@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        ({}, {"window": 4}, "the longest episode has 3 steps; windows of 4 steps need longer ones"),
        ({}, {"window": 0}, "window is 0; it must be at least 1 step"),
        ({"day": [0, 9, 0, 10, 0, 11]}, {}, r"row [20] .* and row [42] .* of episode 'q' have the same time"),
        ({"day": [0, 9, "x", 10, 0, 11]}, {}, r"column 'day', row [42] .* is 'x'; it must be a number"),
        ({"day": [0, 9, None, 10, 0, 11]}, {}, r"column 'day', row [42] .* is (empty|nan); every"),
        (
            {"who": ["q", "p", None, "p", "c", "p"]},
            {},
            r"column 'who', row [42] .* is empty; every row needs a value",
        ),
    ],
)
def test_episodes_that_can_not_be_cut(
    change: dict[str, Any], options: dict[str, Any], message: str, write: Write, tmp_path: Path
) -> None:
    frame = patients().assign(**change)
    if "x" in change.get("day", []):
        frame["day"] = frame["day"].astype(str)
    path = write(frame, tmp_path)
    with pytest.raises(DataError, match=rf"{path.name}: {message}"):
        Dataset.read(path, episode="who", time="day", **options)


def test_episodes_in_an_npz(tmp_path: Path) -> None:
    x, a, z = np.arange(12.0).reshape(6, 2), np.arange(6.0)[:, None], numbers(6, 3)
    np.savez(tmp_path / "d.npz", x=x, a=a, z=z, who=list("abbaab"), day=[11, 2, 1, 0, 12, 3])
    data = Dataset.read(tmp_path / "d.npz", episode="who", time="day")
    np.testing.assert_array_equal(data.observations[:, :, 0] / 2, [[3, 0], [0, 4], [2, 1], [1, 5]])
    np.testing.assert_array_equal(data.actions, [[0], [4], [1], [5]])  # type: ignore[arg-type]
    np.testing.assert_array_equal(data.latents, z[[[3, 0], [0, 4], [2, 1], [1, 5]]])  # type: ignore[arg-type]
    alone = read_npz(tmp_path / "d.npz", time="day", episode=None, actions=None, window=6).observations
    assert alone.shape == (1, 6, 2)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        (
            {"x": numbers(3, 2, 2)},
            r"observations have shape \(3, 2, 2\); episodes are cut from \(rows, d_x\)",
        ),
        ({"a": numbers(2, 1)}, r"actions have shape \(2, 1\); there are 3 rows of observations"),
        ({"z": numbers(4, 1)}, r"latents have shape \(4, 1\); there are 3 rows of observations"),
        ({"who": [1, 2]}, r"array 'who' has shape \(2,\); one value per row is \(3,\)"),
        ({"day": ["x", "y", "z"]}, r"time is of type <U1; it must be numbers or dates"),
        ({"day": [0, np.nan, 1]}, r"time\[1\] is nan; every row needs a time"),
        ({"day": np.array(["2024-01-01", "NaT", "2024-01-02"], "M8[D]")}, r"time\[1\] is NaT"),
        ({"day": [0, 1, 1]}, "row 1 and row 2 of episode 1 have the same time"),
    ],
)
def test_episodes_in_an_npz_that_do_not_fit(arrays: dict[str, Any], message: str, tmp_path: Path) -> None:
    plain = {"x": numbers(3, 2), "who": [1, 1, 1], "day": [0, 1, 2]}
    np.savez(tmp_path / "d.npz", **plain | arrays)
    with pytest.raises(DataError, match=f"d.npz: {message}"):
        Dataset.read(tmp_path / "d.npz", episode="who", time="day")


# --- images ---------------------------------------------------------------------------------------------------------


def pictures(folder: Path, mode: str = "RGB", n: int = 4) -> np.ndarray:
    """Random pictures of 3 x 2 pixels (width x height) with a table; the values written, 0 to 255."""
    shape = (n, 2, 3, 3) if mode == "RGB" else (n, 2, 3)
    values = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    (folder / "png").mkdir()
    for number, value in enumerate(values):
        Image.fromarray(value).save(folder / "png" / f"{number}.png")
    names = [f"png/{number}.png" for number in range(n)]
    pd.DataFrame({"image": names, "a0": range(n)}).to_csv(folder / "table.csv", index=False)
    return values


def replace_picture(folder: Path, image: Image.Image) -> None:
    image.save(folder / "png" / "2.png")


def test_coloured_images_of_a_folder(tmp_path: Path) -> None:
    values = pictures(tmp_path)
    data = Dataset.read(tmp_path)
    assert data.observation_shape == (3, 2, 3)
    images = data.observations.reshape(4, 3, 2, 3)
    np.testing.assert_allclose(images, np.moveaxis(values, 3, 1) / 255, rtol=1e-6)
    assert data.actions is not None
    assert data.actions.ravel().tolist() == [0, 1, 2, 3]
    by_name = Dataset.read(tmp_path / "table.csv", images="image")
    np.testing.assert_array_equal(by_name.observations, data.observations)


def test_grey_images_with_constant_pixels(tmp_path: Path) -> None:
    values = pictures(tmp_path, "L")
    for number, value in enumerate(values):
        value[0] = 7
        Image.fromarray(value).save(tmp_path / "png" / f"{number}.png")
    data = Dataset.read(tmp_path)
    assert data.observation_shape == (1, 2, 3)
    np.testing.assert_allclose(data.observations.reshape(4, 2, 3), values / 255, rtol=1e-6)


def test_images_in_episodes(tmp_path: Path) -> None:
    pictures(tmp_path)
    frame = pd.read_csv(tmp_path / "table.csv").assign(film=["a", "b", "a", "b"])
    frame.to_csv(tmp_path / "table.csv", index=False)
    single, pairs = Dataset.read(tmp_path), Dataset.read(tmp_path, episode="film")
    np.testing.assert_array_equal(pairs.observations, single.observations[[[0, 2], [1, 3]], 0])
    assert pairs.observation_shape == (3, 2, 3)


def test_other_ways_to_store_the_same_picture(tmp_path: Path) -> None:
    picture = Image.fromarray(pictures(tmp_path)[2])
    for stored in (picture.convert("RGBA"), picture.quantize(6), picture.convert("L").convert("RGB")):
        replace_picture(tmp_path, stored)
        seen = np.moveaxis(np.asarray(stored.convert("RGB")), 2, 0) / 255
        read = Dataset.read(tmp_path).observations[2]
        np.testing.assert_allclose(read, seen.reshape(1, -1), rtol=1e-6)


def test_sixteen_bits_and_black_and_white(tmp_path: Path) -> None:
    pictures(tmp_path, "L")
    replace_picture(tmp_path, Image.fromarray(np.array([[0, 65535, 6553], [1, 2, 3]], dtype=np.uint16)))
    Image.fromarray(np.array([[0, 1, 0], [1, 1, 0]], dtype=bool)).save(tmp_path / "png" / "1.png")
    data = Dataset.read(tmp_path)
    np.testing.assert_allclose(data.observations[2, 0, :3], [0, 1, 6553 / 65535], rtol=1e-6)
    np.testing.assert_array_equal(data.observations[1, 0], [0, 1, 0, 1, 1, 0])


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (
            Image.new("RGB", (4, 2)),
            r"png/2.png is 4 x 2 RGB, and png/0.png is 3 x 2 RGB; all images must be of one",
        ),
        (Image.new("L", (3, 2)), r"png/2.png is 3 x 2 grey, and png/0.png is 3 x 2 RGB"),
        (Image.new("RGBA", (3, 2), (0, 0, 0, 9)), r"2.png: is partly transparent; save it as grey or RGB"),
        (Image.new("I", (3, 2)), r"2.png: is in mode I.*; save it as grey or RGB"),
    ],
)
def test_images_that_do_not_fit(image: Image.Image, message: str, tmp_path: Path) -> None:
    pictures(tmp_path)
    image.save(tmp_path / "png" / "2.png", **({"format": "TIFF"} if image.mode == "I" else {}))
    place = r"table.csv: column 'image', row 4 \(the names are row 1\): .*"
    with pytest.raises(DataError, match=place + message):
        Dataset.read(tmp_path)


def test_images_that_can_not_be_read(tmp_path: Path) -> None:
    pictures(tmp_path)
    put(tmp_path / "png" / "2.png", b"rubbish")
    with pytest.raises(
        DataError, match=r"table.csv: column 'image', row 4 .*2.png: is no image: cannot identify"
    ):
        Dataset.read(tmp_path)
    (tmp_path / "png" / "2.png").unlink()
    with pytest.raises(FileAccessError, match=r"table.csv: column 'image', row 4 .*2.png: no such file"):
        Dataset.read(tmp_path)


def test_folders_without_one_table(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"a folder of images has one table .* that names them; it has none"):
        Dataset.read(tmp_path)
    put(tmp_path / "a.csv", "x0\n1\n2\n")
    with pytest.raises(
        DataError, match=r"a.csv: images \(name the column\): no column is called .* 'images'"
    ):
        Dataset.read(tmp_path)
    put(tmp_path / "b.parquet", "")
    with pytest.raises(DataError, match=r"it has a.csv, b.parquet"):
        Dataset.read(tmp_path)
    with pytest.raises(DataError, match="the option memory_map doesn't go with this kind of file"):
        Dataset.read(tmp_path, memory_map=True)


def test_names_of_images_that_are_none(tmp_path: Path) -> None:
    path = put(tmp_path / "d.csv", 'image,x0\n"",1\n')
    with pytest.raises(DataError, match=r"column 'image', row 2 .* is ''; it must be the name of a file"):
        Dataset.read(path, images="image")
    frame = pd.DataFrame({"image": [3, 4]})
    frame.to_parquet(tmp_path / "d.parquet")
    with pytest.raises(DataError, match=r"column 'image', row 0 .* is 3; it must be the name of a file"):
        Dataset.read(tmp_path / "d.parquet", images="image")


def test_a_name_that_would_break_the_line_is_shown_escaped(tmp_path: Path) -> None:
    with pytest.raises(FileAccessError, match=re.escape(r"a\nb.csv': no such file")):
        Dataset.read(tmp_path / "a\nb.csv")


def test_a_folder_without_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: Path) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "iterdir", refuse)
    with pytest.raises(FileAccessError, match=r": Permission denied$"):
        Dataset.read(tmp_path)


def test_what_does_not_fit_in_memory(tmp_path: Path) -> None:
    class Endless(list[str]):
        def __len__(self) -> int:
            return 10**14

    pictures(tmp_path)
    with pytest.raises(DataError, match=r"^100000000000000 images of 18 numbers don't fit in memory$"):
        read_images(Endless(["png/0.png"]), tmp_path, str)
    with (
        pytest.raises(DataError, match=r"^d.npz: doesn't fit in memory; save an array as NPY and map it$"),
        parsing("d.npz", "NPZ file"),
    ):
        raise MemoryError
