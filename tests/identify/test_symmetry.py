"""SymmetryGroup groups against brute force, closed forms and nauty; both engines."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from math import factorial
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from identify.exceptions import RequestError
from identify.graph import CausalGraph
from identify.symmetry import ENGINES, SymmetryGroup, default_engine
from identify.symmetry.chain import greedy_chain
from identify.symmetry.coloured import from_graph
from identify.symmetry.engines import Bliss
from identify.symmetry.folding import fold
from identify.symmetry.search import Search
from tests.builders import graphs
from tests.oracles import automorphisms

engines = pytest.mark.parametrize("engine", list(ENGINES))


def directed_graph(n: int, edges: Any) -> CausalGraph:
    past = np.zeros((n, n), dtype=bool)
    for parent, child in edges:
        past[child, parent] = True
    return CausalGraph(Gz=past)


def cycle(n: int) -> list[tuple[int, int]]:
    return [(i, (i + 1) % n) for i in range(n)]


def undirected(edges: list[tuple[int, int]]) -> list[tuple[int, int]]:
    return edges + [(b, a) for a, b in edges]


@engines
@given(graph=graphs(max_latents=6, max_actions=3))
@settings(max_examples=150, deadline=None)
def test_the_group_agrees_with_brute_force(engine: str, graph: CausalGraph) -> None:
    group, expected = SymmetryGroup(graph, engine), automorphisms(graph)
    assert group.order == len(expected)
    assert {tuple(order.tolist()) for order in group.elements()} == set(expected)
    assert sum(1 for _ in group.elements()) == len(expected)
    assert next(group.elements()).tolist() == list(range(graph.n_latents))
    orbits = {frozenset(order[i] for order in expected) for i in range(graph.n_latents)}
    assert {frozenset(orbit) for orbit in group.orbits} == orbits
    for generator in group.generators:
        assert tuple(generator.get(i, i) for i in range(graph.n_latents)) in expected


@engines
@given(graph=graphs(), data=st.data())
@settings(max_examples=150, deadline=None)
def test_canonical_forms_are_invariant_under_relabelling(
    engine: str, graph: CausalGraph, data: st.DataObject
) -> None:
    relabelled = graph.permute(data.draw(st.permutations(range(graph.n_latents))))
    first, second = (g.permute(SymmetryGroup(g, engine).canonical_order) for g in (graph, relabelled))
    assert first == second


@engines
def test_directions_colours_and_loops_are_respected(engine: str) -> None:
    assert SymmetryGroup(directed_graph(3, cycle(3)), engine).order == 3
    assert SymmetryGroup(directed_graph(3, undirected(cycle(3))), engine).order == 6
    assert SymmetryGroup(directed_graph(3, [*cycle(3), (0, 0)]), engine).order == 1
    assert SymmetryGroup(directed_graph(3, [*cycle(3), (0, 0), (1, 1), (2, 2)]), engine).order == 3
    coloured = CausalGraph(Gz=directed_graph(3, cycle(3)).Gz, Ga=[[1], [0], [0]])
    assert SymmetryGroup(coloured, engine).order == 1
    assert SymmetryGroup(CausalGraph(Ga=[[1, 0], [0, 1]]), engine).order == 1
    assert SymmetryGroup(CausalGraph(Ga=[[1, 1], [1, 1]]), engine).order == 2


def legs(n: int) -> list[tuple[int, int]]:
    return [edge for i in range(n) for edge in ((0, 1 + i), (1 + i, 1 + n + i))]


def hypercube(d: int) -> CausalGraph:
    return directed_graph(2**d, [(i, i ^ (1 << bit)) for i in range(2**d) for bit in range(d)])


def paley(q: int) -> CausalGraph:
    squares = {x * x % q for x in range(1, q)}
    return directed_graph(q, [(i, (i + s) % q) for i in range(q) for s in squares])


CLOSED_FORMS: list[tuple[str, Callable[[], CausalGraph], int]] = [
    (
        "1,000 latents without edges",
        lambda: CausalGraph(latents=[f"q{i}" for i in range(1000)]),
        factorial(1000),
    ),
    ("1,000 loops", lambda: CausalGraph(Gz=np.eye(1000, dtype=bool)), factorial(1000)),
    ("3,000 latents under one action", lambda: CausalGraph(Ga=np.ones((3000, 1))), factorial(3000)),
    (
        "500 pairs",
        lambda: directed_graph(1000, undirected([(2 * i, 2 * i + 1) for i in range(500)])),
        factorial(500) * 2**500,
    ),
    ("complete", lambda: CausalGraph(Gz=~np.eye(200, dtype=bool)), factorial(200)),
    ("complete with loops", lambda: CausalGraph(Gz=np.ones((200, 200))), factorial(200)),
    (
        "complete bipartite",
        lambda: directed_graph(200, [(i, 100 + j) for i in range(100) for j in range(100)]),
        factorial(100) ** 2,
    ),
    ("hypercube", lambda: hypercube(6), 2**6 * factorial(6)),
    ("directed cycle", lambda: directed_graph(60, cycle(60)), 60),
    ("undirected cycle", lambda: directed_graph(60, undirected(cycle(60))), 120),
    ("Paley 29", lambda: paley(29), 29 * 14),
    ("lower triangle", lambda: CausalGraph(Gz=np.tri(60, dtype=bool)), 1),
]


def triangles(count: int) -> CausalGraph:
    return directed_graph(3 * count, [(3 * t + a, 3 * t + b) for t in range(count) for a, b in cycle(3)])


LARGE = [
    ("300 legs of length two", lambda: directed_graph(601, legs(300)), factorial(300)),
    (
        "50 directed triangles",
        lambda: triangles(50),
        factorial(50) * 3**50,
    ),
    ("2,000 legs of length two", lambda: directed_graph(4001, legs(2000)), factorial(2000)),
    ("hypercube of dimension 8", lambda: hypercube(8), 2**8 * factorial(8)),
]


@engines
@pytest.mark.parametrize(
    ("make", "order"), [row[1:] for row in CLOSED_FORMS], ids=[row[0] for row in CLOSED_FORMS]
)
def test_orders_with_closed_forms(engine: str, make: Callable[[], CausalGraph], order: int) -> None:
    assert SymmetryGroup(make(), engine).order == order


@pytest.mark.parametrize(("make", "order"), [row[1:] for row in LARGE], ids=[row[0] for row in LARGE])
def test_large_symmetric_graphs_with_the_fast_engine(make: Callable[[], CausalGraph], order: int) -> None:
    assert SymmetryGroup(make(), "igraph").order == order


@given(st.integers(2, 14), st.integers(0, 2**32 - 1), st.sampled_from([0.1, 0.3, 0.5]))
@settings(max_examples=100, deadline=None)
def test_nauty_agrees(n: int, seed: int, density: float) -> None:
    pynauty = pytest.importorskip("pynauty")
    rng = np.random.default_rng(seed)
    past = rng.random((n, n)) < density
    np.fill_diagonal(past, False)
    if seed % 2:
        past |= past.T
    out = {j: np.flatnonzero(past[:, j]).tolist() for j in range(n)}
    _, mantissa, exponent, *_ = pynauty.autgrp(pynauty.Graph(n, directed=True, adjacency_dict=out))
    for engine in ENGINES:
        assert SymmetryGroup(CausalGraph(Gz=past), engine).order == round(mantissa * 10**exponent)


def test_folding_reduces_pairs_to_one_vertex() -> None:
    pairs = directed_graph(20, undirected([(2 * i, 2 * i + 1) for i in range(10)]))
    folded = fold(from_graph(pairs))
    assert folded.graph.n == 1
    assert folded.n_twin_permutations == factorial(10) * 2**10
    assert sorted(folded.trees[0].latents) == list(range(20))


def test_folding_merges_legs_with_their_feet() -> None:
    folded = fold(from_graph(directed_graph(41, legs(20))))
    assert folded.graph.n <= 2
    assert folded.n_twin_permutations == factorial(20)
    assert sorted(latent for tree in folded.trees for latent in tree.latents) == list(range(41))


def directed_tree(n: int, seed: int) -> CausalGraph:
    """Return a tree with edges in random directions, or both, and a few loops."""
    rng = np.random.default_rng(seed)
    past = np.zeros((n, n), dtype=bool)
    for v in range(1, n):
        parent, kind = rng.integers(0, v), rng.integers(0, 3) if seed % 3 else 0
        past[v, parent] |= kind != 1
        past[parent, v] |= kind != 0
    past[rng.integers(0, n), :][0] |= bool(seed % 2)
    return CausalGraph(Gz=past)


@given(st.integers(1, 7), st.integers(0, 2**32 - 1))
@settings(max_examples=200, deadline=None)
def test_the_group_of_a_tree_agrees_with_brute_force(n: int, seed: int) -> None:
    graph = directed_tree(n, seed)
    past = graph.Gz.toarray()
    expected = sum(
        np.array_equal(past[np.ix_(order, order)], past)
        for order in map(list, itertools.permutations(range(n)))
    )
    for engine in ENGINES:
        group = SymmetryGroup(graph, engine)
        assert group.order == expected
        elements = [element.tolist() for element in group.elements()]
        assert len({tuple(element) for element in elements}) == expected
        assert all(np.array_equal(past[np.ix_(element, element)], past) for element in elements)


@given(st.integers(1, 40), st.integers(0, 2**32 - 1))
@settings(max_examples=60, deadline=None)
def test_canonical_forms_of_trees_are_invariant_under_relabelling(n: int, seed: int) -> None:
    graph = directed_tree(n, seed)
    order = np.random.default_rng(seed).permutation(n)
    for engine in ENGINES:
        forms = [
            g.Gz.toarray()[np.ix_(canonical, canonical)]
            for g in (graph, graph.permute(order.tolist()))
            for canonical in [SymmetryGroup(g, engine).canonical_order]
        ]
        assert np.array_equal(*forms)


def test_a_group_too_large_for_the_digits_of_igraph_is_still_exact(monkeypatch: pytest.MonkeyPatch) -> None:
    graph = triangles(6)
    monkeypatch.setattr(Bliss, "n_automorphisms", None)
    assert SymmetryGroup(graph, "igraph").order == factorial(6) * 3**6


def test_elements_are_complete_without_strong_generators(monkeypatch: pytest.MonkeyPatch) -> None:
    graph = directed_graph(7, undirected(cycle(7)))
    monkeypatch.setattr("identify.symmetry.group.greedy_chain", lambda generators, order: None)
    elements = {tuple(order.tolist()) for order in SymmetryGroup(graph).elements()}
    assert elements == set(automorphisms(graph))


def test_an_incomplete_chain_is_recognised() -> None:
    rotation = {i: (i + 1) % 5 for i in range(5)}
    reflection = {1: 4, 4: 1, 2: 3, 3: 2}
    assert greedy_chain([rotation, reflection], 10) is not None
    assert greedy_chain([rotation], 10) is None


def test_elements_of_a_huge_group_are_enumerated_lazily() -> None:
    graph = CausalGraph(Gz=np.eye(200, dtype=bool))
    elements = list(itertools.islice(SymmetryGroup(graph).elements(), 50))
    assert len({tuple(order.tolist()) for order in elements}) == 50
    assert all(graph.permute(order) == graph for order in elements)


def test_the_python_engine_has_a_work_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("identify.symmetry.search._MAX_WORK", 10_000)
    with pytest.raises(
        RequestError, match="of 300 latents has too many symmetries for the search in Python; install"
    ):
        _ = SymmetryGroup(triangles(100), "python").order


def test_the_default_engine_is_igraph_if_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    assert default_engine() == "igraph"
    monkeypatch.setattr("identify.symmetry.engines.find_spec", lambda name: None)
    assert default_engine() == "python"
    assert isinstance(SymmetryGroup(directed_graph(3, cycle(3)))._result, Search)
    with pytest.raises(RequestError, match="there is no engine 'nauty'; engines are igraph, python"):
        _ = SymmetryGroup(directed_graph(3, cycle(3)), "nauty").order
