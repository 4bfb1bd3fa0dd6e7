"""The predicted entanglement graph: set form, matrix form and fast path agree, and its laws hold."""

from __future__ import annotations

import re

import networkx as nx
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from identify.entanglement import predict_entanglement
from identify.exceptions import RequestError, UnknownNameError
from identify.graph import CausalGraph
from tests.builders import graphs
from tests.oracles import matrix_form, set_form

usings = st.sampled_from([None, "actions", "past", "both", ("actions",), ["past", "actions"]])


def dense(graph: CausalGraph, using: object = None) -> np.ndarray:
    return predict_entanglement(graph, using).matrix.toarray()  # type: ignore[arg-type]


@given(graphs(), usings)
@settings(max_examples=2000, deadline=None)
def test_fast_path_set_form_and_matrix_form_agree(graph: CausalGraph, using: object) -> None:
    v = dense(graph, using)
    assert np.array_equal(v, matrix_form(graph, using))
    assert np.array_equal(v, set_form(graph, using))


@given(graphs(), usings)
def test_the_pattern_is_reflexive_and_transitive(graph: CausalGraph, using: object) -> None:
    v = dense(graph, using)
    assert v.diagonal().all()
    assert not ((v.astype(int) @ v > 0) & ~v).any()


@given(graphs(), usings, st.data())
def test_the_pattern_is_equivariant_under_relabelling(
    graph: CausalGraph, using: object, data: st.DataObject
) -> None:
    order = data.draw(st.permutations(range(graph.n_latents)))
    assert np.array_equal(dense(graph.permute(order), using), dense(graph, using)[np.ix_(order, order)])


@given(graphs(), st.data())
def test_an_additional_action_never_entangles_more(graph: CausalGraph, data: st.DataObject) -> None:
    targets = data.draw(st.lists(st.booleans(), min_size=graph.n_latents, max_size=graph.n_latents))
    extended = CausalGraph(graph.Gz, np.column_stack([graph.Ga.toarray(), targets]))
    assert (dense(extended, "both") <= dense(graph, "both")).all()


@given(graphs())
def test_the_pattern_of_both_is_the_intersection(graph: CausalGraph) -> None:
    assert np.array_equal(dense(graph, "both"), dense(graph, "actions") & dense(graph, "past"))


@given(graphs(), usings, st.integers(0, 2**32 - 1))
def test_maps_within_v_form_a_group(graph: CausalGraph, using: object, seed: int) -> None:
    v, rng = dense(graph, using), np.random.default_rng(seed)
    first, second = (rng.normal(size=v.shape) * v + 4 * np.eye(len(v)) for _ in range(2))
    assume(np.linalg.cond(first) < 1e6)
    assert (np.abs(first @ second)[~v] < 1e-9).all()
    assert (np.abs(np.linalg.inv(first))[~v] < 1e-9).all()


@given(graphs(max_latents=5), st.integers(0, 2**32 - 1))
def test_v_is_the_largest_pattern_that_preserves_both_graphs(graph: CausalGraph, seed: int) -> None:
    """C^T H C preserves the support of G^z, and C^T B that of G^a, iff the support of C lies within V."""
    past, from_actions, v = graph.Gz.toarray(), graph.Ga.toarray(), dense(graph, "both")
    rng = np.random.default_rng(seed)
    h, b = rng.normal(size=past.shape) * past, rng.normal(size=from_actions.shape) * from_actions
    inside = rng.normal(size=v.shape) * v
    assert (np.abs(inside.T @ h @ inside)[~past] < 1e-9).all()
    assert (np.abs(inside.T @ b)[~from_actions] < 1e-9).all()
    for i, j in np.argwhere(~v):
        outside = np.eye(len(v))
        outside[i, j] = 1.0
        violation = np.abs(outside.T @ h @ outside)[~past].sum() + np.abs(outside.T @ b)[~from_actions].sum()
        assert violation > 1e-9


@given(graphs(), usings)
def test_all_properties_agree_with_v(graph: CausalGraph, using: object) -> None:
    entanglement = predict_entanglement(graph, using)  # type: ignore[arg-type]
    v = entanglement.matrix.toarray()
    disentangled = v.sum(axis=1) == 1
    assert np.array_equal(entanglement.disentangled, disentangled)
    assert entanglement.complete == disentangled.all()
    assert entanglement.n_entries == v.sum()
    mutual = v & v.T
    assert {frozenset(block) for block in entanglement.blocks} == {
        frozenset(np.flatnonzero(row)) for row in mutual
    }
    assert list(entanglement.blocks) == sorted(entanglement.blocks)
    assert all(list(block) == sorted(block) for block in entanglement.blocks)
    assert [len(block) for block in entanglement.blocks] == entanglement.sizes.tolist()
    for i in range(graph.n_latents):
        assert entanglement.row(i).tolist() == np.flatnonzero(v[i]).tolist()
        assert i in entanglement.blocks[entanglement.labels[i]]
        assert [entanglement.entangled(i, j) for j in range(graph.n_latents)] == v[i].tolist()


@given(graphs(), usings)
def test_the_order_of_blocks_is_the_condensation(graph: CausalGraph, using: object) -> None:
    entanglement = predict_entanglement(graph, using)  # type: ignore[arg-type]
    v = nx.from_numpy_array(entanglement.matrix.toarray(), create_using=nx.DiGraph)
    v.remove_edges_from(nx.selfloop_edges(v))
    condensed = nx.condensation(v)
    block = {c: entanglement.labels[min(data["members"])] for c, data in condensed.nodes(data=True)}
    assert {(block[a], block[b]) for a, b in condensed.edges} == set(entanglement.order().edges)
    reduced = nx.transitive_reduction(entanglement.order())
    assert set(entanglement.order(reduced=True).edges) == set(reduced.edges)
    assert entanglement.order(reduced=True).nodes[0]["latents"] == tuple(
        graph.latents[i] for i in entanglement.blocks[0]
    )


@given(graphs())
def test_a_latent_without_neighbours_stays_entangled_with_all(graph: CausalGraph) -> None:
    entanglement = predict_entanglement(graph, "both")
    past, from_actions = graph.Gz.toarray(), graph.Ga.toarray()
    without_neighbours = ~(past.any(axis=0) | past.any(axis=1) | from_actions.any(axis=1))
    assert np.array_equal(entanglement.constrained, ~without_neighbours)
    assert entanglement.matrix.toarray()[without_neighbours].all()


def test_using_defaults_to_what_the_graph_has() -> None:
    past, from_actions = [[1, 0], [0, 1]], [[1], [0]]
    assert predict_entanglement(CausalGraph(past, from_actions)).using == {"actions", "past"}
    assert predict_entanglement(CausalGraph(past, [[0], [0]])).using == {"past"}
    assert predict_entanglement(CausalGraph(Ga=from_actions)).using == {"actions"}
    assert predict_entanglement(CausalGraph(latents=["x"])).using == {"actions", "past"}


def test_repr_equality_and_read_only_results() -> None:
    entanglement = predict_entanglement(CausalGraph(Ga=[[1, 0], [1, 0], [0, 1]]))
    assert repr(entanglement) == "Entanglement(3 latents in 2 blocks, 1 disentangled, using actions)"
    assert entanglement == predict_entanglement(CausalGraph(Ga=[[1], [1], [0]], Gz=np.diag([0, 0, 1])))
    assert entanglement != predict_entanglement(CausalGraph(Ga=[[1, 0], [0, 1], [0, 1]]))
    assert entanglement != "entanglement"
    for array in (
        entanglement.matrix.data,
        entanglement.labels,
        entanglement.disentangled,
        entanglement.constrained,
        entanglement.above.indptr,
    ):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0


@pytest.mark.parametrize("using", ["action", "", [], ["actions", "latents"], 3, [["past"]]])
def test_an_unknown_using_is_refused(using: object) -> None:
    with pytest.raises(RequestError, match=re.escape(f"using is {using!r}; it must be 'actions', 'past'")):
        predict_entanglement(CausalGraph(Ga=[[1]]), using)  # type: ignore[arg-type]


def test_unknown_latents_are_refused() -> None:
    entanglement = predict_entanglement(CausalGraph(Ga=[[1]]))
    with pytest.raises(UnknownNameError, match="no latent 'q'"):
        entanglement.row("q")


def test_a_too_large_matrix_is_refused_with_alternatives() -> None:
    entanglement = predict_entanglement(CausalGraph(latents=[f"q{i}" for i in range(50_000)]))
    assert entanglement.n_entries == 50_000**2
    assert not entanglement.disentangled.any()
    assert len(entanglement.row(0)) == 50_000
    with pytest.raises(RequestError, match=r"2,500,000,000 entries, more than 200,000,000; use .blocks"):
        entanglement.matrix  # noqa: B018
