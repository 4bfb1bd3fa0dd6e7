"""Contrast ratios of colours as in the Web Content Accessibility Guidelines, and colours with enough contrast.

The contrast ratio is (L1 + 0.05) / (L2 + 0.05) with the relative luminances L1 > L2 (WCAG 2.2, 1.4.3): 1 for equal
colours, 21 for black on white. Text requires 4.5, lines and marks require 3.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

__all__ = ["LINE", "RGB", "TEXT", "Need", "contrast", "over", "readable"]

RGB = tuple[float, float, float]


class Need(NamedTuple):
    """Contrast requirement of an element.

    Attributes:
        minimum: Smallest contrast ratio.
        target: Contrast ratio of a colour that had to be changed, if possible.
        tolerance: Share of the contrast on white, for which the colour was chosen, that also suffices.
    """

    minimum: float
    target: float
    tolerance: float = float("inf")


TEXT, LINE = Need(4.5, 9.0), Need(3.0, 4.5, 0.6)

_WHITE: RGB = (1.0, 1.0, 1.0)
_BLACK: RGB = (0.0, 0.0, 0.0)
# invisible below this ratio, whatever the contrast on white
_INVISIBLE = 1.2
_STEPS = 20


def contrast(one: Any, other: Any) -> float:
    """Return the contrast ratio of two colours, from 1 to 21.

    Example:
        >>> round(contrast("black", "white"), 1), contrast("red", "red")
        (21.0, 1.0)
    """
    low, high = sorted(_luminance(colour) for colour in (one, other))
    return (high + 0.05) / (low + 0.05)


def over(colour: Any, paper: RGB) -> RGB:
    """Return the appearance of a possibly transparent colour on a background.

    Example:
        >>> over((0, 0, 0, 0.5), (1.0, 1.0, 1.0)), over("none", (1.0, 1.0, 1.0))
        ((0.5, 0.5, 0.5), (1.0, 1.0, 1.0))
    """
    from matplotlib.colors import to_rgba

    *rgb, alpha = to_rgba(colour)
    red, green, blue = (alpha * c + (1 - alpha) * p for c, p in zip(rgb, paper, strict=True))
    return red, green, blue


def readable(colour: Any, paper: RGB, need: Need = TEXT, fixed: Sequence[Any] = ()) -> Any:
    """Return the colour, or a lighter or darker one of the same hue if it has too little contrast.

    Args:
        colour: Any colour of matplotlib.
        paper: Background colour.
        need: Required contrast.
        fixed: Colours that never change.

    Returns:
        The same object if nothing changes; otherwise red, green, blue and alpha.

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
    *rgb, alpha = to_rgba(colour)
    if alpha == 0 or any(tuple(rgb) == to_rgba(other)[:3] for other in fixed):
        return colour
    minimum = max(min(need.minimum, need.tolerance * contrast(rgb, _WHITE)), _INVISIBLE)
    if contrast(rgb, paper) >= minimum:
        return colour
    extreme = max((_WHITE, _BLACK), key=lambda candidate: contrast(candidate, paper))
    for step in range(1, _STEPS + 1):
        share = step / _STEPS
        mixed = [(1 - share) * c + share * e for c, e in zip(rgb, extreme, strict=True)]
        if contrast(mixed, paper) >= need.target:
            break
    return (*mixed, alpha)


def _luminance(colour: Any) -> float:
    from matplotlib.colors import to_rgb

    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(colour))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
