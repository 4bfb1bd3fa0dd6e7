"""The flow under flexible noise, where actions change shapes: when it is kept, and that transitions stay Gaussian."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch.distributions import Normal

from estimation.config import TrainingConfig
from estimation.dataset import Dataset
from estimation.models.representation import Shape
from estimation.models.sparse_vae import SparseVAE
from estimation.simulate import simulate
from estimation.trained import TrainedModel
from estimation.training import distributional_change, fit, sparse_vae_procedure
from estimation.training.post_training import NoActiveLatentsError
from identify.graph import CausalGraph
from tests.seeds import training_seed

PROCEDURE = "estimation.training.sparse_vae_procedure"


@pytest.fixture(scope="module")
def data() -> Dataset:
    return simulate(CausalGraph(Ga=[[1, 0], [1, 1]]), 400, seed=training_seed())


def trained(
    data: Dataset, monkeypatch: pytest.MonkeyPatch, shares: list[float], losses: list[float]
) -> TrainedModel:
    """Train briefly on data whose shapes are said to change, with given shares and held-out losses in the decision."""
    monkeypatch.setattr(f"{PROCEDURE}.distributional_change", lambda *arguments: "shape")
    given: Iterator[float] = iter(shares)
    monkeypatch.setattr(f"{PROCEDURE}.share_without_edges", lambda *arguments: next(given))
    values: Iterator[float] = iter(losses)
    monkeypatch.setattr(
        sparse_vae_procedure.SparseVAEProcedure, "held_out_loss", lambda procedure: next(values)
    )
    sizes: dict[str, Any] = {"width": 8, "depth": 1, "transition_width": 4, "batch_size": 64, "starts": 1}
    schedule = {"steps": 30, "rounds": 1, "flow_blocks": 1, "refinements": 0, "max_edges_actions": 3}
    return fit(data, TrainingConfig(**(sizes | schedule | {"seed": training_seed()})), progress=False)


@pytest.mark.parametrize(
    ("shares", "losses", "kept"),
    [
        ([0.1, 0.1], [1.0, 0.5], True),
        ([0.1, 0.2], [1.0, 0.5], False),
        ([0.1, 0.1], [1.0, 1.5], False),
    ],
)
def test_the_flow_is_kept_if_it_fits_better_and_adds_no_dependence(
    data: Dataset, monkeypatch: pytest.MonkeyPatch, shares: list[float], losses: list[float], kept: bool
) -> None:
    model = trained(data, monkeypatch, shares, losses)
    assert isinstance(model.model, SparseVAE)
    assert bool(model.model.flow.active) == kept
    word = "flow fitted" if kept else "flow not fitted"
    note = model.history.notes[-1]
    assert note.startswith(
        f"{word} after 30 steps, under flexible noise since actions change shapes of distributions"
    )
    assert (
        f"went from {losses[0]:.4g} to {losses[1]:.4g}, the share of effects without an edge from 0.1 to"
        in note
    )
    # the noise is flexible in the fit alone
    assert model.model.noise is None
    assert isinstance(model.model.transition(None, torch.from_numpy(data.actions[:3])), Normal)


def test_a_flow_that_cannot_be_fitted_leaves_the_model_as_it_was(
    data: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: object) -> None:
        raise NoActiveLatentsError("all latents have collapsed")

    rejected = trained(data, monkeypatch, [0.1, 0.2], [1.0, 0.5])
    monkeypatch.setattr(f"{PROCEDURE}.apply_flow_", fail)
    model = trained(data, monkeypatch, [0.1], [1.0])
    assert model.history.notes[-1].endswith("shapes of distributions: all latents have collapsed")
    state, other = model.model.state_dict(), rejected.model.state_dict()
    assert state.keys() == other.keys()
    for name, tensor in state.items():
        torch.testing.assert_close(tensor, other[name], rtol=0, atol=0)


def test_the_share_without_edges_is_that_of_missing_edges(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(training_seed(1))
    actions = rng.uniform(-2, 2, (20_000, 2))
    latents = np.exp(np.sin(2 * actions)) * rng.normal(size=actions.shape)
    monkeypatch.setattr(distributional_change, "_encoded", lambda *arguments: (latents, actions, np.eye(2)))
    generator = torch.Generator().manual_seed(training_seed())
    model = SparseVAE(Shape(4, 2, 2, past=False), TrainingConfig(), generator)
    shares = []
    for edges in (np.eye(2), 1 - np.eye(2)):
        model.action_masks.start_sampling_(torch.from_numpy(10 * edges - 5))
        model.action_masks.freeze_(2)
        shares.append(distributional_change.share_without_edges(model, None, 0))  # type: ignore[arg-type]
    assert shares[0] < 0.05
    assert shares[1] > 0.95
