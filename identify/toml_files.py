"""Read TOML files with limits: a byte order mark is skipped, nesting and integers are bounded.

Python's parser recurses into brackets, takes time quadratic in the length of a dotted key, and accepts hexadecimal
integers of any size, although TOML has 64 bits for them. All three are bounded before the text is parsed or used.
"""

from __future__ import annotations

import os
import re
import tomllib
from typing import Any

from identify.exceptions import FormatError
from identify.files import read_bytes

__all__ = ["MAX_DEPTH", "parse_toml", "read_toml"]

# maximum nesting of brackets, and maximum number of parts of a dotted key
MAX_DEPTH = 64
_MAX_BYTES = 1 << 20
_MIN_INTEGER, _MAX_INTEGER = -(1 << 63), (1 << 63) - 1

# possessive, so that the time for an unterminated string is linear in its length
_STRING_OR_COMMENT = re.compile(
    r'"""(?:[^"\\]|\\.|"(?!""))*+(?:"""|\Z)'
    r"|'''(?:[^']|'(?!''))*+(?:'''|\Z)"
    r'|"(?:[^"\\\n]|\\.)*+"?'
    r"|'[^'\n]*+'?"
    r"|#[^\n]*+",
    re.DOTALL,
)
_KEY = r"[\w-]++"
_LONG_KEY = re.compile(rf"(?<![\w-]){_KEY}(?:[ \t]*+\.[ \t]*+{_KEY}){{{MAX_DEPTH}}}")


def read_toml(path: str | os.PathLike[str], limit: int = _MAX_BYTES) -> dict[str, Any]:
    """Read a TOML file, with or without a byte order mark.

    Args:
        path: The file, or ``-`` for standard input.
        limit: Maximum number of bytes.

    Raises:
        FormatError: If the content is not valid TOML, is not UTF-8, or exceeds the limits of `parse_toml`; the text
            names the file.
        FileAccessError: If the file can't be read or is larger than the limit.
    """
    content = read_bytes(path, limit)
    try:
        return parse_toml(content.decode("utf-8-sig"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise FormatError(f"{os.fspath(path)}: is not valid TOML ({error})") from error
    except FormatError as error:
        raise FormatError(f"{os.fspath(path)}: {error}") from error


def parse_toml(text: str) -> dict[str, Any]:
    """Parse TOML.

    Raises:
        tomllib.TOMLDecodeError: If the text is not valid TOML.
        FormatError: If brackets are nested deeper than ``MAX_DEPTH``, or an integer has more than 64 bits.

    Example:
        >>> parse_toml("grid.steps = [100, 200]")
        {'grid': {'steps': [100, 200]}}
        >>> parse_toml("x = " + "[" * 100_000)
        Traceback (most recent call last):
        ...
        identify.exceptions.FormatError: nests brackets 100000 deep; the limit is 64
    """
    _require_shallow(text)
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        raise
    except ValueError as error:
        # Python does not parse integers of more than some thousand digits
        raise FormatError("has an integer of thousands of digits; TOML has 64 bits for it") from error
    _require_small_integers(content)
    return content


def _require_shallow(text: str) -> None:
    # the replacement keeps line breaks, so that line numbers stay correct
    bare = _STRING_OR_COMMENT.sub(lambda match: "_" + "\n" * match[0].count("\n"), text)
    depth = max_depth = 0
    for bracket in re.findall(r"[\[\]{}]", bare):
        depth = depth + 1 if bracket in "[{" else max(depth - 1, 0)
        max_depth = max(max_depth, depth)
    if max_depth > MAX_DEPTH:
        raise FormatError(f"nests brackets {max_depth} deep; the limit is {MAX_DEPTH}")
    if (match := _LONG_KEY.search(bare)) is not None:
        line = bare.count("\n", 0, match.start()) + 1
        raise FormatError(f"has a key of more than {MAX_DEPTH} parts (at line {line})")


def _require_small_integers(content: dict[str, Any]) -> None:
    stack: list[Any] = [content]
    while stack:
        value = stack.pop()
        if isinstance(value, dict):
            stack.extend(value.values())
        elif isinstance(value, list):
            stack.extend(value)
        elif isinstance(value, int) and not _MIN_INTEGER <= value <= _MAX_INTEGER:
            raise FormatError(f"has an integer of {value.bit_length() + 1} bits; TOML has 64 for it")
