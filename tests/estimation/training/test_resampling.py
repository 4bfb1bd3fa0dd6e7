"""Resamples of rows keep episodes together, are the same for the same seed, and leave the model as it was."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from estimation.config.training import TrainingConfig
from estimation.models.representation import Shape
from estimation.models.sparse_vae import SparseVAE
from estimation.training.encodings import Encodings
from estimation.training.resampling import (
    N_RESAMPLES,
    resampled_rows,
    resampled_sizes,
    resampling_units,
)
from estimation.training.transition_fitting import TransitionFitter
from tests.seeds import training_seed

Rows = NDArray[np.int64]


def resamples(units: Rows, seed: int = 0) -> list[Rows]:
    return list(resampled_rows(units, training_seed(seed), 100))


def test_rows_without_episodes_are_drawn_one_by_one() -> None:
    units = resampling_units(None, 500)
    assert units.tolist() == list(range(500))
    drawn = resamples(units)
    assert len(drawn) == N_RESAMPLES
    for rows in drawn:
        assert len(rows) == 500
        # 1 - 1/e of the rows are expected
        assert 0.55 < len(set(rows.tolist())) / 500 < 0.72


def test_episodes_are_drawn_as_a_whole() -> None:
    lengths = np.random.default_rng(training_seed(0)).integers(1, 9, size=40)
    units = resampling_units(np.repeat(np.arange(40) * 7, lengths), int(lengths.sum()))
    for rows in resamples(units):
        assert len(rows) == len(units)
        counts = Counter(rows.tolist())
        whole = [
            {counts[row] for row in np.flatnonzero(units == unit).tolist()}
            for unit in np.unique(units).tolist()
        ]
        # the last unit may be cut, or the first ones repeated, to have as many rows as there are
        assert sum(len(each) > 1 for each in whole) <= 1
        assert sum(each == {0} for each in whole) > 5


@given(st.integers(1, 19), st.integers(10, 400), st.randoms(use_true_random=False))
def test_few_episodes_are_cut_into_blocks_of_consecutive_rows(
    n_episodes: int, length: int, random: object
) -> None:
    episodes = np.repeat(np.arange(n_episodes), length)
    # rows of several episodes may alternate
    random.shuffle(episodes)  # type: ignore[attr-defined]
    units = resampling_units(episodes, len(episodes))
    for unit in np.unique(units).tolist():
        rows = np.flatnonzero(units == unit)
        (episode,) = set(episodes[rows].tolist())
        positions = np.searchsorted(np.flatnonzero(episodes == episode), rows)
        assert (np.diff(positions) == 1).all()
        assert len(rows) <= -(-len(episodes) // 50)


def test_the_same_seed_draws_the_same_rows() -> None:
    units = resampling_units(None, 100)
    first, again, other = resamples(units), resamples(units), resamples(units, 1)
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not np.array_equal(first[0], other[0])
    assert not np.array_equal(first[0], first[1])


@pytest.fixture(scope="module")
def config() -> TrainingConfig:
    return TrainingConfig(max_edges_actions=2, width=4, transition_width=8, seed=training_seed(0), steps=600)


@pytest.fixture(scope="module")
def fitter(config: TrainingConfig) -> TransitionFitter:
    """Networks that are fitted to latents z0 = sin(2 a0), z1 = a1 and noise."""
    generator = torch.Generator().manual_seed(training_seed(0))
    actions = 2 * torch.rand(4_000, 2, generator=generator) - 1
    means = torch.stack([torch.sin(2 * actions[:, 0]), actions[:, 1]], dim=1)
    latents = (means + 0.1 * torch.randn(4_000, 2, generator=generator))[:, None]
    model = SparseVAE(Shape(4, 2, 2, past=False), config, generator)
    model.set_scales_(torch.zeros(4), torch.ones(4), torch.zeros(2), torch.full((2,), 3**-0.5))
    encodings = Encodings(latents, torch.zeros(4_000, 1, 2, 2), actions, torch.zeros(4_000, 1, 4))
    fitter = TransitionFitter(model, encodings, 100)
    fitter.fit_(latents, config, 200)
    return fitter


def sizes_of(fitter: TransitionFitter, config: TrainingConfig) -> NDArray[np.float64]:
    covariance = np.cov(fitter.encodings.latents[:, 0].numpy().T)
    units = resampling_units(None, len(fitter.encodings.latents))
    measured = resampled_sizes(fitter, fitter.encodings, covariance, units, config)
    assert set(measured) == {"actions"}
    return measured["actions"]


def test_resampled_sizes_are_those_of_the_mechanisms(
    fitter: TransitionFitter, config: TrainingConfig
) -> None:
    sizes = sizes_of(fitter, config)
    assert sizes.shape == (N_RESAMPLES, 2, 2)
    # almost all of the variance of each latent is due to its cause
    assert (sizes[:, [0, 1], [0, 1]] > 0.9).all()
    assert (sizes[:, [0, 1], [1, 0]] < 0.2).all()
    spread = sizes.std(0)
    assert (spread > 0).all()
    assert (spread < 0.1).all()


def test_resampling_leaves_the_networks_as_they_were(
    fitter: TransitionFitter, config: TrainingConfig
) -> None:
    before = {name: values.clone() for name, values in fitter.model.state_dict().items()}
    first, again = sizes_of(fitter, config), sizes_of(fitter, config)
    assert np.array_equal(first, again)
    assert all(torch.equal(values, before[name]) for name, values in fitter.model.state_dict().items())
