"""The base class of all baselines, and the two that bound the scores of the others: random and supervised encoders."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import torch
from torch import Tensor, nn

from estimation.config.size import require_affordable
from estimation.exceptions import DataError
from estimation.models.networks import MLP, require_trainable
from estimation.models.representation import Batch, Representation, Shape

if TYPE_CHECKING:
    from estimation.config.baselines import BaselineConfig

__all__ = ["Baseline", "RandomEncoder", "Supervised"]

_MIN_VARIANCE = 1e-12


class Baseline(Representation):
    """An encoder with a loss.

    Args:
        shape: Sizes of the model.
        config: Widths and depths.
        generator: Draws the initial weights.
        encoder: Maps (B, d_x) to (B, n); an MLP when left out.
        decoder: Maps (B, n) to (B, d_x), for methods that decode; an MLP when left out.

    Attributes:
        trained: Whether the method has a loss to minimise.
        rotates: Whether the loss prefers a linear map of the latents that training hardly finds, so that
            `update_rotation_` helps.

    Raises:
        ConfigError: If the model would hold more than `estimation.config.size.MOST_NUMBERS`.
    """

    trained: ClassVar[bool] = True
    rotates: ClassVar[bool] = False

    def __init__(
        self,
        shape: Shape,
        config: BaselineConfig,
        generator: torch.Generator,
        encoder: nn.Module | None = None,
        decoder: nn.Module | None = None,
    ) -> None:
        require_affordable(
            config.to_dict(),
            shape.n_latents,
            n_observed=shape.n_observed,
            own_encoder=encoder is not None,
            own_decoder=decoder is not None,
        )
        require_trainable(encoder=encoder, decoder=decoder)
        super().__init__(shape, of_images=hasattr(decoder, "image_shape"))
        self.encoder = (
            MLP(shape.n_observed, shape.n_latents, config.width, config.depth, generator, config.skip)
            if encoder is None
            else encoder
        )

    @property
    def has_decoder(self) -> bool:
        return False

    def mean_latents(self, standardised: Tensor) -> Tensor:
        result: Tensor = self.encoder(standardised)
        return result

    def loss(self, batch: Batch, generator: torch.Generator) -> Tensor:
        """Return the training loss, a scalar."""
        raise NotImplementedError

    def update_rotation_(self, latents: Tensor) -> None:
        """Replace the linear map behind the encoder by one with a lower loss, if the method has such a map.

        Args:
            latents: Encodings of training data, shape (N, T, n).
        """

    def standardised_actions(self, batch: Batch) -> Tensor:
        """Return the actions of a batch with mean zero and unit scale, shape (B, m).

        Raises:
            DataError: If the batch has no actions.
        """
        if batch.actions is None:
            raise DataError("this method needs actions, and the batch has none")
        return (batch.actions - self.a_mean) / self.a_scale


class RandomEncoder(Baseline):
    """An untrained encoder: scores near its scores mean nothing."""

    trained = False


class Supervised(Baseline):
    """Regression of the true latents on observations: the best scores that this encoder can reach.

    The loss is the Gaussian log-likelihood with the optimal variance for each latent, so that all latents have the same
    weight.
    """

    def loss(self, batch: Batch, generator: torch.Generator) -> Tensor:
        if batch.latents is None:
            raise DataError("supervised learning needs the true latents, and the batch has none")
        predicted = self.mean_latents(self.standardise(batch.observations).flatten(0, 1))
        errors = (predicted - batch.latents.flatten(0, 1)).square().mean(0)
        return 0.5 * errors.clamp_min(_MIN_VARIANCE).log().mean()
