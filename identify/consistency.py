"""Consistency of graphs and models: equality up to the order of the latents and what the theory leaves open.

Two models are consistent if some permutation P maps one graph to the other (P G^a and P G^z P^T; actions keep their
identity) and the entanglement map is graph-preserving up to P (Lachapelle et al., arXiv 2401.04890, the definitions of
a-consistency and z-consistency). For graphs alone this is an equivalence relation whose classes have
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

# Python parses and formats integers of at most some thousand digits
_MAX_DIGITS = 4_000

Order = NDArray[np.intp]


class ConsistencyClass:
    """All graphs that equal a given graph after some permutation of its latents.

    `consistency_class` creates it. No members are listed: sizes are computed and membership is decided.

    Attributes:
        graph: The graph that defines the class.
    """

    def __init__(self, graph: CausalGraph, engine: str | None = None) -> None:
        self.graph = graph
        self._engine = engine

    @cached_property
    def _symmetry(self) -> SymmetryGroup:
        return SymmetryGroup(self.graph, self._engine)

    @property
    def n_automorphisms(self) -> int:
        """The exact number of permutations of the latents that preserve both matrices."""
        return self._symmetry.order

    @cached_property
    def n_graphs(self) -> int:
        """The exact number of graphs in the class, ``n! / |Aut(G)|``."""
        return factorial(self.graph.n_latents) // self.n_automorphisms

    @cached_property
    def generators(self) -> tuple[Order, ...]:
        """Orders that generate the automorphisms; each satisfies ``graph.permute(order) == graph``."""
        n = self.graph.n_latents
        return tuple(
            np.array([permutation.get(i, i) for i in range(n)]) for permutation in self._symmetry.generators
        )

    @property
    def orbits(self) -> tuple[tuple[int, ...], ...]:
        """The orbits of the latents under the automorphisms, ordered by their first latent."""
        return self._symmetry.orbits

    @cached_property
    def canonical(self) -> CausalGraph:
        """The same graph for every member of the class, with latents named by position.

        It depends on the engine (igraph or Python) and its version: compare canonical forms within one run, and store
        graphs in files rather than canonical forms.
        """
        relabelled = self.graph.permute(self._symmetry.canonical_order)
        return CausalGraph(Gz=relabelled.Gz, Ga=relabelled.Ga)

    def __contains__(self, other: object) -> bool:
        return (
            isinstance(other, CausalGraph)
            and self._comparable(other)
            and self.canonical == self._canonical_of(other)
        )

    def permutation_to(self, other: CausalGraph) -> Order | None:
        """Return an ``order`` with ``graph.permute(order) == other``, or None if there is none.

        Example:
            >>> from identify.catalog import load
            >>> graph = load("lower-triangle")
            >>> consistency_class(graph).permutation_to(graph.permute([2, 0, 3, 1]))
            array([2, 0, 3, 1])
        """
        if not self._comparable(other):
            return None
        other_class = ConsistencyClass(other, self._engine)
        if other_class.canonical != self.canonical:
            return None
        order = np.empty(self.graph.n_latents, dtype=np.intp)
        order[other_class._symmetry.canonical_order] = self._symmetry.canonical_order
        return order

    def permutations_to(self, other: CausalGraph) -> Orders:
        """Return every ``order`` with ``graph.permute(order) == other``, lazily; none if ``other`` is not a member."""
        return Orders(self._symmetry, self.permutation_to(other))

    def to_dict(self) -> dict[str, Any]:
        """Return the class as JSON-ready values.

        Returns:
            ``n_latents``; ``n_graphs`` and ``n_automorphisms`` (None beyond 4,000 digits) with ``log10_n_graphs`` and
            ``log10_n_automorphisms``; ``orbits`` with more than one latent, by name.
        """
        names = self.graph.latents
        record: dict[str, Any] = {"n_latents": self.graph.n_latents}
        for key, number in (("n_graphs", self.n_graphs), ("n_automorphisms", self.n_automorphisms)):
            digits = log10_of(number)
            record |= {key: number if digits < _MAX_DIGITS else None, f"log10_{key}": digits}
        record["orbits"] = [[names[i] for i in orbit] for orbit in self.orbits if len(orbit) > 1]
        return record

    def _comparable(self, other: CausalGraph) -> bool:
        """Return whether shapes and numbers of edges agree: a cheap test before the engine runs."""
        return all(
            matrix.shape == other_matrix.shape and matrix.nnz == other_matrix.nnz
            for matrix, other_matrix in ((self.graph.Gz, other.Gz), (self.graph.Ga, other.Ga))
        )

    def _canonical_of(self, other: CausalGraph) -> CausalGraph:
        return ConsistencyClass(other, self._engine).canonical

    def __repr__(self) -> str:
        return f"ConsistencyClass({self.graph!r}, {_number_text(self.n_graphs)} graphs)"


class Orders:
    """The permutations that map one graph to another, generated on iteration.

    Attributes:
        count: The exact number of permutations, which may exceed the limit of ``len``.
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
        return f"Orders({_number_text(self.count)} permutations)"


@dataclass(frozen=True)
class Consistency:
    """Whether a learned model is consistent with the true one; ``bool()`` is the answer.

    Attributes:
        permutation: ``permutation[k]`` is the learned latent matched to true latent k, so that
            ``learned_graph.permute(permutation) == graph``. If the answer is no: a permutation that maps the graphs to
            each other if there is one, otherwise None.
        violations: Pairs (true latent, learned latent) by position, under that permutation: the true latent depends on
            the learned one although V does not allow it. Empty if the answer is yes.
        reason: The answer in a sentence.
    """

    permutation: Order | None
    violations: tuple[tuple[int, int], ...]
    reason: str

    def __bool__(self) -> bool:
        return self.permutation is not None and not self.violations


def consistency_class(graph: CausalGraph, engine: str | None = None) -> ConsistencyClass:
    """Return the consistency class of a graph.

    Args:
        graph: Any member of the class.
        engine: ``"igraph"`` or ``"python"``; by default the first that is installed.

    Raises:
        RequestError: If there is no such engine, or the Python engine gives up the search. Raised on first use of the
            class.

    Source:
        Lachapelle et al., arXiv 2401.04890, the definition of consistent models and that it is an equivalence.

    Example:
        >>> from identify.catalog import load
        >>> blocks = consistency_class(load("TimeBlockDiag"))
        >>> blocks.n_automorphisms, blocks.n_graphs
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

    They are consistent if SOME permutation P maps the graph to the learned graph and ``dependency[:, P]`` lies within
    the predicted entanglement V. If the graph has symmetries, many P map it to the learned graph and the dependency
    decides among them; they are searched without being listed.

    Args:
        graph: The true graph, with n latents.
        learned_graph: The learned graph, with n latents and the same actions.
        dependency: Binary, shape (n, n); entry (i, c) is 1 if true latent i depends on learned latent c: the pattern of
            the Jacobian of the entanglement map. Rows are true latents, columns learned ones.
        using: What the prediction uses; see `identify.entanglement.predict_entanglement`.

    Raises:
        GraphError: If ``dependency`` is not binary.
        RequestError: If ``dependency`` has the wrong shape.

    Source:
        Lachapelle et al., arXiv 2401.04890, the definitions of a-consistency and z-consistency.

    Example:
        >>> graph = CausalGraph(Ga=[[1, 0], [0, 1]])
        >>> result = consistent(graph, CausalGraph(Ga=[[0, 1], [1, 0]]), [[0, 1], [1, 0]])
        >>> bool(result), result.permutation.tolist()
        (True, [1, 0])
    """
    measured = to_binary(dependency, "dependency")
    n = graph.n_latents
    if measured.shape != (n, n):
        raise RequestError(
            f"dependency has shape {measured.shape}; with {n} true and {n} learned latents it must have shape "
            f"({n}, {n})"
        )
    learned_class = consistency_class(learned_graph)
    first = learned_class.permutation_to(graph)
    if first is None:
        return Consistency(None, (), _reason_no_permutation(graph, learned_graph))
    v = predict_entanglement(graph, using).matrix
    permutation = find_isomorphism(graph, learned_graph, _allowed_matches(measured, v))
    if permutation is not None:
        return Consistency(permutation, (), _reason_consistent(measured))
    violations = _violations(measured, v, first)
    reason = _reason_violated(graph, first, violations, learned_class.n_automorphisms)
    return Consistency(first, violations, reason)


def _allowed_matches(measured: sparse.csr_array, v: sparse.csr_array) -> NDArray[np.bool_]:
    """Return a matrix whose entry (j, c) says whether column c of the dependency lies within column j of V."""
    dependency = measured.astype(np.int64)
    n_within = (v.astype(np.int64).T @ dependency).toarray()
    return np.asarray(n_within == np.asarray(dependency.sum(axis=0))[None, :], dtype=bool)


def _violations(measured: sparse.csr_array, v: sparse.csr_array, order: Order) -> tuple[tuple[int, int], ...]:
    matching = np.empty_like(order)
    matching[order] = np.arange(len(order))
    rows, columns = (indices.tolist() for indices in measured.nonzero())
    allowed = set(zip(*(indices.tolist() for indices in v.nonzero()), strict=True))
    return tuple((i, c) for i, c in zip(rows, columns, strict=True) if (i, int(matching[c])) not in allowed)


def _reason_no_permutation(graph: CausalGraph, learned: CausalGraph) -> str:
    for noun, n_true, n_learned in (
        ("latents", graph.n_latents, learned.n_latents),
        ("actions", graph.n_actions, learned.n_actions),
        ("edges from actions", graph.Ga.nnz, learned.Ga.nnz),
        ("edges from the past", graph.Gz.nnz, learned.Gz.nnz),
    ):
        if n_true != n_learned:
            return (
                f"no permutation maps the graph to the learned graph: {n_true:,} {noun} against {n_learned:,}"
            )
    return "no permutation maps the graph to the learned graph, although both have equally many edges"


def _reason_consistent(measured: sparse.csr_array) -> str:
    from scipy.sparse.csgraph import structural_rank

    reason = "a permutation maps the graph to the learned graph, with the dependency within the prediction"
    if structural_rank(measured) < measured.shape[0]:
        reason += "; but no invertible map has this dependency, so an entry may have been missed"
    return reason


def _reason_violated(
    graph: CausalGraph, order: Order, violations: tuple[tuple[int, int], ...], n_permutations: int
) -> str:
    i, c = violations[0]
    matched = graph.latents[int(np.flatnonzero(order == c)[0])]
    problem = (
        "the only permutation that maps one to the other does not place the dependency within the prediction"
        if n_permutations == 1
        else f"none of {_number_text(n_permutations)} permutations that map one to the other places the dependency "
        "within the prediction"
    )
    return (
        f"the graphs match, but {problem}; for instance, {graph.latents[i]} depends on learned latent {c}, matched to "
        f"{matched}, and is separated from {matched}"
    )


def log10_of(number: int) -> float:
    """Return the decimal logarithm of a positive integer of any size."""
    # floats end at 10^308, so the number is scaled by its bits first
    shift = max(0, number.bit_length() - 64)
    return log10(number >> shift) + shift * log10(2)


def _number_text(number: int) -> str:
    return f"{number:,}" if number < 10**15 else f"about 10^{log10_of(number):.1f}"
