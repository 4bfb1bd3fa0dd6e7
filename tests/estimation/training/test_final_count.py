"""Edges counted on the final latents: those above the gap between effects that are there and effects that are not."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from estimation.config.training import TrainingConfig
from estimation.dataset import Dataset
from estimation.exceptions import DataError
from estimation.methods import build_model
from estimation.models.representation import Shape
from estimation.models.sparse_vae import SparseVAE
from estimation.training import final_count, final_effects
from estimation.training.batches import Batches
from estimation.training.encodings import Encodings
from estimation.training.final_count import count_edges_again_, edges_above_gap
from estimation.training.final_effects import common_sizes
from estimation.training.measured_effects import MeasuredEffects
from tests.seeds import training_seed


@given(st.lists(st.floats(0.2, 1), min_size=1, max_size=6), st.lists(st.floats(0, 0.08), max_size=6))
def test_sizes_on_both_sides_of_a_wide_gap_are_told_apart(edges: list[float], others: list[float]) -> None:
    sizes = np.array([[*edges, *others]])
    assert edges_above_gap({"actions": sizes})["actions"].tolist() == [
        [True] * len(edges) + [False] * len(others)
    ]


@given(st.lists(st.floats(0, 1.5), min_size=1, max_size=12), st.integers(0, 12))
def test_edges_are_the_largest_sizes_and_kinds_share_the_gap(sizes: list[float], n_actions: int) -> None:
    actions, past = np.array([sizes[:n_actions]]), np.array([sizes[n_actions:]])
    found = edges_above_gap({"actions": actions, "past": past})
    flags = np.concatenate([found["actions"].ravel(), found["past"].ravel()])
    values = np.array(sizes)
    assert values[flags].min(initial=np.inf) >= values[~flags].max(initial=-np.inf)
    assert flags[values >= 0.35].all()
    assert not flags[values < 0.06].any()
    # no other place between the limits has a wider gap
    ends = np.log(np.sort(np.concatenate([[0.06, 0.35], values[(values > 0.06) & (values < 0.35)]])))
    below = max([0.06, *values[~flags & (values > 0.06)]])
    above = min([0.35, *values[flags & (values < 0.35)]])
    assert np.log(above / below) == pytest.approx(np.diff(ends).max())


Array = np.ndarray


class Run:
    """A model whose latents are set: a function of the actions, with noise. Its encoder is not used."""

    def __init__(
        self,
        monkeypatch: pytest.MonkeyPatch,
        latents: Array,
        actions: Array,
        edges: Array,
        factor: float = 0.01,
    ) -> None:
        n, m = edges.shape
        observations = np.random.default_rng(training_seed(0)).normal(size=(len(actions), n + 1))
        self.config = TrainingConfig(sparsity="adaptive", steps=1_500, n_latents=n, seed=training_seed(0))
        generator = torch.Generator().manual_seed(training_seed(0))
        model = build_model(Shape(n + 1, n, m, False), self.config, generator, None, None)
        assert isinstance(model, SparseVAE)
        self.model = model.eval()
        self.set_edges(edges)
        data = Dataset.from_arrays(observations, actions=actions, allow_constant=True).pairs()
        device = torch.device("cpu")
        self.batches = Batches(data, 64, self.config.seed, device, torch.float32, model=model)
        self.latents = torch.from_numpy(latents).float()[:, None]
        self.actions = torch.from_numpy(actions).float()
        roots = factor * torch.eye(n).expand(len(actions), 1, n, n)
        # in the order of the data, as for data on disk
        rows = np.arange(len(actions))
        encodings = Encodings(self.latents, roots, self.actions, self.latents, rows)
        monkeypatch.setattr(Encodings, "of", lambda *_: encodings)

    def set_edges(self, edges: Array) -> None:
        self.model.action_masks.keep_strongest_(torch.from_numpy(edges.astype(float)), int(edges.sum()))

    @property
    def edges(self) -> list[list[int]]:
        return self.model.action_masks.support().int().tolist()  # type: ignore[no-any-return]

    def loss(self) -> float:
        """Return the negative log-likelihood of the latents a row, per observed dimension."""
        with torch.no_grad():
            transition = self.model.transition(None, self.actions)
            return float(-transition.log_prob(self.latents[:, 0]).sum(1).mean()) / self.model.shape.n_observed

    def count(self, **limits: int) -> str | None:
        return count_edges_again_(self.model, self.batches, self.config, 1_500, limits, self.loss)


def waves(strengths: Array, n_rows: int, noise: float, seed: int = 1) -> tuple[Array, Array]:
    """Return latents that depend on uniform actions through waves with these standard deviations."""
    rng = np.random.default_rng(training_seed(seed))
    actions = rng.uniform(-2, 2, (n_rows, strengths.shape[1]))
    return np.sqrt(2) * np.sin(2 * actions) @ strengths.T + noise * rng.normal(
        size=(n_rows, len(strengths))
    ), actions


def test_edges_are_those_of_the_mechanisms(monkeypatch: pytest.MonkeyPatch) -> None:
    run = Run(monkeypatch, *waves(np.eye(2), 4_000, 0.2), np.array([[1, 1], [1, 0]]))
    assert run.count() == "edges counted again after 1500 steps: 2 edges of actions (1 added, 2 removed)"
    assert run.edges == [[1, 0], [0, 1]]
    # a second time, nothing is left to change
    state = {name: value.clone() for name, value in run.model.state_dict().items()}
    assert run.count() is None
    assert all(torch.equal(value, state[name]) for name, value in run.model.state_dict().items())


def test_noise_on_latents_without_parents_is_no_edge(monkeypatch: pytest.MonkeyPatch) -> None:
    strengths = np.zeros((5, 2))
    strengths[0, 0] = strengths[1, 1] = 1.0
    run = Run(monkeypatch, *waves(strengths, 4_000, 0.5), strengths > 0)
    assert run.count() is None
    assert np.array_equal(run.edges, strengths > 0)


def test_noise_is_no_edge_where_effects_are_weak(monkeypatch: pytest.MonkeyPatch) -> None:
    strengths = np.diag([1.0, 1.0, 0.3, 0.3])
    run = Run(monkeypatch, *waves(strengths, 4_000, 1.0), strengths > 0)
    assert run.count() is None


def test_the_strongest_edges_stay_within_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    strengths = np.diag([0.3, 0.3, 1.0])
    run = Run(monkeypatch, *waves(strengths, 4_000, 0.2), np.ones((3, 3)))
    assert run.count(actions=1) == "edges counted again after 1500 steps: 1 edge of actions (8 removed)"
    assert run.edges == [[0, 0, 0], [0, 0, 0], [0, 0, 1]]


def test_interventions_may_alternate(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(training_seed(2))
    # control and treated rows alternate, so that halves by the number of the row would differ
    actions = np.zeros((3_000, 3))
    treated = np.arange(1, 3_000, 2)
    actions[treated, rng.integers(0, 3, len(treated))] = 1
    latents = 3 * actions + rng.normal(size=(3_000, 3))
    run = Run(monkeypatch, latents, actions, np.eye(3))
    assert run.count() is None
    assert np.array_equal(run.edges, np.eye(3))


def test_an_edge_that_makes_held_out_data_no_likelier_is_not_added(monkeypatch: pytest.MonkeyPatch) -> None:
    run = Run(monkeypatch, *waves(np.eye(2), 4_000, 0.2), np.array([[1, 0], [0, 0]]))
    monkeypatch.setattr(run, "loss", lambda: 1.0)
    assert run.count() is None
    assert run.edges == [[1, 0], [0, 0]]
    run.set_edges(np.array([[1, 1], [0, 0]]))
    assert run.count() == "edges counted again after 1500 steps: 1 edge of actions (1 removed)"


def test_few_rows_leave_the_edges(monkeypatch: pytest.MonkeyPatch) -> None:
    run = Run(monkeypatch, *waves(np.eye(2), 990, 0.2), np.array([[1, 1], [1, 0]]))
    assert run.count() is None
    monkeypatch.setattr(final_effects, "resampling_units", lambda _, n_rows: np.zeros(n_rows, dtype=np.int64))
    run = Run(monkeypatch, *waves(np.eye(2), 4_000, 0.2), np.array([[1, 1], [1, 0]]))
    assert run.count() is None


def test_the_count_stands_where_causes_change_more_than_means(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(training_seed(3))
    latents, actions = waves(np.diag([1.0, 0.0]), 4_000, 0.2)
    # the second action changes the variance of the second latent, and no mean
    latents[:, 1] = np.exp(actions[:, 1]) * rng.normal(size=len(actions))
    run = Run(monkeypatch, latents, actions, np.ones((2, 2)))
    assert run.count() is None
    assert run.edges == [[1, 1], [1, 1]]
    # by means alone, the edges of the second latent would be lost
    monkeypatch.setattr(final_effects, "moves_all_means", lambda *_, **__: True)
    assert run.count() == "edges counted again after 1500 steps: 1 edge of actions (3 removed)"


def test_dense_masks_stay_dense(monkeypatch: pytest.MonkeyPatch) -> None:
    run = Run(monkeypatch, *waves(np.eye(2), 4_000, 0.2), np.ones((2, 2)))
    run.model.action_masks.make_dense_()
    assert run.count() is None
    assert run.model.action_masks.dense


def test_what_can_not_be_measured_or_fitted_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    run = Run(monkeypatch, *waves(np.eye(2), 4_000, 0.2), np.array([[1, 1], [1, 0]]))
    state = {name: value.clone() for name, value in run.model.state_dict().items()}

    def diverge(*_: object) -> None:
        run.model.log_variance_z.zero_()
        raise torch.linalg.LinAlgError("no\nsolution")  # type: ignore[attr-defined]

    monkeypatch.setattr(final_count, "fit_transition_", diverge)
    assert run.count() == "edges not counted again after 1500 steps: no solution"
    assert all(torch.equal(value, state[name]) for name, value in run.model.state_dict().items())
    half = MeasuredEffects(np.full((10, 2, 2), np.nan), None, np.eye(2), np.eye(2))
    monkeypatch.setattr(final_effects, "_measured_on", lambda *_: half)
    message = "edges not counted again after 1500 steps: action_effects hold an entry that is not finite"
    assert run.count() == message
    finite = MeasuredEffects(np.ones((10, 2, 2)), None, np.eye(2), np.eye(2))
    with pytest.raises(DataError, match="effects hold an entry that is not finite"):
        common_sizes(half, finite, np.ones(2, dtype=bool))


def test_errors_of_networks_are_no_effects() -> None:
    """Errors are smooth: each is a combination of ten functions, whose coefficients differ."""
    rng = np.random.default_rng(training_seed(1))
    positions = rng.uniform(-1, 1, 5_000)
    functions = np.sqrt(2) * np.cos(np.outer(positions, np.pi * np.arange(1, 11)))
    truth = np.zeros((5_000, 2, 3))
    truth[:, 0, 0] = functions[:, 0]
    halves = [
        MeasuredEffects(
            truth + 0.3 / np.sqrt(10) * np.einsum("sk,kij->sij", functions, rng.normal(size=(10, 2, 3))),
            None,
            np.eye(2),
            np.eye(2),
        )
        for _ in range(2)
    ]
    common, errors = common_sizes(halves[0], halves[1], np.ones(2, dtype=bool))
    assert common["actions"][0, 0] == pytest.approx(1, abs=0.3)
    assert errors["actions"].mean() == pytest.approx(0.3, abs=0.1)
    # the product of two errors may be half as large as their squares
    assert common["actions"][0, 0] > 0.75 * errors["actions"][0, 0]
    assert (common["actions"].ravel()[1:] ** 2).mean() < 0.3**2 / 2


def test_collapsed_latents_have_no_effects_and_no_parents() -> None:
    ones = MeasuredEffects(np.ones((10, 2, 3)), np.ones((10, 2, 2)), np.diag([1.0, 4.0]), np.eye(2))
    twos = MeasuredEffects(2 * np.ones((10, 2, 3)), np.ones((10, 2, 2)), np.diag([1.0, 4.0]), np.eye(2))
    sizes, errors = common_sizes(ones, ones, np.array([True, False]))
    np.testing.assert_allclose(sizes["actions"], [[1, 1, 1], [1e-6] * 3])
    np.testing.assert_allclose(sizes["past"], [[1, 1e-6], [1e-6, 1e-6]])
    assert (errors["actions"] == 0).all()
    # in units of the standard deviations of child and parent
    both, errors = common_sizes(ones, twos, np.ones(2, dtype=bool))
    np.testing.assert_allclose(both["actions"], [[np.sqrt(2)] * 3, [np.sqrt(0.5)] * 3])
    np.testing.assert_allclose(errors["actions"], [[np.sqrt(0.5)] * 3, [np.sqrt(1 / 8)] * 3])
    np.testing.assert_allclose(both["past"], [[1, 2], [0.5, 1]])
