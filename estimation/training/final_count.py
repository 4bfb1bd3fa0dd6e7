"""The number of edges, counted once more on the final latents if it isn't given.

The last round of unmixing counts edges on latents that later steps and the flow improve, and by a likelihood, whose
elbow comes too early if few edges explain most of the variance. On the final latents effects that are there stand out
from those that are not, with a gap between them. So after the last step the edges are those above this gap.

The networks' errors look like effects. We therefore fit networks to two halves of the rows. The product of the effects
that both measure is free of these errors on average, because they are independent; its mean is the mean square effect
(sample splitting, or cross-fitting: Chernozhukov et al. 2018, "Double/debiased machine learning"). (Ours.)
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
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
from estimation.training.post_training import SINGULAR, fit_transition_
from estimation.training.resampling import resampling_units
from estimation.training.transition_fitting import TransitionFitter
from estimation.unmixing import moves_all_means
from estimation.unmixing.moments import CLEAR_EFFECT, MIN_EFFECT, relative_sizes
from identify.exceptions import one_line
from identify.wording import plural

__all__ = ["count_edges_again_", "edges_above_gap"]

Array = NDArray[np.float64]

_ROWS = 65_536
# with fewer rows in a half nothing can be measured
_MIN_ROWS = 2
# relative effects between which the gap is sought: larger ones are edges, and smaller ones are none
_LOW, _HIGH = 0.06, CLEAR_EFFECT
# a latent whose largest effect is a smaller share of the others' has no parents, and its effects are noise
_MIN_UNIT = 0.2
_MAX_REASON_LENGTH = 200


def edges_above_gap(relative: Mapping[str, Array]) -> dict[str, NDArray[np.bool_]]:
    """Return which effects are edges: those above the widest gap, on a logarithmic scale.

    The gap is sought between 0.06 and 0.35; of equally wide ones the upper one counts.

    Args:
        relative: Effects by kind of cause, relative to the largest one on the same latent.

    Example:
        >>> edges_above_gap({"actions": np.array([[1.0, 0.02, 0.3], [0.08, 1.0, 0.04]])})["actions"].tolist()
        [[True, False, True], [False, True, False]]
    """
    sizes = np.concatenate([values.ravel() for values in relative.values()])
    between = np.sort(sizes[(sizes > _LOW) & (sizes < _HIGH)])
    ends = np.log(np.concatenate([[_LOW], between, [_HIGH]]))
    widths = np.diff(ends)
    upper = len(widths) - 1 - int(widths[::-1].argmax())
    limit = np.exp((ends[upper] + ends[upper + 1]) / 2)
    return {kind: values >= limit for kind, values in relative.items()}


def count_edges_again_(
    model: SparseVAE, batches: Batches, config: TrainingConfig, step: int, limits: Mapping[str, int]
) -> str | None:
    """Estimate the number of edges, keep as many, and fit the transition to them, in place.

    Args:
        model: Model with frozen edges.
        batches: Batches of the training data.
        config: Optimiser and seed.
        step: Number of steps of training, which determines the rows.
        limits: Upper limits of the numbers of edges, by mask.

    Returns:
        A note for the history; None if the edges stay the same, which they do if causes change more than means.
    """
    # without a round of unmixing, nothing has chosen edges
    if all(masks.dense for masks in model.edges.values()):
        return None
    try:
        relative = _relative_sizes(model, batches, config, step)
    except (DataError, np.linalg.LinAlgError, SINGULAR) as error:
        return f"edges not counted again after {step} steps: {one_line(error, _MAX_REASON_LENGTH)}"
    if relative is None:
        return None
    changes = _keep_edges_(model, relative, limits)
    if not changes:
        return None
    note = f"edges counted again after {step} steps: {', '.join(changes)}"
    try:
        fit_transition_(model, batches, config, step)
    except SINGULAR as error:
        note += f"; the transition was not fitted to them: {one_line(error, _MAX_REASON_LENGTH)}"
    return note


def _keep_edges_(model: SparseVAE, relative: Mapping[str, Array], limits: Mapping[str, int]) -> list[str]:
    """Keep the edges above the gap, as many as the limits allow, and return what has changed."""
    changes, edges = [], edges_above_gap(relative)
    for name, sizes in relative.items():
        masks = model.edges[name]
        columns, before = masks.sparse_columns, masks.support()
        logits = torch.zeros_like(masks.logits)
        logits[:, columns] = torch.from_numpy(sizes).clamp_min(MIN_EFFECT).log().to(logits)
        masks.start_sampling_(logits)
        masks.freeze_(min(int(edges[name].sum()), limits.get(name, masks.n_sparse)))
        if not torch.equal(masks.support(), before):
            counts = [int(support[:, columns].sum()) for support in (before, masks.support())]
            changes.append(f"{plural(counts[1], 'edge')} of {name} instead of {counts[0]}")
    return changes


def _relative_sizes(
    model: SparseVAE, batches: Batches, config: TrainingConfig, step: int
) -> dict[str, Array] | None:
    """Return effects relative to the largest one on the same latent, by mask.

    Returns:
        Sizes of shape (n, columns) or (n, n); None if causes change more than means, if no active latent has a parent,
        or with a single episode or row.
    """
    encodings = Encodings.of(model, batches, step, _ROWS)
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
    sizes = _common_sizes(first, second, active)
    every = [np.ones(size.shape, dtype=bool) for size in sizes.values()]
    relative = relative_sizes(list(sizes.values()), every, active, _MIN_UNIT)
    return None if relative is None else dict(zip(sizes, relative, strict=True))


def _measured_on(
    model: SparseVAE, encodings: Encodings, part: Encodings, config: TrainingConfig, step: int
) -> MeasuredEffects:
    """Return the effects in all rows by networks that are fitted, in place, to a part of them."""
    fit_measuring_networks_(TransitionFitter(model, part, step), part.latents, config)
    return MeasuredEffects.of(model, encodings.latents, encodings.actions)


def _common_sizes(
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
