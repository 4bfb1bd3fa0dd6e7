"""One latent, one observed dimension, one action: the least that there can be, through everything."""

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


def little(n_observed: int = 3, n_actions: int = 1, past: bool = False) -> Dataset:
    """One latent that the first action moves; others move nothing."""
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
    both = {"max_edges_actions": data.n_actions, "max_edges_past": data.n_steps - 1}
    return {name: 1 for name, there in both.items() if there}


@pytest.mark.parametrize(
    "data",
    [
        little(n_actions=2),
        little(n_actions=0, past=True),
        little(n_observed=1, past=True),
    ],
    ids=["actions", "past", "both, with one observed dimension"],
)
def test_it_is_trained_measured_and_kept(data: Dataset, tmp_path: Path) -> None:
    model = fit(data, TrainingConfig(**TINY, **budgets(data), seed=training_seed()))
    other = fit(data, TrainingConfig(**TINY, sparsity="adaptive", seed=training_seed(1)))
    assert "unmixed after" in model.history.notes[0]
    assert model.encode(data.observations).shape == data.latents.shape  # type: ignore[union-attr]
    assert model.decode(model.encode(data.observations)).shape == data.observations.shape
    found = evaluate(model, data, n_samples=60)
    assert found.mcc == pytest.approx(found.r) == pytest.approx(found.r_con)
    assert found.shd is not None
    assert found.comparison is not None
    assert verify({"a": model, "b": other}, data).latents[0].may_mix_with == ()
    assert [run.udr is None for run in measure_runs([("one", model), ("one", other)], data)] == [False, False]
    assert select(measure_runs([("one", model), ("two", other)], data)).setting in ("one", "two")
    if data.n_actions:
        assert set(learned_influence(model, data, n_conditions=50)) == set(data.action_names)
    model.save(tmp_path)
    np.testing.assert_array_equal(load(tmp_path).encode(data.observations), model.encode(data.observations))


@pytest.mark.parametrize("method", ["random", "supervised", "vae", "tcvae", "ivae", "slowvae", "pcl"])
def test_baselines_take_it_too(method: str) -> None:
    data = little(past=True)
    model = fit(
        data,
        BaselineConfig(
            method, n_latents=1, steps=10, width=8, batch_size=64, rotations=1, seed=training_seed()
        ),
    )
    found = evaluate(model, data, n_samples=40)
    assert found.mcc == pytest.approx(found.r)


def test_the_estimator_takes_it_with_its_defaults() -> None:
    data = little(n_actions=2)
    found = SparseMechanismVAE(1, steps=6, batch_size=64, random_state=training_seed()).fit(
        data.observations[:, 0], actions=data.actions
    )
    assert found.graph_.n_latents == found.graph_.n_edges == 1


def test_more_latents_than_there_is_to_see() -> None:
    data = little(n_observed=1, past=True)
    found = evaluate(
        fit(data, TrainingConfig(**(TINY | {"n_latents": 3}), **budgets(data), seed=training_seed())),
        data,
        n_samples=60,
    )
    assert found.learned_graph.n_latents == 3


def test_with_neither_actions_nor_past_there_is_nothing_to_be_sparse() -> None:
    with pytest.raises(
        ConfigError, match="there are neither actions nor a past, so that nothing can be sparse"
    ):
        fit(
            Dataset.from_arrays(little().observations),
            TrainingConfig(**TINY, sparsity="none", seed=training_seed()),
        )
