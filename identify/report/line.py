"""A line of text in what rich prints: names in it are no markup, obey no control character, and fit the encoding."""

from __future__ import annotations

from rich.console import Console, ConsoleOptions, RenderResult
from rich.measure import Measurement
from rich.text import Text

from identify.terminal import encodable, printable

__all__ = ["Line"]


class Line:
    """One line of text, as far as the terminal can show it.

    What can't be printed is escaped before the line is laid out, so that tables keep their shape.

    Args:
        text: Any text; square brackets are no markup.
        style: Of rich, for instance ``"bold green"``.

    Example:
        >>> from rich import print
        >>> print(Line("[bold]raf"))
        [bold]raf
    """

    def __init__(self, text: str, style: str = "") -> None:
        self.text = text
        self.style = style

    def __str__(self) -> str:
        return self.text

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Called by rich to print it."""
        yield self._as_shown(options)

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        """Called by rich for the width of a column."""
        return Measurement.get(console, options, self._as_shown(options))

    def _as_shown(self, options: ConsoleOptions) -> Text:
        return Text(encodable(printable(self.text), options.encoding), style=self.style)
