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

    Hyvarinen and Morioka, AISTATS 2017: the regression function is the sum over latents of B_i(h_i(x^t), h_i(x^(t-1))).
    Each B_i is the log-density ratio of a latent with Gaussian innovations around a function of its own past::

        B_i(u, v) = -exp(s_i) (u - v - g_i(v))^2 + q_i u^2 + l_i u

    with g_i a small network. A free network of u and v in its place has to build up the narrow ridge first, and scored
    0.69 in MCC where this scores 0.78 (TimeBlockDiag, 8,000 steps).

    Args:
        shape: the sizes.
        config: widths and depths.
        generator: draws the weights.
        networks: an ``encoder`` that maps (B, d_x) to (B, n): h. A decoder is not used.
    """

    own: Tensor

    def __init__(
        self,
        shape: Shape,
        config: BaselineConfig,
        generator: torch.Generator,
        **networks: nn.Module | None,
    ) -> None:
        super().__init__(shape, config, generator, **networks)
        n = shape.n_latents
        self.drift = TransitionNetworks(n, n, config.head_width, config.head_depth, 1, generator)
        self.log_sharpness, self.quadratic, self.linear = (nn.Parameter(torch.zeros(n)) for _ in range(3))
        self.constant = nn.Parameter(torch.zeros(()))
        # each latent sees its own past, and nothing else
        self.register_buffer("own", torch.eye(n), persistent=False)

    def loss(self, batch: Batch, generator: torch.Generator) -> Tensor:
        x = self.standardised(batch.observations[:, -2:])
        past, present = self.mean_latents(x.flatten(0, 1)).view(*x.shape[:2], -1).unbind(1)
        order = torch.randperm(len(x), generator=generator, device=x.device)
        true, false = (self.score(present, other) for other in (past, past[order]))
        softplus = nn.functional.softplus
        result: Tensor = 0.5 * (softplus(-true).mean() + softplus(false).mean())
        return result

    def score(self, present: Tensor, past: Tensor) -> Tensor:
        """The log-odds, shape (B,), that the one follows the other, both of shape (B, n)."""
        expected = past + self.drift(past, self.own)[..., 0]
        near = self.log_sharpness.exp() * (present - expected).square()
        likely = self.quadratic * present.square() + self.linear * present
        odds: Tensor = (likely - near).sum(1) + self.constant
        return odds
