"""`SweepPlan`: the trials of a sweep, read from TOML.

::

    seeds = [0, 1, 2]

    [data.pairs]                    # any name
    source = "ActionBlockDiag"      # a published process, or a file
    samples = 20000                 # of a published process
    test_samples = 5000
    # test = "test.npz"             # for a file: the test data
    grid.max_edges_actions = [5, 10, 20]

    [method.sparse]                 # any name
    kind = "sparse_vae"
    settings.steps = 2000           # fields of TrainingConfig
    grid.width = [64, 128]

    [method.others]
    kind = "ivae"                   # a baseline; settings of the data for the sparse VAE alone are ignored
    settings.steps = 2000           # fields of BaselineConfig

A trial is one point in the product of both grids, with one seed.
"""

from __future__ import annotations

import itertools
import math
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from estimation.config.baselines import BASELINES, BaselineConfig
from estimation.config.methods import METHODS
from estimation.config.training import TrainingConfig
from estimation.exceptions import ConfigError
from estimation.sweep.checks import (
    MAX_SEED,
    is_integer_in,
    require_data,
    require_feasible,
    require_known_keys,
    require_settings,
)
from estimation.sweep.specification import DataSpec, Trial
from identify.exceptions import FormatError
from identify.names import quoted, shown
from identify.toml_files import read_toml

__all__ = ["SweepPlan", "read_plan"]

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclass(frozen=True)
class SweepPlan:
    """All trials of a sweep.

    Attributes:
        trials: The trials in the order in which they start: every setting with the first seed, then with the second.
    """

    trials: tuple[Trial, ...] = field(default_factory=tuple)

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> SweepPlan:
        """Build the plan from the content of a TOML document.

        Args:
            content: The tables of the document.

        Returns:
            The plan.

        Raises:
            ConfigError: If a value is missing, unknown or out of range. The message names it.

        Example:
            >>> plan = SweepPlan.from_dict(
            ...     {
            ...         "seeds": [0, 1],
            ...         "data": {"pairs": {"source": "ActionBlockDiag", "grid": {"max_edges_actions": [5, 10]}}},
            ...         "method": {"sparse": {"kind": "sparse_vae", "settings": {"steps": 100}}},
            ...     }
            ... )
            >>> [(trial.setting["max_edges_actions"], trial.seed) for trial in plan.trials]
            [(5, 0), (10, 0), (5, 1), (10, 1)]
        """
        require_known_keys("the sweep", content, {"seeds", "data", "method"})
        seeds = _read_seeds(content.get("seeds"))
        data, methods = (_tables(content, kind) for kind in ("data", "method"))
        n_points = sum(
            math.prod(map(len, _grids(name, data[name], method, methods[method]).values()))
            for name in data
            for method in methods
        )
        require_feasible(len(seeds) * n_points)
        trials = [
            _trial(name, data[name], method, methods[method], point, seed)
            for seed in seeds
            for name in data
            for method in methods
            for point in _grid_points(name, data[name], method, methods[method])
        ]
        for spec in {trial.data.name: trial.data for trial in trials}.values():
            require_data(spec)
        for trial in trials:
            require_settings(trial)
        return cls(tuple(trials))


def read_plan(path: str | os.PathLike[str]) -> SweepPlan:
    """Read the plan of a sweep from a TOML file.

    Args:
        path: Path of the file. The paths of data in it are relative to its folder.

    Returns:
        The plan.

    Raises:
        FileAccessError: If the file can't be read.
        ConfigError: If the file is not TOML, or does not describe a sweep.
    """
    try:
        content = read_toml(path)
    except FormatError as error:
        raise ConfigError(str(error)) from error
    try:
        plan = SweepPlan.from_dict(content)
    except ConfigError as error:
        raise ConfigError(f"{os.fspath(path)}: {error}") from error
    return _resolve_paths(plan, Path(path).parent)


def _resolve_paths(plan: SweepPlan, folder: Path) -> SweepPlan:
    """Make the paths of data absolute; relative paths start from the folder of the TOML file."""
    from dataclasses import replace

    def resolve(name: str | None) -> str | None:
        if name is None or Path(name).is_absolute() or not _is_file(folder / name):
            return name
        return str((folder / name).resolve())

    def resolve_data(spec: DataSpec) -> DataSpec:
        return replace(spec, source=str(resolve(spec.source)), test=resolve(spec.test))

    return SweepPlan(tuple(replace(trial, data=resolve_data(trial.data)) for trial in plan.trials))


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:
        # for instance, the name is too long: opening the file raises the error
        return False


def _read_seeds(value: object) -> list[int]:
    if value is None:
        return [0]
    if not isinstance(value, list) or not value or not all(is_integer_in(v, 0, MAX_SEED) for v in value):
        raise ConfigError(
            f"seeds is {quoted(value)}; it must be a list of integers from 0 to {MAX_SEED}, for instance [0, 1, 2]"
        )
    if len(set(value)) < len(value):
        raise ConfigError(f"seeds is {quoted(value)}; list each seed once")
    return value


def _tables(content: Mapping[str, Any], kind: str) -> dict[str, dict[str, Any]]:
    tables = content.get(kind)
    if not isinstance(tables, dict) or not tables:
        raise ConfigError(f"the sweep has no [{kind}.NAME]; give one or more")
    for name, table in tables.items():
        if not _NAME.fullmatch(name):
            raise ConfigError(
                f"[{kind}.{shown(name)}]: a name may contain only letters, digits, dots, dashes and underscores"
            )
        if not isinstance(table, dict):
            raise ConfigError(f"[{kind}.{name}] is {quoted(table)}; it must be a table")
    return tables


def _grids(
    name: str, data: Mapping[str, Any], method: str, table: Mapping[str, Any]
) -> dict[str, Sequence[Any]]:
    """Return the values of both grids, by setting."""
    grids: dict[str, Sequence[Any]] = {}
    kind = _kind(method, table)
    for where, source in ((f"[method.{method}]", table), (f"[data.{name}]", data)):
        grid = source.get("grid", {})
        if not isinstance(grid, dict):
            raise ConfigError(f"{where}: grid is {quoted(grid)}; it must be a table of lists")
        for key, values in (grid if source is table else _applicable_settings(kind, grid)).items():
            if not isinstance(values, list) or not values:
                raise ConfigError(
                    f"{where}: grid.{shown(key)} is {quoted(values)}; it must be a list of values to try"
                )
            if key in ("seed", "method"):
                raise ConfigError(
                    f"{where}: grid.{shown(key)} is set; use the sweep's list of seeds, and the kind of a method"
                )
            if key in grids:
                raise ConfigError(
                    f"{where}: grid.{shown(key)} is in the grids of both the method and the data; keep one"
                )
            grids[key] = values
    return grids


def _grid_points(
    name: str, data: Mapping[str, Any], method: str, table: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """Return all combinations of the values of both grids."""
    grids = _grids(name, data, method, table)
    return [dict(zip(grids, values, strict=True)) for values in itertools.product(*grids.values())]


def _trial(
    name: str,
    data: Mapping[str, Any],
    method: str,
    table: Mapping[str, Any],
    point: Mapping[str, Any],
    seed: int,
) -> Trial:
    require_known_keys(f"[method.{method}]", table, {"kind", "settings", "grid"})
    spec_keys = {field.name for field in fields(DataSpec)} - {"name"}
    require_known_keys(f"[data.{name}]", data, spec_keys | {"grid", "settings"})
    kind = _kind(method, table)
    if "source" not in data:
        raise ConfigError(f"[data.{name}] has no source; give a published process or a file")
    spec = DataSpec(name, **{key: value for key, value in data.items() if key in spec_keys})
    method_settings = _read_settings(f"[method.{method}]", table)
    data_settings = _applicable_settings(kind, _read_settings(f"[data.{name}]", data))
    return Trial(spec, method, kind, point, {**method_settings, **data_settings, **point}, seed)


def _kind(method: str, table: Mapping[str, Any]) -> str:
    kind = table.get("kind", METHODS[0])
    if kind not in METHODS:
        raise ConfigError(
            f"[method.{method}]: kind is {quoted(kind)}; it must be one of {', '.join(METHODS)}"
        )
    return str(kind)


def _applicable_settings(kind: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of a data set without those that only the sparse VAE has, such as edge budgets."""
    if kind not in BASELINES:
        return dict(settings)
    baseline, sparse_vae = (
        {field.name for field in fields(config)} for config in (BaselineConfig, TrainingConfig)
    )
    return {key: value for key, value in settings.items() if key in baseline or key not in sparse_vae}


def _read_settings(where: str, table: Mapping[str, Any]) -> dict[str, Any]:
    settings = table.get("settings", {})
    if not isinstance(settings, dict):
        raise ConfigError(f"{where}: settings is {quoted(settings)}; it must be a table")
    if "method" in settings:
        raise ConfigError(f"{where}: settings.method is set; set the kind of the method instead")
    if "seed" in settings:
        raise ConfigError(f"{where}: settings.seed is set; use the sweep's list of seeds instead")
    return settings
