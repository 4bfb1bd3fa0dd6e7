"""`measure_runs`: the runs for ``select``, from trained models and held-out data."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from estimation.device import default_modes
from estimation.exceptions import DataError
from estimation.learned.measure import require_comparable
from estimation.selection.runs import Run, setting_key
from estimation.selection.stability import partial_udr, udr

if TYPE_CHECKING:
    from estimation.dataset.dataset import Dataset
    from estimation.trained import TrainedModel

__all__ = ["measure_runs"]

_MAX_ROWS = 10_000


@default_modes
def measure_runs(
    models: Iterable[tuple[Any, TrainedModel]], dataset: Dataset, partial: bool = False, seed: int = 0
) -> list[Run]:
    """Measure edges, negative ELBO and stability across seeds of trained models on held-out data.

    Args:
        models: Pairs of setting and model.
        dataset: Data of the same kind that none of the models was trained on.
        partial: If true, measure stability up to the entanglement that the learned graphs predict (``partial_udr``);
            otherwise latent by latent (``udr``).
        seed: Seed of the posterior's samples in the ELBO, and of the at most 10,000 rows that stability is measured on.

    Returns:
        One run per model, in the order of the models.

    Raises:
        DataError: If two models of a setting have the same training seed, or the data do not fit the models.

    Example:
        >>> from estimation.config.training import TrainingConfig
        >>> from estimation.simulate.sampling import simulate
        >>> from estimation.training import fit
        >>> data, held_out = (simulate("ActionBlockDiag", 300, split=split) for split in ("train", "valid"))
        >>> tiny = {"steps": 20, "width": 8, "transition_width": 4, "batch_size": 64, "unmixing": False}
        >>> models = [
        ...     (k, fit(data, TrainingConfig(max_edges_actions=k, seed=s, **tiny))) for k in (5, 10) for s in (0, 1)
        ... ]
        >>> [(run.setting, run.seed, run.edges) for run in measure_runs(models, held_out)]
        [(5, 0, 5.0), (5, 1, 5.0), (10, 0, 10.0), (10, 1, 10.0)]
    """
    pairs = list(models)
    for _, model in pairs[1:]:
        require_comparable(pairs[0][1], model)
        _require_same_transform(pairs[0][1], model)
    rows = np.sort(np.random.default_rng(seed).permutation(len(dataset))[:_MAX_ROWS])
    subset = dataset.take(rows)
    groups: dict[Any, list[int]] = {}
    for index, (setting, _) in enumerate(pairs):
        groups.setdefault(setting_key(setting), []).append(index)
    scores: dict[int, float | None] = dict.fromkeys(range(len(pairs)))
    for members in groups.values():
        _require_different_seeds(pairs, members)
        if len(members) > 1:
            latents = [_encode(pairs[k][1], subset) for k in members]
            graphs = [pairs[k][1].graph for k in members]
            stability = partial_udr(latents, graphs) if partial else udr(latents)
            scores.update(dict.fromkeys(members, stability.score))
    return [
        Run(
            setting,
            model.config.seed,
            float(model.sparse_graph.n_edges),
            _negative_elbo(model, dataset, seed),
            scores[index],
        )
        for index, (setting, model) in enumerate(pairs)
    ]


def _encode(model: TrainedModel, dataset: Dataset) -> NDArray[np.floating]:
    return model.encode_dataset(dataset)


def _require_same_transform(model: TrainedModel, other: TrainedModel) -> None:
    """Refuse to compare ELBOs of models of which only one transforms observations.

    Raises:
        DataError: If that is so.
    """
    transformed = {
        each.model.x_centring is not None and each.model.x_centring.is_arcsinh for each in (model, other)
    }
    if len(transformed) > 1:
        raise DataError(
            "one model reads observations through arcsinh and another one as they are, so that their ELBOs can't be "
            "compared; train all with the same observation_transform, 'none' or 'arcsinh'"
        )


def _negative_elbo(model: TrainedModel, dataset: Dataset, seed: int) -> float:
    terms = model.negative_elbo(dataset, seed)
    return float("nan") if terms is None else terms["total"]


def _require_different_seeds(pairs: list[tuple[Any, TrainedModel]], members: list[int]) -> None:
    seeds = [pairs[k][1].config.seed for k in members]
    repeated = next((seed for seed in seeds if seeds.count(seed) > 1), None)
    if repeated is not None:
        raise DataError(
            f"two models with setting {pairs[members[0]][0]!r} have the seed {repeated}; stability needs "
            "different seeds"
        )
