"""Runs for `select`, from trained models and held-out data."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from estimation.dataset.alignment import align_observed
from estimation.device import default_modes
from estimation.exceptions import DataError
from estimation.selection.agreement import partial_udr, udr
from estimation.selection.runs import Run, key

if TYPE_CHECKING:
    from estimation.dataset.dataset import Dataset
    from estimation.trained import TrainedModel

__all__ = ["measured"]

_ROWS = 10_000


@default_modes
def measured(
    models: Iterable[tuple[Any, TrainedModel]], dataset: Dataset, partial: bool = False, seed: int = 0
) -> list[Run]:
    """Measure trained models on held-out data: edges, negative ELBO, and the agreement of the seeds of each setting.

    Args:
        models: pairs of setting and model.
        dataset: data that none of them was trained on, of the same kind.
        partial: agreement up to the entanglement that the learned graphs predict (``partial_udr``), not to one latent
            each (``udr``).
        seed: of the posterior's samples in the ELBO, and of the rows that agreement is measured on (at most 10,000).

    Raises:
        DataError: two models of a setting have the same training seed, or the data don't fit the models.

    Example:
        >>> from estimation.config.training import TrainingConfig
        >>> from estimation.simulate.sampling import simulate
        >>> from estimation.training import fit
        >>> data, held_out = (simulate("ActionBlockDiag", 300, split=split) for split in ("train", "valid"))
        >>> tiny = {"steps": 20, "width": 8, "transition_width": 4, "batch_size": 64}
        >>> models = [
        ...     (k, fit(data, TrainingConfig(max_edges_actions=k, seed=s, **tiny))) for k in (5, 10) for s in (0, 1)
        ... ]
        >>> [(run.setting, run.seed, run.edges) for run in measured(models, held_out)]
        [(5, 0, 5.0), (5, 1, 5.0), (10, 0, 10.0), (10, 1, 10.0)]
    """
    pairs = list(models)
    rows = np.sort(np.random.default_rng(seed).permutation(len(dataset))[:_ROWS])
    chosen = dataset.take(rows)
    groups: dict[Any, list[int]] = {}
    for place, (setting, _) in enumerate(pairs):
        groups.setdefault(key(setting), []).append(place)
    agreements: dict[int, float | None] = dict.fromkeys(range(len(pairs)))
    for members in groups.values():
        _require_seeds(pairs, members)
        if len(members) > 1:
            latents = [_encoded(pairs[k][1], chosen) for k in members]
            found = partial_udr(latents, [pairs[k][1].graph for k in members]) if partial else udr(latents)
            agreements.update(dict.fromkeys(members, found.score))
    return [
        Run(
            setting,
            model.config.seed,
            float(model.graph.n_edges),
            _elbo(model, dataset, seed),
            agreements[place],
        )
        for place, (setting, model) in enumerate(pairs)
    ]


def _encoded(model: TrainedModel, dataset: Dataset) -> NDArray[np.floating]:
    return model.encode(align_observed(dataset, model).observations)


def _elbo(model: TrainedModel, dataset: Dataset, seed: int) -> float:
    found = model.negative_elbo(dataset, seed)
    return float("nan") if found is None else found["total"]


def _require_seeds(pairs: list[tuple[Any, TrainedModel]], members: list[int]) -> None:
    seeds = [pairs[k][1].config.seed for k in members]
    twice = next((seed for seed in seeds if seeds.count(seed) > 1), None)
    if twice is not None:
        raise DataError(
            f"two models with setting {pairs[members[0]][0]!r} have the seed {twice}; agreement needs different ones"
        )
