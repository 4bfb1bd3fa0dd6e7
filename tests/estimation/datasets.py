"""Small datasets, and a comparison of two of them."""

from __future__ import annotations

from typing import Any

import numpy as np

from estimation.dataset import Dataset
from tests.seeds import training_seed

__all__ = ["assert_same", "numbers", "parts_of", "sequences"]


def numbers(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(training_seed(seed)).normal(size=shape).astype(np.float32)


def sequences(n: int = 4, steps: int = 5, n_actions: int = 2) -> Dataset:
    """Entries give their position: row n, step t is 100 n + t, and the action of t -> t+1 is 100 n + t + 1/2."""
    place = (100.0 * np.arange(n)[:, None] + np.arange(steps))[:, :, None]
    acted = np.repeat(place[:, :-1] + 0.5, n_actions, axis=2)
    return Dataset.from_arrays(
        np.concatenate([place, place + 1000], axis=2),
        actions=acted if steps > 2 else acted[:, 0],
        latents=-place,
        name="s",
    )


def parts_of(data: Dataset) -> dict[str, Any]:
    return {name: getattr(data, name) for name in data.__dataclass_fields__}


def assert_same(one: Dataset, other: Dataset, but: tuple[str, ...] = ()) -> None:
    for name, value in parts_of(one).items():
        if name in but:
            continue
        if isinstance(value, np.ndarray):
            np.testing.assert_array_equal(value, getattr(other, name), err_msg=name)
            assert value.dtype == getattr(other, name).dtype
        else:
            assert value == getattr(other, name), name
