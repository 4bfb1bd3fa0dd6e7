"""`check_joint`: joint influence of effects that are numbers."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from fractions import Fraction
from numbers import Integral, Rational, Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from identify.exceptions import RequestError
from identify.influence.joint.answers import Names, answer
from identify.influence.joint.certificates import LightDirection, NoLightDirection
from identify.influence.joint.fields import Field, Matrix, Rationals, Reals
from identify.influence.joint.result import JointCertificate, JointInfluence
from identify.influence.joint.sparsest import Effects, Sparsest, find_sparsest, weigh
from identify.names import default_names, quoted
from identify.proof.deadline import TimeLimitError, check_seconds, run_within

__all__ = ["check_joint", "decide_joint", "orthonormal", "side_by_side"]

_TOLERANCE = 1e-9


def check_joint(
    effects: Iterable[ArrayLike],
    n_latents: int | None = None,
    time_limit: float = 60,
    tolerance: float = _TOLERANCE,
) -> JointInfluence:
    """Decide joint influence of actions whose effects are known numbers.

    Args:
        effects: One array per action, shape (n, r) or (n,): its columns span what the action does to the latents, for
            instance the difference of means of an on/off intervention. Integers and fractions are decided exactly;
            one floating-point number among them makes the answer numerical evidence.
        n_latents: Number of latents n; needed only if there is no action.
        time_limit: Seconds, after which the answer is undecided.
        tolerance: For floating-point numbers: what is smaller than this multiple of the largest effect of the same
            action counts as zero.

    Returns:
        The answer; with a certificate if the numbers are exact.

    Raises:
        RequestError: If the arrays don't have one shape (n, r), an entry is not a finite number, there are no actions
            and ``n_latents`` is not given, or a limit is out of range.

    Source:
        Ours (docs/theory.md).

    Example:
        >>> check_joint([[1, 1], [1, 2], [1, 3], [2, 5], [3, 1]]).status
        'fails'
        >>> check_joint([[1, 1], [1, 0], [1, 0], [0, 1], [0, 1]]).status
        'holds'
        >>> joint = check_joint([[1, 1], [1, 1], [0, 1]])
        >>> joint.status, joint.n_fewer, str(joint.directions[0])
        ('fails', 2, 'a combination of z0, z1 moves with 1 action (cancels a0, a1)')
    """
    seconds = check_seconds(time_limit)
    arrays = [_matrix(array, position) for position, array in enumerate(effects)]
    n = _number_of_latents(arrays, n_latents)
    _check_tolerance(tolerance)
    is_exact = all(isinstance(value, Rational) for array in arrays for value in array.ravel())
    field: Field = Rationals() if is_exact else Reals(float(tolerance))
    blocks = [field.array(array) if is_exact else orthonormal(array, float(tolerance)) for array in arrays]
    names = Names(default_names("z", n), default_names("a", len(arrays)))
    return decide_joint(side_by_side(field, blocks, n), names, seconds)


def decide_joint(effects: Effects, names: Names, seconds: float) -> JointInfluence:
    """Decide joint influence of effects over any field.

    Args:
        effects: What the actions do.
        names: Names of latents and actions.
        seconds: Time limit, after which the answer is undecided.
    """
    units = effects.field.eye(effects.n_latents)
    found = Sparsest(units.copy(), weigh(effects, units))
    with suppress(TimeLimitError):
        run_within(seconds, lambda: find_sparsest(effects, found))

    def certify(vector: Matrix | None) -> JointCertificate | None:
        if isinstance(effects.field, Reals):
            return None
        return NoLightDirection(effects) if vector is None else LightDirection(effects, vector)

    return answer(effects, found, names, seconds, certify)


def side_by_side(field: Field, blocks: list[Matrix], n: int) -> Effects:
    """Return the effects of all actions as one matrix, without columns of zeros.

    Args:
        field: The field of the numbers.
        blocks: For each action, what it does, shape (n, r).
        n: Number of latents.
    """
    empty = np.zeros((n, 0), dtype=field.dtype)
    columns = np.hstack([empty, *blocks])
    owner = np.repeat(np.arange(len(blocks)), [block.shape[1] for block in blocks])
    kept = field.support(columns)
    return Effects(field, columns[:, kept], owner[kept], len(blocks))


def _matrix(array: ArrayLike, position: int) -> NDArray[Any]:
    ragged = f"effects[{position}] is ragged; it is an array of shape (n, r)"
    try:
        values = np.array(array, dtype=object)
    except ValueError as error:
        raise RequestError(ragged) from error
    if any(isinstance(value, list | tuple | np.ndarray) for value in values.ravel()):
        raise RequestError(ragged)
    if values.ndim == 1:
        values = values[:, None]
    if values.ndim != 2:
        raise RequestError(
            f"effects[{position}] has {values.ndim} dimensions; it is an array of shape (n, r)"
        )
    result = np.empty(values.shape, dtype=object)
    for index, value in np.ndenumerate(values):
        result[index] = _number(value, position)
    return result


def _number(value: Any, position: int) -> Fraction | float:
    if isinstance(value, np.bool_ | bool | Integral):
        return Fraction(int(value))
    if isinstance(value, Rational):
        return Fraction(int(value.numerator), int(value.denominator))
    if isinstance(value, Real) and np.isfinite(float(value)):
        return float(value)
    raise RequestError(f"effects[{position}] has the entry {quoted(value)}; entries are finite real numbers")


def _check_tolerance(tolerance: Any) -> None:
    if isinstance(tolerance, bool) or not isinstance(tolerance, Real) or not 0 < float(tolerance) < 1:
        raise RequestError(f"tolerance is {quoted(tolerance)}; it is a number between 0 and 1")


def _number_of_latents(arrays: list[NDArray[Any]], n_latents: Any) -> int:
    if n_latents is not None and (
        isinstance(n_latents, bool) or not isinstance(n_latents, Integral) or n_latents < 1
    ):
        raise RequestError(f"n_latents is {quoted(n_latents)}; it is a number of latents, an integer from 1")
    if not arrays:
        if n_latents is None:
            raise RequestError("there are no actions; give n_latents, which effects would otherwise show")
        return int(n_latents)
    n = len(arrays[0]) if n_latents is None else int(n_latents)
    for position, array in enumerate(arrays):
        if len(array) != n or not n:
            wanted = "n_latents" if n_latents is not None else "effects[0]"
            raise RequestError(
                f"effects[{position}] has {len(array)} rows, one per latent; {wanted} has {n}"
                if n
                else "effects[0] has no rows; it has one per latent"
            )
    return n


def orthonormal(array: NDArray[Any], tolerance: float) -> Matrix:
    """Return an orthonormal basis of the columns, with small singular values and small entries left out.

    Args:
        array: Floating-point numbers, shape (n, r).
        tolerance: Smallest singular value relative to the largest, and smallest entry.
    """
    values = array.astype(float)
    largest = float(np.abs(values).max(initial=0.0))
    if not largest:
        return values[:, :0]
    left, singular, _ = np.linalg.svd(values / largest, full_matrices=False)
    basis = left[:, singular > tolerance * singular[0]]
    return np.where(np.abs(basis) <= tolerance, 0.0, basis)
