"""Held-out data in `fit`: its own split is used only for evaluation, user-supplied data are checked first."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from estimation.config import TrainingConfig
from estimation.dataset import Dataset
from estimation.exceptions import DataError
from estimation.simulate import simulate
from estimation.training import fit
from identify.graph import CausalGraph
from tests.seeds import training_seed

TINY = TrainingConfig(
    steps=4,
    batch_size=8,
    width=8,
    depth=1,
    transition_width=4,
    unmixing=False,
    n_latents=2,
    validate_every=2,
    seed=training_seed(),
)


def numbers(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(training_seed(seed)).normal(size=shape)


@pytest.mark.parametrize("n_actions", [0, 2])
def test_a_single_long_sequence_can_be_trained_on(n_actions: int) -> None:
    graph = CausalGraph(Gz=np.eye(2), Ga=np.eye(2)[:, :n_actions])
    data = simulate(graph, 1, n_steps=60, seed=training_seed())
    model = fit(data, TINY.replace(max_edges_past=2))
    assert model.graph.Gz.nnz == 2
    assert model.history.records[-1].step == 4


@pytest.mark.parametrize("rows", [3, 20])
def test_few_rows_with_continuous_actions_can_be_trained_on(rows: int) -> None:
    """In so few rows every value of an action occurs once, so the held-out rows have values not in training."""
    data = Dataset.from_arrays(numbers(rows, 3), actions=numbers(rows, 2, seed=1))
    model = fit(data, TINY.replace(max_edges_actions=2))
    assert model.graph.Ga.nnz == 2
    with pytest.raises(DataError, match="in row 0, a value that doesn't occur in training"):
        fit(data.take(slice(1, None)), TINY.replace(max_edges_actions=2), validation=data.take([0]))


def test_an_action_called_like_a_learned_latent_is_refused_before_training(tmp_path: Path) -> None:
    data = Dataset.from_arrays(numbers(40, 3), actions=numbers(40, 2), action_names=["dose", "v1"])
    config = TINY.replace(max_edges_actions=2)
    message = "an action is called 'v1', like a learned latent; give it another name"
    with pytest.raises(DataError, match=message):
        fit(data, config, checkpoint=tmp_path, checkpoint_every=1)
    assert not list(tmp_path.iterdir())
    assert fit(data, config.replace(n_latents=1)).graph.actions == ("dose", "v1")
