"""Does an identity that holds somewhere hold everywhere? It does for functions that are analytic on a connected domain.

A determinant that is not zero at one value of z is then not zero for almost every z. This needs the formula to be
analytic, or a quotient of such functions: poles don't cut the complex plane apart. It fails for kinks (|z|), for jumps
that only a pole makes (atan(1/z) + atan(z) is pi/2 on one side of zero and -pi/2 on the other), for roots that touch
zero, and for folded functions (asin(sin z)).
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
    """How well a formula behaves on the real numbers; the worse, the larger."""

    ANALYTIC = 0
    QUOTIENT = 1
    OTHER = 2


def is_analytic(expression: sympy.Expr, symbols: Iterable[sympy.Symbol]) -> bool:
    """Whether an expression is seen to be analytic in some symbols, or a quotient of what is.

    Args:
        expression: real.
        symbols: Real, or positive and so on; all others are constants.

    Returns:
        False also where it is analytic, but not seen to be.

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
        return _of_power(expression, symbols)
    worst = max(_kind(part, symbols) for part in expression.args)
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


def _of_power(expression: Any, symbols: frozenset[Any]) -> _Kind:
    base, exponent = expression.as_base_exp() if expression.exp.is_number else expression.args
    worst = max(_kind(base, symbols), _kind(exponent, symbols))
    if exponent.is_Integer:
        harmless = exponent.is_positive or base.is_positive or base.is_negative
        return worst if harmless else max(worst, _Kind.QUOTIENT)
    return worst if worst == _Kind.ANALYTIC and base.is_positive else _Kind.OTHER


@cache
def _functions() -> tuple[frozenset[Any], frozenset[Any], frozenset[Any]]:
    """Analytic on all real numbers; on all but poles; on positive numbers."""
    return (
        _named("exp sin cos sinh cosh tanh sech atan asinh erf erfc erfi sinc"),
        _named("tan cot sec csc coth csch"),
        _named("log gamma loggamma"),
    )


def _named(names: str) -> frozenset[Any]:
    import sympy

    return frozenset(getattr(sympy, name) for name in names.split())
