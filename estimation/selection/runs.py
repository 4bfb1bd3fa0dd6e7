"""Runs as `select` knows them, and what the seeds of one setting say together."""

from __future__ import annotations

import json
import math
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from estimation.exceptions import DataError

__all__ = ["Run", "SettingSummary", "read_runs", "summarise"]

_NEEDED = ("setting", "seed", "edges", "negative_elbo")


@dataclass(frozen=True)
class Run:
    """What a run with one setting and one seed ended with.

    Attributes:
        setting: what sets the sparsity: a budget, the weight of a penalty, or a mapping of several.
        seed: of the run.
        edges: of the learned graph.
        negative_elbo: on held-out data.
        udr: the agreement of the setting's seeds, or of this seed with the others; None where there is one seed.
    """

    setting: Any
    seed: int
    edges: float
    negative_elbo: float
    udr: float | None = None


@dataclass(frozen=True)
class SettingSummary:
    """The runs of one setting.

    Attributes:
        setting: as in the runs.
        edges: mean number of learned edges.
        negative_elbo: the lowest of the seeds: a seed whose optimisation failed says nothing of the setting.
        udr: median of the runs' agreement, or None.
        n_runs: with a finite negative ELBO.
        n_failed: without.
    """

    setting: Any
    edges: float
    negative_elbo: float
    udr: float | None
    n_runs: int
    n_failed: int


def read_runs(runs: Iterable[object]) -> list[Run]:
    """Runs from mappings or objects with the attributes of `Run`.

    Raises:
        DataError: something is missing or no number, or two runs have the same setting and seed.
    """
    found = [_read(run, number) for number, run in enumerate(runs)]
    if not found:
        raise DataError("no run is given; select chooses among runs with several settings")
    seen: set[tuple[Hashable, int]] = set()
    for run in found:
        place = (key(run.setting), run.seed)
        if place in seen:
            raise DataError(f"there are two runs with setting {run.setting!r} and seed {run.seed}; keep one")
        seen.add(place)
    return found


def summarise(runs: Iterable[Run]) -> tuple[SettingSummary, ...]:
    """One summary per setting, the fewest edges first.

    Raises:
        DataError: no run of a setting ended with a finite negative ELBO.
    """
    groups: dict[Hashable, list[Run]] = {}
    for run in runs:
        groups.setdefault(key(run.setting), []).append(run)
    summaries = [_summary(group) for group in groups.values()]
    return tuple(sorted(summaries, key=lambda each: (each.edges, each.negative_elbo)))


def key(setting: object) -> Hashable:
    """What tells settings apart, also where they are mappings or lists."""
    try:
        hash(setting)
    except TypeError:
        return _written(setting)
    return setting


def _written(setting: object) -> str:
    try:
        return json.dumps(setting, sort_keys=True)
    except TypeError as error:
        raise DataError(
            f"the setting {setting!r} can't be told apart from others; take numbers, text, or a mapping of those"
        ) from error


def _read(run: object, number: int) -> Run:
    def value(name: str) -> Any:
        if isinstance(run, Mapping):
            return run.get(name)
        return getattr(run, name, None)

    for name in _NEEDED:
        if value(name) is None:
            raise DataError(
                f"run {number} has no {name!r}; a run has {', '.join(_NEEDED)}, and udr where known"
            )
    numbers = {name: _number(value(name), name, number) for name in ("edges", "negative_elbo")}
    if not math.isfinite(numbers["edges"]) or numbers["edges"] < 0:
        raise DataError(f"run {number} has {numbers['edges']} edges; it is a number, 0 or more")
    agreement = value("udr")
    checked = None if agreement is None else _number(agreement, "udr", number)
    if checked is not None and math.isnan(checked):
        checked = None
    if checked is not None and not 0 <= checked <= 1 + 1e-9:
        raise DataError(f"run {number} has a udr of {checked}; it is between 0 and 1")
    return Run(value("setting"), int(_number(value("seed"), "seed", number)), udr=checked, **numbers)


def _number(value: object, name: str, number: int) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | np.integer | np.floating):
        raise DataError(f"run {number} has {name} {value!r}, which is no number")
    return float(value)


def _summary(group: list[Run]) -> SettingSummary:
    ended = [run for run in group if math.isfinite(run.negative_elbo)]
    if not ended:
        raise DataError(
            f"no run with setting {group[0].setting!r} ended with a finite negative ELBO; leave the setting out"
        )
    agreements = [run.udr for run in ended if run.udr is not None]
    return SettingSummary(
        setting=group[0].setting,
        edges=float(np.mean([run.edges for run in ended])),
        negative_elbo=min(run.negative_elbo for run in ended),
        udr=float(np.median(agreements)) if agreements else None,
        n_runs=len(ended),
        n_failed=len(group) - len(ended),
    )
