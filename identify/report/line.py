"""A line of text for rich, without markup and control characters, in characters that the encoding has."""

from __future__ import annotations

from rich.console import Console, ConsoleOptions, RenderResult
from rich.measure import Measurement
from rich.text import Text

from identify.terminal import encodable, printable

__all__ = ["Line"]


class Line:
    """One line of text that the terminal can display.

    Characters that can't be printed are escaped before the layout, so that tables keep their shape.

    Args:
        text: Any text. Square brackets are not markup.
        style: Style of rich, for instance ``"bold green"``.

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
        """Yield the text that rich prints."""
        yield self._text(options)

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        """Return the width that rich needs for the text."""
        return Measurement.get(console, options, self._text(options))

    def _text(self, options: ConsoleOptions) -> Text:
        return Text(encodable(printable(self.text), options.encoding), style=self.style)
