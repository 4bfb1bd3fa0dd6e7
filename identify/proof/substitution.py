"""Substitute numbers for symbols, unless sympy would then compute a number that fills the memory.

Sympy evaluates powers and factorials of integers at once and exactly: 2**a for a = 10**9 has a gigabit. The functions
here find such terms beforehand by their enclosures, which are cheap.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from identify.exceptions import IdentifyError
from identify.proof.balls import NotEnclosedError, enclose
from identify.proof.expressions import expression_text

if TYPE_CHECKING:
    import flint

__all__ = ["TooLargeError", "require_small_powers", "substitute"]

_MAX_BITS = 1_000_000
_MAX_EXPONENT = 100_000
_MAX_FACTORIAL = 10_000


class TooLargeError(IdentifyError):
    """Error for a term that would become a number with too many digits."""


def substitute(expression: Any, values: Mapping[Any, Any]) -> Any:
    """Substitute numbers for some symbols of an expression, as its method ``subs`` does.

    Args:
        expression: A sympy expression.
        values: Rational numbers for some of its symbols.

    Raises:
        TooLargeError: If a power or a factorial in it would become too large a number.

    Example:
        >>> import sympy
        >>> a, z = sympy.symbols("a z", real=True)
        >>> substitute(z * 2**a, {a: sympy.Integer(3)})
        8*z
        >>> substitute(z * 2**a, {a: sympy.Integer(10) ** 9})
        Traceback (most recent call last):
        identify.proof.substitution.TooLargeError: 2**a is too large a number where a is 1000000000
    """
    import sympy

    substituted = set(values)
    for term in sympy.preorder_traversal(expression):
        if (
            isinstance(term, sympy.Pow | sympy.gamma | sympy.loggamma | sympy.factorial)
            and term.free_symbols
            and term.free_symbols <= substituted
            and _is_too_large(term, values)
        ):
            where = ", ".join(
                f"{symbol} is {expression_text(values[symbol])}" for symbol in term.free_symbols
            )
            raise TooLargeError(f"{expression_text(term)} is too large a number where {where}")
    return expression.subs(values)


def require_small_powers(expression: Any) -> None:
    """Refuse an expression with a numeric exponent of more than 100,000: sympy may expand the numbers in its base.

    Raises:
        TooLargeError: If it contains such a power; the text names the exponent.
    """
    import sympy

    for term in sympy.preorder_traversal(expression):
        if isinstance(term, sympy.Pow) and term.exp.is_Rational and abs(term.exp) > _MAX_EXPONENT:
            raise TooLargeError(
                f"the exponent {expression_text(term.exp)} is too large; the limit is {_MAX_EXPONENT:,}"
            )


def _is_too_large(term: Any, values: Mapping[Any, Any]) -> bool:
    import sympy

    try:
        if isinstance(term, sympy.Pow):
            exponent = float(abs(enclose(term.exp, values)).upper())
            n_bits = [_bit_length(values[symbol]) for symbol in term.base.free_symbols]
            return exponent * max(_log2_size(enclose(term.base, values)), *n_bits, 1.0) > _MAX_BITS
        return float(abs(enclose(term.args[0], values)).upper()) > _MAX_FACTORIAL
    except NotEnclosedError:
        return False


def _bit_length(value: Any) -> float:
    """Return the number of bits of a rational number; the bits of a power are a multiple of it."""
    return float(max(int(value.p).bit_length(), int(value.q).bit_length())) if value.is_Rational else 1.0


def _log2_size(ball: flint.arb) -> float:
    """Return the approximate absolute value of log2 of the ball, also where it exceeds floating point."""
    mantissa, exponent = ball.mid().man_exp()
    return float(abs(int(exponent) + int(mantissa).bit_length()))
