"""Columns have names, by which other data are aligned with the training data of a model."""

from __future__ import annotations

import dataclasses
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from estimation.checkpoint import load
from estimation.config import TrainingConfig
from estimation.dataset import Dataset
from estimation.dataset.alignment import align, with_actions_of
from estimation.dataset.readers.column_matching import match_columns
from estimation.evaluation import evaluate
from estimation.evaluation.verification import verify
from estimation.exceptions import CheckpointError, DataError
from estimation.learned import learned_entanglement
from estimation.selection.measurement import measure_runs
from estimation.stored_columns import columns_of, columns_record
from estimation.sweep.data import load_data
from estimation.sweep.specification import DataSpec
from estimation.trained import TrainedModel
from estimation.training import fit
from identify.graph import CausalGraph
from tests.estimation.command_line import TINY, Captured, error_of, json_of, output_of
from tests.seeds import training_seed

ROWS = 60
X, A, Z = [f"x{k}" for k in range(5)], ["a0", "a1", "a2"], ["z0", "z1"]


@cache
def frame() -> pd.DataFrame:
    rng = np.random.default_rng(training_seed())
    a = (rng.random((ROWS, 3)) < 0.5) * 1.0
    z = a[:, :2] + 0.3 * rng.normal(size=(ROWS, 2))
    x = z @ rng.normal(size=(2, 5)) + 0.05 * rng.normal(size=(ROWS, 5))
    return pd.DataFrame(np.c_[x, a, z].astype(np.float32), columns=[*X, *A, *Z])


def data_of(table: pd.DataFrame, named: bool = True) -> Dataset:
    """A dataset of a table, with the names of its columns or without."""
    x, a = ([name for name in table if name[0] == letter] for letter in "xa")
    names = {"observation_names": x, "action_names": a} if named else {}
    latents = table[Z].to_numpy() if Z[0] in table else None
    return Dataset.from_arrays(table[x].to_numpy(), table[a].to_numpy(), latents, **names)  # type: ignore[arg-type]


@cache
def model(named: bool = True, seed: int = 0) -> TrainedModel:
    tiny = {
        "steps": 30,
        "width": 8,
        "transition_width": 4,
        "batch_size": 64,
        "unmixing": False,
        "flow_blocks": 0,
    }
    config = TrainingConfig(max_edges_actions=3, n_latents=2, seed=training_seed(seed), **tiny)  # type: ignore[arg-type]
    return fit(data_of(frame(), named), config)


@settings(max_examples=20, deadline=None)
@given(order=st.permutations([*X, "x9", *A, "a9"]))
def test_the_order_of_columns_and_further_ones_change_nothing(order: list[str]) -> None:
    more = frame().assign(x9=np.arange(ROWS), a9=np.arange(ROWS))
    aligned = align(data_of(more[order]), model())
    np.testing.assert_array_equal(aligned.observations[:, 0], frame()[X])
    np.testing.assert_array_equal(aligned.actions, frame()[A])  # type: ignore[arg-type]
    assert (aligned.observation_names, aligned.action_names) == (tuple(X), tuple(A))
    assert align(aligned, model()) is aligned


def shuffled() -> Dataset:
    return data_of(frame()[[*X[::-1], "a2", "a0", "a1", *Z]].assign(x9=np.arange(ROWS)))


def test_every_use_of_data_matches_columns_by_name() -> None:
    same, other = data_of(frame()), shuffled()
    assert evaluate(model(), other).to_dict() == evaluate(model(), same).to_dict()
    assert model().negative_elbo(other) == model().negative_elbo(same)
    models = {"one": model(), "two": model(seed=1)}
    assert verify(models, other).to_dict() == verify(models, same).to_dict()
    pairs = [(1, trained) for trained in models.values()]
    assert measure_runs(pairs, other) == measure_runs(pairs, same)
    strengths = [learned_entanglement(model(), data).strengths for data in (same, other)]
    np.testing.assert_array_equal(*strengths)


def test_validation_data_are_matched_by_name() -> None:
    tiny = {
        "steps": 5,
        "width": 8,
        "transition_width": 4,
        "batch_size": 64,
        "unmixing": False,
        "flow_blocks": 0,
    }
    config = TrainingConfig(max_edges_actions=3, n_latents=2, **tiny, seed=training_seed())  # type: ignore[arg-type]
    first, second = (
        fit(data_of(frame()), config, validation=validation).history.records[-1].negative_elbo
        for validation in (data_of(frame()), shuffled())
    )
    assert first == second


def test_models_with_columns_in_another_order_compare() -> None:
    tiny = {
        "steps": 30,
        "width": 8,
        "transition_width": 4,
        "batch_size": 64,
        "unmixing": False,
        "flow_blocks": 0,
    }
    config = TrainingConfig(max_edges_actions=3, n_latents=2, **tiny, seed=training_seed())  # type: ignore[arg-type]
    reordered = fit(data_of(frame()[["x4", "x1", "x2", "x0", "x3", "a2", "a1", "a0", *Z]]), config)
    learned = learned_entanglement(model(), data_of(frame()), other=reordered)
    assert learned.strengths.shape == (2, 2)
    assert verify({"one": model(), "another": reordered}, data_of(frame())).latents
    strange = dataclasses.replace(reordered, observation_names=("x4", "x1", "y", "x0", "x3"))
    with pytest.raises(DataError, match="lack the observed column 'y'"):
        learned_entanglement(model(), data_of(frame()), other=strange)


def test_a_missing_column_is_named() -> None:
    with pytest.raises(
        DataError, match=r"lack the observed columns 'x0', 'x1', 'x2' and 1 more, on which the"
    ):
        evaluate(model(), data_of(frame()[["x4", *A]]))
    message = "have the actions a0, a2; the model was trained on a0, a1, a2; the data lack 'a1'"
    with pytest.raises(DataError, match=message):
        evaluate(model(), data_of(frame()[[*X, "a0", "a2"]]))
    graph = CausalGraph(Ga=[[1, 0]], actions=["push", "pull"])
    with pytest.raises(DataError, match="b was trained on other actions: 'turn', 'pull' on one side only"):
        with_actions_of(graph, CausalGraph(Ga=[[1, 0]], actions=["push", "turn"]), "b")


@pytest.mark.parametrize("named", [True, False], ids=["named model", "unnamed model"])
def test_without_names_on_one_side_columns_are_matched_by_position(named: bool) -> None:
    trained = model(named)
    other = data_of(frame(), named=not named)
    assert evaluate(trained, other).negative_elbo == evaluate(model(), data_of(frame())).negative_elbo
    fewer = data_of(frame().drop(columns="x0"), named=not named)
    with pytest.raises(DataError, match="the data have 4 observed dimensions; the model was trained on 5"):
        evaluate(trained, fewer)
    fewer = data_of(frame().drop(columns="a0"), named=not named)
    with pytest.raises(DataError, match="the data have 2 actions; the model was trained on 3"):
        evaluate(trained, fewer)
    assert match_columns((), 3, ("a", "b", "c"), 3, "it") is None


def test_the_graph_and_the_decoder_are_aligned_with_the_columns() -> None:
    graph = CausalGraph(Ga=[[1, 0, 0], [0, 1, 1]], actions=["a2", "a0", "a1"])
    data = dataclasses.replace(shuffled(), graph=graph, decoder=lambda z: np.tile(np.arange(6), (len(z), 1)))
    aligned = align(data, model())
    assert aligned.graph is not None
    assert aligned.decoder is not None
    assert set(aligned.graph.edges()) == {("a2", "z0"), ("a0", "z1"), ("a1", "z1")}
    assert aligned.graph.actions == tuple(A)
    assert aligned.decoder(np.zeros((1, 2))).tolist() == [[4, 3, 2, 1, 0]]


def test_a_model_keeps_its_names(tmp_path: Path) -> None:
    model().save(tmp_path / "m")
    loaded = load(tmp_path / "m")
    assert (loaded.observation_names, loaded.action_names, loaded.actions_named) == (tuple(X), tuple(A), True)
    assert model(False).observation_names == ()
    assert not model(False).actions_named
    # as models of earlier releases
    assert columns_of({}, 5) == {
        "observation_names": (),
        "actions_named": True,
        "roles": None,
        "covariate_names": (),
        "covariate_categories": None,
    }
    stored = columns_record(loaded.model, loaded)
    assert columns_of(stored, 5)["observation_names"] == tuple(X)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"observation_names": ["x0"] * 5}, "holds the same text twice"),
        ({"observation_names": ["x0"]}, "1 observation names for 5 observed columns"),
        ({"observation_names": 3}, "observation_names is not a list of texts"),
        ({"actions_named": 1}, "actions_named is neither true nor false"),
        ({"roles": {"episode": None}}, "the roles of the columns are damaged; they must be actions"),
        ({"roles": "x0"}, "the roles of the columns are damaged"),
        ({"covariate_categories": ["b1"]}, "covariate_categories are damaged; they must be a list of texts"),
    ],
)
def test_damaged_names_of_a_model(change: dict[str, object], message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=message):
        columns_of(change, 5)
    model().save(tmp_path)
    path = tmp_path / "manifest.json"
    import json

    manifest = json.loads(path.read_text())
    manifest["content"] |= change
    path.write_text(json.dumps(manifest))
    with pytest.raises(CheckpointError, match=message):
        load(tmp_path)


def test_npz_files_keep_names_and_roles(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(
        "drug,x0,x1\n" + "".join(f"{d},{k},{k * k}\n" for k, d in enumerate("abca"))
    )
    data = Dataset.read(tmp_path / "t.csv", categorical="drug")
    data.write(tmp_path / "t.npz")
    again = Dataset.read(tmp_path / "t.npz")
    assert again.observation_names == ("x0", "x1")
    assert again.roles == data.roles
    assert again.actions_named
    data_of(frame(), named=False).write(tmp_path / "u.npz")
    assert not Dataset.read(tmp_path / "u.npz").actions_named


# the command line -----------------------------------------------------------------------------------


def write(path: str, table: pd.DataFrame) -> None:
    table.to_csv(path, index=False, float_format="%.6g")


@pytest.fixture
def cells(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> pd.DataFrame:
    """A table with categories, for the model m to be trained on."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(training_seed(1))
    kinds = np.array(["a", "b", "c"])[np.arange(ROWS) % 3]
    columns = {f"gene{k}": rng.normal(size=ROWS) for k in range(3)}
    return pd.DataFrame({"drug": kinds, "dose": rng.random(ROWS), **columns})


def test_the_command_line_matches_the_columns_of_the_model(cells: pd.DataFrame, capsys: Captured) -> None:
    write("train.csv", cells)
    roles = ["--observations", "gene*", "--actions", "dose", "--categorical", "drug"]
    output_of(
        capsys,
        "train",
        "train.csv",
        "-o",
        "m",
        *roles,
        *TINY,
        "--set",
        "n_latents=2",
        "--set",
        "flow_blocks=0",
    )
    expected = json_of(capsys, "evaluate", "m", "train.csv")["negative_elbo"]
    # another order, and further columns that match the patterns of training
    write("other.csv", cells[cells.columns[::-1]].assign(gene9=1.5, x0=2.0, a0=3.0))
    assert json_of(capsys, "evaluate", "m", "other.csv")["negative_elbo"] == expected
    assert json_of(capsys, "evaluate", "m", "other.csv", *roles)["negative_elbo"] == expected
    # a category that doesn't occur, and an action that never varies
    write("some.csv", cells[cells.drug != "c"].assign(dose=0.25))
    output_of(capsys, "evaluate", "m", "some.csv")
    Path("n").symlink_to("m")
    output_of(capsys, "verify", "m", "n", "--data", "some.csv")
    output_of(capsys, "compare", "m", "m", "some.csv")
    write("strange.csv", cells.replace({"drug": {"b": "d"}}))
    error = error_of(capsys, "evaluate", "m", "strange.csv")
    assert "column 'drug', row 3 (the names are row 1) is 'd'; the categories are a, b, c" in error
    write("fewer.csv", cells.drop(columns=["gene1", "dose"]))
    error = error_of(capsys, "evaluate", "m", "fewer.csv")
    assert "fewer.csv: lacks columns 'gene1', 'dose' of the training data; the columns are 'drug'" in error


def test_categories_that_do_not_occur_are_zero_and_unknown_ones_refused(cells: pd.DataFrame) -> None:
    write("train.csv", cells)
    write("some.csv", cells[cells.drug != "b"])
    write("strange.csv", cells.replace({"drug": {"b": "d"}}))
    how = {"observations": "gene*", "actions": [], "categorical": "drug"}
    training = Dataset.read("train.csv", **how)  # type: ignore[arg-type]
    some = align(Dataset.read("some.csv", **how), training)  # type: ignore[arg-type]
    assert some.action_names == ("drug=a", "drug=b", "drug=c")
    assert some.actions is not None
    assert some.actions.sum(axis=0).tolist() == [20, 0, 20]
    with pytest.raises(
        DataError, match=r"column 'drug' is 'd' in row 1, a category that .* its categories are a, b, c"
    ):
        align(Dataset.read("strange.csv", **how), training)  # type: ignore[arg-type]
    assert Dataset.read("some.csv", like=training).actions_named


def test_roles_of_sequences_are_inherited(tmp_path: Path) -> None:
    rows = "".join(f"{k % 2},{k},{k * k % 7}\n" for k in range(12))
    (tmp_path / "train.csv").write_text(f"who,day,x0\n{rows}")
    training = Dataset.read(tmp_path / "train.csv", episode="who", time="day")
    assert Dataset.read(tmp_path / "train.csv", like=training).n_steps == 2
    (tmp_path / "other.csv").write_text(f"id,day,x0\n{rows}")
    with pytest.raises(
        DataError, match="lacks column 'who' of the training data; the columns are 'id', 'day', 'x0'"
    ):
        Dataset.read(tmp_path / "other.csv", like=training)
    assert Dataset.read(tmp_path / "other.csv", like=training, episode="id", time="day").n_steps == 2


def test_a_table_is_read_by_the_names_of_arrays(tmp_path: Path) -> None:
    frame = pd.DataFrame({"size": [1.0, 2, 4], "mass": [3.0, 1, 2], "dose": [0, 1, 0], "x0": [5.0, 6, 7]})
    training = Dataset.from_arrays(frame[["mass", "size"]], actions=frame[["dose"]])
    frame.to_csv(tmp_path / "t.csv")
    read = Dataset.read(tmp_path / "t.csv", like=training)
    np.testing.assert_array_equal(read.observations, training.observations)
    assert read.action_names == ("dose",)


def test_a_sweep_reads_its_test_data_like_its_training_data(tmp_path: Path) -> None:
    rows = np.random.default_rng(training_seed()).normal(size=(5, 3)).round(3)
    for name, order in (("train", [0, 1, 2]), ("test", [2, 0, 1])):
        table = pd.DataFrame(rows, columns=["x0", "x1", "a0"]).iloc[:, order]
        table.assign(x9=1.0).iloc[:, : 3 + (name == "test")].to_csv(tmp_path / f"{name}.csv", index=False)
    spec = DataSpec("own", str(tmp_path / "train.csv"), test=str(tmp_path / "test.csv"))
    train, test = load_data(spec)
    np.testing.assert_array_equal(train.observations, test.observations)
    np.testing.assert_array_equal(train.actions, test.actions)  # type: ignore[arg-type]
