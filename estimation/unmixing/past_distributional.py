"""Distributional effects of the past: how past latents change the conditional distribution of every direction.

Let r be the residual of the latents given past and actions, in coordinates in which it is white. Networks m_k predict
all monomials of r of order k from past latents and actions, so that E[He_k(w r) | past, actions] is a polynomial in w
with their outputs as coefficients. The effect of past latent j on the direction w is the mean square derivative ::

    E[(d/dz_j E[He_k(w r) | past, actions])^2] / k!,        k = 2, 3, 4,

as for means (k = 1), where it is that of the Jacobian. Networks are fitted to both halves of the rows, and squares are
products of the two, whose errors are independent. (Ours, docs/unmixing.md.)
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from estimation.models.jacobian import batch_jacobian
from estimation.models.networks import MLP
from estimation.unmixing.distributional import hermite, monomials, powers

__all__ = ["PastDistributionalEffects", "row_effects"]

Array = NDArray[np.float64]

_ORDERS = (2, 3, 4)
_WIDTH, _DEPTH, _N_STEPS, _BATCH_SIZE, _LEARNING_RATE = 64, 2, 600, 1_024, 3e-3
# rows at which derivatives are taken
_MAX_ROWS, _MIN_ROWS = 512, 128
# multiplications for one basis: with more, higher orders are left out
_MAX_PRODUCTS = 6_000_000


@dataclass(frozen=True, eq=False)
class PastDistributionalEffects:
    """Derivatives of the conditional moments of white residuals with respect to white past latents.

    Attributes:
        coefficients: By order k, the derivatives of E[(w r)^k | past, actions] as a polynomial in w, from networks of
            either half of the rows, shape (2, S, monomials, n).
    """

    coefficients: Mapping[int, Tensor]

    @classmethod
    def of(cls, residual: Array, past: Array, others: Array, seed: int) -> PastDistributionalEffects:
        """Fit the networks.

        Args:
            residual: Residuals with mean zero and unit covariance, shape (N, k).
            past: White past latents of the same rows, shape (N, n).
            others: Other causes of the same rows, standardised, shape (N, m); m may be 0.
            seed: Seed of weights and batches.

        Returns:
            Effects of as many orders as are affordable; of none with 18 latents or more.
        """
        n, n_past = residual.shape[1], past.shape[1]
        n_outputs = {order: math.comb(n + order - 1, order) for order in _ORDERS}
        orders = [
            order
            for order in _ORDERS
            if _MIN_ROWS * n * n_past * sum(n_outputs[k] for k in _ORDERS if k <= order) <= _MAX_PRODUCTS
        ]
        if not orders:
            return cls({})
        n_rows = _MAX_PRODUCTS // (n * n_past * sum(n_outputs[order] for order in orders))
        rows = min(n_rows, _MAX_ROWS, len(past))
        targets = np.concatenate([_products(residual, order) for order in orders], axis=1)
        inputs, middle = np.concatenate([past, others], axis=1), len(past) // 2
        halves = [
            _derivatives(inputs[half], targets[half], inputs[:rows], n_past, seed + number)
            for number, half in enumerate((slice(middle), slice(middle, None)))
        ]
        both = torch.split(torch.stack(halves), [n_outputs[order] for order in orders], dim=2)
        weights = {order: torch.from_numpy(monomials(n, order)[1])[:, None] for order in orders}
        return cls({order: part * weights[order] for order, part in zip(orders, both, strict=True)})

    def up_to(self, order: int) -> PastDistributionalEffects:
        """Return the effects on moments up to an order."""
        return replace(self, coefficients={k: each for k, each in self.coefficients.items() if k <= order})

    def squared_sizes(self, rows: Tensor) -> Tensor:
        """Return the squared effects of the given past latents on unit rows (..., l, k), shape (..., l, n).

        Where the past has no effect, the estimate has mean zero and may be negative.
        """
        return torch.stack(list(self.squared_sizes_by_order(rows).values())).sum(0)

    def squared_sizes_by_order(self, rows: Tensor, parents: Tensor | None = None) -> dict[int, Tensor]:
        """Return the squared effects by the order of the moment that changes.

        Args:
            rows: Unit rows, shape (..., l, k).
            parents: Past latents as orthonormal rows in the given ones, shape (..., n, n); None for the given ones.
        """
        moments = {order: self._moments(rows, order, parents) for order in self.coefficients}
        return {
            order: (each[0] * each[1]).mean(-2) / math.factorial(order)
            for order, each in hermite(moments).items()
        }

    def _moments(self, rows: Tensor, order: int, parents: Tensor | None) -> Tensor:
        """Return the derivatives of E[(w r)^order] for all rows w, from either half, shape (2, ..., l, S, n)."""
        return torch.stack(
            [row_effects(powers(rows, order), half, parents) for half in self.coefficients[order]]
        )


def row_effects(rows: Tensor, effects: Tensor, parents: Tensor | None) -> Tensor:
    """Return the effects of past latents on all rows at S points, shape (..., l, S, n).

    Args:
        rows: Shape (..., l, C).
        effects: Effects of the given past latents on C coordinates, shape (S, C, n).
        parents: Past latents as rows in the given ones, shape (..., n, n); None for the given ones.
    """
    # one large product: a broadcast one of many small matrices takes several times as long
    n_points, _, n_past = effects.shape
    products: Tensor = rows @ effects.transpose(0, 1).flatten(1)
    if parents is not None:
        products = products.reshape(*rows.shape[:-2], -1, n_past) @ parents.mT
    return products.reshape(*rows.shape[:-1], n_points, n_past)


def _products(residual: Array, order: int) -> Array:
    exponents, _ = monomials(residual.shape[1], order)
    return np.asarray(residual[:, exponents].prod(2))


def _derivatives(inputs: Array, targets: Array, points: Array, n_past: int, seed: int) -> Tensor:
    """Fit a network, and return its derivatives by the first inputs at some points, shape (S, outputs, n_past)."""
    generator = torch.Generator().manual_seed(seed)
    x, y = torch.from_numpy(inputs).float(), torch.from_numpy(targets).float()
    scale = y.std(0)
    y = (y - y.mean(0)) / scale
    network = MLP(x.shape[1], y.shape[1], _WIDTH, _DEPTH, generator)
    optimiser = torch.optim.Adam(network.parameters(), _LEARNING_RATE)
    for step in range(_N_STEPS):
        optimiser.param_groups[0]["lr"] = _LEARNING_RATE * (1 - step / _N_STEPS)
        rows = torch.randint(len(x), (min(_BATCH_SIZE, len(x)),), generator=generator)
        loss = (network(x[rows]) - y[rows]).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    jacobian = batch_jacobian(network, torch.from_numpy(points).float())[1].detach()
    return (jacobian[..., :n_past] * scale[:, None]).double()
