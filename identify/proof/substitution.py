"""Numbers put in the place of symbols, unless sympy would then write out a number that fills the memory.

Sympy evaluates powers and factorials of whole numbers at once and exactly: 2**a for a = 10**9 has a gigabit. Such a
part is found beforehand by its enclosure, which costs nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from identify.exceptions import IdentifyError
from identify.proof.balls import NotEnclosedError, enclose
from identify.proof.words import in_words

if TYPE_CHECKING:
    import flint

__all__ = ["TooLargeError", "require_small_powers", "substituted"]

_MOST_BITS = 1_000_000
_LARGEST_POWER = 100_000
_LARGEST_FACTORIAL = 10_000


class TooLargeError(IdentifyError):
    """A part of the expression would become a number of too many digits."""


def substituted(expression: Any, values: Mapping[Any, Any]) -> Any:
    """An expression with numbers in the place of some symbols, as its method ``subs`` puts them.

    Args:
        expression: Of sympy.
        values: Rational numbers for some of its symbols.

    Raises:
        TooLargeError: If a power or a factorial in it would become too large a number.

    Example:
        >>> import sympy
        >>> a, z = sympy.symbols("a z", real=True)
        >>> substituted(z * 2**a, {a: sympy.Integer(3)})
        8*z
        >>> substituted(z * 2**a, {a: sympy.Integer(10) ** 9})
        Traceback (most recent call last):
        identify.proof.substitution.TooLargeError: 2**a is too large a number where a is 1000000000
    """
    import sympy

    known = set(values)
    for part in sympy.preorder_traversal(expression):
        if (
            isinstance(part, sympy.Pow | sympy.gamma | sympy.loggamma | sympy.factorial)
            and part.free_symbols
            and part.free_symbols <= known
            and _is_too_large(part, values)
        ):
            where = ", ".join(f"{symbol} is {in_words(values[symbol])}" for symbol in part.free_symbols)
            raise TooLargeError(f"{in_words(part)} is too large a number where {where}")
    return expression.subs(values)


def require_small_powers(expression: Any) -> None:
    """Refuse an expression with a numeric exponent of more than 100,000: sympy may expand the numbers in its base.

    Raises:
        TooLargeError: If it holds such a power; the text has the exponent.
    """
    import sympy

    for part in sympy.preorder_traversal(expression):
        if isinstance(part, sympy.Pow) and part.exp.is_Rational and abs(part.exp) > _LARGEST_POWER:
            raise TooLargeError(
                f"the exponent {in_words(part.exp)} is too large; up to {_LARGEST_POWER:,} are allowed"
            )


def _is_too_large(part: Any, values: Mapping[Any, Any]) -> bool:
    import sympy

    try:
        if isinstance(part, sympy.Pow):
            exponent = float(abs(enclose(part.exp, values)).upper())
            heights = [_height(values[symbol]) for symbol in part.base.free_symbols]
            return exponent * max(_magnitude(enclose(part.base, values)), *heights, 1.0) > _MOST_BITS
        return float(abs(enclose(part.args[0], values)).upper()) > _LARGEST_FACTORIAL
    except NotEnclosedError:
        return False


def _height(value: Any) -> float:
    """The bits of a rational number, which its powers multiply."""
    return float(max(int(value.p).bit_length(), int(value.q).bit_length())) if value.is_Rational else 1.0


def _magnitude(ball: flint.arb) -> float:
    """About the size of the logarithm to base 2; of a number too large for floating point, too."""
    mantissa, exponent = ball.mid().man_exp()
    return float(abs(int(exponent) + int(mantissa).bit_length()))
