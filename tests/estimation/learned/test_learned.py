"""Learned entanglement: measured strengths against maps whose derivative is known."""

from __future__ import annotations

import itertools
import json
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingRegressor
from threadpoolctl import threadpool_info, threadpool_limits

from estimation.dataset import Dataset
from estimation.exceptions import ConfigError, DataError
from estimation.learned import METHODS, LearnedEntanglement, learned_entanglement
from identify.graph import CausalGraph
from tests.estimation.fakes import Truth, linear_model, model_of
from tests.seeds import training_seed

Array = NDArray[np.float64]


def normal(rows: int, n: int, seed: int = 0) -> Array:
    return np.random.default_rng(training_seed(seed)).normal(size=(rows, n))


def expected(derivative: Array, inputs: Array, values: Array) -> Array:
    return np.abs(derivative) * inputs.std(0) / values.std(0)[:, None]


def invertible(n: int, seed: int) -> Array:
    rng = np.random.default_rng(training_seed(seed))
    rotations = [np.linalg.qr(rng.normal(size=(n, n)))[0] for _ in range(2)]
    return rotations[0] @ np.diag(rng.uniform(0.5, 2, n)) @ rotations[1]


def made(strengths: object, threshold: float = 0.1) -> LearnedEntanglement:
    array = np.asarray(strengths, dtype=float)
    rows, columns = (
        tuple(f"{letter}{k}" for k in range(size)) for letter, size in zip("zv", array.shape, strict=True)
    )
    return LearnedEntanglement(array, threshold, "jacobian", rows, columns)


@st.composite
def matrices(draw: st.DrawFn) -> Array:
    n, m = draw(st.integers(1, 5)), draw(st.integers(1, 5))
    rng = np.random.default_rng(draw(st.integers(0, 10_000)))
    return rng.random((n, m)) * (rng.random((n, m)) < draw(st.sampled_from([0.3, 0.7, 1.0])))


# Derivatives ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("smoothing", [0.0, 0.5, 2.0])
@pytest.mark.parametrize("n", [1, 2, 5])
def test_a_linear_map_is_measured_exactly(n: int, smoothing: float) -> None:
    truth, mixing, z = Truth(n, n + 3), invertible(n, seed=n), normal(80, n)
    found = learned_entanglement(linear_model(truth, mixing), truth.dataset(z), smoothing=smoothing)
    assert found.method == "jacobian"
    assert found.strengths == pytest.approx(
        expected(mixing, z @ np.linalg.inv(mixing).T, z), rel=2e-3, abs=1e-4
    )


@given(st.permutations(range(4)), st.integers(0, 50))
@settings(max_examples=15, deadline=None)
def test_a_permutation_of_scaled_latents_is_found(order: list[int], seed: int) -> None:
    rng = np.random.default_rng(training_seed(seed))
    mixing = np.zeros((4, 4))
    mixing[range(4), order] = rng.choice([-1, 1], 4) * rng.uniform(0.1, 10, 4)
    truth = Truth(4, 6)
    found = learned_entanglement(linear_model(truth, mixing), truth.dataset(normal(40, 4, seed)))
    assert found.permutation.tolist() == list(order)
    assert (found.matrix == (mixing != 0)).all()
    assert found.strengths[range(4), order] == pytest.approx(np.ones(4), rel=1e-3)


def test_relabelling_the_learned_latents_permutes_the_columns() -> None:
    truth, mixing, data = Truth(3, 5), invertible(3, 7), Truth(3, 5).dataset(normal(60, 3))
    order = [2, 0, 1]
    plain = learned_entanglement(linear_model(truth, mixing), data, smoothing=0)
    moved = learned_entanglement(linear_model(truth, mixing[:, order]), data, smoothing=0)
    assert moved.strengths == pytest.approx(plain.strengths[:, order], rel=1e-3)
    assert [order[k] for k in moved.permutation] == plain.permutation.tolist()


def sine_model(truth: Truth, size: float, rate: float) -> object:
    """z_1 = u_1 + size sin(rate u_0), z_0 = u_0."""

    def bent(u: torch.Tensor, sign: float) -> torch.Tensor:
        return torch.stack([u[:, 0], u[:, 1] + sign * size * torch.sin(rate * u[:, 0])], dim=1)

    return model_of(truth, lambda u: bent(u, 1), lambda z: bent(z, -1), 2)


def test_without_smoothing_it_is_the_root_mean_square_of_the_derivative() -> None:
    truth, z = Truth(2, 4), normal(300, 2)
    found = learned_entanglement(sine_model(truth, 0.7, 1.5), truth.dataset(z), smoothing=0)  # type: ignore[arg-type]
    rms = np.sqrt(np.mean((0.7 * 1.5 * np.cos(1.5 * z[:, 0])) ** 2))
    assert found.strengths[1, 0] == pytest.approx(rms * z[:, 0].std() / z[:, 1].std(), rel=2e-3)
    assert found.strengths[0] == pytest.approx([1, 0], abs=1e-3)
    assert found.matrix.tolist() == [[True, False], [True, True]]


def test_smoothing_keeps_a_bent_map_and_drops_a_ripple() -> None:
    truth, data = Truth(2, 4), Truth(2, 4).dataset(normal(2_000, 2))
    bent, ripple = sine_model(truth, 0.7, 1.5), sine_model(truth, 0.02, 60.0)
    for model, kept in ((bent, True), (ripple, False)):
        assert learned_entanglement(model, data, smoothing=0).strengths[1, 0] > 0.6  # type: ignore[arg-type]
        found = learned_entanglement(model, data, n_samples=2_000)  # type: ignore[arg-type]
        assert found.matrix[1, 0] == kept
        assert not kept or found.strengths[1, 0] > 0.4


def test_all_steps_count() -> None:
    truth, mixing = Truth(2, 4), np.array([[1.0, 0.5], [0.0, 1.0]])
    z = normal(50, 2).reshape(25, 2, 2) * np.array([[[1.0], [3.0]]])
    found = learned_entanglement(linear_model(truth, mixing), truth.dataset(z))
    flat = z.reshape(50, 2)
    assert found.strengths == pytest.approx(
        expected(mixing, flat @ np.linalg.inv(mixing).T, flat), rel=2e-3, abs=1e-4
    )


def test_numbers_of_latents_may_differ() -> None:
    truth, z = Truth(2, 5), normal(60, 2)
    more = learned_entanglement(
        linear_model(truth, np.array([[0.0, 0.0, 2.0], [1.0, 0.0, 0.0]])), truth.dataset(z)
    )
    assert more.strengths.shape == (2, 3)
    assert more.permutation.tolist() == [2, 0]
    few = model_of(truth, lambda u: torch.cat([0 * u, u], dim=1), lambda z_: z_[:, 1:], 1)
    fewer = learned_entanglement(few, truth.dataset(z))
    assert fewer.permutation.tolist() == [-1, 0]
    assert fewer.matrix.tolist() == [[False], [True]]


def test_a_latent_that_never_changes_has_no_strength() -> None:
    truth, z = Truth(2, 4), normal(50, 2)
    z[:, 0] = 0.3
    found = learned_entanglement(linear_model(truth, np.eye(2)), truth.dataset(z))
    assert found.strengths[0].tolist() == [0, 0]
    assert found.strengths[1] == pytest.approx([0, 1], abs=1e-3)
    assert found.relative[0].tolist() == [0, 0]


def test_the_decoder_may_be_a_function_or_of_another_precision() -> None:
    truth, z = Truth(2, 4), normal(40, 2)
    plain, double = truth.dataset(z), nn_double(truth)
    for decoder in (truth.decode, double):
        data = Dataset.from_arrays(plain.observations, latents=plain.latents, decoder=decoder)
        found = learned_entanglement(linear_model(truth, np.eye(2)), data)
        assert found.strengths == pytest.approx(np.eye(2), abs=1e-3)


def nn_double(truth: Truth) -> torch.nn.Module:
    class Double(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.frame = torch.nn.Parameter(truth.frame.double())

        def forward(self, z: torch.Tensor) -> torch.Tensor:
            return torch.sinh(z) @ self.frame.T

    return Double()


# Two models -----------------------------------------------------------------------------------------


def test_two_models_are_measured_against_each_other() -> None:
    truth, z = Truth(3, 5), normal(70, 3)
    ours, theirs = invertible(3, 1), invertible(3, 2)
    data = Dataset.from_arrays(truth.dataset(z).observations)
    found = learned_entanglement(linear_model(truth, ours), data, other=linear_model(truth, theirs))
    u, w = z @ np.linalg.inv(ours).T, z @ np.linalg.inv(theirs).T
    assert found.method == "models"
    assert found.strengths == pytest.approx(expected(np.linalg.inv(ours) @ theirs, w, u), rel=2e-3, abs=1e-4)
    assert (found.latents, found.learned) == (("v0", "v1", "v2"), ("w0", "w1", "w2"))


def test_a_model_agrees_with_itself() -> None:
    truth = Truth(3, 5)
    model = linear_model(truth, invertible(3, 4))
    found = learned_entanglement(model, truth.dataset(normal(50, 3)), other=model)
    assert found.strengths == pytest.approx(np.eye(3), abs=2e-3)


# Regression -----------------------------------------------------------------------------------------


def test_the_regression_is_on_the_scale_of_the_derivatives() -> None:
    truth, z = Truth(3, 5), normal(3_000, 3)
    mixing = np.array([[1.0, 0.4, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
    model, data = linear_model(truth, mixing), truth.dataset(z, known=False)
    found = learned_entanglement(model, data)
    assert found.method == "regression"
    assert found.strengths == pytest.approx(expected(mixing, z @ np.linalg.inv(mixing).T, z), abs=0.05)
    assert (found.matrix == (mixing != 0)).all()


def test_the_regression_sees_what_is_not_linear_and_no_ripple() -> None:
    truth, data = Truth(2, 4), Truth(2, 4).dataset(normal(2_000, 2), known=False)
    bent = learned_entanglement(sine_model(truth, 0.7, 1.5), data)  # type: ignore[arg-type]
    assert bent.matrix.tolist() == [[True, False], [True, True]]
    ripple = learned_entanglement(sine_model(truth, 0.02, 60.0), data)  # type: ignore[arg-type]
    assert ripple.matrix.tolist() == [[True, False], [False, True]]


def test_the_regression_copes_with_latents_that_never_change() -> None:
    truth, z = Truth(2, 4), normal(200, 2)
    z[:, 0] = 0.3
    found = learned_entanglement(linear_model(truth, np.eye(2)), truth.dataset(z, known=False))
    assert found.strengths[0].tolist() == [0, 0]
    assert found.strengths[1, 1] > 0.8


def test_the_regression_has_one_thread_and_gives_the_others_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """Threads that wait by spinning take minutes for what one does in a second, where other work has the cores."""
    truth, seen = Truth(2, 4), []
    data, grow = truth.dataset(normal(200, 2), known=False), HistGradientBoostingRegressor.fit

    def threads() -> set[int]:
        return {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "openmp"}

    def watched(self: Any, *args: Any) -> Any:
        seen.append(threads())
        return grow(self, *args)

    monkeypatch.setattr(HistGradientBoostingRegressor, "fit", watched)
    with threadpool_limits(3, user_api="openmp"):
        learned_entanglement(linear_model(truth, np.eye(2)), data)
        assert threads() == {3}
    assert seen == [{1}, {1}]


# The result -----------------------------------------------------------------------------------------


@given(matrices(), st.floats(0, 0.99), st.floats(0, 0.99))
@settings(max_examples=60, deadline=None)
def test_a_higher_threshold_never_adds_an_edge(strengths: Array, one: float, two: float) -> None:
    low, high = made(strengths).at(min(one, two)), made(strengths).at(max(one, two))
    assert not (high.matrix & ~low.matrix).any()
    assert made(strengths).curve([one, two]).tolist() == [made(strengths).at(t).n_edges for t in (one, two)]
    # the strongest of a row is always an edge, unless all are faint
    assert high.matrix.any(axis=1)[strengths.max(axis=1) >= 0.1].all()
    assert not high.matrix[strengths.max(axis=1) <= 0.1 * high.threshold].any()


@given(matrices())
@settings(max_examples=60, deadline=None)
def test_the_matching_has_the_largest_product(strengths: Array) -> None:
    found = made(strengths)
    n, m = strengths.shape
    logs = np.log(np.maximum(found.relative, 1e-3))
    if n <= m:
        best = max(sum(logs[i, p[i]] for i in range(n)) for p in itertools.permutations(range(m), n))
    else:
        best = max(sum(logs[p[j], j] for j in range(m)) for p in itertools.permutations(range(n), m))
    rows = np.flatnonzero(found.permutation >= 0)
    columns = found.permutation[rows]
    assert len(rows) == min(n, m) == len(set(columns.tolist()))
    assert logs[rows, columns].sum() == pytest.approx(best)


@given(matrices(), st.integers(0, 1_000))
@settings(max_examples=40, deadline=None)
def test_only_the_proportions_in_a_row_matter(strengths: Array, seed: int) -> None:
    clear = np.where(strengths.max(axis=1, keepdims=True) > 0.1, strengths, 0.0)
    scale = np.random.default_rng(training_seed(seed)).uniform(1, 10, (len(strengths), 1))
    assert made(clear * scale).relative == pytest.approx(made(clear).relative)


def test_a_matching_never_takes_an_absent_edge_if_it_can_do_without() -> None:
    # the largest sum would match row 2 to column 2, which it doesn't depend on
    found = made([[1, 0.3, 0], [0, 1, 0.3], [1, 0, 0]])
    assert found.permutation.tolist() == [1, 2, 0]


def test_it_is_ready_for_json() -> None:
    found = made([[1, 0.5], [0, 1]])
    content = json.loads(json.dumps(found.to_dict()))
    assert content["strengths"] == [[1, 0.5], [0, 1]]
    assert content["permutation"] == [0, 1]
    assert (content["threshold"], content["method"]) == (0.1, "jacobian")
    assert repr(found) == "LearnedEntanglement(2 latents, 2 learned, 3 edges at threshold 0.1, by jacobian)"


@pytest.mark.parametrize("method", METHODS)
def test_the_seed_decides_and_nothing_else_is_touched(method: str) -> None:
    truth, z = Truth(2, 4), normal(400, 2)
    model, data = linear_model(truth, invertible(2, 3)), truth.dataset(z)
    before, numpy_before = torch.get_rng_state(), np.random.get_state()[1]  # noqa: NPY002
    copy = data.observations.copy()
    results = [
        learned_entanglement(model, data, method=method, other=model, n_samples=100, seed=seed).strengths  # type: ignore[arg-type]
        for seed in (0, 0, 1)
    ]
    assert (results[0] == results[1]).all()
    assert (results[0] != results[2]).any()
    assert (torch.get_rng_state() == before).all()
    assert (np.random.get_state()[1] == numpy_before).all()  # type: ignore[index]  # noqa: NPY002
    assert (data.observations == copy).all()


def test_names_are_those_of_the_true_graph() -> None:
    truth = Truth(2, 4)
    graph = CausalGraph(Ga=[[1], [1]], latents=["raf", "mek"])
    data = truth.dataset(normal(30, 2), graph)
    found = learned_entanglement(linear_model(truth, np.eye(2)), data)
    assert (found.latents, found.learned) == (("raf", "mek"), ("v0", "v1"))


# Errors ---------------------------------------------------------------------------------------------


def model_and_data(known: bool = True) -> tuple[object, Dataset]:
    truth = Truth(2, 4)
    return linear_model(truth, np.eye(2)), truth.dataset(normal(60, 2), known=known)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"method": "guess"}, "the method is 'guess'; it must be one of jacobian, regression, models"),
        ({"threshold": 1.0}, r"the threshold is 1.0; it must be at least 0 and below 1"),
        ({"threshold": float("nan")}, "the threshold is nan"),
        ({"smoothing": -1}, "smoothing is -1; it must be a number of standard deviations"),
        ({"n_samples": 1}, "n_samples is 1; give 2 points or more"),
    ],
)
def test_settings_out_of_range(options: dict[str, object], message: str) -> None:
    model, data = model_and_data()
    with pytest.raises(ConfigError, match=message):
        learned_entanglement(model, data, **options)  # type: ignore[arg-type]


def test_thresholds_of_the_result_are_checked() -> None:
    with pytest.raises(ConfigError, match=r"the threshold is -0\.1"):
        made([[1.0]]).at(-0.1)
    with pytest.raises(ConfigError, match="the threshold is 2"):
        made([[1.0]]).curve([0.1, 2])


def test_what_a_method_needs() -> None:
    model, data = model_and_data(known=False)
    blind = Dataset.from_arrays(data.observations)
    for options, message in (
        ({"dataset": None}, "no dataset is given; entanglement is measured at its observations"),
        ({"dataset": data, "method": "jacobian"}, "the dataset has no true decoder; use method='regression'"),
        ({"dataset": data, "method": "models"}, "the method 'models' needs a second trained model"),
        ({"dataset": blind}, "holds no true latents; give a second trained model as other="),
        ({"dataset": data.take([0])}, "the dataset has a single point"),
        ({"dataset": data, "n_samples": 20}, "20 points are too few for a regression; give 40 or more"),
    ):
        with pytest.raises(DataError, match=message):
            learned_entanglement(model, **options)  # type: ignore[arg-type]


def test_decoders_that_can_t_be_used() -> None:
    model, data = model_and_data()
    for decoder, message in (
        (lambda z: np.asarray(z) ** 2, r"torch can't differentiate the true decoder \(.*regression"),
        (lambda z: z[:, :1], "the true decoder gives 1 observed dimensions, the model has 4"),
        (lambda z: torch.cat([z, z], 1).sub(z.repeat(1, 2)).sqrt(), "a derivative that is not finite"),
    ):
        wrong = Dataset.from_arrays(data.observations, latents=data.latents, decoder=decoder)
        with pytest.raises(DataError, match=message):
            learned_entanglement(model, wrong)  # type: ignore[arg-type]
