"""What a file format is: a name, suffixes, a limit, and a pair of functions between bytes and a graph."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from identify.exceptions import FormatError, GraphError
from identify.graph import CausalGraph

__all__ = ["MIB", "Format", "decode", "parsed"]

MIB = 1 << 20


@dataclass(frozen=True)
class Format:
    """A file format.

    Attributes:
        name: how a person asks for it.
        suffixes: endings of file names, lower case.
        description: one line for help and documentation.
        limit: the largest file to read, in bytes.
        read: the graph in a file's content. Raises FormatError with the place, without the file's name.
        write: the file's content for a graph.
    """

    name: str
    suffixes: tuple[str, ...]
    description: str
    limit: int
    read: Callable[[bytes], CausalGraph]
    write: Callable[[CausalGraph], bytes]


def decode(content: bytes) -> str:
    """UTF-8 text, with or without a byte order mark.

    Raises:
        FormatError: the content is empty or no UTF-8 text.
    """
    if not content.strip():
        raise FormatError("the file is empty")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise FormatError(
            f"line {line}: byte {error.start} is no UTF-8 text; save the file as UTF-8"
        ) from error


def parsed(what: str, parse: Callable[[], Any]) -> Any:
    """Run a library's parser; whatever it raises on a broken file becomes one line with the place."""
    try:
        return parse()
    except (FormatError, GraphError):
        raise
    except RecursionError as error:
        raise FormatError(f"is nested too deeply for {what}") from error
    except Exception as error:
        # parsers raise their own types, and built-in ones where the file surprises them
        text = " ".join(str(error).split()) or type(error).__name__
        raise FormatError(f"{_place(text)}is no {what}: {text[:200]}") from error


def _place(text: str) -> str:
    found = re.search(r"line:? (\d+)|at \((\d+), \d+\)", text)
    return f"line {found[1] or found[2]}: " if found else ""
