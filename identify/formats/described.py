"""Description of a read file in one sentence, so that users notice a transposed table or a lost name at once."""

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
    """Describe latents, actions and the past, with examples of edges and their direction, and the notes.

    Args:
        reading: Result of `identify.formats.read_described`.

    Example:
        >>> from identify.graph import CausalGraph
        >>> graph = CausalGraph(Ga=[[0], [1]], latents=["speed", "place"], actions=["push"])
        >>> describe(Reading(graph, ("rows are children, columns their parents",), "adjacency table"))
        'read as adjacency table: 2 latents (speed, place), 1 action (push); no edges from the past; 1 edge from actions
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
        return f"no edges from {source}"
    entries = range(min(matrix.nnz, _MAX_EDGES))
    rows = [int(np.searchsorted(matrix.indptr, entry, side="right")) - 1 for entry in entries]
    examples = [
        f"{shown(parents[matrix.indices[entry]], 30)} -> {shown(children[row], 30)}"
        for entry, row in zip(entries, rows, strict=True)
    ]
    more = ", ..." if matrix.nnz > _MAX_EDGES else ""
    return f"{plural(matrix.nnz, 'edge')} from {source} ({', '.join(examples)}{more})"
