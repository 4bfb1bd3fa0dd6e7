"""Numerical evidence for sufficient influence from trained transition networks."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from estimation.config import TrainingConfig
from estimation.exceptions import DataError
from estimation.influence import learned_influence
from estimation.simulate import simulate
from estimation.training import fit
from identify.graph import CausalGraph
from tests.seeds import training_seed

TINY = {
    "steps": 30,
    "width": 8,
    "depth": 1,
    "transition_width": 8,
    "batch_size": 64,
    "rounds": 1,
    "flow_blocks": 1,
}


def test_linear_networks_have_no_influence() -> None:
    graph = CausalGraph(Ga=[[1], [1]])
    data = simulate(graph, 600, seed=training_seed(1))
    model = fit(
        data, TrainingConfig(max_edges_actions=2, transition="leaky_relu", seed=training_seed(), **TINY)
    )  # type: ignore[arg-type]
    evidence = learned_influence(model, data, n_conditions=200)
    assert set(evidence) == {"a0"}
    assert evidence["a0"].children == model.graph.latents
    networks = model.model.networks
    with torch.no_grad():
        for weight in (*networks.weights, *networks.biases):
            weight.zero_()
        # the effects on the two latents are proportional
        networks.weights[0][:, :, 0] = 1
        networks.biases[0][:, :, 0] = 100
        networks.weights[1][:, 0, 0] = 1
        networks.weights[2][0, 0, 0], networks.weights[2][1, 0, 0] = 1, 2
    assert learned_influence(model, data, n_conditions=200)["a0"].verdict == "against"


def test_data_that_do_not_match_the_model_are_refused() -> None:
    data = simulate("ActionBlockDiag", 300, seed=training_seed(1))
    model = fit(data, TrainingConfig(max_edges_actions=10, seed=training_seed(), **TINY))  # type: ignore[arg-type]
    with pytest.raises(DataError, match="300 rows are too few for 4 points and 400 conditions"):
        learned_influence(model, data)
    with pytest.raises(DataError, match="the data have 10 actions; the model was trained on 5"):
        learned_influence(model, simulate("ActionDiag", 600, seed=training_seed(1)))
    past = simulate("TimeDiag", 300, seed=training_seed(1))
    model_of_past = fit(past, TrainingConfig(max_edges_past=10, seed=training_seed(), **TINY))  # type: ignore[arg-type]
    with pytest.raises(DataError, match="the model has no actions"):
        learned_influence(model_of_past, past)
    evidence = learned_influence(model, data, n_conditions=200, n_points=2)
    assert list(evidence) == ["a0", "a1", "a2", "a3", "a4"]
    assert np.isfinite([action.relative for action in evidence.values()]).all()
