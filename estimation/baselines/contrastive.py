"""Permutation-contrastive learning: tell pairs of steps that follow each other from pairs that don't."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from estimation.baselines.encoders import Baseline
from estimation.representation import Batch, Shape
from estimation.transitions import TransitionNetworks

if TYPE_CHECKING:
    from estimation.baseline_config import BaselineConfig

__all__ = ["PCL"]


class PCL(Baseline):
    """Logistic regression of (x^t, x^(t-1)) against (x^t, x^s) with s random.

    Hyvarinen and Morioka, AISTATS 2017: the regression function is the sum over latents of B_i(h_i(x^t), h_i(x^(t-1))),
    their equation 8, with B_i a small network of its own two inputs.

    Args:
        shape: the sizes.
        config: widths and depths.
        generator: draws the weights.
        encoder: maps (B, d_x) to (B, n): h.
        decoder: not used.
    """

    seen: Tensor

    def __init__(
        self,
        shape: Shape,
        config: BaselineConfig,
        generator: torch.Generator,
        encoder: nn.Module | None = None,
        decoder: nn.Module | None = None,
    ) -> None:
        super().__init__(shape, config, generator, encoder, decoder)
        n = shape.n_latents
        self.heads = TransitionNetworks(
            n, 2 * n, config.head_width, config.head_depth, 1, generator, sines=False
        )
        # latent i of both steps, and nothing else
        self.register_buffer("seen", torch.eye(n).repeat(1, 2), persistent=False)

    def loss(self, batch: Batch, generator: torch.Generator) -> Tensor:
        x = self.standardised(batch.observations[:, -2:])
        past, present = self.mean_latents(x.flatten(0, 1)).view(*x.shape[:2], -1).unbind(1)
        order = torch.randperm(len(x), generator=generator, device=x.device)
        true, false = (self.score(present, other) for other in (past, past[order]))
        softplus = nn.functional.softplus
        return 0.5 * (softplus(-true).mean() + softplus(false).mean())

    def score(self, present: Tensor, past: Tensor) -> Tensor:
        """The log-odds, shape (B,), that the one follows the other, both of shape (B, n)."""
        result: Tensor = self.heads(torch.cat([present, past], dim=1), self.seen).sum((1, 2))
        return result
