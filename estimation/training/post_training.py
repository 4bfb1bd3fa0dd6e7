"""Post-training refinement: Gauss-Newton steps on the encodings, flexible noise of the transition, and a flow that
corrects the latents nonlinearly.

Encoder and decoder stay as they are. The transition is fitted once more, to the corrected latents.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from estimation.config.training import TrainingConfig
from estimation.models.elbo import profiled_gaussian
from estimation.models.sparse_vae import SparseVAE
from estimation.training.batches import Batches
from estimation.training.encodings import MAX_ROWS, Encodings
from estimation.training.flow_fitting import fit_flow_
from estimation.training.transition_fitting import TransitionFitter
from identify.exceptions import IdentifyError

__all__ = [
    "SINGULAR",
    "NoActiveLatentsError",
    "Refinement",
    "apply_flow_",
    "fit_noise_",
    "fit_transition_",
    "refine_encodings_",
    "refinements",
]

_CHUNK = 4_096
# rows from which variances are estimated
_VARIANCE_ROWS = 16_384
_MIN_VARIANCE = 1e-12
_NOISE_STEPS = 1_500
#: torch's own name for equations without a solution.
SINGULAR: type[RuntimeError] = torch.linalg.LinAlgError  # type: ignore[attr-defined]
# improvement of the held-out ELBO, in nats per latent, by which flexible noise must be better than Gaussian noise
_NOISE_MARGIN = 0.01


# changes a model in place, given the batches of its training data, the settings, and the number of steps of training
Change = Callable[[SparseVAE, Batches, TrainingConfig, int], None]


@dataclass(frozen=True)
class Refinement:
    """A step of post-training refinement.

    Attributes:
        noun: What is refined, for the notes.
        participle: What is done to it, for the notes.
        apply_: Changes a model.
        margin: Improvement of the held-out ELBO, in nats per latent, below which the change is undone.
        rival_: Makes the model that the changed one must be better than, if that is not the model as it was.
        names: Names of the changed model and of its rival, for the notes.
    """

    noun: str
    participle: str
    apply_: Change
    margin: float = 0.0
    rival_: Change | None = None
    names: tuple[str, str] | None = None

    def note(self, kept: bool, step: int, before: float, after: float | None, reason: str) -> str:
        """Return a note for the history.

        Args:
            kept: Whether the change is kept.
            step: Number of steps of training.
            before: Held-out negative ELBO before the change, or of the rival.
            after: The same after the change; None if it could not be made.
            reason: Why it could not be made.
        """
        if self.names is not None and after is not None:
            new, old = self.names
            chosen, other = (new, old) if kept else (old, new)
            numbers = (after, before) if kept else (before, after)
            return (
                f"{self.noun}: {chosen}, held-out negative ELBO {numbers[0]:.4g} against {numbers[1]:.4g} "
                f"of the {other}"
            )
        participle = self.participle if kept else f"not {self.participle}"
        if after is not None:
            reason = f"the held-out negative ELBO went from {before:.4g} to {after:.4g}"
        return f"{self.noun} {participle} after {step} steps: {reason}"


class NoActiveLatentsError(IdentifyError):
    """All latents have collapsed, so that there are none that a flow could correct."""


def refine_encodings_(model: SparseVAE, batches: Batches, config: TrainingConfig, step: int) -> None:
    """Enable the refinement of encodings, and fit the variances to refined encodings, in place.

    Args:
        model: Model with frozen edges.
        batches: Batches of the training data.
        config: Number of refinements, and the seed.
        step: Number of steps of training.

    Raises:
        NotDifferentiableError: If torch can't differentiate the decoder.
        torch.linalg.LinAlgError: If a Gauss-Newton step has no solution.
    """
    unrefined = Encodings.of(model, batches, step)
    model.refinement.enable_(unrefined.latents.flatten(0, 1), config.refinements)
    encodings = Encodings.of(model, batches, step, _VARIANCE_ROWS, with_inputs=True)
    if config.profiled:
        # with a smaller variance of the observations, the Gauss-Newton steps are longer
        if model.counts is None:
            model.log_variance_x.copy_(_variance_x(model, encodings, config.seed).log())
        encodings = Encodings.of(model, batches, step, _VARIANCE_ROWS)
        model.log_variance_z.copy_(_variance_z(model, encodings).log())


def fit_noise_(model: SparseVAE, batches: Batches, config: TrainingConfig, step: int) -> None:
    """Fit flexible noise together with the transition to frozen encodings, in place.

    Args:
        model: Model with frozen edges, noise networks, and a flow that is not active.
        batches: Batches of the training data.
        config: Optimiser and seed.
        step: Number of steps of training.
    """
    assert model.noise is not None
    model.noise.activate_()
    _fit_noise_to_(model, Encodings.of(model, batches, step), config, step)


def fit_transition_(
    model: SparseVAE,
    batches: Batches,
    config: TrainingConfig,
    step: int,
    max_rows: int = MAX_ROWS,
    max_steps: int = _NOISE_STEPS,
) -> None:
    """Fit the transition, and noise networks that are active, to frozen encodings, in place.

    Args:
        model: Model with frozen edges.
        batches: Batches of the training data.
        config: Optimiser and seed.
        step: Number of steps of training.
        max_rows: Largest number of rows.
        max_steps: Largest number of steps of the fit.
    """
    _fit_noise_to_(model, Encodings.of(model, batches, step, max_rows), config, step, max_steps)


def apply_flow_(
    model: SparseVAE, batches: Batches, config: TrainingConfig, step: int, likelihood: bool = False
) -> None:
    """Fit the flow together with the transition, in place.

    Collapsed latents are left out: the flow is fitted to encodings, which do not show how such latents vary.

    Args:
        model: Model with frozen edges and a flow that is not active.
        batches: Batches of the training data.
        config: Optimiser and seed.
        step: Number of steps of training.
        likelihood: As for `estimation.training.flow_fitting.fit_flow_`.

    Raises:
        NoActiveLatentsError: If all latents have collapsed.
        torch.linalg.LinAlgError: If the weights of the flow are not finite.
    """
    encodings = Encodings.of(model, batches, step)
    active = encodings.active_latents()
    if not active.any():
        raise NoActiveLatentsError("all latents have collapsed: none varies by more than its posterior")
    model.flow.activate_(active)
    fit_flow_(model, encodings, config, step, likelihood)
    if model.noise is not None and model.noise.active:
        # the variances of the fit are not those of the ELBO
        _fit_noise_to_(model, encodings.after(model.flow), config, step)
    elif config.profiled:
        model.log_variance_z.copy_(
            _variance_z(model, encodings.first(_VARIANCE_ROWS).after(model.flow)).log()
        )


def refinements(config: TrainingConfig) -> list[Refinement]:
    """Return the refinements of a configuration in their order."""
    steps = []
    if config.refinements:
        steps.append(Refinement("encodings", "refined", refine_encodings_))
    if config.noise == "auto":
        names = ("flow", "Gaussian")
        steps.append(Refinement("noise", "fitted", fit_noise_, _NOISE_MARGIN, fit_transition_, names))
    elif config.noise == "flow":
        steps.append(Refinement("noise", "fitted", fit_noise_))
    # with all edges present, a nonlinear correction has no objective
    if config.flow_blocks and config.sparsity != "none":
        steps.append(Refinement("flow", "fitted", apply_flow_))
    return steps


def _fit_noise_to_(
    model: SparseVAE, encodings: Encodings, config: TrainingConfig, step: int, max_steps: int = _NOISE_STEPS
) -> None:
    """Fit transition and active noise networks to encodings, and set the profiled variances."""
    TransitionFitter(model, encodings, step).fit_to_posteriors_(config, max_steps)
    if config.profiled:
        model.log_variance_z.copy_(_variance_z(model, encodings).log())


@torch.no_grad()
def _variance_x(model: SparseVAE, encodings: Encodings, seed: int) -> Tensor:
    """Return the mean square error of reconstructions from posterior samples, a scalar."""
    generator = torch.Generator(encodings.latents.device).manual_seed(seed)
    latents, factors = encodings.latents.flatten(0, 1), encodings.factors.flatten(0, 1)
    inputs = encodings.inputs.flatten(0, 1)
    noise = torch.randn(latents.shape, generator=generator, device=latents.device, dtype=latents.dtype)
    samples = latents + (factors @ noise[..., None])[..., 0]
    errors = [
        torch.nan_to_num((model.decoder_given(model.covariates(x))(z) - model.observed(x)).square()).sum()
        for z, x in zip(torch.split(samples, _CHUNK), torch.split(inputs, _CHUNK), strict=True)
    ]
    n_entries = len(inputs) * model.shape.n_observed
    n_known = n_entries - int(inputs.isnan().sum())
    return (torch.stack(errors).sum() / n_known).clamp_min(_MIN_VARIANCE)


@torch.no_grad()
def _variance_z(model: SparseVAE, encodings: Encodings) -> Tensor:
    """Return the profiled variances of the transition, including the posterior's variance, shape (n,)."""
    total = torch.zeros_like(model.log_variance_z)
    n_rows = min(len(encodings.latents), _VARIANCE_ROWS)
    for start in range(0, n_rows, _CHUNK):
        rows = slice(start, min(start + _CHUNK, n_rows))
        latents = encodings.latents[rows]
        actions = None if encodings.actions is None else encodings.actions[rows]
        residual = model.transition_residual(latents[:, -1], model.past_latents(latents), actions)
        squared = residual.value.square() + encodings.factors[rows, -1].square().sum(-1)
        total = total + profiled_gaussian(squared, residual.log_factor)[1] * len(latents)
    return (total / n_rows).clamp_min(_MIN_VARIANCE)
