"""Contrast between two colours, as the accessibility guidelines of the web measure it, and ink that has enough of it.

The ratio is (L1 + 0.05) / (L2 + 0.05) with the relative luminances L1 > L2 (WCAG 2.2, 1.4.3): 1 for equal colours, 21
for black on white. Text needs 4.5, lines and marks need 3.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

__all__ = ["LINE", "RGB", "TEXT", "Need", "contrast", "over", "readable"]

RGB = tuple[float, float, float]


class Need(NamedTuple):
    """How much contrast something needs.

    Attributes:
        least: It may have no less.
        given: It gets so much where it has to be changed, if there is such a colour.
        tolerance: Nor is it changed while it has this share of its contrast on white, for which it was chosen.
    """

    least: float
    given: float
    tolerance: float = float("inf")


TEXT, LINE = Need(4.5, 9.0), Need(3.0, 4.5, 0.6)

_WHITE: RGB = (1.0, 1.0, 1.0)
_BLACK: RGB = (0.0, 0.0, 0.0)
# below this nothing can be seen, whatever it has on white
_INVISIBLE = 1.2
_STEPS = 20


def contrast(one: Any, other: Any) -> float:
    """The ratio of the luminances of two colours, from 1 to 21.

    Example:
        >>> round(contrast("black", "white"), 1), contrast("red", "red")
        (21.0, 1.0)
    """
    low, high = sorted(_luminance(colour) for colour in (one, other))
    return (high + 0.05) / (low + 0.05)


def over(colour: Any, paper: RGB) -> RGB:
    """What a colour that may be transparent looks like on paper.

    Example:
        >>> over((0, 0, 0, 0.5), (1.0, 1.0, 1.0)), over("none", (1.0, 1.0, 1.0))
        ((0.5, 0.5, 0.5), (1.0, 1.0, 1.0))
    """
    from matplotlib.colors import to_rgba

    *seen, alpha = to_rgba(colour)
    red, green, blue = (alpha * c + (1 - alpha) * p for c, p in zip(seen, paper, strict=True))
    return red, green, blue


def readable(colour: Any, paper: RGB, need: Need = TEXT, but: Sequence[Any] = ()) -> Any:
    """The colour, or on paper where it can't be seen a lighter or darker one of the same hue.

    Args:
        colour: As matplotlib knows it.
        paper: What is behind it.
        need: The contrast that it must have.
        but: Colours that stay as they are.

    Returns:
        The same object where nothing changes; else red, green, blue and alpha.

    Example:
        >>> readable("navy", (1.0, 1.0, 1.0))
        'navy'
        >>> contrast(readable("navy", (0.0, 0.0, 0.0)), "black") > 9
        True
    """
    from matplotlib.colors import is_color_like, to_rgba

    if not is_color_like(colour):
        # "auto" and "inherit" follow another colour
        return colour
    *seen, alpha = to_rgba(colour)
    if alpha == 0 or any(tuple(seen) == to_rgba(each)[:3] for each in but):
        return colour
    least = max(min(need.least, need.tolerance * contrast(seen, _WHITE)), _INVISIBLE)
    if contrast(seen, paper) >= least:
        return colour
    end = max((_WHITE, _BLACK), key=lambda each: contrast(each, paper))
    for step in range(1, _STEPS + 1):
        share = step / _STEPS
        mixed = [(1 - share) * c + share * e for c, e in zip(seen, end, strict=True)]
        if contrast(mixed, paper) >= need.given:
            break
    return (*mixed, alpha)


def _luminance(colour: Any) -> float:
    from matplotlib.colors import to_rgb

    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(colour))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
