"""What a sweep may ask for: found out before hours of training, and before memory is spent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from estimation.config.size import MOST_SAMPLES
from estimation.exceptions import ConfigError
from identify.names import quoted

if TYPE_CHECKING:
    from estimation.sweep.plan import DataSpec, Trial

__all__ = ["MOST_SEED", "is_whole", "require_data", "require_few", "require_keys", "require_settings"]

MOST_SEED = 2**31 - 1
# a sweep of more would run for years
_MOST_TRIALS = 20_000


def require_keys(where: str, table: Mapping[str, Any], known: set[str]) -> None:
    """Refuse a key that is none of these.

    Raises:
        ConfigError: there is one.
    """
    for key in table:
        if key not in known:
            raise ConfigError(
                f"{where} has an unknown key {quoted(key)}; known are {', '.join(sorted(known))}"
            )


def require_few(count: int) -> None:
    """Refuse more runs than anybody waits for, before a list of them is made.

    Raises:
        ConfigError: there are more.
    """
    if count > _MOST_TRIALS:
        raise ConfigError(
            f"the sweep has {quoted(count)} runs; it may have {_MOST_TRIALS}: shorten a grid or seeds"
        )


def require_settings(trial: Trial) -> None:
    """Refuse settings that make no configuration.

    Raises:
        ConfigError: one is unknown or out of its range.
    """
    try:
        trial.config()
    except ConfigError as error:
        raise ConfigError(f"method {trial.method} on {trial.data.name}: {error}") from error


def require_data(spec: DataSpec) -> None:
    """Refuse data whose description has a wrong type, an unlikely size, or keys at odds with each other.

    Raises:
        ConfigError: so it is; the text names the key.
    """
    for name in ("samples", "test_samples"):
        value = getattr(spec, name)
        if not is_whole(value, 1, MOST_SAMPLES):
            raise ConfigError(
                f"[data.{spec.name}]: {name} is {quoted(value)}; it is a whole number from 1 to {MOST_SAMPLES}"
            )
    for name in ("seed", "graph_seed"):
        value = getattr(spec, name)
        if value is not None and not is_whole(value, 0, MOST_SEED):
            raise ConfigError(
                f"[data.{spec.name}]: {name} is {quoted(value)}; it is a whole number from 0 to {MOST_SEED}"
            )
    if spec.density is not None and not _is_share(spec.density):
        raise ConfigError(
            f"[data.{spec.name}]: density is {quoted(spec.density)}; it is a number from 0 to 1"
        )
    for name in ("source", "test"):
        value = getattr(spec, name)
        if value is not None and not (isinstance(value, str) and value.isprintable()):
            raise ConfigError(f"[data.{spec.name}]: {name} is {quoted(value)}; it is the name of a file")
    _require_source(spec)


def is_whole(value: object, low: int, high: int) -> bool:
    """Whether a value is a whole number in this range; true and false are none."""
    return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high


def _is_share(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1


def _require_source(spec: DataSpec) -> None:
    from estimation.simulate.published_processes import NAMES, require_graph

    if spec.source in NAMES and spec.test is not None:
        raise ConfigError(f"[data.{spec.name}]: test is {quoted(spec.test)}, and the source is no file")
    if spec.source not in NAMES:
        for key in ("density", "graph_seed", "seed"):
            if (value := getattr(spec, key)) is not None:
                raise ConfigError(
                    f"[data.{spec.name}]: {key} is {value!r}, and {quoted(spec.source)} is not a published process"
                )
        return
    # of a process that is not exactly as published, the seed draws the graph too
    same = spec.graph_seed is None and spec.density is not None
    try:
        require_graph(spec.source, spec.density, spec.seed if same else spec.graph_seed)
    except ConfigError as error:
        raise ConfigError(f"[data.{spec.name}]: {error}") from error
