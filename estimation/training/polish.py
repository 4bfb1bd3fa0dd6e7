"""After the last step: encodings in line with the decoder, and latents straightened by a flow.

Both leave encoder and decoder as they are. The transition is fitted once more, to latents that have become more
precise and less bent.
"""

from __future__ import annotations

import torch

from estimation.config import TrainingConfig
from estimation.model import SparseVAE
from estimation.training.batches import Batches
from estimation.training.encodings import Encodings
from estimation.training.fitting import Fitting

__all__ = ["polish_", "polishes"]

_CHUNK = 4_096
# rows that variances are measured on
_FEW = 16_384
_LEAST = 1e-12


def polishes(config: TrainingConfig) -> bool:
    """Whether these settings leave anything to do after the last step."""
    return bool(config.refinements) or _straightens(config)


def polish_(model: SparseVAE, batches: Batches, config: TrainingConfig, n_rows: int, step: int) -> None:
    """Refine and straighten, in place.

    Args:
        model: with frozen edges.
        batches: of the training data.
        config: how many refinements and couplings; optimiser and seed.
        n_rows: of the training data.
        step: where training stands.

    Raises:
        RuntimeError: the decoder can't be differentiated forwards.
    """
    seed = [config.seed, step]
    profiled = config.variance == "profiled"
    if config.refinements:
        first = Encodings.of(model, batches, n_rows, seed)
        model.refinement.begin_(first.latents.flatten(0, 1), config.refinements)
        if profiled:
            # with a smaller variance of the observations the steps go further
            few = Encodings.of(model, batches, n_rows, seed, _FEW)
            model.log_variance_x.copy_(_variance_x(model, few, config.seed).log())
    encodings = Encodings.of(model, batches, n_rows, seed)
    if _straightens(config):
        model.flow.activate_()
        Fitting(model, encodings.actions, step).straighten_(encodings.latents, config)
    if profiled:
        model.log_variance_z.copy_(_variance_z(model, encodings).log())


def _straightens(config: TrainingConfig) -> bool:
    # with all edges there is nothing to be straight for
    return bool(config.couplings) and config.sparsity != "none"


@torch.no_grad()
def _variance_x(model: SparseVAE, encodings: Encodings, seed: int) -> torch.Tensor:
    """The mean square of what samples of the posterior miss of the observations."""
    generator = torch.Generator(encodings.latents.device).manual_seed(seed)
    latents, factors = encodings.latents.flatten(0, 1), encodings.factors.flatten(0, 1)
    observed = encodings.standardised.flatten(0, 1)
    noise = torch.randn(latents.shape, generator=generator, device=latents.device, dtype=latents.dtype)
    samples = latents + (factors @ noise[..., None])[..., 0]
    missed = [
        (model.decoder(z) - x).square().sum()
        for z, x in zip(torch.split(samples, _CHUNK), torch.split(observed, _CHUNK), strict=True)
    ]
    return (torch.stack(missed).sum() / observed.numel()).clamp_min(_LEAST)


@torch.no_grad()
def _variance_z(model: SparseVAE, encodings: Encodings) -> torch.Tensor:
    """The mean square of what the transition leaves over, with the posterior's variance, shape (n,)."""
    total, past = 0.0, model.shape.past
    count = min(len(encodings.latents), _FEW)
    for start in range(0, count, _CHUNK):
        rows = slice(start, min(start + _CHUNK, count))
        bent = encodings.latents[rows]
        straight = model.flow(bent.flatten(0, 1))[0].view_as(bent)
        actions = None if encodings.actions is None else encodings.actions[rows]
        mean = model.transition(straight[:, 0] if past else None, actions).loc
        factor = encodings.factors[rows, -1]
        if model.flow.active:
            factor = model.flow.jacobian(bent[:, -1]) @ factor
        total = total + ((straight[:, -1] - mean).square() + factor.square().sum(-1)).sum(0)
    return (torch.as_tensor(total) / count).clamp_min(_LEAST)
