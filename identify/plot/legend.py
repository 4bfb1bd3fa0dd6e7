"""Legends of entanglement figures, with entries only for the marks that occur."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from identify.entanglement import Entanglement
from identify.guarantee import Guarantee
from identify.plot.style import FREE, INK, ITSELF, LOST, ON_FILL, ONE_WAY, TWINS

__all__ = ["block_legend", "matrix_legend"]

Entries = tuple[list[Any], list[str]]


def matrix_legend(shown: Entanglement | Guarantee) -> Entries:
    """Return handles and labels for the entanglement matrix, with what is lost if it is that of a guarantee."""
    from matplotlib.lines import Line2D

    entanglement, predicted = (
        (shown.entanglement, shown.predicted) if isinstance(shown, Guarantee) else (shown, shown)
    )
    rows, columns = predicted.matrix.tocoo().coords
    in_one_block = entanglement.labels[rows] == entanglement.labels[columns]
    entries: list[tuple[Any, str]] = [(_patch(ITSELF), "itself")]
    if (in_one_block & (rows != columns)).any():
        entries.append((_patch(TWINS), "entangled with each other (one block)"))
    if not in_one_block.all():
        dot = Line2D([], [], marker="o", markersize=2.5, color=ON_FILL, linestyle="none")
        entries.append(((_patch(ONE_WAY), dot), "entangled one way: row with column"))
    if entanglement.n_entries > predicted.n_entries:
        cross = Line2D([], [], marker="x", markersize=4, color=ON_FILL, linestyle="none")
        entries.append(((_patch(LOST), cross), "lost, since influence is not proved"))
    if entanglement.disentangled.any():
        entries.append((_marker("✓"), "disentangled"))
    if _unconstrained(entanglement).any():
        meaning = "no proved cause acts on it" if isinstance(shown, Guarantee) else "nothing constrains it"
        entries.append((_marker("○"), meaning))
    return _split(entries)


def block_legend(entanglement: Entanglement) -> Entries:
    """Return handles and labels for the boxes and arrows of the blocks."""
    from matplotlib.lines import Line2D

    unconstrained = _unconstrained(entanglement)
    entries: list[tuple[Any, str]] = []
    if entanglement.disentangled.any():
        entries.append((_patch("white", linewidth=1.6), "disentangled"))
    is_twin = entanglement.sizes[entanglement.labels] > 1
    if (is_twin & ~unconstrained).any():
        entries.append((_patch(TWINS), "entangled with each other"))
    if (~is_twin & ~entanglement.disentangled & ~unconstrained).any():
        entries.append((_patch(ONE_WAY, linestyle="--"), "alone, but entangled one way"))
    if unconstrained.any():
        entries.append((_patch(FREE, linestyle=":", linewidth=1.2), "nothing constrains it"))
    if entanglement.above.nnz:
        arrow = Line2D([], [], color=ITSELF, marker=">", markevery=[1], markersize=5)
        entries.append((arrow, "also entangled with the box at its tip, not vice versa"))
    return _split(entries)


def _unconstrained(entanglement: Entanglement) -> NDArray[np.bool_]:
    return ~entanglement.constrained & ~entanglement.disentangled


def _patch(face: str, **options: Any) -> Any:
    from matplotlib.patches import Patch

    return Patch(**{"facecolor": face, "edgecolor": INK, "linewidth": 0.8, **options})


def _marker(character: str) -> Any:
    from matplotlib.lines import Line2D

    return Line2D([], [], marker=f"${character}$", color=INK, linestyle="none")


def _split(entries: list[tuple[Any, str]]) -> Entries:
    return [handle for handle, _ in entries], [label for _, label in entries]
