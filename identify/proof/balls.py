"""The value of a sympy expression at a rational point, enclosed: a ball that is proved to contain it.

Ball arithmetic of Arb (Johansson 2017, through python-flint): every operation rounds outwards. An enclosure that
excludes zero is a proof that the value is not zero, which no floating-point number is.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from functools import cache, reduce
from typing import TYPE_CHECKING, Any

from identify.exceptions import IdentifyError
from identify.proof.words import in_words

if TYPE_CHECKING:
    import flint
    import sympy

__all__ = ["NotEnclosedError", "Point", "enclose", "excludes_zero", "precision"]

Point = Mapping["sympy.Symbol", "sympy.Rational"]
Function = Callable[..., Any]


class NotEnclosedError(IdentifyError):
    """The expression has no finite real value at the point, or holds a function that has no enclosure here.

    Args:
        problem: What is wrong.
        expression: Of what, if that helps; it is written out only when somebody reads the message.
        unknown: Whether a function is the reason, so that another point won't help.
    """

    def __init__(self, problem: str, expression: Any = None, unknown: bool = False) -> None:
        super().__init__(problem)
        self.expression, self.unknown = expression, unknown

    def __str__(self) -> str:
        problem = super().__str__()
        return problem if self.expression is None else f"{in_words(self.expression)} {problem}"


def enclose(expression: sympy.Expr, point: Point, bits: int = 128) -> flint.arb:
    """A ball that contains the value of an expression.

    Args:
        expression: Real; its symbols are those of the point.
        point: Rational numbers for the symbols.
        bits: Of the midpoints; more make smaller balls.

    Returns:
        a finite ball.

    Raises:
        NotEnclosedError: If no finite real value there, an unknown function, or a condition that this precision leaves
            open.

    Example:
        >>> import sympy
        >>> x = sympy.Symbol("x")
        >>> excludes_zero(enclose(sympy.sin(x) - x, {x: sympy.Rational(1, 10)}))
        True
    """
    with precision(bits):
        ball: flint.arb = _finite(_ball(expression, point), expression)
    return ball


def precision(bits: int) -> Any:
    """A context in which balls have midpoints of so many bits."""
    import flint

    return flint.ctx.workprec(bits)


def excludes_zero(ball: flint.arb) -> bool:
    """Whether no number in the ball is zero."""
    return bool(ball.is_finite()) and not bool(ball.contains(0))


def _ball(expression: Any, point: Point) -> Any:
    return _atom(expression, point) if not expression.args else _compound(expression, point)


def _atom(expression: Any, point: Point) -> Any:
    import flint
    import sympy

    if expression in point:
        return _ball(point[expression], point)
    if isinstance(expression, sympy.Float):
        # a binary fraction, exactly
        expression = sympy.Rational(expression)
    if isinstance(expression, sympy.Rational):
        return flint.arb(flint.fmpq(int(expression.p), int(expression.q)))
    if expression not in _constants():
        raise NotEnclosedError("has no value", expression)
    return _constants()[expression]()


def _compound(expression: Any, point: Point) -> Any:
    import sympy

    if isinstance(expression, sympy.Pow):
        return _power(_ball(expression.base, point), expression.exp, point, expression)
    if isinstance(expression, sympy.Piecewise):
        return _piece(expression, point)
    function = _functions().get(expression.func)
    if function is None:
        raise NotEnclosedError(f"{expression.func} has no enclosure", unknown=True)
    return _finite(function(*(_ball(part, point) for part in expression.args)), expression)


def _power(base: Any, exponent: Any, point: Point, whole: Any) -> Any:
    if exponent.is_Integer:
        if int(exponent) < 0 and not excludes_zero(base):
            raise NotEnclosedError("may divide by zero", whole)
        return _finite(base ** int(exponent), whole)
    if base > 0:
        return _finite(base ** _ball(exponent, point), whole)
    if base.is_zero() and exponent.is_positive:
        return base
    raise NotEnclosedError("is not known to be real", whole)


def _piece(expression: Any, point: Point) -> Any:
    for value, condition in expression.args:
        if _holds(condition, point):
            return _ball(value, point)
    raise NotEnclosedError("has no piece there", expression)


def _holds(condition: Any, point: Point) -> bool:
    import sympy

    if condition in (sympy.true, sympy.false):
        return bool(condition)
    if isinstance(condition, sympy.And):
        return all(_holds(part, point) for part in condition.args)
    if isinstance(condition, sympy.Or):
        return any(_holds(part, point) for part in condition.args)
    if isinstance(condition, sympy.Not):
        return not _holds(condition.args[0], point)
    if not isinstance(condition, sympy.core.relational.Relational):
        raise NotEnclosedError("can't be decided", condition)
    difference = _ball(condition.lhs, point) - _ball(condition.rhs, point)
    if not excludes_zero(difference) and not difference.is_zero():
        raise NotEnclosedError("is too close to call", condition)
    sign = 0 if difference.is_zero() else 1 if difference > 0 else -1
    return bool(condition.func(sympy.Integer(sign), sympy.Integer(0)))


def _sign(ball: Any) -> Any:
    if ball.is_zero():
        return ball
    if not excludes_zero(ball):
        raise NotEnclosedError("a sign is too close to call")
    return ball / abs(ball)


def _log(ball: Any) -> Any:
    if not ball > 0:
        raise NotEnclosedError("a logarithm of what is not known to be positive")
    return ball.log()


def _finite(ball: Any, expression: Any) -> Any:
    if not ball.is_finite():
        raise NotEnclosedError("has no finite value there", expression)
    return ball


@cache
def _constants() -> dict[Any, Callable[[], Any]]:
    import flint
    import sympy

    return {
        sympy.pi: flint.arb.pi,
        sympy.E: flint.arb.const_e,
        sympy.EulerGamma: flint.arb.const_euler,
        sympy.Catalan: flint.arb.const_catalan,
    }


@cache
def _functions() -> dict[Any, Function]:
    import flint
    import sympy

    named = (
        "sin cos tan cot sec csc asin acos atan sinh cosh tanh coth sech csch asinh acosh atanh "
        "exp erf erfc erfi gamma sinc atan2"
    )
    same = {getattr(sympy, name): getattr(flint.arb, name) for name in named.split()}
    return same | {
        sympy.Add: lambda *balls: reduce(operator.add, balls),
        sympy.Mul: lambda *balls: reduce(operator.mul, balls),
        sympy.log: _log,
        sympy.loggamma: flint.arb.lgamma,
        sympy.polygamma: _polygamma,
        sympy.Abs: abs,
        sympy.sign: _sign,
        sympy.Heaviside: lambda ball, half=None: (1 + _sign(ball)) / 2,
        sympy.Max: lambda *balls: reduce(flint.arb.max, balls),
        sympy.Min: lambda *balls: reduce(flint.arb.min, balls),
    }


def _polygamma(order: Any, ball: Any) -> Any:
    if not order.is_zero():
        raise NotEnclosedError("of polygamma functions only the first, digamma, has an enclosure")
    return ball.digamma()
