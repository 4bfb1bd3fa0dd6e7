"""Text that a terminal can show: no control characters, and nothing that its encoding lacks.

A terminal obeys control sequences. The name of a file can contain sequences that clear the screen, or marks that change
the direction of writing, so all external text passes through `printable`. Not every encoding has every character:
`encodable` spells the package's own symbols in ASCII (``✓`` as ``+``) and escapes the rest as Python does.
"""

from __future__ import annotations

import json
import re
from functools import lru_cache

__all__ = ["encodable", "json_encodable", "printable"]

# ASCII spellings of the package's own symbols, of the same width if the symbol occurs in tables
_ASCII_SPELLING = {
    "✓": "+",
    "✗": "x",
    "◑": "~",
    "○": "o",
    "★": "*",
    "…": "~",
    "−": "-",
    "–": "-",
    "→": "->",
    "≥": ">=",
    "≤": "<=",
}

_NOT_ASCII = re.compile(r"[^\x00-\x7f]")
_NOT_PLAIN = re.compile(r"[^\n\x20-\x7e]")
# number of characters whose result is cached
_CACHE_SIZE = 10_000


def printable(text: str) -> str:
    r"""Return the text on one line, with every character that isn't printable escaped.

    This escapes control characters, line breaks, marks that change the direction of writing, invisible characters, and
    the unpaired surrogates that stand for undecodable bytes of a file name.

    Example:
        >>> printable("raf\x1b[31m\u202e"), printable("β ✓")
        ('raf\\x1b[31m\\u202e', 'β ✓')
    """
    if text.isprintable():
        return text
    return "".join(character if character.isprintable() else _escape(character) for character in text)


def encodable(text: str, encoding: str) -> str:
    r"""Return the text with every character that the encoding lacks spelled in ASCII or escaped.

    Args:
        text: Any text.
        encoding: Name of an encoding that Python supports, for instance that of a stream.

    Example:
        >>> encodable("✓ β", "cp1252"), encodable("✓ β", "utf-8")
        ('+ \\u03b2', '✓ β')
    """
    if _fits(text, encoding):
        return text
    return _NOT_ASCII.sub(lambda match: _encode_character(match[0], encoding), text)


def json_encodable(text: str, encoding: str) -> str:
    r"""Return equivalent JSON source in which characters that can't be printed are escaped as in JSON.

    Args:
        text: JSON, or a piece of it that doesn't end inside a string; ASCII control characters are already escaped.
        encoding: Encoding of the stream to which it is written.

    Example:
        >>> json_encodable('"β\x9b ✓"', "latin-1"), json_encodable('"β"', "utf-8")
        ('"\\u03b2\\u009b \\u2713"', '"β"')
    """
    if text.replace("\n", "").isprintable() and _fits(text, encoding):
        return text
    return _NOT_PLAIN.sub(lambda match: _json_character(match[0], encoding), text)


def _fits(text: str, encoding: str) -> bool:
    if text.isascii():
        # every encoding of a terminal includes ASCII; encoding is slow, and UTF-16 would add its byte order mark
        return True
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return False
    except LookupError:
        # a user-defined stream whose encoding Python doesn't support
        return False
    return True


def _escape(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")


@lru_cache(_CACHE_SIZE)
def _encode_character(character: str, encoding: str) -> str:
    return character if _fits(character, encoding) else _ASCII_SPELLING.get(character) or _escape(character)


@lru_cache(_CACHE_SIZE)
def _json_character(character: str, encoding: str) -> str:
    if character.isprintable() and _fits(character, encoding):
        return character
    return json.dumps(character)[1:-1] if character != "\x7f" else "\\u007f"
