"""An estimator that trains for a few steps, and a substitute for `fit` that records its calls."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from estimation import estimator as module
from estimation.config import TrainingConfig
from estimation.dataset import Dataset
from estimation.estimator import SparseMechanismVAE
from estimation.history import History
from tests.seeds import training_seed

__all__ = ["TINY", "numbers", "record_fit_calls", "tiny"]

TINY: dict[str, Any] = {
    "optimizer": "adam",
    "width": 16,
    "depth": 2,
    "transition_width": 8,
    "warmup": 5,
    "flow_blocks": 1,
}


def tiny(n_latents: int | None = 2, **parameters: Any) -> SparseMechanismVAE:
    defaults: dict[str, Any] = {"steps": 20, "batch_size": 64, "unmixing": False, "settings": TINY}
    return SparseMechanismVAE(n_latents, **({"random_state": training_seed()} | defaults | parameters))


def numbers(*shape: int, seed: int = 0) -> NDArray[np.float64]:
    return np.random.default_rng(training_seed(seed)).normal(size=shape)


def record_fit_calls(monkeypatch: pytest.MonkeyPatch) -> list[SimpleNamespace]:
    """Replace `fit` by a function that only records its calls, and return the list of them."""
    calls: list[SimpleNamespace] = []

    def train(dataset: Dataset, config: TrainingConfig, **options: Any) -> SimpleNamespace:
        calls.append(SimpleNamespace(dataset=dataset, config=config, **options))
        return SimpleNamespace(
            history=History(),
            graph=None,
            margin=None,
            warnings=(),
            edge_confidence=None,
            latent_confidence=None,
        )

    monkeypatch.setattr(module, "train", train)
    return calls
