"""Models before training."""

from __future__ import annotations

from typing import Any

from estimation.config import BaselineConfig
from estimation.methods import build_model
from estimation.models.representation import Shape
from estimation.training.starts import weights_of


def untrained(shape: Shape, config: BaselineConfig, *networks: Any, **named: Any) -> Any:
    return build_model(shape, config, weights_of(config.seed, 0), *networks, **named)
