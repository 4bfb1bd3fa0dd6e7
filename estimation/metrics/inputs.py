"""What the scores take: two arrays of latents, a matching between them; checked once, and cut in halves."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from estimation.exceptions import DataError

__all__ = ["as_samples", "checked_matching", "constant_columns", "halves", "require_seed", "standardised"]

Floats = NDArray[np.float64]


def as_samples(z: ArrayLike, z_hat: ArrayLike) -> tuple[Floats, Floats]:
    """True and learned latents as float64 arrays of shapes (N, T, n) and (N, T, n_hat).

    Args:
        z: true latents, shape (N, n) or (N, T, n).
        z_hat: learned latents of the same rows, shape (N, n_hat) or (N, T, n_hat).

    Raises:
        DataError: one of them is no finite array of that shape, they have different rows, or there are fewer than
            two rows.

    Example:
        >>> [array.shape for array in as_samples([[1.0], [2.0]], [[1.0, 0.0], [2.0, 0.0]])]
        [(2, 1, 1), (2, 1, 2)]
    """
    true, learned = _as_latents(z, "z"), _as_latents(z_hat, "z_hat")
    if true.ndim != learned.ndim or true.shape[:-1] != learned.shape[:-1]:
        raise DataError(
            f"z has shape {true.shape} and z_hat {learned.shape}; all but the last number must be the same"
        )
    if true[..., 0].size < 2:
        raise DataError(f"z has shape {true.shape}, which is {true[..., 0].size} rows; at least 2 are needed")
    if true.ndim == 2:
        return true[:, np.newaxis], learned[:, np.newaxis]
    return true, learned


def halves(
    true: Floats, learned: Floats, held_out: bool, seed: int, least: int = 2
) -> tuple[tuple[Floats, Floats], tuple[Floats, Floats]]:
    """The rows to fit on and the rows to score on, flattened: each a pair (true, learned).

    Rows are shared out at random, whole sequences at a time: steps of one sequence resemble each other, so they
    must not be on both sides.

    Args:
        true: shape (N, T, n).
        learned: shape (N, T, n_hat).
        held_out: cut in two; otherwise both are everything.
        seed: which halves; the same seed and N give the same halves in every score.
        least: how many flattened rows each half must have.

    Raises:
        DataError: a half would have fewer than ``least`` rows, or ``seed`` is no seed.
    """
    if not held_out:
        everything = _flattened(true), _flattened(learned)
        return everything, everything
    require_seed(seed)
    n, steps = true.shape[:2]
    if n // 2 * steps < least:
        what = "rows" if steps == 1 else f"sequences of {steps} steps"
        raise DataError(
            f"{n} {what} can't be cut into two halves; at least {2 * -(-least // steps)} are needed"
        )
    order = np.random.default_rng(seed).permutation(n)
    fit, score = np.sort(order[: n // 2]), np.sort(order[n // 2 :])
    first, second = ((_flattened(true[part]), _flattened(learned[part])) for part in (fit, score))
    return first, second


def require_seed(seed: object) -> None:
    """Raise DataError unless it is a whole number from 0."""
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or seed < 0:
        raise DataError(f"seed is {seed!r}; it must be a whole number, 0 or more")


def _flattened(samples: Floats) -> Floats:
    """All steps of all rows below each other: shape (N, T, n) -> (N * T, n)."""
    return samples.reshape(-1, samples.shape[-1])


def constant_columns(rows: Floats) -> NDArray[np.bool_]:
    """Which columns never change. Compared exactly: a mean has rounding errors, a constant has none."""
    return np.asarray((rows == rows[:1]).all(axis=0))


def standardised(fit: Floats, *others: Floats) -> tuple[Floats, ...]:
    """Each array with the column means and standard deviations of the first taken out; constant columns become 0.

    Args:
        fit: shape (N, n).
        others: shape (any, n).

    Example:
        >>> standardised(np.array([[1.0, 7.0], [3.0, 7.0]]))[0].tolist()
        [[-1.0, 0.0], [1.0, 0.0]]
    """
    constant = constant_columns(fit)
    # to the order of 1 first, exactly, by a power of two: squares and sums of huge or tiny numbers leave the range
    # of floats
    power = -np.frexp(np.abs(fit).max(axis=0))[1]
    scaled = np.ldexp(fit, power)
    mean, spread = scaled.mean(axis=0), np.where(constant, 1.0, scaled.std(axis=0))
    return tuple(np.where(constant, 0.0, (np.ldexp(rows, power) - mean) / spread) for rows in (fit, *others))


def checked_matching(matching: ArrayLike, n: int, n_hat: int, name: str) -> NDArray[np.intp]:
    """A matching as an integer array: entry i is the learned latent of true latent i, or -1 for none.

    Args:
        matching: n whole numbers.
        n: number of true latents.
        n_hat: number of learned latents.
        name: what error messages call it.

    Raises:
        DataError: it has another length, an entry out of range, or uses a learned latent twice.

    Example:
        >>> checked_matching([1, -1], 2, 2, "matching").tolist()
        [1, -1]
    """
    given = _as_array(matching, name)
    if given.shape != (n,) or given.dtype.kind not in "iu":
        raise DataError(
            f"{name} has shape {given.shape} and type {given.dtype}; it must hold {n} whole numbers, one per "
            "true latent"
        )
    odd = np.flatnonzero((given < -1) | (given >= n_hat))
    if odd.size:
        raise DataError(
            f"{name}[{odd[0]}] is {given[odd[0]]}; it must be a learned latent, 0 to {n_hat - 1}, or -1 for none"
        )
    result = given.astype(np.intp)
    used, counts = np.unique(result[result >= 0], return_counts=True)
    if (counts > 1).any():
        raise DataError(
            f"{name} uses learned latent {used[counts > 1][0]} more than once; it must be one-to-one"
        )
    return result


def _as_latents(values: ArrayLike, name: str) -> Floats:
    array = _as_array(values, name)
    if array.dtype.kind not in "buif":
        raise DataError(f"{name} has entries of type {array.dtype}; they must be real numbers")
    if array.ndim not in (2, 3) or 0 in array.shape:
        raise DataError(
            f"{name} has shape {array.shape}; it must be (N, n) or (N, T, n), with none of them 0"
        )
    result = array.astype(np.float64)
    odd = np.argwhere(~np.isfinite(result))
    if odd.size:
        place = tuple(odd[0].tolist())
        raise DataError(f"{name}[{', '.join(map(str, place))}] is {result[place]}; latents must be finite")
    return result


def _as_array(values: Any, name: str) -> NDArray[Any]:
    if isinstance(values, np.ma.MaskedArray) and np.ma.is_masked(values):
        raise DataError(f"{name} has masked entries; fill them or leave those rows out")
    try:
        return np.asarray(values)
    except (RuntimeError, TypeError, ValueError) as error:
        # ragged lists, tensors that live on a GPU or need a gradient
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise DataError(f"{name} is no array of numbers: {reason}") from error
