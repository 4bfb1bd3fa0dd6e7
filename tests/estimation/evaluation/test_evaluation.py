"""`evaluate`: scores, graph and verdict of models whose latents are a known map of the true ones."""

from __future__ import annotations

import json

import numpy as np
import pytest
from numpy.typing import NDArray

from estimation.dataset import Dataset
from estimation.evaluation import Evaluation, evaluate
from estimation.exceptions import ConfigError, DataError
from estimation.metrics import mean_correlation, multiple_correlation
from identify.graph import CausalGraph
from tests.estimation.fakes import Truth, linear_model
from tests.seeds import training_seed

Array = NDArray[np.float64]

# p and q are twins, r stays entangled one way with s, s is disentangled
GRAPH = CausalGraph(
    Ga=[[1, 0, 0], [1, 0, 0], [0, 1, 0], [0, 1, 1]],
    latents=["p", "q", "r", "s"],
    actions=["push", "pull", "heat"],
)
# what the prediction allows: p and q mix, and r takes some of s
ALLOWED = np.array([[1.0, 1.0, 0, 0], [-1.0, 1.0, 0, 0], [0, 0, 1, 0.8], [0, 0, 0, 1]])
ORDER = [2, 0, 3, 1]


def normal(*shape: int, seed: int = 0) -> Array:
    return np.random.default_rng(training_seed(seed)).normal(size=shape)


def shuffled(graph: CausalGraph, order: list[int]) -> CausalGraph:
    """The graph of a model whose latent ``order[i]`` is true latent i; its latents and actions bear no names."""
    inverse = np.argsort(order)
    return CausalGraph(
        Gz=graph.Gz.toarray()[np.ix_(inverse, inverse)], Ga=graph.Ga.toarray()[inverse], actions=graph.actions
    )


def mixed(mixing: Array, order: list[int] = ORDER, graph: CausalGraph | None = None) -> tuple[Truth, object]:
    """The truth, and a model with z = mixing @ (its latents in the true order)."""
    truth = Truth(len(mixing), len(mixing) + 3)
    columns = np.zeros_like(mixing)
    columns[:, order] = mixing
    return truth, linear_model(truth, columns, shuffled(graph or GRAPH, order))


def test_a_model_that_is_right_up_to_the_prediction() -> None:
    truth, model = mixed(ALLOWED)
    data = truth.dataset(normal(400, 4), GRAPH)
    found = evaluate(model, data)  # type: ignore[arg-type]
    assert found.r == pytest.approx(1, abs=1e-5)
    assert found.r_con == pytest.approx(1, abs=1e-5)
    # p and q are turned by 45 degrees, r and its match correlate like 1 and sqrt(1 + 0.8 ** 2)
    assert found.mcc == pytest.approx((2 / 2**0.5 + (1 + 0.8**2) ** -0.5 + 1) / 4, abs=0.03)
    assert (found.shd, found.missing, found.extra) == (0, 0, 0)
    assert found.learned_graph == GRAPH
    assert found.learned_graph.latents == GRAPH.latents
    assert found.comparison is not None
    assert found.comparison.confirmed
    assert found.comparison.verdict == "Confirmed: the 4 latents mix exactly as predicted, in 3 blocks."
    assert found.permutation is not None
    assert found.permutation[2:].tolist() == ORDER[2:]


def test_a_model_that_mixes_what_the_prediction_keeps_apart() -> None:
    wrong = ALLOWED.copy()
    wrong[3, 0] = 3.0
    truth, model = mixed(wrong)
    found = evaluate(model, truth.dataset(normal(400, 4), GRAPH))  # type: ignore[arg-type]
    assert found.comparison is not None
    assert not found.comparison
    assert found.comparison.blocks[2].intruders in (("p",), ("q",))
    assert found.r == pytest.approx(1, abs=1e-5)
    assert found.r_con is not None
    assert found.r_con < 0.95
    assert repr(found).endswith("not confirmed)")


def test_scores_are_those_of_the_metrics() -> None:
    truth, model = mixed(ALLOWED)
    data = truth.dataset(normal(101, 4), GRAPH)
    found = evaluate(model, data, seed=3)  # type: ignore[arg-type]
    z, z_hat = data.latents, model.encode(data.observations)  # type: ignore[attr-defined]
    assert z is not None
    assert found.prediction is not None
    allowed = found.prediction.entanglement
    for scores, held_out in ((found.scores, False), (found.held_out, True)):
        assert scores is not None
        assert scores.mcc == mean_correlation(z, z_hat, held_out=held_out, seed=3).score
        assert scores.r == multiple_correlation(z, z_hat, held_out=held_out, seed=3).score
        assert scores.r_con == multiple_correlation(z, z_hat, allowed, held_out=held_out, seed=3).score


def test_the_negative_elbo_is_the_model_s() -> None:
    truth, model = mixed(ALLOWED)
    data = truth.dataset(normal(50, 4), GRAPH)
    assert evaluate(model, data, seed=5).negative_elbo == model.negative_elbo(data, 5)  # type: ignore[arg-type, attr-defined]


def test_wrong_edges_are_named_from_parent_to_child() -> None:
    truth, _ = mixed(np.eye(4))
    edges = GRAPH.Ga.toarray()
    edges[0, 0], edges[3, 0] = False, True
    model = linear_model(truth, np.eye(4), CausalGraph(Ga=edges, actions=GRAPH.actions))
    found = evaluate(model, truth.dataset(normal(100, 4), GRAPH))
    assert (found.shd, found.missing, found.extra) == (2, 1, 1)
    content = found.to_dict()
    assert content["missing_edges"] == [["push", "p"]]
    assert content["extra_edges"] == [["push", "s"]]
    assert ["push", "s"] in content["learned_graph"]["edges"]


def test_sequences_count_every_step() -> None:
    graph = CausalGraph(Gz=np.eye(3), latents=["x", "y", "w"])
    truth, model = mixed(np.eye(3), [1, 2, 0], graph)
    z = normal(40, 4, 3)
    data = truth.dataset(z, graph)
    found = evaluate(model, data)  # type: ignore[arg-type]
    assert found.scores is not None
    flat = z.reshape(-1, 3)
    z_hat = model.encode(data.observations).reshape(-1, 3)  # type: ignore[attr-defined]
    assert found.mcc == pytest.approx(mean_correlation(flat, z_hat).score)
    assert found.learned_graph == graph
    # windows of two steps
    assert found.negative_elbo == model.negative_elbo(data.windows(2), 0)  # type: ignore[attr-defined]
    assert found.comparison is not None
    assert found.comparison.verdict == "Confirmed: all 3 latents are disentangled, as predicted."


def test_what_is_used_of_the_graph_can_be_chosen() -> None:
    graph = CausalGraph(Gz=np.eye(2), Ga=[[1], [1]])
    truth, model = mixed(np.eye(2), [0, 1], graph)
    data = truth.dataset(normal(50, 2, 2), graph)
    both, actions = (evaluate(model, data, using=using).prediction for using in (None, "actions"))  # type: ignore[arg-type]
    assert both is not None
    assert actions is not None
    assert (both.complete, actions.complete) == (True, False)


def test_more_latents_than_there_are() -> None:
    truth = Truth(2, 5)
    graph = CausalGraph(Ga=np.eye(2), actions=["a", "b"])
    learned = CausalGraph(Ga=[[0, 1], [1, 1], [1, 0]], actions=["a", "b"])
    model = linear_model(truth, np.array([[0.0, 0.0, 1.0], [1.0, 0.0, 0.0]]), learned)
    found = evaluate(model, truth.dataset(normal(80, 2), graph))
    assert found.permutation is not None
    assert found.permutation.tolist() == [2, 0]
    assert found.learned_graph.latents == ("z0", "z1", "learned v1")
    assert found.learned_graph.Ga.toarray().tolist() == [[True, False], [False, True], [True, True]]
    assert (found.missing, found.extra) == (0, 2)
    assert found.comparison is not None
    assert found.comparison.confirmed


def test_fewer_latents_than_there_are() -> None:
    truth = Truth(2, 5)
    graph = CausalGraph(Ga=np.eye(2), actions=["a", "b"])
    model = linear_model(truth, np.array([[0.0], [1.0]]), CausalGraph(Ga=[[0, 1]], actions=["a", "b"]))
    found = evaluate(model, truth.dataset(normal(80, 2), graph))
    assert found.permutation is not None
    assert found.permutation.tolist() == [-1, 0]
    assert found.learned_graph.Ga.toarray().tolist() == [[False, False], [False, True]]
    assert (found.missing, found.extra) == (1, 0)
    assert found.comparison is not None
    assert found.comparison.blocks[0].lost == ("z0",)


def without(data: Dataset, *names: str) -> Dataset:
    known = {"latents": data.latents, "graph": data.graph, "decoder": data.decoder}
    kept = {name: value for name, value in known.items() if name not in names}
    return Dataset.from_arrays(
        data.observations,
        actions=data.actions,
        action_names=data.action_names,
        **kept,  # type: ignore[arg-type]
    )


def test_as_much_is_said_as_is_known() -> None:
    truth, model = mixed(ALLOWED)
    data = truth.dataset(normal(300, 4), GRAPH)
    nothing = evaluate(model, without(data, "latents", "graph", "decoder"))  # type: ignore[arg-type]
    assert nothing.learned_graph == model.graph  # type: ignore[attr-defined]
    assert np.isfinite(nothing.negative_elbo["total"])
    for name in (
        "mcc",
        "r",
        "r_con",
        "shd",
        "missing",
        "extra",
        "held_out",
        "permutation",
        "prediction",
        "comparison",
    ):
        assert getattr(nothing, name) is None
    assert repr(nothing).startswith("Evaluation(negative ELBO ")
    graph_only = evaluate(model, without(data, "latents", "decoder"))  # type: ignore[arg-type]
    assert graph_only.prediction is not None
    assert (graph_only.shd, graph_only.mcc) == (None, None)
    latents_only = evaluate(model, without(data, "graph"))  # type: ignore[arg-type]
    assert (latents_only.r_con, latents_only.shd, latents_only.comparison) == (None, None, None)
    assert latents_only.mcc is not None
    assert latents_only.learned is not None
    assert latents_only.learned_graph.latents == ("z0", "z1", "z2", "z3")
    no_decoder = evaluate(model, without(data, "decoder"))  # type: ignore[arg-type]
    assert no_decoder.learned is not None
    assert no_decoder.learned.method == "regression"


def test_it_is_ready_for_json() -> None:
    truth, model = mixed(ALLOWED)
    data = truth.dataset(normal(60, 4), GRAPH)
    found = evaluate(model, data)  # type: ignore[arg-type]
    content = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert content["mcc"] == found.mcc
    assert content["held_out"].keys() == {"mcc", "r", "r_con"}
    assert content["comparison"]["confirmed"] is True
    assert content["prediction"]["n_disentangled"] == 1
    nothing = evaluate(model, without(data, "latents", "graph", "decoder"))  # type: ignore[arg-type]
    assert json.loads(json.dumps(nothing.to_dict(), allow_nan=False))["mcc"] is None


def test_the_threshold_is_passed_on() -> None:
    truth, model = mixed(ALLOWED)
    data = truth.dataset(normal(60, 4), GRAPH)
    found = evaluate(model, data, threshold=0.9)  # type: ignore[arg-type]
    assert isinstance(found, Evaluation)
    assert found.learned is not None
    assert found.learned.threshold == 0.9
    with pytest.raises(ConfigError, match=r"the threshold is 1\.5"):
        evaluate(model, data, threshold=1.5)  # type: ignore[arg-type]


def test_data_of_another_kind_are_refused() -> None:
    truth, model = mixed(ALLOWED)
    data = truth.dataset(normal(30, 4), GRAPH)
    for wrong, message in (
        (without(data, "latents", "graph").windows(1), "no error"),
        (Dataset.from_arrays(data.observations), "the data have 0 actions; the model was trained on 3"),
        (
            truth.dataset(normal(30, 2, 4), GRAPH),
            "the model knows no past, but the data have 2 steps per row",
        ),
    ):
        if message == "no error":
            evaluate(model, wrong)  # type: ignore[arg-type]
            continue
        with pytest.raises(DataError, match=message):
            evaluate(model, wrong)  # type: ignore[arg-type]
    graph = CausalGraph(Gz=np.eye(4))
    past = linear_model(truth, np.eye(4), graph)
    with pytest.raises(
        DataError, match="the model knows a past, but the data have one step per row; give sequences"
    ):
        evaluate(past, truth.dataset(normal(30, 4), graph))
