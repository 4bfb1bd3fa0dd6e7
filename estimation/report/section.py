"""`Section`: a part of a page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from estimation.report.figures import Picture

__all__ = ["Section"]


@dataclass(frozen=True)
class Section:
    """A section of a page. The page omits empty fields.

    Attributes:
        heading: Heading of the section.
        verdict: The verdict in a sentence.
        is_confirmed: Whether the prediction is confirmed, which determines the mark of the verdict.
        paragraphs: Explanatory text.
        facts: Pairs of name and value.
        figures: Figures.
        columns: Headers of the table.
        rows: Rows of the table.
        notes: Small text below the table.
        graph: A line of fixed-width text.
        details: Pairs of name and value that are collapsed by default.
    """

    heading: str
    verdict: str = ""
    is_confirmed: bool = True
    paragraphs: tuple[str, ...] = ()
    facts: tuple[tuple[str, str], ...] = ()
    figures: tuple[Picture, ...] = ()
    columns: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    notes: tuple[str, ...] = ()
    graph: str = ""
    details: tuple[tuple[str, str], ...] = ()
