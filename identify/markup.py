"""HTML for notebooks: short texts and tables, with inline styles that follow the colours of the page around them.

Notebooks show the HTML that `_repr_html_` returns between other output, on a light or a dark page. So there is no
script, no style sheet, no id and no background here, and the colours are inherited. Tables have captions and headers
with a scope, for screen readers. The pages that are files of their own have templates (`identify.report`).
"""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence

from identify.terminal import printable
from identify.wording import plural

__all__ = ["MAX_ROWS", "card", "escaped", "paragraph", "rest", "table"]

#: Rows that a table in a notebook shows; the others are counted.
MAX_ROWS = 20

# half transparent, so that it is visible on light and on dark pages
_LINE = "1px solid rgba(128, 128, 128, 0.45)"
_CELL = "text-align: left; vertical-align: top; padding: 0.25em 0.9em 0.25em 0; overflow-wrap: anywhere;"
_WIDTH = "min-width: 4.5em;"
_MARKS = {True: "✓", False: "◑", None: ""}


def escaped(text: object) -> str:
    r"""Return text as HTML in which nothing is markup, and control characters are escaped.

    Example:
        >>> escaped("<b>raf</b>\x1b")
        '&lt;b&gt;raf&lt;/b&gt;\\x1b'
    """
    return html.escape(printable(str(text)))


def card(title: str, *parts: str) -> str:
    """Return the output of one object: a title in bold, followed by parts that are HTML already.

    Args:
        title: The title, which is escaped.
        parts: HTML, such as that of `table` and `paragraph`; empty parts are left out.

    Example:
        >>> source = card("a <graph>", paragraph("two latents"))
        >>> "a &lt;graph&gt;</p>" in source, source.endswith("two latents</p></div>")
        (True, True)
    """
    style = "color: inherit; font-size: inherit; line-height: 1.45; overflow-x: auto; max-width: 100%;"
    heading = f'<p style="margin: 0.3em 0; font-weight: 600;">{escaped(title)}</p>'
    return f'<div style="{style}">{heading}{"".join(parts)}</div>'


def paragraph(text: str, mark: bool | None = None) -> str:
    """Return a paragraph, with a mark for yes or for not entirely in front; nothing for an empty text.

    Args:
        text: The text, which is escaped.
        mark: Whether a question is answered with yes; None without a mark.

    Example:
        >>> paragraph("")
        ''
    """
    if not text:
        return ""
    sign = f'<span aria-hidden="true">{_MARKS[mark]}</span> ' * (mark is not None)
    return f'<p style="margin: 0.3em 0; max-width: 60em;">{sign}{escaped(text)}</p>'


def rest(n_items: int, noun: str, n_shown: int = MAX_ROWS) -> str:
    """Return a paragraph with the number of items that a shortened table leaves out; nothing if it shows all.

    Example:
        >>> rest(25, "latent"), rest(20, "latent")
        ('<p style="margin: 0.3em 0; max-width: 60em;">and 5 more latents</p>', '')
    """
    n_left = n_items - n_shown
    return paragraph(f"and {plural(n_left, f'more {noun}')}") if n_left > 0 else ""


def table(caption: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a table whose first column names its rows; nothing without rows.

    Args:
        caption: Caption above the table.
        columns: Headers.
        rows: Cells of the rows, as many as headers. All are escaped.

    Example:
        >>> source = table("Scores", ("score", "value"), [("MCC", "0.9")])
        >>> source.count("<td"), source.count('scope="col"'), source.count('scope="row"')
        (1, 2, 1)
    """
    body = [
        f'<tr style="background: none;">{_header(first, "row")}'
        + "".join(f'<td style="{_CELL} {_WIDTH} color: inherit;">{escaped(cell)}</td>' for cell in others)
        + "</tr>"
        for first, *others in rows
    ]
    if not body:
        return ""
    headers = "".join(_header(column, "col") for column in columns)
    style = "border-collapse: collapse; color: inherit; margin: 0.5em 0; border: 0;"
    quiet = "text-align: left; color: inherit; padding: 0.2em 0; opacity: 0.8;"
    title = f'<caption style="{quiet}">{escaped(caption)}</caption>'
    return f'<table style="{style}">{title}<thead><tr>{headers}</tr></thead><tbody>{"".join(body)}</tbody></table>'


def _header(text: object, scope: str) -> str:
    weight = f"font-weight: 600; border-bottom: {_LINE};" if scope == "col" else "font-weight: 500;"
    return f'<th scope="{scope}" style="{_CELL} color: inherit; {weight}">{escaped(text)}</th>'
