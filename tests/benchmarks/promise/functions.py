"""Random functions of a latent's parents: sums, products, and functions that mix all parents."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

__all__ = ["FAMILIES", "Family", "Function", "random_function"]

Array = NDArray[np.float64]
# parents (N, k) -> values (N,)
Function = Callable[[Array], Array]
Family = Literal["sums", "products", "network", "fourier", "tanh", "polynomial"]
FAMILIES: tuple[Family, ...] = get_args(Family)

_FREQUENCIES = (0.8, 2.0)
_N_FEATURES = 12
_N_CHECKED = 4_000
#: A parent counts as one if resampling it changes the value by this much, where the value has unit variance.
_MIN_EFFECT = 0.3
_MAX_TRIES = 200


def random_function(family: Family, parents: Array, rng: np.random.Generator) -> Function:
    """Return a random function with mean 0 and variance 1 on which every parent has a clear effect.

    Args:
        family: How the function depends on its parents.
        parents: Typical values of the k parents, shape (N, k); they set mean, scale, and the size of effects.
        rng: Random generator.

    Raises:
        RuntimeError: If no such function is found, which takes degenerate parents.
    """
    rows = parents[:_N_CHECKED]
    others = rows[rng.permutation(len(rows))]
    for _ in range(_MAX_TRIES):
        raw = _MAKERS[family](rows.shape[1], rng)
        values = raw(rows)
        mean, scale = values.mean(), values.std()
        if scale < 1e-6:
            continue
        changes = [raw(_resampled(rows, others, j)) - values for j in range(rows.shape[1])]
        if all(np.sqrt((change**2).mean()) > _MIN_EFFECT * scale for change in changes):
            return lambda x, raw=raw, mean=mean, scale=scale: (raw(x) - mean) / scale  # type: ignore[misc]
    raise RuntimeError(f"found no function of the family {family} on which all parents have an effect")


def _resampled(rows: Array, others: Array, j: int) -> Array:
    changed = rows.copy()
    changed[:, j] = others[:, j]
    return changed


def _waves(k: int, rng: np.random.Generator) -> Function:
    """Return k functions of one parent each, as columns."""
    frequency, phase = rng.uniform(*_FREQUENCIES, (2, k)), rng.uniform(0, 2 * np.pi, (2, k))
    weight = rng.normal(size=(2, k))
    return lambda x: np.asarray((weight[:, None] * np.sin(frequency[:, None] * x + phase[:, None])).sum(0))


def _sums(k: int, rng: np.random.Generator) -> Function:
    waves = _waves(k, rng)
    return lambda x: np.asarray(waves(x).sum(1))


def _products(k: int, rng: np.random.Generator) -> Function:
    waves, shift = _waves(k, rng), rng.uniform(0.5, 1.5, k)
    return lambda x: np.asarray((waves(x) + shift).prod(1))


def _network(k: int, rng: np.random.Generator) -> Function:
    first, bias = rng.normal(size=(k, 16)), rng.normal(size=16)
    second, last = rng.normal(size=(16, 16)) / 4, rng.normal(size=16)
    return lambda x: np.asarray(np.tanh(np.tanh(x @ first + bias) @ second * 2) @ last)


def _fourier(k: int, rng: np.random.Generator) -> Function:
    frequency, phase = rng.normal(size=(k, _N_FEATURES)), rng.uniform(0, 2 * np.pi, _N_FEATURES)
    weight = rng.normal(size=_N_FEATURES)
    return lambda x: np.asarray(np.cos(x @ frequency + phase) @ weight)


def _tanh(k: int, rng: np.random.Generator) -> Function:
    slope, bias = rng.choice([-1, 1], (2, k)) * rng.uniform(0.7, 2, (2, k)), rng.normal(size=2)
    return lambda x: np.asarray(np.tanh(x @ slope[0] + bias[0]) + np.tanh(x @ slope[1] + bias[1]) ** 2)


def _polynomial(k: int, rng: np.random.Generator) -> Function:
    linear, square, mixed = rng.normal(size=k), rng.normal(size=k), rng.normal(size=(k, k)) / 2
    cubic = rng.normal(size=k) / 4
    return lambda x: np.asarray(
        x @ linear + (x**2 - 1) @ square + (x**3) @ cubic + np.einsum("ni,ij,nj->n", x, np.triu(mixed, 1), x)
    )


_MAKERS: dict[Family, Callable[[int, np.random.Generator], Function]] = {
    "sums": _sums,
    "products": _products,
    "network": _network,
    "fourier": _fourier,
    "tanh": _tanh,
    "polynomial": _polynomial,
}
