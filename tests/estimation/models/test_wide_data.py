"""Observations with hundreds of columns: principal axes that the encoder reads, noise that reads encodings."""

from __future__ import annotations

import dataclasses
import pickle

import numpy as np
import pytest
import torch
from torch import nn

from estimation.checkpoint import load
from estimation.config import TrainingConfig
from estimation.config.size import weight_count
from estimation.dataset import Dataset
from estimation.device import resolve_device
from estimation.evaluation import evaluate
from estimation.exceptions import CheckpointError
from estimation.models.networks import MLP
from estimation.models.posterior import NoiseOfLatents
from estimation.models.principal_axes import PrincipalAxes
from estimation.models.representation import Shape
from estimation.models.sparse_vae import SparseVAE
from estimation.storage.folders import load_state
from estimation.training import fit
from estimation.training.procedure import Initialisation, prepare
from identify.graph import CausalGraph
from tests.seeds import training_seed

WIDE, N = 300, 3


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(training_seed(seed))


def wide_data(rows: int, noise: float = 0.5, seed: int = 0) -> Dataset:
    """Return columns that are mostly noise, of a smooth function of three latents that three actions shift."""
    process, generator = np.random.default_rng(training_seed(1)), np.random.default_rng(training_seed(seed))
    actions = generator.uniform(-2, 2, (rows, N)).astype(np.float32)
    latents = np.sin(actions * [1.1, 1.5, 1.9]) + 0.05 * generator.normal(size=(rows, N))
    hidden = np.tanh(latents @ process.normal(size=(N, 30)) * 0.5)
    clean = hidden @ process.normal(size=(30, WIDE)) / 5
    observations = (clean + noise * generator.normal(size=clean.shape)).astype(np.float32)
    return Dataset.from_arrays(observations, actions, latents.astype(np.float32), CausalGraph(Ga=np.eye(N)))


def wide_model(n_covariates: int = 0, **changes: object) -> SparseVAE:
    shape = Shape(WIDE, N, 2, past=False, n_covariates=n_covariates)
    config = TrainingConfig(width=16, depth=2, seed=training_seed(), **changes)  # type: ignore[arg-type]
    model = SparseVAE(shape, config, rng())
    with torch.no_grad():
        if model.axes is not None:
            model.axes.set_(torch.randn(model.axes.axes.shape, generator=rng(5)) / 20)
        for k, parameter in enumerate(model.posterior_noise.parameters()):
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=rng(k)))
    return model


@pytest.mark.parametrize("likelihood", ["gaussian", "negative_binomial"])
def test_a_change_of_basis_maps_the_whole_posterior(likelihood: str) -> None:
    model = wide_model(n_covariates=2, likelihood=likelihood)
    x = torch.randn(20, WIDE + 2, generator=rng(9))
    if likelihood != "gaussian":
        x[:, :WIDE] = torch.poisson(torch.full((20, WIDE), 3.0), generator=rng(4))
    matrix, offset = torch.randn(N, N, generator=rng(7)) + 2 * torch.eye(N), torch.randn(N, generator=rng(8))
    before = model.posterior(x)
    model.change_basis_(matrix, offset)
    after = model.posterior(x)
    torch.testing.assert_close(after.loc, before.loc @ matrix.T + offset, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(after.factor, matrix @ before.factor, atol=1e-4, rtol=1e-4)


def test_noise_that_reads_a_user_supplied_encoder_follows_a_change_of_basis() -> None:
    shape, config = Shape(6, N, 2, past=False), TrainingConfig(width=8, depth=1, seed=training_seed())
    model = SparseVAE(shape, config, rng(), nn.Linear(6, N))
    with torch.no_grad():
        for k, parameter in enumerate(model.posterior_noise.parameters()):
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=rng(k)))
    x = torch.randn(20, 6, generator=rng(9))
    matrix = torch.randn(N, N, generator=rng(7)) + 2 * torch.eye(N)
    before = model.posterior(x).factor
    model.change_basis_(matrix, torch.ones(N))
    torch.testing.assert_close(model.posterior(x).factor, matrix @ before, atol=1e-4, rtol=1e-4)


def test_removing_shifts_by_covariates_leaves_the_noise_as_it_was() -> None:
    model = wide_model(n_covariates=2)
    x = torch.randn(20, WIDE + 2, generator=rng(9))
    before = model.posterior(x)
    shifts = torch.randn(N, 2, generator=rng(3))
    model.shift_by_covariates_(shifts)
    after = model.posterior(x)
    torch.testing.assert_close(after.loc, before.loc - x[:, WIDE:] @ shifts.T, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(after.factor, before.factor, atol=1e-4, rtol=1e-4)


def test_sizes_of_rows_change_the_noise_of_counts() -> None:
    """A row with twice the counts has the same encoding, nearly, and more information."""
    noise = NoiseOfLatents(N, 0, True, True, rng())
    with torch.no_grad():
        noise.network.last.weight.add_(torch.randn(noise.network.last.weight.shape, generator=rng(2)))
    encoded = torch.zeros(1, N)
    one, two = (noise(noise.inputs(encoded, None, torch.tensor([[size]])))[1] for size in (1.0, 2.0))
    assert not torch.allclose(one, two)


def test_axes_are_the_leading_eigenvectors_and_have_mean_variance_one() -> None:
    data = wide_data(4_000)
    config = TrainingConfig(n_latents=N, max_edges_actions=N, seed=training_seed())
    inputs = Initialisation(data, data.take(slice(0, 100)))
    model, _ = prepare(config, inputs, rng())
    assert isinstance(model.axes, PrincipalAxes)
    axes = model.axes.axes.double().numpy()
    values = model.standardise(torch.from_numpy(data.observations[:, 0])).double().numpy()
    variances = (values @ axes.T).var(0)
    assert variances.mean() == pytest.approx(1, rel=0.01)
    _, vectors = np.linalg.eigh(np.cov(values.T))
    leading = vectors[:, -N:]
    unit = axes[:N] / np.linalg.norm(axes[:N], axis=1, keepdims=True)
    # the same three-dimensional space
    assert np.linalg.svd(unit @ leading)[1].min() > 0.999
    # they don't depend on the seed of the model, and starts share them
    again, _ = prepare(config.replace(seed=training_seed(7)), Initialisation(data, data), rng(1))
    torch.testing.assert_close(again.axes.axes, model.axes.axes, atol=1e-5, rtol=1e-4)
    assert list(inputs.axes) == [256]


def test_wide_data_are_learned_and_a_saved_model_reads_them_alike(tmp_path: object) -> None:
    data = wide_data(6_000)
    config = TrainingConfig(
        n_latents=N,
        max_edges_actions=N,
        steps=400,
        starts=1,
        restarts=1,
        width=32,
        depth=2,
        flow_blocks=0,
        seed=training_seed(),
    )
    model = fit(data, config, progress=False)
    outcome = evaluate(model, wide_data(2_000, seed=3))
    # the noise leaves R at about 0.99
    assert outcome.mcc is not None
    assert outcome.mcc > 0.9
    model.save(f"{tmp_path}/model")  # type: ignore[attr-defined]
    again = load(f"{tmp_path}/model")
    np.testing.assert_array_equal(
        again.encode(data.observations[:50, 0]), model.encode(data.observations[:50, 0])
    )


def test_a_diagonal_covariance_keeps_its_mean_variance_when_latents_are_centred() -> None:
    """Its logarithm is linear in the encodings, whose mean is 0 after a round of unmixing and not before."""
    model = wide_model(posterior="diagonal")
    x = torch.randn(500, WIDE, generator=rng(9))
    assert isinstance(model.encoder, MLP)
    with torch.no_grad():
        model.encoder.last.bias.add_(5)
    before = model.posterior(x)
    model.change_basis_(torch.eye(N), -before.loc.mean(0))
    torch.testing.assert_close(model.posterior(x).variance.mean(0), before.variance.mean(0), rtol=0.3, atol=0)


def test_a_model_pickled_by_an_earlier_version_reads_its_columns() -> None:
    model = SparseVAE(
        Shape(6, N, 2, past=False), TrainingConfig(width=8, depth=1, seed=training_seed()), rng()
    )
    x = torch.randn(4, 6, generator=rng(3))
    expected = model.posterior(x).loc
    del model.axes
    again = pickle.loads(pickle.dumps(model))
    torch.testing.assert_close(again.posterior(x).loc, expected)


def test_networks_for_all_columns_are_built_only_for_tensors_that_have_them() -> None:
    """A file with few numbers can't ask for the memory of a large model."""
    model = wide_model()
    tensors = {name: each for name, each in model.state_dict().items() if name != NoiseOfLatents.MARK}
    model.adapt_to_(tensors)
    assert model.axes is not None
    with pytest.raises(CheckpointError, match=r"the tensor 'posterior_noise.reads_latents' is missing"):
        load_state(model, tensors, "file")


@pytest.mark.parametrize("n_covariates", [0, 2])
@pytest.mark.parametrize("likelihood", ["gaussian", "negative_binomial"])
def test_models_of_earlier_versions_read_all_columns(likelihood: str, n_covariates: int) -> None:
    model = wide_model(n_covariates, likelihood=likelihood)
    old = wide_model(n_covariates, likelihood=likelihood)
    old._read_columns_()
    model.adapt_to_(old.state_dict())
    model.load_state_dict(old.state_dict())
    # as version 4b10fe5 stored them
    shapes = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    d = WIDE + n_covariates
    assert shapes["encoder.layers.0.weight"] == (16, d)
    assert shapes["encoder.skip.weight"] == (N, d)
    assert shapes["posterior_noise.network.layers.0.weight"] == (64, d)
    assert shapes["posterior_noise.network.skip.weight"] == (N * (N + 1) // 2, d)
    assert not {"axes.axes", NoiseOfLatents.MARK} & shapes.keys()
    x = torch.rand(4, WIDE + n_covariates, generator=rng(3))
    torch.testing.assert_close(model.posterior(x).factor, old.posterior(x).factor)
    torch.testing.assert_close(model.posterior(x).loc, old.posterior(x).loc)


def test_networks_of_few_columns_and_published_ones_read_the_columns() -> None:
    few = SparseVAE(Shape(20, N, 2, past=False), TrainingConfig(width=8, seed=training_seed()), rng())
    published = SparseVAE(
        Shape(WIDE, N, 2, past=False),
        TrainingConfig(preset="published", width=8, depth=1, seed=training_seed()),
        rng(),
    )
    for model in (few, published):
        assert model.axes is None
        assert not isinstance(model.posterior_noise, NoiseOfLatents)


@pytest.mark.parametrize("likelihood", ["gaussian", "negative_binomial"])
@pytest.mark.parametrize("n_observed", [100, 1_500])
def test_weights_of_wide_models_are_counted(likelihood: str, n_observed: int) -> None:
    config = TrainingConfig(likelihood=likelihood, seed=training_seed())
    model = SparseVAE(Shape(n_observed, N, 5, past=False), config, rng())
    n_parameters = sum(parameter.numel() for parameter in model.parameters())
    count = weight_count(config.to_dict(), n_observed, N, 5)
    assert 0.8 * n_parameters < count <= n_parameters


def test_fewer_rows_than_axes_leave_axes_empty() -> None:
    data = wide_data(100)
    model, _ = prepare(TrainingConfig(n_latents=N, seed=training_seed()), Initialisation(data, data), rng())
    used = model.axes.axes.abs().amax(1) > 0
    # the mean of the rows is subtracted, so that they span one direction less
    assert 99 <= int(used.sum()) <= 100
    assert torch.isfinite(model.posterior(torch.from_numpy(data.observations[:, 0])).loc).all()


def test_missing_entries_of_wide_data_are_filled() -> None:
    data = wide_data(2_000)
    observations = data.observations.copy()
    observations[np.random.default_rng(training_seed(0)).random(observations.shape) < 0.1] = np.nan
    gaps = dataclasses.replace(data, observations=observations)
    model, batches = prepare(
        TrainingConfig(n_latents=N, seed=training_seed()), Initialisation(gaps, gaps), rng()
    )
    batch = batches.rows(np.arange(20))
    posterior = model.posterior(model.inputs(batch.observations[:, 0]))
    assert resolve_device("cpu") == posterior.loc.device
    assert torch.isfinite(posterior.loc).all()
