"""Errors about a graph, a file or a request.

Every error that the package raises on purpose derives from `IdentifyError`, and its text is one line: what is wrong,
where, and what would be right. Callers catch the class and don't parse the text.

Messages quote files, and a file may contain anything. So every message, here and where a command prints one, passes
through `one_line`, which escapes control characters and shortens long messages.
"""

from __future__ import annotations

import re
from typing import Any

from identify.terminal import printable

__all__ = [
    "MAX_MESSAGE_LENGTH",
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

#: Maximum length of a message in characters; the middle of a longer one is left out.
MAX_MESSAGE_LENGTH = 300
_ELLIPSIS = " [...] "


def one_line(text: str | BaseException, max_length: int = MAX_MESSAGE_LENGTH) -> str:
    """Return the text as one printable line of limited length.

    Args:
        text: Any text, for instance a message that quotes a file; or an exception, of which the message is used, or the
            name of its type if the message is empty.
        max_length: Maximum number of characters; a longer text keeps its beginning and its end.

    Returns:
        Printable text. Line breaks and tabs become spaces; any other character that is not printable (control
        sequences, marks that change the direction of writing, unpaired surrogates) is escaped.

    Example:
        >>> one_line("first\\nsecond \\x1b[31m")
        'first second \\\\x1b[31m'
        >>> one_line("a" * 20 + "b" * 20, max_length=16)
        'aaaaaa [...] bbb'
    """
    if isinstance(text, BaseException):
        text = str(text) or type(text).__name__
    if len(text) > 2 * max_length:
        # escapes only lengthen a text, so the two ends suffice
        text = text[:max_length] + text[-max_length:]
    text = re.sub(r"\s*[\n\r\t]\s*", " ", text)
    text = printable(text)
    if len(text) <= max_length:
        return text
    tail = (max_length - len(_ELLIPSIS)) // 3
    return text[: max_length - len(_ELLIPSIS) - tail] + _ELLIPSIS + text[len(text) - tail :]


class IdentifyError(ValueError):
    """Base class of all errors that this package raises on purpose; its text passes through `one_line`."""

    def __str__(self) -> str:
        return one_line(super().__str__())

    def __reduce__(self) -> str | tuple[Any, ...]:
        # distributed installs tblib into pickle, which rebuilds errors without this method by the wrong base class
        return super().__reduce__()


class GraphError(IdentifyError):
    """Error for matrices, names or edges that do not form a causal graph."""


class RequestError(IdentifyError):
    """Error for an argument out of its range, or a question that does not apply to the graph."""


class UnknownNameError(RequestError, LookupError):
    """Error for the name of a latent, an action or a catalogue entry that does not exist."""


class FormatError(IdentifyError):
    """Error for a file whose content does not follow its format."""


class FileAccessError(IdentifyError, OSError):
    """Error for a file that can't be opened, read or written: missing, a folder, no permission, disk full."""


class MechanismError(RequestError):
    """Error for conditional densities that do not form a model; the text names the latent."""


class UndecidedError(IdentifyError):
    """Error for a question without a proof or a counterexample; the text names the question."""
