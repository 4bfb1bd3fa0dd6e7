"""Fitting of the flow together with the transition: a nonlinear correction of the latents.

With y = h(z) for the flow h, the encoded latents z of a row, and f the mean of the transition, ::

    r = y^t - f(y^(t-1), a)             residual of the transition
    v_i = own_i exp(g_i) + share_i s_i  its variance: noise of the latent, state-dependent if g is profiled, and
    s_i = sum over t of (J S J^T)_ii    uncertainty of the latents, S the posterior's covariance, J the Jacobian of h

    loss = sum_i (log v_i + r_i^2 / v_i) / 2  -  sum over t of log |det J|  ( + |y^0|^2 / 2 with a past )

which is the negative log-likelihood of z, up to a constant; with the noise of `estimation.models.noise`, r / sqrt(v)
follows the density of the spline instead of the Gaussian. Encodings far from the mean are less certain than those
near it. One variance for all rows would therefore reward a flow that makes all encodings equally uncertain.

With share_i > 0, v_i depends on the latents themselves, and the loss is not a likelihood any more. Under flexible noise
a flow exploits that: it mixed latents whose shapes change. The noise of such latents is much larger than the
uncertainty of their encodings, since its shape can be measured, so the loss without the share is their likelihood.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from estimation.config.training import TrainingConfig
from estimation.device import CPU_FLOAT32
from estimation.models.elbo import spline_misfit
from estimation.models.sparse_vae import SparseVAE
from estimation.models.transitions import TransitionResidual
from estimation.training.encodings import Encodings
from estimation.training.transition_fitting import TransitionFitter

__all__ = ["fit_flow_"]

_MAX_STEPS = 1_500
_BATCH_SIZE = 512
# initial standard deviation of a latent's noise, in the unit of the latents
_INITIAL_DEVIATION = 0.1


def fit_flow_(
    model: SparseVAE,
    encodings: Encodings,
    config: TrainingConfig,
    step: int,
    likelihood: bool = False,
    max_steps: int = _MAX_STEPS,
) -> None:
    """Fit the active flow of a model, and its transition networks from their present weights, in place.

    Args:
        model: Model with frozen edges.
        encodings: Encoded rows, before the flow.
        config: Optimiser and seed.
        step: Number of steps of training, which determines the batches.
        likelihood: Whether to leave out the share of the encodings' uncertainty, so that the loss is the likelihood of
            the encodings.
        max_steps: Largest number of steps.
    """
    fitter = TransitionFitter(model, encodings, step)
    noise = _Noise(model.shape.n_latents, with_share=not likelihood).to(encodings.latents)
    flexible = model.noise is not None and model.noise.active
    if flexible:
        # the splines have been fitted to residuals in the unit of these variances
        noise.own.data.copy_(model.log_variance_z)

    def misfit(rows: Tensor) -> Tensor:
        latents, factors = encodings.latents[rows], encodings.factors[rows]
        corrected, jacobian, log_det = model.flow.with_jacobian(latents.flatten(0, 1))
        uncertainty = (jacobian @ factors.flatten(0, 1)).square().sum(-1).view_as(latents).sum(1)
        corrected = corrected.view_as(latents)
        residual = fitter.residual(corrected, rows)
        log_factor = residual.log_factor if config.profiled or flexible else None
        loss: Tensor = noise(residual, uncertainty, log_factor) - latents.shape[1] * log_det.mean()
        if model.shape.past:
            loss = loss + 0.5 * corrected[:, 0].square().sum(1).mean()
        return loss

    parameters = [*model.flow.parameters(), *model.networks.parameters(), *noise.parameters()]
    if model.noise is not None and model.noise.active:
        parameters.extend(model.noise.parameters())
    fitter.minimise_(misfit, parameters, config, max_steps, _BATCH_SIZE)


class _Noise(nn.Module):
    """The variances v: logarithms of ``own`` and of ``share``, one of each per latent; ``share`` is None for 0."""

    def __init__(self, n_latents: int, with_share: bool) -> None:
        super().__init__()
        log_variance = 2 * math.log(_INITIAL_DEVIATION)
        self.own = nn.Parameter(torch.full((n_latents,), log_variance, **CPU_FLOAT32))
        self.share = nn.Parameter(torch.zeros(n_latents, **CPU_FLOAT32)) if with_share else None

    def forward(self, residual: TransitionResidual, uncertainty: Tensor, log_factor: Tensor | None) -> Tensor:
        """Return the negative log-likelihood of residuals, averaged over rows; tensors have shape (B, n)."""
        own = self.own if log_factor is None else self.own + log_factor
        variance = own.exp() + (0 if self.share is None else self.share.exp() * uncertainty)
        loss: Tensor = 0.5 * (residual.value.square() / variance + variance.log()).sum(1).mean()
        if residual.spline is not None:
            loss = loss + spline_misfit(residual.spline, (residual.value / variance.sqrt())[None]).sum()
        return loss
