"""`simulate` with mechanisms: graph, names, actions, splits, time steps, and what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.stats
import sympy
import torch

from estimation.dataset import Dataset
from estimation.exceptions import ConfigError
from estimation.simulate import simulate
from identify.graph import CausalGraph
from identify.mechanisms import Mechanisms, gaussian, laplace
from tests.seeds import training_seed

speed, mass, before, mass_before, push, dose = sympy.symbols("speed mass before mass_before push dose")
ACTIONS = Mechanisms(
    [speed, mass],
    [gaussian(speed, 0, sympy.exp(push)), gaussian(mass, push * dose)],
    [push, dose],
    action_values={dose: [0, 1, 5]},
)
PAST = Mechanisms(
    [speed, mass],
    [laplace(speed, before / 2), gaussian(mass, 3, sympy.exp(before))],
    past=[before, mass_before],
)


def test_the_dataset_has_the_implied_graph_and_names() -> None:
    data = simulate(ACTIONS, 400, seed=training_seed())
    assert data.graph == CausalGraph(Ga=[[1, 0], [1, 1]])
    assert data.graph is not None
    assert (data.graph.latents, data.graph.actions) == (("speed", "mass"), ("push", "dose"))
    assert data.action_names == ("push", "dose")
    assert (data.latents.shape, data.observations.shape) == ((400, 1, 2), (400, 1, 4))  # type: ignore[union-attr]


def test_actions_with_values_take_them_equally_often_and_independently() -> None:
    actions = simulate(ACTIONS, 3_000, seed=training_seed()).actions
    assert actions is not None
    values, counts = np.unique(actions[:, 1], return_counts=True)
    assert values.tolist() == [0, 1, 5]
    assert scipy.stats.chisquare(counts).pvalue > 1e-6
    assert scipy.stats.kstest(actions[:, 0], scipy.stats.uniform(-2, 4).cdf).pvalue > 1e-6
    assert scipy.stats.spearmanr(actions).pvalue > 1e-6


def test_splits_are_other_samples_of_the_same_process() -> None:
    train, again, test = (
        simulate(ACTIONS, 50, seed=training_seed(), split=split) for split in ("train", "train", "test")
    )
    np.testing.assert_array_equal(train.observations, again.observations)
    for first, second in ((train.latents, test.latents), (train.actions, test.actions)):
        assert not np.array_equal(first, second)
    # both have the decoder and the scale of the process
    for data in (train, test):
        assert data.decoder is not None
        assert data.latents is not None
        clean = data.decoder(torch.from_numpy(data.latents)).numpy()
        assert np.abs(data.observations - clean).max() < 0.1


def test_a_path_starts_with_normal_latents_and_follows_its_densities() -> None:
    data = simulate(PAST, 1_000, seed=training_seed(), n_steps=3)
    assert data.graph == CausalGraph(Gz=[[1, 0], [1, 0]])
    z = data.latents
    assert z is not None
    assert scipy.stats.kstest(z[:, 0].ravel(), "norm").pvalue > 1e-6
    for step in (1, 2):
        residuals = z[:, step, 0] - z[:, step - 1, 0] / 2
        assert scipy.stats.kstest(residuals, "laplace").pvalue > 1e-6
        scaled = (z[:, step, 1] - 3) / np.exp(z[:, step - 1, 0] / 2)
        assert scipy.stats.kstest(scaled, "norm").pvalue > 1e-6


def test_latents_without_causes_have_their_densities() -> None:
    data = simulate(Mechanisms([speed], [laplace(speed, 3)]), 2_000, seed=training_seed())
    assert data.latents is not None
    assert scipy.stats.kstest(data.latents.ravel(), scipy.stats.laplace(3).cdf).pvalue > 1e-6


def test_a_past_that_only_scales_a_density_does_not_act() -> None:
    scaled = Mechanisms([speed], [gaussian(speed, 0) + before], past=[before])
    data = simulate(scaled, 2_000, seed=training_seed())
    assert data.n_steps == 1
    assert data.latents is not None
    assert scipy.stats.kstest(data.latents.ravel(), "norm").pvalue > 1e-6


def test_interventions_on_actions_with_the_values_0_and_1() -> None:
    values = {action: [0, 1] for action in ACTIONS.actions}
    screen = Mechanisms(ACTIONS.latents, ACTIONS.log_densities, ACTIONS.actions, action_values=values)
    actions = simulate(screen, 300, seed=training_seed(), actions="interventions").actions
    assert actions is not None
    assert set(map(tuple, actions.tolist())) == {(0, 0), (1, 0), (0, 1)}


def test_options_apply_as_for_graphs() -> None:
    data = simulate(
        ACTIONS,
        60,
        seed=training_seed(),
        decoder="polynomial",
        n_observed=9,
        noise=0,
        actions=lambda n, generator: generator.integers(0, 2, (n, 2)),
    )
    assert data.observations.shape == (60, 1, 9)
    assert np.isin(data.actions, [0, 1]).all()
    assert isinstance(data, Dataset)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"actions": "normal"}, "actions are 'normal', but 'dose' takes only the values 0, 1, 5"),
        (
            {"actions": lambda n, generator: np.full((n, 2), 3.0)},
            "the sampled actions contain 3 for 'dose', which takes the values 0, 1, 5",
        ),
        ({"actions": lambda n, generator: np.ones((n, 3))}, r"the sampled actions have shape \(5000, 3\)"),
        (
            {"actions": "wrong"},
            "actions are 'wrong'; give 'uniform', 'normal', 'interventions' or a function",
        ),
        ({"variance": 0.1}, "mechanism and variance are for names and graphs"),
        ({"density": 0.1}, "density and graph_seed are for random graphs"),
        ({"n_steps": 2}, "a graph without a past has 1 step"),
    ],
)
def test_options_that_do_not_fit_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        simulate(ACTIONS, 20, seed=training_seed(), **options)


def test_interventions_need_the_values_0_and_1() -> None:
    levels = Mechanisms([speed], [gaussian(speed, dose)], [dose], action_values={dose: [1, 2]})
    message = "interventions have the values 0 and 1, but 'dose' takes the values 1, 2"
    with pytest.raises(ConfigError, match=message):
        simulate(levels, 20, seed=training_seed(), actions="interventions")
