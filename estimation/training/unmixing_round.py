"""A round of unmixing: change to the latent basis in which the mechanisms are sparsest, and keep the strongest edges.

After the dense stage the latents are known up to a nearly linear mixing. Transition networks with all edges, larger and
trained for longer than those of the model, are fitted to them and measure the mechanisms; `unmix` finds the linear map
that makes these sparsest. The map is folded into encoder and decoder, the strongest edges are kept, and new transition
networks are fitted to the unmixed latents before training continues. Later rounds repeat this on latents that training
with sparse mechanisms has improved.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from estimation.config.training import TrainingConfig
from estimation.exceptions import DataError
from estimation.models.sparse_vae import SparseVAE
from estimation.training.batches import Batches
from estimation.training.beyond_budget import clear_counts
from estimation.training.covariate_adjustment import remove_covariate_shifts_
from estimation.training.encodings import Encodings
from estimation.training.measured_effects import MeasuredEffects, fit_measuring_networks_, samples_of
from estimation.training.nonlinear_correction import CorrectedBasis, corrected_basis
from estimation.training.post_training import SINGULAR
from estimation.training.transition_fitting import TransitionFitter
from estimation.unmixing import (
    TOGETHER,
    Unmixing,
    edges_at_elbow,
    edges_at_penalty,
    left_open,
    mixed_latents,
    unmix,
)
from estimation.unmixing.information import MIN_VARIANCE_SHARE
from identify.exceptions import one_line
from identify.graph import CausalGraph

__all__ = ["unmixing_round_"]

Array = NDArray[np.float64]

_FITTING_STEPS = 300
_MAX_REASON_LENGTH = 200


def unmixing_round_(
    model: SparseVAE,
    batches: Batches,
    config: TrainingConfig,
    step: int,
    limits: Mapping[str, int],
    budget_factor: float | None = None,
    keep_clear: bool = False,
    first: Array | None = None,
) -> str:
    """Unmix the latents, in place, and keep the strongest edges.

    Args:
        model: Model with dense masks, or with those of an earlier round.
        batches: Batches of the training data.
        config: Seed, optimiser and sizes.
        step: Number of steps of training, which determines the rows and the noise.
        limits: Number of edges to keep, by mask; a mask without a limit stays dense.
        budget_factor: If given, the number of edges is estimated and multiplied by this factor, and ``limits`` are
            upper limits. With ``sparsity="penalty"`` those edges are counted that reduce the loss by more than the
            penalty, otherwise those before the elbow of the likelihood.
        keep_clear: Whether to keep edges beyond the limits if their effects are clear. If the number is estimated, such
            edges beyond it are kept within the limits.
        first: Basis of the latents, as rows, from which the search starts instead of from random ones, shape (n, n).

    Returns:
        A note for the history.
    """
    first_round = all(edges.dense for edges in model.edges.values())
    allowed = None if first_round else _left_open(model)
    remove_covariate_shifts_(model, batches, step)
    encodings = Encodings.of(model, batches, step)
    latents, actions = encodings.latents, encodings.actions
    fitter = TransitionFitter(model, encodings, step)
    # the strengths of removed edges are measured again
    for edges in model.edges.values():
        edges.make_dense_()
    fit_measuring_networks_(fitter, latents, config)
    effects, samples = MeasuredEffects.of(model, latents, actions), samples_of(model, latents, actions)
    price = config.penalty * model.shape.n_observed if config.sparsity == "penalty" else None

    unmixing = unmix(
        effects.actions,
        effects.past,
        effects.covariance,
        config.seed,
        noise=encodings.noise(),
        residual=effects.residual,
        edges=None if first_round else _counting(effects, limits, budget_factor, price, keep_clear),
        # beside a basis that the means have chosen, nothing else is measured
        samples=samples if first is None else None,
        first=first,
    )
    information = {"actions": unmixing.information, "past": unmixing.past_information}
    informed = [name for name, values in information.items() if values is not None]
    if unmixing.variance_share > MIN_VARIANCE_SHARE and config.variance == "profiled":
        model.vary_variances_()
    matrix = torch.from_numpy(unmixing.matrix).to(latents)
    offset = -matrix @ latents.flatten(0, 1).mean(0)
    latents = latents @ matrix.T + offset
    # a basis that a later round changes again is as doubtful as the first one
    is_new = first_round or bool(_changed_latents(unmixing, effects.covariance, allowed))
    corrected, refused = None, ""
    if is_new and not informed:
        corrected, refused = _corrected(model, encodings, latents, config, step)
    if corrected is not None:
        latents, matrix, offset = corrected.latents, corrected.matrix, corrected.offset
    strengths = {"actions": unmixing.action_strengths, "past": unmixing.past_strengths}
    basis = unmixing.matrix
    if corrected is not None or (first_round and (not informed or model.shape.past)):
        # networks of mixed latents miss part of the mechanism of a single latent
        fit_measuring_networks_(fitter, latents, config)
        effects, basis = MeasuredEffects.of(model, latents, actions), np.eye(len(basis))
        strengths = effects.strengths() | {name: strengths[name] for name in informed}
    upper = dict(limits)
    if budget_factor is not None:
        counts = effects.edge_counts(basis, budget_factor, limits, price)
        limits = counts | _informative_edges(information, budget_factor, limits, price)
    if keep_clear and not informed:
        moved = np.arange(len(basis)) < len(basis) - len(unmixing.unconstrained)
        measured = {name: sizes for name, sizes in strengths.items() if sizes is not None}
        limits = clear_counts(measured, limits, moved)
        if budget_factor is not None:
            limits = _within(limits, upper)
    _keep_strongest_(model, strengths, limits)
    # the model's latents are those of the linear map
    fitter.fit_(
        encodings.latents @ matrix.T + offset if corrected is not None else latents, config, _FITTING_STEPS
    )
    model.change_basis_(matrix, offset)
    kept = ", ".join(f"{limit} edges of {name}" for name, limit in limits.items())
    note = f"unmixed after {step} steps: objective {unmixing.objective:.4g}, {kept} kept"
    if corrected is not None:
        note += f"; replaced by the basis after a nonlinear correction, sparser by {corrected.difference:.3g}"
    return f"{note}{refused}{_note_on_information(unmixing)}"


def _corrected(
    model: SparseVAE, encodings: Encodings, unmixed: Tensor, config: TrainingConfig, step: int
) -> tuple[CorrectedBasis | None, str]:
    """Return a sparser basis of corrected latents, if there is one, and what the note says if it can't be found out."""
    try:
        return corrected_basis(model, encodings, unmixed, config, step), ""
    except (DataError, np.linalg.LinAlgError, SINGULAR) as error:
        return None, f"; not checked by a nonlinear correction: {one_line(error, _MAX_REASON_LENGTH)}"


def _left_open(model: SparseVAE) -> NDArray[np.bool_]:
    """Return which latents may mix with which according to the edges, shape (n, n)."""
    matrices = {name: edges.support().cpu().numpy() for name, edges in model.edges.items()}
    return left_open(CausalGraph(Gz=matrices.get("past"), Ga=matrices.get("actions")))


def _changed_latents(
    unmixing: Unmixing, covariance: Array, allowed: NDArray[np.bool_] | None
) -> tuple[int, ...]:
    """Return the present latents that a basis mixes, though the edges don't leave that open."""
    n_moved = len(unmixing.matrix) - len(unmixing.unconstrained)
    return mixed_latents(unmixing.matrix[:n_moved], covariance, allowed)


def _note_on_information(unmixing: Unmixing) -> str:
    """Return what the note says if actions change more than means."""
    measured = {"actions": unmixing.information, "past latents": unmixing.past_information}
    causes = " and ".join(name for name, values in measured.items() if values is not None)
    if not causes:
        return ""
    what = "variances" if unmixing.variance_share > MIN_VARIANCE_SHARE else "shapes of distributions"
    return f"; by effects on {what} too, since {causes} don't move the mean of every direction"


def _informative_edges(
    information: Mapping[str, Array | None],
    budget_factor: float,
    limits: Mapping[str, int],
    price: float | None,
) -> dict[str, int]:
    """Estimate the number of edges from the information of every cause about every latent, as `edge_counts` does."""
    counts = {}
    for name, values in information.items():
        if values is not None:
            gains = np.sort(values.ravel())[::-1]
            curve = -np.concatenate([[0.0], np.cumsum(gains)])
            estimate = edges_at_elbow(curve) if price is None else edges_at_penalty(curve, price)
            counts[name] = min(round(budget_factor * estimate), len(gains), limits.get(name, len(gains)))
    return counts


def _counting(
    effects: MeasuredEffects,
    limits: Mapping[str, int],
    budget_factor: float | None,
    price: float | None,
    keep_clear: bool,
) -> Callable[[Array], Mapping[str, int]]:
    """Return a function that says with how many edges bases are compared; arguments as in `unmixing_round_`."""

    def counted(basis: Array) -> Mapping[str, int]:
        counts: Mapping[str, int] = limits
        if budget_factor is not None:
            counts = effects.edge_counts(basis, budget_factor, limits, price)
        if keep_clear:
            # with fewer edges than there are, a wrong basis that spreads weak effects over latents may be likelier
            counts = clear_counts(effects.in_basis(basis), counts)
        if budget_factor is None:
            return counts
        # without limits, another basis may have more edges of one kind and fewer of the other
        is_joint = len(counts) > 1 and not limits
        return {TOGETHER: sum(counts.values())} if is_joint else _within(counts, limits)

    return counted


def _within(counts: Mapping[str, int], limits: Mapping[str, int]) -> dict[str, int]:
    return {name: min(count, limits.get(name, count)) for name, count in counts.items()}


def _keep_strongest_(
    model: SparseVAE, strengths: Mapping[str, Array | None], limits: Mapping[str, int]
) -> None:
    for name, edges in model.edges.items():
        sizes = strengths[name]
        if name in limits and sizes is not None:
            edges.keep_strongest_(torch.from_numpy(sizes), limits[name])
