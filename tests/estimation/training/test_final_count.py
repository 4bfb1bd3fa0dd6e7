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


def untrained() -> tuple[SparseVAE, Batches, TrainingConfig]:
    """Return a model of two latents, whose edges are frozen, with data in which each action moves one of them."""
    rng = np.random.default_rng(training_seed(0))
    actions = rng.uniform(-2, 2, (4_000, 2))
    latents = np.sin(2 * actions) + 0.2 * rng.normal(size=actions.shape)
    observations = latents @ rng.normal(size=(2, 4))
    dataset, shape = Dataset.from_arrays(observations, actions=actions), Shape(4, 2, 2, False)
    config = TrainingConfig(sparsity="adaptive", steps=1_500, n_latents=2, seed=training_seed(0))
    model = build_model(shape, config, torch.Generator().manual_seed(training_seed(0)), None, None)
    assert isinstance(model, SparseVAE)
    model.eval()
    for masks in model.edges.values():
        masks.start_sampling_(torch.tensor([[4.0, 3.0], [2.0, 1.0]]))
        masks.freeze_(3)
    batches = Batches(dataset.pairs(), 64, config.seed, torch.device("cpu"), torch.float32, model=model)
    return model, batches, config


@pytest.fixture
def right_latents(monkeypatch: pytest.MonkeyPatch) -> None:
    """Encode each row by the latents that generated it, which are functions of the actions."""
    encode = Encodings.of.__func__  # type: ignore[attr-defined]

    def encoded(cls: type, model: SparseVAE, batches: Batches, step: int, max_rows: int = 4_000) -> object:
        found = encode(cls, model, batches, step, max_rows)
        noise = torch.randn(found.latents.shape, generator=torch.Generator().manual_seed(training_seed(4)))
        latents = torch.sin(2 * found.actions)[:, None, :] + 0.2 * noise
        return type(found)(
            latents, 0.01 * torch.ones_like(found.factors), found.actions, found.standardised, found.numbers
        )

    monkeypatch.setattr(Encodings, "of", classmethod(encoded))


@pytest.mark.usefixtures("right_latents")
def test_edges_are_those_of_the_mechanisms() -> None:
    model, batches, config = untrained()
    note = count_edges_again_(model, batches, config, 1_500, {})
    assert note == "edges counted again after 1500 steps: 2 edges of actions instead of 3"
    assert model.action_masks.support().tolist() == [[True, False], [False, True]]
    # a second time, nothing is left to change
    assert count_edges_again_(model, batches, config, 1_500, {}) is None


@pytest.mark.usefixtures("right_latents")
def test_limits_are_not_exceeded() -> None:
    model, batches, config = untrained()
    note = count_edges_again_(model, batches, config, 1_500, {"actions": 1})
    assert note == "edges counted again after 1500 steps: 1 edge of actions instead of 3"
    assert int(model.action_masks.support().sum()) == 1


def test_errors_of_networks_are_no_effects() -> None:
    rng = np.random.default_rng(training_seed(1))
    truth = np.zeros((5_000, 2, 3))
    truth[:, 0, 0] = rng.normal(size=5_000)
    halves = [
        MeasuredEffects(truth + 0.3 * rng.normal(size=truth.shape), None, np.eye(2), np.eye(2))
        for _ in range(2)
    ]
    alone = np.sqrt((halves[0].actions ** 2).mean(0))  # type: ignore[operator]
    common = common_sizes(halves[0], halves[1], np.ones(2, dtype=bool))["actions"]
    assert common[0, 0] == pytest.approx(1, abs=0.06)
    assert alone.ravel()[1:].min() > 0.25
    assert common.ravel()[1:].max() < 0.1


def test_collapsed_latents_have_no_effects_and_no_parents() -> None:
    ones = MeasuredEffects(np.ones((10, 2, 3)), np.ones((10, 2, 2)), np.diag([1.0, 4.0]), np.eye(2))
    sizes = common_sizes(ones, ones, np.array([True, False]))
    np.testing.assert_allclose(sizes["actions"], [[1, 1, 1], [1e-6] * 3])
    np.testing.assert_allclose(sizes["past"], [[1, 1e-6], [1e-6, 1e-6]])
    # in units of the standard deviations of child and parent
    both = common_sizes(ones, ones, np.ones(2, dtype=bool))
    np.testing.assert_allclose(both["actions"], [[1] * 3, [0.5] * 3])
    np.testing.assert_allclose(both["past"], [[1, 2], [0.5, 1]])


def test_dense_masks_stay_dense() -> None:
    model, batches, config = untrained()
    model.action_masks.make_dense_()
    assert count_edges_again_(model, batches, config, 1_500, {}) is None
    assert model.action_masks.dense


def test_what_can_not_be_measured_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    model, batches, config = untrained()
    before = model.action_masks.support()

    def refuse(*_: object) -> None:
        raise DataError("effects hold an entry\nthat is not finite")

    monkeypatch.setattr(final_count, "measure_final_effects", refuse)
    note = count_edges_again_(model, batches, config, 60, {})
    assert note == "edges not counted again after 60 steps: effects hold an entry that is not finite"
    assert torch.equal(model.action_masks.support(), before)


@pytest.mark.usefixtures("right_latents")
def test_a_single_unit_has_no_halves(monkeypatch: pytest.MonkeyPatch) -> None:
    model, batches, config = untrained()
    monkeypatch.setattr(final_effects, "resampling_units", lambda _, n_rows: np.zeros(n_rows, dtype=np.int64))
    assert count_edges_again_(model, batches, config, 1_500, {}) is None
    assert int(model.action_masks.support().sum()) == 3


@pytest.mark.usefixtures("right_latents")
def test_the_count_stands_where_causes_change_more_than_means(monkeypatch: pytest.MonkeyPatch) -> None:
    model, batches, config = untrained()
    monkeypatch.setattr(final_effects, "moves_all_means", lambda *_, **__: False)
    assert count_edges_again_(model, batches, config, 1_500, {}) is None
    assert int(model.action_masks.support().sum()) == 3
