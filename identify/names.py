"""Names of latents and actions: checked once, or made up."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from reprlib import Repr

from identify.exceptions import GraphError, one_line

__all__ = ["check_names", "default_names", "lookalike", "quoted", "shown"]

_MOST_SHOWN = 60
_MOST_BITS = 10_000


def check_names(names: Iterable[str], what: str) -> tuple[str, ...]:
    """Return the names as a tuple of unique, non-empty, printable strings.

    Printable, because a name must survive every file format, a figure and a terminal.

    Args:
        names: The names in order.
        what: What they name, for the error message: ``"latents"`` or ``"actions"``.

    Raises:
        GraphError: If a name is empty, not a string, holds a control character, or repeats.

    Example:
        >>> check_names(["raf", "raf"], "latents")
        Traceback (most recent call last):
        identify.exceptions.GraphError: latents 0 and 1 are both named 'raf'; names must be unique
    """
    if isinstance(names, str) or not isinstance(names, Iterable):
        raise GraphError(f"{what} must be a sequence of names, got {quoted(names)}")
    result = tuple(names)
    seen: dict[str, int] = {}
    for position, name in enumerate(result):
        if not isinstance(name, str):
            raise GraphError(f"{what} name {position} is {quoted(name)}; a name is a non-empty string")
        if not name:
            raise GraphError(f"{what} name {position} is empty; a name is a non-empty string")
        if not name.isprintable():
            raise GraphError(
                f"{what} name {position} is {quoted(name)}; a name has printable characters only"
            )
        if name in seen:
            raise GraphError(
                f"{what} {seen[name]} and {position} are both named {quoted(name)}; names must be unique"
            )
        seen[name] = position
    return tuple(str(name) for name in result)


def shown(value: object, most: int = _MOST_SHOWN) -> str:
    """A name or another value as an error message shows it: on one line, shortened, whatever it holds.

    Args:
        value: A string, shown without quotes if it is printable; or anything else, shown as Python writes it.
        most: The most characters to return; what is longer loses its middle.

    Example:
        >>> shown("raf"), shown("r\\naf"), shown([1, "x"])
        ('raf', "'r\\\\naf'", "[1, 'x']")
        >>> shown("x" * 100, 20)
        'xxxxxxxxx [...] xxxx'
    """
    if isinstance(value, str) and value.isprintable():
        return one_line(value, most)
    return quoted(value, most)


def quoted(value: object, most: int = _MOST_SHOWN) -> str:
    """Like `shown`, but a string stands in quotes always, so that spaces at its ends are seen.

    Example:
        >>> quoted("raf "), quoted("x" * 100, 20), quoted(10**5000)
        ("'raf '", "'xxxxxxxx [...] xxx'", 'an integer of 16610 bits')
    """
    return one_line(_Short(most).repr(value), most)


class _Short(Repr):
    """A `repr` that spends no time on what would be cut."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self.maxstring = self.maxother = self.maxlong = 4 * most
        self.maxlist = self.maxtuple = self.maxdict = self.maxset = self.maxarray = most
        self.maxlevel = 4

    def repr_int(self, x: int, level: int) -> str:
        # Python refuses to write out what has thousands of digits
        if x.bit_length() > _MOST_BITS:
            return f"an integer of {x.bit_length()} bits"
        return super().repr_int(x, level)


def lookalike(name: str) -> str:
    """The same text for names that look the same to a person: capitals, look-alike letters and the width of
    spaces don't count.

    Example:
        >>> lookalike("Raf") == lookalike("raf")
        True
        >>> lookalike("\N{MICRO SIGN}") == lookalike("\N{GREEK SMALL LETTER MU}")
        True
    """
    return " ".join(unicodedata.normalize("NFKC", name).casefold().split())


def default_names(letter: str, count: int) -> tuple[str, ...]:
    """``letter`` followed by the position, from 0.

    Example:
        >>> default_names("z", 3)
        ('z0', 'z1', 'z2')
    """
    return tuple(f"{letter}{position}" for position in range(count))
