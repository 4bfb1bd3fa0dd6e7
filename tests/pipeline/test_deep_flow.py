"""The deep flow, where actions change variances or shapes: what it recovers, when it is kept, and that it is saved."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch.distributions import Normal

from estimation.checkpoint import load
from estimation.config import TrainingConfig
from estimation.dataset import Dataset
from estimation.models.noise import SplineFlow
from estimation.models.representation import Shape
from estimation.models.sparse_vae import SparseVAE
from estimation.simulate import simulate
from estimation.trained import TrainedModel
from estimation.training import deep_flow, fit
from estimation.training.encodings import Encodings
from estimation.training.flow_fitting import fit_flow_
from estimation.training.post_training import NoActiveLatentsError
from identify.graph import CausalGraph
from tests.seeds import training_seed

FINISH = "estimation.training.finish"
DEEP_FLOW = "estimation.training.deep_flow"

Array = NDArray[np.float64]


@pytest.fixture(scope="module")
def data() -> Dataset:
    return simulate(CausalGraph(Ga=[[1, 0], [1, 1]]), 400, seed=training_seed())


def trained(
    data: Dataset,
    monkeypatch: pytest.MonkeyPatch,
    losses: list[float],
    change: str = "shape",
    **changes: Any,
) -> TrainedModel:
    """Train briefly on data of which a change is reported, with given misfits before and after the flow."""
    monkeypatch.setattr(f"{FINISH}.distributional_change", lambda *arguments: change)
    values: Iterator[float] = iter(losses)
    monkeypatch.setattr(f"{DEEP_FLOW}._misfit", lambda *arguments: next(values))
    sizes: dict[str, Any] = {"width": 8, "depth": 1, "transition_width": 4, "batch_size": 64, "starts": 1}
    schedule = {"steps": 30, "rounds": 1, "flow_blocks": 1, "refinements": 0, "max_edges_actions": 4}
    config = TrainingConfig(**(sizes | schedule | {"seed": training_seed()} | changes))
    return fit(data, config, progress=False)


def actions_of(data: Dataset) -> NDArray[np.float32]:
    assert data.actions is not None
    return np.asarray(data.actions[:3], dtype=np.float32)


def states_equal(first: TrainedModel, second: TrainedModel) -> bool:
    ours, others = first.model.state_dict(), second.model.state_dict()
    return ours.keys() == others.keys() and all(torch.equal(ours[name], others[name]) for name in ours)


@pytest.mark.parametrize(("losses", "kept"), [([1.0, 0.5], True), ([1.0, 1.5], False)])
@pytest.mark.parametrize(
    ("change", "variance", "what"),
    [
        ("shape", "profiled", "shapes of distributions, under flexible noise"),
        ("variance", "profiled", "variances, under flexible noise"),
        ("variance", "profiled_state_dependent", "variances"),
    ],
    ids=["shape", "variance", "variance that varies"],
)
def test_the_flow_is_kept_if_held_out_data_become_more_likely(
    data: Dataset,
    monkeypatch: pytest.MonkeyPatch,
    losses: list[float],
    kept: bool,
    change: str,
    variance: str,
    what: str,
) -> None:
    model = trained(data, monkeypatch, losses, change, variance=variance)
    assert isinstance(model.model, SparseVAE)
    assert model.model.flow.active == kept
    # the usual flow has one block
    assert model.model.flow.sizes[0] == (4 if kept else 1)
    start = f"flow {'' if kept else 'not '}fitted after 30 steps, a deep one since actions change {what}: "
    end = f"the negative log-likelihood of held-out latents went from {losses[0]:.4g} to {losses[1]:.4g}"
    assert model.history.notes[-1] == start + end
    # noise is flexible in the fit alone
    assert model.model.noise is None
    assert isinstance(model.model.transition(None, torch.from_numpy(actions_of(data))), Normal)


def test_a_rejected_flow_leaves_the_model_as_it_was(data: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*arguments: object, **options: object) -> None:
        raise NoActiveLatentsError("all latents have collapsed")

    rejected = trained(data, monkeypatch, [1.0, 1.5])
    monkeypatch.setattr(f"{DEEP_FLOW}.apply_flow_", fail)
    failed = trained(data, monkeypatch, [1.0])
    assert failed.history.notes[-1].endswith("under flexible noise: all latents have collapsed")
    assert states_equal(failed, rejected)


def test_noise_of_the_configuration_stays(data: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    model = trained(data, monkeypatch, [1.0, 0.5], noise="flow")
    assert isinstance(model.model, SparseVAE)
    assert model.model.flow.sizes[0] == 4
    assert isinstance(model.model.transition(None, torch.from_numpy(actions_of(data))), SplineFlow)


def test_a_saved_model_keeps_its_deep_flow(
    data: Dataset, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    model = trained(data, monkeypatch, [1.0, 0.5], dtype="float64")
    model.save(tmp_path)
    loaded = load(tmp_path)
    assert states_equal(loaded, model)
    np.testing.assert_array_equal(loaded.encode(data.observations), model.encode(data.observations))
    np.testing.assert_array_equal(
        copy.deepcopy(model).encode(data.observations), loaded.encode(data.observations)
    )


def curved(latents: Array) -> Array:
    """Return an invertible nonlinear map of two latents, in which each depends on both."""
    distorted = latents + 0.6 * np.sin(1.2 * latents[:, ::-1])
    return np.asarray(distorted / distorted.std(0))


def mcc(latents: Array, truth: Array) -> float:
    correlation = np.abs(np.corrcoef(latents.T, truth.T)[:2, 2:])
    return float(max(np.trace(correlation), np.trace(correlation[::-1])) / 2)


def test_the_likelihood_recovers_latents_whose_shape_changes() -> None:
    """An action makes its latent bimodal; means and variances are constant, so Gaussian noise would tell nothing."""
    rng = np.random.default_rng(training_seed())
    actions = rng.uniform(-2, 2, (20_000, 2))
    separation = 0.98 / (1 + np.exp(-3 * np.sin(2 * actions)))
    signs = rng.choice([-1.0, 1.0], size=actions.shape)
    latents = signs * separation + np.sqrt(1 - separation**2) * rng.normal(size=actions.shape)
    encoded = torch.from_numpy(curved(latents)).float()
    rows = Encodings(
        encoded[:, None],
        1e-3 * torch.eye(2).expand(len(encoded), 1, 2, 2),
        torch.from_numpy(actions).float(),
        encoded[:, None],
    )
    config = TrainingConfig(steps=1_500, seed=training_seed(), max_edges_actions=2, transition_width=16)
    generator = torch.Generator().manual_seed(training_seed())
    model = SparseVAE(Shape(2, 2, 2, past=False), config, generator)
    model.action_masks.start_sampling_(10 * torch.eye(2) - 5)
    model.action_masks.freeze_(2)
    model.add_noise_(config, generator)
    assert model.noise is not None
    model.noise.activate_()
    model.flow.resize_(8, 32, generator)
    model.flow.activate_()
    fit_flow_(model, rows, config, 0, likelihood=True)
    recovered = model.flow(encoded).detach().double().numpy()
    assert mcc(encoded.double().numpy(), latents) < 0.95
    assert mcc(recovered, latents) > 0.98


def test_the_misfit_is_the_log_density_of_the_latents() -> None:
    """By change of variables: for normal latents, a linear flow, and exact encodings it is known."""
    rng = np.random.default_rng(training_seed())
    generator = torch.Generator().manual_seed(training_seed())
    config = TrainingConfig(dtype="float64", flow_blocks=1, seed=training_seed())
    model = SparseVAE(Shape(2, 2, 1, past=False), config, generator)
    with torch.no_grad():
        for parameter in model.networks.parameters():
            parameter.zero_()
        model.log_variance_z.copy_(torch.tensor([0.3, -0.5]))
    latents = torch.from_numpy(rng.normal(size=(50, 1, 2)))
    factors = torch.zeros(50, 1, 2, 2, dtype=torch.float64)
    rows = Encodings(latents, factors, torch.zeros(50, 1, dtype=torch.float64), latents)
    density = Normal(0.0, torch.tensor([0.15, -0.25], dtype=torch.float64).exp())
    expected = float(-density.log_prob(latents[:, 0]).sum(1).mean())  # type: ignore[no-untyped-call]
    assert deep_flow._misfit(model, rows, 0) == pytest.approx(expected)
    # shift by c: p(z + c)
    model.flow.activate_()
    with torch.no_grad():
        model.flow.blocks[0].shift.fill_(0.7)  # type: ignore[operator]
    shifted = float(-density.log_prob(latents[:, 0] + 0.7).sum(1).mean())  # type: ignore[no-untyped-call]
    assert deep_flow._misfit(model, rows, 0) == pytest.approx(shifted)
    # a contraction: minus its log-determinant
    weights = 0.2 * torch.ones(2, 128, dtype=torch.float64)
    with torch.no_grad():
        model.flow.blocks[0].outward.copy_(weights / 16)  # type: ignore[operator]
        moved, _, log_det = model.flow.with_jacobian(latents[:, 0])
    assert log_det.abs().mean() > 1e-3
    changed = float(-(density.log_prob(moved).sum(1) + log_det).mean())  # type: ignore[no-untyped-call]
    assert deep_flow._misfit(model, rows, 0) == pytest.approx(changed)
    # uncertain encodings are sampled
    factors += 0.5 * torch.eye(2)
    wider = deep_flow._misfit(model, rows, 0)
    assert wider > changed
    assert wider == deep_flow._misfit(model, rows, 0)
