"""`Section`: a part of a page, with its figures and tables."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Cell", "DataTable", "Picture", "Section"]


@dataclass(frozen=True)
class Picture:
    """A figure on a page.

    Attributes:
        svg: SVG source.
        label: Description of the figure for screen readers.
        wide: Whether a narrow screen scrolls the figure instead of shrinking it.
        caption: Text below the figure.
        labelled: Whether the SVG has its own title and follows the colours of the page, unlike those of matplotlib.
    """

    svg: str
    label: str
    wide: bool = True
    caption: str = ""
    labelled: bool = False


@dataclass(frozen=True)
class Cell:
    """A cell of a table that is more than a text.

    Attributes:
        text: The text.
        sort: What the cell is sorted by; None for its text.
        small: A second line in small letters.
        details: Lines that are collapsed under the text.
        numeric: Whether the text is a number, which is written to the right.
    """

    text: str
    sort: float | str | None = None
    small: str = ""
    details: tuple[str, ...] = ()
    numeric: bool = False


@dataclass(frozen=True)
class DataTable:
    """A table that can be sorted and searched where JavaScript runs; the first cell of a row is its header.

    Attributes:
        caption: Caption, which also names the table for screen readers.
        columns: Headers.
        rows: Cells, as many in a row as headers.
        search: Label of the search field.
        notes: Small text below the table.
    """

    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str | Cell, ...], ...]
    search: str = "Search"
    notes: tuple[str, ...] = ()

    def is_numeric(self, column: int) -> bool:
        """Return whether a column holds numbers, going by its first row."""
        cell = self.rows[0][column]
        return isinstance(cell, Cell) and cell.numeric


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
        in_grid: Whether several figures stand side by side where the page is wide enough.
        columns: Headers of the table.
        rows: Rows of the table.
        tables: Further tables.
        notes: Small text below the tables.
        graph: A line of fixed-width text.
        details: Pairs of name and value that are collapsed by default.
    """

    heading: str
    verdict: str = ""
    is_confirmed: bool = True
    paragraphs: tuple[str, ...] = ()
    facts: tuple[tuple[str, str], ...] = ()
    figures: tuple[Picture, ...] = ()
    in_grid: bool = False
    columns: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    tables: tuple[DataTable, ...] = ()
    notes: tuple[str, ...] = ()
    graph: str = ""
    details: tuple[tuple[str, str], ...] = ()

    @property
    def all_tables(self) -> tuple[DataTable, ...]:
        """All tables with rows, the one of `columns` and `rows` first."""
        own = (DataTable(self.heading, self.columns, self.rows),) * bool(self.rows)
        return (*own, *(table for table in self.tables if table.rows))
