"""What a file was read as, in one sentence, so that a transposed table or a lost name is seen at once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import scipy

from identify.exceptions import one_line
from identify.formats.base import Reading
from identify.names import shown
from identify.wording import listed, plural

__all__ = ["describe"]

_MAX_NAMES, _MAX_EDGES, _MAX_LETTERS = 6, 3, 600


def describe(reading: Reading) -> str:
    """Latents, actions, the past, examples of edges with their direction, and the notes.

    Args:
        reading: From `identify.formats.read_described`.

    Example:
        >>> from identify.graph import CausalGraph
        >>> graph = CausalGraph(Ga=[[0], [1]], latents=["speed", "place"], actions=["push"])
        >>> describe(Reading(graph, ("rows are children, columns their parents",), "adjacency table"))
        'read as adjacency table: 2 latents (speed, place), 1 action (push); nothing from the past; 1 edge from actions
        (push -> place); rows are children, columns their parents'
    """
    graph = reading.graph
    parts = [
        f"{_counted(graph.latents, 'latent')}, {_counted(graph.actions, 'action')}",
        _edges(graph.Gz, graph.latents, graph.latents, "the past"),
        _edges(graph.Ga, graph.actions, graph.latents, "actions"),
        *reading.notes,
    ]
    return one_line(f"read as {reading.form}: {'; '.join(part for part in parts if part)}", _MAX_LETTERS)


def _counted(names: Sequence[str], noun: str) -> str:
    if not names:
        return f"no {noun}s"
    return f"{plural(len(names), noun)} ({listed((shown(name, 30) for name in names), _MAX_NAMES)})"


def _edges(
    matrix: scipy.sparse.csr_array, parents: Sequence[str], children: Sequence[str], source: str
) -> str:
    if not parents:
        return ""
    if not matrix.nnz:
        return f"nothing from {source}"
    first = range(min(matrix.nnz, _MAX_EDGES))
    rows = [int(np.searchsorted(matrix.indptr, place, side="right")) - 1 for place in first]
    examples = [
        f"{shown(parents[matrix.indices[place]], 30)} -> {shown(children[row], 30)}"
        for place, row in zip(first, rows, strict=True)
    ]
    more = ", ..." if matrix.nnz > _MAX_EDGES else ""
    return f"{plural(matrix.nnz, 'edge')} from {source} ({', '.join(examples)}{more})"
