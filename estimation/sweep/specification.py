"""The trials of a sweep: data, method, settings and seed of each run."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from estimation.config.baselines import BASELINES, BaselineConfig
from estimation.config.methods import config_type
from estimation.config.training import TrainingConfig

__all__ = ["DataSpec", "Trial"]

_SAMPLES, _TEST_SAMPLES = 20_000, 5_000


@dataclass(frozen=True)
class DataSpec:
    """The source of the data of a trial.

    Attributes:
        name: Name of the data in the sweep.
        source: Name of a published process, or path of a file.
        test: Path of a file with test data; None to score on the training file.
        samples: Number of training samples of a published process.
        test_samples: Number of test samples of a published process.
        density: Density of a random graph.
        graph_seed: Seed of a random graph; None to draw the graph with ``seed``.
        seed: Seed for `estimation.simulate.simulate`; None for the process exactly as published.
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
    """One run of a sweep.

    Attributes:
        data: The source of the data.
        method: Name of the method in the sweep.
        kind: The method, one of ``METHODS``.
        setting: The point of the grid, which is what a sweep compares.
        settings: All settings that were given, including those of the grid, without the seed.
        seed: Seed of the training.
    """

    data: DataSpec
    method: str
    kind: str
    setting: Mapping[str, Any]
    settings: Mapping[str, Any]
    seed: int

    @property
    def name(self) -> str:
        """Name of the folder of the run: readable, and unique to the trial."""
        point = "-".join(f"{key}={value}" for key, value in self.setting.items())
        readable = re.sub(r"[^A-Za-z0-9.=_-]+", "_", "-".join(part for part in (self.method, point) if part))
        digest = hashlib.sha256(json.dumps(self.to_dict(), sort_keys=True).encode()).hexdigest()[:10]
        return f"{self.data.name}-{readable[:80]}-seed{self.seed}-{digest}"

    def config(self) -> TrainingConfig | BaselineConfig:
        """Return the settings as a configuration, with the seed and, unless set otherwise, one thread and one restart.

        The seeds of a sweep are runs that are compared with each other, so none is repeated because of its warnings.
        """
        settings = {"threads": 1, **self.settings, "seed": self.seed}
        if self.kind in BASELINES:
            settings["method"] = self.kind
        else:
            settings.setdefault("restarts", 1)
        return config_type(self.kind).from_dict(settings)

    def to_dict(self) -> dict[str, Any]:
        """Return the trial as a dictionary that JSON can hold."""
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
        """Return the trial that `to_dict` was called on."""
        return cls(**{**record, "data": DataSpec(**record["data"])})
