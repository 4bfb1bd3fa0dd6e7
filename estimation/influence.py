"""Sufficient influence of a trained model's own mechanisms: numerical evidence from its transition networks.

The networks say how actions move the learned latents. If that is not enough to tell the latents apart, the learned
graph promises nothing, whatever it looks like. Evidence only: networks are known as well as they were trained.
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

# a combination that moves this much less than the others may be the networks' misfit
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
    """Evidence for sufficient influence of the actions on the learned latents.

    Args:
        model: trained with actions.
        dataset: with the model's actions; where to look: rows are drawn from it.
        n_points: latents at which the question is asked.
        n_conditions: rows whose actions, and past, are the conditions.
        seed: of the draw.
        floor: as for `identify.evidence.numerical_influence`.
        options: passed on to it: ``action_values``, ``step``, ``gap``.

    Returns:
        the evidence for each action, by name.

    Raises:
        DataError: the model has no actions, or the data have others or too few rows.
        RequestError: as `identify.evidence.numerical_influence`.
    """
    shape = model.model.shape
    if not model.model.edges:
        raise DataError(f"{model.method} has no transition networks, whose actions could have influence")
    if not shape.n_actions:
        raise DataError("the model has no actions, whose influence could be looked for")
    pairs = align(dataset, model).pairs()
    if pairs.actions is None or pairs.n_actions != shape.n_actions or (pairs.n_steps > 1) != shape.past:
        raise DataError(
            f"the model has {shape.n_actions} actions and {'a' if shape.past else 'no'} past; "
            f"the data have {pairs.n_actions} actions and {pairs.n_steps} steps"
        )
    if len(pairs) < n_points + n_conditions:
        raise DataError(f"{len(pairs)} rows are too few for {n_points} points and {n_conditions} conditions")
    rows = np.random.default_rng(seed).choice(len(pairs), n_points + n_conditions, replace=False)
    latents = model.encode(pairs.observations[rows]).astype(float)
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
    # second differences need more digits than training does
    assert isinstance(model.model, SparseVAE)
    network = copy.deepcopy(model.model).double().cpu()

    @torch.no_grad()
    def density(latents: Array, past: Array | None, actions: Array) -> Array:
        before = None if past is None else torch.from_numpy(past)
        found = network.transition(before, torch.from_numpy(centred(actions, network.a_centring)))
        values = found.log_prob(torch.from_numpy(np.ascontiguousarray(latents)))  # type: ignore[no-untyped-call]
        return np.asarray(values.numpy())

    return density
