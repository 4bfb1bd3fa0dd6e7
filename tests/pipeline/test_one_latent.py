"""The smallest problems pass through all functions: one latent, one observed dimension, one action."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from estimation.checkpoint import load
from estimation.config import TrainingConfig
from estimation.config.baselines import BaselineConfig
from estimation.dataset import Dataset
from estimation.estimator import SparseMechanismVAE
from estimation.evaluation import evaluate
from estimation.evaluation.verification import verify
from estimation.exceptions import ConfigError
from estimation.influence import learned_influence
from estimation.selection import select
from estimation.selection.measurement import measure_runs
from estimation.training import fit
from identify.graph import CausalGraph
from tests.seeds import training_seed

TINY = {"n_latents": 1, "steps": 9, "width": 8, "transition_width": 4, "batch_size": 64, "flow_blocks": 1}


def small_dataset(n_observed: int = 3, n_actions: int = 1, past: bool = False) -> Dataset:
    """Return data of one latent that only the first action affects."""
    rng = np.random.default_rng(training_seed())
    actions = (rng.random((200, n_actions)) < 0.5) * 1.0
    z = 0.3 * rng.normal(size=(200, 2 if past else 1, 1))
    if past:
        z[:, 1] += np.sin(2 * z[:, 0])
    if n_actions:
        z[:, -1] += actions[:, :1]
    graph = CausalGraph(
        Gz=[[1]] if past else None, Ga=[[k == 0 for k in range(n_actions)]] if n_actions else None
    )
    observed = z @ rng.normal(size=(1, n_observed)) + 0.01 * rng.normal(size=(*z.shape[:2], n_observed))
    return Dataset.from_arrays(observed, actions if n_actions else None, latents=z, graph=graph)


def budgets(data: Dataset) -> dict[str, int]:
    """Return a budget of one edge for each kind of parents that the data have."""
    n_parents = {"max_edges_actions": data.n_actions, "max_edges_past": data.n_steps - 1}
    return {name: 1 for name, n in n_parents.items() if n}


@pytest.mark.parametrize(
    "data",
    [
        small_dataset(n_actions=2),
        small_dataset(n_actions=0, past=True),
        small_dataset(n_observed=1, past=True),
    ],
    ids=["actions", "past", "both, with one observed dimension"],
)
def test_one_latent_is_trained_evaluated_and_saved(data: Dataset, tmp_path: Path) -> None:
    model = fit(data, TrainingConfig(**TINY, **budgets(data), seed=training_seed()))
    other = fit(data, TrainingConfig(**TINY, sparsity="adaptive", seed=training_seed(1)))
    assert "unmixed after" in model.history.notes[0]
    assert model.encode(data.observations).shape == data.latents.shape  # type: ignore[union-attr]
    assert model.decode(model.encode(data.observations)).shape == data.observations.shape
    evaluation = evaluate(model, data, n_samples=60)
    assert evaluation.mcc == pytest.approx(evaluation.r) == pytest.approx(evaluation.r_con)
    assert evaluation.shd is not None
    assert evaluation.comparison is not None
    assert verify({"a": model, "b": other}, data).latents[0].may_mix_with == ()
    assert [run.udr is None for run in measure_runs([("one", model), ("one", other)], data)] == [False, False]
    assert select(measure_runs([("one", model), ("two", other)], data)).setting in ("one", "two")
    if data.n_actions:
        assert set(learned_influence(model, data, n_conditions=50)) == set(data.action_names)
    model.save(tmp_path)
    np.testing.assert_array_equal(load(tmp_path).encode(data.observations), model.encode(data.observations))


@pytest.mark.parametrize("method", ["random", "supervised", "vae", "tcvae", "ivae", "slowvae", "pcl"])
def test_baselines_are_trained_with_one_latent(method: str) -> None:
    data = small_dataset(past=True)
    model = fit(
        data,
        BaselineConfig(
            method, n_latents=1, steps=10, width=8, batch_size=64, rotations=1, seed=training_seed()
        ),
    )
    evaluation = evaluate(model, data, n_samples=40)
    assert evaluation.mcc == pytest.approx(evaluation.r)


def test_the_estimator_is_fitted_with_one_latent_and_default_settings() -> None:
    data = small_dataset(n_actions=2)
    estimator = SparseMechanismVAE(1, steps=6, batch_size=64, random_state=training_seed()).fit(
        data.observations[:, 0], actions=data.actions
    )
    assert estimator.graph_.n_latents == estimator.graph_.n_edges == 1


def test_more_latents_than_observed_dimensions_are_refused_with_a_past_too() -> None:
    data = small_dataset(n_observed=1, past=True)
    config = TrainingConfig(**(TINY | {"n_latents": 3}), **budgets(data), seed=training_seed())
    with pytest.raises(
        ConfigError,
        match=r"n_latents is 3, more than the observed columns \(n_features = 1\): no decoder is one to",
    ):
        fit(data, config)


def test_data_with_neither_actions_nor_a_past_are_refused() -> None:
    with pytest.raises(
        ConfigError, match="there are neither actions nor a past, so that nothing can be sparse"
    ):
        fit(
            Dataset.from_arrays(small_dataset().observations),
            TrainingConfig(**TINY, sparsity="none", seed=training_seed()),
        )
