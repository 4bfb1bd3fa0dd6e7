"""What a file format is: a name, suffixes, a limit, and a pair of functions between bytes and a graph."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from identify.exceptions import FormatError
from identify.graph import CausalGraph

__all__ = ["MIB", "Format", "decode"]

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
        raise FormatError(f"line {line}: byte {error.start} is no UTF-8 text; save the file as UTF-8") from error
