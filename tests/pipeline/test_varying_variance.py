"""Runs whose actions change variances begin again with variances that depend on the actions, and are saved so."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from estimation.checkpoint import load
from estimation.config import TrainingConfig
from estimation.dataset import Dataset
from estimation.history import Record
from estimation.metrics import mean_correlation, structural_hamming
from estimation.models.representation import Shape
from estimation.models.sparse_vae import SparseVAE
from estimation.training import fit, starts
from estimation.training.distributional_change import VARYING_NOTE
from identify.graph import CausalGraph
from tests.seeds import training_seed

Array = NDArray[np.float64]


def scaled_data(moves_means: bool = False) -> Dataset:
    """Return two latents whose standard deviations, or whose means, one action each changes, seen through a mixing."""
    rng = np.random.default_rng(training_seed())
    actions = rng.uniform(-2, 2, (8_000, 2))
    wave, noise = np.sin(1.5 * actions), rng.normal(size=(8_000, 2))
    latents = wave + 0.1 * noise if moves_means else np.exp(1.2 * wave) * noise
    mixed = latents @ rng.normal(size=(2, 5))
    observations = mixed / mixed.std(0) + 0.01 * rng.normal(size=mixed.shape)
    return Dataset.from_arrays(
        observations[:, None], actions=actions, latents=latents[:, None], graph=CausalGraph(Ga=np.eye(2))
    )


def short(**changes: object) -> TrainingConfig:
    sizes = {
        "width": 16,
        "depth": 1,
        "transition_width": 8,
        "batch_size": 128,
        "starts": 1,
        "refinements": 0,
        "flow_blocks": 1,
    }
    schedule = {"steps": 620, "warmup": 10, "dense_share": 0.5, "budget_share": 0.5, "frozen_share": 0.4}
    return TrainingConfig(**(sizes | schedule | {"max_edges_actions": 2, "seed": training_seed()} | changes))


@pytest.fixture
def short_race(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(starts, "RACE_STEPS", 300)


@pytest.mark.usefixtures("short_race")
def test_a_run_begins_again_if_variances_change(tmp_path: Path) -> None:
    data = scaled_data()
    model = fit(data, short())
    assert VARYING_NOTE in model.history.notes
    assert any("by effects on variances too" in note for note in model.history.notes)
    assert isinstance(model.model, SparseVAE)
    assert model.model.state_dependent
    # the settings stay those of the user, and the saved model has the same distribution
    assert model.config == short()
    model.save(tmp_path)
    loaded = load(tmp_path)
    np.testing.assert_array_equal(loaded.encode(data.observations), model.encode(data.observations))
    assert isinstance(loaded.model, SparseVAE)
    actions = torch.from_numpy(data.actions[:10])
    scales = [each.transition(None, actions).scale.detach() for each in (model.model, loaded.model)]
    torch.testing.assert_close(scales[0], scales[1], rtol=0, atol=0)
    assert float(scales[0].std(0).min()) > 0


def test_a_stopped_run_with_varying_variances_resumes_with_the_same_numbers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(starts, "RACE_STEPS", 10)
    monkeypatch.setattr(
        "estimation.training.sparse_vae_procedure.distributional_change", lambda *arguments: "variance"
    )
    data, config = scaled_data(), short(validate_every=10, steps=60, unmixing=True)

    class StoppedError(Exception):
        pass

    def interrupt(record: Record) -> None:
        if record.step == 40:
            raise StoppedError

    with pytest.raises(StoppedError):
        fit(data, config, checkpoint=tmp_path, checkpoint_every=10, on_record=interrupt)
    resumed, whole = fit(data, config, checkpoint=tmp_path), fit(data, config)
    assert [record.loss for record in resumed.history.records] == [
        record.loss for record in whole.history.records
    ]
    np.testing.assert_array_equal(resumed.encode(data.observations), whole.encode(data.observations))


@pytest.mark.usefixtures("short_race")
def test_a_run_whose_means_move_continues() -> None:
    model = fit(scaled_data(moves_means=True), short())
    assert isinstance(model.model, SparseVAE)
    assert not model.model.state_dependent
    assert not any("variances" in note for note in model.history.notes)


def test_beside_a_past_the_edges_of_actions_follow_from_variances() -> None:
    rng = np.random.default_rng(training_seed(1))
    past, actions = rng.normal(size=(8_000, 2)), rng.uniform(-2, 2, (8_000, 2))
    scale = 0.4 * np.exp(np.sin(1.5 * actions))
    latents = np.stack([past, np.cos(2 * past) + scale * rng.normal(size=past.shape)], axis=1)
    mixed = latents @ rng.normal(size=(2, 5))
    observations = mixed / mixed.std((0, 1)) + 0.01 * rng.normal(size=mixed.shape)
    graph = CausalGraph(Gz=np.eye(2), Ga=np.eye(2))
    data = Dataset.from_arrays(observations, actions=actions, latents=latents, graph=graph)
    model = fit(data, short(max_edges_past=2, rounds=1))
    assert any("variances too, since actions don't move" in note for note in model.history.notes)
    assert isinstance(model.model, SparseVAE)
    assert model.model.state_dependent
    match = mean_correlation(latents[:, 1], model.encode(observations)[:, 1])
    assert match.score > 0.9
    assert structural_hamming(graph, model.graph, match.permutation).distance == 0


def test_the_edges_of_past_latents_follow_from_variances(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("estimation.unmixing.past_distributional._N_STEPS", 300)
    rng = np.random.default_rng(training_seed(2))
    past = rng.normal(size=(8_000, 2))
    latents = np.stack([past, np.exp(1.2 * np.sin(1.5 * past)) * rng.normal(size=past.shape)], axis=1)
    mixed = latents @ rng.normal(size=(2, 5))
    observations = mixed / mixed.std((0, 1)) + 0.01 * rng.normal(size=mixed.shape)
    data = Dataset.from_arrays(observations, latents=latents, graph=CausalGraph(Gz=np.eye(2)))
    model = fit(data, short(max_edges_actions=None, sparsity="adaptive", rounds=1))
    (note,) = [note for note in model.history.notes if note.startswith("unmixed")]
    assert "2 edges of past kept; by effects on variances too, since past latents don't move" in note
    assert mean_correlation(latents[:, 1], model.encode(observations)[:, 1]).score > 0.9
    np.testing.assert_array_equal(model.graph.Gz.toarray(), np.eye(2))


def test_variances_that_begin_to_vary_are_those_of_before() -> None:
    generator = torch.Generator().manual_seed(training_seed())
    model = SparseVAE(Shape(5, 3, 2, past=False), TrainingConfig(), generator)
    actions = torch.randn(20, 2, generator=generator)
    before = model.transition(None, actions)
    model.vary_variances_()
    after = model.transition(None, actions)
    torch.testing.assert_close(after.loc, before.loc)
    torch.testing.assert_close(after.scale, before.scale)
    assert model.networks.n_outputs == 2
    model.vary_variances_()
    assert model.networks.n_outputs == 2
