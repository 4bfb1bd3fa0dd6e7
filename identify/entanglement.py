"""The entanglement graph V that mechanism sparsity guarantees at best, predicted from the causal graph.

With sufficient influence and a learned graph as sparse as the true one, the learned latents equal the true ones up to a
permutation and a map that is G^a-preserving, G^z-preserving and (G^z)^T-preserving. In the labels of the true latents,
the largest possible dependency graph of this map is

    V[i, j] = 1  iff  Pa^a(i) <= Pa^a(j)  and  Pa^z(i) <= Pa^z(j)  and  Ch^z(i) <= Ch^z(j).

(Lachapelle et al., arXiv 2401.04890: definitions of G-preserving maps, a-consistency and z-consistency.)
True latent i is then a function of the learned latents that match row i of V. Such maps form a group, so learned latent
i is also a function of those true latents.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import scipy
from numpy.typing import NDArray

from identify.binary import freeze
from identify.exceptions import RequestError
from identify.graph import CausalGraph
from identify.markup import MAX_ROWS, card, paragraph, rest, table
from identify.neighbourhoods import Neighbourhoods, neighbourhoods
from identify.preorder import row_inclusion
from identify.wording import listed

if TYPE_CHECKING:
    import networkx as nx

__all__ = ["Entanglement", "predict_entanglement"]

# a gigabyte, at 5 bytes per entry
_MAX_ENTRIES = 200_000_000


class Entanglement:
    """The predicted entanglement graph, stored as blocks of mutually entangled latents.

    `predict_entanglement` creates it. A block is a set of latents with the same neighbourhood ("twins"); blocks are
    numbered by their first latent. V is reflexive and transitive, so the blocks and the strict order between them
    determine it: 50,000 latents that nothing separates take one number each instead of 2.5 * 10^9 entries.

    Attributes:
        neighbourhoods: The neighbourhoods from which the prediction was computed, with the graph and the edges in use.
        labels: Block of each latent, shape (n_latents,).
        above: Boolean CSR of shape (n_blocks, n_blocks); ``above[a, b]`` is true if V[i, j] = 1 and V[j, i] = 0 for the
            latents i of block a and j of block b.
    """

    def __init__(
        self, neighbourhoods: Neighbourhoods, labels: NDArray[np.integer], above: scipy.sparse.csr_array
    ) -> None:
        self.neighbourhoods = neighbourhoods
        self.labels = labels
        self.above = freeze(above)
        self.labels.flags.writeable = False

    @property
    def graph(self) -> CausalGraph:
        """The causal graph of the prediction."""
        return self.neighbourhoods.graph

    @property
    def using(self) -> frozenset[str]:
        """The edges that the prediction uses: a subset of ``{"actions", "past"}``."""
        return self.neighbourhoods.using

    @property
    def n_latents(self) -> int:
        """Number of latents."""
        return len(self.labels)

    @property
    def n_blocks(self) -> int:
        """Number of blocks of latents with equal neighbourhoods."""
        return int(self.above.shape[0])

    @cached_property
    def sizes(self) -> NDArray[np.integer]:
        """Number of latents of each block, shape (n_blocks,)."""
        return np.bincount(self.labels, minlength=self.n_blocks)

    @property
    def n_entries(self) -> int:
        """Number of entries of V, counted without building V: the dimension of the linear group."""
        sizes = self.sizes.astype(np.int64)
        return int(sizes @ sizes + sizes @ (self.above.astype(np.int64) @ sizes))

    @cached_property
    def matrix(self) -> scipy.sparse.csr_array:
        """V as a read-only boolean CSR array of shape (n_latents, n_latents).

        Raises:
            RequestError: If V has more than 2 * 10^8 entries; `blocks`, `above` and `row` don't build V.
        """
        if self.n_entries > _MAX_ENTRIES:
            raise RequestError(
                f"the entanglement matrix has {self.n_entries:,} entries, more than {_MAX_ENTRIES:,}; "
                "use .blocks, .above or .row(i), which don't build it"
            )
        n = self.n_latents
        membership = scipy.sparse.csr_array(
            (np.ones(n, dtype=bool), self.labels, np.arange(n + 1)), shape=(n, self.n_blocks)
        )
        reflexive = scipy.sparse.csr_array(
            self.above + scipy.sparse.eye_array(self.n_blocks, dtype=bool, format="csr")
        )
        result = scipy.sparse.csr_array(membership @ reflexive @ membership.T, dtype=bool)
        result.sort_indices()
        return freeze(result)

    def row(self, latent: int | str) -> NDArray[np.intp]:
        """Return the latents with which one latent stays entangled (its row of V), itself included, ascending.

        Raises:
            UnknownNameError: If there is no such latent.
        """
        block = self.labels[self.graph.index(latent)]
        return np.sort(self._members(np.append(self.blocks_above(block), block)))

    def entangled(self, i: int | str, j: int | str) -> bool:
        """Return whether V[i, j] = 1: nothing separates latent i from latent j."""
        a, b = self.labels[self.graph.index(i)], self.labels[self.graph.index(j)]
        return bool(a == b or b in self.blocks_above(a))

    @cached_property
    def blocks(self) -> tuple[tuple[int, ...], ...]:
        """The latents of each block, ascending; blocks are ordered by their first latent."""
        members, start = self._ordered_by_block.tolist(), self._block_start.tolist()
        return tuple(tuple(members[a:b]) for a, b in pairwise(start))

    @cached_property
    def disentangled(self) -> NDArray[np.bool_]:
        """Whether row i of V is {i}, for each latent i; shape (n_latents,)."""
        isolated = (self.sizes == 1) & (np.diff(self.above.indptr) == 0)
        result: NDArray[np.bool_] = isolated[self.labels]
        result.flags.writeable = False
        return result

    @property
    def complete(self) -> bool:
        """Whether V is the identity, which is complete disentanglement."""
        return bool(self.disentangled.all())

    @cached_property
    def constrained(self) -> NDArray[np.bool_]:
        """Whether each latent has a neighbour, shape (n_latents,); a latent without one stays entangled with all."""
        result: NDArray[np.bool_] = np.diff(self.neighbourhoods.matrix.indptr) > 0
        result.flags.writeable = False
        return result

    def order(self, reduced: bool = False) -> nx.DiGraph[int]:
        """Return the partial order of the blocks as a networkx DAG.

        Args:
            reduced: Whether to leave out the edges that follow from others, which gives the Hasse diagram.

        Returns:
            A DAG whose nodes are block numbers with the attribute ``latents`` (names). An edge a -> b means that the
            latents of block a stay entangled with those of block b (V[i, j] = 1), and not vice versa.

        Example:
            >>> predict_entanglement(CausalGraph(Ga=[[1, 0], [1, 1]])).order().edges
            OutEdgeView([(0, 1)])
        """
        import networkx as nx

        dag: nx.DiGraph[int] = nx.DiGraph()
        for number, block in enumerate(self.blocks):
            dag.add_node(number, latents=tuple(self.graph.latents[i] for i in block))
        edges = self._hasse_edges() if reduced else self.above.tocoo()
        dag.add_edges_from(zip(edges.coords[0].tolist(), edges.coords[1].tolist(), strict=True))
        return dag

    def _hasse_edges(self) -> scipy.sparse.coo_array:
        # the order is transitive, so an edge follows from others iff a path of two edges joins its ends
        above = self.above.astype(np.int64)
        n_paths = above @ above
        return scipy.sparse.coo_array(scipy.sparse.csr_array(above - above.multiply(n_paths > 0)))

    def blocks_above(self, block: int) -> NDArray[np.integer]:
        """Return the blocks with which a block stays entangled, but not vice versa; ascending."""
        return self.above.indices[self.above.indptr[block] : self.above.indptr[block + 1]]

    def _members(self, blocks: NDArray[np.integer]) -> NDArray[np.intp]:
        return np.concatenate(
            [self._ordered_by_block[self._block_start[b] : self._block_start[b + 1]] for b in blocks]
        )

    @cached_property
    def _ordered_by_block(self) -> NDArray[np.intp]:
        return np.argsort(self.labels, kind="stable")

    @cached_property
    def _block_start(self) -> NDArray[np.integer]:
        return np.concatenate([[0], np.cumsum(self.sizes)])

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Entanglement):
            return NotImplemented
        return np.array_equal(self.labels, other.labels) and bool(
            np.array_equal(self.above.indptr, other.above.indptr)
            and np.array_equal(self.above.indices, other.above.indices)
        )

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return (
            f"Entanglement({self.n_latents} latents in {self.n_blocks} blocks, "
            f"{int(self.disentangled.sum())} disentangled, using {' and '.join(sorted(self.using))})"
        )

    def _repr_html_(self) -> str:
        """Return the prediction for notebooks: the first blocks, and what they may mix with."""
        rows = [
            (self._listed([b]), self._listed(self.blocks_above(b)) or "nothing")
            for b in range(min(self.n_blocks, MAX_ROWS))
        ]
        meaning = "Latents of one block may mix with each other; latents of different blocks only as the table says."
        blocks = table("Predicted entanglement", ("block of latents", "may also mix with"), rows)
        return card(repr(self), paragraph(meaning), blocks, rest(self.n_blocks, "block"))

    def _listed(self, blocks: Iterable[int] | NDArray[np.integer]) -> str:
        numbers = list(blocks)
        names = self.graph.latents
        return listed(names[i] for i in np.sort(self._members(np.array(numbers)))) if numbers else ""


def predict_entanglement(graph: CausalGraph, using: str | Iterable[str] | None = None) -> Entanglement:
    """Predict which latents stay entangled with which.

    Args:
        graph: The true (or the learned) causal graph.
        using: ``"actions"``, ``"past"``, both, or None for what the graph has.

    Raises:
        RequestError: If ``using`` is not one of these values.

    Source:
        Lachapelle et al., arXiv 2401.04890, the theorems on nonparametric partial disentanglement from
        sparse actions and from sparse temporal dependencies.

    Example:
        >>> entanglement = predict_entanglement(CausalGraph(Ga=[[1, 0], [1, 0], [0, 1]]))
        >>> entanglement
        Entanglement(3 latents in 2 blocks, 1 disentangled, using actions)
        >>> entanglement.blocks
        ((0, 1), (2,))
        >>> entanglement.matrix.toarray().astype(int).tolist()
        [[1, 1, 0], [1, 1, 0], [0, 0, 1]]
    """
    neighbours = neighbourhoods(graph, using)
    order = row_inclusion(neighbours.matrix, neighbours.by_column)
    return Entanglement(neighbours, order.labels, order.above)
