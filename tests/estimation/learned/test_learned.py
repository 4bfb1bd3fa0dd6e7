"""Learned entanglement: strengths compared with known derivatives."""

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


def entanglement_of(strengths: object, threshold: float = 0.1) -> LearnedEntanglement:
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
    learned = learned_entanglement(linear_model(truth, mixing), truth.dataset(z), smoothing=smoothing)
    assert learned.method == "jacobian"
    assert learned.strengths == pytest.approx(
        expected(mixing, z @ np.linalg.inv(mixing).T, z), rel=2e-3, abs=1e-4
    )


@given(st.permutations(range(4)), st.integers(0, 50))
@settings(max_examples=15, deadline=None)
def test_a_permutation_of_scaled_latents_is_recovered(order: list[int], seed: int) -> None:
    rng = np.random.default_rng(training_seed(seed))
    mixing = np.zeros((4, 4))
    mixing[range(4), order] = rng.choice([-1, 1], 4) * rng.uniform(0.1, 10, 4)
    truth = Truth(4, 6)
    learned = learned_entanglement(linear_model(truth, mixing), truth.dataset(normal(40, 4, seed)))
    assert learned.permutation.tolist() == list(order)
    assert (learned.matrix == (mixing != 0)).all()
    assert learned.strengths[range(4), order] == pytest.approx(np.ones(4), rel=1e-3)


def test_relabelling_the_learned_latents_permutes_the_columns() -> None:
    truth, mixing, data = Truth(3, 5), invertible(3, 7), Truth(3, 5).dataset(normal(60, 3))
    order = [2, 0, 1]
    plain = learned_entanglement(linear_model(truth, mixing), data, smoothing=0)
    relabelled = learned_entanglement(linear_model(truth, mixing[:, order]), data, smoothing=0)
    assert relabelled.strengths == pytest.approx(plain.strengths[:, order], rel=1e-3)
    assert [order[k] for k in relabelled.permutation] == plain.permutation.tolist()


def sine_model(truth: Truth, size: float, rate: float) -> object:
    """A model with z_1 = u_1 + size sin(rate u_0) and z_0 = u_0."""

    def displaced(u: torch.Tensor, sign: float) -> torch.Tensor:
        return torch.stack([u[:, 0], u[:, 1] + sign * size * torch.sin(rate * u[:, 0])], dim=1)

    return model_of(truth, lambda u: displaced(u, 1), lambda z: displaced(z, -1), 2)


def test_without_smoothing_strengths_are_root_mean_square_derivatives() -> None:
    truth, z = Truth(2, 4), normal(300, 2)
    learned = learned_entanglement(sine_model(truth, 0.7, 1.5), truth.dataset(z), smoothing=0)  # type: ignore[arg-type]
    rms = np.sqrt(np.mean((0.7 * 1.5 * np.cos(1.5 * z[:, 0])) ** 2))
    assert learned.strengths[1, 0] == pytest.approx(rms * z[:, 0].std() / z[:, 1].std(), rel=2e-3)
    assert learned.strengths[0] == pytest.approx([1, 0], abs=1e-3)
    assert learned.matrix.tolist() == [[True, False], [True, True]]


def test_smoothing_keeps_a_smooth_nonlinearity_and_drops_a_ripple() -> None:
    truth, data = Truth(2, 4), Truth(2, 4).dataset(normal(2_000, 2))
    smooth, ripple = sine_model(truth, 0.7, 1.5), sine_model(truth, 0.02, 60.0)
    for model, is_edge in ((smooth, True), (ripple, False)):
        assert learned_entanglement(model, data, smoothing=0).strengths[1, 0] > 0.6  # type: ignore[arg-type]
        learned = learned_entanglement(model, data, n_samples=2_000)  # type: ignore[arg-type]
        assert learned.matrix[1, 0] == is_edge
        assert not is_edge or learned.strengths[1, 0] > 0.4


def test_all_time_steps_count() -> None:
    truth, mixing = Truth(2, 4), np.array([[1.0, 0.5], [0.0, 1.0]])
    z = normal(50, 2).reshape(25, 2, 2) * np.array([[[1.0], [3.0]]])
    learned = learned_entanglement(linear_model(truth, mixing), truth.dataset(z))
    flat = z.reshape(50, 2)
    assert learned.strengths == pytest.approx(
        expected(mixing, flat @ np.linalg.inv(mixing).T, flat), rel=2e-3, abs=1e-4
    )


def test_numbers_of_latents_may_differ() -> None:
    truth, z = Truth(2, 5), normal(60, 2)
    more = learned_entanglement(
        linear_model(truth, np.array([[0.0, 0.0, 2.0], [1.0, 0.0, 0.0]])), truth.dataset(z)
    )
    assert more.strengths.shape == (2, 3)
    assert more.permutation.tolist() == [2, 0]
    single = model_of(truth, lambda u: torch.cat([0 * u, u], dim=1), lambda z_: z_[:, 1:], 1)
    fewer = learned_entanglement(single, truth.dataset(z))
    assert fewer.permutation.tolist() == [-1, 0]
    assert fewer.matrix.tolist() == [[False], [True]]


def test_a_constant_latent_has_no_strength() -> None:
    truth, z = Truth(2, 4), normal(50, 2)
    z[:, 0] = 0.3
    learned = learned_entanglement(linear_model(truth, np.eye(2)), truth.dataset(z))
    assert learned.strengths[0].tolist() == [0, 0]
    assert learned.strengths[1] == pytest.approx([0, 1], abs=1e-3)
    assert learned.relative[0].tolist() == [0, 0]


def test_the_decoder_may_be_a_function_or_have_another_dtype() -> None:
    truth, z = Truth(2, 4), normal(40, 2)
    plain = truth.dataset(z)
    for decoder in (truth.decode, double_decoder(truth)):
        data = Dataset.from_arrays(plain.observations, latents=plain.latents, decoder=decoder)
        learned = learned_entanglement(linear_model(truth, np.eye(2)), data)
        assert learned.strengths == pytest.approx(np.eye(2), abs=1e-3)


def double_decoder(truth: Truth) -> torch.nn.Module:
    class Double(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.frame = torch.nn.Parameter(truth.frame.double())

        def forward(self, z: torch.Tensor) -> torch.Tensor:
            return torch.sinh(z) @ self.frame.T

    return Double()


# Two models -----------------------------------------------------------------------------------------


def test_strengths_between_two_models() -> None:
    truth, z = Truth(3, 5), normal(70, 3)
    mixing_a, mixing_b = invertible(3, 1), invertible(3, 2)
    data = Dataset.from_arrays(truth.dataset(z).observations)
    learned = learned_entanglement(linear_model(truth, mixing_a), data, other=linear_model(truth, mixing_b))
    u, w = z @ np.linalg.inv(mixing_a).T, z @ np.linalg.inv(mixing_b).T
    assert learned.method == "models"
    assert learned.strengths == pytest.approx(
        expected(np.linalg.inv(mixing_a) @ mixing_b, w, u), rel=2e-3, abs=1e-4
    )
    assert (learned.latents, learned.learned) == (("v0", "v1", "v2"), ("w0", "w1", "w2"))


def test_a_model_agrees_with_itself() -> None:
    truth = Truth(3, 5)
    model = linear_model(truth, invertible(3, 4))
    learned = learned_entanglement(model, truth.dataset(normal(50, 3)), other=model)
    assert learned.strengths == pytest.approx(np.eye(3), abs=2e-3)


# Regression -----------------------------------------------------------------------------------------


def test_regression_and_derivatives_have_the_same_scale() -> None:
    truth, z = Truth(3, 5), normal(3_000, 3)
    mixing = np.array([[1.0, 0.4, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
    model, data = linear_model(truth, mixing), truth.dataset(z, known=False)
    learned = learned_entanglement(model, data)
    assert learned.method == "regression"
    assert learned.strengths == pytest.approx(expected(mixing, z @ np.linalg.inv(mixing).T, z), abs=0.05)
    assert (learned.matrix == (mixing != 0)).all()


def test_the_regression_detects_a_smooth_nonlinearity_and_no_ripple() -> None:
    truth, data = Truth(2, 4), Truth(2, 4).dataset(normal(2_000, 2), known=False)
    smooth = learned_entanglement(sine_model(truth, 0.7, 1.5), data)  # type: ignore[arg-type]
    assert smooth.matrix.tolist() == [[True, False], [True, True]]
    ripple = learned_entanglement(sine_model(truth, 0.02, 60.0), data)  # type: ignore[arg-type]
    assert ripple.matrix.tolist() == [[True, False], [False, True]]


def test_the_regression_handles_constant_latents() -> None:
    truth, z = Truth(2, 4), normal(200, 2)
    z[:, 0] = 0.3
    learned = learned_entanglement(linear_model(truth, np.eye(2)), truth.dataset(z, known=False))
    assert learned.strengths[0].tolist() == [0, 0]
    assert learned.strengths[1, 1] > 0.8


def test_the_regression_uses_one_thread_and_restores_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a machine with busy cores, threads that wait by spinning take minutes for a second's work."""
    truth, counts = Truth(2, 4), []
    data, original_fit = truth.dataset(normal(200, 2), known=False), HistGradientBoostingRegressor.fit

    def threads() -> set[int]:
        return {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "openmp"}

    def fit(self: Any, *args: Any) -> Any:
        counts.append(threads())
        return original_fit(self, *args)

    monkeypatch.setattr(HistGradientBoostingRegressor, "fit", fit)
    with threadpool_limits(3, user_api="openmp"):
        learned_entanglement(linear_model(truth, np.eye(2)), data)
        assert threads() == {3}
    assert counts == [{1}, {1}]


# The result -----------------------------------------------------------------------------------------


@given(matrices(), st.floats(0, 0.99), st.floats(0, 0.99))
@settings(max_examples=60, deadline=None)
def test_a_higher_threshold_never_adds_an_edge(strengths: Array, one: float, two: float) -> None:
    learned = entanglement_of(strengths)
    low, high = learned.at(min(one, two)), learned.at(max(one, two))
    assert not (high.matrix & ~low.matrix).any()
    assert learned.curve([one, two]).tolist() == [learned.at(t).n_edges for t in (one, two)]
    # the strongest entry of a row is always an edge, unless the whole row is weak
    assert high.matrix.any(axis=1)[strengths.max(axis=1) >= 0.1].all()
    assert not high.matrix[strengths.max(axis=1) <= 0.1 * high.threshold].any()


@given(matrices())
@settings(max_examples=60, deadline=None)
def test_the_matching_maximises_the_product(strengths: Array) -> None:
    learned = entanglement_of(strengths)
    n, m = strengths.shape
    logs = np.log(np.maximum(learned.relative, 1e-3))
    if n <= m:
        best = max(sum(logs[i, p[i]] for i in range(n)) for p in itertools.permutations(range(m), n))
    else:
        best = max(sum(logs[p[j], j] for j in range(m)) for p in itertools.permutations(range(n), m))
    rows = np.flatnonzero(learned.permutation >= 0)
    columns = learned.permutation[rows]
    assert len(rows) == min(n, m) == len(set(columns.tolist()))
    assert logs[rows, columns].sum() == pytest.approx(best)


@given(matrices(), st.integers(0, 1_000))
@settings(max_examples=40, deadline=None)
def test_relative_strengths_are_invariant_under_scaling_of_rows(strengths: Array, seed: int) -> None:
    strong = np.where(strengths.max(axis=1, keepdims=True) > 0.1, strengths, 0.0)
    scale = np.random.default_rng(training_seed(seed)).uniform(1, 10, (len(strengths), 1))
    assert entanglement_of(strong * scale).relative == pytest.approx(entanglement_of(strong).relative)


def test_the_matching_avoids_absent_edges() -> None:
    # the largest sum would match row 2 to column 2, where there is no edge
    learned = entanglement_of([[1, 0.3, 0], [0, 1, 0.3], [1, 0, 0]])
    assert learned.permutation.tolist() == [1, 2, 0]


def test_the_result_is_json_ready() -> None:
    learned = entanglement_of([[1, 0.5], [0, 1]])
    content = json.loads(json.dumps(learned.to_dict()))
    assert content["strengths"] == [[1, 0.5], [0, 1]]
    assert content["permutation"] == [0, 1]
    assert (content["threshold"], content["method"]) == (0.1, "jacobian")
    assert repr(learned) == "LearnedEntanglement(2 latents, 2 learned, 3 edges at threshold 0.1, by jacobian)"


@pytest.mark.parametrize("method", METHODS)
def test_results_depend_on_the_seed_and_no_global_state_changes(method: str) -> None:
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
    learned = learned_entanglement(linear_model(truth, np.eye(2)), data)
    assert (learned.latents, learned.learned) == (("raf", "mek"), ("v0", "v1"))


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
def test_settings_out_of_range_are_refused(options: dict[str, object], message: str) -> None:
    model, data = model_and_data()
    with pytest.raises(ConfigError, match=message):
        learned_entanglement(model, data, **options)  # type: ignore[arg-type]


def test_thresholds_of_the_result_are_checked() -> None:
    with pytest.raises(ConfigError, match=r"the threshold is -0\.1"):
        entanglement_of([[1.0]]).at(-0.1)
    with pytest.raises(ConfigError, match="the threshold is 2"):
        entanglement_of([[1.0]]).curve([0.1, 2])


def test_missing_input_of_a_method_is_refused() -> None:
    model, data = model_and_data(known=False)
    without_latents = Dataset.from_arrays(data.observations)
    for options, message in (
        ({"dataset": None}, "no dataset is given; entanglement is measured at its observations"),
        ({"dataset": data, "method": "jacobian"}, "the dataset has no true decoder; use method='regression'"),
        ({"dataset": data, "method": "models"}, "the method 'models' needs a second trained model"),
        ({"dataset": without_latents}, "holds no true latents; give a second trained model as other="),
        ({"dataset": data.take([0])}, "the dataset has a single point"),
        ({"dataset": data, "n_samples": 20}, "20 points are too few for a regression; give 40 or more"),
    ):
        with pytest.raises(DataError, match=message):
            learned_entanglement(model, **options)  # type: ignore[arg-type]


def test_unusable_decoders_are_refused() -> None:
    model, data = model_and_data()
    for decoder, message in (
        (lambda z: np.asarray(z) ** 2, r"torch can't differentiate the true decoder \(.*regression"),
        (lambda z: z[:, :1], "the true decoder gives 1 observed dimensions, the model has 4"),
        (lambda z: torch.cat([z, z], 1).sub(z.repeat(1, 2)).sqrt(), "a derivative that is not finite"),
    ):
        wrong = Dataset.from_arrays(data.observations, latents=data.latents, decoder=decoder)
        with pytest.raises(DataError, match=message):
            learned_entanglement(model, wrong)  # type: ignore[arg-type]
