"""Names of latents and actions: validation, defaults, and display in messages."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from reprlib import Repr

from identify.exceptions import GraphError, one_line

__all__ = ["check_names", "default_names", "lookalike", "quoted", "shown"]

_MAX_SHOWN = 60
_MAX_BITS = 10_000


def check_names(names: Iterable[str], kind: str) -> tuple[str, ...]:
    """Return the names as a tuple of unique, non-empty, printable strings.

    Names must be printable to be safe in every file format, in figures and in terminals.

    Args:
        names: The names in order.
        kind: Kind of the names, for the error message: ``"latents"`` or ``"actions"``.

    Raises:
        GraphError: If a name is empty, is not a string, contains a control character, or repeats.

    Example:
        >>> check_names(["raf", "raf"], "latents")
        Traceback (most recent call last):
        identify.exceptions.GraphError: latents 0 and 1 are both named 'raf'; names must be unique
    """
    if isinstance(names, str) or not isinstance(names, Iterable):
        raise GraphError(f"{kind} must be a sequence of names, got {quoted(names)}")
    result = tuple(names)
    positions: dict[str, int] = {}
    for position, name in enumerate(result):
        if not isinstance(name, str):
            raise GraphError(f"{kind} name {position} is {quoted(name)}; a name is a non-empty string")
        if not name:
            raise GraphError(f"{kind} name {position} is empty; a name is a non-empty string")
        if not name.isprintable():
            raise GraphError(
                f"{kind} name {position} is {quoted(name)}; a name has printable characters only"
            )
        if name in positions:
            raise GraphError(
                f"{kind} {positions[name]} and {position} are both named {quoted(name)}; names must be unique"
            )
        positions[name] = position
    return tuple(str(name) for name in result)


def shown(value: object, max_length: int = _MAX_SHOWN) -> str:
    """Return a name or another value as text for an error message: on one line and shortened.

    Args:
        value: A string, which is shown without quotes if it is printable; or any other value, shown by its repr.
        max_length: Maximum number of characters; the middle of a longer text is left out.

    Example:
        >>> shown("raf"), shown("r\\naf"), shown([1, "x"])
        ('raf', "'r\\\\naf'", "[1, 'x']")
        >>> shown("x" * 100, 20)
        'xxxxxxxxx [...] xxxx'
    """
    if isinstance(value, str) and value.isprintable():
        return one_line(value, max_length)
    return quoted(value, max_length)


def quoted(value: object, max_length: int = _MAX_SHOWN) -> str:
    """Return the text of `shown`, but always with quotes around strings, so that spaces at their ends are visible.

    Example:
        >>> quoted("raf "), quoted("x" * 100, 20), quoted(10**5000)
        ("'raf '", "'xxxxxxxx [...] xxx'", 'an integer of 16610 bits')
    """
    return one_line(_ShortRepr(max_length).repr(value), max_length)


class _ShortRepr(Repr):
    """A `repr` that spends no time on parts that would be left out."""

    def __init__(self, max_length: int) -> None:
        super().__init__()
        self.maxstring = self.maxother = self.maxlong = 4 * max_length
        self.maxlist = self.maxtuple = self.maxdict = self.maxset = self.maxarray = max_length
        self.maxlevel = 4

    def repr_int(self, x: int, level: int) -> str:
        # Python refuses to format integers of thousands of digits
        if x.bit_length() > _MAX_BITS:
            return f"an integer of {x.bit_length()} bits"
        return super().repr_int(x, level)


def lookalike(name: str) -> str:
    """Return the same text for names that look alike.

    Case, look-alike letters and the width of spaces are ignored.

    Example:
        >>> lookalike("Raf") == lookalike("raf")
        True
        >>> lookalike("\N{MICRO SIGN}") == lookalike("\N{GREEK SMALL LETTER MU}")
        True
    """
    return " ".join(unicodedata.normalize("NFKC", name).casefold().split())


def default_names(letter: str, count: int) -> tuple[str, ...]:
    """Return the names made of ``letter`` and the position, counted from 0.

    Example:
        >>> default_names("z", 3)
        ('z0', 'z1', 'z2')
    """
    return tuple(f"{letter}{position}" for position in range(count))
