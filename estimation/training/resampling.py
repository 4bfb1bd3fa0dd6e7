"""Effect sizes measured again on resampled rows, whose spread says how far the data determine them.

Efron's bootstrap (1979) with frozen encodings: the networks with all edges continue from their fitted weights on rows
drawn with replacement, and measure the effects on held-out rows. Rows of an episode are drawn together, because
consecutive pairs share a step (Kuensch 1989: the block bootstrap).
"""

from __future__ import annotations

import copy
from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from estimation.config.training import TrainingConfig
from estimation.models.elbo import profiled_gaussian
from estimation.training.encodings import Encodings
from estimation.training.measured_effects import MeasuredEffects
from estimation.training.transition_fitting import TransitionFitter
from estimation.unmixing.moments import effect_sizes

__all__ = ["N_RESAMPLES", "resampled_rows", "resampled_sizes", "resampling_units"]

#: Number of resamples.
N_RESAMPLES = 10
_STEPS = 40
_ROWS = 2_048
# fewer episodes are cut into blocks of consecutive rows, so that there is something to resample
_MIN_UNITS, _N_BLOCKS = 20, 50


def resampling_units(episodes: NDArray[np.int64] | None, n_rows: int) -> NDArray[np.int64]:
    """Return for each row the number of the unit that it is resampled with.

    A unit is an episode, or a row without episodes. Fewer than 20 episodes are cut into about 50 blocks of consecutive
    rows.

    Args:
        episodes: Episode of each row, whose rows are in time order, or None.
        n_rows: Number of rows.

    Example:
        >>> resampling_units(np.repeat(np.arange(20), 2), 40)[:6].tolist()
        [0, 0, 1, 1, 2, 2]
    """
    if episodes is None:
        return np.arange(n_rows)
    labels, episode_of_row = np.unique(episodes, return_inverse=True)
    if len(labels) >= _MIN_UNITS:
        return episode_of_row.astype(np.int64)
    order = np.argsort(episode_of_row, kind="stable")
    starts = np.searchsorted(episode_of_row[order], np.arange(len(labels)))
    position = np.empty(n_rows, dtype=np.int64)
    position[order] = np.arange(n_rows) - starts[episode_of_row[order]]
    blocks = position // -(-n_rows // _N_BLOCKS)
    return np.unique(np.stack([episode_of_row, blocks]), axis=1, return_inverse=True)[1].ravel()


def resampled_rows(units: NDArray[np.int64], seed: int, step: int) -> Iterator[NDArray[np.int64]]:
    """Yield row numbers of whole units, drawn with replacement, as many rows as there are.

    Args:
        units: Unit of each row, as `resampling_units` numbers them; of a part of the rows, some may be missing.
        seed: Seed of the run.
        step: Number of steps of training, which with the seed determines the rows.
    """
    rng = np.random.default_rng([seed, step, 2])
    labels, unit_of_row, counts = np.unique(units, return_inverse=True, return_counts=True)
    rows = np.argsort(unit_of_row, kind="stable")
    ends = np.cumsum(counts)
    for _ in range(N_RESAMPLES):
        drawn = rng.integers(len(labels), size=len(labels))
        if len(labels) == len(units):
            yield rows[drawn]
        else:
            parts = [rows[ends[unit] - counts[unit] : ends[unit]] for unit in drawn.tolist()]
            # units differ in length, and every resample has as many rows as there are
            yield np.resize(np.concatenate(parts), len(units))


def resampled_sizes(
    fitter: TransitionFitter,
    judged: Encodings,
    covariance: NDArray[np.float64],
    units: NDArray[np.int64],
    config: TrainingConfig,
) -> dict[str, NDArray[np.float64]]:
    """Return the sizes of all effects for each resample, and leave the networks as they were.

    Args:
        fitter: The model with fitted networks that have all edges, and the encoded training rows.
        judged: Held-out rows on which effects are measured.
        covariance: Covariance of the latents, shape (n, n), in whose deviations sizes are measured.
        units: Unit of each encoded training row, as `resampling_units` numbers them.
        config: Settings of the run.

    Returns:
        Sizes as `estimation.unmixing.moments.effect_sizes` gives them, by ``"actions"``, shape (R, n, columns), and
        ``"past"``, shape (R, n, n), where there are such effects.
    """
    model = fitter.model
    latents, actions = judged.latents[:_ROWS], None if judged.actions is None else judged.actions[:_ROWS]
    fitted = copy.deepcopy(model.networks.state_dict())
    measured: dict[str, list[NDArray[np.float64]]] = {"actions": [], "past": []}
    for rows in resampled_rows(units, config.seed, fitter.step):
        _refit_(fitter, torch.from_numpy(rows), config)
        effects = MeasuredEffects.of(model, latents, actions)
        sizes = effect_sizes(np.eye(len(covariance)), covariance, effects.actions, effects.past)
        for name, values in zip(measured, sizes, strict=True):
            measured[name] += [] if values is None else [values]
        model.networks.load_state_dict(fitted)
    return {name: np.stack(values) for name, values in measured.items() if values}


def _refit_(fitter: TransitionFitter, rows: Tensor, config: TrainingConfig) -> None:
    """Continue the fit of the networks on these rows, in place."""
    encodings = fitter.encodings

    def misfit(batch: Tensor) -> Tensor:
        chosen = rows.to(batch.device)[batch]
        residual = fitter.residual(encodings.latents[chosen], chosen)
        log_factor = residual.log_factor if config.profiled else None
        return profiled_gaussian(residual.value.square(), log_factor)[0].sum()

    fitter.minimise_(
        misfit,
        fitter.model.networks.parameters(),
        config.replace(optimizer="adam", learning_rate=3e-3),
        _STEPS,
    )
