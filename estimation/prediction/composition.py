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
    model: SparseVAE, past: Tensor | None, actions: Tensor, reference: Tensor, unseen: Tensor
) -> Latents:
    """Return p(z | past, a), with added effects for latents whose parents have joint values that were never seen.

    Args:
        model: The networks.
        past: Latents of the step before, shape (B, n), or None.
        actions: Actions as the model takes them, shape (B, m).
        reference: The value of each action that stands for "not applied", as the model takes it, shape (m,).
        unseen: Which latents get added effects, boolean, shape (B, n).
    """
    latents = model.transition(past, actions)
    if not bool(unseen.any()):
        return latents
    base = model.transition(past, reference.expand_as(actions))
    mean, log_scale = base.loc, base.scale.log()
    for k in torch.nonzero((actions != reference).any(0)).flatten().tolist():
        single = reference.expand_as(actions).clone()
        single[:, k] = actions[:, k]
        effect = model.transition(past, single)
        mean = mean + effect.loc - base.loc
        log_scale = log_scale + effect.scale.log() - base.scale.log()
    if isinstance(latents, SplineFlow):
        factor = torch.where(unseen, log_scale.exp() / latents.scale, 1)
        # the same shape of the noise, with the added mean and standard deviation
        offset = (latents.loc - latents.location) * factor
        location = torch.where(unseen, mean - offset, latents.location)
        return SplineFlow(location, latents.unit * factor, latents.spline)
    return Normal(
        torch.where(unseen, mean, latents.loc),
        torch.where(unseen, log_scale.exp(), latents.scale),
        validate_args=False,
    )
