"""The neighbourhood of each latent: its action parents, past parents and past children.

Row i of V, the predicted entanglement graph, contains the latents whose neighbourhood contains that of latent i (paper:
the a-consistency and z-consistency conditions, in the form Pa(i) <= Pa(j), Ch(i) <= Ch(j)). With the three kinds of
neighbours as columns of one matrix, this is a single question of row inclusion, and a column that row i has and row j
lacks is the witness that separates them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import scipy
from numpy.typing import NDArray

from identify.exceptions import RequestError
from identify.graph import CausalGraph

__all__ = ["ACTIONS", "PAST", "Kind", "Neighbourhoods", "neighbourhoods", "resolve_using", "restricted"]

ACTIONS = "actions"
PAST = "past"

Kind = Literal["action", "parent", "child"]


@dataclass(frozen=True)
class Neighbourhoods:
    """The neighbours of all latents in one binary matrix.

    Attributes:
        graph: The causal graph.
        using: The edges in use, a subset of ``{"actions", "past"}``.
        matrix: Boolean CSR of shape (n_latents, neighbours); row i marks the neighbours of latent i.
        kinds: The kind of neighbour of each group of columns, in order, with the number of columns.
    """

    graph: CausalGraph
    using: frozenset[str]
    matrix: scipy.sparse.csr_array
    kinds: tuple[tuple[Kind, int], ...]

    def by_column(self) -> scipy.sparse.csc_array:
        """Return the matrix as CSC."""
        columns = [self.graph.Ga.tocsc()] if ACTIONS in self.using else []
        if PAST in self.using:
            children = self.matrix[:, self.matrix.shape[1] - self.graph.n_latents :]
            # the columns of each are the rows of the other
            columns += [children.T, self.graph.Gz.T]
        return columns[0] if len(columns) == 1 else scipy.sparse.hstack(columns, format="csc", dtype=bool)

    def describe(self, column: int) -> tuple[Kind, str]:
        """Return the kind and the name of the neighbour in a column."""
        for kind, width in self.kinds:
            if column < width:
                names = self.graph.actions if kind == "action" else self.graph.latents
                return kind, names[column]
            column -= width
        raise IndexError(column)

    def neighbours(self, i: int) -> tuple[tuple[Kind, str], ...]:
        """Return the kind and the name of all neighbours of latent i: actions, past parents, past children."""
        return tuple(self.describe(column) for column in self._row(i).tolist())

    def missing(self, i: int, j: int) -> NDArray[np.integer]:
        """Return the columns in the neighbourhood of latent i that that of latent j lacks, ascending."""
        return np.setdiff1d(self._row(i), self._row(j), assume_unique=True)

    def _row(self, i: int) -> NDArray[np.integer]:
        return self.matrix.indices[self.matrix.indptr[i] : self.matrix.indptr[i + 1]]


def neighbourhoods(graph: CausalGraph, using: str | Iterable[str] | None = None) -> Neighbourhoods:
    """Collect the neighbours that ``using`` allows: actions first, then past parents, then past children.

    Args:
        graph: The causal graph.
        using: See `resolve_using`.

    Raises:
        RequestError: If ``using`` is not one of the allowed values.

    Example:
        >>> neighbours = neighbourhoods(CausalGraph(Gz=[[1, 1], [0, 1]], Ga=[[1], [0]]))
        >>> neighbours.matrix.astype(int).toarray().tolist()
        [[1, 1, 1, 1, 0], [0, 0, 1, 1, 1]]
        >>> neighbours.describe(4)
        ('child', 'z1')
    """
    used = resolve_using(graph, using)
    n = graph.n_latents
    matrices: list[scipy.sparse.csr_array] = []
    kinds: list[tuple[Kind, int]] = []
    if ACTIONS in used:
        matrices.append(graph.Ga)
        kinds.append(("action", graph.n_actions))
    if PAST in used:
        matrices += [graph.Gz, graph.Gz.T.tocsr()]
        kinds += [("parent", n), ("child", n)]
    matrix = matrices[0] if len(matrices) == 1 else scipy.sparse.hstack(matrices, format="csr", dtype=bool)
    return Neighbourhoods(graph, used, matrix, tuple(kinds))


def resolve_using(graph: CausalGraph, using: str | Iterable[str] | None) -> frozenset[str]:
    """Return the edges to use: a subset of {"actions", "past"} that is never empty.

    Args:
        graph: The causal graph.
        using: ``"actions"``, ``"past"``, ``"both"``, an iterable of the first two, or None for what the graph has
            (edges from actions, edges from the past; both if it has no edge at all).

    Raises:
        RequestError: If ``using`` is another value or an empty iterable.
    """
    if using is None:
        n_edges = {ACTIONS: graph.Ga.nnz, PAST: graph.Gz.nnz}
        return frozenset(kind for kind, count in n_edges.items() if count) or frozenset(n_edges)
    if using == "both":
        return frozenset((ACTIONS, PAST))
    kinds = [using] if isinstance(using, str) or not isinstance(using, Iterable) else list(using)
    if not kinds or not all(kind in (ACTIONS, PAST) for kind in kinds):
        raise RequestError(
            f"using is {using!r}; it must be 'actions', 'past', 'both' or an iterable of the first two"
        )
    return frozenset(kinds)


def restricted(graph: CausalGraph, using: str | Iterable[str] | None) -> CausalGraph:
    """Return a graph with the same latents and actions and only the edges that ``using`` names.

    Args:
        graph: The causal graph.
        using: See `resolve_using`.

    Raises:
        RequestError: If ``using`` is not one of the allowed values.

    Example:
        >>> restricted(CausalGraph(Gz=[[1]], Ga=[[1]]), "past").edges()
        [('z0', 'z0')]
    """
    used = resolve_using(graph, using)
    return CausalGraph(
        Gz=graph.Gz if PAST in used else None,
        Ga=graph.Ga if ACTIONS in used else scipy.sparse.csr_array(graph.Ga.shape, dtype=bool),
        latents=graph.latents,
        actions=graph.actions,
    )
