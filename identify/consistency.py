"""Consistency: graphs, and models, that differ by the order of the latents and by what the theory leaves open.

Two models are consistent when some permutation P carries one graph to the other (P G^a and P G^z P^T; actions keep
their identity) and the entanglement map is graph-preserving up to P (Lachapelle et al., arXiv 2401.04890, the
definitions of a-consistency and z-consistency). For graphs alone this is an equivalence relation whose classes have
``n! / |Aut(G)|`` members.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from math import factorial, log10
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from identify.binary import to_binary
from identify.entanglement import predict_entanglement
from identify.exceptions import RequestError
from identify.graph import CausalGraph
from identify.symmetry import SymmetryGroup, find_isomorphism

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

__all__ = ["Consistency", "ConsistencyClass", "Orders", "consistency_class", "consistent"]

# Python reads and writes at most some thousands of digits
_MOST_DIGITS = 4_000

Order = NDArray[np.intp]


class ConsistencyClass:
    """All graphs that equal a given one after some permutation of its latents.

    Made by `consistency_class`. Nothing is listed: sizes are computed, membership is decided.

    Attributes:
        graph: The graph that the class was made from.
    """

    def __init__(self, graph: CausalGraph, engine: str | None = None) -> None:
        self.graph = graph
        self._engine = engine

    @cached_property
    def _symmetry(self) -> SymmetryGroup:
        return SymmetryGroup(self.graph, self._engine)

    @property
    def n_automorphisms(self) -> int:
        """Number of permutations of the latents that change neither matrix; exact."""
        return self._symmetry.order

    @cached_property
    def n_graphs(self) -> int:
        """Number of different graphs in the class, ``n! / |Aut(G)|``; exact."""
        return factorial(self.graph.n_latents) // self.n_automorphisms

    @cached_property
    def generators(self) -> tuple[Order, ...]:
        """Orders that generate the automorphisms: ``graph.permute(order) == graph`` for each."""
        n = self.graph.n_latents
        return tuple(np.array([moves.get(i, i) for i in range(n)]) for moves in self._symmetry.generators)

    @property
    def orbits(self) -> tuple[tuple[int, ...], ...]:
        """Latents that some automorphism exchanges, by their first; every latent is in one."""
        return self._symmetry.orbits

    @cached_property
    def canonical(self) -> CausalGraph:
        """The same graph for every member of the class, with latents named by position.

        It depends on the engine (igraph or Python) and on its version: compare canonical forms within a
        run, and keep graphs rather than canonical forms in files.
        """
        moved = self.graph.permute(self._symmetry.canonical_order)
        return CausalGraph(Gz=moved.Gz, Ga=moved.Ga)

    def __contains__(self, other: object) -> bool:
        return (
            isinstance(other, CausalGraph) and self._comparable(other) and self.canonical == self._of(other)
        )

    def permutation_to(self, other: CausalGraph) -> Order | None:
        """An ``order`` with ``graph.permute(order) == other``; None when there is none.

        Example:
            >>> from identify.catalog import load
            >>> graph = load("lower-triangle")
            >>> consistency_class(graph).permutation_to(graph.permute([2, 0, 3, 1]))
            array([2, 0, 3, 1])
        """
        if not self._comparable(other):
            return None
        theirs = ConsistencyClass(other, self._engine)
        if theirs.canonical != self.canonical:
            return None
        order = np.empty(self.graph.n_latents, dtype=np.intp)
        order[theirs._symmetry.canonical_order] = self._symmetry.canonical_order
        return order

    def permutations_to(self, other: CausalGraph) -> Orders:
        """Every ``order`` with ``graph.permute(order) == other``, made one by one; none when not in the class."""
        return Orders(self._symmetry, self.permutation_to(other))

    def to_dict(self) -> dict[str, Any]:
        """The class as JSON-ready values.

        Returns:
            ``n_latents``; ``n_graphs`` and ``n_automorphisms`` (None beyond 4,000 digits) with
            ``log10_n_graphs`` and ``log10_n_automorphisms``; ``orbits`` of more than one latent, by name.
        """
        names = self.graph.latents
        record: dict[str, Any] = {"n_latents": self.graph.n_latents}
        for key, number in (("n_graphs", self.n_graphs), ("n_automorphisms", self.n_automorphisms)):
            digits = log10_of(number)
            record |= {key: number if digits < _MOST_DIGITS else None, f"log10_{key}": digits}
        record["orbits"] = [[names[i] for i in orbit] for orbit in self.orbits if len(orbit) > 1]
        return record

    def _comparable(self, other: CausalGraph) -> bool:
        """Cheap reasons why graphs differ, so that no engine is asked in vain."""
        return all(
            mine.shape == theirs.shape and mine.nnz == theirs.nnz
            for mine, theirs in ((self.graph.Gz, other.Gz), (self.graph.Ga, other.Ga))
        )

    def _of(self, other: CausalGraph) -> CausalGraph:
        return ConsistencyClass(other, self._engine).canonical

    def __repr__(self) -> str:
        return f"ConsistencyClass({self.graph!r}, {_said(self.n_graphs)} graphs)"


class Orders:
    """Permutations that lead from one graph to another, made when iterated over.

    Attributes:
        count: How many there are; exact, and free of the limit that Python sets to ``len``.
    """

    def __init__(self, symmetry: SymmetryGroup, first: Order | None) -> None:
        self._symmetry = symmetry
        self._first = first

    @property
    def count(self) -> int:
        return 0 if self._first is None else self._symmetry.order

    def __len__(self) -> int:
        return self.count

    def __bool__(self) -> bool:
        return self._first is not None

    def __iter__(self) -> Iterator[Order]:
        if self._first is not None:
            for automorphism in self._symmetry.elements():
                yield automorphism[self._first]

    def __repr__(self) -> str:
        return f"Orders({_said(self.count)} permutations)"


@dataclass(frozen=True)
class Consistency:
    """Whether a learned model is consistent with the true one; ``bool()`` is the answer.

    Attributes:
        permutation: ``permutation[k]`` is the learned latent matched to true latent k, so that
            ``learned_graph.permute(permutation) == graph``. Where the answer is no: a permutation that fits the
            graphs, if there is one, else None.
        violations: Pairs (true latent, learned latent) by position: the true latent depends on the learned
            one against V, under that permutation. Empty where the answer is yes.
        reason: The answer in words.
    """

    permutation: Order | None
    violations: tuple[tuple[int, int], ...]
    reason: str

    def __bool__(self) -> bool:
        return self.permutation is not None and not self.violations


def consistency_class(graph: CausalGraph, engine: str | None = None) -> ConsistencyClass:
    """The consistency class of a graph.

    Args:
        graph: Any member.
        engine: ``"igraph"`` or ``"python"``; by default the first that is installed.

    Raises:
        RequestError: If there is no such engine (raised when the class is first asked something), or the Python
            engine gives the search up.

    Source:
        Lachapelle et al., arXiv 2401.04890, the definition of consistent models and that it is an equivalence.

    Example:
        >>> from identify.catalog import load
        >>> found = consistency_class(load("TimeBlockDiag"))
        >>> found.n_automorphisms, found.n_graphs
        (3840, 945)
    """
    return ConsistencyClass(graph, engine)


def consistent(
    graph: CausalGraph,
    learned_graph: CausalGraph,
    dependency: ArrayLike | sparse.sparray,
    using: str | Iterable[str] | None = None,
) -> Consistency:
    """Decide whether a learned graph and a measured dependency pattern are consistent with the true graph.

    They are when SOME permutation P carries the graph to the learned one and ``dependency[:, P]`` lies inside
    the predicted entanglement V. Where the graph has symmetries many P carry it over, and the dependency
    decides among them; they are searched, not listed.

    Args:
        graph: The true graph, n latents.
        learned_graph: The learned graph, n latents and the same actions.
        dependency: Binary, shape (n, n); entry (i, c) is 1 when true latent i depends on learned latent c:
            the pattern of the Jacobian of the entanglement map. Rows are true latents, columns learned ones.
        using: What the prediction uses; see `identify.entanglement.predict_entanglement`.

    Raises:
        GraphError: ``dependency`` is not binary.
        RequestError: If it has the wrong shape.

    Source:
        Lachapelle et al., arXiv 2401.04890, the definitions of a-consistency and z-consistency.

    Example:
        >>> graph = CausalGraph(Ga=[[1, 0], [0, 1]])
        >>> found = consistent(graph, CausalGraph(Ga=[[0, 1], [1, 0]]), [[0, 1], [1, 0]])
        >>> bool(found), found.permutation.tolist()
        (True, [1, 0])
    """
    measured = to_binary(dependency, "dependency")
    n = graph.n_latents
    if measured.shape != (n, n):
        raise RequestError(
            f"dependency has shape {measured.shape}; with {n} true latents (rows) and {n} learned ones it must "
            f"have shape ({n}, {n})"
        )
    class_ = consistency_class(learned_graph)
    first = class_.permutation_to(graph)
    if first is None:
        return Consistency(None, (), _why_no_permutation(graph, learned_graph))
    v = predict_entanglement(graph, using).matrix
    found = find_isomorphism(graph, learned_graph, _allowed(measured, v))
    if found is not None:
        return Consistency(found, (), _why_consistent(measured))
    violations = _violations(measured, v, first)
    return Consistency(first, violations, _why_violated(graph, first, violations, class_.n_automorphisms))


def _allowed(measured: sparse.csr_array, v: sparse.csr_array) -> NDArray[np.bool_]:
    """Entry (j, c): column c of the dependency lies inside column j of V, so c may be matched to j."""
    counts = measured.astype(np.int64)
    inside = (v.astype(np.int64).T @ counts).toarray()
    return np.asarray(inside == np.asarray(counts.sum(axis=0))[None, :], dtype=bool)


def _violations(measured: sparse.csr_array, v: sparse.csr_array, order: Order) -> tuple[tuple[int, int], ...]:
    matched = np.empty_like(order)
    matched[order] = np.arange(len(order))
    rows, columns = (places.tolist() for places in measured.nonzero())
    permitted = set(zip(*(places.tolist() for places in v.nonzero()), strict=True))
    return tuple((i, c) for i, c in zip(rows, columns, strict=True) if (i, int(matched[c])) not in permitted)


def _why_no_permutation(graph: CausalGraph, learned: CausalGraph) -> str:
    for what, mine, theirs in (
        ("latents", graph.n_latents, learned.n_latents),
        ("actions", graph.n_actions, learned.n_actions),
        ("edges from actions", graph.Ga.nnz, learned.Ga.nnz),
        ("edges from the past", graph.Gz.nnz, learned.Gz.nnz),
    ):
        if mine != theirs:
            return f"no permutation carries the graph to the learned one: {mine:,} {what} against {theirs:,}"
    return "no permutation carries the graph to the learned one, although both have equally many edges"


def _why_consistent(measured: sparse.csr_array) -> str:
    from scipy.sparse.csgraph import structural_rank

    text = "a permutation carries the graph to the learned one and puts the dependency inside the prediction"
    if structural_rank(measured) < measured.shape[0]:
        text += "; but no invertible map has this dependency, so an entry may have been missed"
    return text


def _why_violated(
    graph: CausalGraph, order: Order, violations: tuple[tuple[int, int], ...], n_permutations: int
) -> str:
    i, c = violations[0]
    matched = graph.latents[int(np.flatnonzero(order == c)[0])]
    which = "the only permutation" if n_permutations == 1 else f"none of {_said(n_permutations)} permutation"
    plural = " that carries" if n_permutations == 1 else "s that carry"
    verb = "does not put" if n_permutations == 1 else "puts"
    return (
        f"the graphs match, but {which}{plural} one to the other {verb} the dependency inside the "
        f"prediction; for instance, {graph.latents[i]} depends on learned latent {c}, matched to {matched}, "
        f"and is separated from {matched}"
    )


def log10_of(number: int) -> float:
    """Decimal logarithm of a positive integer of any size."""
    # a float ends at 10^308, so scale by the number of bits first
    shift = max(0, number.bit_length() - 64)
    return log10(number >> shift) + shift * log10(2)


def _said(number: int) -> str:
    return f"{number:,}" if number < 10**15 else f"about 10^{log10_of(number):.1f}"
