"""The test for latents that are given: each action against its children, with the other causes partialled out."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from estimation.influence.features import Causes, count_settings, covariates, features
from estimation.influence.rank import RankTest, partial_out, rank_test
from estimation.influence.result import ActionInfluence
from identify.graph import CausalGraph
from identify.wording import plural

__all__ = ["Prediction", "influence_of_action"]

Array = NDArray[np.float64]
#: (actions (N, m), past (N, n) or None) -> expected latents (N, n)
Prediction = Callable[[Array, Array | None], Array]

# values of an action over which its predicted effect is centred
_N_REFERENCES = 8


def influence_of_action(
    latents: Array,
    causes: Causes,
    graph: CausalGraph,
    action: int,
    prediction: Prediction | None = None,
    level: float = 0.05,
    tolerance: float = 0.0,
) -> ActionInfluence:
    """Test whether an action moves every direction of its children.

    Args:
        latents: Latents that the actions act on, shape (N, n).
        causes: Actions and past latents of the same rows.
        graph: The children of the action, and their other causes.
        action: Column of the action.
        prediction: Expected latents given the causes, from a model that was fitted to other rows. It makes the test
            more powerful; the test is valid whatever it predicts.
        level: Level of the verdict and of the interval.
        tolerance: Effects that are proportional up to this fraction count as proportional.

    Returns:
        The result for the action.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> a = rng.uniform(-2, 2, (2000, 1))
        >>> latents = np.column_stack([np.sin(a), np.sin(2 * a)]) + rng.normal(size=(2000, 2))
        >>> print(influence_of_action(latents, Causes(a), CausalGraph(Ga=[[1], [1]]), 0).verdict)
        holds
    """
    children = graph.Ga.T.tocsr()[[action]].indices
    names = tuple(graph.latents[i] for i in children)
    if not len(children):
        return ActionInfluence(graph.actions[action], (), level, tolerance)
    modifiers = _other_causes(graph, children, action, causes)
    other_causes = covariates(causes, action, modifiers)
    generic = features(causes, action, modifiers)
    responses = latents[:, children]
    feature_sets = [generic]
    if prediction is not None:
        effects, average = _predicted(causes, action, prediction)
        responses = responses - average[:, children]
        feature_sets = [np.concatenate([generic, effects[:, children]], axis=1), effects[:, children]]
    responses, n_parameters = partial_out(responses, other_causes)
    units = latents[:, children].std(0)
    tests = tuple(
        rank_test(partial_out(columns, other_causes)[0], responses, n_parameters, units)
        for columns in feature_sets
    )
    limit = _limit(causes, action, tests[0], len(children))
    return ActionInfluence(graph.actions[action], names, level, tolerance, tests, limit)


def _other_causes(
    graph: CausalGraph, children: NDArray[np.intp], action: int, causes: Causes
) -> NDArray[np.intp]:
    parents = graph.Ga.toarray()[children].any(0)
    parents[action] = False
    if causes.past is not None:
        parents = np.concatenate([parents, graph.Gz.toarray()[children].any(0)])
    return np.flatnonzero(parents)


def _limit(causes: Causes, action: int, test: RankTest, n_children: int) -> str:
    """Return why the action can't move its children independently, whatever its effects are; empty if it can."""
    n_settings = count_settings(causes, action)
    if n_settings is not None and n_settings < n_children:
        return (
            f"it occurs in {plural(n_settings, 'setting')} of the other causes, too few to move "
            f"{plural(n_children, 'latent')} independently"
        )
    if test.degrees <= 0:
        return f"its values in these data are a function of the other causes, or too few for {n_children} latents"
    return ""


def _predicted(causes: Causes, action: int, prediction: Prediction) -> tuple[Array, Array]:
    """Return the predicted effect of the action, and the prediction averaged over reference values of the action."""
    values, counts = np.unique(causes.actions[:, action], return_counts=True)
    weights = counts / counts.sum()
    if len(values) > _N_REFERENCES:
        levels = (np.arange(_N_REFERENCES) + 0.5) / _N_REFERENCES
        values = np.quantile(causes.actions[:, action], levels)
        weights = np.full(_N_REFERENCES, 1 / _N_REFERENCES)
    prediction_at = causes.actions.copy()
    average = 0.0
    for value, weight in zip(values, weights, strict=True):
        prediction_at[:, action] = value
        average = average + weight * prediction(prediction_at, causes.past)
    assert not isinstance(average, float)
    return prediction(causes.actions, causes.past) - average, average
