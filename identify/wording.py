"""Numbers with their nouns, and lists of names that end before they get long: what messages and reports share."""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["listed", "plural"]


def plural(number: int, noun: str) -> str:
    """Number and noun.

    Example:
        >>> plural(1, "latent"), plural(2000, "latent"), plural(2, "entry")
        ('1 latent', '2,000 latents', '2 entries')
    """
    if number == 1:
        return f"{number:,} {noun}"
    return f"{number:,} {noun[:-1]}ies" if noun.endswith("y") else f"{number:,} {noun}s"


def listed(items: Iterable[object], most: int = 6, rest: str = "more") -> str:
    """Items joined by commas. A long list ends with the number of those left out.

    Args:
        items: Their texts are shown as they are.
        most: How many to show. One item more is shown too: its name is no longer than "and 1 more".
        rest: What to call the items left out.

    Example:
        >>> listed("abcdefgh", 3), listed("abcd", 3)
        ('a, b, c and 5 more', 'a, b, c, d')
    """
    texts = [str(item) for item in items]
    if len(texts) <= most + 1:
        return ", ".join(texts)
    return f"{', '.join(texts[:most])} and {len(texts) - most:,} {rest}"
