"""The runs that ``select`` compares, and their summary per setting."""

from __future__ import annotations

import json
import math
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from estimation.exceptions import DataError

__all__ = ["Run", "SettingSummary", "read_runs", "summarise"]

_REQUIRED_FIELDS = ("setting", "seed", "edges", "negative_elbo")


@dataclass(frozen=True)
class Run:
    """The outcome of a run with one setting and one seed.

    Attributes:
        setting: The setting that controls the sparsity: a budget, a penalty weight, or a mapping of several settings.
        seed: Seed of the run.
        edges: Number of edges in the learned graph.
        negative_elbo: Negative ELBO on held-out data.
        udr: Agreement of all seeds of the setting, or of this seed with the others; None if there is only one seed.
    """

    setting: Any
    seed: int
    edges: float
    negative_elbo: float
    udr: float | None = None


@dataclass(frozen=True)
class SettingSummary:
    """Summary of the runs with one setting.

    Attributes:
        setting: The setting, as in the runs.
        edges: Mean number of learned edges.
        negative_elbo: Lowest negative ELBO over the seeds: a seed whose optimisation failed is no evidence about the
            setting.
        udr: Median agreement of the runs, or None.
        n_runs: Number of runs with a finite negative ELBO.
        n_failed: Number of runs without a finite negative ELBO.
    """

    setting: Any
    edges: float
    negative_elbo: float
    udr: float | None
    n_runs: int
    n_failed: int


def read_runs(runs: Iterable[object]) -> list[Run]:
    """Read runs from mappings or objects with the attributes of `Run`.

    Args:
        runs: The mappings or objects.

    Returns:
        The runs, in the same order.

    Raises:
        DataError: If a value is missing or not a number, or two runs have the same setting and seed.
    """
    checked = [_read_run(run, index) for index, run in enumerate(runs)]
    if not checked:
        raise DataError("there are no runs; selection compares runs with several settings")
    seen: set[tuple[Hashable, int]] = set()
    for run in checked:
        identifier = (setting_key(run.setting), run.seed)
        if identifier in seen:
            raise DataError(f"there are two runs with setting {run.setting!r} and seed {run.seed}; keep one")
        seen.add(identifier)
    return checked


def summarise(runs: Iterable[Run]) -> tuple[SettingSummary, ...]:
    """Summarise the runs of each setting, in ascending order of edges.

    Args:
        runs: The runs of all settings.

    Returns:
        One summary per setting.

    Raises:
        DataError: If no run of a setting has a finite negative ELBO.
    """
    groups: dict[Hashable, list[Run]] = {}
    for run in runs:
        groups.setdefault(setting_key(run.setting), []).append(run)
    summaries = [_summarise_setting(group) for group in groups.values()]
    return tuple(sorted(summaries, key=lambda summary: (summary.edges, summary.negative_elbo)))


def setting_key(setting: object) -> Hashable:
    """Return a hashable value that identifies a setting, even if the setting is a mapping or a list."""
    try:
        hash(setting)
    except TypeError:
        return _to_json(setting)
    return setting


def _to_json(setting: object) -> str:
    try:
        return json.dumps(setting, sort_keys=True)
    except TypeError as error:
        raise DataError(
            f"the setting {setting!r} can't be compared with others; use numbers, text, or a mapping of those"
        ) from error


def _read_run(run: object, index: int) -> Run:
    def value(name: str) -> Any:
        if isinstance(run, Mapping):
            return run.get(name)
        return getattr(run, name, None)

    for name in _REQUIRED_FIELDS:
        if value(name) is None:
            raise DataError(
                f"run {index} has no {name!r}; a run has {', '.join(_REQUIRED_FIELDS)}, and udr where known"
            )
    numbers = {name: _to_float(value(name), name, index) for name in ("edges", "negative_elbo")}
    if not math.isfinite(numbers["edges"]) or numbers["edges"] < 0:
        raise DataError(f"run {index} has {numbers['edges']} edges; the number must be finite and at least 0")
    udr = None if value("udr") is None else _to_float(value("udr"), "udr", index)
    if udr is not None and math.isnan(udr):
        udr = None
    if udr is not None and not 0 <= udr <= 1 + 1e-9:
        raise DataError(f"run {index} has a udr of {udr}; it must be between 0 and 1")
    return Run(value("setting"), int(_to_float(value("seed"), "seed", index)), udr=udr, **numbers)


def _to_float(value: object, name: str, index: int) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | np.integer | np.floating):
        raise DataError(f"run {index} has {name} {value!r}, which is not a number")
    return float(value)


def _summarise_setting(runs: list[Run]) -> SettingSummary:
    finite = [run for run in runs if math.isfinite(run.negative_elbo)]
    if not finite:
        raise DataError(
            f"no run with setting {runs[0].setting!r} has a finite negative ELBO; leave the setting out"
        )
    udrs = [run.udr for run in finite if run.udr is not None]
    return SettingSummary(
        setting=runs[0].setting,
        edges=float(np.mean([run.edges for run in finite])),
        negative_elbo=min(run.negative_elbo for run in finite),
        udr=float(np.median(udrs)) if udrs else None,
        n_runs=len(finite),
        n_failed=len(runs) - len(finite),
    )
