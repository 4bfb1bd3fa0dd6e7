"""`CausalGraph`: which actions and which past latents act on which latents.

The paper writes the model as p(z^t | z^(t-1), a) = prod_i p(z_i^t | Pa^z(i), Pa^a(i)) and stores the parents in two
binary matrices, G^z (latents x latents) and G^a (latents x actions). ROWS ARE CHILDREN in both, here and everywhere in
this package: row i lists the parents of latent i. (The authors' code calls them ``g`` and ``gc``.)
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy

from identify.binary import freeze, to_binary
from identify.exceptions import GraphError, RequestError, UnknownNameError
from identify.markup import MAX_ROWS, card, rest, table
from identify.names import check_names, default_names, shown
from identify.wording import listed, plural

if TYPE_CHECKING:
    import networkx as nx
    from numpy.typing import ArrayLike

__all__ = ["CausalGraph"]


class CausalGraph:
    """A latent causal graph: G^z, G^a and names; immutable and hashable.

    Two graphs are equal if both matrices are equal. Names are labels and are ignored, so a learned graph can equal the
    true one. A graph without a past has a G^z without entries.

    Args:
        Gz: G^z, shape (n, n); ``Gz[i, j]`` is 1 if past latent j is a parent of latent i. A dense array, nested lists
            or a scipy sparse array; omitted if nothing depends on the past. Cycles are allowed: an edge goes from one
            time step to the next.
        Ga: G^a, shape (n, m); ``Ga[i, l]`` is 1 if action l targets latent i. Omitted if there are no actions.
        latents: The n unique names of the latents; ``z0, z1, ...`` by default.
        actions: The m unique names of the actions, distinct from those of the latents; ``a0, a1, ...`` by default.

    Raises:
        GraphError: If a matrix is not binary, the shapes or the numbers of names don't match, a name repeats, or there
            is no latent.

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
        from_actions = None if Ga is None else to_binary(Ga, "Ga")
        latent_names = None if latents is None else check_names(latents, "latents")
        action_names = None if actions is None else check_names(actions, "actions")
        n = _number_of_latents(past, from_actions, latent_names)
        if past is not None and past.shape[0] != past.shape[1]:
            raise GraphError(f"Gz must be square (latents x latents), got shape {past.shape}")
        if past is not None and from_actions is not None and past.shape[0] != from_actions.shape[0]:
            raise GraphError(
                f"Gz has {past.shape[0]} rows and Ga has {from_actions.shape[0]}; both need one row per latent"
            )
        if latent_names is not None and len(latent_names) != n:
            raise GraphError(f"{len(latent_names)} latent names for {n} latents")
        m = from_actions.shape[1] if from_actions is not None else len(action_names or ())
        if action_names is not None and len(action_names) != m:
            raise GraphError(f"{len(action_names)} action names for {m} actions")
        self._Gz = past if past is not None else _empty(n, n)
        self._Ga = from_actions if from_actions is not None else _empty(n, m)
        self._latent_names = latent_names
        self._action_names = action_names
        if latent_names is not None or action_names is not None:
            _require_disjoint(self.latents, self.actions)

    @classmethod
    def from_edges(
        cls, edges: Iterable[Sequence[str]], latents: Iterable[str], actions: Iterable[str] = ()
    ) -> CausalGraph:
        """Build a graph from (parent, child) pairs of names; repeated edges count once.

        Args:
            edges: Pairs of names; the parent is a latent (at the step before) or an action, the child a latent.
            latents: Names of the latents, in order.
            actions: Names of the actions, in order.

        Raises:
            GraphError: If an edge names an unknown node or points at an action; the text gives the position of the
                edge.

        Example:
            >>> CausalGraph.from_edges([("x", "y"), ("push", "x")], ["x", "y"], ["push"]).n_edges
            2
        """
        latents, actions = check_names(latents, "latents"), check_names(actions, "actions")
        _require_disjoint(latents, actions)
        row = {name: i for i, name in enumerate(latents)}
        column = {name: i for i, name in enumerate(actions)}
        past: list[tuple[int, int]] = []
        from_actions: list[tuple[int, int]] = []
        for position, edge in enumerate(edges):
            parent, child = _check_pair(edge, position)
            if child in column:
                raise GraphError(
                    f"edge {position} ({shown(parent)} -> {shown(child)}) points at an action; actions have no parents"
                )
            for name in (parent, child):
                if name not in row and name not in column:
                    raise GraphError(
                        f"edge {position} ({shown(parent)} -> {shown(child)}) names an unknown node {name!r}"
                    )
            if parent in row:
                past.append((row[child], row[parent]))
            else:
                from_actions.append((row[child], column[parent]))
        return cls(
            Gz=_from_pairs(past, (len(row), len(row))),
            Ga=_from_pairs(from_actions, (len(row), len(column))),
            latents=latents,
            actions=actions,
        )

    @classmethod
    def from_networkx(cls, graph: nx.Graph[Any]) -> CausalGraph:
        """Convert a directed networkx graph, with nodes in its order.

        Args:
            graph: A DiGraph or MultiDiGraph with edges parent -> child. The node attribute ``kind`` is ``"latent"`` or
                ``"action"``; if no node has it, all are latents. An edge between latents is lagged: it goes from the
                past value of one to the value of the other.

        Raises:
            GraphError: If the graph is undirected, a ``kind`` is missing or unknown, or an action has a parent.
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
        """Return the graph as a networkx graph: nodes with the attribute ``kind``, edges parent -> child."""
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
        return self._latent_names or default_names("z", self.n_latents)

    @cached_property
    def actions(self) -> tuple[str, ...]:
        """Names of the actions, in the order of the columns of G^a."""
        return self._action_names or default_names("a", self.n_actions)

    @property
    def n_latents(self) -> int:
        """Number of latents."""
        return int(self._Gz.shape[0])

    @property
    def n_actions(self) -> int:
        """Number of actions."""
        return int(self._Ga.shape[1])

    @property
    def n_edges(self) -> int:
        """Number of entries of G^z and G^a together."""
        return int(self._Gz.nnz + self._Ga.nnz)

    def edges(self) -> list[tuple[str, str]]:
        """Return all (parent, child) pairs of names: first edges from the past, then from actions, ordered by child."""
        pairs = []
        for matrix, parents in ((self._Gz, self.latents), (self._Ga, self.actions)):
            children = np.repeat(np.arange(self.n_latents), np.diff(matrix.indptr))
            pairs += [
                (parents[j], self.latents[i])
                for i, j in zip(children.tolist(), matrix.indices.tolist(), strict=True)
            ]
        return pairs

    def parents(self, latent: int | str) -> tuple[str, ...]:
        """Return the names of the parents of a latent: past latents first, then actions."""
        i = self.index(latent)
        past = (self.latents[j] for j in _row(self._Gz, i))
        return (*past, *(self.actions[k] for k in _row(self._Ga, i)))

    def index(self, latent: int | str) -> int:
        """Return the position of a latent that is given by name or position.

        Raises:
            UnknownNameError: If there is no such latent.
        """
        if isinstance(latent, str):
            if latent not in self._positions:
                raise UnknownNameError(f"there is no latent {latent!r}; {_suggestion(latent, self.latents)}")
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
            RequestError: If ``order`` is not a permutation of the latents.

        Example:
            >>> CausalGraph(Ga=[[1, 0], [1, 1]]).permute([1, 0]).Ga.toarray().astype(int).tolist()
            [[1, 1], [1, 0]]
        """
        permutation = np.asarray(order)
        if permutation.shape != (self.n_latents,) or not np.array_equal(
            np.sort(permutation), np.arange(self.n_latents)
        ):
            raise RequestError(f"order must be a permutation of 0..{self.n_latents - 1}, got {order!r}")
        permutation = permutation.astype(np.intp)
        # Gz has at most one entry per pair, so renaming columns cannot create duplicates
        inverse = np.empty_like(permutation)
        inverse[permutation] = np.arange(self.n_latents)
        rows = self._Gz[permutation]
        past = scipy.sparse.csr_array((rows.data, inverse[rows.indices], rows.indptr), shape=rows.shape)
        past.sort_indices()
        return CausalGraph(
            Gz=past,
            Ga=self._Ga[permutation],
            latents=[self.latents[i] for i in permutation],
            actions=self._action_names,
        )

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, CausalGraph):
            return NotImplemented
        return _equal(self._Gz, other._Gz) and _equal(self._Ga, other._Ga)

    def same_names(self, other: CausalGraph) -> bool:
        """Return whether latents and actions have the same names in the same order, which ``==`` ignores."""
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
            plural(number, noun)
            for number, noun in (
                (self.n_latents, "latent"),
                (self.n_actions, "action"),
                (self.n_edges, "edge"),
            )
        )
        return f"CausalGraph({counts}: {self._Ga.nnz} from actions, {self._Gz.nnz} from the past)"

    def _repr_html_(self) -> str:
        """Return the graph for notebooks: the parents of its first latents."""
        kinds = [("actions", self._Ga, self.actions)] * bool(self.n_actions)
        kinds += [("latents of the step before", self._Gz, self.latents)] * bool(self._Gz.nnz)
        rows = [
            (
                self.latents[i],
                *(listed((names[k] for k in _row(matrix, i)), 8) or "none" for _, matrix, names in kinds),
            )
            for i in range(min(self.n_latents, MAX_ROWS))
        ]
        columns = ("latent", *(title for title, _, _ in kinds))
        parents = table("The parents of each latent", columns, rows)
        return card(repr(self), parents, rest(self.n_latents, "latent"))


def _number_of_latents(
    past: scipy.sparse.csr_array | None,
    from_actions: scipy.sparse.csr_array | None,
    names: tuple[str, ...] | None,
) -> int:
    n_rows = [matrix.shape[0] for matrix in (past, from_actions) if matrix is not None]
    if not n_rows and names is None:
        raise GraphError("a graph needs Gz, Ga or the names of its latents")
    n = n_rows[0] if n_rows else len(names or ())
    if n == 0:
        raise GraphError("a graph needs at least one latent, got none")
    return int(n)


def _require_disjoint(latents: tuple[str, ...], actions: tuple[str, ...]) -> None:
    shared = set(latents).intersection(actions)
    if shared:
        raise GraphError(f"{min(shared)!r} is the name of a latent and of an action; names must be unique")


def _empty(rows: int, columns: int) -> scipy.sparse.csr_array:
    return freeze(scipy.sparse.csr_array((rows, columns), dtype=bool))


def _check_pair(edge: Sequence[str], position: int) -> tuple[str, str]:
    if isinstance(edge, str) or len(edge) != 2:
        raise GraphError(f"edge {position} is {edge!r}; an edge is a pair (parent, child)")
    return edge[0], edge[1]


def _from_pairs(pairs: list[tuple[int, int]], shape: tuple[int, int]) -> scipy.sparse.csr_array:
    rows, columns = np.array(pairs, dtype=np.int64).reshape(-1, 2).T
    return scipy.sparse.csr_array((np.ones(len(pairs), dtype=bool), (rows, columns)), shape=shape)


def _row(matrix: scipy.sparse.csr_array, i: int) -> list[int]:
    return matrix.indices[matrix.indptr[i] : matrix.indptr[i + 1]].tolist()  # type: ignore[no-any-return]


def _equal(a: scipy.sparse.csr_array, b: scipy.sparse.csr_array) -> bool:
    return a.shape == b.shape and np.array_equal(a.indptr, b.indptr) and np.array_equal(a.indices, b.indices)


def _fingerprint(matrix: scipy.sparse.csr_array) -> tuple[tuple[int, ...], bytes, bytes]:
    # the width of the index type depends on how the matrix was built; its values don't
    return (
        matrix.shape,
        matrix.indptr.astype(np.int64).tobytes(),
        matrix.indices.astype(np.int64).tobytes(),
    )


def _suggestion(name: str, names: tuple[str, ...]) -> str:
    from difflib import get_close_matches

    matches = get_close_matches(name, names[:10_000], n=1)
    return f"did you mean {matches[0]!r}?" if matches else f"the first is {names[0]!r}"
