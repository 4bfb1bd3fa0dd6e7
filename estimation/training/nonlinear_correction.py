"""A check of a new basis by a nonlinear correction of the latents.

Unmixing is linear. At the end of the dense stage the latents may be a nonlinear mixing of the true ones: if some
observed dimensions are nonlinear functions of the latents (saturated sensors, products), encoder and decoder settle on
such a mixing at first, and it becomes linear only slowly. The sparsest linear basis can then be a wrong one. We
therefore fit a flow to the encodings, together with networks that have all edges. Its objective is the likelihood of
latents whose noise doesn't depend on their values, which makes the mixing nearly linear. If the basis found before is
not the sparsest one of the corrected latents, it is replaced by the linear map of the uncorrected latents that comes
closest to the sparsest one. (Ours.)
"""

from __future__ import annotations

import copy
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from estimation.config.training import TrainingConfig
from estimation.models.flow import ResidualFlow
from estimation.models.sparse_vae import SparseVAE
from estimation.training.encodings import Encodings
from estimation.training.flow_fitting import fit_flow_
from estimation.training.measured_effects import MeasuredEffects, borrowed
from estimation.unmixing import rival_bases

__all__ = ["CorrectedBasis", "corrected_basis"]

Array = NDArray[np.float64]

_N_BLOCKS, _WIDTH = 8, 64
# a flow of so many blocks diverges with the rate of training
_MAX_RATE = 3e-3
# the first steps of the flow show whether the mixing is nonlinear, and only then it takes the others; both are a share
# of the steps of the run, up to a number
_FIRST_SHARE, _MAX_FIRST_STEPS = 1 / 16, 300
_SHARE, _MAX_STEPS = 1 / 3, 1_600
# share of the variance of a corrected latent that no linear map of the uncorrected ones explains: 0.01 and 0.04 in two
# published processes, where the basis stood, and 0.08 and 0.11 in light tunnels, where it was wrong
_MIN_NONLINEARITY = 0.06
# share of its penalty by which another basis must be sparser: in the light tunnel it was 0.03 and 0.05, and 0.002 in a
# published process where the other basis was no better
_MIN_DIFFERENCE = 0.02


@dataclass(frozen=True, eq=False)
class CorrectedBasis:
    """A sparser basis, found after a nonlinear correction of the latents.

    Attributes:
        latents: The corrected latents in this basis, shape (rows, T, n).
        matrix: The linear map of the uncorrected latents that comes closest to it, shape (n, n).
        offset: Its offset, shape (n,).
        difference: By how much the basis is sparser than the one found before.
    """

    latents: Tensor
    matrix: Tensor
    offset: Tensor
    difference: float


def corrected_basis(
    model: SparseVAE, encodings: Encodings, unmixed: Tensor, config: TrainingConfig, step: int
) -> CorrectedBasis | None:
    """Return a sparser basis of the corrected latents; None if the basis found before is the sparsest of these too.

    Args:
        model: Model with dense masks, and networks that are fitted to the encodings; it stays as it is.
        encodings: Encoded rows.
        unmixed: Their latents in the basis found before, shape (rows, T, n).
        config: Optimiser and seed.
        step: Number of steps of training.

    Raises:
        DataError: If effects of the corrected latents are not finite.
        numpy.linalg.LinAlgError: If the flow diverges, so that equations have no solution.
        torch.linalg.LinAlgError: In the same case.
    """
    active = encodings.active_latents()
    if not bool(active.all()) or len(active) < 2:
        return None
    with borrowed(model):
        _insert_flow_(model, encodings, config)
        _fit_(model, encodings, config, step, min(int(_FIRST_SHARE * config.steps), _MAX_FIRST_STEPS))
        if _nonlinearity(encodings, encodings.after(model.flow)) < _MIN_NONLINEARITY:
            return None
        _fit_(model, encodings, config, step, min(int(_SHARE * config.steps), _MAX_STEPS))
        corrected = encodings.after(model.flow)
        effects = MeasuredEffects.of(model, corrected.latents, corrected.actions)
    given = _least_squares(corrected.latents, unmixed)[0].double().cpu().numpy()
    found = rival_bases(
        None if effects.actions is None else given @ effects.actions,
        None if effects.past is None else given @ effects.past @ np.linalg.inv(given),
        given @ effects.covariance @ given.T,
        given @ effects.residual @ given.T,
        seed=config.seed,
    )
    best = min(found.others, key=lambda basis: basis.penalty, default=found.own)
    difference = found.own.penalty - best.penalty
    if difference < _MIN_DIFFERENCE * abs(found.own.penalty):
        return None
    matrix = torch.from_numpy(best.matrix @ given).to(corrected.latents)
    latents = corrected.latents @ matrix.T
    latents = latents - latents.flatten(0, 1).mean(0)
    return CorrectedBasis(latents, *_least_squares(encodings.latents, latents), difference)


def _insert_flow_(model: SparseVAE, encodings: Encodings, config: TrainingConfig) -> None:
    """Put a new flow, the identity, after the encoder, and a copy in place of the networks."""
    generator = torch.Generator().manual_seed(config.seed)
    model.flow = ResidualFlow(model.shape.n_latents, _N_BLOCKS, _WIDTH, generator).to(encodings.latents)
    model.networks = copy.deepcopy(model.networks)
    model.flow.activate_()


def _fit_(model: SparseVAE, encodings: Encodings, config: TrainingConfig, step: int, n_steps: int) -> None:
    """Fit flow and networks to encodings, in place."""
    slower = config.replace(learning_rate=min(config.learning_rate, _MAX_RATE))
    fit_flow_(model, encodings, slower, step, max_steps=n_steps)


def _nonlinearity(encodings: Encodings, corrected: Encodings) -> float:
    """Return the largest share of a corrected latent's variance that no linear map of the encodings explains."""
    matrix, offset = _least_squares(encodings.latents, corrected.latents)
    targets = corrected.latents.flatten(0, 1)
    residual = targets - encodings.latents.flatten(0, 1) @ matrix.T - offset
    return float((residual.var(0) / targets.var(0)).max())


def _least_squares(latents: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Return the matrix and the offset of the linear map of latents that comes closest to targets."""
    inputs, outputs = latents.flatten(0, 1).double(), targets.flatten(0, 1).double()
    inputs = torch.cat([inputs, torch.ones_like(inputs[:, :1])], dim=1)
    coefficients = torch.linalg.lstsq(inputs, outputs).solution.to(latents)
    return coefficients[:-1].T, coefficients[-1]
