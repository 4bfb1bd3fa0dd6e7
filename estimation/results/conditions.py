"""The latents under each condition: encoded rows of data, or what the model predicts for single actions and pairs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from estimation.exceptions import DataError
from estimation.prediction.forecast import Forecast
from estimation.prediction.seen_actions import SeenAction
from estimation.results.sample import LatentSample
from estimation.results.settings import Settings, is_switch
from estimation.trained import TrainedModel

__all__ = ["LatentConditions", "latents_by_condition", "predicted_latents"]

Array = NDArray[np.float64]
Selection = NDArray[np.bool_]

_MIN_ROWS, _MAX_CONDITIONS = 5, 60
# share of the rows that whole conditions must hold; otherwise every action is looked at by itself
_MIN_SHARE = 0.5
_BANDS = ("low", "mid", "high")
# bands of several continuous actions at once are hard to read if there are more
_MAX_BANDED = 12
# of a normal distribution, whose 5 % and 95 % quantiles they are
_HALF_WIDTH, _ERROR_WIDTH = 1.6449, 1.96


@dataclass(frozen=True, eq=False)
class LatentConditions:
    """The latents under each condition, in standard deviations from their overall mean.

    Attributes:
        names: Names of the c conditions.
        counts: Number of rows of each condition, shape (c,); None for predictions.
        mean: Mean of each latent, shape (c, n).
        error: Half width of the 95 % confidence interval of the mean, shape (c, n); None for predictions.
        low: 5 % quantile, shape (c, n).
        high: 95 % quantile, shape (c, n).
        reference: Position of the condition without actions; None if it is not there.
        whole: Whether a condition is one setting of all actions; otherwise it is the values of one action, and the
            others vary.
        n_left_out: Number of rarer conditions that are left out.
        bands: The limits of the bands of each continuous action, in words.
    """

    names: tuple[str, ...]
    counts: NDArray[np.int64] | None
    mean: Array
    error: Array | None
    low: Array
    high: Array
    reference: int | None
    whole: bool
    n_left_out: int = 0
    bands: tuple[str, ...] = ()


def latents_by_condition(model: TrainedModel, sample: LatentSample) -> LatentConditions:
    """Return the latents under each condition of some rows.

    A condition is a setting of all actions, where a continuous action counts as not applied, or as one of three bands
    with equal numbers of rows. If such conditions with five rows or more hold less than half of the rows, or if some
    action is continuous and there are more than twelve of them, every action is looked at by itself.

    Args:
        model: The trained model.
        sample: Encoded rows with actions.

    Raises:
        DataError: If the rows have no actions.
    """
    if sample.actions is None:
        raise DataError("these rows have no actions, so they have no conditions")
    seen = [SeenAction.of(column) for column in sample.actions.T]
    if model.seen_actions is not None:
        seen = list(model.seen_actions.actions)
    bands = [
        _bands(name, action, column)
        for name, action, column in zip(model.action_names, seen, sample.actions.T, strict=True)
    ]
    latents = (sample.latents - sample.mean) / sample.deviation
    conditions, n_left_out = _whole_conditions(bands)
    rows_held = sum(int(selection.sum()) for _, selection in conditions)
    discrete = all(action.values is not None for action in seen)
    whole = rows_held >= _MIN_SHARE * len(latents) and (discrete or len(conditions) <= _MAX_BANDED)
    if not whole:
        conditions, n_left_out = _single_conditions(bands)
    limits = tuple(band.limits for band in bands if band.limits)
    return replace(_summarised(conditions, latents), whole=whole, n_left_out=n_left_out, bands=limits)


def predicted_latents(forecast: Forecast, settings: Settings, sample: LatentSample) -> LatentConditions:
    """Return what the model predicts for the latents under settings of the actions.

    Args:
        forecast: Predictions for the settings.
        settings: The settings; the first is the control.
        sample: Latents whose mean and standard deviation are the scale.
    """
    mean = (forecast.latent_mean - sample.mean) / sample.deviation
    half = _HALF_WIDTH * forecast.latent_standard_deviation / sample.deviation
    return LatentConditions(settings.names, None, mean, None, mean - half, mean + half, 0, True)


@dataclass(frozen=True, eq=False)
class _Bands:
    """The values of one action, as few codes.

    Attributes:
        codes: Code of every row, 0 where the action is not applied.
        names: Name of every code; that of 0 is empty.
        limits: The limits of its bands in words, if it is continuous.
    """

    codes: NDArray[np.int64]
    names: tuple[str, ...]
    limits: str = ""


def _bands(name: str, action: SeenAction, column: Array) -> _Bands:
    rests = action.values is not None or action.rests
    applied = action.is_applied(column) if rests else np.ones(len(column), dtype=bool)
    codes, names = np.zeros(len(column), dtype=np.int64), [""]
    values = np.unique(column[applied])
    if action.values is not None:
        for value in values.tolist():
            codes[column == value] = len(names)
            names.append(name if is_switch(action) else f"{name} = {value:.3g}")
        return _Bands(codes, tuple(names))
    if not len(values):
        return _Bands(codes, tuple(names))
    edges = np.quantile(column[applied], np.linspace(0, 1, len(_BANDS) + 1))
    codes[applied] = 1 + np.searchsorted(edges[1:-1], column[applied], side="left")
    limits = [f"{edge:.3g}" for edge in edges.tolist()]
    words = f"{name}: low is {limits[0]} to {limits[1]}, mid to {limits[2]}, high to {limits[3]}"
    return _Bands(codes, ("", *(f"{name} {band}" for band in _BANDS)), words)


def _whole_conditions(bands: Sequence[_Bands]) -> tuple[list[tuple[str, Selection]], int]:
    codes = np.stack([band.codes for band in bands], axis=1)
    distinct, inverse, counts = np.unique(codes, axis=0, return_inverse=True, return_counts=True)
    inverse = inverse.ravel()
    frequent = [k for k in np.argsort(-counts, kind="stable").tolist() if counts[k] >= _MIN_ROWS]
    # fewest actions first, and the first action first
    kept = sorted(
        frequent[:_MAX_CONDITIONS],
        key=lambda k: ((distinct[k] > 0).sum(), *(-(distinct[k] > 0).astype(int)), *distinct[k]),
    )
    conditions = [
        (
            " + ".join(band.names[code] for code, band in zip(distinct[k], bands, strict=True) if code)
            or "no action",
            inverse == k,
        )
        for k in kept
    ]
    return conditions, len(counts) - len(kept)


def _single_conditions(bands: Sequence[_Bands]) -> tuple[list[tuple[str, Selection]], int]:
    everything = [
        (name, band.codes == code) for band in bands for code, name in enumerate(band.names) if code
    ]
    frequent = [(name, selection) for name, selection in everything if selection.sum() >= _MIN_ROWS]
    return frequent[:_MAX_CONDITIONS], len(everything) - len(frequent[:_MAX_CONDITIONS])


def _summarised(conditions: list[tuple[str, Selection]], latents: Array) -> LatentConditions:
    groups = [latents[selection] for _, selection in conditions]
    shape = (len(groups), latents.shape[1])
    names = tuple(name for name, _ in conditions)

    def stacked(rows: list[Array]) -> Array:
        return np.array(rows, dtype=np.float64).reshape(shape)

    return LatentConditions(
        names,
        np.array([len(group) for group in groups], dtype=np.int64),
        stacked([group.mean(axis=0) for group in groups]),
        stacked([_ERROR_WIDTH * group.std(axis=0, ddof=1) / np.sqrt(len(group)) for group in groups]),
        stacked([np.quantile(group, 0.05, axis=0) for group in groups]),
        stacked([np.quantile(group, 0.95, axis=0) for group in groups]),
        names.index("no action") if "no action" in names else None,
        True,
    )
