"""Edges beyond the budget: kept while clear, removed after training without a change of the latents."""

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
from estimation.training import beyond_budget
from estimation.training.batches import Batches
from estimation.training.beyond_budget import clear_counts, remove_edges_beyond_budget_
from tests.seeds import training_seed

BOTH = np.ones(2, dtype=bool)


# within a factor of five, so that no latent counts as one without parents
@given(st.lists(st.floats(1, 4.9), min_size=6, max_size=6), st.integers(1, 6))
def test_the_count_is_the_budget_or_the_number_of_clear_effects(values: list[float], limit: int) -> None:
    sizes = np.array(values).reshape(2, 3)
    kept = np.argsort(-sizes.ravel(), kind="stable")[:limit]
    units = [
        max((sizes[i, j] for i, j in (divmod(int(k), 3) for k in kept) if i == row), default=None)
        for row in (0, 1)
    ]
    fallback = np.median([unit for unit in units if unit is not None])
    clear = sum(
        sizes[i, j] >= 0.35 * (fallback if units[i] is None else units[i]) for i in range(2) for j in range(3)
    )
    assert clear_counts({"actions": sizes}, {"actions": limit}, BOTH) == {"actions": max(limit, clear)}


def test_a_latent_with_far_smaller_effects_than_the_others_has_no_parents() -> None:
    sizes = np.array([[0.66, 0.66, 0.66], [0.69, 0.66, 9.8]])
    assert clear_counts({"actions": sizes}, {"actions": 4}, BOTH) == {"actions": 4}


def test_effects_are_compared_across_actions_and_past() -> None:
    strengths = {"actions": np.array([[10.0], [0.1]]), "past": np.array([[1.0, 0.0], [0.0, 0.1]])}
    limits = {"actions": 1, "past": 1}
    # the action is the strongest parent of the first latent, so that its past is not clear
    assert clear_counts(strengths, limits, BOTH) == {"actions": 1, "past": 1}
    strengths["past"][0, 0] = 6.0
    strengths["past"][1, 1] = 5.0
    assert clear_counts(strengths, limits, BOTH) == {"actions": 1, "past": 2}


def test_latents_that_no_cause_moves_have_no_clear_effects() -> None:
    sizes = np.array([[1.0, 0.9], [1.0, 0.9]])
    assert clear_counts({"actions": sizes}, {"actions": 1}, np.array([True, False])) == {"actions": 2}
    assert clear_counts({"actions": sizes}, {"actions": 1}, np.array([False, False])) == {"actions": 1}


def trained_with(n_edges: int) -> tuple[SparseVAE, Batches, TrainingConfig]:
    rng = np.random.default_rng(training_seed(3))
    actions = rng.uniform(-2, 2, (600, 2))
    latents = np.column_stack([np.sin(actions[:, 0]) + np.cos(actions[:, 1]), np.sin(2 * actions[:, 1])])
    observations = latents @ rng.normal(size=(2, 4)) + 0.1 * rng.normal(size=(600, 4))
    dataset = Dataset.from_arrays(observations, actions=actions)
    config = TrainingConfig(max_edges_actions=2, steps=60, n_latents=2, seed=training_seed(0))
    generator = torch.Generator().manual_seed(training_seed(0))
    model = build_model(Shape(4, 2, 2, False), config, generator, None, None)
    assert isinstance(model, SparseVAE)
    model.eval()
    masks = model.action_masks
    masks.start_sampling_(torch.tensor([[4.0, 3.0], [1.0, 2.0]]))
    masks.freeze_(n_edges)
    batches = Batches(dataset.pairs(), 64, config.seed, torch.device("cpu"), torch.float32, model=model)
    return model, batches, config


def test_the_weakest_edges_are_removed_and_latents_stay() -> None:
    model, batches, config = trained_with(3)
    observations = torch.randn(50, 4, generator=torch.Generator().manual_seed(training_seed(1)))
    before, networks = model.mean_latents(observations), [p.clone() for p in model.networks.parameters()]
    note = remove_edges_beyond_budget_(model, batches, config, 60, {"actions": 2})
    assert note == "removed after 60 steps: 1 edge of actions beyond the budget of 2"
    assert model.action_masks.support().tolist() == [[True, True], [False, False]]
    assert torch.equal(model.mean_latents(observations), before)
    # the transition is fitted to the edges that remain
    assert any(
        not torch.equal(new, old) for new, old in zip(model.networks.parameters(), networks, strict=True)
    )


@pytest.mark.parametrize("n_edges", [1, 2])
def test_nothing_changes_within_the_budget(n_edges: int) -> None:
    model, batches, config = trained_with(n_edges)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    assert remove_edges_beyond_budget_(model, batches, config, 60, {"actions": 2}) is None
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_the_transition_is_fitted_to_the_latents_after_the_flow() -> None:
    model, batches, config = trained_with(3)
    generator = torch.Generator().manual_seed(training_seed(2))
    with torch.no_grad():
        for parameter in model.flow.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator))
    model.flow.activate_()
    assert (
        remove_edges_beyond_budget_(model, batches, config.replace(steps=1_500), 60, {"actions": 2})
        is not None
    )
    rows = batches.rows(batches.draw(500, 0))
    latents = model.mean_latents(model.standardise(rows.observations)[:, -1])
    residual = model.transition_residual(latents, None, rows.actions)
    deviations = model.log_variance_z.exp().sqrt()
    # applied twice, the flow moves the latents by several standard deviations
    assert bool((residual.value.mean(0).abs() < 0.3 * deviations).all())
    assert bool((residual.value.std(0) < 1.1 * deviations).all())


def test_dense_masks_and_absent_ones_lose_no_edges() -> None:
    model, batches, config = trained_with(3)
    model.action_masks.make_dense_()
    assert remove_edges_beyond_budget_(model, batches, config, 60, {"actions": 2, "past": 1}) is None
    assert model.action_masks.dense


def test_noise_effects_on_a_latent_without_causes_are_not_clear() -> None:
    # the budget is one edge too large, so the strongest noise effect on the second latent is within it
    sizes = np.array([[1.0, 0.9, 0.01], [0.05, 0.04, 0.03]])
    assert clear_counts({"actions": sizes}, {"actions": 3}, BOTH) == {"actions": 3}


def test_effects_on_the_final_latents_say_which_edges_are_beyond_the_budget(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # the last round of unmixing ranked the edges (0, 0), (0, 1), (1, 1)
    model, batches, config = trained_with(3)
    strengths = {"actions": np.array([[2.0, 0.1], [9.0, 1.0]])}
    monkeypatch.setattr(beyond_budget, "edge_strengths", lambda *_: strengths)
    remove_edges_beyond_budget_(model, batches, config, 60, {"actions": 2})
    # (1, 0) has no edge, whatever its effect
    assert model.action_masks.support().tolist() == [[True, False], [False, True]]


def test_an_effect_of_zero_comes_before_an_absent_edge(monkeypatch: pytest.MonkeyPatch) -> None:
    model, batches, config = trained_with(3)
    monkeypatch.setattr(beyond_budget, "edge_strengths", lambda *_: {"actions": np.zeros((2, 2))})
    remove_edges_beyond_budget_(model, batches, config, 60, {"actions": 2})
    support = model.action_masks.support()
    assert int(support.sum()) == 2
    assert not support[1, 0]


def test_a_note_says_that_effects_could_not_be_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> None:
        raise DataError("effects are not finite")

    model, batches, config = trained_with(3)
    monkeypatch.setattr(beyond_budget, "edge_strengths", fails)
    note = remove_edges_beyond_budget_(model, batches, config, 60, {"actions": 2})
    assert note == (
        "removed after 60 steps: 1 edge of actions beyond the budget of 2; "
        "their effects were not measured again: effects are not finite"
    )
    assert model.action_masks.support().tolist() == [[True, True], [False, False]]
