"""Whether causes change distributions at all: the directions with the largest effects, and a test on other rows."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from estimation.unmixing.action_basis import ActionBasis
from estimation.unmixing.distributional import DistributionalEffects
from estimation.unmixing.past_distributional import PastDistributionalEffects

__all__ = ["N_ASCENTS", "is_confirmed", "largest_effects"]

Array = NDArray[np.float64]

#: Number of random directions from which effects are ascended.
N_ASCENTS = 64
_N_STEPS = 60
_LEARNING_RATE = 0.1
_MIN_SIZE = 1e-12
# of these random orders of the actions, none may have a larger effect on the rows that the test is about
_N_PERMUTATIONS = 99


def largest_effects(
    effects: DistributionalEffects | PastDistributionalEffects, subspace: Array, rng: np.random.Generator
) -> tuple[Tensor, Tensor]:
    """Ascend the distributional effects of all causes together from random directions of a subspace.

    Args:
        effects: Distributional effects in k coordinates.
        subspace: Orthonormal rows, shape (l, k).
        rng: Random generator of the first directions.

    Returns:
        Unit rows, shape (64, k), and the total effects on them, shape (64,).
    """
    inside = torch.from_numpy(subspace)
    parameter = torch.from_numpy(rng.normal(size=(N_ASCENTS, len(subspace)))).requires_grad_()
    optimiser = torch.optim.Adam([parameter], lr=_LEARNING_RATE)

    def directions() -> Tensor:
        lengths: Tensor = torch.linalg.vector_norm(parameter, dim=1, keepdim=True)
        return parameter / lengths @ inside

    for step in range(_N_STEPS):
        optimiser.param_groups[0]["lr"] = _LEARNING_RATE * (1 - step / _N_STEPS)
        loss = -effects.squared_sizes(directions()).sum(-1).clamp_min(_MIN_SIZE).log().sum()
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    found = directions().detach()
    return found, effects.squared_sizes(found).sum(-1)


def is_confirmed(
    residuals: Array, functions: ActionBasis, orders: Sequence[int], subspace: Array, rng: np.random.Generator
) -> bool:
    """Return whether functions of the actions change the direction that they seem to change most, at level 0.01.

    Half of the rows determine the direction, and the effect on it is tested on the others: the largest of many
    estimated effects exceeds those with actions in another order too easily.

    Args:
        residuals: White residuals, shape (N, k).
        functions: Functions of the actions at the same rows.
        orders: Orders of the moments that may change.
        subspace: Directions in question, orthonormal rows, shape (l, k).
        rng: Random generator of the halves and of the orders.
    """
    first, second = np.array_split(rng.permutation(len(residuals)), 2)
    effects = DistributionalEffects.of(residuals[first], functions.at(first)).up_to(max(orders))
    directions, sizes = largest_effects(effects, subspace, rng)
    values = residuals[second] @ directions[int(sizes.argmax())].numpy()
    values = (values - values.mean()) / values.std()
    # He_k of the values, of unit variance where they are normal
    polynomials = {2: values**2 - 1, 3: values**3 - 3 * values, 4: values**4 - 6 * values**2 + 3}
    hermite = np.stack([polynomials[order] / math.sqrt(math.factorial(order)) for order in orders])
    hermite -= hermite.mean(1, keepdims=True)
    others = functions.at(second).values

    def size(moments: Array) -> float:
        return float(np.square(moments @ others).sum())

    largest = max(size(hermite[:, rng.permutation(len(values))]) for _ in range(_N_PERMUTATIONS))
    return size(hermite) > largest
