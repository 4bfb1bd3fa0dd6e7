"""`Format`: name, suffixes and size limit of a file format, with the conversions between bytes and a graph."""

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
    """A graph that was read from a file, with notes on how the file was interpreted.

    Attributes:
        graph: The graph.
        notes: Short notes on ambiguities and how they were resolved, on what was ignored, and on likely mistakes.
        form: Form of the file in words. If empty, the title of the format applies.
    """

    graph: CausalGraph
    notes: tuple[str, ...] = ()
    form: str = ""


@dataclass(frozen=True)
class Format:
    """A file format.

    Attributes:
        name: Name by which users request the format.
        title: Name in texts.
        suffixes: Lower-case suffixes of file names.
        description: One line for help and documentation.
        limit: Largest size of a file to read, in bytes.
        parse: Converts the content of a file to a graph with notes. Raises FormatError with the position, without the
            name of the file.
        write: Converts a graph to the content of a file.
    """

    name: str
    title: str
    suffixes: tuple[str, ...]
    description: str
    limit: int
    parse: Callable[[bytes], Reading]
    write: Callable[[CausalGraph], bytes]

    def read(self, content: bytes) -> CausalGraph:
        """Return the graph in the content of a file.

        Raises:
            FormatError: If the content is invalid. The message gives the position, without the name of the file.
        """
        return self.parse(content).graph


def decode(content: bytes) -> str:
    """Decode UTF-8 text with or without a byte order mark, or UTF-16 text with one.

    Raises:
        FormatError: If the content is empty or not such text.
    """
    if not content.strip():
        raise FormatError("the file is empty")
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        # spreadsheets write UTF-16 as "Unicode text"
        try:
            return content.decode("utf-16")
        except UnicodeDecodeError as error:
            raise FormatError(
                f"line 1: byte 0 is not UTF-8 text; save the file as UTF-8 (it begins as UTF-16 and is invalid at byte "
                f"{error.start})"
            ) from error
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise FormatError(
            f"line {line}: byte {error.start} is not UTF-8 text; save the file as UTF-8"
        ) from error
