"""The test for latents that are given: each action against its children, with the other causes partialled out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from estimation.influence.features import (
    Causes,
    count_settings,
    covariates,
    fine_functions,
    interactions,
    other_causes,
    transform,
)
from estimation.influence.leakage import Leakage
from estimation.influence.rank import RankTest, partial_out, rank_test
from estimation.influence.result import ActionInfluence
from estimation.influence.shapes import shape_test
from identify.graph import CausalGraph
from identify.wording import plural

__all__ = ["Effects", "Prediction", "influence_of_action"]

Array = NDArray[np.float64]
#: (actions (N, m), past (N, n) or None) -> expected latents (N, n)
Prediction = Callable[[Array, Array | None], Array]

#: Which effects count: those on means, or those on means, variances and shapes.
Effects = Literal["mean", "any"]

# values of an action at which its main effect is predicted, and rows of the other causes that it is averaged over
_N_GRID, _N_REFERENCES = 257, 64


def influence_of_action(
    latents: Array,
    causes: Causes,
    graph: CausalGraph,
    action: int,
    prediction: Prediction | None = None,
    level: float = 0.05,
    tolerance: float = 0.0,
    effects: Effects = "any",
    seed: int = 0,
    leakage: Leakage | None = None,
) -> ActionInfluence:
    """Test whether an action moves every direction of its children.

    Effects are averaged over the other causes, unless the action has fewer values than are needed to move its children
    independently: then products with the other causes count as well. Averages are less sensitive to the distortions of
    a trained model, which turn the sum of two effects into a product.

    Args:
        latents: Latents that the actions act on, shape (N, n).
        causes: Actions and past latents of the same rows.
        graph: The children of the action, and their other causes.
        action: Column of the action.
        prediction: Expected latents given the causes, from a model that was fitted to other rows. It makes the test
            more powerful; the test is valid whatever it predicts.
        level: Level of the verdict and of the interval.
        tolerance: Effects that are proportional up to this fraction count as proportional.
        effects: ``"mean"`` tests effects on means; ``"any"`` also those on variance and shape.
        seed: Seed of the split into halves that effects beyond the mean need.
        leakage: Effects without an edge, as `estimation.influence.leakage.leakage` measures them; None for none.

    Returns:
        The result for the action.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> a = rng.uniform(-2, 2, (2000, 1))
        >>> latents = np.column_stack([np.sin(a), np.sin(2 * a)]) + rng.normal(size=(2000, 2))
        >>> print(influence_of_action(latents, Causes(a), CausalGraph(Ga=[[1], [1]]), 0).verdict)
        holds
    """
    children = np.flatnonzero(graph.Ga.toarray()[:, action])
    names = tuple(graph.latents[i] for i in children)
    leakage = Leakage() if leakage is None else leakage
    if not len(children):
        return ActionInfluence(graph.actions[action], (), level, tolerance, leakage=leakage)
    modifiers = other_causes(graph, children, action, causes)
    others = covariates(causes, action, modifiers)
    generic = transform(causes.actions[:, action])
    interacts = generic.shape[1] < len(children)
    if interacts:
        generic = np.concatenate([generic, interactions(causes, action, modifiers)], axis=1)
        # the same products of other actions, of which the products' expectation given the other causes consists
        products = [interactions(causes, other, modifiers) for other in modifiers if other < graph.n_actions]
        others = np.concatenate([others, *products], axis=1)
    responses = latents[:, children]
    feature_sets = [generic]
    if prediction is not None:
        baseline = _at_median(causes, action, prediction)
        predicted = (
            prediction(causes.actions, causes.past) - baseline
            if interacts
            else _main_effects(causes, action, prediction)
        )
        others = np.concatenate([others, baseline[:, children]], axis=1)
        feature_sets = [np.concatenate([generic, predicted[:, children]], axis=1), predicted[:, children]]
    means, n_parameters = partial_out(responses, others)
    units = latents[:, children].std(0)
    tests = tuple(
        rank_test(partial_out(columns, others)[0], means, n_parameters, units) for columns in feature_sets
    )
    limit = _limit(causes, action, tests[0], len(children))
    shape = None
    # where products of causes count, the errors of the fitted mean would look like effects on the variance
    if effects == "any" and not limit and not interacts and means.any(0).all():
        rng = np.random.default_rng(seed)
        fine = fine_functions(causes, np.array([action, *modifiers]))
        shape = shape_test(feature_sets[0], responses, others, fine, tolerance, rng)
    return ActionInfluence(graph.actions[action], names, level, tolerance, tests, shape, limit, leakage)


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


def _at_median(causes: Causes, action: int, prediction: Prediction) -> Array:
    """Return the prediction with the action at its median: a function of the other causes, shape (N, n)."""
    actions = causes.actions.copy()
    actions[:, action] = np.quantile(actions[:, action], 0.5, method="nearest")
    return prediction(actions, causes.past)


def _main_effects(causes: Causes, action: int, prediction: Prediction) -> Array:
    """Return the prediction averaged over the other causes, a function of the action alone, shape (N, n)."""
    values = causes.actions[:, action]
    grid = np.unique(np.quantile(values, np.linspace(0, 1, _N_GRID), method="nearest"))
    rows = np.linspace(0, len(values) - 1, _N_REFERENCES).astype(int)
    actions = np.tile(causes.actions[rows], (len(grid), 1))
    actions[:, action] = np.repeat(grid, len(rows))
    past = None if causes.past is None else np.tile(causes.past[rows], (len(grid), 1))
    means = prediction(actions, past).reshape(len(grid), len(rows), -1).mean(1)
    return np.column_stack([np.interp(values, grid, column) for column in means.T])
