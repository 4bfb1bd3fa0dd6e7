"""Effects of actions that were never seen together are added, in the latents that combine them only."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from identify.graph import CausalGraph
from tests.estimation.prediction.linear_models import LinearModel, linear_model
from tests.seeds import training_seed

# v1 combines both drugs
GRAPH = CausalGraph(Ga=[[1, 0], [1, 1], [0, 1]], actions=["A", "B"])
SINGLE = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
REQUESTS = [[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 1.0]]


@pytest.fixture(scope="module", params=["gaussian", "flow"])
def linear(request: pytest.FixtureRequest) -> LinearModel:
    result = linear_model(GRAPH, SINGLE)
    network = result.model.model
    if request.param == "flow":
        generator = torch.Generator().manual_seed(training_seed())
        network.add_noise_(result.model.config, generator)
        network.noise.activate_()
        with torch.no_grad():
            network.noise.outward.normal_(0, 0.1, generator=generator)
    return result


def test_shared_latents_get_the_sum_and_the_others_the_network(linear: LinearModel) -> None:
    added = linear.model.predict(REQUESTS)
    network = linear.model.predict(REQUESTS, unseen_combinations="network")
    # rows that were seen, and latents that combine nothing, are those of the network
    assert np.allclose(added.latent_mean[:3], network.latent_mean[:3], atol=1e-6)
    assert np.allclose(added.latent_mean[3, [0, 2]], network.latent_mean[3, [0, 2]], atol=1e-6)
    control, a, b, both = added.latent_mean[:, 1]
    assert both == pytest.approx(a + b - control, abs=1e-5)
    assert abs(network.latent_mean[3, 1] - both) > 1e-3
    control, a, b, both = np.log(added.latent_standard_deviation[:, 1])
    assert both == pytest.approx(a + b - control, abs=1e-4)


def test_a_seen_combination_is_that_of_the_network(linear: LinearModel) -> None:
    seen = linear_model(GRAPH, np.array(REQUESTS))
    both = seen.model.predict([[1.0, 1.0]])
    network = seen.model.predict([[1.0, 1.0]], unseen_combinations="network")
    assert np.array_equal(both.mean, network.mean)


def test_trajectories_add_them_too() -> None:
    graph = CausalGraph(Gz=np.eye(3), Ga=GRAPH.Ga, actions=["A", "B"])
    linear = linear_model(graph, SINGLE, variance=1e-6)
    network = linear.model.model
    with torch.no_grad():
        network.log_variance_z.fill_(-12)
        network.posterior_noise.network.last.bias.fill_(-9)
    start = np.random.default_rng(training_seed(2)).normal(size=(1, 6))
    result = linear.model.intervene([[[1.0, 1.0]]], start, n_samples=50)
    expected = linear.model.predict([[1.0, 1.0]], start).latent_mean
    assert np.allclose(result.latents[:, 0, 0].mean(0), expected[0], atol=0.003)
    # what the network says differs by more than that, however its weights were drawn
    otherwise = linear.model.predict([[1.0, 1.0]], start, unseen_combinations="network").latent_mean
    assert np.abs(otherwise - expected)[0, 1] > 0.006
    other = linear.model.intervene([[[1.0, 1.0]]], start, n_samples=50, unseen_combinations="network")
    assert np.allclose(other.latents[:, 0, 0].mean(0), otherwise[0], atol=0.003)
