"""The learned graph beside the true one, with missing and extra edges marked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from estimation.exceptions import DataError
from estimation.plot.marks import (
    EXTRA_COLOUR,
    Entries,
    add_legend,
    extra_entry,
    mark_extra,
    mark_missing,
    missing_entry,
    patch,
    two_axes,
)
from identify.graph import CausalGraph
from identify.plot.cells import draw_cells, frame, label, shape_cells
from identify.plot.paper import draws
from identify.plot.style import ACTION, INK, PAST

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

__all__ = ["plot_graphs"]

_TITLE, _HEADING = 10.0, 9.0
# columns left empty between G^a and G^z
_GAP = 1


@draws
def plot_graphs(
    true_graph: CausalGraph,
    learned_graph: CausalGraph,
    axes: Sequence[Axes] | None = None,
    legend: bool = True,
) -> tuple[Axes, Axes]:
    """Draw the learned graph beside the true one, as matrices whose rows are children.

    In the learned one a ring marks an edge that is missing, a cross on yellow one that is extra.

    Args:
        true_graph: n latents.
        learned_graph: its latents in the true order, such as `Evaluation.learned_graph`; more of them may follow.
        axes: two, for the true and the learned graph; new ones when left out.
        legend: explain the marks beside the learned graph.

    Returns:
        The axes.

    Raises:
        DataError: the graphs have other numbers of actions, the learned one has fewer latents, or there are not two
            axes.

    Example:
        >>> from matplotlib.figure import Figure
        >>> true, learned = CausalGraph(Ga=[[1, 0], [1, 1]]), CausalGraph(Ga=[[1, 1], [0, 1]])
        >>> _, ax = plot_graphs(true, learned, axes=Figure().subplots(1, 2))
        >>> ax.get_title()
        'learned: 1 missing, 1 extra'
    """
    parts = _parts(true_graph, learned_graph)
    columns = _columns(parts)
    left, right = two_axes(axes, learned_graph.latents, columns, columns, legend)
    missing = sum(int(part.missing.sum()) for part in parts)
    extra = sum(int(part.extra.sum()) for part in parts)
    spare = [""] * (learned_graph.n_latents - true_graph.n_latents)
    _draw(left, parts, [*true_graph.latents, *spare], marked=False)
    left.set_title("true", fontsize=_TITLE, color=INK, pad=8)
    _draw(right, parts, learned_graph.latents, marked=True)
    right.set_title(f"learned: {missing} missing, {extra} extra", fontsize=_TITLE, color=INK, pad=8)
    if legend:
        add_legend(right, _entries(parts, missing, extra))
    return left, right


@dataclass(frozen=True)
class _Part:
    """G^a or G^z of both graphs, rows and columns alike."""

    true: NDArray[np.bool_]
    learned: NDArray[np.bool_]
    names: tuple[str, ...]
    colour: str
    heading: str
    kind: str

    @property
    def common(self) -> NDArray[np.bool_]:
        return self.true & self.learned

    @property
    def missing(self) -> NDArray[np.bool_]:
        return self.true & ~self.learned

    @property
    def extra(self) -> NDArray[np.bool_]:
        return self.learned & ~self.true


def _parts(true: CausalGraph, learned: CausalGraph) -> list[_Part]:
    """The matrices with an edge in one of the graphs; one of them if there is no edge at all."""
    if true.n_actions != learned.n_actions or true.n_latents > learned.n_latents:
        raise DataError(
            f"the true graph has {true.n_latents} latents and {true.n_actions} actions, the learned one "
            f"{learned.n_latents} and {learned.n_actions}; bring the learned one into the true order first"
        )
    more = learned.n_latents - true.n_latents
    acted, past = np.pad(true.Ga.toarray(), ((0, more), (0, 0))), np.pad(true.Gz.toarray(), (0, more))
    every = [
        _Part(acted, learned.Ga.toarray(), true.actions, ACTION, "$G^a$: actions", "from actions"),
        _Part(past, learned.Gz.toarray(), learned.latents, PAST, "$G^z$: past latents", "from the past"),
    ]
    found = [part for part in every if part.true.any() or part.learned.any()]
    return found or [every[0] if true.n_actions else every[1]]


def _columns(parts: Sequence[_Part]) -> list[str]:
    """Names of all columns, with empty ones between two matrices."""
    names: list[str] = []
    for part in parts:
        names += [*([""] * _GAP if names else []), *part.names]
    return names


def _draw(ax: Axes, parts: Sequence[_Part], rows: Sequence[str], marked: bool) -> None:
    """The true matrices, or the learned ones with their errors marked."""
    shape_cells(ax, len(rows), len(_columns(parts)))
    start = 0
    places: list[float] = []
    headings: list[tuple[float, str]] = []
    for part in parts:
        kinds = part.common + 2 * part.missing + 3 * part.extra if marked else part.true.astype(int)
        draw_cells(ax, kinds, start, [part.colour, "white", EXTRA_COLOUR])
        if marked:
            mark_missing(ax, part.missing, start)
            mark_extra(ax, part.extra, start)
        headings.append((start + (len(part.names) - 1) / 2, part.heading))
        places += [float(start + j) for j in range(len(part.names))]
        start += len(part.names) + _GAP
    _head(ax, headings)
    frame(ax)
    label(ax, "x", places, [name for part in parts for name in part.names], "parents")
    label(ax, "y", range(len(rows)), rows, "children (latents, time t)")


def _head(ax: Axes, headings: Sequence[tuple[float, str]]) -> None:
    # as labels of an axis, so that the title goes above them
    top = ax.secondary_xaxis("top")
    top.set_ticks([x for x, _ in headings], [heading for _, heading in headings])
    top.tick_params(length=0, pad=3, labelsize=_HEADING, labelcolor=INK)
    top.spines[:].set_visible(False)


def _entries(parts: Sequence[_Part], missing: int, extra: int) -> Entries:
    entries: Entries = []
    for part in parts:
        of = f", {part.kind}" if len(parts) > 1 else ""
        entries.append((patch(part.colour), f"true and learned{of}"))
    if missing:
        entries.append(missing_entry("missing: true, not learned"))
    if extra:
        entries.append(extra_entry("extra: learned, not true"))
    return entries
