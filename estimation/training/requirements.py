"""What a run can't go on with: settings and data at odds, a loss that is no number."""

from __future__ import annotations

import torch
from torch import Tensor

from estimation.config.training import TrainingConfig
from estimation.exceptions import ConfigError, DataError, TrainingError
from estimation.models.representation import Shape
from estimation.training.sparsity import budgets

__all__ = ["require_budgets", "require_finite", "require_new_names"]


def require_new_names(action_names: tuple[str, ...], n_latents: int) -> None:
    """Refuse an action that is called like a learned latent.

    Raises:
        DataError: it is.
    """
    # found out before training, not when the learned graph is made after it
    clash = sorted(set(action_names) & {f"v{i}" for i in range(n_latents)})
    if clash:
        raise DataError(f"an action is called {clash[0]!r}, like a learned latent; give it another name")


def require_budgets(shape: Shape, config: TrainingConfig) -> None:
    """Refuse a budget of edges that can't be, and sparsity without one.

    Raises:
        ConfigError: the budget is missing, or for edges that these data don't have.
    """
    given = budgets(config)
    if config.sparsity in ("budget", "constraint") and not given:
        raise ConfigError(
            "no edge budget is set: give max_edges_actions or max_edges_past, or sparsity='adaptive', 'penalty' or "
            "'none'"
        )
    if "past" in given and not shape.past:
        raise ConfigError("max_edges_past is set, but the data have one time step; leave it out")
    if "actions" in given and not shape.n_actions:
        raise ConfigError("max_edges_actions is set, but the data have no actions; leave it out")


def require_finite(loss: Tensor, learning_rate: float, step: int, stage: str) -> None:
    """Stop a run whose loss is no number any more.

    Raises:
        TrainingError: it isn't.
    """
    if bool(torch.isfinite(loss)):
        return
    cause = "the learning rate is too high" if step > 10 else "an observation or weight is extreme"
    raise TrainingError(
        f"the loss is {float(loss.detach())} at step {step} ({stage}); likely {cause}: "
        f"try learning_rate={learning_rate / 3:.2g}, or look for outliers in the data"
    )
