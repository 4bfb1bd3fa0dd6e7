"""`plot_edge_confidence`: the learned graph, with the confidence in each of its edges."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from estimation.exceptions import DataError
from estimation.plot.marks import DENSE_COLOUR, Entries, add_legend, draw_headings, patch, possible_entry
from identify.plot.cells import draw_cells, frame, label, shape_cells
from identify.plot.paper import draws
from identify.plot.style import ACTION, ON_DARK, ON_FILL, PAST, new_axes, pitch

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from identify.graph import CausalGraph

__all__ = ["plot_edge_confidence"]

_GAP = 1
_NOT_MEASURED = 2
# smaller confidence in an edge that the graph lacks is not drawn
_MIN_SHOWN = 0.05
_LEGEND_INCHES = 2.6


@draws
def plot_edge_confidence(
    graph: CausalGraph,
    confidence: Mapping[str, NDArray[np.float64]],
    ax: Axes | None = None,
    legend: bool = True,
) -> Axes:
    """Draw the learned graph as matrices whose cells are filled up to the confidence in the edge.

    Cells of edges are filled with a colour. Cells without an edge are hatched up to the confidence that there is one,
    from 0.05 on.

    Args:
        graph: The learned graph, such as `TrainedModel.sparse_graph`.
        confidence: Confidence in each edge by ``"actions"``, shape (n, m), and ``"past"``, shape (n, n), such as
            `TrainedModel.edge_confidence`; nan where it was not measured.
        ax: Axes to draw on; new axes by default.
        legend: Whether to explain the cells in a legend to the right.

    Returns:
        The axes.

    Raises:
        DataError: If a matrix has another shape than that of the graph, or there is none.

    Example:
        >>> from matplotlib.figure import Figure
        >>> from identify.graph import CausalGraph
        >>> graph = CausalGraph(Ga=[[1, 0], [1, 1]])
        >>> confidence = {"actions": np.array([[0.9, 0.1], [1.0, 0.6]])}
        >>> plot_edge_confidence(graph, confidence, ax=Figure().add_subplot()).get_xlabel()
        'parents'
    """
    parts = _parts(graph, confidence)
    rows = graph.n_latents
    columns = sum(len(part[1]) for part in parts) + _GAP * (len(parts) - 1)
    width = pitch(columns, 12.0) * columns + 1.8 + _LEGEND_INCHES * legend
    ax = ax or new_axes(width, max(pitch(rows) * rows + 1.6, 2.4))
    shape_cells(ax, rows, columns)
    start = 0
    places: list[float] = []
    headings: list[tuple[float, str]] = []
    for (edges, names, colour, heading), values in zip(parts, confidence.values(), strict=True):
        is_known = ~np.isnan(values)
        draw_cells(ax, np.where(is_known, edges, _NOT_MEASURED), start, [colour, DENSE_COLOUR])
        _fill_cells(ax, edges & is_known, values, start, is_edge=True)
        _fill_cells(ax, ~edges & is_known & (values >= _MIN_SHOWN), values, start, is_edge=False)
        headings.append((start + (len(names) - 1) / 2, heading))
        places += [float(start + j) for j in range(len(names))]
        start += len(names) + _GAP
    draw_headings(ax, headings)
    frame(ax)
    label(ax, "x", places, [name for _, names, *_ in parts for name in names], "parents")
    label(ax, "y", range(rows), graph.latents, "children (latents, time t)")
    if legend:
        add_legend(ax, _legend_entries([part[2] for part in parts], confidence))
    return ax


_Part = tuple["NDArray[np.bool_]", tuple[str, ...], str, str]


def _parts(graph: CausalGraph, confidence: Mapping[str, NDArray[np.float64]]) -> list[_Part]:
    """Return edges, names of the columns, colour and heading of each matrix of the confidence."""
    known: dict[str, _Part] = {
        "actions": (graph.Ga.toarray(), graph.actions, ACTION, "$G^a$: actions"),
        "past": (graph.Gz.toarray(), graph.latents, PAST, "$G^z$: past latents"),
    }
    for kind, values in confidence.items():
        if kind not in known or values.shape != known[kind][0].shape:
            expected = f"shape {known[kind][0].shape}" if kind in known else "the kinds actions and past"
            raise DataError(f"the confidence of {kind} has shape {values.shape}; the graph has {expected}")
    if not confidence:
        raise DataError("there is no confidence in edges; give that of a run that was examined")
    return [known[kind] for kind in confidence]


def _fill_cells(
    ax: Axes, where: NDArray[np.bool_], confidence: NDArray[np.float64], start: int, is_edge: bool
) -> None:
    """Cover the coloured cells above their confidence, or hatch the empty ones below it."""
    from matplotlib.collections import PatchCollection
    from matplotlib.patches import Rectangle

    cells = [(row, column, float(confidence[row, column])) for row, column in np.argwhere(where).tolist()]
    if is_edge:
        # the colour of a cell is an image, which dark styles leave as it is
        patches = [Rectangle((j + start - 0.5, i - 0.5), 1, 1 - value) for i, j, value in cells]
        ax.add_collection(PatchCollection(patches, facecolor=ON_DARK, linewidth=0, zorder=1.5, label="doubt"))
    elif cells:
        patches = [Rectangle((j + start - 0.5, i + 0.5 - value), 1, value) for i, j, value in cells]
        ax.add_collection(
            PatchCollection(
                patches,
                facecolor="none",
                edgecolor=ON_FILL,
                hatch="/////",
                linewidth=0.6,
                zorder=1.6,
                label="possible",
            )
        )


def _legend_entries(colours: list[str], confidence: Mapping[str, NDArray[np.float64]]) -> Entries:
    names = {ACTION: "from actions", PAST: "from the past"}
    entries: Entries = [
        (patch(colour), f"edge {names[colour]}, filled up to the\nconfidence that it is true")
        for colour in colours
    ]
    entries.append(possible_entry("no edge, hatched up to the\nconfidence that there is one"))
    if any(np.isnan(values).any() for values in confidence.values()):
        entries.append((patch(DENSE_COLOUR), "not measured"))
    return entries
