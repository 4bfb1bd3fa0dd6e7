"""SHD: brute force over all entries, laws, and examples computed by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from estimation.exceptions import DataError
from estimation.metrics import structural_hamming
from identify.graph import CausalGraph
from tests.builders import graphs, permutations

quick = settings(deadline=None)


@st.composite
def two_graphs(draw: st.DrawFn) -> tuple[CausalGraph, CausalGraph, list[int]]:
    """Two graphs of equal size with the same actions, and a permutation."""
    one = draw(graphs())
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    flips = draw(st.sampled_from([0.0, 0.2, 0.5]))
    other = CausalGraph(
        Gz=one.Gz.toarray() ^ (rng.random(one.Gz.shape) < flips),
        Ga=one.Ga.toarray() ^ (rng.random(one.Ga.shape) < flips),
    )
    return one, other, draw(permutations(one.n_latents))


@quick
@given(two_graphs())
def test_shd_is_the_number_of_different_entries(case: tuple[CausalGraph, CausalGraph, list[int]]) -> None:
    true, learned, order = case
    shd = structural_hamming(true, learned, order)
    ordered = learned.permute(order)
    for errors, one, other in (
        (shd.past, true.Gz.toarray(), ordered.Gz.toarray()),
        (shd.actions, true.Ga.toarray(), ordered.Ga.toarray()),
    ):
        assert errors.missing == (one & ~other).sum()
        assert errors.extra == (other & ~one).sum()
        assert errors.common == (one & other).sum()
        assert errors.distance == (one ^ other).sum()
    assert shd.distance == shd.missing + shd.extra == shd.past.distance + shd.actions.distance
    assert shd.missing_edges == shd.past.missing_edges + shd.actions.missing_edges
    assert shd.extra_edges == shd.past.extra_edges + shd.actions.extra_edges
    assert shd.common + shd.missing == true.n_edges
    assert shd.common + shd.extra == learned.n_edges
    assert (shd.distance == 0) == (ordered == true)


@quick
@given(two_graphs())
def test_exchanging_the_graphs_exchanges_missing_and_extra(
    case: tuple[CausalGraph, CausalGraph, list[int]],
) -> None:
    true, learned, order = case
    forward = structural_hamming(true, learned, order)
    backward = structural_hamming(learned, true, np.argsort(order))
    pairs = (forward, backward), (forward.past, backward.past), (forward.actions, backward.actions)
    for one, other in pairs:
        assert (one.missing, one.extra) == (other.extra, other.missing)
        assert (one.precision, one.recall) == (other.recall, other.precision)


@quick
@given(two_graphs(), st.data())
def test_edges_of_unmatched_latents_count(
    case: tuple[CausalGraph, CausalGraph, list[int]], data: st.DataObject
) -> None:
    true, learned, order = case
    dropped = data.draw(st.sets(st.integers(0, true.n_latents - 1)))
    shd = structural_hamming(true, learned, [-1 if i in dropped else k for i, k in enumerate(order)])
    names = {true.latents[i] for i in dropped}
    unmatched = {f"learned {learned.latents[order[i]]}" for i in dropped}
    missing = [(child, parent) for parent, child in true.edges() if names & {child, parent}]
    assert set(missing) <= set(shd.missing_edges)
    extra = [edge for edge in shd.extra_edges if unmatched & set(edge)]
    columns = {order[i] for i in dropped}
    coo = learned.Gz.tocoo()
    n_past = sum(bool(columns & {i, j}) for i, j in zip(*(c.tolist() for c in coo.coords), strict=True))
    assert len(extra) == n_past + learned.Ga[sorted(columns)].nnz
    assert shd.common + shd.missing == true.n_edges
    assert shd.common + shd.extra == learned.n_edges


def test_shd_by_hand() -> None:
    true = CausalGraph.from_edges(
        [("raf", "mek"), ("raf", "raf"), ("drug", "raf")], latents=["raf", "mek"], actions=["drug", "heat"]
    )
    # in learned order mek, raf: raf -> mek is reversed, raf -> raf and drug -> raf are correct, heat -> mek is extra
    learned = CausalGraph(Gz=[[0, 0], [1, 1]], Ga=[[0, 1], [1, 0]])
    shd = structural_hamming(true, learned, [1, 0])
    assert shd.missing_edges == (("mek", "raf"),)
    assert shd.extra_edges == (("raf", "mek"), ("mek", "heat"))
    assert (shd.distance, shd.missing, shd.extra) == (3, 1, 2)
    assert (shd.past.missing, shd.past.extra) == (1, 1)
    assert (shd.actions.missing, shd.actions.extra) == (0, 1)
    assert (shd.precision, shd.recall) == (0.5, pytest.approx(2 / 3))
    assert (shd.actions.precision, shd.actions.recall) == (0.5, 1.0)


def test_more_learned_latents_than_true_ones_by_hand() -> None:
    true = CausalGraph(Gz=[[1]], Ga=[[1]], latents=["speed"])
    learned = CausalGraph(Gz=np.eye(2), Ga=[[0], [1]])
    shd = structural_hamming(true, learned, [1])
    assert shd.missing_edges == ()
    assert shd.extra_edges == (("learned z0", "learned z0"),)
    backward = structural_hamming(learned, true, [-1, 0])
    assert backward.missing_edges == (("z0", "z0"),)
    assert backward.extra_edges == ()


def test_without_a_permutation_latents_are_matched_in_order() -> None:
    three, two = CausalGraph(Ga=np.eye(3)), CausalGraph(Ga=np.eye(3)[:2])
    assert structural_hamming(three, three).distance == 0
    assert structural_hamming(three, two).missing_edges == (("z2", "a2"),)
    assert structural_hamming(two, three).extra_edges == (("learned z2", "a2"),)


def test_graphs_without_edges_are_learned_perfectly() -> None:
    empty = CausalGraph(Ga=np.zeros((2, 1)))
    shd = structural_hamming(empty, empty)
    assert (shd.distance, shd.precision, shd.recall) == (0, 1.0, 1.0)
    full = structural_hamming(empty, CausalGraph(Ga=np.ones((2, 1))))
    assert (full.distance, full.precision, full.recall) == (2, 0.0, 1.0)


def test_invalid_graphs_are_refused() -> None:
    graph: Any = CausalGraph(Ga=np.eye(2))
    with pytest.raises(DataError, match=r"graph has 2 actions and learned_graph 1; both must have the same"):
        structural_hamming(graph, CausalGraph(Ga=[[1], [0]]))
    with pytest.raises(DataError, match=r"learned_graph is a list; it must be a CausalGraph"):
        structural_hamming(graph, [[1, 0]])
    with pytest.raises(DataError, match=r"graph is a ndarray; it must be a CausalGraph"):
        structural_hamming(np.eye(2), graph)
