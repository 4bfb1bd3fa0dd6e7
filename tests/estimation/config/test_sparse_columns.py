"""The setting ``sparse_actions``: what it accepts, how it is stored, and which columns it names."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from estimation.config import TrainingConfig
from estimation.config.sparse_columns import SparseColumns
from estimation.config.training import read_config
from estimation.exceptions import ConfigError
from identify.entanglement import predict_entanglement
from identify.graph import CausalGraph

ACTIONS = ("push", "pull", "lift")


@pytest.mark.parametrize(
    ("given", "stored"),
    [
        (None, None),
        ([], ()),
        (["push", 2], ("push", 2)),
        (("pull",), ("pull",)),
        (np.array([0, 2]), (0, 2)),
        ([np.int64(1)], (1,)),
    ],
)
def test_it_is_stored_as_a_tuple(given: Any, stored: tuple[str | int, ...] | None) -> None:
    config = TrainingConfig(sparse_actions=given)
    assert config.sparse_actions == stored
    assert hash(config) == hash(TrainingConfig(sparse_actions=stored))
    assert config.replace(steps=7).sparse_actions == stored
    stored_settings = config.to_dict()
    assert json.loads(json.dumps(stored_settings)) == stored_settings
    assert TrainingConfig.from_dict(stored_settings) == config


def test_settings_stored_before_it_existed_are_read() -> None:
    former = TrainingConfig().to_dict()
    del former["sparse_actions"], former["sparse_past"]
    assert TrainingConfig.from_dict(former) == TrainingConfig()


def test_it_is_read_from_toml_and_from_key_value(tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text('sparse_actions = ["push", "pull"]\nsparse_past = false\n')
    config = read_config(tmp_path / "c.toml")
    assert (config.sparse_actions, config.sparse_past) == (("push", "pull"), False)
    assert read_config(tmp_path / "c.toml", ["sparse_actions=[0, 2]"]).sparse_actions == (0, 2)
    assert read_config(None, ["sparse_actions=[]"]).sparse_actions == ()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (
            {"sparse_actions": "push"},
            "sparse_actions is 'push'; it must be a list of names or positions of actions",
        ),
        ({"sparse_actions": 3}, "sparse_actions is 3; it must be a list"),
        ({"sparse_actions": {"push": 1}}, "it must be a list"),
        (
            {"sparse_actions": [-1]},
            "sparse_actions holds -1; an entry is the name of an action, or its position",
        ),
        ({"sparse_actions": [True]}, "sparse_actions holds True; an entry is the name"),
        ({"sparse_actions": [1.0]}, "sparse_actions holds 1.0; an entry is the name"),
        ({"sparse_actions": ["push", "push"]}, "sparse_actions holds 'push' twice; name each action once"),
        ({"sparse_past": 1}, "sparse_past is 1; it must be true or false"),
        (
            {"sparse_actions": [], "max_edges_actions": 3},
            "max_edges_actions is set, and sparse_actions is empty, so that no column of G^a is sparse; keep one",
        ),
        (
            {"sparse_past": False, "max_edges_past": 3},
            "max_edges_past is set, and sparse_past is false, so that G^z is dense; keep one",
        ),
    ],
)
def test_settings_that_are_refused(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(message)):
        TrainingConfig(**wrong)


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        (["pusch"], "sparse_actions names pusch, which is no action; there are push, pull, lift"),
        ([3], "sparse_actions holds position 3, counted from 0, of 3 actions; there are push, pull, lift"),
        (["pull", 1], "sparse_actions holds pull twice, by its name and by its position; keep one"),
    ],
)
def test_actions_that_the_data_lack(entries: list[str | int], message: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(message)):
        TrainingConfig(sparse_actions=entries).sparse_columns(ACTIONS, past=False)


def test_data_without_actions() -> None:
    with pytest.raises(ConfigError, match="names push, which is no action; there are none"):
        TrainingConfig(sparse_actions=["push"]).sparse_columns((), past=True)


@settings(deadline=None)
@given(st.sets(st.integers(0, 4)), st.randoms(use_true_random=False))
def test_names_and_positions_in_any_order_name_the_same_columns(positions: set[int], random: Any) -> None:
    names = [f"a{k}" for k in range(5)]
    entries: list[str | int] = [names[k] if random.random() < 0.5 else k for k in positions]
    random.shuffle(entries)
    columns = TrainingConfig(sparse_actions=entries).sparse_columns(names, past=False)
    assert columns.positions(names) == tuple(sorted(positions))
    assert set(columns.actions) | set(columns.dense_actions) == set(names)
    assert not set(columns.actions) & set(columns.dense_actions)
    assert columns.complete == (len(positions) == 5)


@settings(deadline=None)
@given(st.data())
def test_dense_columns_predict_as_much_as_empty_ones(data: st.DataObject) -> None:
    """A column with all edges separates nothing, so the full learned graph predicts what its sparse part does."""
    n, m = data.draw(st.integers(1, 4)), data.draw(st.integers(1, 4))
    Ga = np.array(
        data.draw(st.lists(st.lists(st.booleans(), min_size=m, max_size=m), min_size=n, max_size=n))
    )
    dense = data.draw(st.sets(st.integers(0, m - 1)))
    Ga[:, sorted(dense)] = True
    graph = CausalGraph(Ga=Ga)
    columns = SparseColumns.of([k for k in range(m) if k not in dense], True, graph.actions)
    part = columns.part_of(graph)
    assert part.actions == graph.actions
    assert part.n_edges == graph.n_edges - n * len(dense)
    matrices = [predict_entanglement(g, "actions").matrix.toarray() for g in (graph, part)]
    assert (matrices[0] == matrices[1]).all()


def test_a_dense_past_is_left_out() -> None:
    graph = CausalGraph(Gz=[[1, 1], [1, 1]], Ga=[[1, 0], [1, 1]])
    columns = TrainingConfig(sparse_actions=[1], sparse_past=False).sparse_columns(graph.actions, past=True)
    assert columns.part_of(graph) == CausalGraph(Ga=[[0, 0], [0, 1]])
    assert f"{columns}" == "dense columns: a0, all of G^z"
    assert columns.notes() == [
        "the column of G^a of a0 is dense: all its edges are present, none is learned or counted",
        "G^z is dense: all its edges are present, none is learned or counted",
    ]
    assert columns.masks(graph.actions) == {"actions": [False, True], "past": []}
    # without a past there is nothing that could be dense
    assert not TrainingConfig(sparse_past=False).sparse_columns(graph.actions, past=False).past_is_dense
