"""Predictions for single actions and pairs of actions, and what the training data cover of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from estimation.device import default_modes
from estimation.exceptions import DataError
from estimation.models.representation import as_tensor
from estimation.models.sparse_vae import SparseVAE
from estimation.prediction.coverage import Coverage
from estimation.prediction.forecast import Forecast
from estimation.prediction.seen_actions import SeenActions
from estimation.results.columns import column_names, column_units
from estimation.results.settings import Settings, settings_of
from estimation.trained import TrainedModel

__all__ = ["Change", "Combination", "Combinations", "predict_combinations"]

Array = NDArray[np.float64]

COVERED, INTERPOLATED, ADDED, EXTRAPOLATED, UNCHECKED = (
    "covered",
    "interpolated",
    "effects added",
    "extrapolated",
    "not checked",
)

_MAX_ACTIONS, _MAX_PAIRED, _MAX_PAIRS = 100, 13, 66
_N_SAMPLES, _MAX_NUMBERS = 256, 1_000_000_000


@dataclass(frozen=True)
class Change:
    """The predicted value of a column.

    Attributes:
        column: Name of the column.
        mean: Predicted mean, in the user's units.
        low: Lower end of the 90 % interval of an observation.
        high: Upper end of it.
        control: Predicted mean of the control.
        change: Difference of the means, in standard deviations of the column in the training data; of the transformed
            column, if observations are transformed.
    """

    column: str
    mean: float
    low: float
    high: float
    control: float
    change: float


@dataclass(frozen=True)
class Combination:
    """The prediction for one setting of the actions.

    Attributes:
        name: The setting in words.
        actions: Names of the applied actions, one or two.
        state: What the training data cover of it: ``"covered"``, ``"interpolated"``, ``"effects added"``,
            ``"extrapolated"`` or ``"not checked"``.
        explained: The same in sentences.
        changes: The columns that change most, the largest change first.
    """

    name: str
    actions: tuple[str, ...]
    state: str
    explained: tuple[str, ...]
    changes: tuple[Change, ...]


@dataclass(frozen=True, eq=False)
class Combinations:
    """Predictions for single actions and pairs.

    Attributes:
        entries: The predictions.
        control: Name of the setting that they are compared with.
        n_left_out: Number of pairs that are left out: those with smaller effects of their single actions.
        forecast: All of them as a forecast, whose first row is the control.
        settings: Their settings.
    """

    entries: tuple[Combination, ...]
    control: str
    n_left_out: int
    forecast: Forecast
    settings: Settings


def predict_combinations(model: TrainedModel, n_columns: int = 8, seed: int = 0) -> Combinations:
    """Predict what single actions and pairs of actions do to the observed columns.

    An action is applied at the seen value that differs most from its reference; a continuous one halfway to the end
    of its range. The pairs are those of the actions with the largest effects. A model with a past starts from the
    medians of its latents. Covariates are at their averages.

    Args:
        model: The trained model.
        n_columns: Number of columns to list of each prediction.
        seed: Seed of the samples.

    Raises:
        DataError: If the model is a baseline, has no actions, or was saved by a version that didn't store what this
            needs.
    """
    if not isinstance(model.model, SparseVAE):
        raise DataError(f"{model.method} is a baseline, which predicts nothing under actions")
    if not model.action_names:
        raise DataError("this model was trained without actions, so there is nothing to combine")
    seen = model.seen_actions
    if seen is None:
        raise DataError(
            "this model was saved by an earlier version, which didn't store its actions; train it again"
        )
    past = typical_past(model)
    positions = range(min(len(model.action_names), _MAX_ACTIONS))
    alone = settings_of(model, seen, positions, (), 0)
    options: dict[str, Any] = {"covariates": model.average_covariates, "n_samples": _N_SAMPLES, "seed": seed}
    singles = model.predict(alone.values, past, **options)
    effects = np.linalg.norm(changes_in_deviations(model, singles.mean, singles.mean[0]), axis=1)[1:]
    by_effect = np.argsort(-effects, kind="stable")[:_MAX_PAIRED]
    paired = sorted(alone.applied[k + 1][0] for k in by_effect.tolist())
    affordable = int(_MAX_NUMBERS / (_N_SAMPLES * model.n_observed))
    settings = settings_of(model, seen, positions, paired, max(0, min(_MAX_PAIRS, affordable)))
    forecast = model.predict(settings.values, past, **options)
    n_actions = len(model.action_names)
    shown = sum(len(applied) == 2 for applied in settings.applied)
    entries = _entries(model, settings, forecast, n_columns)
    n_left_out = max(0, _n_pairs(model, seen, n_actions) - shown)
    return Combinations(entries, settings.names[0], n_left_out, forecast, settings)


@default_modes
@torch.no_grad()
def typical_past(model: TrainedModel) -> Array | None:
    """Return the observation at the medians of the latents, shape (1, d_x); None for a model without a past.

    Raises:
        DataError: If the model doesn't store the distribution of its latents.
    """
    network = model.model
    if not isinstance(network, SparseVAE) or not network.shape.past:
        return None
    if model.latent_marginals is None:
        raise DataError(
            "this model was saved by an earlier version, which didn't store its latents; train it again"
        )
    medians = model.latent_marginals.values(np.zeros((1, network.shape.n_latents)))[0]
    latents = network.flow(as_tensor(medians).to(network.x_mean)).cpu().numpy()
    return model.decode(latents, model.average_covariates).astype(np.float64)


def changes_in_deviations(model: TrainedModel, values: Array, reference: Array) -> Array:
    """Return differences from a reference in standard deviations of the columns, shape (N, d_x).

    They are the deviations in the training data; of transformed columns, if observations are transformed.

    Args:
        model: The trained model.
        values: Shape (N, d_x), in the user's units.
        reference: Shape (d_x,), in the user's units.
    """
    scales: Array = model.model.x_scale.double().cpu().numpy() * column_units(model)
    centring = model.model.x_centring
    if centring is None:
        return (values - reference) / scales
    if centring.is_arcsinh:
        return (centring.apply(values) - centring.apply(reference)) / scales
    return (values - reference) / (scales * centring.unit)


def _n_pairs(model: TrainedModel, seen: SeenActions, n_actions: int) -> int:
    everything = range(min(n_actions, 2 * _MAX_ACTIONS))
    named = settings_of(model, seen, (), everything, 0).n_left_out
    beyond = n_actions - len(everything)
    return named + beyond * len(everything) + beyond * (beyond - 1) // 2


def _entries(
    model: TrainedModel, settings: Settings, forecast: Forecast, n_columns: int
) -> tuple[Combination, ...]:
    names = column_names(model)
    mean, (low, high) = forecast.mean, forecast.interval(0.9)
    changes = changes_in_deviations(model, mean, mean[0])
    coverage = forecast.coverage
    assert coverage is not None
    entries = []
    for row, applied in enumerate(settings.applied):
        if not applied:
            continue
        order = np.argsort(-np.abs(changes[row]), kind="stable")[:n_columns]
        entries.append(
            Combination(
                settings.names[row],
                tuple(model.action_names[k] for k in applied),
                _state(coverage, row),
                coverage.explain(row),
                tuple(
                    Change(
                        names[k],
                        float(mean[row, k]),
                        float(low[row, k]),
                        float(high[row, k]),
                        float(mean[0, k]),
                        float(changes[row, k]),
                    )
                    for k in order.tolist()
                ),
            )
        )
    return tuple(entries)


def _state(coverage: Coverage, row: int) -> str:
    seen = coverage.seen_latents[row]
    if not seen.all():
        return ADDED if (seen | coverage.added[row]).all() else EXTRAPOLATED
    if coverage.unchecked.any():
        return UNCHECKED
    return COVERED if coverage.seen_values[row].all() else INTERPOLATED
