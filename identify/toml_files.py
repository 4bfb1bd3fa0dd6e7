"""TOML files, read with limits: a byte order mark is skipped, nesting and integers are bounded.

Python's reader recurses into brackets, takes time with the square of the length of a dotted key, and reads integers of
any size in hexadecimal, although TOML has 64 bits for them. Each is bounded before the text is parsed or used.
"""

from __future__ import annotations

import os
import re
import tomllib
from typing import Any

from identify.exceptions import FormatError
from identify.files import read_bytes

__all__ = ["MOST_DEPTH", "parse_toml", "read_toml"]

# brackets within brackets, and parts of a dotted key
MOST_DEPTH = 64
_MOST_BYTES = 1 << 20
_LEAST_INTEGER, _GREATEST_INTEGER = -(1 << 63), (1 << 63) - 1

# possessive, so that text without an end costs no more than its length
_TEXT_OR_COMMENT = re.compile(
    r'"""(?:[^"\\]|\\.|"(?!""))*+(?:"""|\Z)'
    r"|'''(?:[^']|'(?!''))*+(?:'''|\Z)"
    r'|"(?:[^"\\\n]|\\.)*+"?'
    r"|'[^'\n]*+'?"
    r"|#[^\n]*+",
    re.DOTALL,
)
_KEY = r"[\w-]++"
_LONG_KEY = re.compile(rf"(?<![\w-]){_KEY}(?:[ \t]*+\.[ \t]*+{_KEY}){{{MOST_DEPTH}}}")


def read_toml(path: str | os.PathLike[str], limit: int = _MOST_BYTES) -> dict[str, Any]:
    """Read a TOML file, with or without a byte order mark.

    Args:
        path: The file, or ``-`` for standard input.
        limit: The largest number of bytes to accept.

    Raises:
        FormatError: If it is no TOML, not UTF-8, or beyond the limits of `parse_toml`; the text names the file.
        FileAccessError: If it can't be read, or is larger.
    """
    content = read_bytes(path, limit)
    try:
        return parse_toml(content.decode("utf-8-sig"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise FormatError(f"{os.fspath(path)}: is no TOML ({error})") from error
    except FormatError as error:
        raise FormatError(f"{os.fspath(path)}: {error}") from error


def parse_toml(text: str) -> dict[str, Any]:
    """Parse TOML.

    Raises:
        tomllib.TOMLDecodeError: it is no TOML.
        FormatError: If something is nested deeper than ``MOST_DEPTH``, or an integer takes more than 64 bits.

    Example:
        >>> parse_toml("grid.steps = [100, 200]")
        {'grid': {'steps': [100, 200]}}
        >>> parse_toml("x = " + "[" * 100_000)
        Traceback (most recent call last):
        ...
        identify.exceptions.FormatError: nests brackets 100000 deep; at most 64 are read
    """
    _require_shallow(text)
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        raise
    except ValueError as error:
        # Python converts no more than some thousand digits
        raise FormatError("has an integer of thousands of digits; TOML has 64 bits for it") from error
    _require_small_integers(content)
    return content


def _require_shallow(text: str) -> None:
    # as many lines as before
    bare = _TEXT_OR_COMMENT.sub(lambda found: "_" + "\n" * found[0].count("\n"), text)
    depth = deepest = 0
    for bracket in re.findall(r"[\[\]{}]", bare):
        depth = depth + 1 if bracket in "[{" else max(depth - 1, 0)
        deepest = max(deepest, depth)
    if deepest > MOST_DEPTH:
        raise FormatError(f"nests brackets {deepest} deep; at most {MOST_DEPTH} are read")
    if (found := _LONG_KEY.search(bare)) is not None:
        line = bare.count("\n", 0, found.start()) + 1
        raise FormatError(f"has a key of more than {MOST_DEPTH} parts (at line {line})")


def _require_small_integers(content: dict[str, Any]) -> None:
    left: list[Any] = [content]
    while left:
        value = left.pop()
        if isinstance(value, dict):
            left.extend(value.values())
        elif isinstance(value, list):
            left.extend(value)
        elif isinstance(value, int) and not _LEAST_INTEGER <= value <= _GREATEST_INTEGER:
            raise FormatError(f"has an integer of {value.bit_length() + 1} bits; TOML has 64 for it")
