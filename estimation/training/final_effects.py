"""Effects on the final latents, measured by networks that are fitted to two halves of the rows.

The errors of a network look like effects, the more so the larger the noise of the latents. The product of the effects
that two networks measure has no contribution from these errors in expectation, because they are independent; its mean
estimates the mean square effect (sample splitting, or cross-fitting: Chernozhukov et al. 2018, "Double/debiased machine
learning"). The difference of the two measures the errors.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from estimation.config.training import TrainingConfig
from estimation.exceptions import DataError
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
# with fewer rows in a half, too little can be measured
_MIN_ROWS = 500
# a latent whose largest effect is a smaller share of the others' has no parents, and its effects are noise
_MIN_UNIT = 0.2
# effects are clear of the networks' errors if they are larger than this share of them: the product of two smooth errors
# with few degrees of freedom may be as large as half of their squares
_MIN_SIGNAL = 0.75


@dataclass(frozen=True, eq=False)
class FinalEffects:
    """Effects on the final latents, by mask, of sparse columns only: shapes (n, columns) and (n, n).

    Attributes:
        sizes: Root mean square effects in units of the latents' standard deviations. Those of and on collapsed latents
            count as absent.
        relative: The same relative to the largest clear effect on the same latent; on a latent without any, relative to
            the median of these.
        clear: Which effects are clear of the networks' errors.
        residual: Standard deviations of the transition's residuals in the same units, shape (n,).
    """

    sizes: Mapping[str, Array]
    relative: Mapping[str, Array]
    clear: Mapping[str, NDArray[np.bool_]]
    residual: Array

    def strengths(self, name: str, past: bool) -> Array:
        """Return what ranks the edges of a mask: without a past in units of the residual, as in a round of unmixing."""
        return self.sizes[name] if past else self.sizes[name] / np.maximum(self.residual, MIN_EFFECT)[:, None]


def measure_final_effects(
    model: SparseVAE, batches: Batches, config: TrainingConfig, step: int, max_rows: int = _ROWS
) -> FinalEffects | None:
    """Measure the effects; the model stays as it is.

    Args:
        model: The model after its last step, with edges.
        batches: Batches of the training data.
        config: Optimiser and seed.
        step: Number of steps of training, which determines the rows and their halves.
        max_rows: Largest number of rows that are used.

    Returns:
        The effects; None if causes change more than means, if no active latent has a clear effect, or if one half has
        fewer than 500 rows.

    Raises:
        DataError: If effects are not finite.
        numpy.linalg.LinAlgError: If latents or residuals don't vary at all.
    """
    encodings = Encodings.of(model, batches, step, max_rows)
    assert encodings.numbers is not None
    units = resampling_units(batches.episodes, batches.n_rows)[encodings.numbers]
    half = _halves(units, np.random.default_rng([config.seed, step, 3]))
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
    sizes, errors = common_sizes(first, second, active)
    clear = {name: size > np.maximum(_MIN_SIGNAL * errors[name], MIN_EFFECT) for name, size in sizes.items()}
    relative = relative_sizes(list(sizes.values()), list(clear.values()), active, _MIN_UNIT)
    if relative is None:
        return None
    residual = np.sqrt(np.diag(second.residual) / np.diag(second.covariance))
    return FinalEffects(sizes, dict(zip(sizes, relative, strict=True)), clear, residual)


def _halves(units: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64]:
    """Return 0 or 1 for each row, at random, the same for all rows of a unit."""
    labels, number = np.unique(units, return_inverse=True)
    return np.asarray(rng.permutation(np.arange(len(labels)) % 2)[number.ravel()])


def _measured_on(
    model: SparseVAE, encodings: Encodings, part: Encodings, config: TrainingConfig, step: int
) -> MeasuredEffects:
    """Return the effects by networks that are fitted, in place, to a part of them."""
    fit_measuring_networks_(TransitionFitter(model, part, step), part.latents, config)
    judged = encodings.first(_JUDGED_ROWS)
    return MeasuredEffects.of(model, judged.latents, judged.actions)


def common_sizes(
    first: MeasuredEffects, second: MeasuredEffects, active: NDArray[np.bool_]
) -> tuple[dict[str, Array], dict[str, Array]]:
    """Return the effects that two measurements have in common, and the errors of each, by mask.

    Args:
        first: Effects on the same rows as those of the other measurement.
        second: The other measurement, by networks that were fitted to other rows.
        active: Latents that have not collapsed, shape (n,). Effects of and on the others count as absent.

    Returns:
        Root mean square effects, and root mean square errors, both scaled as by `effect_sizes`.

    Raises:
        DataError: If an entry is not finite.
    """
    variances, squares, errors = np.diag(first.covariance), {}, {}
    for name, one, other in (("actions", first.actions, second.actions), ("past", first.past, second.past)):
        if one is None or other is None:
            continue
        if not (np.isfinite(one).all() and np.isfinite(other).all()):
            raise DataError("effects hold an entry that is not finite")
        present, unit = active[:, None], 1 / variances[:, None]
        if name == "past":
            present, unit = np.outer(active, active), variances / variances[:, None]
        squares[name] = np.where(present, (one * other).mean(0) * unit, 0)
        errors[name] = np.where(present, ((one - other) ** 2).mean(0) / 2 * unit, 0)
    return (
        {name: np.sqrt(values.clip(MIN_EFFECT**2)) for name, values in squares.items()},
        {name: np.sqrt(values) for name, values in errors.items()},
    )
