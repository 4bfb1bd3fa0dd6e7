"""`test_influence`: whether each action of a trained model moves its children independently, from held-out data."""

# ruff: noqa: PT028 (the public name `test_influence` is not that of a test)

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, get_args

import numpy as np
import torch
from numpy.typing import NDArray

from estimation.dataset.alignment import align
from estimation.dataset.centring import centred
from estimation.dataset.dataset import Dataset
from estimation.dataset.fingerprint import fingerprint
from estimation.device import default_modes
from estimation.exceptions import ConfigError, DataError
from estimation.influence.features import Causes
from estimation.influence.latents import Effects, Prediction, influence_of_action
from estimation.influence.leakage import Leakage, leakage
from estimation.influence.result import InfluenceTest
from estimation.models.sparse_vae import SparseVAE
from identify.graph import CausalGraph
from identify.names import quoted
from identify.wording import listed

if TYPE_CHECKING:
    from estimation.trained import TrainedModel

__all__ = ["TOLERANCE", "test_influence"]

Array = NDArray[np.float64]

#: Trained models distort latents, so that proportional effects look independent up to this fraction.
TOLERANCE = 0.05

_CHUNK = 16_384
_MIN_ROWS = 200


@default_modes
def test_influence(
    model: TrainedModel,
    dataset: Dataset,
    *,
    graph: CausalGraph | None = None,
    actions: Sequence[str] | None = None,
    level: float = 0.05,
    tolerance: float = TOLERANCE,
    effects: Effects = "any",
    max_rows: int = 50_000,
    seed: int = 0,
) -> InfluenceTest:
    """Test sufficient influence of every action of a trained model on its children, with data held out from training.

    The hypothesis for an action is that influence fails: that some direction of its children is not moved, or by less
    than the tolerance. A small p-value is evidence for influence. (The test is ours, docs/influence_test.md.)

    If actions have effects on latents without an edge, the model distorts or mixes its latents, and effects on children
    that are proportional in the truth need not be so in the model. Effects must then exceed these as well to count as
    independent, and a note says how large they are. If one of them is certainly larger than a fifth of the effect of
    the same action on its children, the data contradict the graph, and influence of actions with several children is
    undecided.

    Args:
        model: Model trained with actions.
        dataset: Rows that the model was not trained on. On training rows, the p-values would be too small.
        graph: The graph whose edges are tested, over the learned latents; by default the learned graph.
        actions: Names of the actions to test; by default all.
        level: Level of the verdicts and intervals.
        tolerance: Effects that are proportional up to this fraction count as proportional, because a trained model
            distorts its latents; 0 tests for exact proportionality, and ignores effects without an edge.
        effects: ``"mean"`` tests effects on means; ``"any"`` also those on variance and shape.
        max_rows: The largest number of rows to use, chosen at random.
        seed: Seed of this choice, and of the split into halves that effects beyond the mean need.

    Returns:
        The results by the name of the action, and ``joint``: joint influence of all of them.

    Raises:
        DataError: If the model has no transition networks or no actions, if the data are the training data, have
            another kind, or too few rows.
        ConfigError: If an argument is out of its range.
    """
    _check_arguments(level, tolerance, effects, max_rows)
    causes, latents = _held_out_latents(model, dataset, max_rows, seed)
    graph = _checked_graph(model, graph)
    prediction = _prediction(model)
    names = graph.actions if actions is None else actions
    for name in names:
        if name not in graph.actions:
            raise ConfigError(f"the model has no action {quoted(name)}; it has {listed(graph.actions)}")
    without_edge = leakage(latents, causes, graph)
    results = {
        name: influence_of_action(
            latents,
            causes,
            graph,
            graph.actions.index(name),
            prediction,
            level,
            tolerance,
            effects,
            seed,
            without_edge,
        )
        for name in names
    }
    notes = _leakage_notes(without_edge, tolerance)
    if model.data_fingerprint is None:
        notes.append("the model does not store which data it was trained on; they must be others than these")
    return InfluenceTest(results, len(latents), level, tolerance, graph, tuple(notes), without_edge)


# the name is not that of a test of pytest
test_influence.__test__ = False  # type: ignore[attr-defined]


def _leakage_notes(without_edge: Leakage, tolerance: float) -> list[str]:
    if tolerance and without_edge.contradictions:
        shown = "; ".join(str(effect) for effect in without_edge.contradictions[:3])
        return [
            f"the data contradict the graph: latents are mixed, or edges are missing and others wrong; influence on "
            f"several children and joint influence are undecided; {shown}"
        ]
    if not without_edge.size > tolerance > 0:
        return []
    return [
        f"actions have effects on latents without an edge, of up to {without_edge.size:.2g} of those on children: the "
        f"latents are distorted or mixed, or edges are missing; influence holds only beyond that"
    ]


def _check_arguments(level: float, tolerance: float, effects: str, max_rows: int) -> None:
    if not 0 < level < 1:
        raise ConfigError(f"level is {quoted(level)}; it must be a number above 0 and below 1")
    if not 0 <= tolerance < 1:
        raise ConfigError(f"tolerance is {quoted(tolerance)}; it must be from 0 to below 1")
    if effects not in get_args(Effects):
        raise ConfigError(f"effects are {quoted(effects)}; give {' or '.join(map(repr, get_args(Effects)))}")
    if max_rows < _MIN_ROWS:
        raise ConfigError(f"max_rows is {quoted(max_rows)}; it must be at least {_MIN_ROWS}")


def _held_out_latents(
    model: TrainedModel, dataset: Dataset, max_rows: int, seed: int
) -> tuple[Causes, Array]:
    shape = model.model.shape
    if not model.model.edges:
        raise DataError(f"{model.method} has no transition networks, so that influence can't be tested")
    if not shape.n_actions:
        raise DataError("the model has no actions, so that their influence can't be tested")
    if model.data_fingerprint is not None and fingerprint(dataset) == model.data_fingerprint:
        raise DataError("these are the data that the model was trained on; test influence on other rows")
    pairs = align(dataset, model).pairs()
    if pairs.actions is None or (pairs.n_steps > 1) != shape.past:
        raise DataError(
            f"the model has {shape.n_actions} actions and {'a' if shape.past else 'no'} past; "
            f"the data have {pairs.n_actions} actions and {pairs.n_steps} steps"
        )
    if len(pairs) < _MIN_ROWS:
        raise DataError(f"{len(pairs)} rows are too few to test influence; give {_MIN_ROWS} or more")
    rows = np.arange(len(pairs))
    if len(rows) > max_rows:
        rows = np.sort(np.random.default_rng(seed).choice(len(rows), max_rows, replace=False))
    encoded = model.encode_dataset(pairs.take(rows)).astype(float)
    actions = pairs.actions[rows].astype(float)
    return Causes(actions, encoded[:, 0] if shape.past else None), encoded[:, -1]


def _checked_graph(model: TrainedModel, graph: CausalGraph | None) -> CausalGraph:
    if graph is None:
        return model.graph
    shape = model.model.shape
    if (graph.n_latents, graph.n_actions) != (shape.n_latents, shape.n_actions):
        raise DataError(
            f"the graph has {graph.n_latents} latents and {graph.n_actions} actions; "
            f"the model has {shape.n_latents} and {shape.n_actions}"
        )
    return graph


def _prediction(model: TrainedModel) -> Prediction:
    """Return the expected latents given actions and past, by the model's transition networks."""
    network = model.model
    assert isinstance(network, SparseVAE)
    device, dtype = network.x_mean.device, network.x_mean.dtype

    @torch.no_grad()
    def expected_latents(actions: Array, past: Array | None) -> Array:
        centred_actions = torch.from_numpy(centred(actions, network.a_centring)).to(device, dtype)
        past_latents = None if past is None else torch.from_numpy(past).to(device, dtype)
        parts = [
            network.transition(
                None if past_latents is None else past_latents[start : start + _CHUNK],
                centred_actions[start : start + _CHUNK],
            ).loc
            for start in range(0, len(actions), _CHUNK)
        ]
        return np.asarray(torch.cat(parts).cpu().double().numpy())

    return expected_latents
