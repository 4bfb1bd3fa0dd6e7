"""What can be wrong with a graph, a file or a request.

Every error that the package raises on purpose derives from `IdentifyError`, and its text is one
line: what was wrong, where, and what would be right. Callers catch the concept, not the text.

Messages quote files, and a file may hold anything. So `one_line` has the last word on every message, here and
where a command prints one: control characters are escaped, and a long message loses its middle.
"""

from __future__ import annotations

import re

from identify.terminal import printable

__all__ = [
    "LONGEST_MESSAGE",
    "FileAccessError",
    "FormatError",
    "GraphError",
    "IdentifyError",
    "MechanismError",
    "RequestError",
    "UndecidedError",
    "UnknownNameError",
    "one_line",
]

#: The most characters of a message; the middle of a longer one is left out.
LONGEST_MESSAGE = 300
_CUT = " [...] "


def one_line(text: str | BaseException, most: int = LONGEST_MESSAGE) -> str:
    """The text as a terminal may show it: one line, without control characters, of a bearable length.

    Args:
        text: Any text, for instance a message that quotes a file; or an exception, whose message is taken, or else
            the name of its type.
        most: The most characters to return; what is longer keeps its beginning and its end.

    Returns:
        Printable text. Line breaks and tabs become spaces; any other character that is not printable (control
        sequences, marks that turn the direction of writing, halves of surrogate pairs) is escaped.

    Example:
        >>> one_line("first\\nsecond \\x1b[31m")
        'first second \\\\x1b[31m'
        >>> one_line("a" * 20 + "b" * 20, most=16)
        'aaaaaa [...] bbb'
    """
    if isinstance(text, BaseException):
        text = str(text) or type(text).__name__
    if len(text) > 2 * most:
        # escapes make a text longer, never shorter, so that both ends suffice
        text = text[:most] + text[-most:]
    text = re.sub(r"\s*[\n\r\t]\s*", " ", text)
    text = printable(text)
    if len(text) <= most:
        return text
    tail = (most - len(_CUT)) // 3
    return text[: most - len(_CUT) - tail] + _CUT + text[len(text) - tail :]


class IdentifyError(ValueError):
    """Base of all errors that this package raises on purpose; its text is `one_line`."""

    def __str__(self) -> str:
        return one_line(super().__str__())


class GraphError(IdentifyError):
    """The matrices, names or edges given do not make a causal graph."""


class RequestError(IdentifyError):
    """The graph is fine, what was asked of it is not: an argument is out of its range."""


class UnknownNameError(RequestError, LookupError):
    """A latent, an action or a catalogue entry of that name does not exist."""


class FormatError(IdentifyError):
    """The content of a file is not what its format says it should be."""


class FileAccessError(IdentifyError, OSError):
    """A file can't be opened, read or written: missing, a directory, no permission, disk full."""


class MechanismError(RequestError):
    """The conditional densities given make no model; the text names the latent."""


class UndecidedError(IdentifyError):
    """Neither a proof nor a counterexample was found; the text says of what."""
