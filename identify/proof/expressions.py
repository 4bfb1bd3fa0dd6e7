"""Expressions as a message shows them, as sympy writes them unless they are large; and how sympy fails."""

from __future__ import annotations

from itertools import islice
from typing import Any

from identify.exceptions import one_line

__all__ = ["FAILURES", "in_words"]

#: What sympy raises where it doesn't know what to do, or runs out of something.
FAILURES = (
    ArithmeticError,
    AttributeError,
    MemoryError,
    NotImplementedError,
    RecursionError,
    TypeError,
    ValueError,
)

_MOST_LETTERS = 120
_MOST_PARTS = 300
_MOST_BITS = 10_000


def in_words(expression: Any, most: int | None = _MOST_LETTERS) -> str:
    """An expression as text that costs little to write and to read.

    Args:
        expression: Of sympy.
        most: Letters; longer text loses its middle. None for any number.

    Example:
        >>> import sympy
        >>> x = sympy.Symbol("x")
        >>> in_words(x + 1), in_words(sympy.Add(*(sympy.sin(k * x) for k in range(500))))
        ('x + 1', 'an expression of more than 300 parts')
    """
    import sympy

    parts = list(islice(sympy.preorder_traversal(expression), _MOST_PARTS + 1))
    if len(parts) > _MOST_PARTS:
        return f"an expression of more than {_MOST_PARTS} parts"
    # Python refuses to write out what has thousands of digits
    if any(
        part.is_Rational and max(int(part.p).bit_length(), int(part.q).bit_length()) > _MOST_BITS
        for part in parts
        if isinstance(part, sympy.Expr)
    ):
        return "an expression with a number of thousands of digits"
    return str(expression) if most is None else one_line(str(expression), most)
