"""One rule for cells: white space, missing values and numbers are read alike from CSV, Parquet, NPZ and frames."""

from __future__ import annotations

import decimal
import fractions
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from estimation.dataset import Dataset
from estimation.dataset.readers.cells import MISSING, BadCellError, is_missing, parse_number, trimmed
from estimation.estimator import SparseMechanismVAE
from estimation.exceptions import DataError
from identify.exceptions import FileAccessError
from tests.estimation.table_files import Write, put
from tests.seeds import training_seed


def csv(folder: Path, text: str | bytes) -> Path:
    return put(folder / "t.csv", text)


# the rule itself ------------------------------------------------------------------------------------


@given(st.floats(allow_nan=False, allow_infinity=False), st.sampled_from(["", " ", "\t", " \n"]))
def test_a_number_is_read_back_whatever_white_space_is_around_it(value: float, space: str) -> None:
    # whole numbers that no floating-point number can tell apart are refused, and repr writes none of those
    assert parse_number(f"{space}{value!r}{space}") == value
    assert trimmed(f"{space}a{space}") == "a"


@given(st.integers())
def test_whole_numbers_are_exact_or_refused(value: int) -> None:
    for cell in (value, str(value), decimal.Decimal(value)):
        if abs(value) <= 2**53:
            assert parse_number(cell) == value
        elif not isinstance(cell, decimal.Decimal):
            with pytest.raises(
                BadCellError, match=r"whole numbers above 2\^53 are not exact in floating point"
            ):
                parse_number(cell)


@pytest.mark.parametrize(
    "missing", [None, np.nan, pd.NA, pd.NaT, decimal.Decimal("nan"), np.datetime64("NaT")]
)
def test_what_is_missing_in_python(missing: Any) -> None:
    assert is_missing(missing)
    with pytest.raises(BadCellError, match="empty; every cell must be a finite number"):
        parse_number(missing)


def test_pandas_takes_the_same_words_for_missing() -> None:
    from pandas._libs.parsers import STR_NA_VALUES

    assert MISSING == STR_NA_VALUES


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        ("1_000", "'1_000'; it must be a number"),
        ("1,5", "'1,5'; it must be a number \\(with a point, not a comma\\)"),
        ("q" * 5000, r"'q{40}\.\.\.'; it must be a number"),
        ("9" * 5000, "inf as float32; every cell must be a finite number"),
        ("9" * 100, r"9{37}\.\.\.; whole numbers above"),
        (10**5000, "a whole number of many digits; whole numbers above"),
        (fractions.Fraction(10**400), "a number that is too large"),
        (np.inf, "inf as float32"),
        (1j, "1j, a complex number; it must be a real number"),
        (pd.Timestamp("2020"), "2020-01-01 00:00:00, a date or time; convert it to a number"),
        (pd.Timedelta(1, "s"), "0 days 00:00:01, a date or time; convert it to a number"),
        ([1], r"\[1\], a list; it must be a number"),
        ("\x1b[31m", r"'\\x1b\[31m'; it must be a number"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_cells_that_are_not_numbers(cell: Any, message: str) -> None:
    with pytest.raises(BadCellError, match=f"^{message}"):
        parse_number(cell)


# tables ---------------------------------------------------------------------------------------------


def test_surrounding_white_space_is_ignored(write: Write, tmp_path: Path) -> None:
    frame = pd.DataFrame({" x0 ": [" 1 ", "2", "3 "], "drug ": ["a", " a", "b"], "who": ["p", "p ", " p"]})
    data = Dataset.read(write(frame, tmp_path), categorical="drug", episode="who")
    assert data.observation_names == ("x0",)
    assert data.observations[:, :, 0].tolist() == [[1, 2], [2, 3]]
    assert data.action_names == ("drug=a", "drug=b")
    with pytest.raises(DataError, match="two columns are named 'x0'; names must be unique"):
        Dataset.read(csv(tmp_path, "x0, x0\n1,2\n"))


@pytest.mark.parametrize("word", sorted(MISSING))
def test_the_same_words_mean_missing_in_every_role(word: str, write: Write, tmp_path: Path) -> None:
    frame = pd.DataFrame({"x0": ["1", f" {word}", "3"], "d": ["a", f"{word} ", "b"], "x1": [1.0, 2.0, 3.0]})
    path = write(frame, tmp_path)
    row = "row 3|row 1"
    for options in (
        {"actions": "x0", "observations": "x1"},
        {"categorical": "d", "observations": "x1"},
        {"episode": "d", "observations": "x1"},
    ):
        with pytest.raises(DataError, match=f"column '[xd]0?', ({row}) .* is .*every (cell|row)"):
            Dataset.read(path, **options)  # type: ignore[arg-type]
    # observations may have missing entries
    data = Dataset.read(path)
    np.testing.assert_array_equal(data.observations[:, 0], [[1, 1], [np.nan, 2], [3, 3]])
    assert data.notes == ("16.67% of the observed entries are missing; the likelihood leaves them out",)


def test_an_index_without_a_name_is_not_a_column(tmp_path: Path) -> None:
    frame = pd.DataFrame({"x0": [1.0, 2.0, 3.0], "a0": [0, 1, 0]}, index=["p", "q", "r"])
    frame.to_csv(tmp_path / "t.csv")
    pd.read_csv(tmp_path / "t.csv").to_csv(tmp_path / "again.csv")
    frame.to_parquet(tmp_path / "t.parquet")
    for name in ("t.csv", "again.csv", "t.parquet"):
        data = Dataset.read(tmp_path / name, observations="*", actions=[])
        assert data.observation_names == ("x0", "a0")
    with pytest.raises(DataError, match="column 2 has no name; the first row must name every column"):
        Dataset.read(csv(tmp_path, ",x0,\n1,2,3\n"))


@pytest.mark.parametrize(
    ("times", "order"),
    [
        (["2024-01-01T00:00:00.000000002", "2024-01-01T00:00:00.000000001"], [1, 0]),
        (["2024-01-01T00:00:00Z", "2024-01-01T01:00:00+02:00"], [1, 0]),
        (["1700000000000000002", "1700000000000000001"], [1, 0]),
        ([" 1024-01-01", "1023-12-31 "], [1, 0]),
        (["10", "9.5"], [1, 0]),
    ],
)
def test_times_sort(times: list[str], order: list[int], write: Write, tmp_path: Path) -> None:
    data = Dataset.read(write(pd.DataFrame({"x0": [0.0, 1.0], "t": times}), tmp_path), time="t")
    assert data.observations[0, :, 0].tolist() == order


def test_times_that_can_not_be_sorted(tmp_path: Path) -> None:
    message = "'2024-01-01T00:00:00Z'; it must be a number .* a time like .*, with a time zone in every row or in none"
    with pytest.raises(DataError, match=message):
        Dataset.read(csv(tmp_path, "x0,t\n1,2024-01-01T00:00:00Z\n2,2024-01-01T00:00:01\n"), time="t")


def test_times_of_parquet(tmp_path: Path) -> None:
    clock = [pd.Timestamp(f"2020-01-01 {hour}:00") for hour in (10, 9, 11)]
    frame = pd.DataFrame({"x0": [0.0, 1, 2], "zone": clock, "time": [stamp.time() for stamp in clock]})
    frame["zone"] = frame["zone"].dt.tz_localize("Europe/Berlin")
    frame["lag"] = frame["zone"] - frame["zone"][0]
    frame.to_parquet(tmp_path / "t.parquet")
    for column in ("zone", "time", "lag"):
        data = Dataset.read(tmp_path / "t.parquet", time=column)
        assert data.observations[:, :, 0].tolist() == [[1, 0], [0, 2]]


def test_labels_of_npz_files(tmp_path: Path) -> None:
    labels = np.array(["b", "a ", "b ", " a"])
    np.savez(tmp_path / "t.npz", x=np.arange(4.0)[:, None], who=labels)
    data = Dataset.read(tmp_path / "t.npz", episode="who")
    assert data.observations[:, :, 0].tolist() == [[1, 3], [0, 2]]
    np.savez(tmp_path / "t.npz", x=np.arange(4.0)[:, None], who=np.array(["b", "NA", "b", "a"]))
    with pytest.raises(DataError, match="array 'who', row 1, is 'NA'; every row needs a value"):
        Dataset.read(tmp_path / "t.npz", episode="who")


@pytest.mark.parametrize("value", [2**53 + 1, -(2**60)])
def test_whole_numbers_above_2_53_are_refused_by_name(value: int, write: Write, tmp_path: Path) -> None:
    frame = pd.DataFrame({"x0": [1.0, 2.0], "x1": [value, 3]})
    with pytest.raises(DataError, match=r"column 'x1', row .*whole numbers above 2\^53"):
        Dataset.read(write(frame, tmp_path))
    with pytest.raises(DataError, match=r"column 'x1' of observations, row 0, is .*; whole numbers above"):
        Dataset.from_arrays(frame)
    with pytest.raises(DataError, match=r"observations, entry 0, 1, is .*; whole numbers above"):
        Dataset.from_arrays([[1, value], [2, 3]])


def test_names_with_a_micro_sign(tmp_path: Path) -> None:
    data = Dataset.read(csv(tmp_path, "µ,x0,\N{GREEK SMALL LETTER MU}\n1,2,3\n2,3,5\n"), actions=["µ", "μ"])
    assert data.action_names == ("µ", "μ")


# data frames ----------------------------------------------------------------------------------------

FRAMES: dict[str, Any] = {
    "nullable whole": pd.array([1, 2, 4], dtype="Int64"),
    "nullable": pd.array([1, 2, 4], dtype="Float64"),
    "arrow": pd.array([1, 2, 4], dtype="int64[pyarrow]"),
    "text": pd.array([" 1", "2", "4.0"], dtype="string"),
    "objects": np.array([True, decimal.Decimal(2), fractions.Fraction(4)], dtype=object),
    "categories": pd.Categorical([1, 2, 4]),
    "sparse": pd.arrays.SparseArray([1, 2, 4]),
    "small": np.array([1, 2, 4], dtype="uint8"),
    "half": np.array([1, 2, 4], dtype="float16"),
}


@pytest.mark.parametrize("kind", FRAMES)
def test_frames_of_every_kind_are_numbers(kind: str) -> None:
    frame = pd.DataFrame({"one": [0.5, 1.5, 3.5], "two": FRAMES[kind]})
    data = Dataset.from_arrays(frame, actions=frame)
    np.testing.assert_array_equal(data.observations[:, 0], [[0.5, 1], [1.5, 2], [3.5, 4]])
    np.testing.assert_array_equal(data.actions, data.observations[:, 0])  # type: ignore[arg-type]
    assert data.observation_names == data.action_names == ("one", "two")


def test_booleans_and_tables_of_arrow() -> None:
    flags = pd.DataFrame({"k": pd.array([True, False, True], dtype="boolean"), "x": [1.0, 2, 3]})
    assert Dataset.from_arrays(flags).observations[:, 0, 0].tolist() == [1, 0, 1]
    table = pa.table({"x": [1, 2, 3], "y": [0.5, 1.5, 2.5]})
    assert Dataset.from_arrays(table).observation_names == ("x", "y")
    with pytest.raises(DataError, match="column 'x' of actions, row 1, is empty"):
        Dataset.from_arrays(np.eye(3), actions=pa.table({"x": [1, None, 3]}))
    np.testing.assert_array_equal(
        Dataset.from_arrays(pa.table({"x": [1, None, 3]})).observations.ravel(), [1, np.nan, 3]
    )


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (pd.DataFrame({"k": ["a", "b"]}), "column 'k' of observations, row 0, is 'a'; it must be a number"),
        (pd.DataFrame({"k": [1j, 2]}), "row 0, is 1j, a complex number|holds complex numbers"),
        (pd.DataFrame({"k": pd.to_datetime(["2020", "2021"])}), "a date or time; convert it to a number"),
        (pd.DataFrame(np.eye(2), columns=["k", "k"]), "observations have two columns called 'k'"),
        (pd.DataFrame(np.eye(2), columns=["k", 1]), "observations have a column called 1, which is not text"),
    ],
)
def test_frames_that_are_refused(frame: pd.DataFrame, message: str) -> None:
    with pytest.raises(DataError, match=message):
        Dataset.from_arrays(frame)


@pytest.mark.parametrize(
    "column", [pd.array([1, None, 2], dtype="Int64"), pd.Series([1, None, 2], dtype=object), [1, np.nan, 2]]
)
def test_empty_cells_of_frames(column: Any) -> None:
    frame = pd.DataFrame({"k": column})
    np.testing.assert_array_equal(Dataset.from_arrays(frame).observations.ravel(), [1, np.nan, 2])
    with pytest.raises(DataError, match="column 'k' of actions, row 1, is empty"):
        Dataset.from_arrays(np.eye(3), actions=frame)


def test_frames_without_names_have_no_observation_names() -> None:
    assert Dataset.from_arrays(pd.DataFrame(np.eye(3))).observation_names == ()


def test_text_among_actions_becomes_one_action_per_value() -> None:
    drugs = pd.Categorical(["b", "a", "b"], categories=["c", "b", "a"])
    actions = pd.DataFrame({"drug": drugs, "dose": [1.0, 2, 3], "place": [" x", "y", "x "]})
    data = Dataset.from_arrays(np.eye(3), actions=actions, allow_constant=True)
    assert data.action_names == ("drug=c", "drug=b", "drug=a", "dose", "place=x", "place=y")
    np.testing.assert_array_equal(data.actions[:, :3], [[0, 1, 0], [0, 0, 1], [0, 1, 0]])  # type: ignore[index]
    assert data.roles is not None
    assert data.roles.categorical == {"drug": ("c", "b", "a"), "place": ("x", "y")}


def test_the_estimator_accepts_mixed_frames_and_matches_actions_by_name() -> None:
    rng = np.random.default_rng(training_seed())
    table = pd.DataFrame({"drug": rng.choice(list("abc"), 100), "dose": rng.random(100)})
    mixed = pd.get_dummies(table).assign(k=pd.array(rng.integers(0, 2, 100), dtype="Int64"))
    seen = pd.DataFrame({"x": rng.normal(size=100), "y": pd.array(rng.random(100), dtype="Float64")})
    settings = {"width": 8, "transition_width": 4, "flow_blocks": 0}
    estimator = SparseMechanismVAE(
        2, steps=5, batch_size=64, unmixing=False, settings=settings, random_state=training_seed()
    )
    estimator.fit(seen, actions=mixed)
    assert estimator.graph_.actions == ("dose", "drug_a", "drug_b", "drug_c", "k")
    expected = estimator.score(seen, actions=mixed)
    assert estimator.score(seen, actions=mixed[mixed.columns[::-1]].assign(more=1.0)) == expected
    with pytest.raises(DataError, match=r"actions differ from those in fit: .*the data lack 'dose'"):
        estimator.score(seen, actions=mixed.drop(columns="dose"))
    # scikit-learn's own rule for X: the same names in the same order
    with pytest.raises(ValueError, match="must be in the same order"):
        estimator.transform(seen[["y", "x"]])
    model = estimator.model_
    np.testing.assert_array_equal(model.encode(seen[["y", "x"]].assign(more=1.0)), estimator.transform(seen))
    with pytest.raises(DataError, match="lack the observed column 'y'"):
        model.encode(seen[["x"]])
    latents = pd.DataFrame(estimator.transform(seen), columns=["v0", "v1"])
    np.testing.assert_array_equal(model.decode(latents[["v1", "v0"]]), model.decode(latents.to_numpy()))
    with pytest.raises(DataError, match=r"X, entry 0, 0, is 1152921504606846976; whole numbers"):
        estimator.fit(np.array([[2**60, 1], [1, 2]]))


# limits ---------------------------------------------------------------------------------------------


def test_errors_stay_short_and_printable(tmp_path: Path) -> None:
    long = "y" * 5000
    for text, options in (
        (f"x0,{long}\n1,2\n", {"observations": "q*"}),
        (f"x0,x{long}\n1,a\n", {"observations": "*"}),
        (f"x0,x1\n1,{long}\n", {}),
        (f"x0,d\n1,{long}\n2,a\n", {"categorical": {"d": ["a", long[1:]]}}),
        (b"x0,x1\n1,\x1b[31m\x00\n", {}),
        (b"x0,x1\n1,\x1b[31m,3\n", {}),
        (b"x0,x\x1b1\n1,2\n2,3\n", {"observations": "*"}),
    ):
        with pytest.raises(DataError) as caught:
            Dataset.read(csv(tmp_path, text), **options)  # type: ignore[arg-type]
        assert str(caught.value).isprintable()
        assert len(str(caught.value)) < 500
    for name in ("a\0b.csv", "a" * 5000 + ".csv"):
        with pytest.raises(FileAccessError) as refused:
            Dataset.read(name)
        assert len(str(refused.value)) < 300
