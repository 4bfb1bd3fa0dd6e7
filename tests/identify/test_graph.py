"""CausalGraph: valid and invalid arguments, and the laws of equality, hashing and relabelling."""

from __future__ import annotations

import re
from typing import Any

import networkx as nx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from identify.exceptions import GraphError, RequestError, UnknownNameError
from identify.graph import CausalGraph
from tests.builders import graphs

PAST = [[0, 1], [1, 1]]
FROM_ACTIONS = [[1, 0, 1], [0, 0, 1]]


@pytest.mark.parametrize(
    "make",
    [
        lambda m: m,
        np.array,
        lambda m: np.array(m, dtype=bool),
        lambda m: np.array(m, dtype=float),
        lambda m: np.array(m, dtype=object),
        np.asfortranarray,
        lambda m: tuple(tuple(row) for row in m),
        lambda m: sparse.csr_array(np.array(m)),
        lambda m: sparse.csc_matrix(np.array(m, dtype=float)),
        lambda m: sparse.coo_array(np.array(m, dtype=bool)),
        lambda m: sparse.dok_array(np.array(m)),
    ],
)
def test_every_matrix_type_gives_the_same_graph(make: Any) -> None:
    graph = CausalGraph(Gz=make(PAST), Ga=make(FROM_ACTIONS))
    assert graph == CausalGraph(Gz=PAST, Ga=FROM_ACTIONS)
    assert graph.Gz.toarray().tolist() == np.array(PAST, dtype=bool).tolist()
    assert graph.Ga.toarray().tolist() == np.array(FROM_ACTIONS, dtype=bool).tolist()
    assert graph.Gz.format == graph.Ga.format == "csr"
    assert graph.Gz.dtype == graph.Ga.dtype == bool
    assert (graph.n_latents, graph.n_actions, graph.n_edges) == (2, 3, 6)


def test_rows_are_children() -> None:
    graph = CausalGraph(Gz=PAST, Ga=FROM_ACTIONS, latents=["x", "y"], actions=["a", "b", "c"])
    assert graph.parents("x") == ("y", "a", "c")
    assert graph.edges() == [("y", "x"), ("x", "y"), ("y", "y"), ("a", "x"), ("c", "x"), ("c", "y")]


def test_an_omitted_matrix_is_empty() -> None:
    assert CausalGraph(Ga=FROM_ACTIONS) == CausalGraph(Gz=np.zeros((2, 2)), Ga=FROM_ACTIONS)
    assert CausalGraph(Gz=PAST) == CausalGraph(Gz=PAST, Ga=np.zeros((2, 0)))
    only_names = CausalGraph(latents=["x", "y"], actions=["push"])
    assert (only_names.Gz.shape, only_names.Ga.shape, only_names.n_edges) == ((2, 2), (2, 1), 0)


def test_explicit_zeros_are_not_edges_and_the_input_is_not_changed() -> None:
    stored = sparse.csr_array((np.array([1, 0]), (np.array([0, 1]), np.array([0, 1]))), shape=(2, 2))
    graph = CausalGraph(Gz=stored)
    assert graph.n_edges == 1
    assert stored.nnz == 2
    dense = np.eye(2, dtype=bool)
    before = CausalGraph(Gz=dense)
    dense[0, 1] = True
    assert before == CausalGraph(Gz=np.eye(2))


def test_graphs_are_immutable() -> None:
    graph = CausalGraph(Gz=PAST, Ga=FROM_ACTIONS)
    for matrix in (graph.Gz, graph.Ga):
        with pytest.raises(ValueError, match="read-only"):
            matrix.data[0] = False
        with pytest.raises(ValueError, match="read-only"):
            matrix.indices[0] = 1
    with pytest.raises(AttributeError):
        graph.Gz = None  # type: ignore[misc, assignment]


def test_repr_counts_edges_by_their_kind() -> None:
    assert repr(CausalGraph(Gz=PAST, Ga=FROM_ACTIONS)) == (
        "CausalGraph(2 latents, 3 actions, 6 edges: 3 from actions, 3 from the past)"
    )
    assert repr(CausalGraph(Ga=[[1]])).startswith("CausalGraph(1 latent, 1 action, 1 edge:")


@given(graphs(), st.randoms(use_true_random=False))
def test_equality_and_hash_follow_the_matrices(graph: CausalGraph, random: Any) -> None:
    dense = graph.Gz.toarray(), graph.Ga.toarray()
    same = CausalGraph(*dense, latents=[f"other {i}" for i in range(graph.n_latents)])
    assert same == graph
    assert hash(same) == hash(graph)
    assert not same.same_names(graph)
    flipped = dense[0].copy()
    i, j = random.randrange(graph.n_latents), random.randrange(graph.n_latents)
    flipped[i, j] = not flipped[i, j]
    assert CausalGraph(flipped, dense[1]) != graph
    assert graph != "a graph"


def test_the_hash_does_not_depend_on_how_the_matrix_was_stored() -> None:
    wide = sparse.csr_array(np.array(PAST, dtype=bool))
    wide.indices, wide.indptr = wide.indices.astype(np.int64), wide.indptr.astype(np.int64)
    assert hash(CausalGraph(Gz=wide)) == hash(CausalGraph(Gz=PAST))
    assert len({CausalGraph(Gz=wide), CausalGraph(Gz=PAST)}) == 1


@given(graphs(), st.data())
def test_permute_moves_latent_order_i_to_position_i(graph: CausalGraph, data: st.DataObject) -> None:
    order = data.draw(st.permutations(range(graph.n_latents)))
    permuted = graph.permute(order)
    past, from_actions = graph.Gz.toarray(), graph.Ga.toarray()
    assert np.array_equal(permuted.Gz.toarray(), past[np.ix_(order, order)])
    assert np.array_equal(permuted.Ga.toarray(), from_actions[order])
    assert permuted.latents == tuple(graph.latents[i] for i in order)
    assert permuted.permute(np.argsort(order)) == graph


@given(graphs())
def test_networkx_round_trip(graph: CausalGraph) -> None:
    converted = graph.to_networkx()
    recovered = CausalGraph.from_networkx(converted)
    assert recovered == graph
    assert recovered.same_names(graph)
    assert converted.number_of_edges() == graph.n_edges


def test_networkx_nodes_without_kinds_are_latents_and_parallel_edges_count_once() -> None:
    lagged = nx.MultiDiGraph([("u", "v"), ("u", "v"), ("v", "v")])
    graph = CausalGraph.from_networkx(lagged)
    assert graph.latents == ("u", "v")
    assert graph.edges() == [("u", "v"), ("v", "v")]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "needs Gz, Ga or the names of its latents"),
        ({"Gz": np.zeros((0, 0))}, "needs at least one latent, got none"),
        ({"latents": []}, "needs at least one latent, got none"),
        ({"Gz": [[0, 2], [0, 1]]}, "Gz[0, 1] is 2; entries must be 0 or 1"),
        ({"Ga": [[0.5]]}, "Ga[0, 0] is 0.5; entries must be 0 or 1"),
        ({"Gz": [[np.nan]]}, "Gz[0, 0] is nan; entries must be 0 or 1"),
        ({"Gz": [[-1]]}, "Gz[0, 0] is -1; entries must be 0 or 1"),
        ({"Gz": np.array([[None]])}, "Gz[0, 0] is None; entries must be 0 or 1"),
        ({"Gz": [["1"]]}, "Gz has entries of type <U1; entries must be 0 or 1"),
        ({"Gz": [[1j]]}, "Gz has entries of type complex128; entries must be 0 or 1"),
        ({"Gz": sparse.csr_array([[0, 3]])}, "Gz[0, 1] is 3; entries must be 0 or 1"),
        ({"Gz": sparse.coo_array([1, 0])}, "Gz must be two-dimensional, got shape (2,)"),
        (
            {"Gz": sparse.coo_array(([1, 1], ([0, 0], [1, 1])), shape=(2, 2))},
            "Gz[0, 1] is 2; entries must be 0 or 1",
        ),
        ({"Gz": [1, 0]}, "Gz must be two-dimensional, got shape (2,)"),
        ({"Gz": 1}, "Gz must be two-dimensional, got shape ()"),
        ({"Gz": [[1, 0], [1]]}, "row 1 of Gz has 1 entries, row 0 has 2; all rows must be equally long"),
        ({"Ga": [[1, 0], 1]}, "row 1 of Ga is not a list, row 0 has 2; all rows must be equally long"),
        ({"Gz": [[1, 0, 0], [0, 1, 0]]}, "Gz must be square (latents x latents), got shape (2, 3)"),
        ({"Gz": PAST, "Ga": [[1]]}, "Gz has 2 rows and Ga has 1; both need one row per latent"),
        ({"Gz": PAST, "latents": ["x"]}, "1 latent names for 2 latents"),
        ({"Ga": FROM_ACTIONS, "actions": ["a"]}, "1 action names for 3 actions"),
        ({"Gz": PAST, "latents": ["x", "x"]}, "latents 0 and 1 are both named 'x'; names must be unique"),
        ({"Gz": PAST, "latents": ["x", ""]}, "latents name 1 is empty; a name is a non-empty string"),
        ({"Gz": PAST, "latents": ["x", 3]}, "latents name 1 is 3; a name is a non-empty string"),
        (
            {"Gz": PAST, "latents": ["x", "a\nb"]},
            "latents name 1 is 'a\\nb'; a name has printable characters",
        ),
        ({"latents": -3}, "latents must be a sequence of names, got -3"),
        ({"latents": "xy"}, "latents must be a sequence of names, got 'xy'"),
        (
            {"latents": ["a", "b"], "actions": ["b"]},
            "'b' is the name of a latent and of an action; names must be unique",
        ),
        (
            {"Ga": [[1]], "latents": ["a0"]},
            "'a0' is the name of a latent and of an action; names must be unique",
        ),
    ],
)
def test_invalid_arguments_are_refused_in_one_line(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(GraphError, match=re.escape(message)) as caught:
        CausalGraph(**arguments)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("edges", "message"),
    [
        ([("x", "y"), ("x", "q")], "edge 1 (x -> q) names an unknown node 'q'"),
        ([("q", "x")], "edge 0 (q -> x) names an unknown node 'q'"),
        ([("x", "push")], "edge 0 (x -> push) points at an action; actions have no parents"),
        ([("x",)], "edge 0 is ('x',); an edge is a pair (parent, child)"),
        (["xy"], "edge 0 is 'xy'; an edge is a pair (parent, child)"),
    ],
)
def test_a_wrong_edge_is_named_by_its_position(edges: Any, message: str) -> None:
    with pytest.raises(GraphError, match=re.escape(message)):
        CausalGraph.from_edges(edges, ["x", "y"], ["push"])


def test_invalid_networkx_graphs_are_refused() -> None:
    with pytest.raises(GraphError, match="undirected; edges must go from parent to child"):
        CausalGraph.from_networkx(nx.Graph([("u", "v")]))
    mixed = nx.DiGraph([("u", "v")])
    mixed.nodes["u"]["kind"] = "latent"
    with pytest.raises(GraphError, match="node v has kind None; the attribute 'kind' must be"):
        CausalGraph.from_networkx(mixed)
    mixed.nodes["v"]["kind"] = "action"
    with pytest.raises(GraphError, match=r"edge 0 \(u -> v\) points at an action"):
        CausalGraph.from_networkx(mixed)
    with pytest.raises(GraphError, match="both named '1'"):
        CausalGraph.from_networkx(nx.DiGraph([(1, "1")]))


def test_index_and_permute_refuse_invalid_arguments() -> None:
    graph = CausalGraph(Gz=PAST, latents=["mass", "speed"])
    assert graph.index("speed") == graph.index(1) == 1
    with pytest.raises(UnknownNameError, match=r"no latent 'sped'; did you mean 'speed'\?"):
        graph.index("sped")
    with pytest.raises(UnknownNameError, match="no latent 'qqq'; the first is 'mass'"):
        graph.index("qqq")
    for position in (2, -1):
        with pytest.raises(UnknownNameError, match=f"no latent {position}; positions go from 0 to 1"):
            graph.index(position)
    for order in ([0, 0], [0], [1, 2], [0.0, 0.5]):
        with pytest.raises(RequestError, match=r"order must be a permutation of 0..1, got"):
            graph.permute(order)  # type: ignore[arg-type]


def test_a_million_latents_fit() -> None:
    n = 1_000_000
    ring = sparse.csr_array(
        (np.ones(n, dtype=bool), np.roll(np.arange(n), 1), np.arange(n + 1)), shape=(n, n)
    )
    graph = CausalGraph(Gz=ring)
    assert graph.n_edges == n
    assert graph.parents(7) == ("z6",)
