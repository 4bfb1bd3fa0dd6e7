"""Paper and ink: figures of ours are dark on white in every style, and on axes of the user's the ink fits their paper.

A style of matplotlib changes what is not said outright: a dark one gives black paper and white legends, others add a
grid, markers, or turn images over. So every function that draws is marked with `draws`. It draws with matplotlib's
defaults; a figure that it makes gets white paper, which stays white when it is saved. Axes that it is given keep
their paper, and what is drawn on it is made lighter or darker until it can be read.
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

# what a style may change of a drawing, but for the fonts and the resolution of notebooks
_GROUPS = (
    "axes.", "contour.", "errorbar.", "figure.", "grid.", "hatch.", "image.", "legend.", "lines.", "markers.",
    "mathtext.", "patch.", "path.", "savefig.", "scatter.", "text.", "xtick.", "ytick.",
)  # fmt: skip
_MORE = ("_internal.classic_mode", "font.size")
_KEPT = ("figure.dpi", "figure.hooks", "figure.max_open_warning", "savefig.directory", "text.latex.preamble")
# the user's paper, and what stands on it by default
_COLOURS = (
    "axes.edgecolor", "axes.facecolor", "axes.labelcolor", "axes.titlecolor", "figure.edgecolor", "figure.facecolor",
    "text.color", "xtick.color", "xtick.labelcolor", "ytick.color", "ytick.labelcolor",
)  # fmt: skip
_WHITE: RGB = (1.0, 1.0, 1.0)
# contrast of paper that passes for white
_NEARLY = 1.5
# stand on cells and boxes of ours, which have their own colour on any paper
_ON_OUR_FILL = (ON_FILL, ON_DARK, GRID)


@contextlib.contextmanager
def own_style(colours: bool = True) -> Iterator[None]:
    """Draw and save with matplotlib's defaults while the block runs, whatever the style is; fonts stay the user's.

    Args:
        colours: False keeps the colours of the style's paper.
    """
    import matplotlib as mpl

    defaults = mpl.rcParamsDefault
    names = [
        name
        for name in defaults
        if (name.startswith(_GROUPS) or name in _MORE)
        and name not in _KEPT
        and (colours or name not in _COLOURS)
        and mpl.rcParams[name] != defaults[name]
    ]
    with mpl.rc_context({name: defaults[name] for name in names}):
        yield


def draws(function: Callable[P, R]) -> Callable[P, R]:
    """Mark a function that draws: on white paper where it makes the figure, readably on axes that it is given."""

    @functools.wraps(function)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
        given = list(_axes_and_figures((*args, *kwargs.values())))
        before = {id(artist) for each in given for artist in each.get_children()}
        with own_style(colours=not given):
            result = function(*args, **kwargs)
            if given:
                for each in given:
                    _fit_to_paper(each, before)
        if not given:
            _keep_paper(_axes_and_figures([result]))
        return result

    return wrapper


def paper_of(place: Any) -> RGB:
    """The colour behind a figure, or outside the frame of axes; transparent paper counts as white."""
    from matplotlib.figure import FigureBase

    figure: Any = place if isinstance(place, FigureBase) else place.get_figure(root=False)
    figures = [figure]
    while figure is not figure.get_figure(root=True):
        figure = figure._parent
        figures.append(figure)
    colour = _WHITE
    for each in reversed(figures):
        if each.patch.get_visible():
            colour = over(each.get_facecolor(), colour)
    return colour


def _axes_and_figures(values: Iterable[Any]) -> Iterator[Any]:
    from matplotlib.axes import Axes
    from matplotlib.figure import FigureBase

    for value in values:
        if isinstance(value, (Axes, FigureBase)):
            yield value
        elif isinstance(value, np.ndarray) and value.dtype == object:
            yield from (each for each in value.ravel() if isinstance(each, Axes))
        elif isinstance(value, Sequence) and len(value) and isinstance(value[0], Axes):
            yield from value


def _keep_paper(places: Iterable[Any]) -> None:
    """Put a white sheet below where the style would save the figure on other paper than it shows."""
    import matplotlib as mpl
    from matplotlib.patches import Rectangle

    saved = mpl.rcParams["savefig.facecolor"]
    if saved == "auto" or contrast(over(saved, _WHITE), _WHITE) <= _NEARLY:
        return
    for figure in {id(figure): figure for figure in (each.get_figure(root=True) for each in places)}.values():
        sheet = Rectangle(
            (0, 0), 1, 1, transform=figure.transFigure, facecolor=figure.get_facecolor(), zorder=-1
        )
        sheet.set_in_layout(False)
        figure.add_artist(sheet)


def _fit_to_paper(place: Any, before: set[int]) -> None:
    """Make readable what was drawn since: on axes, or on a figure with all its axes."""
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
            _fit_drawn(artist, inside)
    for text in ax.texts:
        if id(text) not in before:
            _fit_text(text, inside if _lies_inside(ax, text) else outside)
            _fit_drawn(getattr(text, "arrow_patch", None), inside)
    legend = ax.get_legend()
    if legend is not None:
        _fit_legend(legend, inside if inside == outside or _legend_is_inside(ax, legend) else outside)
    for child in ax.child_axes:
        _fit_frame(child, outside)


def _fit_frame(ax: Any, outside: RGB) -> None:
    """Titles, labels, ticks and spines. Ticks are told their colour: some are made when the figure is drawn."""
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
    for artist in legend.findobj(lambda each: each is not legend.get_frame()):
        if not hasattr(artist, "get_text"):
            _fit_drawn(artist, paper)


def _fit_text(text: Any, paper: RGB) -> None:
    _change(text.get_color(), text.set_color, paper, TEXT)


def _fit_drawn(artist: Artist | None, paper: RGB) -> None:
    """The colour of a line, the edge of a patch or marker, or the face where there is no edge."""
    from matplotlib.collections import Collection
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    if isinstance(artist, Line2D):
        for get, put in (
            (artist.get_color, artist.set_color),
            (artist.get_markeredgecolor, artist.set_markeredgecolor),
        ):
            _change(get(), put, paper)
    elif isinstance(artist, Collection) and artist.get_array() is None:
        if len(artist.get_edgecolor()) and np.max(artist.get_linewidth()) > 0:
            _change_all(artist.get_edgecolor(), artist.set_edgecolor, paper)
        else:
            _change_all(artist.get_facecolor(), artist.set_facecolor, paper)
    elif isinstance(artist, Patch):
        _change(artist.get_edgecolor(), artist.set_edgecolor, paper)


def _change(colour: Any, put: Callable[[Any], None], paper: RGB, need: Need = LINE) -> None:
    fitting = readable(colour, paper, need, but=_ON_OUR_FILL)
    if fitting is not colour:
        put(fitting)


def _change_all(colours: Any, put: Callable[[Any], None], paper: RGB) -> None:
    fitting = [readable(tuple(colour), paper, LINE, but=_ON_OUR_FILL) for colour in colours]
    if any(new != tuple(old) for new, old in zip(fitting, colours, strict=True)):
        put(fitting)


def _lies_inside(ax: Axes, text: Any) -> bool:
    """Whether the place that a text belongs to lies within the frame."""
    from matplotlib.text import Annotation

    if isinstance(text, Annotation):
        place = ax.transData.transform(text.xy)
    else:
        place = text.get_transform().transform(text.get_position())
    return bool(ax.bbox.contains(*place))


def _legend_is_inside(ax: Axes, legend: Legend) -> bool:
    box = legend.get_window_extent()
    return bool(ax.bbox.contains((box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2))
