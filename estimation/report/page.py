"""A page of sections as HTML: one template for all pages of trained models."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from estimation.report.section import Section
from identify.report.page import template, with_prefix

__all__ = ["render_page"]

_TEMPLATE = "report.html.jinja"


def render_page(title: str, headline: str, sections: Sequence[Section]) -> str:
    """Return a page: HTML without external resources, with all names escaped and all ids unique.

    Args:
        title: Heading of the page.
        headline: A line below it.
        sections: The sections, in order.
    """
    page: str = template(_TEMPLATE, Path(__file__).parent).render(
        title=title,
        headline=headline,
        sections=[_with_unique_ids(number, section) for number, section in enumerate(sections, 1)],
    )
    return page


def _with_unique_ids(number: int, section: Section) -> Section:
    figures = (
        replace(figure, svg=with_prefix(figure.svg, f"figure-{number}-{k}-"))
        for k, figure in enumerate(section.figures, 1)
    )
    return replace(section, figures=tuple(figures))
