"""What a file format is: a name, suffixes, a limit, and a pair of functions between bytes and a graph."""

from __future__ import annotations

import codecs
from collections.abc import Callable
from dataclasses import dataclass

from identify.exceptions import FormatError
from identify.graph import CausalGraph

__all__ = ["MIB", "Format", "Reading", "decode"]

MIB = 1 << 20


@dataclass(frozen=True)
class Reading:
    """A graph, and what had to be decided to read it from a file.

    Attributes:
        graph: The graph.
        notes: What the file was taken for where it could have meant something else, what was left out, and what
            looks like a mistake; each a few words.
        form: What the file is, in words; the format's title if the reader leaves it out.
    """

    graph: CausalGraph
    notes: tuple[str, ...] = ()
    form: str = ""


@dataclass(frozen=True)
class Format:
    """A file format.

    Attributes:
        name: How a person asks for it.
        title: What people call it.
        suffixes: Endings of file names, lower case.
        description: One line for help and documentation.
        limit: The largest file to read, in bytes.
        parse: The graph in a file's content, with notes. Raises FormatError with the place, without the file's name.
        write: The file's content for a graph.
    """

    name: str
    title: str
    suffixes: tuple[str, ...]
    description: str
    limit: int
    parse: Callable[[bytes], Reading]
    write: Callable[[CausalGraph], bytes]

    def read(self, content: bytes) -> CausalGraph:
        """The graph in a file's content.

        Raises:
            FormatError: If the content is broken; the text has the place, without the file's name.
        """
        return self.parse(content).graph


def decode(content: bytes) -> str:
    """UTF-8 text, with or without a byte order mark, or UTF-16 text with one.

    Raises:
        FormatError: If the content is empty or no such text.
    """
    if not content.strip():
        raise FormatError("the file is empty")
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        # what spreadsheets call Unicode text
        try:
            return content.decode("utf-16")
        except UnicodeDecodeError as error:
            raise FormatError(
                f"line 1: byte 0 is no UTF-8 text; save the file as UTF-8 (it begins like UTF-16, and breaks at byte "
                f"{error.start})"
            ) from error
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise FormatError(
            f"line {line}: byte {error.start} is no UTF-8 text; save the file as UTF-8"
        ) from error
