"""What all baselines are, and the two that bound what any other can reach: an encoder of random weights, and one that
was shown the truth.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import torch
from torch import Tensor, nn

from estimation.models.networks import MLP, require_trainable
from estimation.models.representation import Batch, Representation, Shape

if TYPE_CHECKING:
    from estimation.config.baselines import BaselineConfig

__all__ = ["Baseline", "RandomEncoder", "Supervised"]

_LEAST = 1e-12


class Baseline(Representation):
    """An encoder with a loss.

    Args:
        shape: the sizes.
        config: widths and depths.
        generator: draws the weights.
        encoder: maps (B, d_x) to (B, n); an MLP when left out.
        decoder: maps (B, n) to (B, d_x), for methods that have one; an MLP when left out.
    """

    trained: ClassVar[bool] = True
    # whether its loss prefers a map of the latents that training hardly finds
    turned: ClassVar[bool] = False

    def __init__(
        self,
        shape: Shape,
        config: BaselineConfig,
        generator: torch.Generator,
        encoder: nn.Module | None = None,
        decoder: nn.Module | None = None,
    ) -> None:
        require_trainable(encoder=encoder, decoder=decoder)
        super().__init__(shape, of_images=hasattr(decoder, "image_shape"))
        self.encoder = (
            MLP(shape.n_observed, shape.n_latents, config.width, config.layers, generator, config.skip)
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
        """What training minimises, a scalar."""
        raise NotImplementedError

    def improve_turn_(self, latents: Tensor) -> None:
        """Put a better linear map behind the encoder, for methods whose loss has one.

        Args:
            latents: as encoded now, shape (N, T, n).
        """


class RandomEncoder(Baseline):
    """An encoder that is never trained: what scores are worth nothing."""

    trained = False


class Supervised(Baseline):
    """Regression of the true latents on observations: the best that this encoder can do.

    The loss is the Gaussian log-likelihood with the best variance for each latent, so that all count alike.
    """

    def loss(self, batch: Batch, generator: torch.Generator) -> Tensor:
        assert batch.latents is not None
        read = self.mean_latents(self.standardise(batch.observations).flatten(0, 1))
        errors = (read - batch.latents.flatten(0, 1)).square().mean(0)
        return 0.5 * errors.clamp_min(_LEAST).log().mean()
