"""Small datasets, and an assertion that two datasets are equal."""

from __future__ import annotations

from typing import Any

import numpy as np

from estimation.dataset import Dataset
from tests.seeds import training_seed

__all__ = ["assert_same", "fields_of", "numbers", "sequences"]


def numbers(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(training_seed(seed)).normal(size=shape).astype(np.float32)


def sequences(n: int = 4, steps: int = 5, n_actions: int = 2) -> Dataset:
    """Return data whose entries encode their position: 100 n + t at step t of row n, 1/2 more for the next action."""
    position = (100.0 * np.arange(n)[:, None] + np.arange(steps))[:, :, None]
    actions = np.repeat(position[:, :-1] + 0.5, n_actions, axis=2)
    return Dataset.from_arrays(
        np.concatenate([position, position + 1000], axis=2),
        actions=actions if steps > 2 else actions[:, 0],
        latents=-position,
        name="s",
    )


def fields_of(data: Dataset) -> dict[str, Any]:
    return {name: getattr(data, name) for name in data.__dataclass_fields__}


def assert_same(first: Dataset, second: Dataset, ignore: tuple[str, ...] = ()) -> None:
    for name, value in fields_of(first).items():
        if name in ignore:
            continue
        if isinstance(value, np.ndarray):
            np.testing.assert_array_equal(value, getattr(second, name), err_msg=name)
            assert value.dtype == getattr(second, name).dtype
        else:
            assert value == getattr(second, name), name
