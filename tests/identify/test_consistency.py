"""Consistency classes and consistent models, against brute force over all permutations."""

from __future__ import annotations

import itertools
import json
import re
from math import factorial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from identify.catalog import load
from identify.consistency import consistency_class, consistent
from identify.entanglement import predict_entanglement
from identify.exceptions import GraphError, RequestError
from identify.graph import CausalGraph
from identify.symmetry import ENGINES
from tests.builders import graphs
from tests.oracles import automorphisms, isomorphisms, matrix_form

engines = pytest.mark.parametrize("engine", list(ENGINES))


@engines
@given(graph=graphs(max_latents=5), data=st.data())
@settings(max_examples=100, deadline=None)
def test_laws_of_the_consistency_class(engine: str, graph: CausalGraph, data: st.DataObject) -> None:
    other = graph.permute(data.draw(st.permutations(range(graph.n_latents))))
    members, other_members = consistency_class(graph, engine), consistency_class(other, engine)
    assert graph in members
    assert other in members
    assert graph in other_members
    assert members.canonical == other_members.canonical
    assert members.canonical in members
    assert members.n_graphs == other_members.n_graphs
    order = members.permutation_to(other)
    assert order is not None
    assert graph.permute(order) == other
    expected = {p for p in itertools.permutations(range(graph.n_latents)) if graph.permute(p) == other}
    orders = members.permutations_to(other)
    assert {tuple(p.tolist()) for p in orders} == expected
    assert len(orders) == orders.count == len(list(orders)) == members.n_automorphisms
    for generator in members.generators:
        assert graph.permute(generator) == graph


@given(graphs(max_latents=5))
@settings(max_examples=100, deadline=None)
def test_the_number_of_graphs_is_the_number_of_distinct_relabellings(graph: CausalGraph) -> None:
    distinct = {graph.permute(p) for p in itertools.permutations(range(graph.n_latents))}
    assert consistency_class(graph).n_graphs == len(distinct)
    assert consistency_class(graph).n_automorphisms == len(automorphisms(graph))


@engines
@given(graph_a=graphs(max_latents=4, max_actions=2), graph_b=graphs(max_latents=4, max_actions=2))
@settings(max_examples=200, deadline=None)
def test_membership_means_that_a_permutation_exists(
    engine: str, graph_a: CausalGraph, graph_b: CausalGraph
) -> None:
    expected = isomorphisms(graph_a, graph_b)
    result = consistency_class(graph_a, engine)
    assert (graph_b in result) == bool(expected) == bool(result.permutations_to(graph_b))
    if not expected:
        assert result.permutation_to(graph_b) is None
        assert list(result.permutations_to(graph_b)) == []
        assert len(result.permutations_to(graph_b)) == 0


def test_actions_keep_their_identity() -> None:
    result = consistency_class(CausalGraph(Ga=[[1, 0], [1, 1]]))
    assert CausalGraph(Ga=[[1, 1], [1, 0]]) in result
    assert CausalGraph(Ga=[[0, 1], [1, 1]]) not in result
    assert CausalGraph(Ga=[[1, 0, 0], [1, 1, 0]]) not in result
    assert "a graph" not in result


def test_names_are_ignored() -> None:
    graph = load("identical-twins")
    nameless = CausalGraph(Ga=graph.permute([2, 0, 1]).Ga)
    assert nameless in consistency_class(graph)
    assert consistency_class(graph).canonical.latents == ("z0", "z1", "z2")


@pytest.mark.parametrize(
    ("name", "automorphisms"),
    [
        ("ActionDiag", 1),
        ("ActionBlockDiag", 2**5),
        ("TimeDiag", factorial(10)),
        ("TimeNonDiag", 1),
        ("TimeBlockDiag", factorial(5) * 2**5),
        ("past-cycle", 3),
    ],
)
def test_published_graphs(name: str, automorphisms: int) -> None:
    result = consistency_class(load(name))
    assert result.n_automorphisms == automorphisms
    assert result.n_graphs == factorial(load(name).n_latents) // automorphisms


def test_to_dict_and_repr() -> None:
    result = consistency_class(load("identical-twins"))
    record = json.loads(json.dumps(result.to_dict()))
    assert record == {
        "n_latents": 3,
        "n_graphs": 3,
        "log10_n_graphs": pytest.approx(np.log10(3)),
        "n_automorphisms": 2,
        "log10_n_automorphisms": pytest.approx(np.log10(2)),
        "orbits": [["left", "right"]],
    }
    assert repr(result).endswith("3 graphs)")
    huge = consistency_class(CausalGraph(Ga=np.ones((2_000, 1))))
    assert json.loads(json.dumps(huge.to_dict()))["n_automorphisms"] is None
    assert huge.to_dict()["log10_n_automorphisms"] == pytest.approx(5735.52, abs=0.01)
    assert huge.n_automorphisms == factorial(2_000)
    assert repr(huge.permutations_to(huge.graph)) == "Orders(about 10^5735.5 permutations)"


# Models ---------------------------------------------------------------------------------------------


@given(graphs(max_latents=5, max_actions=3), st.data(), st.integers(0, 2**32 - 1))
@settings(max_examples=400, deadline=None)
def test_consistent_agrees_with_brute_force_over_all_permutations(
    graph: CausalGraph, data: st.DataObject, seed: int
) -> None:
    n, rng = graph.n_latents, np.random.default_rng(seed)
    learned = graph.permute(data.draw(st.permutations(range(n))))
    v = matrix_form(graph)
    candidates = isomorphisms(learned, graph)
    if data.draw(st.booleans()):
        # within V under one of the permutations, except for an entry or two
        p = candidates[int(rng.integers(len(candidates)))]
        dependency = np.zeros((n, n), dtype=bool)
        dependency[:, list(p)] = v & (rng.random((n, n)) < 0.9)
        dependency ^= rng.random((n, n)) < data.draw(st.sampled_from([0.0, 0.05]))
    else:
        dependency = rng.random((n, n)) < data.draw(st.sampled_from([0.1, 0.3, 0.6]))
    result = consistent(graph, learned, dependency, using="both")
    assert bool(result) == any(not (dependency[:, list(p)] & ~v).any() for p in candidates)
    assert result.permutation is not None
    assert learned.permute(result.permutation) == graph
    if result:
        assert not (dependency[:, result.permutation] & ~v).any()
        assert result.violations == ()
    else:
        match = np.argsort(result.permutation)
        expected = {(i, c) for i, c in np.argwhere(dependency) if not v[i, match[c]]}
        assert set(result.violations) == expected


@given(graphs(max_latents=4, max_actions=2), graphs(max_latents=4, max_actions=2))
@settings(max_examples=100, deadline=None)
def test_different_graphs_are_never_consistent(graph_a: CausalGraph, graph_b: CausalGraph) -> None:
    result = consistent(graph_a, graph_b, np.zeros((graph_a.n_latents, graph_a.n_latents)))
    assert bool(result) == bool(isomorphisms(graph_b, graph_a))
    if not result:
        assert result.permutation is None
        assert result.reason.startswith("no permutation maps the graph to the learned graph")


def test_symmetric_graphs_are_matched_by_the_dependency() -> None:
    """The pattern fits only one of the two permutations, because exchanging twins changes its columns."""
    graph = CausalGraph(Gz=[[1, 0], [0, 1]])
    result = consistent(graph, graph, [[0, 1], [1, 0]])
    assert result
    assert result.permutation is not None
    assert result.permutation.tolist() == [1, 0]


@pytest.mark.parametrize("symmetric", ["loops", "pairs", "triangles"])
def test_large_symmetric_graphs_are_matched_without_listing_permutations(symmetric: str) -> None:
    n, rng = 60, np.random.default_rng(0)
    size = {"loops": 1, "pairs": 2, "triangles": 3}[symmetric]
    block = {1: [[1]], 2: [[1, 1], [1, 1]], 3: [[0, 0, 1], [1, 0, 0], [0, 1, 0]]}[size]
    graph = CausalGraph(Gz=np.kron(np.eye(n // size, dtype=int), block))
    order = rng.permutation(n)
    learned = graph.permute(order)
    dependency = np.zeros((n, n), dtype=bool)
    dependency[:, np.argsort(order)] = predict_entanglement(graph).matrix.toarray()
    assert consistent(graph, learned, dependency)
    assert consistent(graph, learned, np.zeros((n, n)))
    dependency[0] = True
    assert not consistent(graph, learned, dependency)
    assert not consistent(graph, learned, np.ones((n, n)))


def test_reasons_have_text() -> None:
    graph = CausalGraph(Ga=[[1, 0], [0, 1]], latents=["x", "y"])
    swapped = CausalGraph(Ga=[[0, 1], [1, 0]])
    assert consistent(graph, swapped, [[0, 1], [1, 0]]).reason == (
        "a permutation maps the graph to the learned graph, with the dependency within the prediction"
    )
    assert "no invertible map has this dependency" in consistent(graph, swapped, [[0, 1], [0, 0]]).reason
    wrong = consistent(graph, swapped, [[1, 1], [1, 0]])
    assert wrong.violations == ((0, 0),)
    assert wrong.reason == (
        "the graphs match, but the only permutation that maps one to the other does not place the dependency "
        "within the prediction; for instance, x depends on learned latent 0, matched to y, and is separated from y"
    )
    loops = CausalGraph(Gz=np.eye(3))
    assert (
        "none of 6 permutations that map one to the other places"
        in consistent(loops, loops, np.ones((3, 3))).reason
    )
    for other, reason in (
        (CausalGraph(Ga=[[1, 0]]), "2 latents against 1"),
        (CausalGraph(Ga=[[1], [0]]), "2 actions against 1"),
        (CausalGraph(Ga=[[1, 1], [0, 1]]), "2 edges from actions against 3"),
        (CausalGraph(Gz=[[1, 0], [0, 0]], Ga=[[1, 0], [0, 1]]), "0 edges from the past against 1"),
        (CausalGraph(Ga=[[1, 1], [0, 0]]), "although both have equally many edges"),
    ):
        assert reason in consistent(graph, other, np.eye(2)).reason


def test_invalid_dependency_patterns_are_refused() -> None:
    graph = load("identical-twins")
    with pytest.raises(
        RequestError, match=re.escape("dependency has shape (2, 2); with 3 true and 3 learned latents")
    ):
        consistent(graph, graph, np.eye(2))
    with pytest.raises(GraphError, match=re.escape("dependency[0, 0] is 0.5; entries must be 0 or 1")):
        consistent(graph, graph, np.eye(3) / 2)
    with pytest.raises(RequestError, match="using is 'future'"):
        consistent(graph, graph, np.eye(3), using="future")


def test_the_search_for_a_permutation_has_a_step_limit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("identify.symmetry.matching._MAX_STEPS", 0)
    graph = load("TimeDiag")
    with pytest.raises(
        RequestError, match="the search for a matching permutation was given up after 0 steps"
    ):
        consistent(graph, graph, np.eye(10))
