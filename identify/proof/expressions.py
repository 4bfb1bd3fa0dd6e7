"""Short texts of sympy expressions for messages, and the exceptions that sympy raises."""

from __future__ import annotations

from itertools import islice
from typing import Any

from identify.exceptions import one_line

__all__ = ["SYMPY_ERRORS", "expression_text"]

#: Exceptions that sympy raises where it does not support an expression or runs out of memory or stack.
SYMPY_ERRORS = (
    ArithmeticError,
    AttributeError,
    MemoryError,
    NotImplementedError,
    RecursionError,
    TypeError,
    ValueError,
)

_MAX_CHARACTERS = 120
_MAX_TERMS = 300
_MAX_BITS = 10_000


def expression_text(expression: Any, max_characters: int | None = _MAX_CHARACTERS) -> str:
    """Return an expression as text that is cheap to format and short to read.

    Args:
        expression: A sympy expression.
        max_characters: Maximum length; the middle of a longer text is left out. None for no limit.

    Example:
        >>> import sympy
        >>> x = sympy.Symbol("x")
        >>> expression_text(x + 1), expression_text(sympy.Add(*(sympy.sin(k * x) for k in range(500))))
        ('x + 1', 'an expression with more than 300 terms')
    """
    import sympy

    terms = list(islice(sympy.preorder_traversal(expression), _MAX_TERMS + 1))
    if len(terms) > _MAX_TERMS:
        return f"an expression with more than {_MAX_TERMS} terms"
    # Python refuses to format integers of thousands of digits
    if any(
        term.is_Rational and max(int(term.p).bit_length(), int(term.q).bit_length()) > _MAX_BITS
        for term in terms
        if isinstance(term, sympy.Expr)
    ):
        return "an expression with a number of thousands of digits"
    return str(expression) if max_characters is None else one_line(str(expression), max_characters)
