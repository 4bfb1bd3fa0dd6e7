"""`count_latents`: the search for the number of latents without training a model afterwards."""

from __future__ import annotations

from dataclasses import replace

from estimation.config.training import TrainingConfig
from estimation.dataset.dataset import Dataset
from estimation.dataset.holdout import training_pairs
from estimation.device import default_modes, thread_count
from estimation.latent_count import LatentCount
from estimation.training.latent_search import find_latent_count
from estimation.training.loop import short_run
from estimation.training.procedure import Initialisation

__all__ = ["count_latents"]


@default_modes
def count_latents(
    dataset: Dataset,
    config: TrainingConfig,
    *,
    validation: Dataset | None = None,
    progress: bool | None = None,
) -> LatentCount:
    """Find the number of latents as `estimation.training.fit` does with ``n_latents="auto"``.

    Args:
        dataset: Training data.
        config: Settings of the run.
        validation: As for `estimation.training.fit`.
        progress: As for `estimation.training.fit`.

    Raises:
        ConfigError: As for `estimation.training.fit`.
        DataError: As for `estimation.training.fit`.
    """
    pairs, held_out = training_pairs(dataset, validation, config.seed)
    inputs = Initialisation(pairs, held_out)
    with thread_count(config.threads):
        inputs = replace(inputs, scales=inputs.measured_scales(config, dataset))
        return find_latent_count(config, inputs, short_run, progress)
