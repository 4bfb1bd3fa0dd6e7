"""Validation of a sweep, before it trains for hours or allocates memory."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from estimation.config.size import MOST_SAMPLES
from estimation.exceptions import ConfigError
from estimation.sweep.specification import DataSpec, Trial
from identify.names import quoted

__all__ = [
    "MAX_SEED",
    "is_integer_in",
    "require_data",
    "require_feasible",
    "require_known_keys",
    "require_settings",
]

MAX_SEED = 2**31 - 1
# a larger sweep would run for years
_MAX_TRIALS = 20_000


def require_known_keys(where: str, table: Mapping[str, Any], known: set[str]) -> None:
    """Check that a table has no other keys than these.

    Args:
        where: Name of the table, for the message.
        table: The table.
        known: The allowed keys.

    Raises:
        ConfigError: If the table has an unknown key.
    """
    for key in table:
        if key not in known:
            raise ConfigError(
                f"{where} has an unknown key {quoted(key)}; known keys are {', '.join(sorted(known))}"
            )


def require_feasible(n_trials: int) -> None:
    """Check that the number of runs is feasible, before the list of runs is built.

    Args:
        n_trials: Number of runs in the sweep.

    Raises:
        ConfigError: If there are too many.
    """
    if n_trials > _MAX_TRIALS:
        raise ConfigError(
            f"the sweep has {quoted(n_trials)} runs; at most {_MAX_TRIALS} are allowed: shorten a grid or the list of "
            "seeds"
        )


def require_settings(trial: Trial) -> None:
    """Check that the settings of a trial form a valid configuration.

    Args:
        trial: The trial.

    Raises:
        ConfigError: If a setting is unknown or out of range.
    """
    try:
        trial.config()
    except ConfigError as error:
        raise ConfigError(f"method {trial.method} on {trial.data.name}: {error}") from error


def require_data(spec: DataSpec) -> None:
    """Check types, sizes and consistency of the description of a data set.

    Args:
        spec: The description.

    Raises:
        ConfigError: If a value is invalid or two keys contradict each other. The message names the key.
    """
    for name in ("samples", "test_samples"):
        value = getattr(spec, name)
        if not is_integer_in(value, 1, MOST_SAMPLES):
            raise ConfigError(
                f"[data.{spec.name}]: {name} is {quoted(value)}; it must be an integer from 1 to {MOST_SAMPLES}"
            )
    for name in ("seed", "graph_seed"):
        value = getattr(spec, name)
        if value is not None and not is_integer_in(value, 0, MAX_SEED):
            raise ConfigError(
                f"[data.{spec.name}]: {name} is {quoted(value)}; it must be an integer from 0 to {MAX_SEED}"
            )
    if spec.density is not None and not _is_fraction(spec.density):
        raise ConfigError(
            f"[data.{spec.name}]: density is {quoted(spec.density)}; it must be a number from 0 to 1"
        )
    for name in ("source", "test"):
        value = getattr(spec, name)
        if value is not None and not (isinstance(value, str) and value.isprintable()):
            raise ConfigError(f"[data.{spec.name}]: {name} is {quoted(value)}; it must be the name of a file")
    _require_source(spec)


def is_integer_in(value: object, low: int, high: int) -> bool:
    """Return whether a value is an integer, not a boolean, from ``low`` to ``high``."""
    return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high


def _is_fraction(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1


def _require_source(spec: DataSpec) -> None:
    from estimation.simulate.published_processes import NAMES, require_graph

    if spec.source in NAMES and spec.test is not None:
        raise ConfigError(f"[data.{spec.name}]: test is {quoted(spec.test)}, but the source is not a file")
    if spec.source not in NAMES:
        for key in ("density", "graph_seed", "seed"):
            if (value := getattr(spec, key)) is not None:
                raise ConfigError(
                    f"[data.{spec.name}]: {key} is {value!r}, but {quoted(spec.source)} is not a published process"
                )
        return
    # without a graph_seed, the seed of a random process also draws its graph
    seed_draws_graph = spec.graph_seed is None and spec.density is not None
    try:
        require_graph(spec.source, spec.density, spec.seed if seed_draws_graph else spec.graph_seed)
    except ConfigError as error:
        raise ConfigError(f"[data.{spec.name}]: {error}") from error
