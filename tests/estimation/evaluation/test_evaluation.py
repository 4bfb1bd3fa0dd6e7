"""`evaluate`: scores, graph and verdict of models whose latents are a known linear map of the true latents."""

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
# allowed by the prediction: p and q mix, and r depends on s
ALLOWED = np.array([[1.0, 1.0, 0, 0], [-1.0, 1.0, 0, 0], [0, 0, 1, 0.8], [0, 0, 0, 1]])
ORDER = [2, 0, 3, 1]


def normal(*shape: int, seed: int = 0) -> Array:
    return np.random.default_rng(training_seed(seed)).normal(size=shape)


def shuffled(graph: CausalGraph, order: list[int]) -> CausalGraph:
    """The graph of a model whose latent ``order[i]`` is true latent i, with default names of latents."""
    inverse = np.argsort(order)
    return CausalGraph(
        Gz=graph.Gz.toarray()[np.ix_(inverse, inverse)], Ga=graph.Ga.toarray()[inverse], actions=graph.actions
    )


def mixed(mixing: Array, order: list[int] = ORDER, graph: CausalGraph | None = None) -> tuple[Truth, object]:
    """The true decoder, and a model with z = mixing @ (its latents in the true order)."""
    truth = Truth(len(mixing), len(mixing) + 3)
    columns = np.zeros_like(mixing)
    columns[:, order] = mixing
    return truth, linear_model(truth, columns, shuffled(graph or GRAPH, order))


def test_a_model_that_mixes_only_what_the_prediction_allows() -> None:
    truth, model = mixed(ALLOWED)
    data = truth.dataset(normal(400, 4), GRAPH)
    evaluation = evaluate(model, data)  # type: ignore[arg-type]
    assert evaluation.r == pytest.approx(1, abs=1e-5)
    assert evaluation.r_con == pytest.approx(1, abs=1e-5)
    # p and q are rotated by 45 degrees; the correlation of r with its match is 1 / sqrt(1 + 0.8 ** 2)
    assert evaluation.mcc == pytest.approx((2 / 2**0.5 + (1 + 0.8**2) ** -0.5 + 1) / 4, abs=0.03)
    assert (evaluation.shd, evaluation.missing, evaluation.extra) == (0, 0, 0)
    assert evaluation.learned_graph == GRAPH
    assert evaluation.learned_graph.latents == GRAPH.latents
    assert evaluation.comparison is not None
    assert evaluation.comparison.confirmed
    assert evaluation.comparison.verdict == "Confirmed: the 4 latents mix exactly as predicted, in 3 blocks."
    assert evaluation.permutation is not None
    assert evaluation.permutation[2:].tolist() == ORDER[2:]


def test_a_model_that_mixes_what_the_prediction_separates() -> None:
    mixing = ALLOWED.copy()
    mixing[3, 0] = 3.0
    truth, model = mixed(mixing)
    evaluation = evaluate(model, truth.dataset(normal(400, 4), GRAPH))  # type: ignore[arg-type]
    assert evaluation.comparison is not None
    assert not evaluation.comparison
    assert evaluation.comparison.blocks[2].extra in (("p",), ("q",))
    assert evaluation.r == pytest.approx(1, abs=1e-5)
    assert evaluation.r_con is not None
    assert evaluation.r_con < 0.95
    assert repr(evaluation).endswith("not confirmed)")


def test_scores_are_those_of_the_metrics() -> None:
    truth, model = mixed(ALLOWED)
    data = truth.dataset(normal(101, 4), GRAPH)
    evaluation = evaluate(model, data, seed=3)  # type: ignore[arg-type]
    z, z_hat = data.latents, model.encode(data.observations)  # type: ignore[attr-defined]
    assert z is not None
    assert evaluation.prediction is not None
    allowed = evaluation.prediction.entanglement
    for scores, held_out in ((evaluation.scores, False), (evaluation.held_out, True)):
        assert scores is not None
        assert scores.mcc == mean_correlation(z, z_hat, held_out=held_out, seed=3).score
        assert scores.r == multiple_correlation(z, z_hat, held_out=held_out, seed=3).score
        assert scores.r_con == multiple_correlation(z, z_hat, allowed, held_out=held_out, seed=3).score


def test_the_negative_elbo_is_that_of_the_model() -> None:
    truth, model = mixed(ALLOWED)
    data = truth.dataset(normal(50, 4), GRAPH)
    assert evaluate(model, data, seed=5).negative_elbo == model.negative_elbo(data, 5)  # type: ignore[arg-type, attr-defined]


def test_wrong_edges_are_named_from_parent_to_child() -> None:
    truth, _ = mixed(np.eye(4))
    edges = GRAPH.Ga.toarray()
    edges[0, 0], edges[3, 0] = False, True
    model = linear_model(truth, np.eye(4), CausalGraph(Ga=edges, actions=GRAPH.actions))
    evaluation = evaluate(model, truth.dataset(normal(100, 4), GRAPH))
    assert (evaluation.shd, evaluation.missing, evaluation.extra) == (2, 1, 1)
    content = evaluation.to_dict()
    assert content["missing_edges"] == [["push", "p"]]
    assert content["extra_edges"] == [["push", "s"]]
    assert ["push", "s"] in content["learned_graph"]["edges"]


def test_every_step_of_a_sequence_is_a_point() -> None:
    graph = CausalGraph(Gz=np.eye(3), latents=["x", "y", "w"])
    truth, model = mixed(np.eye(3), [1, 2, 0], graph)
    z = normal(40, 4, 3)
    data = truth.dataset(z, graph)
    evaluation = evaluate(model, data)  # type: ignore[arg-type]
    assert evaluation.scores is not None
    flat = z.reshape(-1, 3)
    z_hat = model.encode(data.observations).reshape(-1, 3)  # type: ignore[attr-defined]
    assert evaluation.mcc == pytest.approx(mean_correlation(flat, z_hat).score)
    assert evaluation.learned_graph == graph
    # windows of two steps
    assert evaluation.negative_elbo == model.negative_elbo(data.windows(2), 0)  # type: ignore[attr-defined]
    assert evaluation.comparison is not None
    assert evaluation.comparison.verdict == "Confirmed: all 3 latents are disentangled, as predicted."


def test_the_prediction_can_use_a_part_of_the_graph() -> None:
    graph = CausalGraph(Gz=np.eye(2), Ga=[[1], [1]])
    truth, model = mixed(np.eye(2), [0, 1], graph)
    data = truth.dataset(normal(50, 2, 2), graph)
    both, actions = (evaluate(model, data, using=using).prediction for using in (None, "actions"))  # type: ignore[arg-type]
    assert both is not None
    assert actions is not None
    assert (both.complete, actions.complete) == (True, False)


def test_a_model_with_more_latents_than_the_truth() -> None:
    truth = Truth(2, 5)
    graph = CausalGraph(Ga=np.eye(2), actions=["a", "b"])
    learned = CausalGraph(Ga=[[0, 1], [1, 1], [1, 0]], actions=["a", "b"])
    model = linear_model(truth, np.array([[0.0, 0.0, 1.0], [1.0, 0.0, 0.0]]), learned)
    evaluation = evaluate(model, truth.dataset(normal(80, 2), graph))
    assert evaluation.permutation is not None
    assert evaluation.permutation.tolist() == [2, 0]
    assert evaluation.learned_graph.latents == ("z0", "z1", "learned v1")
    assert evaluation.learned_graph.Ga.toarray().tolist() == [[True, False], [False, True], [True, True]]
    assert (evaluation.missing, evaluation.extra) == (0, 2)
    assert evaluation.comparison is not None
    assert evaluation.comparison.confirmed


def test_a_model_with_fewer_latents_than_the_truth() -> None:
    truth = Truth(2, 5)
    graph = CausalGraph(Ga=np.eye(2), actions=["a", "b"])
    model = linear_model(truth, np.array([[0.0], [1.0]]), CausalGraph(Ga=[[0, 1]], actions=["a", "b"]))
    evaluation = evaluate(model, truth.dataset(normal(80, 2), graph))
    assert evaluation.permutation is not None
    assert evaluation.permutation.tolist() == [-1, 0]
    assert evaluation.learned_graph.Ga.toarray().tolist() == [[False, False], [False, True]]
    assert (evaluation.missing, evaluation.extra) == (1, 0)
    assert evaluation.comparison is not None
    assert evaluation.comparison.blocks[0].unrecovered == ("z0",)


def without(data: Dataset, *names: str) -> Dataset:
    """The data without some of their ground truth."""
    truth = {"latents": data.latents, "graph": data.graph, "decoder": data.decoder}
    return Dataset.from_arrays(
        data.observations,
        actions=data.actions,
        action_names=data.action_names,
        **{name: value for name, value in truth.items() if name not in names},  # type: ignore[arg-type]
    )


def test_the_result_depends_on_the_known_ground_truth() -> None:
    truth, model = mixed(ALLOWED)
    data = truth.dataset(normal(300, 4), GRAPH)
    no_truth = evaluate(model, without(data, "latents", "graph", "decoder"))  # type: ignore[arg-type]
    assert no_truth.learned_graph == model.graph  # type: ignore[attr-defined]
    assert np.isfinite(no_truth.negative_elbo["total"])
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
        assert getattr(no_truth, name) is None
    assert repr(no_truth).startswith("Evaluation(negative ELBO ")
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


def test_the_record_for_json() -> None:
    truth, model = mixed(ALLOWED)
    data = truth.dataset(normal(60, 4), GRAPH)
    evaluation = evaluate(model, data)  # type: ignore[arg-type]
    content = json.loads(json.dumps(evaluation.to_dict(), allow_nan=False))
    assert content["mcc"] == evaluation.mcc
    assert content["held_out"].keys() == {"mcc", "r", "r_con"}
    assert content["comparison"]["confirmed"] is True
    assert content["prediction"]["n_disentangled"] == 1
    no_truth = evaluate(model, without(data, "latents", "graph", "decoder"))  # type: ignore[arg-type]
    assert json.loads(json.dumps(no_truth.to_dict(), allow_nan=False))["mcc"] is None


def test_the_threshold_is_passed_on() -> None:
    truth, model = mixed(ALLOWED)
    data = truth.dataset(normal(60, 4), GRAPH)
    evaluation = evaluate(model, data, threshold=0.9)  # type: ignore[arg-type]
    assert isinstance(evaluation, Evaluation)
    assert evaluation.learned is not None
    assert evaluation.learned.threshold == 0.9
    with pytest.raises(ConfigError, match=r"the threshold is 1\.5"):
        evaluate(model, data, threshold=1.5)  # type: ignore[arg-type]


def test_data_that_do_not_fit_the_model() -> None:
    truth, model = mixed(ALLOWED)
    data = truth.dataset(normal(30, 4), GRAPH)
    evaluate(model, without(data, "latents", "graph").windows(1))  # type: ignore[arg-type]
    for other, message in (
        (Dataset.from_arrays(data.observations), "the data have 0 actions; the model was trained on 3"),
        (
            truth.dataset(normal(30, 2, 4), GRAPH),
            "the model was trained on single steps, but the data have 2 steps per row",
        ),
    ):
        with pytest.raises(DataError, match=message):
            evaluate(model, other)  # type: ignore[arg-type]
    graph = CausalGraph(Gz=np.eye(4))
    sequence_model = linear_model(truth, np.eye(4), graph)
    message = "the model was trained on sequences, but the data have one step per row; give sequences"
    with pytest.raises(DataError, match=message):
        evaluate(sequence_model, truth.dataset(normal(30, 4), graph))
