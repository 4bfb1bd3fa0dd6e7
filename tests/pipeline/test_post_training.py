"""Post-training: refinement of encodings by the decoder, and the flow."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from estimation.config import TrainingConfig
from estimation.dataset import Dataset
from estimation.metrics import mean_correlation
from estimation.models.representation import Shape
from estimation.models.sparse_vae import SparseVAE
from estimation.training import encodings, fit, post_training
from estimation.training.batches import Batches, scales
from estimation.training.encodings import Encodings
from estimation.training.flow_fitting import fit_flow_
from estimation.training.post_training import NoActiveLatentsError, apply_flow_, refine_encodings_
from tests.seeds import training_seed

N = 4
CONFIG = TrainingConfig(
    n_latents=N,
    max_edges_past=N,
    width=16,
    depth=0,
    transition_width=16,
    steps=1200,
    batch_size=256,
    flow_blocks=3,
    seed=training_seed(),
)


def trajectories(rows: int = 20_000) -> tuple[Dataset, np.ndarray]:
    """Return data and latents that depend on their own past; observations add products of two other latents."""
    rng = np.random.default_rng(training_seed())
    first = rng.normal(size=(rows, N))
    waves = np.sin(np.arange(2, 2 + N) * first + np.arange(N))
    z = np.stack([first, first + 0.5 * waves + 0.03 * rng.normal(size=first.shape)], axis=1)
    observed = z + 0.25 * np.roll(z, 1, axis=2) * np.roll(z, 2, axis=2)
    return Dataset.from_arrays(observed), z


def identity_model(data: Dataset, config: TrainingConfig) -> tuple[SparseVAE, Batches]:
    """Return a model whose encoder and decoder are the identity, with the true edges."""
    model = SparseVAE(Shape.of(data, N), config, torch.Generator().manual_seed(training_seed()))
    units = scales(data)
    model.set_scales_(units.x_mean, units.x_scale, units.a_mean, units.a_scale)
    with torch.no_grad():
        for network in (model.encoder, model.decoder):
            network.last.weight.copy_(torch.eye(N))
            network.last.bias.zero_()
        model.posterior_noise.network.last.bias.fill_(-4)
        model.log_variance_x.fill_(-8)
    for masks in model.edges.values():
        masks.start_sampling_(10 * torch.eye(N) - 5)
        masks.freeze_(N)
    return model, Batches(data, 256, 0, torch.device("cpu"), torch.float32)


def score(model: SparseVAE, data: Dataset, z: np.ndarray) -> float:
    with torch.no_grad():
        latents = model.mean_latents(model.standardise(torch.from_numpy(data.observations[:5000, 0])))
    return mean_correlation(z[:5000, 0], latents.double().numpy()).score


def test_refinement_and_flow_correct_nonlinear_distortion() -> None:
    data, z = trajectories()
    model, batches = identity_model(data, CONFIG)
    before = score(model, data, z)
    refine_encodings_(model, batches, CONFIG, 0)
    apply_flow_(model, batches, CONFIG, 0)
    assert before < 0.98
    assert score(model, data, z) > 0.99
    # the decoder inverts the flow
    x = model.standardise(torch.from_numpy(data.observations[:500, 0]))
    with torch.no_grad():
        reconstructed = model.mean_observations(model.mean_latents(x))
        torch.testing.assert_close(
            reconstructed, model.decoder(model.latents_before_flow(x)), atol=1e-4, rtol=1e-4
        )


def test_the_posterior_is_transformed_by_the_flow() -> None:
    data, _ = trajectories()
    model, batches = identity_model(data, CONFIG.replace(steps=60))
    apply_flow_(model, batches, CONFIG.replace(steps=60), 0)
    x = model.standardise(torch.from_numpy(data.observations[:20, 0]))
    with torch.no_grad():
        latents, posterior = model.latents_before_flow(x), model.posterior(x)
        factor, log_det = model.posterior_noise(x)
        noise = torch.randn(4000, 20, N, generator=torch.Generator().manual_seed(training_seed()))
        # close to the mean, where the flow is nearly linear
        before_flow = latents + 0.05 * (factor @ noise[..., None])[..., 0]
        samples = model.flow(before_flow.flatten(0, 1)).view_as(noise)
    torch.testing.assert_close(samples.std(0) / 0.05, posterior.variance.sqrt(), rtol=0.1, atol=0)
    torch.testing.assert_close(torch.linalg.slogdet(posterior.factor)[1], posterior.log_det)
    assert not torch.allclose(log_det, posterior.log_det)


def fitted(**changes: object) -> tuple[list[str], SparseVAE]:
    data, _ = trajectories(2_000)
    config = CONFIG.replace(steps=30, width=8, depth=1, validate_every=30, unmixing=False).replace(**changes)
    model = fit(data, config)
    return [note for note in model.history.notes if "the held-out" in note], model.model


def fitted_notes() -> list[str]:
    data, _ = trajectories()
    config = CONFIG.replace(steps=30, width=8, depth=1, refinements=0, unmixing=False)
    return fit(data.take(slice(0, 500)), config).history.notes


def test_the_notes_report_the_gain_of_refinement_and_flow() -> None:
    notes, model = fitted()
    assert [note.split(" after 30 steps: ")[0] for note in notes] == ["encodings refined", "flow fitted"]
    values = [note.partition("went from ")[2].split(" to ") for note in notes]
    assert float(values[0][0]) >= float(values[0][1]) == float(values[1][0]) >= float(values[1][1])
    assert model.flow.active
    assert int(model.refinement.steps) == CONFIG.refinements


def test_the_last_record_describes_the_final_model() -> None:
    """Reports show the negative ELBO of the last record."""
    data, _ = trajectories(3_000)
    train, held_out = data.take(slice(0, 2_000)), data.take(slice(2_000, None))
    model = fit(train, CONFIG.replace(steps=30, width=8, depth=1, validate_every=30), validation=held_out)
    last = model.history.records[-1]
    negative_elbo = model.negative_elbo(held_out, seed=model.config.seed)
    assert negative_elbo is not None
    assert last.negative_elbo == pytest.approx(negative_elbo["total"], abs=1e-5)


@pytest.mark.parametrize(
    ("changes", "parts"),
    [
        ({"flow_blocks": 0}, ["encodings refined"]),
        ({"refinements": 0}, ["flow fitted"]),
        ({"flow_blocks": 0, "refinements": 0}, []),
        # with all edges, no latents are preferred and no flow is fitted
        ({"sparsity": "none", "max_edges_past": None}, ["encodings refined"]),
    ],
)
def test_refinement_and_flow_can_be_disabled(changes: dict[str, object], parts: list[str]) -> None:
    notes, model = fitted(**changes)
    assert [note.split(" after")[0] for note in notes] == parts
    assert model.flow.active == ("flow fitted" in parts)
    assert (int(model.refinement.steps) > 0) == ("encodings refined" in parts)


def test_the_flow_corrects_latents_that_depend_on_actions() -> None:
    rng = np.random.default_rng(training_seed())
    actions = rng.uniform(-2, 2, (20_000, N))
    z = np.sin(np.arange(1, 1 + N) * actions + np.arange(N)) + 0.03 * rng.normal(size=actions.shape)
    observed = z + 0.25 * np.roll(z, 1, axis=1) * np.roll(z, 2, axis=1)
    data = Dataset.from_arrays(observed, actions)
    config = CONFIG.replace(max_edges_past=None, max_edges_actions=N)
    model, batches = identity_model(data, config)
    before = score(model, data, z[:, None])
    apply_flow_(model, batches, config, 0)
    assert before < 0.99
    assert score(model, data, z[:, None]) > 0.997


def test_the_flow_leaves_out_collapsed_latents() -> None:
    """Samples of a collapsed latent vary more than its encodings, so a flow fitted to encodings is wrong for them."""
    data, _ = trajectories()
    model, batches = identity_model(data, CONFIG)
    with torch.no_grad():
        # the last latent has collapsed: the decoder ignores it, and the posterior is as wide as the prior
        model.encoder.last.weight[-1] = 0
        model.decoder.last.weight[:, -1] = 0
        model.posterior_noise.network.last.bias[N - 1] = 0
    active = Encodings.of(model, batches, 0).active_latents()
    assert active.tolist() == [True] * (N - 1) + [False]
    apply_flow_(model, batches, CONFIG, 0)
    assert model.flow.through.tolist() == active.tolist()
    points = torch.randn(50, N, generator=torch.Generator().manual_seed(training_seed()))
    shifted = points.clone()
    shifted[:, -1] += 1
    with torch.no_grad():
        assert torch.equal(model.flow(points)[:, -1], points[:, -1])
        assert torch.equal(model.flow(points)[:, :-1], model.flow(shifted)[:, :-1])
        assert not torch.allclose(model.flow(points)[:, :-1], points[:, :-1], atol=0.01)


def test_without_active_latents_no_flow_is_fitted() -> None:
    data, _ = trajectories()
    model, batches = identity_model(data, CONFIG)
    with torch.no_grad():
        model.encoder.last.weight.zero_()
    with pytest.raises(NoActiveLatentsError, match="all latents have collapsed"):
        apply_flow_(model, batches, CONFIG, 0)
    assert not model.flow.active


def test_the_number_of_stored_encodings_is_limited_by_their_covariances(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    data, _ = trajectories()
    model, batches = identity_model(data, CONFIG)
    monkeypatch.setattr(encodings, "_MIN_ROWS", 10)
    for max_entries, rows in ((2 * N * N * 100, 100), (1, 10)):
        monkeypatch.setattr(encodings, "_MAX_ENTRIES", max_entries)
        stored = Encodings.of(model, batches, 0, with_inputs=True)
        assert stored.factors.shape == (rows, 2, N, N)
        assert stored.latents.shape == stored.inputs.shape == (rows, 2, N)


def test_fewer_rows_are_encoded_where_refining_them_takes_long(monkeypatch: pytest.MonkeyPatch) -> None:
    data, _ = trajectories()
    model, batches = identity_model(data, CONFIG)
    monkeypatch.setattr(encodings, "_MIN_REFINED_ROWS", 10)
    monkeypatch.setattr(encodings, "_MAX_JACOBIAN_ENTRIES", 2 * 3 * N * data.n_observed * 100)
    everything = len(Encodings.of(model, batches, 0).latents)
    model.refinement.steps.fill_(3)
    assert len(Encodings.of(model, batches, 0).latents) == 100 < everything
    monkeypatch.setattr(encodings, "_MAX_JACOBIAN_ENTRIES", 1)
    assert len(Encodings.of(model, batches, 0).latents) == 10


def test_latents_with_larger_posterior_variance_far_out_are_not_distorted() -> None:
    """With a single variance for all rows, the loss would favour a distortion that equalises the uncertainty."""
    rng = np.random.default_rng(training_seed())
    first = rng.normal(size=(20_000, N))
    waves = np.sin(np.arange(2, 2 + N) * first + np.arange(N))
    z = np.stack([first, first + 0.5 * waves + 0.01 * rng.normal(size=first.shape)], axis=1)
    posterior_scale = 0.02 + 0.1 * z**2
    encoded = torch.from_numpy(z + posterior_scale * rng.normal(size=z.shape)).float()
    factors = torch.diag_embed(torch.from_numpy(posterior_scale).float())
    model, _ = identity_model(Dataset.from_arrays(z), CONFIG)
    model.flow.activate_()
    fit_flow_(model, Encodings(encoded, factors, None, encoded), CONFIG, 0)
    displacement = (model.flow(encoded.flatten(0, 1)) - encoded.flatten(0, 1)).detach()
    far = encoded.flatten(0, 1).abs().max(1).values > 2.5
    # scaling and shifting a latent is allowed, so subtract the linear fit of the displacement
    lines = np.array([np.polyfit(encoded[..., k].flatten(), displacement[:, k], 1) for k in range(N)]).T
    nonlinear = displacement - torch.from_numpy(lines[0] * encoded.flatten(0, 1).numpy() + lines[1])
    assert nonlinear[far].square().mean().sqrt() < 0.1


def test_a_flow_that_increases_the_held_out_negative_elbo_is_discarded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    state_before: dict[str, Tensor] = {}

    def spoil(model: SparseVAE, *_: object) -> None:
        state_before.update({name: value.clone() for name, value in model.state_dict().items()})
        model.flow.activate_()
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(0.5)

    monkeypatch.setattr(post_training, "apply_flow_", spoil)
    notes, model = fitted()
    assert notes[1].startswith("flow not fitted after 30 steps: the held-out negative ELBO went from ")
    assert not model.flow.active
    for name, value in model.state_dict().items():
        assert torch.equal(value, state_before[name]), name


@pytest.mark.parametrize(
    ("error", "caught"),
    [
        (NoActiveLatentsError("all latents have collapsed"), True),
        (torch.linalg.LinAlgError("The solver failed because the input matrix is singular."), True),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory"), False),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied (1x2 and 3x4)"), False),
    ],
)
def test_only_errors_that_the_model_causes_are_noted(
    error: Exception, caught: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Any other error is due to the machine or a bug, and must not silently change the returned model."""

    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(post_training, "apply_flow_", fail)
    if caught:
        notes = fitted_notes()
        assert f"flow not fitted after 30 steps: {error}" in notes
    else:
        with pytest.raises(type(error), match=re.escape(str(error))):
            fitted_notes()


class Doubling(torch.autograd.Function):
    """Doubles its input, with a backward that torch can't differentiate."""

    @staticmethod
    def forward(ctx: object, values: Tensor) -> Tensor:
        return 2 * values

    @staticmethod
    def backward(ctx: object, gradient: Tensor) -> Tensor:
        return 2 * gradient.detach()


class OnceDifferentiableDecoder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(N, N)

    def forward(self, latents: Tensor) -> Tensor:
        doubled: Tensor = Doubling.apply(self.linear(latents))
        return doubled


def test_without_derivatives_of_the_decoder_encodings_are_not_refined() -> None:
    data, _ = trajectories()
    model = fit(data, CONFIG.replace(steps=20, width=8), decoder=OnceDifferentiableDecoder())
    note = next(
        note for note in model.history.notes if note.startswith("encodings not refined after 20 steps: ")
    )
    assert "not have been used in the graph" in note
    assert int(model.model.refinement.steps) == 0
    assert model.encode(data.observations[:3]).shape == (3, 2, N)
