"""Checks of a run: settings against data before training, the loss at every step."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from estimation.config.training import TrainingConfig
from estimation.dataset.counts import require_counts
from estimation.dataset.dataset import Dataset
from estimation.dataset.heavy_tails import require_transformable
from estimation.exceptions import ConfigError, DataError, TrainingError
from estimation.models.masks import EdgeMasks
from estimation.models.representation import Shape
from estimation.training.sparsity import budgets

__all__ = [
    "require_budgets",
    "require_finite",
    "require_injective",
    "require_new_names",
    "require_sparse_columns",
    "require_trainable",
]


def require_trainable(dataset: Dataset, config: TrainingConfig) -> None:
    """Refuse data that a sparse VAE with these settings can't be trained on.

    Raises:
        ConfigError: If there are more latents than observed columns, or if the settings ask for counts, or for a
            transform, and the observations are images.
        DataError: If an action is called like a latent, or observations are no counts where the likelihood needs them.
    """
    n_latents = Shape.of(dataset, config.n_latents).n_latents
    require_injective(n_latents, dataset.n_observed)
    require_new_names(dataset.action_names, n_latents)
    require_counts(dataset, config.likelihood)
    require_transformable(dataset, config.observation_transform)


def require_injective(n_latents: int, n_observed: int) -> None:
    """Refuse more latents than observed columns, which no decoder maps to observations one to one.

    Lachapelle et al. (arXiv 2401.04890) assume that the decoder is a diffeomorphism onto its image.

    Args:
        n_latents: Number of latents n.
        n_observed: Number of observed dimensions d_x.

    Raises:
        ConfigError: If there are more.
    """
    if n_latents > n_observed:
        # n_features in the words that checks of scikit-learn look for
        raise ConfigError(
            f"n_latents is {n_latents}, more than the observed columns (n_features = {n_observed}): no decoder is one "
            f"to one then; ask for {n_observed} or fewer"
        )


def require_new_names(action_names: tuple[str, ...], n_latents: int) -> None:
    """Refuse an action with the name of a learned latent.

    Raises:
        DataError: If an action has such a name.
    """
    # checked before training rather than after it, when the learned graph is built
    clash = sorted(set(action_names) & {f"v{i}" for i in range(n_latents)})
    if clash:
        raise DataError(f"an action is called {clash[0]!r}, like a learned latent; give it another name")


def require_budgets(shape: Shape, config: TrainingConfig) -> None:
    """Refuse a missing edge budget, and a budget for edges that the model does not have.

    Raises:
        ConfigError: If there is no budget and the settings need one, or if the data have no past or no actions for it.
    """
    limits = budgets(config)
    if config.sparsity in ("budget", "constraint") and not limits:
        raise ConfigError(
            "no edge budget is set: give max_edges_actions or max_edges_past, or sparsity='adaptive', 'penalty' or "
            "'none'"
        )
    if "past" in limits and not shape.past:
        raise ConfigError("max_edges_past is set, but the data have one time step; leave it out")
    if "actions" in limits and not shape.n_actions:
        raise ConfigError("max_edges_actions is set, but the data have no actions; leave it out")


def require_sparse_columns(edges: Mapping[str, EdgeMasks], config: TrainingConfig) -> None:
    """Refuse a model without any sparse column, unless the settings ask for no sparsity.

    Args:
        edges: Masks of the model, by kind.
        config: Settings of the run.

    Raises:
        ConfigError: If sparsity is asked for, and every column is dense.
    """
    if config.sparsity != "none" and not any(masks.n_sparse for masks in edges.values()):
        causes = {"actions": "sparse_actions is empty", "past": "sparse_past is false"}
        reasons = " and ".join(causes[kind] for kind in ("actions", "past") if kind in edges)
        raise ConfigError(
            f"no column is sparse, since {reasons}; leave one of them out, or set sparsity='none'"
        )


def require_finite(loss: Tensor, learning_rate: float, step: int, stage: str) -> None:
    """Stop a run whose loss is not finite.

    Raises:
        TrainingError: If the loss is not finite; the message names the step and the likely cause.
    """
    if bool(torch.isfinite(loss)):
        return
    cause = "the learning rate is too high" if step > 10 else "an observation or weight is extreme"
    raise TrainingError(
        f"the loss is {float(loss.detach())} at step {step} ({stage}); likely {cause}: "
        f"try learning_rate={learning_rate / 3:.2g}, or look for outliers in the data"
    )
