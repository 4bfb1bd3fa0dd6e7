"""What each latent can be recognised by: its action parents, past parents and past children.

Row i of V, the predicted entanglement graph, holds the latents whose neighbourhood contains the one of
latent i (paper: the a-consistency and z-consistency conditions, in the form Pa(i) <= Pa(j), Ch(i) <= Ch(j)).
Putting the three kinds of neighbours side by side as the columns of one matrix makes that a single
question of row inclusion, and a column in row i that is missing in row j is the witness that separates them.
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
        graph: The graph that they were read from.
        using: What was used, a subset of ``{"actions", "past"}``.
        matrix: Boolean CSR of shape (n_latents, neighbours); row i marks the neighbours of latent i.
        kinds: What each group of columns holds, in order, with the number of columns.
    """

    graph: CausalGraph
    using: frozenset[str]
    matrix: scipy.sparse.csr_array
    kinds: tuple[tuple[Kind, int], ...]

    def describe(self, column: int) -> tuple[Kind, str]:
        """Kind and name of the neighbour in a column."""
        for kind, width in self.kinds:
            if column < width:
                names = self.graph.actions if kind == "action" else self.graph.latents
                return kind, names[column]
            column -= width
        raise IndexError(column)

    def neighbours(self, i: int) -> tuple[tuple[Kind, str], ...]:
        """Kind and name of all neighbours of latent i: actions, past parents, past children."""
        return tuple(self.describe(column) for column in self._row(i).tolist())

    def missing(self, i: int, j: int) -> NDArray[np.integer]:
        """Columns in the neighbourhood of latent i and not in the one of latent j, ascending."""
        return np.setdiff1d(self._row(i), self._row(j), assume_unique=True)

    def _row(self, i: int) -> NDArray[np.integer]:
        return self.matrix.indices[self.matrix.indptr[i] : self.matrix.indptr[i + 1]]


def neighbourhoods(graph: CausalGraph, using: str | Iterable[str] | None = None) -> Neighbourhoods:
    """Collect the neighbours that ``using`` allows: actions first, then past parents, then past children.

    Args:
        graph: The causal graph.
        using: See `resolve_using`.

    Raises:
        RequestError: ``using`` is none of the allowed values.

    Example:
        >>> found = neighbourhoods(CausalGraph(Gz=[[1, 1], [0, 1]], Ga=[[1], [0]]))
        >>> found.matrix.astype(int).toarray().tolist()
        [[1, 1, 1, 1, 0], [0, 0, 1, 1, 1]]
        >>> found.describe(4)
        ('child', 'z1')
    """
    used = resolve_using(graph, using)
    n = graph.n_latents
    parts: list[scipy.sparse.csr_array] = []
    kinds: list[tuple[Kind, int]] = []
    if ACTIONS in used:
        parts.append(graph.Ga)
        kinds.append(("action", graph.n_actions))
    if PAST in used:
        parts += [graph.Gz, graph.Gz.T.tocsr()]
        kinds += [("parent", n), ("child", n)]
    matrix = parts[0] if len(parts) == 1 else scipy.sparse.hstack(parts, format="csr", dtype=bool)
    return Neighbourhoods(graph, used, matrix, tuple(kinds))


def resolve_using(graph: CausalGraph, using: str | Iterable[str] | None) -> frozenset[str]:
    """What to use: a subset of {"actions", "past"}, never empty.

    Args:
        graph: The causal graph.
        using: ``"actions"``, ``"past"``, ``"both"``, an iterable of the first two, or None for what the
            graph has (edges from actions, edges from the past; both when it has no edge at all).

    Raises:
        RequestError: If any other value, or an empty iterable.
    """
    if using is None:
        has = {ACTIONS: graph.Ga.nnz, PAST: graph.Gz.nnz}
        return frozenset(part for part, edges in has.items() if edges) or frozenset(has)
    if using == "both":
        return frozenset((ACTIONS, PAST))
    parts = [using] if isinstance(using, str) or not isinstance(using, Iterable) else list(using)
    if not parts or not all(part in (ACTIONS, PAST) for part in parts):
        raise RequestError(
            f"using is {using!r}; it must be 'actions', 'past', 'both' or some of the first two"
        )
    return frozenset(parts)


def restricted(graph: CausalGraph, using: str | Iterable[str] | None) -> CausalGraph:
    """The same latents and actions with only those edges that ``using`` names.

    Args:
        graph: The causal graph.
        using: See `resolve_using`.

    Raises:
        RequestError: ``using`` is none of the allowed values.

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
