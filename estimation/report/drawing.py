"""Small SVG drawings that follow the colours of the page, written by hand: no fonts, no scripts, every name escaped."""

from __future__ import annotations

from collections.abc import Iterable

from identify.markup import escaped
from identify.plot.style import shorten

__all__ = ["element", "signed", "svg", "text"]


def element(tag: str, *content: str, **attributes: object) -> str:
    """Return an element; underscores in names of attributes become hyphens, and ``css`` is the class.

    Args:
        tag: Name of the element.
        content: Its content, SVG already.
        attributes: Its attributes, which are escaped; those that are None are left out.

    Example:
        >>> element("circle", r=3, css="dot", data_node="a<b")
        '<circle r="3" class="dot" data-node="a&lt;b"/>'
    """
    names = {name: "class" if name == "css" else name.replace("_", "-") for name in attributes}
    written = "".join(
        f' {names[name]}="{_number(value)}"' for name, value in attributes.items() if value is not None
    )
    return f"<{tag}{written}>{''.join(content)}</{tag}>" if content else f"<{tag}{written}/>"


def text(label: str, x: float, y: float, n_max: int = 24, title: str = "", **attributes: object) -> str:
    """Return a text whose middle is at a height, with the whole label as its title if it is shortened.

    Args:
        label: The text.
        x: Horizontal position.
        y: Vertical position of the middle.
        n_max: Number of letters that are shown.
        title: Another title than the label.
        attributes: Further attributes.
    """
    shown = shorten(label, n_max)
    hover = title or (label if shown != label else "")
    parts = [element("title", escaped(hover))] if hover else []
    return element("text", *parts, escaped(shown), x=x, y=y, dy="0.35em", **attributes)


def svg(name: str, title: str, description: str, size: tuple[float, float], parts: Iterable[str]) -> str:
    """Return a drawing with a title and a description for screen readers.

    Args:
        name: Its class, and the stem of its ids.
        title: The title.
        description: What it shows, in words.
        size: Width and height.
        parts: Its elements.
    """
    width, height = size
    return element(
        "svg",
        element("title", escaped(title), id=f"{name}-title"),
        element("desc", escaped(description), id=f"{name}-desc"),
        *parts,
        css=name,
        viewBox=f"0 0 {width:g} {height:g}",
        role="img",
        aria_labelledby=f"{name}-title",
        aria_describedby=f"{name}-desc",
    )


def signed(value: float, digits: int = 2) -> str:
    """Return a number with its sign, and with a minus instead of a hyphen.

    Example:
        >>> signed(0.5), signed(-0.5)
        ('+0.50', '−0.50')
    """
    return f"{value:+.{digits}f}".replace("-", "−")


def _number(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else escaped(value)
