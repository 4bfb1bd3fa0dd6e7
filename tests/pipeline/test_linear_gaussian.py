"""Training reaches an optimum that is known, and nothing gets beyond it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from estimation.config import TrainingConfig
from estimation.evaluation import evaluate
from estimation.training import fit
from tests.pipeline.linear_gaussian import Acted, LinearGaussian, Moved
from tests.seeds import training_seed

# encoder and decoder are linear maps
LINEAR: dict[str, Any] = {
    "depth": 0,
    "transition_depth": 1,
    "transition_width": 8,
    "optimizer": "adam",
    "learning_rate": 1e-2,
    "warmup": 30,
    "batch_size": 512,
}
# nats per coordinate
TOLERANCE = 0.004
# what is left of the sampling error of 20,000 rows when the likelihood of the same rows is taken off
SAMPLING = 0.002
PROCESSES = st.sampled_from([Acted, Moved]).flatmap(
    lambda kind: st.builds(
        kind,
        n_latents=st.sampled_from([1, 2, 3]),
        n_observed=st.just(4),
        noise=st.floats(0.1, 1),
        share=st.floats(0.1, 0.9),
    )
)


@settings(max_examples=15, deadline=None)
@given(PROCESSES, st.integers(0, 1000))
def test_no_linear_model_is_better_than_the_closed_form(process: Acted | Moved, seed: int) -> None:
    """The optimum was derived along the directions of the true decoder: a search through all encoders agrees."""
    n, d = process.n_latents, process.n_observed

    def negative_elbo(parameters: np.ndarray) -> float:
        # a variance that is all but nothing, in the middle of a line search, is as bad as it gets
        encoder, variances = parameters[: n * d].reshape(n, d), np.exp(np.clip(parameters[n * d :], -20, 20))
        return process.negative_elbo_of(encoder, variances)

    rng = np.random.default_rng(training_seed(seed))
    starts = [np.r_[rng.normal(size=n * d), rng.normal(size=n) - 2] for _ in range(4)]
    found = [minimize(negative_elbo, start).fun for start in starts]
    assert min(found) == pytest.approx(process.best_negative_elbo, abs=1e-4)
    assert min(found) > process.best_negative_elbo - 1e-6


@settings(max_examples=30, deadline=None)
@given(PROCESSES)
def test_the_bound_is_one_and_grows_tight_without_noise(process: Acted | Moved) -> None:
    assert process.best_negative_elbo > process.entropy - 1e-9
    quiet = type(process)(process.n_latents, process.n_observed, 0.01, process.share)
    assert quiet.best_negative_elbo == pytest.approx(quiet.entropy, abs=5e-3)


@pytest.mark.parametrize("process", [Acted(), Moved()], ids=["acted", "moved"])
def test_the_likelihood_is_that_of_the_samples(process: Acted | Moved) -> None:
    surprise = process.negative_log_likelihood(process.sample(20_000, seed=3))
    assert surprise.mean() == pytest.approx(process.entropy, abs=4 * surprise.std() / len(surprise) ** 0.5)


def beyond_the_optimum(process: Acted | Moved, config: TrainingConfig) -> tuple[float, Any]:
    """How far a trained model's negative ELBO on other rows is above the least possible, and its evaluation."""
    model = fit(process.sample(20_000, seed=1), config)
    test = process.sample(20_000, seed=2)
    found = evaluate(model, test)
    luck = process.negative_log_likelihood(test).mean() - process.entropy
    # the model's unit is the scale of the training rows, the process's is the true one
    unit = float(model.model.x_scale.log().mean()) - np.log(1 + process.noise**2) / 2
    reached = found.negative_elbo["total"] + test.n_steps * unit
    return reached - luck - process.best_negative_elbo, found


@pytest.mark.parametrize("variance", ["profiled", "learned"])
def test_actions(variance: str) -> None:
    process = Acted()
    config = TrainingConfig(
        max_edges_actions=4, steps=700, rounds=1, variance=variance, seed=training_seed(), **LINEAR
    )
    excess, found = beyond_the_optimum(process, config)
    assert -SAMPLING < excess < TOLERANCE
    # far from the likelihood, which no model of this kind can reach
    assert process.best_negative_elbo - process.entropy > 4 * TOLERANCE
    assert found.shd == 0
    assert found.learned_graph == process.graph
    assert found.comparison
    require_reliable(process, found.mcc)


def test_a_past() -> None:
    """Linear mechanisms of the past have no sufficient influence, so that no graph is promised: only the optimum."""
    process = Moved()
    excess, found = beyond_the_optimum(
        process, TrainingConfig(sparsity="none", steps=800, seed=training_seed(), **LINEAR)
    )
    assert -SAMPLING < excess < TOLERANCE
    require_reliable(process, found.r)


def require_reliable(process: LinearGaussian, correlation: float) -> None:
    assert process.reliability - 0.005 < correlation < process.reliability + 0.002
