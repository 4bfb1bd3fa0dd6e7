"""A deep flow at the end of runs whose actions change variances or shapes, or take few values.

In training, a Gaussian transition of constant mean and variance makes latents as normal as it can, whatever they are,
so that they are distorted more than where means move. Where means take few values, these say little about distortion.
A deeper flow corrects more of it. If actions change variances or shapes, it is fitted by the likelihood of the
encodings, under noise that describes what changes. It is judged by latents z sampled from the posteriors of held-out
rows, ::

    E[-log p(h(z) | a) - log |det J_h(z)|],

the change of which is exactly that of the negative ELBO of a model whose decoder includes the inverse of the flow h.
The ELBO of the model itself maps the posterior by the Jacobian at its mean, and is looser where posteriors are wide.
"""

from __future__ import annotations

import torch

from estimation.config.training import TrainingConfig
from estimation.dataset.dataset import Dataset
from estimation.exceptions import NotDifferentiableError
from estimation.models.sparse_vae import SparseVAE
from estimation.training.batches import Batches
from estimation.training.distributional_change import Change
from estimation.training.encodings import Encodings
from estimation.training.post_training import (
    SINGULAR,
    NoActiveLatentsError,
    apply_flow_,
    fit_noise_,
    fit_transition_,
)
from estimation.training.snapshot import Snapshot
from identify.exceptions import one_line

__all__ = ["apply_deep_flow_"]

# blocks of a deep flow for one of the usual flow, and their hidden units; with more latents than this the factor is
# smaller, since Jacobians take a time of the third power of their number
_DEPTH_FACTOR, _MAX_LATENTS = 4, 16
_WIDTH = 64
# with 7e-3, a flow of 16 blocks diverged
_RATE = 3e-3
_MAX_REASON_LENGTH = 200
_WHAT: dict[Change | None, str] = {
    "variance": "change variances",
    "shape": "change shapes of distributions",
    None: "take few values",
}


def apply_deep_flow_(
    model: SparseVAE,
    batches: Batches,
    held_out: Dataset,
    config: TrainingConfig,
    step: int,
    change: Change | None,
) -> str:
    """Fit a deep flow, in place, and keep it if it makes latents of held-out data more likely.

    If the noise of the model does not describe what changes, it is flexible in this fit, and then as it was.

    Args:
        model: Model with frozen edges, without a past, and a flow that is not active.
        batches: Batches of the training data.
        held_out: Held-out data.
        config: Optimiser, seed and number of blocks of the usual flow.
        step: Number of steps of training.
        change: What actions change besides means; None for actions with few values, which change means only.

    Returns:
        A note for the history.
    """
    snapshot, noise = Snapshot.of(model), model.noise
    # varying variances are enough for variances
    described = change is None or (change == "variance" and model.state_dependent)
    described |= noise is not None and noise.active
    borrowed, kept, inputs = not described, False, (model, batches, config, step)
    rows = Batches(held_out, len(held_out), config.seed, batches.device, batches.dtype, model=model)
    try:
        encodings = Encodings.of(model, rows, step)
        if borrowed:
            model.add_noise_(config, torch.Generator().manual_seed(config.seed))
            fit_noise_(*inputs)
        before = _misfit(model, encodings, config.seed)
        generator = torch.Generator().manual_seed(config.seed)
        factor = max(min(_DEPTH_FACTOR, _DEPTH_FACTOR * _MAX_LATENTS // model.shape.n_latents), 1)
        model.flow.resize_(factor * config.flow_blocks, _WIDTH, generator)
        slower = config.replace(learning_rate=min(config.learning_rate, _RATE))
        apply_flow_(model, batches, slower, step, likelihood=change is not None)
        after = _misfit(model, encodings, config.seed)
        kept = after < before
        reason = f"the negative log-likelihood of held-out latents went from {before:.4g} to {after:.4g}"
    # as for other refinements
    except (NotDifferentiableError, NoActiveLatentsError, SINGULAR) as error:
        reason = one_line(error, _MAX_REASON_LENGTH)
    model.noise = noise
    if not kept:
        snapshot.restore_(model)
    elif borrowed:
        fit_transition_(*inputs)
    fitted = (
        f"flow {'' if kept else 'not '}fitted after {step} steps, a deep one since actions {_WHAT[change]}"
    )
    return f"{fitted}{', under flexible noise' if borrowed else ''}: {reason}"


@torch.no_grad()
def _misfit(model: SparseVAE, encodings: Encodings, seed: int) -> float:
    """Return the expectation of the module's docstring, in nats per row.

    Args:
        model: Model without a past.
        encodings: Encoded rows, before the flow.
        seed: Seed of the samples.
    """
    device = encodings.latents.device
    means, factors = encodings.latents[:, -1], encodings.factors[:, -1]
    noise = torch.randn(means.shape, generator=torch.Generator(device).manual_seed(seed), device=device)
    samples = means + (factors * noise.to(means)[:, None]).sum(-1)
    corrected, _, log_det = model.flow.with_jacobian(samples)
    likelihood = model.transition(None, encodings.actions).log_prob(corrected)
    return float(-(likelihood.sum(1) + log_det).mean())
