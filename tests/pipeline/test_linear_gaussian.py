"""Training reaches a known optimum, and no model exceeds it."""

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
from tests.pipeline.linear_gaussian import DrivenByActions, DrivenByPast, LinearGaussian
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
# sampling error of 20,000 rows after subtracting the likelihood of the same rows
SAMPLING_ERROR = 0.002
PROCESSES = st.sampled_from([DrivenByActions, DrivenByPast]).flatmap(
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
def test_no_linear_model_is_better_than_the_closed_form(
    process: DrivenByActions | DrivenByPast, seed: int
) -> None:
    """The closed form was derived along the directions of the true decoder; an optimiser over all encoders agrees."""
    n, d = process.n_latents, process.n_observed

    def negative_elbo(parameters: np.ndarray) -> float:
        # clipped, since a line search may propose a variance near zero, where the negative ELBO is huge anyway
        encoder, variances = parameters[: n * d].reshape(n, d), np.exp(np.clip(parameters[n * d :], -20, 20))
        return process.negative_elbo_of(encoder, variances)

    rng = np.random.default_rng(training_seed(seed))
    starts = [np.r_[rng.normal(size=n * d), rng.normal(size=n) - 2] for _ in range(4)]
    best = min(minimize(negative_elbo, start).fun for start in starts)
    assert best == pytest.approx(process.best_negative_elbo, abs=1e-4)
    assert best > process.best_negative_elbo - 1e-6


@settings(max_examples=30, deadline=None)
@given(PROCESSES)
def test_the_elbo_is_a_lower_bound_and_tight_without_noise(process: DrivenByActions | DrivenByPast) -> None:
    assert process.best_negative_elbo > process.entropy - 1e-9
    noiseless = type(process)(process.n_latents, process.n_observed, 0.01, process.share)
    assert noiseless.best_negative_elbo == pytest.approx(noiseless.entropy, abs=5e-3)


@pytest.mark.parametrize("process", [DrivenByActions(), DrivenByPast()], ids=["actions", "past"])
def test_the_likelihood_agrees_with_samples(process: DrivenByActions | DrivenByPast) -> None:
    nll = process.negative_log_likelihood(process.sample(20_000, seed=3))
    assert nll.mean() == pytest.approx(process.entropy, abs=4 * nll.std() / len(nll) ** 0.5)


def excess_over_optimum(process: DrivenByActions | DrivenByPast, config: TrainingConfig) -> tuple[float, Any]:
    """Return a trained model's negative ELBO on test rows minus the optimum, and its evaluation."""
    model = fit(process.sample(20_000, seed=1), config)
    test = process.sample(20_000, seed=2)
    evaluation = evaluate(model, test)
    sampling_error = process.negative_log_likelihood(test).mean() - process.entropy
    # the model standardises by the scale of the training rows, the process by the true scale
    log_unit = float(model.model.x_scale.log().mean()) - np.log(1 + process.noise**2) / 2
    negative_elbo = evaluation.negative_elbo["total"] + test.n_steps * log_unit
    return negative_elbo - sampling_error - process.best_negative_elbo, evaluation


@pytest.mark.parametrize("variance", ["profiled", "learned"])
def test_training_with_actions_reaches_the_optimum(variance: str) -> None:
    process = DrivenByActions()
    config = TrainingConfig(
        max_edges_actions=4, steps=700, rounds=1, variance=variance, seed=training_seed(), **LINEAR
    )
    excess, evaluation = excess_over_optimum(process, config)
    assert -SAMPLING_ERROR < excess < TOLERANCE
    # the optimum is far above the entropy, which no model of this kind can reach
    assert process.best_negative_elbo - process.entropy > 4 * TOLERANCE
    assert evaluation.shd == 0
    assert evaluation.learned_graph == process.graph
    assert evaluation.comparison
    require_best_correlation(process, evaluation.mcc)


def test_training_with_a_past_reaches_the_optimum() -> None:
    """Linear mechanisms of the past have no sufficient influence, so only the optimum is tested and not the graph."""
    process = DrivenByPast()
    excess, evaluation = excess_over_optimum(
        process, TrainingConfig(sparsity="none", steps=800, seed=training_seed(), **LINEAR)
    )
    assert -SAMPLING_ERROR < excess < TOLERANCE
    require_best_correlation(process, evaluation.r)


def require_best_correlation(process: LinearGaussian, correlation: float) -> None:
    """Check that latents correlate with the truth as well as observations allow."""
    assert process.reliability - 0.005 < correlation < process.reliability + 0.002
