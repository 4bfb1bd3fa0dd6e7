"""The flow fitted together with the transition: latents that are straight make what the transition leaves over likely.

With y = h(z) for the flow h, the encoded latents z of a row, and f the transition, ::

    r = y^t - f(y^(t-1), a)             what it leaves over
    v_i = own_i + share_i s_i           its variance: noise of the latent's own, and
    s_i = sum over t of (J S J^T)_ii    what is not known of the latents, S the posterior's covariance, J that of h

    loss = sum_i (log v_i + r_i^2 / v_i) / 2  -  sum over t of log |det J|  ( + |y^0|^2 / 2 with a past )

which is the negative log-likelihood of z, up to a constant. Encodings are less certain far out than near the middle. If
all rows had the same variance, it would pay to bend the latents until they are equally uncertain everywhere.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from estimation.config.training import TrainingConfig
from estimation.device import CPU_FLOAT32
from estimation.models.sparse_vae import SparseVAE
from estimation.training.encodings import Encodings
from estimation.training.fitting import Fitting

__all__ = ["fit_flow_"]

_STEPS = 1_500
_BATCH = 512
# of a latent's own noise, in the unit of the latents
_FIRST_DEVIATION = 0.1


def fit_flow_(model: SparseVAE, encodings: Encodings, config: TrainingConfig, step: int) -> None:
    """Fit the active flow of a model, and its transition networks from where they are, in place.

    Args:
        model: with frozen edges.
        encodings: from before the flow.
        config: optimiser and seed.
        step: where training stands; picks batches.
    """
    fitting = Fitting(model, encodings.actions, step)
    noise = _Noise(model.shape.n_latents).to(encodings.latents)

    def misfit(chosen: Tensor) -> Tensor:
        bent, factors = encodings.latents[chosen], encodings.factors[chosen]
        straight, jacobian, log_det = model.flow.with_jacobian(bent.flatten(0, 1))
        unknown = (jacobian @ factors.flatten(0, 1)).square().sum(-1).view_as(bent).sum(1)
        straight = straight.view_as(bent)
        loss: Tensor = noise(fitting.residual(straight, chosen), unknown) - bent.shape[1] * log_det.mean()
        if model.shape.past:
            loss = loss + 0.5 * straight[:, 0].square().sum(1).mean()
        return loss

    moving = [*model.flow.parameters(), *model.networks.parameters(), *noise.parameters()]
    fitting.minimise_(misfit, moving, len(encodings.latents), config, _STEPS, _BATCH)


class _Noise(nn.Module):
    """The variances v: logarithms of ``own`` and of ``share``, one for every latent."""

    def __init__(self, n: int) -> None:
        super().__init__()
        self.own = nn.Parameter(torch.full((n,), 2 * math.log(_FIRST_DEVIATION), **CPU_FLOAT32))
        self.share = nn.Parameter(torch.zeros(n, **CPU_FLOAT32))

    def forward(self, left_over: Tensor, unknown: Tensor) -> Tensor:
        """The negative log-likelihood of what is left over, for a mean row; both of shape (B, n)."""
        variance = self.own.exp() + self.share.exp() * unknown
        loss: Tensor = 0.5 * (left_over.square() / variance + variance.log()).sum(1).mean()
        return loss
