"""Distributional effects: how actions change the conditional distribution of every direction, beyond its mean.

Let r be the residual of the latents given the actions, in coordinates in which it is white, and phi_p standardised
functions of the actions. For a unit vector w the coefficients ::

    q_pk(w) = E[phi_p(a) He_k(w r)] / sqrt(k!),        k = 2, 3, 4,

with the Hermite polynomials He_k, are those of the conditional density of w r relative to a standard normal one, and
their sum of squares is the chi-square information that the functions carry about variance, skewness and kurtosis of
w r. The size of the effect of an action is the sum over the functions of that action. It vanishes if the action changes
no moment of w r up to the fourth. (Ours, docs/theory.md; the expansion is the Gram-Charlier series.)

E[phi_p He_k(w r)] is a homogeneous polynomial in w. Its coefficients, moments of r and phi_p, are computed once; every
basis is then scored from them. Squares are estimated as the product of estimates from two halves of the rows, whose
errors are independent, so that effects that do not exist have mean zero.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from estimation.unmixing.action_basis import ActionBasis

__all__ = ["DistributionalEffects", "hermite", "monomials", "powers"]

Array = NDArray[np.float64]

_ORDERS = (2, 3, 4)
# entries of the coefficients of one order: with more, the higher orders are left out
_MAX_ENTRIES = 2_000_000
_RIDGE = 1e-2
# numbers in the monomials that are held at once
_MAX_CHUNK = 4_000_000


@dataclass(frozen=True, eq=False)
class DistributionalEffects:
    """Moments of white residuals and functions of actions, from which effects on all directions follow.

    Attributes:
        coefficients: By order k, the coefficients of E[phi_p (w r)^k] as a polynomial in w from either half of the
            rows, shape (2, monomials, P).
        owners: Whether a function depends on an action, shape (P, m).
        n_directions: Number n of white coordinates.
    """

    coefficients: Mapping[int, Tensor]
    owners: Tensor
    n_directions: int

    @classmethod
    def of(cls, residual: Array, basis: ActionBasis) -> DistributionalEffects:
        """Compute the moments.

        Args:
            residual: Residuals with mean zero and unit covariance, shape (N, n).
            basis: Functions of the actions at the same rows.
        """
        n, n_functions = residual.shape[1], basis.values.shape[1]
        middle = len(residual) // 2
        coefficients = {}
        for order in _ORDERS:
            if math.comb(n + order - 1, order) * n_functions > _MAX_ENTRIES:
                break
            halves = [
                _regression(residual[half], basis.values[half], order)
                for half in (slice(middle), slice(middle, None))
            ]
            coefficients[order] = torch.stack(halves)
        return cls(coefficients, torch.from_numpy(basis.owners.astype(float)), n)

    def squared_sizes(self, bases: Tensor) -> Tensor:
        """Return the squared effects of every action on every row of bases, shape (..., n, m), for (..., n, n).

        Rows have unit length. Where an action has no effect, the estimate has mean zero and may be negative.
        """
        return torch.stack(list(self.squared_sizes_by_order(bases).values())).sum(0)

    def squared_sizes_by_order(self, bases: Tensor) -> dict[int, Tensor]:
        """Return the squared effects by the order of the moment that changes, each as in `squared_sizes`."""
        sizes = {}
        moments = {order: self._moments(bases, order) for order in self.coefficients}
        for order, each in hermite(moments).items():
            sizes[order] = (each[0] * each[1]) @ self.owners / math.factorial(order)
        return sizes

    def up_to(self, order: int) -> DistributionalEffects:
        """Return the effects on moments up to an order."""
        return replace(self, coefficients={k: both for k, both in self.coefficients.items() if k <= order})

    def _moments(self, bases: Tensor, order: int) -> Tensor:
        """Return E[phi_p (w r)^order] for all rows w, from either half, shape (2, ..., n, P)."""
        return torch.stack([powers(bases, order) @ half for half in self.coefficients[order]])


def hermite(moments: Mapping[int, Tensor]) -> dict[int, Tensor]:
    """Return the effects on E[He_k(u)] for effects on E[u^k] of orders k from 2, where E[u] does not change."""
    # of u^2 - 1, u^3 - 3u and u^4 - 6u^2 + 3 these terms remain
    return {order: each - 6 * moments[2] if order == 4 else each for order, each in moments.items()}


def powers(rows: Tensor, order: int) -> Tensor:
    """Return the monomials of an order of the entries of every row, shape (..., C), for rows (..., n)."""
    exponents, _ = monomials(rows.shape[-1], order)
    products = torch.ones_like(rows[..., :1]).expand(*rows.shape[:-1], len(exponents))
    for position in exponents.T:
        products = products * rows[..., torch.from_numpy(position)]
    return products


def monomials(n: int, order: int) -> tuple[NDArray[np.intp], Array]:
    """Return the monomials of n variables of an order as sorted tuples, shape (C, order), and how often each occurs."""
    exponents = np.array(list(itertools.combinations_with_replacement(range(n), order)))
    counts = [math.factorial(order) / math.prod(map(math.factorial, np.bincount(row))) for row in exponents]
    return exponents, np.array(counts)


def _regression(residual: Array, values: Array, order: int) -> Tensor:
    """Return the coefficients of the regression of (w r)^order on functions of the actions, shape (monomials, P)."""
    exponents, counts = monomials(residual.shape[1], order)
    values = values - values.mean(0)
    products = np.zeros((len(exponents), values.shape[1]))
    # the monomials of many latents are many: few rows at a time keep them small
    n_rows = max(_MAX_CHUNK // len(exponents), 1)
    for start in range(0, len(residual), n_rows):
        rows = slice(start, start + n_rows)
        products_of_rows = np.ones((len(residual[rows]), len(exponents)))
        for factor in exponents.T:
            products_of_rows *= residual[rows][:, factor]
        products += products_of_rows.T @ values[rows]
    gram = values.T @ values / len(values) + _RIDGE * np.eye(values.shape[1])
    coefficients = np.linalg.solve(gram, products.T / len(values)).T * counts[:, None]
    return torch.from_numpy(coefficients)
