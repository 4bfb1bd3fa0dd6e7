"""Permutation-contrastive learning: classify whether two observations are consecutive."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from estimation.device import CPU_FLOAT32
from estimation.models.baselines.encoders import Baseline
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

    with g_i a small network. An unconstrained network of u and v would first have to learn the narrow ridge. Every
    other row of a batch serves as x^s: where latents follow their past closely, a few of them suffice to recognise a
    single random row, and the others are not learned (docs/experiments.md, "Baseline settings").

    Args:
        shape: Sizes of the model.
        config: Widths and depths.
        generator: Draws the initial weights.
        networks: An ``encoder`` that maps (B, d_x) to (B, n): h. A decoder is not used.
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
            nn.Parameter(torch.zeros(n, **CPU_FLOAT32)) for _ in range(3)
        )
        self.constant = nn.Parameter(torch.zeros((), **CPU_FLOAT32))
        self.group_size = config.batch_size
        # the mask of the drift: each latent depends on its own past only
        self.register_buffer("own", torch.eye(n, **CPU_FLOAT32), persistent=False)

    def loss(self, batch: Batch, generator: torch.Generator) -> Tensor:
        x = self.standardise(batch.observations[:, -2:])
        past, present = self.mean_latents(x.flatten(0, 1)).view(*x.shape[:2], -1).unbind(1)
        # the loss grows with the number of other rows, so held-out data are evaluated in groups of a batch
        groups = zip(torch.split(present, self.group_size), torch.split(past, self.group_size), strict=True)
        return torch.cat([self._negative_log_likelihood(*group) for group in groups]).mean()

    def _negative_log_likelihood(self, present: Tensor, past: Tensor) -> Tensor:
        """Return the negative log-likelihood of the true pairs in a group of rows, shape (B,)."""
        odds = self.odds(present, past)
        is_true_pair = torch.eye(len(odds), dtype=torch.bool, device=odds.device)
        softplus = nn.functional.softplus
        return softplus(-odds.diagonal()) + softplus(odds).masked_fill(is_true_pair, 0).sum(1)

    def odds(self, present: Tensor, past: Tensor) -> Tensor:
        """Return the log-odds that a row of ``present`` follows a row of ``past``.

        Args:
            present: Latents, shape (B, n).
            past: Latents, shape (C, n).

        Returns:
            Log-odds of all pairs, shape (B, C).
        """
        expected = past + self.drift(past, self.own)[..., 0]
        sharpness = self.log_sharpness.exp()
        # the squared distance is expanded, which is cheaper than all differences
        cross = 2 * (present * sharpness) @ expected.T
        squares = (sharpness * present.square()).sum(1)[:, None] + (sharpness * expected.square()).sum(1)
        marginal = self.quadratic * present.square() + self.linear * present
        odds: Tensor = marginal.sum(1)[:, None] + self.constant - (squares - cross)
        return odds
