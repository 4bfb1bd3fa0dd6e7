"""Enclose the value of a sympy expression at a rational point in a ball that is proved to contain it.

The ball arithmetic is that of Arb (Johansson 2017, through python-flint), in which every operation rounds outwards. An
enclosure that excludes zero proves that the value is not zero; a floating-point number proves nothing.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from functools import cache, reduce
from typing import TYPE_CHECKING, Any

from identify.exceptions import IdentifyError
from identify.proof.expressions import expression_text

if TYPE_CHECKING:
    import flint
    import sympy

__all__ = ["NotEnclosedError", "Point", "enclose", "excludes_zero", "precision"]

Point = Mapping["sympy.Symbol", "sympy.Rational"]
Function = Callable[..., Any]


class NotEnclosedError(IdentifyError):
    """Error for an expression without a finite real value at a point, or with a function that can't be enclosed.

    Args:
        problem: What is wrong.
        expression: The expression concerned, if that helps. It is formatted only when the message is read.
        unsupported: Whether a function without an enclosure is the reason, so that no other point can help.
    """

    def __init__(self, problem: str, expression: Any = None, unsupported: bool = False) -> None:
        super().__init__(problem)
        self.expression, self.unsupported = expression, unsupported

    def __str__(self) -> str:
        problem = super().__str__()
        return problem if self.expression is None else f"{expression_text(self.expression)} {problem}"


def enclose(expression: sympy.Expr, point: Point, bits: int = 128) -> flint.arb:
    """Return a ball that contains the value of an expression.

    Args:
        expression: A real expression in the symbols of the point.
        point: Rational numbers for the symbols.
        bits: Precision of the midpoints; more bits give smaller balls.

    Returns:
        A finite ball.

    Raises:
        NotEnclosedError: If the expression has no finite real value there, contains a function without an enclosure, or
            has a condition that can't be decided with this precision.

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
    """Return a context in which the midpoints of balls have the given number of bits."""
    import flint

    return flint.ctx.workprec(bits)


def excludes_zero(ball: flint.arb) -> bool:
    """Return whether the ball is finite and does not contain zero."""
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
        return _piecewise(expression, point)
    function = _functions().get(expression.func)
    if function is None:
        raise NotEnclosedError(f"{expression.func} has no enclosure", unsupported=True)
    return _finite(function(*(_ball(argument, point) for argument in expression.args)), expression)


def _power(base: Any, exponent: Any, point: Point, expression: Any) -> Any:
    if exponent.is_Integer:
        if int(exponent) < 0 and not excludes_zero(base):
            raise NotEnclosedError("may divide by zero", expression)
        return _finite(base ** int(exponent), expression)
    if base > 0:
        return _finite(base ** _ball(exponent, point), expression)
    if base.is_zero() and exponent.is_positive:
        return base
    raise NotEnclosedError("is not known to be real", expression)


def _piecewise(expression: Any, point: Point) -> Any:
    for value, condition in expression.args:
        if _is_true(condition, point):
            return _ball(value, point)
    raise NotEnclosedError("has no piece there", expression)


def _is_true(condition: Any, point: Point) -> bool:
    import sympy

    if condition in (sympy.true, sympy.false):
        return bool(condition)
    if isinstance(condition, sympy.And):
        return all(_is_true(part, point) for part in condition.args)
    if isinstance(condition, sympy.Or):
        return any(_is_true(part, point) for part in condition.args)
    if isinstance(condition, sympy.Not):
        return not _is_true(condition.args[0], point)
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
        raise NotEnclosedError("the sign of a value is too close to call")
    return ball / abs(ball)


def _log(ball: Any) -> Any:
    if not ball > 0:
        raise NotEnclosedError("the argument of a logarithm is not known to be positive")
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

    names = (
        "sin cos tan cot sec csc asin acos atan sinh cosh tanh coth sech csch asinh acosh atanh "
        "exp erf erfc erfi gamma sinc atan2"
    )
    same_name = {getattr(sympy, name): getattr(flint.arb, name) for name in names.split()}
    return same_name | {
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
        raise NotEnclosedError("digamma is the only polygamma function with an enclosure")
    return ball.digamma()
