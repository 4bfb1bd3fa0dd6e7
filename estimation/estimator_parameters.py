"""Parameters of the scikit-learn estimator as the settings of a run."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
from sklearn.utils import check_random_state

from estimation.config.training import TrainingConfig
from estimation.dataset.dataset import Dataset
from estimation.exceptions import ConfigError
from estimation.latent_count import LatentCount
from estimation.training.counting import count_latents

__all__ = ["run_settings"]

_BUDGETS = {"max_edges_actions": "actions", "max_edges_past": "past"}
# parameters with the name of a setting are passed on to `TrainingConfig`
_SETTINGS = {field.name for field in dataclasses.fields(TrainingConfig)}


def run_settings(
    parameters: Mapping[str, Any], dataset: Dataset
) -> tuple[TrainingConfig, LatentCount | None]:
    """Return the settings and, if budgets follow from a number of latents that is to be found, that number.

    Args:
        parameters: Parameters of the estimator by name.
        dataset: The data to train on.

    Raises:
        ConfigError: If a parameter is unknown, or out of its range.
    """
    settings = {name: _as_python_number(value) for name, value in parameters.items() if name in _SETTINGS}
    settings["seed"] = _seed(parameters["random_state"])
    if settings["n_latents"] is None:
        settings["n_latents"] = dataset.n_observed
    further_settings = _further_settings(parameters["settings"], settings)
    budgets = {name: settings.pop(name) for name in _BUDGETS}
    config = TrainingConfig.from_dict(settings | further_settings)
    columns = config.sparse_columns(dataset.action_names, dataset.n_steps > 1)
    is_sparse = {"actions": columns.actions, "past": dataset.n_steps > 1 and not columns.past_is_dense}
    has_budgets = config.sparsity in ("budget", "constraint")
    automatic = [name for name in budgets if budgets[name] == "auto"]
    used = [name for name in automatic if has_budgets and is_sparse[_BUDGETS[name]]]
    budgets |= dict.fromkeys(automatic)
    n_latents, count = config.n_latents, None
    if n_latents == "auto" and used:
        # the search itself has no budgets
        provisional = config.replace(**{**budgets, **dict.fromkeys(used, 1)})
        count = count_latents(dataset, provisional, progress=bool(parameters["verbose"]))
        n_latents = count.n_latents
    return config.replace(**{**budgets, **dict.fromkeys(used, n_latents)}), count


def _further_settings(settings: object, parameters: Mapping[str, Any]) -> dict[str, Any]:
    if settings is None:
        return {}
    if not isinstance(settings, Mapping):
        raise ConfigError(f"settings is {settings!r}; it must be a mapping from names to values")
    for name in settings:
        if name in parameters:
            parameter = "random_state" if name == "seed" else name
            raise ConfigError(f"settings holds {name!r}; set the estimator's parameter {parameter} instead")
    return {name: _as_python_number(value) for name, value in settings.items()}


def _as_python_number(value: Any) -> Any:
    """Return a numpy number as a Python number: searches over parameters give numpy numbers."""
    return value.item() if isinstance(value, np.generic) else value


def _seed(random_state: int | np.random.RandomState | None) -> int:
    if isinstance(random_state, int | np.integer):
        return int(random_state)
    return int(check_random_state(random_state).randint(2**31 - 1))
