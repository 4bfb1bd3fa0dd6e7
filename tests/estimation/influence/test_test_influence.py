"""`test_influence`: verdicts on trained models, the command, the figure, and errors."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch

from estimation import influence
from estimation.config import BaselineConfig, TrainingConfig
from estimation.dataset import Dataset
from estimation.exceptions import ConfigError, DataError
from estimation.influence import ActionInfluence, InfluenceTest
from estimation.influence.features import Causes, count_settings, transform
from estimation.influence.latents import influence_of_action
from estimation.plot import plot_influence
from estimation.report import influence_page
from estimation.simulate import simulate
from estimation.trained import TrainedModel
from estimation.training import fit
from identify.graph import CausalGraph
from identify.influence.joint import check_joint_generic
from tests.estimation.command_line import Captured, error_of, json_of, output_of
from tests.seeds import training_seed

TINY: dict[str, Any] = {
    "steps": 2,
    "width": 8,
    "depth": 1,
    "transition_width": 4,
    "unmixing": False,
    "flow_blocks": 0,
    "refinements": 0,
}
# observations are the latents themselves
GRAPH = CausalGraph(Ga=[[1, 1, 1], [1, 0, 1]], actions=["both", "own", "dose"])


def dataset(seed: int, n_rows: int = 3000) -> Dataset:
    """Return latents as observations: one action moves both independently, one in proportion."""
    rng = np.random.default_rng(training_seed(seed))
    actions = rng.uniform(-2, 2, (n_rows, 3))
    both, own, dose = actions.T
    latents = np.column_stack([np.sin(both) + np.cos(own) + dose, np.sin(2 * both) - 2 * dose])
    latents += 0.3 * rng.normal(size=latents.shape)
    return Dataset.from_arrays(latents, actions=actions, action_names=GRAPH.actions)


@pytest.fixture(scope="module")
def model() -> TrainedModel:
    """Return a model whose encoder is the identity, without training."""
    config = TrainingConfig(max_edges_actions=5, n_latents=2, seed=training_seed(), **TINY)
    trained = fit(dataset(0, 300), config)

    class Identity(torch.nn.Module):
        def forward(self, values: torch.Tensor) -> torch.Tensor:
            return values

    object.__setattr__(trained.model, "mean_latents", lambda values: values)
    return trained


@pytest.fixture
def result(model: TrainedModel) -> InfluenceTest:
    return influence.test_influence(model, dataset(1), graph=GRAPH)


def test_verdicts_of_independent_and_proportional_effects(result: InfluenceTest) -> None:
    assert list(result) == ["both", "own", "dose"]
    assert [result[name].verdict for name in result] == ["holds", "holds", "fails"]
    assert result.sufficient == ("both", "own")
    assert result.p_value == result["dose"].p_value > 0.5
    assert result["dose"].p_value_against < 0.01
    assert result["dose"].relative < result.tolerance < result["both"].relative
    weights = result["dose"].direction
    # standardised latents: the effects are 1 and -2 of their own units
    scale = dataset(0, 300).observations.std((0, 1))
    assert weights["z0"] / scale[0] == pytest.approx(2 * weights["z1"] / scale[1], rel=0.1)
    assert result.summary == "influence holds for 2 of 3 actions, fails for 1"
    assert str(result["dose"]).startswith("dose: fails (p = ")


def test_joint_influence_counts_the_directions_that_are_moved(result: InfluenceTest) -> None:
    assert result.joint.ranks == {"both": 2, "own": 1, "dose": 1}
    # one dose offers one direction, which a combination of both latents cancels
    assert result.joint.status == check_joint_generic(GRAPH, [2, 1, 1]).status == "fails"
    assert result.joint.margin == min(result[name].tests[0].strengths[0] for name in ("own", "dose"))
    assert str(result).splitlines()[-1] == str(result.joint.answer)


def test_the_result_as_json(result: InfluenceTest) -> None:
    record = json.loads(json.dumps(result.to_dict()))
    assert record["rows"] == 3000
    assert record["actions"]["both"]["verdict"] == "holds"
    assert record["joint"]["ranks"] == record["joint"]["most"] == {"both": 2, "own": 1, "dose": 1}
    low, high = record["actions"]["both"]["interval"]
    assert low < record["actions"]["both"]["margin"] < high
    assert repr(result) == f"InfluenceTest(3 actions, 3000 rows, p = {result.p_value:.2g})"


def test_effects_without_an_edge_contradict_the_graph(model: TrainedModel) -> None:
    wrong = CausalGraph(Ga=[[1, 0, 0], [1, 0, 1]], latents=GRAPH.latents, actions=GRAPH.actions)
    result = influence.test_influence(model, dataset(1), graph=wrong)
    assert result.leakage.size > 0.3
    record = json.loads(json.dumps(result.to_dict()))["leakage"]
    assert record["size"] == result.leakage.size
    missing = {(effect["action"], effect["latent"]) for effect in record["contradictions"]}
    assert missing == {("own", "z0"), ("dose", "z0")}
    (note,) = result.notes
    assert note.startswith(
        "the data contradict the graph: latents are mixed, or edges are missing and others wrong; "
    )
    first, second = result.leakage.contradictions
    assert note.endswith(f"joint influence are undecided; {first}; {second}")
    assert {action.verdict for action in result.values()} == {"undecided"}
    assert result.joint.status == "undecided"
    assert result.joint.answer.reason == f"the data contradict the graph: {result.leakage.contradictions[0]}"
    # an explicit test for exact proportionality doesn't look at them
    exact = influence.test_influence(model, dataset(1), graph=wrong, tolerance=0)
    assert not exact.notes
    assert exact["both"].verdict == "holds"


def test_a_note_says_how_large_small_effects_without_an_edge_are(model: TrainedModel) -> None:
    data = dataset(1)
    assert data.actions is not None
    observations = data.observations.copy()
    observations[..., 1] += 0.15 * np.cos(data.actions[..., 1]).reshape(observations.shape[:-1])
    distorted = Dataset.from_arrays(observations[:, 0], actions=data.actions, action_names=GRAPH.actions)
    (note,) = influence.test_influence(model, distorted, graph=GRAPH).notes
    assert note.startswith("actions have effects on latents without an edge, of up to ")
    assert note.endswith("influence holds only beyond that")


def test_some_actions_and_some_rows(model: TrainedModel) -> None:
    result = influence.test_influence(model, dataset(1), graph=GRAPH, actions=["dose"], max_rows=500)
    assert (list(result), result.n_rows) == (["dose"], 500)
    old = dataclasses.replace(model, data_fingerprint=None)
    (note,) = influence.test_influence(old, dataset(1), graph=GRAPH, actions=["dose"]).notes
    assert note.startswith("the model does not store which data it was trained on")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"level": 1.0}, "level is 1.0; it must be a number above 0 and below 1"),
        ({"tolerance": -0.1}, "tolerance is -0.1; it must be from 0 to below 1"),
        ({"effects": "tail"}, "effects are 'tail'; give 'mean' or 'any'"),
        ({"max_rows": 5}, "max_rows is 5; it must be at least 200"),
        ({"actions": ["heat"]}, "the model has no action 'heat'; it has both, own, dose"),
    ],
)
def test_arguments_out_of_range_are_refused(model: TrainedModel, options: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        influence.test_influence(model, dataset(1), **options)


def test_data_that_do_not_fit_are_refused(model: TrainedModel) -> None:
    with pytest.raises(DataError, match="these are the data that the model was trained on"):
        influence.test_influence(model, dataset(0, 300))
    with pytest.raises(DataError, match="100 rows are too few to test influence; give 200 or more"):
        influence.test_influence(model, dataset(1, 100))
    with pytest.raises(DataError, match="the graph has 3 latents and 1 actions; the model has 2 and 3"):
        influence.test_influence(model, dataset(1), graph=CausalGraph(Ga=np.ones((3, 1))))
    twice = np.repeat(dataset(1, 300).observations, 2, axis=1)
    steps = Dataset.from_arrays(twice, actions=dataset(1, 300).actions)
    with pytest.raises(DataError, match="the model has 3 actions and no past; the data have 3 actions and 2"):
        influence.test_influence(model, dataclasses.replace(steps, action_names=GRAPH.actions))
    baseline = fit(
        dataset(0, 300), BaselineConfig("vae", n_latents=2, steps=2, width=8, depth=1, seed=training_seed())
    )
    with pytest.raises(DataError, match="vae has no transition networks, so that influence can't be"):
        influence.test_influence(baseline, dataset(1))
    past = simulate("TimeDiag", 100, seed=training_seed(1))
    with pytest.raises(DataError, match="the model has no actions, so that their influence can't be tested"):
        influence.test_influence(
            fit(past, TrainingConfig(**{**TINY, "max_edges_past": 10, "seed": training_seed()})), past
        )


# latents that are given -----------------------------------------------------------------------------


def test_an_indicator_without_other_settings_fails_by_counting() -> None:
    rng = np.random.default_rng(training_seed())
    actions = np.eye(3)[rng.integers(0, 3, 1000)][:, 1:]
    latents = actions @ np.ones((2, 2)) + rng.normal(size=(1000, 2))
    result = influence_of_action(latents, Causes(actions), CausalGraph(Ga=np.ones((2, 2))), 0)
    assert (result.verdict, result.p_value, result.p_value_against) == ("fails", 1.0, 0.0)
    assert "it occurs in 1 setting of the other causes, too few to move 2 latents" in result.reason
    assert count_settings(Causes(actions), 0) == 1
    factorial = rng.integers(0, 2, (1000, 2)).astype(float)
    assert count_settings(Causes(factorial), 0) == 2
    assert count_settings(Causes(rng.normal(size=(1000, 2))), 0) is None


def test_an_action_that_is_a_function_of_the_others_fails() -> None:
    rng = np.random.default_rng(training_seed())
    own = rng.uniform(-2, 2, 1000)
    causes = Causes(np.column_stack([own, own]))
    result = influence_of_action(rng.normal(size=(1000, 1)), causes, CausalGraph(Ga=[[1, 1]]), 0)
    assert result.verdict == "fails"
    assert "its values in these data are a function of the other causes, or too few" in result.reason


def test_an_on_off_action_whose_effect_depends_on_the_past() -> None:
    rng = np.random.default_rng(training_seed())
    past, action = rng.normal(size=(4000, 2)), rng.integers(0, 2, (4000, 1)).astype(float)
    graph = CausalGraph(Gz=np.eye(2), Ga=np.ones((2, 1)))
    noise = rng.normal(size=(4000, 2))
    own = influence_of_action(past + action * past + noise, Causes(action, past), graph, 0)
    assert own.verdict == "holds"
    common = influence_of_action(past + action * past[:, [0]] + noise, Causes(action, past), graph, 0)
    assert common.p_value > 1e-3


def test_the_order_and_the_units_of_latents_change_nothing() -> None:
    data = dataset(2)
    latents, causes = data.observations[:, 0].astype(float), Causes(np.asarray(data.actions, dtype=float))
    first = influence_of_action(latents, causes, GRAPH, 0)
    swapped = influence_of_action(latents[:, ::-1] * [3, -0.2], causes, GRAPH.permute([1, 0]), 0)
    assert swapped.margin == pytest.approx(first.margin, rel=1e-3)
    assert swapped.relative == pytest.approx(first.relative, rel=1e-2)
    assert swapped.children == ("z1", "z0")


def test_effects_on_variances_count() -> None:
    rng = np.random.default_rng(training_seed())
    action = rng.uniform(-2, 2, (3000, 1))
    scale = np.exp(0.5 * np.column_stack([np.sin(action), np.sin(2 * action + 1)]))
    latents = scale * rng.normal(size=(3000, 2))
    graph = CausalGraph(Ga=[[1], [1]])
    result = influence_of_action(latents, Causes(action), graph, 0)
    assert result.verdict == "holds"
    assert set(result.statistics.values()) == {"variance"}
    assert "the variance of z0" in result.least_moved
    assert influence_of_action(latents, Causes(action), graph, 0, effects="mean").verdict == "undecided"
    common = influence_of_action(scale[:, [0]] * rng.normal(size=(3000, 2)), Causes(action), graph, 0)
    assert common.p_value > 1e-3


def test_an_action_without_children_holds() -> None:
    result = influence_of_action(np.zeros((9, 1)), Causes(np.zeros((9, 1))), CausalGraph(Ga=[[0]]), 0)
    assert (result.verdict, result.p_value, result.p_value_against) == ("holds", 0.0, 1.0)
    assert (result.margin, result.reason, result.direction) == (math.inf, "it has no children", {})
    assert result.to_dict()["margin"] is None


def test_splines_of_repeated_values() -> None:
    values = np.repeat([0.0, *np.linspace(1, 2, 20)], [500, *[5] * 20])
    columns = transform(values)
    assert np.isfinite(columns).all()
    assert np.linalg.matrix_rank(columns - columns.mean(0)) == columns.shape[1]


# figure, page and command ---------------------------------------------------------------------------


@pytest.fixture
def close_figures() -> Iterator[None]:
    yield
    plt.close("all")


@pytest.mark.usefixtures("close_figures")
def test_the_figure_has_a_mark_and_an_interval_for_every_action(result: InfluenceTest) -> None:
    ax = plot_influence(result)
    assert [label.get_text() for label in ax.get_yticklabels()] == ["both", "own", "dose"]
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["holds", "fails"]
    empty = InfluenceTest({"none": ActionInfluence("none", (), 0.05, 0.0)}, 10, 0.05, 0.0, GRAPH)
    assert plot_influence(empty, ax) is ax


def test_the_page_shows_every_action(result: InfluenceTest) -> None:
    page = influence_page("a <model>", result)
    for part in ("a &lt;model&gt;", "influence holds for 2 of 3 actions", "dose", "<svg", "moved least"):
        assert part in page


@pytest.mark.usefixtures("working_directory")
def test_the_command_shows_the_test(capsys: Captured) -> None:
    record = json_of(capsys, "influence", "a", "test.npz", "--tolerance", 0.1)
    assert (record["model"], record["data"], record["tolerance"]) == ("a", "identical-twins", 0.1)
    verdicts = [action["verdict"] for action in record["actions"].values()]
    out = output_of(capsys, "influence", "a", "test.npz", "--report", "influence.html")
    for part in ("influence holds for", "held-out rows", "margin", *record["actions"]):
        assert part in out
    assert "<svg" in Path("influence.html").read_text(encoding="utf-8")
    code = int(set(verdicts) != {"holds"})
    output_of(capsys, "influence", "a", "test.npz", "--tolerance", 0.1, "--strict", code=code)
    error = error_of(capsys, "influence", "a", "train.npz")
    assert "these are the data that the model was trained on; test influence on other rows" in error
    assert "level is 2.0; it must be" in error_of(capsys, "influence", "a", "test.npz", "--level", 2)
