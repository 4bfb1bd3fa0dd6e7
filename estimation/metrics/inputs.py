"""Inputs of the scores: arrays of true and learned latents and a matching; validation, splits and scaling."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from estimation.exceptions import DataError

__all__ = [
    "as_samples",
    "checked_matching",
    "constant_columns",
    "require_seed",
    "split_halves",
    "standardise",
]

Floats = NDArray[np.float64]


def as_samples(z: ArrayLike, z_hat: ArrayLike) -> tuple[Floats, Floats]:
    """Return true and learned latents as float64 arrays of shapes (N, T, n) and (N, T, n_hat).

    Args:
        z: True latents, shape (N, n) or (N, T, n).
        z_hat: Learned latents of the same rows, shape (N, n_hat) or (N, T, n_hat).

    Raises:
        DataError: If an array has another shape or an entry that is not finite, if the rows differ in number, or if
            there are fewer than two.

    Example:
        >>> [array.shape for array in as_samples([[1.0], [2.0]], [[1.0, 0.0], [2.0, 0.0]])]
        [(2, 1, 1), (2, 1, 2)]
    """
    true, learned = _as_latents(z, "z"), _as_latents(z_hat, "z_hat")
    if true.ndim != learned.ndim or true.shape[:-1] != learned.shape[:-1]:
        raise DataError(
            f"z has shape {true.shape} and z_hat {learned.shape}; all sizes but the last must be equal"
        )
    if true[..., 0].size < 2:
        raise DataError(f"z has shape {true.shape}, which is {true[..., 0].size} rows; at least 2 are needed")
    if true.ndim == 2:
        return true[:, np.newaxis], learned[:, np.newaxis]
    return true, learned


def split_halves(
    true: Floats, learned: Floats, held_out: bool, seed: int, min_rows: int = 2
) -> tuple[tuple[Floats, Floats], tuple[Floats, Floats]]:
    """Return the flattened rows to fit to and the rows to score, each as a pair (true, learned).

    Whole sequences are assigned to the halves at random. The time steps of one sequence are dependent, so they must not
    be in both halves.

    Args:
        true: True latents, shape (N, T, n).
        learned: Learned latents, shape (N, T, n_hat).
        held_out: Whether to split the rows; otherwise both pairs hold all rows.
        seed: Seed of the split. The same seed and N give the same halves in every score.
        min_rows: Minimum number of flattened rows per half.

    Raises:
        DataError: If a half would have fewer than ``min_rows`` rows, or if ``seed`` is not a whole number of 0 or more.
    """
    if not held_out:
        all_rows = _flattened(true), _flattened(learned)
        return all_rows, all_rows
    require_seed(seed)
    n_sequences, n_steps = true.shape[:2]
    if n_sequences // 2 * n_steps < min_rows:
        unit = "rows" if n_steps == 1 else f"sequences of {n_steps} steps"
        raise DataError(
            f"{n_sequences} {unit} can't be split into two halves; at least {2 * -(-min_rows // n_steps)} are needed"
        )
    order = np.random.default_rng(seed).permutation(n_sequences)
    fit, score = np.sort(order[: n_sequences // 2]), np.sort(order[n_sequences // 2 :])
    fit_pair, score_pair = ((_flattened(true[half]), _flattened(learned[half])) for half in (fit, score))
    return fit_pair, score_pair


def require_seed(seed: object) -> None:
    """Raise DataError unless the seed is a whole number of 0 or more."""
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or seed < 0:
        raise DataError(f"seed is {seed!r}; it must be a whole number, 0 or more")


def _flattened(samples: Floats) -> Floats:
    """Return (N, T, n) reshaped to (N * T, n)."""
    return samples.reshape(-1, samples.shape[-1])


def constant_columns(rows: Floats) -> NDArray[np.bool_]:
    """Return which columns are constant. The comparison is exact, unlike one with a mean, which has rounding errors."""
    return np.asarray((rows == rows[:1]).all(axis=0))


def standardise(fit: Floats, *others: Floats) -> tuple[Floats, ...]:
    """Standardise arrays by the column means and standard deviations of the first; constant columns become 0.

    Args:
        fit: Array that determines means and standard deviations, shape (N, n).
        others: Further arrays, shape (any, n).

    Example:
        >>> standardise(np.array([[1.0, 7.0], [3.0, 7.0]]))[0].tolist()
        [[-1.0, 0.0], [1.0, 0.0]]
    """
    constant = constant_columns(fit)
    # first scale by a power of two, which is exact, to the order of 1: squares and sums of huge or tiny numbers would
    # leave the range of floats
    exponent = -np.frexp(np.abs(fit).max(axis=0))[1]
    scaled = np.ldexp(fit, exponent)
    mean, deviation = scaled.mean(axis=0), np.where(constant, 1.0, scaled.std(axis=0))
    return tuple(
        np.where(constant, 0.0, (np.ldexp(rows, exponent) - mean) / deviation) for rows in (fit, *others)
    )


def checked_matching(matching: ArrayLike, n: int, n_hat: int, name: str) -> NDArray[np.intp]:
    """Return a matching as an integer array: entry i is the learned latent of true latent i, or -1 for none.

    Args:
        matching: Whole numbers, shape (n,).
        n: Number of true latents.
        n_hat: Number of learned latents.
        name: Name of the matching in error messages.

    Raises:
        DataError: If the matching has another shape, an entry out of range, or a learned latent twice.

    Example:
        >>> checked_matching([1, -1], 2, 2, "matching").tolist()
        [1, -1]
    """
    array = _as_array(matching, name)
    if array.shape != (n,) or array.dtype.kind not in "iu":
        raise DataError(
            f"{name} has shape {array.shape} and type {array.dtype}; it must hold {n} whole numbers, one per "
            "true latent"
        )
    invalid = np.flatnonzero((array < -1) | (array >= n_hat))
    if invalid.size:
        i = invalid[0]
        raise DataError(
            f"{name}[{i}] is {array[i]}; it must be a learned latent, 0 to {n_hat - 1}, or -1 for none"
        )
    indices = array.astype(np.intp)
    used, counts = np.unique(indices[indices >= 0], return_counts=True)
    if (counts > 1).any():
        raise DataError(
            f"{name} uses learned latent {used[counts > 1][0]} more than once; it must be one-to-one"
        )
    return indices


def _as_latents(values: ArrayLike, name: str) -> Floats:
    array = _as_array(values, name)
    if array.dtype.kind not in "buif":
        raise DataError(f"{name} has entries of type {array.dtype}; they must be real numbers")
    if array.ndim not in (2, 3) or 0 in array.shape:
        raise DataError(
            f"{name} has shape {array.shape}; it must be (N, n) or (N, T, n), and no size may be 0"
        )
    latents = array.astype(np.float64)
    infinite = np.argwhere(~np.isfinite(latents))
    if infinite.size:
        index = tuple(infinite[0].tolist())
        raise DataError(f"{name}[{', '.join(map(str, index))}] is {latents[index]}; latents must be finite")
    return latents


def _as_array(values: Any, name: str) -> NDArray[Any]:
    if isinstance(values, np.ma.MaskedArray) and np.ma.is_masked(values):
        raise DataError(f"{name} has masked entries; fill them or leave out their rows")
    try:
        return np.asarray(values)
    except (RuntimeError, TypeError, ValueError) as error:
        # ragged lists, and tensors on a GPU or with a gradient
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise DataError(f"{name} is not an array of numbers: {reason}") from error
