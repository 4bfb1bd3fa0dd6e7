"""Sparsity of the edges: by a penalty, by a constraint, by projection onto a budget, or not at all.

The constraint is that of the published runs: expected edges of a mask at most the budget, as a Lagrangian with dual
restarts (Lachapelle et al., arXiv 2401.04890, the section on constrained optimisation; Gallego-Posada et al. 2022),
through cooper. The projection shifts all logits of a mask by one number at every step, and has nothing to tune.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from cooper.cmp import CMPState
from cooper.constraints.constraint import Constraint
from cooper.constraints.constraint_state import ConstraintState
from cooper.multipliers.multipliers import DenseMultiplier
from cooper.utils.annotations import ConstraintType
from torch import Tensor

from estimation.config.training import TrainingConfig
from estimation.models.masks import EdgeMasks

__all__ = ["EdgeConstraints", "budget_at", "budgets"]

_DUAL_RATE = 1e-3


def budgets(config: TrainingConfig) -> dict[str, int]:
    """Return the final edge budget, of sparse columns, of each mask that has one, by ``"past"`` and ``"actions"``."""
    limits = {"past": config.max_edges_past, "actions": config.max_edges_actions}
    return {name: budget for name, budget in limits.items() if budget is not None}


def budget_at(start: float, end: float, progress: float) -> float:
    """Return the budget while it falls: geometrically, so that every step removes the same share of the edges.

    Args:
        start: Number of edges at progress 0.
        end: Number of edges at progress 1 and after.
        progress: Any number; it is clipped to [0, 1].

    Example:
        >>> [round(budget_at(100, 10, progress)) for progress in (-1, 0, 0.5, 1, 2)]
        [100, 100, 32, 10, 10]
    """
    share = min(max(progress, 0.0), 1.0)
    if end >= start:
        return end
    # a budget of zero has no logarithm, so it is approached linearly
    return start + (end - start) * share if end <= 0 else float(start * (end / start) ** share)


class EdgeConstraints(torch.nn.Module):
    """Constrains the expected number of edges of each mask to a budget, by a Lagrangian with dual restarts.

    cooper 1.x has no dual restarts. Here a multiplier is reset to zero as soon as its constraint holds, as in the
    published runs, so that it never drives the masks far below their budget.

    Args:
        names: Names of the masks with a budget.
        rate: Step size of the multipliers.

    Example:
        >>> constraints = EdgeConstraints(["past"])
        >>> masks = {"past": EdgeMasks(2, 2)}
        >>> masks["past"].start_sampling_()
        >>> loss = constraints.lagrangian(torch.tensor(0.0), masks, {"past": 1.0})
        >>> constraints.ascend_(masks, {"past": 1.0})
        >>> constraints.multipliers["past"].weight.item() > 0
        True
    """

    def __init__(self, names: list[str], rate: float = _DUAL_RATE) -> None:
        super().__init__()
        self.rate = rate
        self.multipliers = torch.nn.ModuleDict({name: DenseMultiplier(num_constraints=1) for name in names})
        self.constraints = {
            name: Constraint(ConstraintType.INEQUALITY, multiplier=multiplier)  # type: ignore[arg-type]
            for name, multiplier in self.multipliers.items()
        }

    def lagrangian(self, loss: Tensor, masks: Mapping[str, EdgeMasks], limits: Mapping[str, float]) -> Tensor:
        """Return the loss plus multiplier times (expected edges - budget) as a share of all possible edges.

        Args:
            loss: Scalar loss.
            masks: Masks by name.
            limits: Budgets at this step, by name.
        """
        state = CMPState(
            loss=loss,
            observed_constraints={
                self.constraints[name]: ConstraintState(violation=_violation(masks[name], limit))
                for name, limit in limits.items()
                if masks[name].sampled
            },
        )
        value = state.compute_primal_lagrangian().lagrangian
        assert value is not None
        return value

    @torch.no_grad()
    def ascend_(self, masks: Mapping[str, EdgeMasks], limits: Mapping[str, float]) -> None:
        """Raise the multipliers of violated constraints; restart those of constraints that hold."""
        for name, limit in limits.items():
            if not masks[name].sampled:
                continue
            multiplier = self.multipliers[name]
            assert isinstance(multiplier, DenseMultiplier)
            weight = multiplier.weight
            violation = _violation(masks[name], limit)
            weight.copy_(torch.where(violation > 0, weight + self.rate * violation, torch.zeros_like(weight)))


def _violation(masks: EdgeMasks, limit: float) -> Tensor:
    return ((masks.expected_edges() - limit) / masks.n_sparse).reshape(1)
