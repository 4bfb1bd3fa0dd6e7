"""Text as a terminal can show it: no control characters, and nothing that its encoding lacks.

A terminal obeys what it is sent. The name of a file can hold sequences that clear the screen, or marks that turn the
direction of writing, so whatever comes from outside passes `printable` first. And not every terminal knows every
letter: `encodable` spells our own signs in ASCII (``✓`` as ``+``) and escapes the rest, as Python would write it.
"""

from __future__ import annotations

import json
import re
from functools import lru_cache

__all__ = ["encodable", "json_encodable", "printable"]

# our own signs, for encodings without them; of the same width where they may stand in a table
_SPELLED = {
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
# different letters that are remembered
_LETTERS = 10_000


def printable(text: str) -> str:
    r"""The text on one line, with every character that isn't printable escaped.

    Escaped are control characters, line breaks, marks that turn the direction of writing, invisible characters, and
    the halves of surrogate pairs that stand for undecodable bytes of a file name.

    Example:
        >>> printable("raf\x1b[31m\u202e"), printable("β ✓")
        ('raf\\x1b[31m\\u202e', 'β ✓')
    """
    if text.isprintable():
        return text
    return "".join(letter if letter.isprintable() else _escaped(letter) for letter in text)


def encodable(text: str, encoding: str) -> str:
    r"""The text with nothing in it that the encoding lacks: our own signs in ASCII, the rest escaped.

    Args:
        text: Any text.
        encoding: The name of an encoding that Python knows, for instance that of a stream.

    Example:
        >>> encodable("✓ β", "cp1252"), encodable("✓ β", "utf-8")
        ('+ \\u03b2', '✓ β')
    """
    if _fits(text, encoding):
        return text
    return _NOT_ASCII.sub(lambda found: _encodable_letter(found[0], encoding), text)


def json_encodable(text: str, encoding: str) -> str:
    r"""JSON source with what can't be printed escaped the JSON way, so that it says the same.

    Args:
        text: JSON, or a piece of it that doesn't end inside a string; ASCII control characters are escaped already.
        encoding: Of the stream that it is written to.

    Example:
        >>> json_encodable('"β\x9b ✓"', "latin-1"), json_encodable('"β"', "utf-8")
        ('"\\u03b2\\u009b \\u2713"', '"β"')
    """
    if text.replace("\n", "").isprintable() and _fits(text, encoding):
        return text
    return _NOT_PLAIN.sub(lambda found: _json_letter(found[0], encoding), text)


def _fits(text: str, encoding: str) -> bool:
    if text.isascii():
        # every encoding of a terminal has these; asking is slow, and UTF-16 would count its mark
        return True
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return False
    except LookupError:
        # a stream of the user's own with a name that Python doesn't know
        return False
    return True


def _escaped(letter: str) -> str:
    return letter.encode("unicode_escape").decode("ascii")


@lru_cache(_LETTERS)
def _encodable_letter(letter: str, encoding: str) -> str:
    return letter if _fits(letter, encoding) else _SPELLED.get(letter) or _escaped(letter)


@lru_cache(_LETTERS)
def _json_letter(letter: str, encoding: str) -> str:
    if letter.isprintable() and _fits(letter, encoding):
        return letter
    return json.dumps(letter)[1:-1] if letter != "\x7f" else "\\u007f"
