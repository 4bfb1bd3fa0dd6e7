"""Numbers with nouns, and shortened lists of names, for messages and reports."""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["listed", "plural"]


def plural(number: int, noun: str) -> str:
    """Return a number and its noun, in the plural if needed.

    Example:
        >>> plural(1, "latent"), plural(2000, "latent"), plural(2, "entry")
        ('1 latent', '2,000 latents', '2 entries')
    """
    if number == 1:
        return f"{number:,} {noun}"
    return f"{number:,} {noun[:-1]}ies" if noun.endswith("y") else f"{number:,} {noun}s"


def listed(items: Iterable[object], max_items: int = 6, rest: str = "more") -> str:
    """Return the items joined by commas, with the number of items left out at the end of a long list.

    Args:
        items: The items, shown as their text.
        max_items: Number of items to show. One more item is shown too, because its name is no longer than "and 1 more".
        rest: Noun for the items left out.

    Example:
        >>> listed("abcdefgh", 3), listed("abcd", 3)
        ('a, b, c and 5 more', 'a, b, c, d')
    """
    texts = [str(item) for item in items]
    if len(texts) <= max_items + 1:
        return ", ".join(texts)
    return f"{', '.join(texts[:max_items])} and {len(texts) - max_items:,} {rest}"
