"""What all HTML pages share: their templates with one style sheet, and figures whose ids are unique on the page."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from identify.terminal import printable

__all__ = ["finalized", "template", "with_prefix"]

_ID = re.compile(r'(\bid="|href="#|url\(#|aria-(?:labelledby|describedby)=")([^"]+?)(?=["\)])')


def template(name: str, folder: Path) -> Any:
    """Return the template of a page, in which all names are escaped and which may include ``page.css``.

    Args:
        name: Name of the template's file.
        folder: Folder of the template.
    """
    import jinja2

    loader = jinja2.FileSystemLoader([folder, Path(__file__).parent])
    return jinja2.Environment(
        loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True, finalize=finalized
    ).get_template(name)


def finalized(value: Any) -> Any:
    r"""Escape the control characters of a text, which a page must not contain; return other values unchanged.

    Example:
        >>> finalized("raf\x1b.csv"), finalized(3)
        ('raf\\x1b.csv', 3)
    """
    # our own markup, such as a figure, is an instance of a subclass
    return "\n".join(map(printable, value.split("\n"))) if type(value) is str else value


def with_prefix(svg: str, prefix: str) -> str:
    """Return an SVG with a prefix before its ids, since matplotlib numbers the parts of every figure from one.

    Example:
        >>> with_prefix('<svg><path id="a"/><use href="#a"/><g clip-path="url(#a)"/></svg>', "f1-")
        '<svg><path id="f1-a"/><use href="#f1-a"/><g clip-path="url(#f1-a)"/></svg>'
    """
    return _ID.sub(lambda match: f"{match[1]}{_prefixed(match[2], prefix)}", svg)


def _prefixed(names: str, prefix: str) -> str:
    return " ".join(f"{prefix}{name}" for name in names.split())
