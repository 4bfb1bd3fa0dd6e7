"""Permutation-contrastive learning: classify whether two observations are consecutive."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from estimation.baselines.encoders import Baseline
from estimation.device import PLAIN
from estimation.models.representation import Batch, Shape
from estimation.models.transitions import TransitionNetworks

if TYPE_CHECKING:
    from estimation.config.baselines import BaselineConfig

__all__ = ["PCL"]


class PCL(Baseline):
    """Logistic regression of (x^t, x^(t-1)) against (x^t, x^s) with s random.

    Hyvarinen and Morioka, AISTATS 2017: the regression function is the sum over latents of B_i(h_i(x^t), h_i(x^(t-1))).
    Each B_i is the log-density ratio of a latent with Gaussian innovations around a function of its own past::

        B_i(u, v) = -exp(s_i) (u - v - g_i(v))^2 + q_i u^2 + l_i u

    with g_i a small network. A free network of u and v in its place has to build up the narrow ridge first. Every other
    row of a batch serves as x^s: where latents follow their past closely, a single random one is told apart by a few of
    them, and nothing is learned of the rest (docs/experiments.md, "Baseline settings").

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
        self.log_sharpness, self.quadratic, self.linear = (
            nn.Parameter(torch.zeros(n, **PLAIN)) for _ in range(3)
        )
        self.constant = nn.Parameter(torch.zeros((), **PLAIN))
        self.group = config.batch_size
        # each latent sees its own past, and nothing else
        self.register_buffer("own", torch.eye(n, **PLAIN), persistent=False)

    def loss(self, batch: Batch, generator: torch.Generator) -> Tensor:
        x = self.standardised(batch.observations[:, -2:])
        past, present = self.mean_latents(x.flatten(0, 1)).view(*x.shape[:2], -1).unbind(1)
        # held-out data are more than a batch, and the loss grows with the number of others
        groups = zip(torch.split(present, self.group), torch.split(past, self.group), strict=True)
        return torch.cat([self._misfits(*group) for group in groups]).mean()

    def _misfits(self, present: Tensor, past: Tensor) -> Tensor:
        """Minus the log-likelihood of what follows what in a group of rows, shape (B,)."""
        odds = self.odds(present, past)
        own = torch.eye(len(odds), dtype=torch.bool, device=odds.device)
        softplus = nn.functional.softplus
        return softplus(-odds.diagonal()) + softplus(odds).masked_fill(own, 0).sum(1)

    def odds(self, present: Tensor, past: Tensor) -> Tensor:
        """The log-odds that one follows the other.

        Args:
            present: shape (B, n).
            past: shape (C, n).

        Returns:
            shape (B, C).
        """
        expected = past + self.drift(past, self.own)[..., 0]
        sharpness = self.log_sharpness.exp()
        # of the squared distance, what each pair has by itself: cheaper than all differences
        shared = 2 * (present * sharpness) @ expected.T
        far = (sharpness * present.square()).sum(1)[:, None] + (sharpness * expected.square()).sum(1)
        likely = self.quadratic * present.square() + self.linear * present
        odds: Tensor = likely.sum(1)[:, None] + self.constant - (far - shared)
        return odds
