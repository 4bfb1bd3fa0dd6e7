"""`Procedure`: the interface between the training loop and a method, and the preparation that all methods share."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from estimation.config.baselines import BaselineConfig
from estimation.config.size import require_affordable_batch
from estimation.config.training import COUNT_LIKELIHOODS, TrainingConfig
from estimation.dataset.dataset import Dataset
from estimation.dataset.heavy_tails import heavy_kurtosis
from estimation.device import resolve_device
from estimation.diagnostics import Diagnostics
from estimation.history import Record
from estimation.methods import build_model
from estimation.models.elbo import LossTerms
from estimation.models.representation import Representation, Shape
from estimation.models.sparse_vae import SparseVAE
from estimation.training.batches import Batches, Scales, scales
from estimation.training.leading_axes import leading_axes

__all__ = ["Initialisation", "Procedure", "StepLoss", "prepare"]


class StepLoss(NamedTuple):
    """The loss of one step.

    Attributes:
        objective: Scalar to differentiate, with the penalty of edges where there is one.
        reported: Scalar that records show.
        terms: Terms of the ELBO with profiled variances, for a `SparseVAE`.
    """

    objective: Tensor
    reported: Tensor
    terms: LossTerms | None = None


@dataclass(frozen=True)
class Initialisation:
    """Data, user-supplied networks and number of the random start of a run.

    Attributes:
        dataset: Training data, of one or two steps per row.
        held_out: Held-out data of the same kind.
        encoder: User-supplied encoder, or None.
        decoder: User-supplied decoder, or None.
        start: Number of the random start, from 0.
        varying_variances: Whether profiled variances of latents depend on the actions from the first step on.
        scales: Scales of the training data, if they have been measured already.
        axes: Principal axes of the observations by their number, as far as they have been measured.
    """

    dataset: Dataset
    held_out: Dataset
    encoder: nn.Module | None = None
    decoder: nn.Module | None = None
    start: int = 0
    varying_variances: bool = False
    scales: Scales | None = None
    axes: dict[int, Tensor] = field(default_factory=dict)

    def measured_scales(
        self, config: TrainingConfig | BaselineConfig, everything: Dataset | None = None
    ) -> Scales:
        """Return the scales of the training data, measured if they have not been.

        User-supplied networks read observations as they are, unless the settings name a transform.

        Args:
            config: Settings of the run.
            everything: Data that decide whether observations are transformed. With held-out data among them, runs with
                other seeds decide alike, so that their ELBOs can be compared. None for the training data.
        """
        if self.scales is not None:
            return self.scales
        if (
            config.observation_transform != "auto"
            or self.has_own_networks
            or config.likelihood in COUNT_LIKELIHOODS
        ):
            return scales(self.dataset, config.likelihood, config.observation_transform == "arcsinh")
        kurtosis = heavy_kurtosis(everything or self.dataset)
        return replace(scales(self.dataset, config.likelihood, kurtosis is not None), kurtosis=kurtosis)

    @property
    def kurtosis(self) -> float | None:
        """The excess kurtosis for which observations are transformed; None where it decides nothing."""
        return None if self.scales is None else self.scales.kurtosis

    @property
    def has_own_networks(self) -> bool:
        """Whether the encoder or the decoder is user-supplied."""
        return self.encoder is not None or self.decoder is not None

    def with_copied_networks(self) -> Initialisation:
        """Return the same with copies of the user-supplied networks."""
        return replace(self, encoder=copy.deepcopy(self.encoder), decoder=copy.deepcopy(self.decoder))


class Procedure(ABC):
    """Training of one method: `estimation.training.loop` takes the steps, and this class defines what a step does.

    Attributes:
        model: Network in training.
        batches: Batches of the training data.
        optimisers: Optimisers whose learning rates `set_rates` sets.
        constraints: Module whose state is kept in checkpoints together with that of the model.
        n_steps: Number of steps of a whole run.
        n_starts: Number of random starts to choose from; 1 for no choice.
        n_dense_steps: Number of steps before edges are removed.
        kurtosis: The excess kurtosis for which observations are transformed, if it decides that.
    """

    model: Representation
    batches: Batches
    optimisers: list[torch.optim.Optimizer]
    constraints: nn.Module
    n_steps: int
    n_starts: int = 1
    n_dense_steps: int = 0
    kurtosis: float | None = None

    @staticmethod
    @abstractmethod
    def require_data(dataset: Dataset, config: Any) -> None:
        """Refuse data that the method can't be trained on.

        Raises:
            ConfigError: If the settings contradict the data.
            DataError: If the data lack something that the method needs.
        """

    @abstractmethod
    def stage(self, step: int) -> str:
        """Return the part of training that a step belongs to, as records name it."""

    def label(self, step: int) -> str:
        """Return the label of the progress bar."""
        return self.stage(step)

    @property
    def can_vary_variances(self) -> bool:
        """Whether a run may begin again with variances that depend on the actions."""
        return False

    def variances_change(self, step: int) -> bool:
        """Return whether actions change variances of latents whose means they do not move."""
        return False

    def renew_optimisers(self) -> None:  # noqa: B027
        """Create the optimisers anew, where loading a state has changed the parameters of the model."""

    @abstractmethod
    def before_step(self, step: int) -> list[str]:
        """Change model and optimisers where a part of training begins; return notes for the history."""

    def transform_notes(self) -> list[str]:
        """Return a note for the history if observations are transformed."""
        centring = self.model.x_centring
        if centring is None or not centring.is_arcsinh:
            return []
        how = "observations are read as arcsinh((x - m) / s), with medians m and robust standard deviations s of the"
        if self.kurtosis is None:
            return [f"{how} columns, as observation_transform='arcsinh' asks"]
        return [
            f"{how} columns, whose excess kurtosis is {self.kurtosis:.3g} (median); observation_transform='none' reads "
            "them as they are"
        ]

    @abstractmethod
    def set_rates(self, step: int) -> None:
        """Set the learning rates of a step."""

    @abstractmethod
    def loss(self, step: int) -> StepLoss:
        """Compute the loss on the batch of a step."""

    def after_step(self, step: int, loss: StepLoss) -> None:  # noqa: B027
        """Update what gradient descent does not."""

    @abstractmethod
    def record(self, step: int, loss: StepLoss, seconds: float) -> Record:
        """Evaluate the model on held-out data after ``step`` steps."""

    def held_out_loss(self) -> float:
        """Return the loss on held-out data, by which random starts are compared."""
        raise NotImplementedError

    def patience_at(self, step: int) -> int | None:
        """Return how many evaluations without improvement end training at this step; None never ends it."""
        return None

    def diagnose(self, step: int) -> tuple[Diagnostics | None, list[str]]:
        """Return the diagnostics of the finished model, None where there are none, and notes for the history."""
        return None, []

    def edge_record(self) -> dict[str, Any]:
        """Return the fields of a record about the edges, as they are now."""
        return {}

    def finish(self, step: int, report: Callable[[str], None]) -> tuple[list[str], dict[str, float] | None]:
        """Complete the model after the last step, and leave it in evaluation mode.

        Args:
            step: Number of steps taken.
            report: Shows a text on the progress bar.

        Returns:
            Notes for the history, and the held-out terms of the negative ELBO if the model has changed.
        """
        self.model.eval()
        return [], None


def prepare(
    config: Any, initialisation: Initialisation, generator: torch.Generator, with_latents: bool = False
) -> tuple[Any, Batches]:
    """Build the model of a configuration on its device, with the scales of the data, and the batches of the data.

    Args:
        config: Settings of the run.
        initialisation: Data and user-supplied networks.
        generator: Draws the initial weights.
        with_latents: Whether batches hold the true latents.

    Returns:
        The model, in training mode, and the batches.
    """
    device, dtype = resolve_device(config.device), getattr(torch, config.dtype)
    shape = Shape.of(initialisation.dataset, config.n_latents)
    model = build_model(shape, config, generator, initialisation.encoder, initialisation.decoder)
    measured = initialisation.measured_scales(config)
    model.set_scales_(measured.x_mean, measured.x_scale, measured.a_mean, measured.a_scale)
    if measured.c_mean is not None and measured.c_scale is not None:
        model.set_covariate_scales_(measured.c_mean, measured.c_scale)
    if isinstance(model, SparseVAE) and model.counts is not None:
        assert measured.counts is not None
        assert measured.log_moments is not None
        model.counts.set_profile_(measured.counts, *measured.log_moments)
    model.x_centring, model.a_centring = measured.x_centring, measured.a_centring
    model.to(device, dtype).train()
    batches = Batches(
        initialisation.dataset, config.batch_size, config.seed, device, dtype, with_latents, model
    )
    require_affordable_batch(config.to_dict(), batches.size, shape.n_latents)
    if isinstance(model, SparseVAE) and model.axes is not None:
        n_axes = len(model.axes.axes)
        if n_axes not in initialisation.axes:
            initialisation.axes[n_axes] = leading_axes(model, batches, n_axes)
        model.axes.set_(initialisation.axes[n_axes])
    return model, batches
