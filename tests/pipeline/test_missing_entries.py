"""Training on observations with missing entries, at random and by panels."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from estimation.config import BaselineConfig, TrainingConfig
from estimation.dataset import Dataset
from estimation.estimator import SparseMechanismVAE
from estimation.evaluation import evaluate
from estimation.exceptions import DataError
from estimation.trained import TrainedModel
from estimation.training import fit
from tests.pipeline.linear_gaussian import DrivenByActions
from tests.seeds import training_seed

PROCESS = DrivenByActions(n_latents=3, n_observed=8, noise=0.2, share=0.3)


def with_gaps(data: Dataset, lost: np.ndarray) -> Dataset:
    return Dataset.from_arrays(
        np.where(lost[:, None], np.nan, data.observations),
        data.actions,
        data.latents,
        data.graph,
        data.decoder,
    )


def trained(data: Dataset) -> TrainedModel:
    settings = {"width": 32, "transition_width": 8, "depth": 1, "batch_size": 256}
    return fit(data, TrainingConfig(max_edges_actions=3, steps=500, seed=training_seed(2), **settings))


@pytest.fixture(scope="module")
def complete() -> Dataset:
    return PROCESS.sample(6000, 1)


@pytest.fixture(scope="module", params=["at random", "by panels"])
def lost(request: pytest.FixtureRequest, complete: Dataset) -> np.ndarray:
    rng = np.random.default_rng(training_seed(3))
    shape = (len(complete), complete.n_observed)
    if request.param == "at random":
        return rng.random(shape) < 0.3
    # two laboratories, each without two of the columns
    panels = np.zeros((2, shape[1]), dtype=bool)
    panels[0, :2] = panels[1, 2:4] = True
    return panels[rng.integers(0, 2, shape[0])]


@pytest.fixture(scope="module")
def model(complete: Dataset, lost: np.ndarray) -> TrainedModel:
    return trained(with_gaps(complete, lost))


def test_latents_and_graph_are_found(model: TrainedModel) -> None:
    outcome = evaluate(model, PROCESS.sample(2000, 4))
    assert outcome.mcc is not None
    assert outcome.mcc > 0.97 * PROCESS.reliability
    assert (outcome.missing, outcome.extra) == (0, 0)


def test_the_noise_is_that_of_the_observed_entries(model: TrainedModel) -> None:
    variance = float(model.model.log_variance_x.exp())
    share = PROCESS.noise**2 / (1 + PROCESS.noise**2)
    assert variance == pytest.approx(share, rel=0.4)


def test_missing_entries_of_new_rows_are_filled(model: TrainedModel) -> None:
    rows = PROCESS.sample(500, 5)
    x = rows.observations[:, 0].astype(float)
    gaps = np.where(np.random.default_rng(training_seed(6)).random(x.shape) < 0.3, np.nan, x)
    filled = model.impute(gaps)
    errors = (filled.observations - x)[filled.missing]
    inside = ((x >= filled.low) & (x <= filled.high))[filled.missing]
    # a column alone has standard deviation 1.02; the noise alone is 0.2
    assert np.sqrt(np.mean(errors**2)) < 0.45
    assert 0.8 < inside.mean() < 0.97
    assert np.isfinite(model.encode(gaps)).all()


def test_the_run_says_what_is_missing(complete: Dataset, lost: np.ndarray) -> None:
    data = with_gaps(complete, lost)
    assert data.notes == (
        f"{lost.mean():.2%} of the observed entries are missing; the likelihood leaves them out",
    )
    estimator = SparseMechanismVAE(
        3, steps=20, random_state=training_seed(), settings={"width": 8, "transition_width": 4}
    )
    estimator.fit(data.observations[:500, 0], actions=data.actions[:500])
    assert any("entries are missing" in note for note in estimator.history_.notes)
    assert np.isfinite(estimator.transform(data.observations[:50, 0])).all()


def test_a_latent_that_one_panel_does_not_show_is_named() -> None:
    """Two columns of each of two latents; half of the rows lack those of the second one."""
    rng = np.random.default_rng(training_seed(7))
    a = rng.normal(size=(4000, 2))
    z = a + 0.2 * rng.normal(size=a.shape)
    x = np.repeat(z, 2, axis=1) + 0.1 * rng.normal(size=(4000, 4))
    x[::2, 2:] = np.nan
    settings = {"width": 16, "transition_width": 8, "depth": 1, "batch_size": 256}
    config = TrainingConfig(n_latents=2, max_edges_actions=2, steps=400, seed=training_seed(2), **settings)
    model = fit(Dataset.from_arrays(x, a), config)
    notes = [note for note in model.history.notes if "undetermined" in note]
    latent = int(np.argmax(np.abs(np.corrcoef(model.encode(x[1::2]).T, z[1::2, 1])[-1, :2])))
    assert notes == [
        f"missing entries leave v{latent} undetermined in 50% of the rows; its effects are learned too weak"
    ]


def test_a_column_without_entries_in_the_training_rows_is_refused() -> None:
    rng = np.random.default_rng(training_seed(8))
    x, a = rng.normal(size=(100, 3)), rng.normal(size=(100, 2))
    x[:, 1] = np.nan
    held_out = x[:20].copy()
    held_out[:, 1] = rng.normal(size=20)
    config = TrainingConfig(n_latents=2, max_edges_actions=2, steps=5, seed=training_seed())
    with pytest.raises(DataError, match=r"column 1 of the observations has no entry among the training rows"):
        fit(
            Dataset.from_arrays(x, a, allow_constant=True),
            config,
            validation=Dataset.from_arrays(held_out, a[:20]),
        )


def test_baselines_need_complete_observations(complete: Dataset, lost: np.ndarray) -> None:
    data = replace(with_gaps(complete, lost))
    with pytest.raises(
        DataError, match=r"observations have missing entries, and vae needs all of them; fill or drop"
    ):
        fit(data, BaselineConfig("vae", n_latents=3, steps=5, seed=training_seed()))
