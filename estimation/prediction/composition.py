"""Effects of actions that were never seen together, added in the latents that combine them.

A transition network is trained on the combinations of the training data, and is arbitrary elsewhere. Where the joint
values of a latent's parents were never seen, the effects of single actions can be added instead, in this latent only::

    m_i(a) = m_i(r) + sum over applied actions k of [m_i(r with a_k) - m_i(r)]      r: all actions at their reference

and likewise for the logarithm of the standard deviation. (Ours. Additive effects are the usual null model of a
combination; here they are assumed for the latents that need it, and not for the observations.)
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.distributions import Normal

from estimation.models.noise import SplineFlow
from estimation.models.sparse_vae import SparseVAE
from estimation.prediction.mechanisms import Latents

__all__ = ["with_added_effects"]


def with_added_effects(
    model: SparseVAE, past: Tensor | None, actions: Tensor, reference: Tensor, added: Tensor
) -> Latents:
    """Return p(z | past, a), with added effects for latents whose parents have joint values that were never seen.

    Args:
        model: The networks.
        past: Latents of the step before, shape (B, n), or None.
        actions: Actions as the model takes them, shape (B, m).
        reference: The value of each action that stands for "not applied", as the model takes it, shape (m,).
        added: Which latents get added effects, boolean, shape (B, n).
    """
    latents = model.transition(past, actions)
    rows = torch.nonzero(added.any(1)).flatten()
    if not len(rows):
        return latents
    mean, scale = latents.loc.clone(), latents.scale.clone()
    before = None if past is None else past[rows]
    mean[rows], scale[rows] = _added(model, before, actions[rows], reference)
    mean, scale = torch.where(added, mean, latents.loc), torch.where(added, scale, latents.scale)
    if isinstance(latents, SplineFlow):
        # the same shape of the noise, with the added mean and standard deviation
        factor = scale / latents.scale
        location = torch.where(added, mean - (latents.loc - latents.location) * factor, latents.location)
        return SplineFlow(location, latents.unit * factor, latents.spline)
    return Normal(mean, scale, validate_args=False)


def _added(
    model: SparseVAE, past: Tensor | None, actions: Tensor, reference: Tensor
) -> tuple[Tensor, Tensor]:
    """Return means and standard deviations by added effects, shapes (B, n)."""
    base = model.transition(past, reference.expand_as(actions))
    mean, log_scale = base.loc, base.scale.log()
    for k in torch.nonzero((actions != reference).any(0)).flatten().tolist():
        single = reference.expand_as(actions).clone()
        single[:, k] = actions[:, k]
        effect = model.transition(past, single)
        mean = mean + effect.loc - base.loc
        log_scale = log_scale + effect.scale.log() - base.scale.log()
    return mean, log_scale.exp()
