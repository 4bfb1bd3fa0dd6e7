"""What a sweep runs, read from TOML.

::

    seeds = [0, 1, 2]

    [data.pairs]                    # any name
    source = "ActionBlockDiag"      # a published process, or a file
    samples = 20000                 # of a published process
    test_samples = 5000
    # test = "test.npz"             # for a file: what is scored
    grid.max_edges_actions = [5, 10, 20]

    [method.sparse]                 # any name
    kind = "sparse_vae"
    settings.steps = 2000           # fields of TrainingConfig
    grid.width = [64, 128]

    [method.others]
    kind = "ivae"                   # a baseline; what the data give for the sparse VAE alone is left out
    settings.steps = 2000           # fields of BaselineConfig

A trial is one point of the product of both grids, with one seed.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import math
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from estimation.config.baselines import BASELINES, BaselineConfig
from estimation.config.methods import METHODS
from estimation.config.training import TrainingConfig
from estimation.exceptions import ConfigError
from estimation.sweep.checks import (
    MOST_SEED,
    is_whole,
    require_data,
    require_few,
    require_keys,
    require_settings,
)
from identify.exceptions import FormatError
from identify.names import quoted, shown
from identify.toml_files import read_toml

__all__ = ["DataSpec", "SweepPlan", "Trial", "read_plan"]

_SAMPLES, _TEST_SAMPLES = 20_000, 5_000
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclass(frozen=True)
class DataSpec:
    """Where the data of a trial come from.

    Attributes:
        name: what the sweep calls them.
        source: a published process, or a file.
        test: a file to score on; None for a file takes the training file.
        samples, test_samples: of a published process.
        density, graph_seed: of a random graph; with a ``seed``, that is the graph's too when it has none.
        seed: None for the process exactly as published, else `estimation.simulate.simulate` with this seed.
    """

    name: str
    source: str
    test: str | None = None
    samples: int = _SAMPLES
    test_samples: int = _TEST_SAMPLES
    density: float | None = None
    graph_seed: int | None = None
    seed: int | None = None


@dataclass(frozen=True)
class Trial:
    """One run.

    Attributes:
        data: what is trained on.
        method: name of the method.
        kind: one of ``METHODS``.
        setting: the point of the grid; what is compared.
        settings: all settings given, the grid's among them, without the seed.
        seed: of the training.
    """

    data: DataSpec
    method: str
    kind: str
    setting: Mapping[str, Any]
    settings: Mapping[str, Any]
    seed: int

    @property
    def name(self) -> str:
        """A folder's name: readable, and different for every trial."""
        point = "-".join(f"{key}={value}" for key, value in self.setting.items())
        readable = re.sub(r"[^A-Za-z0-9.=_-]+", "_", "-".join(part for part in (self.method, point) if part))
        digest = hashlib.sha256(json.dumps(self.to_dict(), sort_keys=True).encode()).hexdigest()[:10]
        return f"{self.data.name}-{readable[:80]}-seed{self.seed}-{digest}"

    def config(self) -> TrainingConfig | BaselineConfig:
        """The settings as a configuration, with the seed and one thread unless it says otherwise."""
        given = {"threads": 1, **self.settings, "seed": self.seed}
        if self.kind in BASELINES:
            return BaselineConfig.from_dict({**given, "method": self.kind})
        return TrainingConfig.from_dict(given)

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        return {
            "data": asdict(self.data),
            "method": self.method,
            "kind": self.kind,
            "setting": dict(self.setting),
            "settings": dict(self.settings),
            "seed": self.seed,
        }

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> Trial:
        """What `to_dict` gave."""
        return cls(**{**record, "data": DataSpec(**record["data"])})


@dataclass(frozen=True)
class SweepPlan:
    """All trials of a sweep, in the order in which they are begun: every setting with the first seed first."""

    trials: tuple[Trial, ...] = field(default_factory=tuple)

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> SweepPlan:
        """The plan of a TOML document's content.

        Raises:
            ConfigError: something is missing, unknown or out of its range; the text names it.

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
        require_keys("the sweep", content, {"seeds", "data", "method"})
        seeds = _seeds(content.get("seeds"))
        data, methods = (_tables(content, kind) for kind in ("data", "method"))
        require_few(
            len(seeds)
            * sum(
                math.prod(map(len, _grids(name, data[name], method, methods[method]).values()))
                for name in data
                for method in methods
            )
        )
        trials = [
            _trial(name, data[name], method, methods[method], point, seed)
            for seed in seeds
            for name in data
            for method in methods
            for point in _points(name, data[name], method, methods[method])
        ]
        for spec in {trial.data.name: trial.data for trial in trials}.values():
            require_data(spec)
        for trial in trials:
            require_settings(trial)
        return cls(tuple(trials))


def read_plan(path: str | os.PathLike[str]) -> SweepPlan:
    """Read a sweep from a TOML file.

    Raises:
        FileAccessError: it can't be read.
        ConfigError: it is no TOML, or no sweep.
    """
    try:
        content = read_toml(path)
    except FormatError as error:
        raise ConfigError(str(error)) from error
    try:
        plan = SweepPlan.from_dict(content)
    except ConfigError as error:
        raise ConfigError(f"{os.fspath(path)}: {error}") from error
    return _beside(plan, Path(path).parent)


def _beside(plan: SweepPlan, folder: Path) -> SweepPlan:
    """Files are meant relative to the file that names them."""
    from dataclasses import replace

    def found(name: str | None) -> str | None:
        if name is None or Path(name).is_absolute() or not _is_file(folder / name):
            return name
        return str((folder / name).resolve())

    return SweepPlan(
        tuple(
            replace(
                trial,
                data=replace(trial.data, source=str(found(trial.data.source)), test=found(trial.data.test)),
            )
            for trial in plan.trials
        )
    )


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:
        # a name that is too long, for instance: whoever opens it says so
        return False


def _seeds(value: object) -> list[int]:
    if value is None:
        return [0]
    if not isinstance(value, list) or not value or not all(is_whole(v, 0, MOST_SEED) for v in value):
        raise ConfigError(
            f"seeds is {quoted(value)}; it is a list of whole numbers from 0 to {MOST_SEED}, for instance [0, 1, 2]"
        )
    if len(set(value)) < len(value):
        raise ConfigError(f"seeds is {quoted(value)}; name each seed once")
    return value


def _tables(content: Mapping[str, Any], kind: str) -> dict[str, dict[str, Any]]:
    tables = content.get(kind)
    if not isinstance(tables, dict) or not tables:
        raise ConfigError(f"the sweep has no [{kind}.NAME]; give one or more")
    for name, table in tables.items():
        if not _NAME.fullmatch(name):
            raise ConfigError(f"[{kind}.{shown(name)}]: a name has letters, digits, dots and dashes only")
        if not isinstance(table, dict):
            raise ConfigError(f"[{kind}.{name}] is {quoted(table)}; it must be a table")
    return tables


def _grids(
    name: str, data: Mapping[str, Any], method: str, table: Mapping[str, Any]
) -> dict[str, Sequence[Any]]:
    """The values of both grids, by setting."""
    grids: dict[str, Sequence[Any]] = {}
    kind = _kind(method, table)
    for where, source in ((f"[method.{method}]", table), (f"[data.{name}]", data)):
        grid = source.get("grid", {})
        if not isinstance(grid, dict):
            raise ConfigError(f"{where}: grid is {quoted(grid)}; it must be a table of lists")
        for key, values in (grid if source is table else _known_to(kind, grid)).items():
            if not isinstance(values, list) or not values:
                raise ConfigError(
                    f"{where}: grid.{shown(key)} is {quoted(values)}; it must be a list of values to try"
                )
            if key in ("seed", "method"):
                raise ConfigError(
                    f"{where}: grid.{shown(key)} is set; a sweep has its own seeds and kinds of method"
                )
            if key in grids:
                raise ConfigError(
                    f"{where}: grid.{shown(key)} is in the grid of the method and of the data; keep one"
                )
            grids[key] = values
    return grids


def _points(
    name: str, data: Mapping[str, Any], method: str, table: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """All combinations of both grids."""
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
    require_keys(f"[method.{method}]", table, {"kind", "settings", "grid"})
    known = {"source", "test", "samples", "test_samples", "density", "graph_seed", "seed", "grid", "settings"}
    require_keys(f"[data.{name}]", data, known)
    kind = _kind(method, table)
    if "source" not in data:
        raise ConfigError(f"[data.{name}] has no source; give a published process or a file")
    given = {key: value for key, value in data.items() if key not in ("grid", "settings")}
    of_data = _known_to(kind, _settings(f"[data.{name}]", data))
    settings = {**_settings(f"[method.{method}]", table), **of_data, **point}
    return Trial(DataSpec(name, **given), method, kind, point, settings, seed)


def _kind(method: str, table: Mapping[str, Any]) -> str:
    kind = table.get("kind", METHODS[0])
    if kind not in METHODS:
        raise ConfigError(f"[method.{method}]: kind is {quoted(kind)}; it is one of {', '.join(METHODS)}")
    return str(kind)


def _known_to(kind: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    """What the data give for the sparse VAE alone, budgets above all, is nothing that a baseline could take."""
    if kind not in BASELINES:
        return dict(settings)
    ours, theirs = ({field.name for field in fields(c)} for c in (BaselineConfig, TrainingConfig))
    return {key: value for key, value in settings.items() if key in ours or key not in theirs}


def _settings(where: str, table: Mapping[str, Any]) -> dict[str, Any]:
    settings = table.get("settings", {})
    if not isinstance(settings, dict):
        raise ConfigError(f"{where}: settings is {quoted(settings)}; it must be a table")
    if "method" in settings:
        raise ConfigError(f"{where}: settings.method is set; the method of a sweep is its kind")
    if "seed" in settings:
        raise ConfigError(f"{where}: settings.seed is set; seeds of a sweep are in its list of seeds")
    return settings
