"""Runs whose transitions have flexible noise: chosen by the held-out ELBO, resumed, saved and loaded."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import torch

from estimation.checkpoint import load
from estimation.config import TrainingConfig
from estimation.dataset import Dataset
from estimation.influence import learned_influence
from estimation.models.noise import SplineFlow
from estimation.models.sparse_vae import SparseVAE
from estimation.trained import TrainedModel
from estimation.training import fit
from tests.seeds import training_seed

ROWS = 4_000


def small(**changes: object) -> TrainingConfig:
    settings: dict[str, object] = {
        "width": 16,
        "depth": 0,
        "transition_width": 16,
        "batch_size": 256,
        "max_edges_actions": 3,
        "flow_blocks": 1,
        "refinements": 1,
        "starts": 1,
        "warmup": 10,
        "steps": 300,
    }
    return TrainingConfig(seed=training_seed(), **(settings | changes))


def actions_move_the_means(kind: str, n: int = 2) -> Dataset:
    """Return observations that mix latents linearly, whose noise is Gaussian or has two modes."""
    rng = np.random.default_rng(training_seed(7))
    rows = ROWS
    actions = rng.normal(size=(rows, n))
    effects = np.sin(actions) + np.cos(actions[:, :1]) * (np.arange(n) > 0)
    noise = rng.normal(size=(rows, n))
    if kind == "bimodal":
        noise = 0.25 * noise + rng.choice([-1, 1], size=(rows, n))
    latents = effects + 0.3 * noise
    mixing = np.array([[1.0, 0.5], [-0.5, 1.0], [0.7, 0.7]])[:, :n]
    return Dataset.from_arrays(
        latents @ mixing.T + 0.01 * rng.normal(size=(rows, 3)), actions, latents=latents
    )


@pytest.fixture(scope="module")
def bimodal() -> Dataset:
    return actions_move_the_means("bimodal")


def noise_of(model: TrainedModel) -> bool:
    assert isinstance(model.model, SparseVAE)
    assert model.model.noise is not None
    return model.model.noise.active


@pytest.mark.parametrize(("kind", "steps"), [("gaussian", 250), ("bimodal", 500)])
def test_the_noise_is_chosen_by_the_held_out_elbo(kind: str, steps: int) -> None:
    # one latent, so that no rotation makes the noise Gaussian; the only note is that of the noise
    data = actions_move_the_means(kind, n=1)
    config = small(sparsity="none", refinements=0, steps=steps)
    model = fit(data, config.replace(noise="auto"))
    (note,) = model.history.notes
    numbers = r"held-out negative ELBO (\S+) against (\S+) of the"
    chosen, other = ("flow", "Gaussian") if kind == "bimodal" else ("Gaussian", "flow")
    found = re.fullmatch(f"noise: {chosen}, {numbers} {other}", note)
    assert found is not None, note
    assert noise_of(model) == (kind == "bimodal")
    if kind == "bimodal":
        assert float(found[1]) < float(found[2]) - 0.03
        return
    # a flow that is not kept leaves no trace
    plain = fit(data, config)
    assert model.negative_elbo(data) == plain.negative_elbo(data)
    np.testing.assert_array_equal(model.encode(data.observations), plain.encode(data.observations))


class StoppedError(Exception):
    pass


def test_a_run_with_a_flow_is_resumed_saved_and_loaded(bimodal: Dataset, tmp_path: Path) -> None:
    config = small(noise="flow", steps=50, validate_every=10, unmixing=False)
    undisturbed = fit(bimodal, config)

    # the flow is used from step 32 on
    def interrupt(record) -> None:  # type: ignore[no-untyped-def]
        if record.step > 35:
            raise StoppedError

    with pytest.raises(StoppedError):
        fit(bimodal, config, checkpoint=tmp_path / "state", checkpoint_every=5, on_record=interrupt)
    resumed = fit(bimodal, config, checkpoint=tmp_path / "state")
    assert resumed.history.notes == undisturbed.history.notes
    state = resumed.model.state_dict()
    assert all(torch.equal(state[name], value) for name, value in undisturbed.model.state_dict().items())
    undisturbed.save(tmp_path / "model")
    loaded = load(tmp_path / "model")
    assert loaded.config == config
    assert noise_of(loaded)
    assert loaded.negative_elbo(bimodal) == undisturbed.negative_elbo(bimodal)
    assert isinstance(loaded.model, SparseVAE)
    assert isinstance(loaded.model.transition(None, torch.zeros(1, 2)), SplineFlow)
    evidence = learned_influence(loaded, bimodal, n_conditions=50)
    assert set(evidence) == set(bimodal.action_names)


@pytest.mark.parametrize("changes", [{"sparsity": "none"}, {"variance": "learned"}, {"frozen_share": 0.0}])
def test_flows_are_fitted_with_other_settings(bimodal: Dataset, changes: dict[str, object]) -> None:
    model = fit(bimodal, small(noise="flow", steps=40, **changes))
    assert any(
        note.startswith(("noise fitted after 40 steps", "noise not fitted")) for note in model.history.notes
    )
    terms = model.negative_elbo(bimodal)
    assert terms is not None
    assert np.isfinite(terms["total"])
