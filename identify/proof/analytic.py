"""Recognise analytic expressions: what holds at one point then holds at almost every point.

If a determinant is analytic on a connected domain and is not zero at one value of z, it is not zero for almost every z.
Quotients of analytic functions are fine too, because poles don't disconnect the complex plane. The argument fails for
kinks (|z|), for jumps at a pole (atan(1/z) + atan(z) is pi/2 on one side of zero and -pi/2 on the other), for roots
that touch zero, and for folded functions (asin(sin z)).
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import sympy

__all__ = ["is_analytic"]


class _Kind(IntEnum):
    """The regularity of a formula on the real numbers, from best to worst."""

    ANALYTIC = 0
    QUOTIENT = 1
    OTHER = 2


def is_analytic(expression: sympy.Expr, symbols: Iterable[sympy.Symbol]) -> bool:
    """Return whether an expression is recognised as analytic in some symbols, or as a quotient of analytic functions.

    Args:
        expression: A real expression.
        symbols: Real symbols, which may have further assumptions such as positive; all others are constants.

    Returns:
        True if the rules here recognise the expression as analytic. False does not mean that it isn't.

    Example:
        >>> import sympy
        >>> z = sympy.Symbol("z", real=True)
        >>> is_analytic(sympy.log(1 + z**2) / z, [z]), is_analytic(sympy.atan(1 / z), [z])
        (True, False)
    """
    return _kind(expression, frozenset(symbols)) < _Kind.OTHER


def _kind(expression: Any, symbols: frozenset[Any]) -> _Kind:
    import sympy

    if not expression.free_symbols & symbols or expression.is_Symbol:
        return _Kind.ANALYTIC
    if isinstance(expression, sympy.Pow):
        return _power_kind(expression, symbols)
    worst = max(_kind(argument, symbols) for argument in expression.args)
    if isinstance(expression, sympy.Add | sympy.Mul):
        return worst
    everywhere, with_poles, where_positive = _functions()
    if worst == _Kind.ANALYTIC:
        if expression.func in everywhere or (
            expression.func in where_positive and expression.args[0].is_positive
        ):
            return _Kind.ANALYTIC
        if expression.func in with_poles:
            return _Kind.QUOTIENT
    return _Kind.OTHER


def _power_kind(expression: Any, symbols: frozenset[Any]) -> _Kind:
    base, exponent = expression.as_base_exp() if expression.exp.is_number else expression.args
    worst = max(_kind(base, symbols), _kind(exponent, symbols))
    if exponent.is_Integer:
        without_poles = exponent.is_positive or base.is_positive or base.is_negative
        return worst if without_poles else max(worst, _Kind.QUOTIENT)
    return worst if worst == _Kind.ANALYTIC and base.is_positive else _Kind.OTHER


@cache
def _functions() -> tuple[frozenset[Any], frozenset[Any], frozenset[Any]]:
    """Return the functions that are analytic on all real numbers, except at poles, and on positive numbers."""
    return (
        _sympy_functions("exp sin cos sinh cosh tanh sech atan asinh erf erfc erfi sinc"),
        _sympy_functions("tan cot sec csc coth csch"),
        _sympy_functions("log gamma loggamma"),
    )


def _sympy_functions(names: str) -> frozenset[Any]:
    import sympy

    return frozenset(getattr(sympy, name) for name in names.split())
