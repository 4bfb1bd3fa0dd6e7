"""JSON, parsed with limits: nesting is bounded before it is parsed, and what is no JSON (NaN, Infinity) is refused."""

from __future__ import annotations

import json
import re
from typing import Any

import numpy as np

from identify.exceptions import FormatError

__all__ = ["MOST_DEPTH", "json_depth", "parse_json"]

# far less than what Python's reader can recurse into
MOST_DEPTH = 100
# possessive, so that a text without an end costs no more than its length
_TEXT = re.compile(rb'"(?:[^"\\]|\\.)*+"?', re.DOTALL)


def parse_json(content: bytes) -> Any:
    """Parse JSON, with or without a byte order mark.

    Raises:
        FormatError: If it is no JSON, or nested deeper than ``MOST_DEPTH``; the text says what it is.

    Example:
        >>> parse_json(b'{"a": [1, 2]}')
        {'a': [1, 2]}
        >>> parse_json(b"[" * 1_000_000)
        Traceback (most recent call last):
        ...
        identify.exceptions.FormatError: nests brackets 1000000 deep; at most 100 are read
    """
    if (depth := json_depth(content)) > MOST_DEPTH:
        raise FormatError(f"nests brackets {depth} deep; at most {MOST_DEPTH} are read")
    try:
        return json.loads(content.decode("utf-8-sig"), parse_constant=_no_constant)
    except FormatError:
        raise
    except json.JSONDecodeError as error:
        raise FormatError(f"is no JSON (line {error.lineno}, column {error.colno}: {error.msg})") from error
    except UnicodeDecodeError as error:
        raise FormatError(f"is no JSON (no UTF-8 at byte {error.start})") from error
    except ValueError as error:
        # Python converts no more than some thousand digits
        raise FormatError("has an integer of thousands of digits") from error


def json_depth(content: bytes) -> int:
    """How deep brackets are nested, those in texts left out.

    Example:
        >>> json_depth(b'{"a": ["[[["]}')
        2
    """
    marks = np.frombuffer(_TEXT.sub(b"", content), dtype=np.uint8)
    opening = (marks == ord("[")) | (marks == ord("{"))
    closing = (marks == ord("]")) | (marks == ord("}"))
    changes = opening.astype(np.int8) - closing.astype(np.int8)
    return max(0, int(np.cumsum(changes, dtype=np.int64).max(initial=0)))


def _no_constant(name: str) -> Any:
    raise FormatError(f"is no JSON (it holds {name})")
