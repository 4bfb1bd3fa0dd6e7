"""`check_joint_mechanisms`: joint influence of densities, at values of the latents.

At a value z of the latents, what action l does is the span of its vectors h_l(z, c) for all conditions c (see
`identify.influence`). An action with two values and nothing else that varies has one vector, so with several targets it
fails the condition for single actions; taken together, such actions may still identify the latents.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from identify.exceptions import UndecidedError
from identify.influence.actions import score_changes
from identify.influence.joint.answers import Names
from identify.influence.joint.fields import Field, Matrix, Rationals, Reals
from identify.influence.joint.numbers import decide_joint, orthonormal, side_by_side
from identify.influence.joint.result import JointInfluence
from identify.mechanisms import Mechanisms, sample_points
from identify.proof.balls import NotEnclosedError, enclose
from identify.proof.deadline import TimeLimitError, check_seconds, run_within
from identify.proof.expressions import SYMPY_ERRORS
from identify.proof.substitution import TooLargeError, substitute
from identify.proof.vanishing import rational_points

if TYPE_CHECKING:
    import sympy

__all__ = ["check_joint_mechanisms"]

_TOLERANCE = 1e-9
# values of the latents whose answers must agree, and values that are tried
_N_POINTS, _MAX_POINTS = 2, 8
# combinations of values of discrete conditions that are all used
_MAX_COMBINATIONS = 64

Point = dict[Any, Any]


def check_joint_mechanisms(mechanisms: Mechanisms, time_limit: float = 60) -> JointInfluence:
    """Decide joint influence of the actions of a model at two values of the latents, which must agree.

    The past, if there is one, only adds conditions under which the actions are seen.

    Args:
        mechanisms: The conditional densities.
        time_limit: Seconds, after which the answer is undecided.

    Returns:
        The answer at the first of the two values, which ``reason`` names. It is exact, with a certificate, if all
        vectors are rational there, and numerical evidence otherwise. Vectors under continuous conditions are sampled.
        Where the vectors are analytic in the latents, ranks at other values differ only on a set of measure zero,
        unless the values tried are exceptional themselves.

    Raises:
        RequestError: If the time limit is not a number above 0.

    Source:
        Ours (docs/theory.md).

    Example:
        >>> import sympy
        >>> from identify.mechanisms import gaussian
        >>> z0, z1, *a = sympy.symbols("z0 z1 a0:5")
        >>> densities = [gaussian(z0, a[0] + a[1] + a[2]), gaussian(z1, 2 * a[0] + a[3] + a[4])]
        >>> screen = Mechanisms([z0, z1], densities, a, action_values={action: (0, 1) for action in a})
        >>> check_joint_mechanisms(screen).status
        'holds'
    """
    seconds = check_seconds(time_limit)
    try:
        return run_within(seconds, lambda: _decide(mechanisms, seconds))
    except TimeLimitError:
        return _undecided(mechanisms, f"the time limit of {seconds:.3g} s passed")
    except (TooLargeError, UndecidedError) as error:
        return _undecided(mechanisms, str(error))
    except SYMPY_ERRORS as error:
        return _undecided(mechanisms, f"sympy fails on the densities ({type(error).__name__})")


def _undecided(mechanisms: Mechanisms, reason: str) -> JointInfluence:
    names = tuple(latent.name for latent in mechanisms.latents)
    return JointInfluence("undecided", None, None, reason, names, (0,) * len(names))


def _decide(mechanisms: Mechanisms, seconds: float) -> JointInfluence:
    names = Names(
        tuple(latent.name for latent in mechanisms.latents),
        tuple(action.name for action in mechanisms.actions),
    )
    changes = [_changes(mechanisms, action) for action in mechanisms.actions]
    answers: list[tuple[Point, JointInfluence]] = []
    for point in rational_points(mechanisms.latents, _MAX_POINTS, offset=7):
        try:
            blocks = [_span(mechanisms, change, point) for change in changes]
        except NotEnclosedError:
            continue
        answers.append((point, _decide_blocks(blocks, names, seconds)))
        if len(answers) == _N_POINTS:
            break
    if len(answers) < _N_POINTS:
        return _undecided(
            mechanisms, "no values of the latents were found at which all vectors can be computed"
        )
    point, joint = answers[0]
    at = ", ".join(f"{symbol} = {value}" for symbol, value in point.items())
    if not all(_agree(joint, other) for _, other in answers[1:]):
        return _undecided(mechanisms, f"the answer at {at} differs from that at other values of the latents")
    return replace(joint, reason=f"at {at}, {joint.reason}")


def _agree(joint: JointInfluence, other: JointInfluence) -> bool:
    return (joint.status, joint.n_fewer, joint.weights) == (
        other.status,
        other.n_fewer,
        other.weights,
    ) and np.array_equal(_shown(joint), _shown(other))


def _shown(joint: JointInfluence) -> Any:
    return () if joint.entanglement is None else joint.entanglement


def _changes(mechanisms: Mechanisms, action: sympy.Symbol) -> tuple[list[int], list[tuple[Any, ...]]]:
    """Return the children of an action, and the vectors of changes of their scores as expressions."""
    children = mechanisms.children(action)
    return children, score_changes(mechanisms, action, children) if children else []


def _span(
    mechanisms: Mechanisms, change: tuple[list[int], list[tuple[Any, ...]]], point: Point
) -> list[list[Any]]:
    """Return the vectors of an action at a value of the latents, each with one entry per latent."""
    children, branches = change
    vectors = []
    for branch in branches:
        at_point = [substitute(entry, point) for entry in branch]
        for conditions in _conditions(mechanisms, at_point, len(children)):
            vector: list[Any] = [Fraction(0)] * len(mechanisms.latents)
            for child, entry in zip(children, at_point, strict=True):
                vector[child] = _number(substitute(entry, conditions))
            vectors.append(vector)
    return vectors


def _conditions(mechanisms: Mechanisms, entries: list[Any], size: int) -> Iterator[Point]:
    """Yield conditions for the symbols that are left: all combinations of few discrete values, else samples."""
    symbols = {symbol for entry in entries for symbol in entry.free_symbols}
    discrete = [action for action in mechanisms.action_values if action in symbols]
    choices = [mechanisms.action_values[action] for action in discrete]
    if len(discrete) == len(symbols) and math.prod(map(len, choices)) <= _MAX_COMBINATIONS:
        yield from (dict(zip(discrete, values, strict=True)) for values in itertools.product(*choices))
        return
    combinations = min(math.prod(map(len, choices)), _MAX_COMBINATIONS)
    yield from sample_points(mechanisms, symbols, 3 * size + 3 + combinations)


def _number(value: sympy.Expr) -> Fraction | float:
    if value.is_Rational:
        return Fraction(int(value.p), int(value.q))
    return float(enclose(value, {}).mid())


def _decide_blocks(blocks: list[list[list[Any]]], names: Names, seconds: float) -> JointInfluence:
    n = len(names.latents)
    is_exact = all(isinstance(value, Fraction) for block in blocks for vector in block for value in vector)
    field: Field = Rationals() if is_exact else Reals(_TOLERANCE)
    matrices = [_basis(field, np.array(block, dtype=object).reshape(len(block), n)) for block in blocks]
    return decide_joint(side_by_side(field, matrices, n), names, seconds)


def _basis(field: Field, vectors: Matrix) -> Matrix:
    """Return columns that span the vectors."""
    if isinstance(field, Reals):
        return orthonormal(vectors.T, field.tolerance)
    return field.echelon(field.array(vectors).reshape(vectors.shape))[0].T
