"""Fitting of transition networks to encoded latents, while encoder and decoder stay as they are.

Latents are encoded once: the networks are small, and many passes over fewer rows are cheap.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from estimation.config.training import TrainingConfig
from estimation.models.elbo import profiled_gaussian, transition_misfit
from estimation.models.sparse_vae import SparseVAE
from estimation.models.transitions import TransitionResidual
from estimation.training.encodings import Encodings
from estimation.training.optimisers import build
from estimation.training.schedules import warmup

__all__ = ["TransitionFitter"]

# a fit takes a third of the steps of the run, but at least this number and at most what the caller allows
_MIN_STEPS = 20
_BATCH_SIZE = 1_024
_WARMUP = 30


@dataclass(frozen=True)
class TransitionFitter:
    """Fits the transition networks of a model.

    Attributes:
        model: Model whose networks are fitted.
        encodings: Encoded rows.
        step: Number of steps of training, which with the seed determines weights and batches.
    """

    model: SparseVAE
    encodings: Encodings
    step: int

    def fit_(self, latents: Tensor, config: TrainingConfig, max_steps: int) -> None:
        """Fit networks of this configuration to latents, shape (rows, T, n), from new initial weights."""
        self.model.reset_transition_(config, torch.Generator().manual_seed(config.seed + self.step))

        def misfit(rows: Tensor) -> Tensor:
            residual = self.residual(latents[rows], rows)
            log_factor = residual.log_factor if config.profiled else None
            # of a flow, location and scale; its shape is fitted by `fit_to_posteriors_`
            return profiled_gaussian(residual.value.square(), log_factor)[0].sum()

        self.minimise_(misfit, self.model.networks.parameters(), config, max_steps)

    def fit_to_posteriors_(self, config: TrainingConfig, max_steps: int) -> None:
        """Fit transition networks and active noise networks, from their present weights, to the encodings.

        Unlike `fit_`, this minimises the divergence of the ELBO, which counts the uncertainty of the encodings.
        """
        model, device = self.model, self.encodings.latents.device
        generator = torch.Generator(device).manual_seed(config.seed + self.step)

        def misfit(rows: Tensor) -> Tensor:
            means, factors = self.encodings.latents[rows], self.encodings.factors[rows]
            noise = torch.randn(means.shape, generator=generator, device=device, dtype=means.dtype)
            deviations = (factors * noise[..., None, :]).sum(-1)
            # as in the ELBO: the posterior mean at the last step, a sample of the posterior before it
            latents = torch.cat([(means + deviations)[:, :-1], means[:, -1:]], dim=1)
            residual = self.residual(latents, rows)
            squared = residual.value.square() + factors[:, -1].square().sum(-1)
            return transition_misfit(residual, squared, deviations[:, -1], config.profiled)[0].sum()

        parameters = [*model.networks.parameters()]
        if model.noise is not None and model.noise.active:
            parameters.extend(model.noise.parameters())
        if isinstance(model.log_variance_z, nn.Parameter):
            parameters.append(model.log_variance_z)
        self.minimise_(misfit, parameters, config, max_steps)

    def residual(self, latents: Tensor, rows: Tensor) -> TransitionResidual:
        """Return the residual of the transition for the latents (B, T, n) of these rows."""
        actions = None if self.encodings.actions is None else self.encodings.actions[rows]
        return self.model.transition_residual(latents[:, -1], self.model.past_latents(latents), actions)

    def minimise_(
        self,
        misfit: Callable[[Tensor], Tensor],
        parameters: Iterable[nn.Parameter],
        config: TrainingConfig,
        max_steps: int,
        batch_size: int = _BATCH_SIZE,
    ) -> None:
        """Minimise a misfit by gradient descent on random batches.

        Args:
            misfit: Maps row numbers to a scalar.
            parameters: Parameters to change.
            config: Optimiser, learning rate, seed and number of steps of the run.
            max_steps: Largest number of steps.
            batch_size: Rows per step.
        """
        optimiser = build(parameters, config.optimizer, config.learning_rate)
        n_steps = min(max(config.steps // 3, _MIN_STEPS), max_steps)
        n_rows = len(self.encodings.latents)
        rng = np.random.default_rng([config.seed, self.step, 1])
        for k in range(n_steps):
            for group in optimiser.param_groups:
                group["lr"] = config.learning_rate * warmup(k, _WARMUP) * (1 - k / n_steps)
            rows = torch.from_numpy(rng.integers(n_rows, size=min(batch_size, n_rows)))
            loss = misfit(rows.to(self.model.x_mean.device))
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
