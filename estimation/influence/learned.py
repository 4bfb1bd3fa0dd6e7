"""Numerical evidence for sufficient influence, from the transition networks of a trained model.

The networks describe how actions change the learned latents. If these changes don't distinguish the latents, the theory
guarantees nothing about the learned graph. The result is evidence and not a proof, since the networks are only as
accurate as their training.
"""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from estimation.dataset.alignment import align
from estimation.dataset.centring import centred
from estimation.dataset.dataset import Dataset
from estimation.device import default_modes
from estimation.exceptions import DataError
from estimation.models.sparse_vae import SparseVAE
from estimation.trained import TrainedModel
from identify.evidence import Evidence, numerical_influence

__all__ = ["learned_influence"]

Array = NDArray[np.float64]

# a direction with less influence than this, relative to the others, may be an error of the networks' fit
_FLOOR = 0.05


@default_modes
def learned_influence(
    model: TrainedModel,
    dataset: Dataset,
    n_points: int = 4,
    n_conditions: int = 400,
    seed: int = 0,
    floor: float = _FLOOR,
    **options: Any,
) -> dict[str, Evidence]:
    """Return evidence for sufficient influence of the actions on the learned latents.

    Args:
        model: Model trained with actions.
        dataset: Data with the model's actions, from which points and conditions are sampled.
        n_points: Number of latents at which influence is evaluated.
        n_conditions: Number of rows whose actions and past are the conditions.
        seed: Seed of the sample.
        floor: See `identify.evidence.numerical_influence`.
        options: Further options of `identify.evidence.numerical_influence`: ``action_values``, ``step``, ``gap``.

    Returns:
        Evidence by the name of the action.

    Raises:
        DataError: If the model has no actions, or if the data have other actions or too few rows.
        RequestError: If an argument is invalid, as in `identify.evidence.numerical_influence`.
    """
    shape = model.model.shape
    if not model.model.edges:
        raise DataError(f"{model.method} has no transition networks, so that no influence can be measured")
    if not shape.n_actions:
        raise DataError("the model has no actions, so that no influence can be measured")
    pairs = align(dataset, model).pairs()
    if pairs.actions is None or pairs.n_actions != shape.n_actions or (pairs.n_steps > 1) != shape.past:
        raise DataError(
            f"the model has {shape.n_actions} actions and {'a' if shape.past else 'no'} past; "
            f"the data have {pairs.n_actions} actions and {pairs.n_steps} steps"
        )
    if len(pairs) < n_points + n_conditions:
        raise DataError(f"{len(pairs)} rows are too few for {n_points} points and {n_conditions} conditions")
    rows = np.random.default_rng(seed).choice(len(pairs), n_points + n_conditions, replace=False)
    latents = model.encode_dataset(pairs.take(rows)).astype(float)
    conditions = slice(n_points, None)
    return numerical_influence(
        _log_density(model),
        model.graph,
        latents[:n_points, -1],
        pairs.actions[rows][conditions],
        latents[conditions, 0] if shape.past else None,
        floor=floor,
        **options,
    )


def _log_density(model: TrainedModel) -> Any:
    # second differences need double precision
    assert isinstance(model.model, SparseVAE)
    network = copy.deepcopy(model.model).double().cpu()

    @torch.no_grad()
    def density(latents: Array, past: Array | None, actions: Array) -> Array:
        past_latents = None if past is None else torch.from_numpy(past)
        transition = network.transition(past_latents, torch.from_numpy(centred(actions, network.a_centring)))
        current = torch.from_numpy(np.ascontiguousarray(latents))
        values = transition.log_prob(current)
        return np.asarray(values.numpy())

    return density
