"""Effects on the final latents, measured by networks that are fitted to two halves of the rows.

The errors of a network look like effects, the more so the larger the noise of the latents. The product of the effects
that two networks measure is free of these errors on average, because they are independent; its mean is the mean square
effect (sample splitting, or cross-fitting: Chernozhukov et al. 2018, "Double/debiased machine learning").
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from estimation.config.training import TrainingConfig
from estimation.models.sparse_vae import SparseVAE
from estimation.training.batches import Batches
from estimation.training.encodings import Encodings
from estimation.training.measured_effects import (
    MeasuredEffects,
    borrowed,
    fit_measuring_networks_,
    samples_of,
)
from estimation.training.resampling import resampling_units
from estimation.training.transition_fitting import TransitionFitter
from estimation.unmixing import moves_all_means
from estimation.unmixing.moments import MIN_EFFECT, relative_sizes

__all__ = ["MIN_RELATIVE", "FinalEffects", "common_sizes", "measure_final_effects"]

Array = NDArray[np.float64]

#: Smaller effects, relative to the largest one on the same latent, are errors.
MIN_RELATIVE = 0.06
# rows to which networks are fitted; and rows on which effects are measured, which takes as long with more
_ROWS, _JUDGED_ROWS = 65_536, 8_192
# with fewer rows in a half nothing can be measured
_MIN_ROWS = 2
# a latent whose largest effect is a smaller share of the others' has no parents, and its effects are noise
_MIN_UNIT = 0.2


@dataclass(frozen=True, eq=False)
class FinalEffects:
    """Effects on the final latents.

    Attributes:
        sizes: Root mean square effects in units of the latents' standard deviations, by mask, of sparse columns only:
            shapes (n, columns) and (n, n). Those of and on collapsed latents count as absent.
        relative: The same relative to the largest effect on the same latent; on a latent without parents, relative to
            the median of these.
        residual: Standard deviations of the transition's residuals in the same units, shape (n,).
    """

    sizes: Mapping[str, Array]
    relative: Mapping[str, Array]
    residual: Array


def measure_final_effects(
    model: SparseVAE, batches: Batches, config: TrainingConfig, step: int, max_rows: int = _ROWS
) -> FinalEffects | None:
    """Measure the effects; the model stays as it is.

    Args:
        model: The model after its last step.
        batches: Batches of the training data.
        config: Optimiser and seed.
        step: Number of steps of training, which determines the rows.
        max_rows: Largest number of rows that are used.

    Returns:
        The effects; None if causes change more than means, if no active latent has a parent, or with a single episode
        or row.

    Raises:
        DataError: If effects are not finite.
        numpy.linalg.LinAlgError: If latents or residuals don't vary at all.
    """
    encodings = Encodings.of(model, batches, step, max_rows)
    assert encodings.numbers is not None
    units = resampling_units(batches.episodes, batches.n_rows)[encodings.numbers]
    half = np.unique(units, return_inverse=True)[1].ravel() % 2
    if min(np.bincount(half, minlength=2)) < _MIN_ROWS:
        return None
    with borrowed(model):
        for masks in model.edges.values():
            masks.make_dense_()
        first, second = (
            _measured_on(
                model, encodings, encodings.part(np.flatnonzero(half == number)), config, step + number
            )
            for number in (1, 0)
        )
        samples = samples_of(model, encodings.latents, encodings.actions)
    if not moves_all_means(
        second.actions,
        second.past,
        second.covariance,
        noise=encodings.noise(),
        residual=second.residual,
        samples=samples,
        seed=config.seed,
    ):
        return None
    active = encodings.active_latents().cpu().numpy()
    sizes = common_sizes(first, second, active)
    every = [np.ones(size.shape, dtype=bool) for size in sizes.values()]
    relative = relative_sizes(list(sizes.values()), every, active, _MIN_UNIT)
    if relative is None:
        return None
    residual = np.sqrt(np.diag(second.residual) / np.diag(second.covariance))
    return FinalEffects(sizes, dict(zip(sizes, relative, strict=True)), residual)


def _measured_on(
    model: SparseVAE, encodings: Encodings, part: Encodings, config: TrainingConfig, step: int
) -> MeasuredEffects:
    """Return the effects by networks that are fitted, in place, to a part of them."""
    fit_measuring_networks_(TransitionFitter(model, part, step), part.latents, config)
    judged = encodings.first(_JUDGED_ROWS)
    return MeasuredEffects.of(model, judged.latents, judged.actions)


def common_sizes(
    first: MeasuredEffects, second: MeasuredEffects, active: NDArray[np.bool_]
) -> dict[str, Array]:
    """Return root mean square effects that two measurements have in common, by mask, as `effect_sizes` scales them.

    Args:
        first: Effects on the same rows as those of the other measurement.
        second: The other measurement, by networks that were fitted to other rows.
        active: Latents that have not collapsed, shape (n,). Effects of and on the others count as absent.
    """
    variances, sizes = np.diag(first.covariance), {}
    if first.actions is not None and second.actions is not None:
        squares = (first.actions * second.actions).mean(0) / variances[:, None]
        sizes["actions"] = np.where(active[:, None], squares, 0)
    if first.past is not None and second.past is not None:
        squares = (first.past * second.past).mean(0) * variances / variances[:, None]
        sizes["past"] = np.where(np.outer(active, active), squares, 0)
    return {name: np.sqrt(squares.clip(MIN_EFFECT**2)) for name, squares in sizes.items()}
