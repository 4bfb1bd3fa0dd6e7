"""Figure of a design of interventions: which new action targets which latent."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from identify.design import Design
from identify.exceptions import RequestError
from identify.plot.cells import draw_cells, frame, label, shape_cells
from identify.plot.paper import draws
from identify.plot.style import ACTION, FREE, INK, MAX_LATENTS, ON_FILL, new_axes, pitch, size_in_points

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

__all__ = ["plot_design"]

# more dots make a vector file large
_MAX_DOTS = 6_000
_MAX_ACTIONS = 1_000


@draws
def plot_design(design: Design, ax: Axes | None = None) -> Axes:
    """Draw the new actions as rows and the latents as columns, with a dark cell and a dot for each target.

    Columns of latents that stay entangled are grey, with a ring at their names. Latents that were disentangled before
    and that no new action targets are omitted.

    Args:
        design: Design to draw.
        ax: Axes to draw on; new axes by default.

    Returns:
        The axes.

    Raises:
        RequestError: If more than 300 latents or 1,000 actions have to be drawn.

    Example:
        >>> from matplotlib.figure import Figure
        >>> from identify.design import design_interventions
        >>> from identify.graph import CausalGraph
        >>> design = design_interventions(CausalGraph(Ga=[[1], [1], [0]]), using="actions")
        >>> ax = plot_design(design, ax=Figure().add_subplot())
        >>> [tick.get_text() for tick in ax.get_yticklabels()]
        ['new0', 'new1']
    """
    shown = _columns(design)
    rows, columns = len(design.actions), len(shown)
    if columns > MAX_LATENTS or rows > _MAX_ACTIONS:
        raise RequestError(
            f"the design is too large to draw: {rows} actions and {columns} latents, more than {_MAX_ACTIONS} or "
            f"{MAX_LATENTS}; its table and JSON are complete"
        )
    ax = ax or new_axes(pitch(columns, 12.0) * max(columns, 4) + 1.8, pitch(rows) * max(rows, 2) + 1.8)
    if not rows or not columns:
        return _write_text(ax, "nothing to add" if design.complete else "no allowed action helps")
    shape_cells(ax, rows, columns)
    entangled = ~design.disentangled[shown]
    draw_cells(ax, _kinds(design, shown, entangled), 0, [FREE, ACTION])
    _draw_dots(ax, _targets(design, shown))
    frame(ax)
    names = [design.before.graph.latents[i] for i in shown.tolist()]
    marked = [
        f"{name} ○" if is_entangled else name
        for name, is_entangled in zip(names, entangled.tolist(), strict=True)
    ]
    title = "latents (○ stays entangled)" if entangled.any() else "latents, all disentangled"
    label(ax, "x", range(columns), marked, title)
    label(ax, "y", range(rows), design.names, "new actions")
    return ax


def _columns(design: Design) -> NDArray[np.intp]:
    """Return the latents that were entangled or that a new action targets."""
    relevant = ~design.disentangled_before
    for action in design.actions:
        relevant = relevant | np.isin(design.before.graph.latents, action.targets)
    return np.flatnonzero(relevant)


def _targets(design: Design, shown: NDArray[np.intp]) -> NDArray[np.bool_]:
    """Return which new action targets which shown latent, shape (n_actions, n_shown)."""
    n_before = design.before.graph.n_actions
    targets: NDArray[np.bool_] = design.graph.Ga[shown][:, n_before:].toarray().T
    return targets


def _kinds(design: Design, shown: NDArray[np.intp], entangled: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return the kinds of cells: 0 no target, 1 no target and the latent stays entangled, 2 target."""
    return np.where(_targets(design, shown), 2, entangled[None, :].astype(np.int64))


def _draw_dots(ax: Axes, targets: NDArray[np.bool_]) -> None:
    rows, columns = np.nonzero(targets)
    width, height = size_in_points(ax)
    cell = min(width / targets.shape[1], height / targets.shape[0])
    if len(rows) <= _MAX_DOTS:
        ax.scatter(columns, rows, s=max(0.8, min(0.3 * cell, 6)) ** 2, color=ON_FILL, linewidth=0, zorder=3)


def _write_text(ax: Axes, text: str) -> Axes:
    ax.text(0.5, 0.5, text, ha="center", va="center", transform=ax.transAxes, fontsize=9, color=INK)
    ax.set_axis_off()
    return ax
