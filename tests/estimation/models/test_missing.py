"""Missing entries: the likelihood of a row is that of its other entries."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.distributions import Normal

from estimation.config import TrainingConfig
from estimation.models.elbo import negative_elbo, training_loss
from estimation.models.missing import _PASSES, filled_and_encoded, known_entries
from estimation.models.refinement import Refinement
from estimation.models.representation import Batch, Shape
from estimation.models.sparse_vae import SparseVAE
from tests.estimation.fakes import Map
from tests.seeds import training_seed


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(training_seed(seed))


def small_model(past: bool = False) -> SparseVAE:
    config = TrainingConfig(width=8, transition_width=4, sparsity="none", seed=training_seed())
    return SparseVAE(Shape(6, 2, 3, past), config, generator())


def rows_with_gaps(n_rows: int, n_steps: int) -> tuple[torch.Tensor, torch.Tensor]:
    x = torch.randn(n_rows, n_steps, 6, generator=generator(1))
    lost = torch.rand(x.shape, generator=generator(2)) < 0.3
    return x.masked_fill(lost, torch.nan), torch.randn(n_rows, 3, generator=generator(3))


@pytest.mark.parametrize("past", [False, True])
def test_the_elbo_is_that_of_the_observed_entries(past: bool) -> None:
    model, n_steps = small_model(past), 1 + past
    x, actions = rows_with_gaps(40, n_steps)
    terms = negative_elbo(model, Batch(x, actions), None, generator(4))
    with torch.no_grad():
        posterior = model.posterior(x.flatten(0, 1))
        noise = torch.randn(posterior.loc.shape, generator=generator(4))
        likelihood = model.likelihood(posterior.sample(noise))
        expected = 0.0
        for row, values in enumerate(x.flatten(0, 1)):
            known = ~values.isnan()
            density = Normal(likelihood.loc[row][known], likelihood.scale[row][known])
            expected -= float(density.log_prob(values[known]).sum())
    assert float(terms.reconstruction.detach()) == pytest.approx(expected / (40 * 6), rel=1e-5)


def test_the_profiled_variance_is_that_of_the_observed_entries() -> None:
    model = small_model()
    x, actions = rows_with_gaps(50, 1)
    terms = training_loss(model, Batch(x, actions), None, generator(4), profiled=True)
    with torch.no_grad():
        posterior = model.posterior(x.flatten(0, 1))
        noise = torch.randn(posterior.loc.shape, generator=generator(4))
        errors = model.mean_observations(posterior.sample(noise)) - x[:, 0]
        known = ~x[:, 0].isnan()
        variance = float(errors[known].square().mean())
    share = float(known.float().mean())
    assert float(terms.variance_x) == pytest.approx(variance, rel=1e-5)
    expected = 0.5 * share * (np.log(2 * np.pi) + 1 + np.log(variance))
    assert float(terms.reconstruction.detach()) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("profiled", [False, True])
def test_gradients_are_finite_and_a_column_without_entries_has_none(profiled: bool) -> None:
    model = small_model()
    x, actions = rows_with_gaps(30, 1)
    x[:, :, 4] = torch.nan
    training_loss(model, Batch(x, actions), None, generator(4), profiled).total.backward()
    assert all(bool(p.grad.isfinite().all()) for p in model.parameters() if p.grad is not None)
    outputs = model.decoder.last.bias.grad
    assert float(outputs[4]) == 0
    assert bool((outputs[[0, 1, 2, 3, 5]] != 0).all())


def test_rows_without_any_entry_have_a_finite_loss() -> None:
    model = small_model()
    x = torch.full((8, 1, 6), torch.nan)
    for profiled in (False, True):
        terms = training_loss(model, Batch(x, torch.zeros(8, 3)), None, generator(4), profiled)
        assert bool(terms.total.isfinite())
        assert float(terms.reconstruction.detach()) == 0


def test_filling_leaves_running_statistics_alone() -> None:
    encoder = torch.nn.Sequential(torch.nn.BatchNorm1d(6), torch.nn.Linear(6, 2))
    x, _ = rows_with_gaps(30, 1)
    filled_and_encoded(encoder, Map(lambda z: z @ torch.ones(2, 6)), x[:, 0], (encoder,))
    assert encoder.training
    # the encoding that counts, and none of the passes that fill
    assert int(encoder[0].num_batches_tracked) == 1


def test_rows_without_gaps_are_as_without_the_others() -> None:
    model = small_model()
    x, _ = rows_with_gaps(30, 1)
    complete = ~x[:, 0].isnan().any(1)
    together = model.posterior(x[:, 0]).loc[complete]
    assert torch.allclose(together, model.posterior(x[complete, 0]).loc, atol=1e-6)


def test_entries_are_filled_by_the_fixed_point_of_a_linear_model() -> None:
    """On a line, one entry determines the others; each pass halves the error, and two of them show what follows."""
    direction = torch.tensor([[1.0], [1.0]])
    filled, _ = filled_and_encoded(
        Map(lambda x: x @ direction / 2), Map(lambda z: z @ direction.T), torch.tensor([[4.0, torch.nan]])
    )
    # from 0: the mean of 4 and 0 is 2, that of 4 and 2 is 3, and by halves on to 4
    assert filled.tolist() == [[4.0, 4.0]]
    assert known_entries(torch.zeros(2, 2)) is None


def test_refinement_uses_the_observed_entries_only() -> None:
    weight = torch.randn(5, 2, generator=generator(5))
    latents = torch.randn(400, 2, generator=generator(6))
    refinement = Refinement(2)
    refinement.enable_(latents, 3)
    x = latents @ weight.T + 0.01 * torch.randn(400, 5, generator=generator(7))
    columns = [0, 2, 4]
    gaps = torch.full_like(x, torch.nan)
    gaps[:, columns] = x[:, columns]
    start, variance = torch.zeros(400, 2), torch.tensor(1e-4)
    result = refinement(Map(lambda z: z @ weight.T), gaps, start, variance)
    expected = refinement(Map(lambda z: z @ weight[columns].T), x[:, columns], start, variance)
    assert torch.allclose(result, expected, atol=1e-5)


@pytest.mark.parametrize("n_missing", [1, 3])
def test_passes_converge_to_the_encodings_that_fit_the_observed_entries_best(n_missing: int) -> None:
    # for a linear decoder with orthonormal columns, and its transpose as encoder, that is least squares
    decoder = torch.linalg.qr(torch.randn(12, 3, generator=generator(5), dtype=torch.float64))[0]
    x = torch.randn(200, 3, generator=generator(6), dtype=torch.float64) @ decoder.mT
    x += 0.1 * torch.randn(x.shape, generator=generator(7), dtype=torch.float64)
    lost = torch.rand(x.shape, generator=generator(8)).argsort(1) < n_missing
    gaps = x.masked_fill(lost, torch.nan)
    _, encoded = filled_and_encoded(lambda filled: filled @ decoder, lambda z: z @ decoder.mT, gaps)
    expected = torch.stack(
        [
            torch.linalg.lstsq(decoder[~gone], row[~gone, None]).solution[:, 0]
            for row, gone in zip(x, lost, strict=True)
        ]
    )
    # the fill that passes start from, the average, and two passes without extrapolation
    once = torch.where(lost, 0, x) @ decoder
    twice = once
    for _ in range(2):
        twice = torch.where(lost, twice @ decoder.mT, x) @ decoder

    def error(encodings: torch.Tensor) -> float:
        # of most rows: where the other entries hardly determine the latents, least squares is no goal
        return float((encodings - expected).square().sum(1).median().sqrt())

    assert error(encoded) < 0.25 * error(twice)
    assert error(encoded) < 0.1 * error(once)


def test_encodings_that_do_not_change_are_not_extrapolated() -> None:
    gaps = torch.tensor([[torch.nan, 1.0], [2.0, torch.nan]])
    filled, encoded = filled_and_encoded(lambda x: x[:, :1] * 0 + 3, lambda z: z.expand(-1, 2), gaps)
    assert torch.equal(filled, torch.tensor([[3.0, 1.0], [2.0, 3.0]]))
    assert torch.equal(encoded, torch.full((2, 1), 3.0))


def test_passes_that_do_not_converge_are_not_extrapolated() -> None:
    gaps = torch.tensor([[torch.nan, 1.0]])
    # each pass doubles the distance from the fixed point, -1
    _, encoded = filled_and_encoded(lambda x: x[:, :1] + x[:, 1:], lambda z: (2 * z).expand(-1, 2), gaps)
    plain = torch.tensor(1.0)
    for _ in range(_PASSES):
        plain = 2 * plain + 1
    assert float(encoded) == float(plain)
