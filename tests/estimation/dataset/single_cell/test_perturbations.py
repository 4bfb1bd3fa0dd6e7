"""Labels of perturbations and doses become actions: compared with a brute force, and every refusal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from estimation.dataset import Dataset
from estimation.dataset.readers.single_cell.options import AnnDataOptions
from estimation.dataset.readers.single_cell.perturbations import Perturbations, perturbations_of
from estimation.exceptions import DataError
from tests.estimation.dataset.single_cell.cells import adata_of, counts, obs_of

PARTS = ("ctrl", "A", "B", "HLA-A")


def parsed(
    labels: Sequence[Any], training: Sequence[str] | None = None, columns: Any = None, **options: Any
) -> Perturbations:
    obs = obs_of(labels, **(columns or {}))
    given_options = AnnDataOptions(**{"perturbation": "perturbation", "control": "ctrl", **options})
    result = perturbations_of(obs, list(obs.index), given_options, training)
    assert result is not None
    return result


@given(
    cells=st.lists(st.lists(st.sampled_from(PARTS), min_size=1, max_size=4), min_size=1, max_size=12),
    space=st.sampled_from(["", " "]),
    separator=st.sampled_from(["+", ";", " + ", "_and_", " "]),
    kind=st.sampled_from(["object", "category", "string"]),
)
def test_labels_mean_the_set_of_their_parts(
    cells: list[list[str]], space: str, separator: str, kind: str
) -> None:
    cells = [*cells, ["ctrl"], ["A"]]
    glue = separator if separator == " " else f"{space}{separator}{space}"
    labels = pd.Series([glue.join(parts) for parts in cells], dtype=kind)  # type: ignore[call-overload]
    result = parsed(labels.to_numpy() if kind == "object" else labels.array, separator=separator)
    sets = [set(parts) - {"ctrl"} for parts in cells]
    names = sorted(set().union(*sets))
    assert result.names == tuple(names)
    np.testing.assert_array_equal(result.actions, [[name in parts for name in names] for parts in sets])
    assert result.actions.dtype == np.float32
    n_control = sum(not parts for parts in sets)
    assert f"and {n_control} control cell" in result.notes[0]


@given(
    cells=st.lists(
        st.dictionaries(st.sampled_from(["A", "B", "C"]), st.sampled_from([0.25, 1.0, 2.5]), max_size=3),
        min_size=1,
        max_size=10,
    ),
    with_control=st.booleans(),
)
def test_doses_belong_to_the_parts_in_their_order(cells: list[dict[str, float]], with_control: bool) -> None:
    cells = [*cells, {}, {"A": 1.5}]
    control = {"ctrl": 7.0} if with_control else {}
    full = [{**control, **doses} if doses else {"ctrl": 0.0} for doses in cells]
    labels = ["+".join(doses) for doses in full]
    doses = [" + ".join(map(str, doses.values())) for doses in full]
    result = parsed(labels, columns={"dose": doses}, dose="dose")
    expected = [[each.get(name, 0.0) for name in result.names] for each in cells]
    np.testing.assert_array_equal(result.actions, np.array(expected, dtype=np.float32))


def test_a_dose_for_the_perturbations_only_and_numeric_doses() -> None:
    result = parsed(["A+ctrl", "ctrl", "B"], columns={"dose": [0.5, np.nan, 2.0]}, dose="dose")
    np.testing.assert_array_equal(result.actions, [[0.5, 0], [0, 0], [0, 2]])


def test_several_columns_are_combined() -> None:
    columns = {"guide2": ["ctrl", "B", "A"], "dose1": [1.0, 2.0, 3.0], "dose2": [0.0, 4.0, 3.0]}
    names = ["perturbation", "guide2"]
    result = parsed(["A", "ctrl", "A"], columns=columns, perturbation=names)
    np.testing.assert_array_equal(result.actions, [[1, 0], [0, 1], [1, 0]])
    with_doses = parsed(["A", "ctrl", "A"], columns=columns, perturbation=names, dose=["dose1", "dose2"])
    np.testing.assert_array_equal(with_doses.actions, [[1, 0], [0, 4], [3, 0]])
    columns["dose2"] = [0.0, 4.0, 5.0]
    with pytest.raises(DataError, match=r"^cell 'c2' has 'A' twice, with the doses 3 and 5$"):
        parsed(["A", "ctrl", "A"], columns=columns, perturbation=names, dose=["dose1", "dose2"])


@pytest.mark.parametrize(
    ("labels", "control"),
    [
        (pd.Categorical(["b", "a", "b"], ["a", "b", "unused"], ordered=True), "a"),
        ([2, 1, 2], "1"),
        ([True, False, True], "False"),
        (np.array(["x", "None", "x"], dtype=object), "None"),
        (["A", "non+targeting", "A"], "non+targeting"),
        (["A", "NT1", "NT2+A"], ["NT1", "NT2"]),
        (pd.array(["A", " ctrl", "A "], dtype="string"), "ctrl "),
    ],
)
def test_labels_of_any_type(labels: Any, control: Any) -> None:
    np.testing.assert_array_equal(parsed(labels, control=control).actions, [[1], [0], [1]])


def test_notes() -> None:
    result = parsed(
        ["A", "A", "B", "A+C", "ctrl", "A"], columns={"dose": ["1", "0", "1", "1+2", "0", "1"]}, dose="dose"
    )
    assert result.notes == (
        "3 perturbations (1 cell with several of them) and 1 control cell",
        "perturbations 'B', 'C' in one cell only: their effects can't be told from noise",
        "1 dose of 0, which mean the same as no perturbation",
    )
    assert parsed(["A_ctrl", "B", "ctrl", "B", "A_ctrl"]).notes[1:] == (
        "perturbation 'A_ctrl' with the label of the control inside: give the separator if it joins perturbations, or "
        "name it as a control too if it is one",
    )
    assert len(parsed(["Actrl", "Actrl", "ctrl"]).notes) == 1


def test_without_a_control() -> None:
    np.testing.assert_array_equal(parsed(["A", "B", "A"], control=()).actions, [[1, 0], [0, 1], [1, 0]])


def test_labels_of_the_training_data() -> None:
    result = parsed(["C", "A"], training=("B", "A", "C"))
    assert result.names == ("B", "A", "C")
    np.testing.assert_array_equal(result.actions, [[0, 0, 1], [0, 1, 0]])
    message = (
        r"^perturbations 'D', 'E' \(first in cell 'c1'\) did not occur in training; leave those cells out$"
    )
    with pytest.raises(DataError, match=message):
        parsed(["A", "D+A", "E"], training=("A", "C"))


@pytest.mark.parametrize(
    ("labels", "options", "message"),
    [
        (
            ["A", None, np.nan, "ctrl"],
            {},
            r"^column 'perturbation' of .obs is empty in 2 cells, first in cell 'c1'; every cell needs a value; give "
            r"cells without a perturbation the label of the control$",
        ),
        (pd.Categorical(["A", None, "ctrl"]), {}, r"is empty in 1 cell, first in cell 'c1'"),
        (pd.array(["A", pd.NA, "ctrl"], dtype="string"), {}, r"is empty in 1 cell, first in cell 'c1'"),
        (
            ["A", "ctrl"],
            {"control": "Ctrl"},
            r"^control: no cell has the label 'Ctrl'; did you mean 'ctrl'\?$",
        ),
        (["A", "non-targeting"], {}, r"no cell has the label 'ctrl'; did you mean 'non-targeting'\?$"),
        (["A", "B"], {"control": "xyz"}, r"no cell has the label 'xyz'; the labels are A, B$"),
        (
            ["A", "ctrl", "A+"],
            {},
            r"^column 'perturbation' of .obs, cell 'c2', is 'A\+', which has an empty part; '\+' separates the "
            r"perturbations of a cell, unless another separator is given$",
        ),
        (["ctrl", "ctrl"], {}, r"^every cell is a control; there is no perturbation to learn from$"),
        (
            ["A"],
            {"perturbation": "gene"},
            r"^perturbation: .obs has no column called 'gene'; the columns are 'perturb",
        ),
        (
            ["A"],
            {"control": None},
            r"^perturbation is perturbation, and no control is given; say which label the",
        ),
        (["A"], {"separator": 3}, r"^separator is 3; it must be text, empty for none$"),
        (
            ["A"],
            {"dose": ["a", "b"]},
            r"^2 columns of doses for 1 of perturbations; each column of perturbations needs",
        ),
        (
            ["A"],
            {"perturbation": None},
            r"^control is ctrl, and no perturbation is given; say which column of .obs has",
        ),
    ],
)
def test_refused_labels(labels: Any, options: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        parsed(labels, **options)


@pytest.mark.parametrize(
    ("dose", "message"),
    [
        (
            ["1", "1+x", "0"],
            r"^column 'perturbation' of .obs, cell 'c1', has a dose that is 'x'; it must be a number",
        ),
        ([None, "1+1", "0"], r"cell 'c0', has a dose that is empty; every cell must be a finite number$"),
        (["1", None, "0"], r"cell 'c1', is 'A\+B' and has the dose ''; 2 perturbations need 2 doses$"),
        (["1", "1", "0"], r"cell 'c1', is 'A\+B' and has the dose '1'; 2 perturbations need 2 doses$"),
        (
            ["-2", "1+1", "0"],
            r"cell 'c0', has the dose -2; a dose is 0 or positive, where 0 means no perturbation",
        ),
        (["inf", "1+1", "0"], r"cell 'c0', has a dose that is inf"),
    ],
)
def test_refused_doses(dose: list[Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        parsed(["A", "A+B", "ctrl"], columns={"dose": dose}, dose="dose")


def test_one_perturbation_with_two_doses() -> None:
    assert parsed(["A+A", "ctrl"], columns={"dose": ["2+2", "0"]}, dose="dose").actions[0, 0] == 2
    with pytest.raises(DataError, match=r"cell 'c0', has 'A' twice, with the doses 2 and 3$"):
        parsed(["A+A", "ctrl"], columns={"dose": ["2+3", "0"]}, dose="dose")


def test_a_perturbation_in_all_cells_is_refused_as_a_constant_action() -> None:
    adata = adata_of(counts(4), labels=["A", "A+B", "A", "A+ctrl"])
    with pytest.raises(
        DataError, match=r"^action column A is constant; drop it or pass allow_constant=True$"
    ):
        Dataset.from_anndata(adata, perturbation="perturbation", control="ctrl")


def test_columns_with_the_same_name() -> None:
    obs = pd.concat([obs_of(["A", "ctrl"]), obs_of(["A", "ctrl"])], axis=1)
    options = AnnDataOptions(perturbation="perturbation", control="ctrl")
    with pytest.raises(DataError, match=r".obs has two columns called 'perturbation'; names must be unique"):
        perturbations_of(obs, list(obs.index), options)
