"""Names of latents and actions: checked once, or made up."""

from __future__ import annotations

from collections.abc import Iterable

from identify.exceptions import GraphError

__all__ = ["check_names", "default_names", "shown"]


def check_names(names: Iterable[str], what: str) -> tuple[str, ...]:
    """Return the names as a tuple of unique, non-empty, printable strings.

    Printable, because a name must survive every file format, a figure and a terminal.

    Args:
        names: the names in order.
        what: what they name, for the error message: ``"latents"`` or ``"actions"``.

    Raises:
        GraphError: a name is empty, not a string, holds a control character, or repeats.

    Example:
        >>> check_names(["raf", "raf"], "latents")
        Traceback (most recent call last):
        identify.exceptions.GraphError: latents 0 and 1 are both named 'raf'; names must be unique
    """
    if isinstance(names, str) or not isinstance(names, Iterable):
        raise GraphError(f"{what} must be a sequence of names, got {names!r}")
    result = tuple(names)
    seen: dict[str, int] = {}
    for position, name in enumerate(result):
        if not isinstance(name, str):
            raise GraphError(f"{what} name {position} is {name!r}; a name is a non-empty string")
        if not name:
            raise GraphError(f"{what} name {position} is empty; a name is a non-empty string")
        if not name.isprintable():
            raise GraphError(f"{what} name {position} is {name!r}; a name has printable characters only")
        if name in seen:
            raise GraphError(
                f"{what} {seen[name]} and {position} are both named {name!r}; names must be unique"
            )
        seen[name] = position
    return tuple(str(name) for name in result)


def shown(name: str) -> str:
    """The name as an error message shows it: on one line, whatever it holds.

    Example:
        >>> shown("raf"), shown("r\\naf")
        ('raf', "'r\\\\naf'")
    """
    return name if name.isprintable() else repr(name)


def default_names(letter: str, count: int) -> tuple[str, ...]:
    """``letter`` followed by the position, from 0.

    Example:
        >>> default_names("z", 3)
        ('z0', 'z1', 'z2')
    """
    return tuple(f"{letter}{position}" for position in range(count))
