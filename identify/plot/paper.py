"""Backgrounds: new figures are dark on white in every style; on user-supplied axes, colours adapt to the background.

A style of matplotlib changes every property that is not set explicitly: dark styles give black backgrounds and white
legends, others add a grid or markers, or flip images. The decorator `draws` therefore makes a function draw with the
defaults of matplotlib. A figure that the function creates has a white background ("paper"), also when it is saved.
User-supplied axes keep their background, and everything drawn on them is made lighter or darker until it is readable.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

import numpy as np

from identify.plot.contrast import LINE, RGB, TEXT, Need, contrast, over, readable
from identify.plot.style import GRID, INK, ON_DARK, ON_FILL

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.legend import Legend

__all__ = ["draws", "own_style", "paper_of"]

P = ParamSpec("P")
R = TypeVar("R")

# settings of a drawing that a style can change, except fonts and the resolution of notebooks
_GROUPS = (
    "axes.", "contour.", "errorbar.", "figure.", "grid.", "hatch.", "image.", "legend.", "lines.", "markers.",
    "mathtext.", "patch.", "path.", "savefig.", "scatter.", "text.", "xtick.", "ytick.",
)  # fmt: skip
_FURTHER_NAMES = ("_internal.classic_mode", "font.size")
_UNCHANGED_NAMES = (
    "figure.dpi",
    "figure.hooks",
    "figure.max_open_warning",
    "savefig.directory",
    "text.latex.preamble",
)
# colours of the background and of the elements that matplotlib draws on it
_COLOURS = (
    "axes.edgecolor", "axes.facecolor", "axes.labelcolor", "axes.titlecolor", "figure.edgecolor", "figure.facecolor",
    "text.color", "xtick.color", "xtick.labelcolor", "ytick.color", "ytick.labelcolor",
)  # fmt: skip
_WHITE: RGB = (1.0, 1.0, 1.0)
# largest contrast with white of a background that counts as white
_MAX_WHITE_CONTRAST = 1.5
# colours on our cells and boxes, whose fill is the same on any background
_ON_OUR_FILL = (ON_FILL, ON_DARK, GRID)


@contextlib.contextmanager
def own_style(colours: bool = True) -> Iterator[None]:
    """Draw and save with matplotlib's defaults in any style while the block runs, except for fonts.

    Args:
        colours: Whether to reset the colours of the background too.
    """
    import matplotlib as mpl

    defaults = mpl.rcParamsDefault
    names = [
        name
        for name in defaults
        if (name.startswith(_GROUPS) or name in _FURTHER_NAMES)
        and name not in _UNCHANGED_NAMES
        and (colours or name not in _COLOURS)
        and mpl.rcParams[name] != defaults[name]
    ]
    with mpl.rc_context({name: defaults[name] for name in names}):
        yield


def draws(function: Callable[P, R]) -> Callable[P, R]:
    """Decorate a function that draws on new axes with a white background, or readably on user-supplied axes."""

    @functools.wraps(function)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
        supplied = list(_axes_and_figures((*args, *kwargs.values())))
        before = {id(artist) for place in supplied for artist in place.get_children()}
        with own_style(colours=not supplied):
            result = function(*args, **kwargs)
            for place in supplied:
                _fit_to_paper(place, before)
        if not supplied:
            _keep_paper(_axes_and_figures([result]))
        return result

    return wrapper


def paper_of(place: Any) -> RGB:
    """Return the background colour of a figure, or of axes outside their frame, on white if it is transparent."""
    from matplotlib.figure import FigureBase

    figure: Any = place if isinstance(place, FigureBase) else place.get_figure(root=False)
    figures = [figure]
    while figure is not figure.get_figure(root=True):
        figure = figure._parent
        figures.append(figure)
    colour = _WHITE
    for ancestor in reversed(figures):
        if ancestor.patch.get_visible():
            colour = over(ancestor.get_facecolor(), colour)
    return colour


def _axes_and_figures(values: Iterable[Any]) -> Iterator[Any]:
    from matplotlib.axes import Axes
    from matplotlib.figure import FigureBase

    for value in values:
        if isinstance(value, (Axes, FigureBase)):
            yield value
        elif isinstance(value, np.ndarray) and value.dtype == object:
            yield from (item for item in value.ravel() if isinstance(item, Axes))
        elif isinstance(value, Sequence) and len(value) and isinstance(value[0], Axes):
            yield from value


def _keep_paper(places: Iterable[Any]) -> None:
    """Add a background rectangle if the style saves figures with another background than it displays."""
    import matplotlib as mpl
    from matplotlib.patches import Rectangle

    saved = mpl.rcParams["savefig.facecolor"]
    if saved == "auto" or contrast(over(saved, _WHITE), _WHITE) <= _MAX_WHITE_CONTRAST:
        return
    for figure in {
        id(figure): figure for figure in (place.get_figure(root=True) for place in places)
    }.values():
        background = Rectangle(
            (0, 0), 1, 1, transform=figure.transFigure, facecolor=figure.get_facecolor(), zorder=-1
        )
        background.set_in_layout(False)
        figure.add_artist(background)


def _fit_to_paper(place: Any, before: set[int]) -> None:
    """Make new artists readable, on axes or on a figure with all its axes."""
    from matplotlib.figure import FigureBase

    if isinstance(place, FigureBase):
        _fit_figure(place, before)
    else:
        _fit_axes(place, before)


def _fit_figure(figure: Any, before: set[int]) -> None:
    outside = paper_of(figure)
    for text in (*figure.texts, getattr(figure, "_suptitle", None)):
        if text is not None and id(text) not in before:
            _fit_text(text, outside)
    for legend in figure.legends:
        _fit_legend(legend, outside)
    for ax in figure.axes:
        _fit_axes(ax, before)


def _fit_axes(ax: Axes, before: set[int]) -> None:
    outside = paper_of(ax)
    inside = over(ax.get_facecolor(), outside) if ax.axison and ax.patch.get_visible() else outside
    _fit_frame(ax, outside)
    for artist in (*ax.lines, *ax.collections, *ax.patches):
        if id(artist) not in before:
            _fit_artist(artist, inside)
    for text in ax.texts:
        if id(text) not in before:
            _fit_text(text, inside if _is_inside(ax, text) else outside)
            _fit_artist(getattr(text, "arrow_patch", None), inside)
    legend = ax.get_legend()
    if legend is not None:
        _fit_legend(legend, inside if inside == outside or _legend_is_inside(ax, legend) else outside)
    for child in ax.child_axes:
        _fit_frame(child, outside)


def _fit_frame(ax: Any, outside: RGB) -> None:
    """Fit titles, labels, ticks and spines. Ticks get parameters, because drawing can create further ticks."""
    ink = readable(INK, outside, TEXT)
    ax.tick_params(which="both", color=ink, labelcolor=ink)
    for axis in (ax.xaxis, ax.yaxis):
        _fit_text(axis.label, outside)
        _fit_text(axis.get_offset_text(), outside)
    for title in (ax.title, getattr(ax, "_left_title", None), getattr(ax, "_right_title", None)):
        if title is not None:
            _fit_text(title, outside)
    for spine in ax.spines.values():
        spine.set_edgecolor(readable(spine.get_edgecolor(), outside, LINE))


def _fit_legend(legend: Legend, paper: RGB) -> None:
    if legend.get_frame_on():
        paper = over(legend.get_frame().get_facecolor(), paper)
    for text in (*legend.get_texts(), legend.get_title()):
        _fit_text(text, paper)
    for artist in legend.findobj(lambda child: child is not legend.get_frame()):
        if not hasattr(artist, "get_text"):
            _fit_artist(artist, paper)


def _fit_text(text: Any, paper: RGB) -> None:
    _set_readable(text.get_color(), text.set_color, paper, TEXT)


def _fit_artist(artist: Artist | None, paper: RGB) -> None:
    """Fit the colour of a line, the edge of a patch or marker, or the face if it has no edge."""
    from matplotlib.collections import Collection
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    if isinstance(artist, Line2D):
        for getter, setter in (
            (artist.get_color, artist.set_color),
            (artist.get_markeredgecolor, artist.set_markeredgecolor),
        ):
            _set_readable(getter(), setter, paper)
    elif isinstance(artist, Collection) and artist.get_array() is None:
        if len(artist.get_edgecolor()) and np.max(artist.get_linewidth()) > 0:
            _set_all_readable(artist.get_edgecolor(), artist.set_edgecolor, paper)
        else:
            _set_all_readable(artist.get_facecolor(), artist.set_facecolor, paper)
    elif isinstance(artist, Patch):
        _set_readable(artist.get_edgecolor(), artist.set_edgecolor, paper)


def _set_readable(colour: Any, setter: Callable[[Any], None], paper: RGB, need: Need = LINE) -> None:
    fitted = readable(colour, paper, need, fixed=_ON_OUR_FILL)
    if fitted is not colour:
        setter(fitted)


def _set_all_readable(colours: Any, setter: Callable[[Any], None], paper: RGB) -> None:
    fitted = [readable(tuple(colour), paper, LINE, fixed=_ON_OUR_FILL) for colour in colours]
    if any(new != tuple(old) for new, old in zip(fitted, colours, strict=True)):
        setter(fitted)


def _is_inside(ax: Axes, text: Any) -> bool:
    """Return whether the anchor of a text is within the frame."""
    from matplotlib.text import Annotation

    if isinstance(text, Annotation):
        place = ax.transData.transform(text.xy)
    else:
        place = text.get_transform().transform(text.get_position())
    return bool(ax.bbox.contains(*place))


def _legend_is_inside(ax: Axes, legend: Legend) -> bool:
    box = legend.get_window_extent()
    return bool(ax.bbox.contains((box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2))
