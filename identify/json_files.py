"""Parse JSON with limits: nesting is bounded before parsing, and invalid constants (NaN, Infinity) are refused."""

from __future__ import annotations

import json
import re
from typing import Any

import numpy as np

from identify.exceptions import FormatError

__all__ = ["MAX_DEPTH", "json_depth", "parse_json"]

# far less than Python's recursive parser can handle
MAX_DEPTH = 100
# possessive, so that the time for an unterminated string is linear in its length
_STRING = re.compile(rb'"(?:[^"\\]|\\.)*+"?', re.DOTALL)


def parse_json(content: bytes) -> Any:
    """Parse JSON, with or without a byte order mark.

    Raises:
        FormatError: If the content is not valid JSON or is nested deeper than ``MAX_DEPTH``; the text says which.

    Example:
        >>> parse_json(b'{"a": [1, 2]}')
        {'a': [1, 2]}
        >>> parse_json(b"[" * 1_000_000)
        Traceback (most recent call last):
        ...
        identify.exceptions.FormatError: nests brackets 1000000 deep; the limit is 100
    """
    if (depth := json_depth(content)) > MAX_DEPTH:
        raise FormatError(f"nests brackets {depth} deep; the limit is {MAX_DEPTH}")
    try:
        return json.loads(content.decode("utf-8-sig"), parse_constant=_refuse_constant)
    except FormatError:
        raise
    except json.JSONDecodeError as error:
        raise FormatError(
            f"is not valid JSON (line {error.lineno}, column {error.colno}: {error.msg})"
        ) from error
    except UnicodeDecodeError as error:
        raise FormatError(f"is not valid JSON (invalid UTF-8 at byte {error.start})") from error
    except ValueError as error:
        # Python does not parse integers of more than some thousand digits
        raise FormatError("has an integer of thousands of digits") from error


def json_depth(content: bytes) -> int:
    """Return how deep brackets are nested, ignoring those in strings.

    Example:
        >>> json_depth(b'{"a": ["[[["]}')
        2
    """
    characters = np.frombuffer(_STRING.sub(b"", content), dtype=np.uint8)
    opening = (characters == ord("[")) | (characters == ord("{"))
    closing = (characters == ord("]")) | (characters == ord("}"))
    steps = opening.astype(np.int8) - closing.astype(np.int8)
    return max(0, int(np.cumsum(steps, dtype=np.int64).max(initial=0)))


def _refuse_constant(name: str) -> Any:
    raise FormatError(f"is not valid JSON (it contains {name})")
