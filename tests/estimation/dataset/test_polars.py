"""Data frames of polars: numbers, gaps, categories and names as for pandas, and every refusal."""

from __future__ import annotations

import datetime
import decimal
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from estimation.dataset import Dataset
from estimation.dataset.alignment import align
from estimation.exceptions import DataError
from tests.estimation.tiny_estimator import numbers, tiny

pl = pytest.importorskip("polars")

X = [[1.0, 10.0], [2.0, 30.0], [4.0, 20.0]]
NUMERIC = ["Int8", "Int16", "Int32", "Int64", "Int128", "UInt8", "UInt32", "UInt64", "Float32", "Float64"]


def frame(**columns: Any) -> Any:
    return pl.DataFrame(columns)


@pytest.mark.parametrize("dtype", [*NUMERIC, "Decimal", "String"])
@pytest.mark.parametrize("with_gap", [False, True])
def test_numbers_and_gaps(dtype: str, with_gap: bool) -> None:
    column = [1, 2, None, 4] if with_gap else [1, 2, 3, 4]
    kind = pl.Decimal(10, 2) if dtype == "Decimal" else getattr(pl, dtype)
    values = [None if cell is None else str(cell) for cell in column] if dtype == "String" else column
    if dtype == "Decimal":
        values = [None if cell is None else decimal.Decimal(cell) for cell in column]
    data = Dataset.from_arrays(pl.DataFrame({"a": pl.Series(values, dtype=kind), "b": [1.0, 2.5, 3.0, 0.0]}))
    expected = [[np.nan if cell is None else cell for cell in column], [1.0, 2.5, 3.0, 0.0]]
    np.testing.assert_array_equal(data.observations[:, 0].T, np.array(expected, dtype=np.float32))
    assert data.observation_names == ("a", "b")
    assert any("missing" in note for note in data.notes) == with_gap


@given(
    table=st.lists(
        st.tuples(
            st.floats(-100, 100, width=32) | st.none(), st.sampled_from([" u", "v", "w "]), st.booleans()
        ),
        min_size=2,
        max_size=8,
    )
)
def test_polars_and_pandas_give_the_same_data(table: list[tuple[float | None, str, bool]]) -> None:
    numbers_, labels, flags = ([row[k] for row in table] for k in range(3))
    x = {"x": [0.5, *numbers_], "y": list(range(len(table) + 1))}
    a = {"drug": ["v", *labels], "flag": [False, *flags]}
    one = Dataset.from_arrays(pl.DataFrame(x), pl.DataFrame(a), allow_constant=True)
    two = Dataset.from_arrays(pd.DataFrame(x), pd.DataFrame(a), allow_constant=True)
    np.testing.assert_array_equal(one.observations, two.observations)
    np.testing.assert_array_equal(one.actions, two.actions)  # type: ignore[arg-type]
    assert (one.observation_names, one.action_names) == (two.observation_names, two.action_names)
    assert one.roles == two.roles


@pytest.mark.parametrize("what", ["actions", "covariates"])
def test_categories(what: str) -> None:
    labels = ["b", "a", "b"]
    # categoricals of polars share one pool of categories in the whole process
    pl.Series(["unrelated", "c"], dtype=pl.Categorical)
    for dtype, names in (
        (pl.String, ("drug=a", "drug=b")),
        (pl.Categorical, ("drug=a", "drug=b")),
        (pl.Enum(["b", "a"]), ("drug=b", "drug=a")),
    ):
        column = pl.DataFrame({"drug": pl.Series(labels, dtype=dtype)})
        data = Dataset.from_arrays(X, **{what: column})
        assert getattr(data, f"{what[:-1]}_names") == names
        np.testing.assert_array_equal(getattr(data, what)[:, names.index("drug=b")], [1, 0, 1])
    unused = pl.DataFrame({"drug": pl.Series(labels, dtype=pl.Enum(["b", "a", "c"]))})
    if what == "covariates":
        # categories that don't occur are left out
        assert Dataset.from_arrays(X, covariates=unused).covariate_names == ("drug=b", "drug=a")
        return
    with pytest.raises(DataError, match="drug=c is constant"):
        Dataset.from_arrays(X, **{what: unused})


def test_frames_are_aligned_by_name() -> None:
    training = Dataset.from_arrays(frame(a=[1.0, 2.0, 4.0], b=[1.0, 3.0, 2.0]), frame(drug=["u", "v", "u"]))
    other = Dataset.from_arrays(frame(b=[1.0, 3.0], z=[1.0, 2.0], a=[1.0, 2.0]), frame(drug=["v", "u"]))
    aligned = align(other, training)
    assert aligned.observation_names == ("a", "b")
    np.testing.assert_array_equal(aligned.observations[:, 0], [[1, 1], [2, 3]])
    np.testing.assert_array_equal(aligned.actions, [[0, 1], [1, 0]])  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("cells", "dtype", "message"),
    [
        (
            [datetime.date(2020, 1, k) for k in (1, 2, 3)],
            None,
            "^column 'a' of observations holds dates; it must hold real",
        ),
        (
            [datetime.datetime(2020, 1, 1), None, None],
            None,
            r"row 0, is 2020-01-01 00:00:00, a date or time; convert it to",
        ),
        (
            [datetime.timedelta(k) for k in (1, 2, 3)],
            None,
            "^column 'a' of observations holds durations; it must hold real",
        ),
        (
            [datetime.time(k) for k in (1, 2, 3)],
            None,
            "row 0, is 01:00:00, a date or time; convert it to a number",
        ),
        (
            [[1], [2], [3]],
            None,
            r"^column 'a' of observations, row 0, is \[1\], a list; it must be a number$",
        ),
        ([[1, 2]] * 3, ("Array", 2), r"row 0, is \[1, 2\], a list; it must be a number$"),
        ([{"u": 1}] * 3, None, r"row 0, is \{'u': 1\}, a dict; it must be a number$"),
        ([b"1", b"2", b"3"], None, "row 0, is b'1', a bytes; it must be a number$"),
        (["1", "x", "2"], None, "row 1, is 'x'; it must be a number"),
        ([1, 2, 2**60], "UInt64", "row 2, is 1152921504606846976; whole numbers above 2"),
        ([1, 2, 2**70], "Int128", "row 2, is 1180591620717411303424; whole numbers above 2"),
    ],
)
def test_refused_columns(cells: list[Any], dtype: Any, message: str) -> None:
    kind = pl.Array(pl.Int64, 2) if isinstance(dtype, tuple) else getattr(pl, dtype or "", None)
    with pytest.raises(DataError, match=message):
        Dataset.from_arrays(pl.DataFrame({"a": pl.Series(cells, dtype=kind)}))


def test_missing_labels_are_refused() -> None:
    with pytest.raises(
        DataError, match=r"^column 'drug' of actions, row 1, is empty; every row needs a value$"
    ):
        Dataset.from_arrays(X, frame(drug=["a", None, "b"]))


@pytest.mark.parametrize("what", ["observations", "actions", "latents", "covariates"])
def test_lazy_frames_are_refused(what: str) -> None:
    arrays: dict[str, Any] = {"observations": X, what: frame(a=[1.0, 2.0, 3.0]).lazy()}
    with pytest.raises(
        DataError, match=r"^a LazyFrame holds a query and no data yet; call collect\(\) first$"
    ):
        Dataset.from_arrays(**arrays)


def test_the_estimator_takes_and_gives_frames() -> None:
    x = pl.DataFrame(numbers(60, 3), schema=["a", "b", "c"])
    actions = pl.DataFrame({"drug": ["x", "y", "z"] * 20, "dose": numbers(60, seed=1)})
    estimator = tiny().fit(x, actions=actions)
    assert list(estimator.feature_names_in_) == ["a", "b", "c"]
    assert estimator.model_.action_names == ("drug=x", "drug=y", "drug=z", "dose")
    expected = estimator.transform(x)
    np.testing.assert_allclose(
        tiny().fit(x.to_pandas(), actions=actions.to_pandas()).transform(x), expected, atol=1e-6
    )
    latents = estimator.set_output(transform="polars").transform(x)
    assert isinstance(latents, pl.DataFrame)
    assert latents.columns == list(estimator.get_feature_names_out())
    np.testing.assert_allclose(latents.to_numpy(), expected, atol=1e-6)
    model = estimator.model_
    np.testing.assert_allclose(model.encode(x.select("c", "a", "b")), expected, atol=1e-6)
    planned = pl.DataFrame({"dose": [0.5], "drug": ["y"]})
    values = {"drug=x": 0.0, "drug=y": 1.0, "drug=z": 0.0, "dose": 0.5}
    np.testing.assert_allclose(model.predict(planned).mean, model.predict(values).mean, atol=1e-5)
    with pytest.raises(DataError, match=r"call collect\(\) first$"):
        estimator.transform(x.lazy())
    with pytest.raises(DataError, match=r"call collect\(\) first$"):
        tiny().fit(x.lazy())
