"""The convolutional networks: images of any size, weights from the seed, saving and loading without the networks."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from estimation.checkpoint import load
from estimation.config import TrainingConfig
from estimation.dataset import Dataset
from estimation.exceptions import CheckpointError, ConfigError, TrainingError
from estimation.models.convolutional import ConvDecoder, ConvEncoder, describe, rebuild
from estimation.models.elbo import negative_elbo
from estimation.models.representation import Batch, Shape
from estimation.models.sparse_vae import SparseVAE
from estimation.simulate import simulate
from estimation.training import fit
from identify.graph import CausalGraph
from tests.seeds import training_seed

SIDES = st.integers(8, 41)


def pair(
    shape: tuple[int, ...], n: int = 3, seed: int = 0, width: int = 16
) -> tuple[ConvEncoder, ConvDecoder]:
    return ConvEncoder(shape, n, training_seed(seed), width), ConvDecoder(
        n, shape, training_seed(seed), width
    )


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(training_seed(seed))


@settings(max_examples=25, deadline=None)
@given(st.sampled_from([1, 3]), SIDES, SIDES)
def test_images_of_any_size_are_encoded_and_decoded_with_every_pixel(
    channels: int, height: int, width: int
) -> None:
    shape = (channels, height, width)
    encoder, decoder = pair(shape, width=2)
    images = torch.randn(2, channels * height * width, generator=rng()).requires_grad_()
    latents = encoder(images)
    assert latents.shape == (2, 3)
    # a pixel at the edge could be lost: no latent would depend on it, or it would depend on no latent
    gradient = torch.autograd.grad(latents.square().sum(), images)[0]
    assert (gradient != 0).any(0).all()
    decoded = decoder(torch.randn(64, 3, generator=rng(1)))
    assert decoded.shape == (64, images.shape[1])
    assert (decoded.std(0) > 0).all()


@pytest.mark.parametrize("shape", [(3, 32, 32), (1, 28, 20)])
def test_a_row_holds_channels_then_rows_then_columns(shape: tuple[int, int, int]) -> None:
    """Shifting an image by one cell of the coarsest grid shifts the features of the convolutions by one cell."""
    encoder, _ = pair(shape)
    image = torch.zeros(1, *shape)
    image[..., 11:13, 9:13] = 1

    def grid(x: torch.Tensor) -> torch.Tensor:
        for level in encoder.levels:
            x = torch.relu(level(x))
        return x

    step = 2 ** len(encoder.levels)
    shifted = grid(image.roll(step, dims=2))
    torch.testing.assert_close(shifted[..., 1:-1, :], grid(image).roll(1, dims=2)[..., 1:-1, :])
    head_inputs = []
    encoder.head.register_forward_pre_hook(lambda _, inputs: head_inputs.append(inputs[0]))
    encoder(image.flatten(1))
    assert head_inputs[0].shape[1] == grid(image).numel()


def test_weights_depend_only_on_the_seed() -> None:
    state = torch.get_rng_state()
    first, second, other = (pair((3, 16, 16), seed=seed) for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), state)
    for a, b, c in zip(first, second, other, strict=True):
        for (name, x), y, z in zip(a.named_parameters(), b.parameters(), c.parameters(), strict=True):
            assert torch.equal(x, y)
            assert torch.equal(x, z) == name.startswith("levels") * name.endswith("bias")


def test_the_scale_of_a_signal_is_preserved() -> None:
    """The standard deviation changes by less than a factor of ten from end to end, at any depth."""
    for side in (8, 32, 64):
        encoder, decoder = pair((3, side, side), n=4)
        latents = encoder(torch.randn(64, 3 * side * side, generator=rng()))
        images = decoder(torch.randn(64, 4, generator=rng(1)))
        for values in (latents, images):
            assert 0.1 < float(values.detach().std()) < 10


@pytest.mark.parametrize("network", pair((1, 9, 12), seed=3, width=5))
def test_a_network_is_rebuilt_from_its_description(network: nn.Module) -> None:
    rebuilt = rebuild(json.loads(json.dumps(describe(network))))
    assert type(rebuilt) is type(network)
    assert repr(rebuilt) == repr(network)
    for a, b in zip(network.parameters(), rebuilt.parameters(), strict=True):
        assert torch.equal(a, b)


def test_other_networks_have_no_description() -> None:
    class Subclass(ConvEncoder):
        pass

    assert describe(nn.Linear(2, 2)) is None
    assert describe(Subclass((1, 8, 8), 2)) is None
    assert rebuild(None) is None


@pytest.fixture(scope="module")
def images() -> Dataset:
    rng = np.random.default_rng(training_seed())
    actions = rng.normal(size=(80, 2))
    rows = np.tanh(actions @ rng.normal(size=(2, 2 * 9 * 10))) + 0.1 * rng.normal(size=(80, 180))
    return Dataset.from_arrays(rows, actions, observation_shape=(2, 9, 10))


TINY = TrainingConfig(
    max_edges_actions=2,
    n_latents=3,
    steps=12,
    transition_width=4,
    batch_size=32,
    rounds=1,
    seed=training_seed(),
)


def test_a_model_with_convolutions_loads_without_its_networks(images: Dataset, tmp_path: Path) -> None:
    encoder, decoder = pair(images.observation_shape, width=4)
    model = fit(images, TINY, encoder=encoder, decoder=decoder)
    model.save(tmp_path)
    loaded = load(tmp_path)
    assert loaded.observation_shape == (2, 9, 10)
    z = model.encode(images.observations)
    assert z.shape == (80, 1, 3)
    np.testing.assert_array_equal(loaded.encode(images.observations), z)
    np.testing.assert_array_equal(loaded.decode(z), model.decode(z))
    loaded.save(tmp_path / "resaved")
    np.testing.assert_array_equal(load(tmp_path / "resaved").decode(z), model.decode(z))


def test_pixels_share_one_scale_despite_constant_pixels(images: Dataset) -> None:
    """With individual scales, a corner that hardly varies would have as much weight as the centre."""
    rows = images.observations[:, 0] * np.linspace(1e-4, 2, 180, dtype=np.float32)
    rows[:, 5] = 0.7
    data = Dataset.from_arrays(rows, images.actions, observation_shape=(2, 9, 10))
    encoder, decoder = pair(data.observation_shape, width=4)
    model = fit(data, TINY.replace(steps=1, unmixing=False), encoder=encoder, decoder=decoder).model
    scale = model.x_scale.unique()
    assert len(scale) == 1
    assert float(scale) == pytest.approx(np.sqrt(np.delete(rows, 5, axis=1).var(0).mean()), rel=0.1)
    plain = fit(data, TINY.replace(steps=1, unmixing=False, width=4)).model
    assert len(plain.x_scale.unique()) > 100


def test_simulated_pixels_share_one_scale() -> None:
    data = simulate(CausalGraph(Ga=np.eye(2)), 50, decoder="balls", seed=training_seed())
    assert len(data.decoder.scale.unique()) == 1
    assert data.observations.std(0).max() > 100 * data.observations.std(0).min()
    assert data.observations.std() == pytest.approx(1, rel=0.3)


class RowsOnly(nn.Module):
    """A user-supplied network that accepts only inputs of shape (B, n)."""

    def __init__(self, outputs: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.linspace(-1, 1, 3 * outputs).reshape(3, outputs))

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        batch, _ = rows.shape
        return (rows @ self.weight).reshape(batch, -1)


def test_the_elbo_evaluates_networks_on_rows_only() -> None:
    """Two sequences of two steps are passed to a network as four rows."""
    shape, rows = Shape(180, 3, 0, past=True), torch.randn(2, 2, 180, generator=rng())
    for decoder in (RowsOnly(180), pair((2, 9, 10), width=2)[1]):
        model = SparseVAE(shape, TINY, rng(), decoder=decoder)
        terms = negative_elbo(model, Batch(rows, None), None, rng(1))
        sample = _one_sample(model, rows.flatten(0, 1))
        expected = -model.likelihood(sample).log_prob(rows.flatten(0, 1)).mean() * 2
        torch.testing.assert_close(terms.reconstruction, expected)


def _one_sample(model: SparseVAE, rows: torch.Tensor) -> torch.Tensor:
    return model.posterior(rows).sample(torch.randn(len(rows), 3, generator=rng(1)))


def test_one_network_may_be_user_supplied(images: Dataset, tmp_path: Path) -> None:
    encoder, _ = pair(images.observation_shape, width=4)
    model = fit(images, TINY, encoder=encoder, decoder=nn.Linear(3, 180))
    model.save(tmp_path)
    z = model.encode(images.observations)
    np.testing.assert_array_equal(load(tmp_path, decoder=nn.Linear(3, 180)).decode(z), model.decode(z))
    with pytest.raises(CheckpointError, match="give the encoder and decoder it was trained with"):
        load(tmp_path)


OPTIONS = {"image_shape": [2, 9, 10], "n_latents": 3, "seed": 0, "width": 4}


@pytest.mark.parametrize(
    ("networks", "message"),
    [
        ({"encoder": {"name": "os.system", "options": OPTIONS}}, "describes no network of this release"),
        ({"encoder": {"name": "os.system"}}, "content.networks.encoder.options is missing"),
        (
            {"encoder": {"name": "ConvEncoder", "options": {"side": 3}}},
            "content.networks.encoder.options.image_shape is missing; it must be a list of 3",
        ),
        ({"decoder": 3}, "content.networks.decoder is 3; it must be an object"),
    ],
)
def test_a_saved_model_with_an_unknown_network_is_refused(
    images: Dataset, tmp_path: Path, networks: object, message: str
) -> None:
    encoder, decoder = pair(images.observation_shape, width=4)
    fit(images, TINY.replace(steps=1, unmixing=False), encoder=encoder, decoder=decoder).save(tmp_path)
    manifest = tmp_path / "manifest.json"
    content = json.loads(manifest.read_text())
    content["content"]["networks"] = networks
    manifest.write_text(json.dumps(content))
    with pytest.raises(CheckpointError, match=message):
        load(tmp_path)


@pytest.mark.parametrize(
    ("shape", "options", "message"),
    [
        (None, {}, r"image_shape is None; it must be \(channels, height, width\), for example \(3, 32, 32\)"),
        ((32, 32), {}, r"image_shape is \(32, 32\); it must be"),
        ((3, 0, 32), {}, r"image_shape is \(3, 0, 32\); it must be"),
        ((3, 32.0, 32), {}, r"image_shape is \(3, 32.0, 32\); it must be"),
        ((3, 32, 7), {}, "images of 32 x 7 are too small for convolutions; give 8 x 8 or more"),
        ((3, 32, 32), {"n": 0}, "n_latents is 0; it must be a whole number, 1 or more"),
        ((3, 32, 32), {"width": 1.5}, "width is 1.5; it must be a whole number, 1 or more"),
        ((3, 32, 32), {"seed": -1}, "seed is -1; it must be a whole number, 0 or more"),
    ],
)
def test_invalid_arguments_are_refused(shape: object, options: dict[str, object], message: str) -> None:
    n = options.pop("n", 4)
    with pytest.raises(ConfigError, match=message):
        ConvEncoder(shape, n, **{"seed": training_seed(), **options})  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match=message):
        ConvDecoder(n, shape, **{"seed": training_seed(), **options})  # type: ignore[arg-type]


# covariates


def with_covariates(images: Dataset) -> Dataset:
    batches = np.eye(3)[np.arange(80) % 3]
    return Dataset.from_arrays(
        images.observations,
        images.actions,
        observation_shape=(2, 9, 10),
        covariates=batches,
        covariate_names=["batch=a", "batch=b", "batch=c"],
    )


def test_covariates_stand_behind_pixels_and_latents(images: Dataset, tmp_path: Path) -> None:
    data = with_covariates(images)
    encoder = ConvEncoder((2, 9, 10), 3, training_seed(), 4, n_covariates=3)
    decoder = ConvDecoder(3 + 3, (2, 9, 10), training_seed(), 4)
    model = fit(data, TINY, encoder=encoder, decoder=decoder)
    model.save(tmp_path)
    loaded = load(tmp_path)
    z = model.encode_dataset(data)
    np.testing.assert_array_equal(loaded.encode_dataset(data), z)
    np.testing.assert_array_equal(loaded.decode(z, data.covariates), model.decode(z, data.covariates))
    # both networks read them
    other = {"batch": "b"}
    assert not np.allclose(model.encode(data.observations, other), z)
    assert not np.allclose(model.decode(z, other), model.decode(z, data.covariates))


def test_networks_built_without_covariates_are_refused(images: Dataset) -> None:
    data = with_covariates(images)
    encoder, decoder = pair((2, 9, 10), width=4)
    with pytest.raises(
        TrainingError,
        match=r"the encoder can't take inputs of shape \(2, 183\) \(it was built for 180 pixels and 0 covariates, and "
        r"there are 183 inputs; n_covariates sets the number of covariates\)",
    ):
        fit(data, TINY, encoder=encoder, decoder=decoder)
    encoder = ConvEncoder((2, 9, 10), 3, training_seed(), 4, n_covariates=3)
    with pytest.raises(
        TrainingError,
        match=r"the decoder can't take inputs of shape \(2, 6\) \(it was built for 3 latents, covariates included",
    ):
        fit(data, TINY, encoder=encoder, decoder=decoder)
    with pytest.raises(ConfigError, match="n_covariates is -1; it must be a whole number, 0 or more"):
        ConvEncoder((2, 9, 10), 3, training_seed(), n_covariates=-1)


def test_networks_without_covariates_are_described_as_before() -> None:
    assert "n_covariates" not in describe(ConvEncoder((1, 8, 8), 2, training_seed()))["options"]  # type: ignore[index]
    encoder = ConvEncoder((1, 8, 8), 2, training_seed(), n_covariates=2)
    assert describe(rebuild(describe(encoder))) == describe(encoder)  # type: ignore[arg-type]
