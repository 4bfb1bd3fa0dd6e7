"""Reproducible figure files: PNG, SVG or PDF by suffix, written atomically, with the same bytes for the same figure."""

from __future__ import annotations

import io
import os
import re
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from identify.exceptions import RequestError
from identify.files import write_whole
from identify.plot.paper import own_style, paper_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["figure_svg", "save_figure"]

# without a creation date, so that the same figure gives the same file
_UNDATED: dict[str, dict[str, Any]] = {
    ".png": {},
    ".svg": {"Date": None},
    ".pdf": {"CreationDate": None},
}


def save_figure(figure: Figure, path: str | os.PathLike[str], dpi: int = 160) -> None:
    """Write a figure to a file atomically.

    Args:
        figure: Figure, for instance ``ax.figure``.
        path: Path that ends in ``.png``, ``.svg`` or ``.pdf``.
        dpi: Dots per inch of a PNG file.

    Raises:
        RequestError: If the suffix is none of these.
        FileAccessError: If the file can't be written.
    """
    suffix = Path(path).suffix.lower()
    if suffix not in _UNDATED:
        raise RequestError(f"{os.fspath(path)}: the suffix of a figure must be one of {', '.join(_UNDATED)}")
    write_whole(path, _render(figure, suffix, dpi, "mechsparse"))


def figure_svg(figure: Figure, salt: str = "mechsparse") -> str:
    """Return the figure as an ``<svg>`` element for a page.

    Args:
        figure: Figure to convert.
        salt: Salt of the identifiers; different figures of a page need different salts.
    """
    source = _render(figure, ".svg", 72, salt).decode()
    return source[source.index("<svg") :]


def _render(figure: Figure, suffix: str, dpi: int, salt: str) -> bytes:
    import matplotlib as mpl

    out = io.BytesIO()
    settings: dict[Any, Any] = {"svg.hashsalt": salt, "svg.fonttype": "path", "pdf.fonttype": 42}
    # the background for which the colours were chosen; white shows through a transparent one
    paper = paper_of(figure)
    with warnings.catch_warnings(record=True) as caught, own_style(colours=False), mpl.rc_context(settings):
        warnings.simplefilter("always")
        figure.savefig(out, format=suffix[1:], dpi=dpi, metadata=_UNDATED[suffix], facecolor=paper)
    _warn_once(caught)
    return out.getvalue()


def _warn_once(caught: list[warnings.WarningMessage]) -> None:
    """Merge the warnings about characters that no font has into one, and pass on all other warnings."""
    missing = set()
    for warning in caught:
        if code := re.match(r"Glyph (\d+) .*missing from", str(warning.message)):
            missing.add(chr(int(code[1])))
        else:
            warnings.warn_explicit(warning.message, warning.category, warning.filename, warning.lineno)
    if missing:
        characters = " ".join(sorted(missing))
        warnings.warn(f"no installed font has {characters}; the figure shows boxes instead", stacklevel=4)
