"""`CausalGraph`: which actions and which past latents act on which latents.

The paper writes the model as p(z^t | z^(t-1), a) = prod_i p(z_i^t | Pa^z(i), Pa^a(i)) and keeps the
parents in two binary matrices, G^z (latents x latents) and G^a (latents x actions). ROWS ARE
CHILDREN in both, here and everywhere in this package: row i lists the parents of latent i. (The
authors' code calls them ``g`` and ``gc``.)
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy

from identify.binary import freeze, to_binary
from identify.exceptions import GraphError, RequestError, UnknownNameError
from identify.names import check_names, default_names, shown

if TYPE_CHECKING:
    import networkx as nx
    from numpy.typing import ArrayLike

__all__ = ["CausalGraph"]


class CausalGraph:
    """A latent causal graph: G^z, G^a and names. Immutable and hashable.

    Two graphs are equal when both matrices are: names are labels for people and do not count, so that
    a learned graph can equal the true one. A graph without a past is one whose G^z has no entry.

    Args:
        Gz: G^z, shape (n, n); ``Gz[i, j]`` is 1 when past latent j is a parent of latent i. Dense
            array, nested lists or scipy sparse; left out when nothing depends on the past. Cycles
            are fine: an edge goes from one time step to the next.
        Ga: G^a, shape (n, m); ``Ga[i, l]`` is 1 when action l targets latent i. Left out when
            there are no actions.
        latents: n unique names; ``z0, z1, ...`` when left out.
        actions: m unique names, different from the latents'; ``a0, a1, ...`` when left out.

    Raises:
        GraphError: If the matrices are not binary, don't fit each other or the names, names repeat, or
            there is no latent at all.

    Example:
        >>> graph = CausalGraph(Ga=[[1, 0], [1, 1]], latents=["speed", "mass"])
        >>> graph
        CausalGraph(2 latents, 2 actions, 3 edges: 3 from actions, 0 from the past)
        >>> graph.parents("mass")
        ('a0', 'a1')
    """

    def __init__(
        self,
        Gz: ArrayLike | scipy.sparse.sparray | None = None,
        Ga: ArrayLike | scipy.sparse.sparray | None = None,
        latents: Iterable[str] | None = None,
        actions: Iterable[str] | None = None,
    ) -> None:
        past = None if Gz is None else to_binary(Gz, "Gz")
        acted = None if Ga is None else to_binary(Ga, "Ga")
        given_latents = None if latents is None else check_names(latents, "latents")
        given_actions = None if actions is None else check_names(actions, "actions")
        n = _number_of_latents(past, acted, given_latents)
        if past is not None and past.shape[0] != past.shape[1]:
            raise GraphError(f"Gz must be square (latents x latents), got shape {past.shape}")
        if past is not None and acted is not None and past.shape[0] != acted.shape[0]:
            raise GraphError(
                f"Gz has {past.shape[0]} rows and Ga has {acted.shape[0]}; both need one row per latent"
            )
        if given_latents is not None and len(given_latents) != n:
            raise GraphError(f"{len(given_latents)} latent names for {n} latents")
        m = acted.shape[1] if acted is not None else len(given_actions or ())
        if given_actions is not None and len(given_actions) != m:
            raise GraphError(f"{len(given_actions)} action names for {m} actions")
        self._Gz = past if past is not None else _empty(n, n)
        self._Ga = acted if acted is not None else _empty(n, m)
        self._given_latents = given_latents
        self._given_actions = given_actions
        if given_latents is not None or given_actions is not None:
            _require_disjoint(self.latents, self.actions)

    @classmethod
    def from_edges(
        cls, edges: Iterable[Sequence[str]], latents: Iterable[str], actions: Iterable[str] = ()
    ) -> CausalGraph:
        """Build a graph from (parent, child) pairs of names; an edge given twice counts once.

        Args:
            edges: Pairs; the parent is a latent (of the step before) or an action, the child a latent.
            latents: Their names, in order.
            actions: Their names, in order.

        Raises:
            GraphError: If an edge names an unknown node or points at an action; the text gives the
                edge's position.

        Example:
            >>> CausalGraph.from_edges([("x", "y"), ("push", "x")], ["x", "y"], ["push"]).n_edges
            2
        """
        latents, actions = check_names(latents, "latents"), check_names(actions, "actions")
        _require_disjoint(latents, actions)
        row = {name: i for i, name in enumerate(latents)}
        column = {name: i for i, name in enumerate(actions)}
        past: list[tuple[int, int]] = []
        acted: list[tuple[int, int]] = []
        for number, edge in enumerate(edges):
            parent, child = _as_pair(edge, number)
            if child in column:
                raise GraphError(
                    f"edge {number} ({shown(parent)} -> {shown(child)}) points at an action; actions have no parents"
                )
            for name in (parent, child):
                if name not in row and name not in column:
                    raise GraphError(
                        f"edge {number} ({shown(parent)} -> {shown(child)}) names an unknown node {name!r}"
                    )
            if parent in row:
                past.append((row[child], row[parent]))
            else:
                acted.append((row[child], column[parent]))
        return cls(
            Gz=_from_pairs(past, (len(row), len(row))),
            Ga=_from_pairs(acted, (len(row), len(column))),
            latents=latents,
            actions=actions,
        )

    @classmethod
    def from_networkx(cls, graph: nx.Graph[Any]) -> CausalGraph:
        """Read a directed networkx graph, nodes in its order.

        Args:
            graph: A DiGraph or MultiDiGraph with edges parent -> child; the node attribute ``kind`` is
                ``"latent"`` or ``"action"``. When no node has it, all are latents. An edge between
                latents is lagged: it goes from the past value of the one to the value of the other.

        Raises:
            GraphError: If the graph is undirected, a ``kind`` is missing or unknown, or an action has a
                parent.
        """
        if not graph.is_directed():
            raise GraphError("the networkx graph is undirected; edges must go from parent to child")
        kinds = {node: data.get("kind") for node, data in graph.nodes(data=True)}
        if all(kind is None for kind in kinds.values()):
            kinds = dict.fromkeys(kinds, "latent")
        for node, kind in kinds.items():
            if kind not in ("latent", "action"):
                raise GraphError(
                    f"node {shown(str(node))} has kind {kind!r}; the attribute 'kind' must be 'latent' or 'action'"
                )
        return cls.from_edges(
            ((str(parent), str(child)) for parent, child in graph.edges()),
            latents=[str(node) for node, kind in kinds.items() if kind == "latent"],
            actions=[str(node) for node, kind in kinds.items() if kind == "action"],
        )

    def to_networkx(self) -> nx.DiGraph[str]:
        """The same graph for networkx: nodes with attribute ``kind``, edges parent -> child."""
        import networkx as nx

        graph: nx.DiGraph[str] = nx.DiGraph()
        graph.add_nodes_from(self.latents, kind="latent")
        graph.add_nodes_from(self.actions, kind="action")
        graph.add_edges_from(self.edges())
        return graph

    @property
    def Gz(self) -> scipy.sparse.csr_array:
        """G^z, boolean CSR of shape (n_latents, n_latents), read-only; rows are children."""
        return self._Gz

    @property
    def Ga(self) -> scipy.sparse.csr_array:
        """G^a, boolean CSR of shape (n_latents, n_actions), read-only; rows are children."""
        return self._Ga

    @cached_property
    def latents(self) -> tuple[str, ...]:
        """Names of the latents, in the order of the rows."""
        return self._given_latents or default_names("z", self.n_latents)

    @cached_property
    def actions(self) -> tuple[str, ...]:
        """Names of the actions, in the order of the columns of G^a."""
        return self._given_actions or default_names("a", self.n_actions)

    @property
    def n_latents(self) -> int:
        return int(self._Gz.shape[0])

    @property
    def n_actions(self) -> int:
        return int(self._Ga.shape[1])

    @property
    def n_edges(self) -> int:
        """Number of entries of G^z and G^a together."""
        return int(self._Gz.nnz + self._Ga.nnz)

    def edges(self) -> list[tuple[str, str]]:
        """All (parent, child) pairs of names: from the past first, then from actions, by child."""
        pairs = []
        for matrix, parents in ((self._Gz, self.latents), (self._Ga, self.actions)):
            children = np.repeat(np.arange(self.n_latents), np.diff(matrix.indptr))
            pairs += [
                (parents[j], self.latents[i])
                for i, j in zip(children.tolist(), matrix.indices.tolist(), strict=True)
            ]
        return pairs

    def parents(self, latent: int | str) -> tuple[str, ...]:
        """Names of the parents of a latent: past latents first, then actions."""
        i = self.index(latent)
        past = (self.latents[j] for j in _row(self._Gz, i))
        return (*past, *(self.actions[k] for k in _row(self._Ga, i)))

    def index(self, latent: int | str) -> int:
        """Position of a latent given by name or position.

        Raises:
            UnknownNameError: If there is no such latent.
        """
        if isinstance(latent, str):
            if latent not in self._positions:
                raise UnknownNameError(f"there is no latent {latent!r}; {_hint(latent, self.latents)}")
            return self._positions[latent]
        if not 0 <= latent < self.n_latents:
            raise UnknownNameError(
                f"there is no latent {latent}; positions go from 0 to {self.n_latents - 1}"
            )
        return int(latent)

    def permute(self, order: Sequence[int] | np.ndarray[Any, Any]) -> CausalGraph:
        """Relabel the latents: latent i of the result is the old latent ``order[i]``, name included.

        Args:
            order: A permutation of 0..n-1.

        Raises:
            RequestError: ``order`` is not a permutation of the latents.

        Example:
            >>> CausalGraph(Ga=[[1, 0], [1, 1]]).permute([1, 0]).Ga.toarray().astype(int).tolist()
            [[1, 1], [1, 0]]
        """
        where = np.asarray(order)
        if where.shape != (self.n_latents,) or not np.array_equal(np.sort(where), np.arange(self.n_latents)):
            raise RequestError(f"order must be a permutation of 0..{self.n_latents - 1}, got {order!r}")
        where = where.astype(np.intp)
        # Gz has at most one entry per pair, so renaming columns cannot create duplicates
        rank = np.empty_like(where)
        rank[where] = np.arange(self.n_latents)
        rows = self._Gz[where]
        past = scipy.sparse.csr_array((rows.data, rank[rows.indices], rows.indptr), shape=rows.shape)
        past.sort_indices()
        return CausalGraph(
            Gz=past,
            Ga=self._Ga[where],
            latents=[self.latents[i] for i in where],
            actions=self._given_actions,
        )

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, CausalGraph):
            return NotImplemented
        return _same(self._Gz, other._Gz) and _same(self._Ga, other._Ga)

    def same_names(self, other: CausalGraph) -> bool:
        """Whether latents and actions bear the same names in the same order; ``==`` does not ask."""
        return self.latents == other.latents and self.actions == other.actions

    def __hash__(self) -> int:
        return self._hash

    @cached_property
    def _hash(self) -> int:
        return hash(tuple(_fingerprint(matrix) for matrix in (self._Gz, self._Ga)))

    @cached_property
    def _positions(self) -> dict[str, int]:
        return {name: i for i, name in enumerate(self.latents)}

    def __repr__(self) -> str:
        counts = ", ".join(
            f"{number} {noun}{'' if number == 1 else 's'}"
            for number, noun in (
                (self.n_latents, "latent"),
                (self.n_actions, "action"),
                (self.n_edges, "edge"),
            )
        )
        return f"CausalGraph({counts}: {self._Ga.nnz} from actions, {self._Gz.nnz} from the past)"


def _number_of_latents(
    past: scipy.sparse.csr_array | None, acted: scipy.sparse.csr_array | None, names: tuple[str, ...] | None
) -> int:
    known = [matrix.shape[0] for matrix in (past, acted) if matrix is not None]
    if not known and names is None:
        raise GraphError("a graph needs Gz, Ga or the names of its latents")
    n = known[0] if known else len(names or ())
    if n == 0:
        raise GraphError("a graph needs at least one latent, got none")
    return int(n)


def _require_disjoint(latents: tuple[str, ...], actions: tuple[str, ...]) -> None:
    shared = set(latents).intersection(actions)
    if shared:
        raise GraphError(f"{min(shared)!r} names a latent and an action; names must be unique")


def _empty(rows: int, columns: int) -> scipy.sparse.csr_array:
    return freeze(scipy.sparse.csr_array((rows, columns), dtype=bool))


def _as_pair(edge: Sequence[str], number: int) -> tuple[str, str]:
    if isinstance(edge, str) or len(edge) != 2:
        raise GraphError(f"edge {number} is {edge!r}; an edge is a pair (parent, child)")
    return edge[0], edge[1]


def _from_pairs(pairs: list[tuple[int, int]], shape: tuple[int, int]) -> scipy.sparse.csr_array:
    places = np.array(pairs, dtype=np.int64).reshape(-1, 2).T
    return scipy.sparse.csr_array((np.ones(len(pairs), dtype=bool), (places[0], places[1])), shape=shape)


def _row(matrix: scipy.sparse.csr_array, i: int) -> list[int]:
    return matrix.indices[matrix.indptr[i] : matrix.indptr[i + 1]].tolist()  # type: ignore[no-any-return]


def _same(a: scipy.sparse.csr_array, b: scipy.sparse.csr_array) -> bool:
    return a.shape == b.shape and np.array_equal(a.indptr, b.indptr) and np.array_equal(a.indices, b.indices)


def _fingerprint(matrix: scipy.sparse.csr_array) -> tuple[tuple[int, ...], bytes, bytes]:
    # the width of the index type depends on how the matrix was made, its values do not
    return (
        matrix.shape,
        matrix.indptr.astype(np.int64).tobytes(),
        matrix.indices.astype(np.int64).tobytes(),
    )


def _hint(name: str, names: tuple[str, ...]) -> str:
    from difflib import get_close_matches

    close = get_close_matches(name, names[:10_000], n=1)
    return f"did you mean {close[0]!r}?" if close else f"the first is {names[0]!r}"
