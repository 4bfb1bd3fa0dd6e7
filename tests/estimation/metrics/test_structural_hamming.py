"""SHD: the brute force over all entries, laws, and examples worked out by hand."""

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
    """Two graphs about the same actions, of one size, and a permutation."""
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
def test_shd_counts_the_entries_that_differ(case: tuple[CausalGraph, CausalGraph, list[int]]) -> None:
    true, learned, order = case
    found = structural_hamming(true, learned, order)
    ordered = learned.permute(order)
    for errors, one, other in (
        (found.past, true.Gz.toarray(), ordered.Gz.toarray()),
        (found.actions, true.Ga.toarray(), ordered.Ga.toarray()),
    ):
        assert errors.missing == (one & ~other).sum()
        assert errors.extra == (other & ~one).sum()
        assert errors.common == (one & other).sum()
        assert errors.distance == (one ^ other).sum()
    assert found.distance == found.missing + found.extra == found.past.distance + found.actions.distance
    assert found.missing_edges == found.past.missing_edges + found.actions.missing_edges
    assert found.extra_edges == found.past.extra_edges + found.actions.extra_edges
    assert found.common + found.missing == true.n_edges
    assert found.common + found.extra == learned.n_edges
    assert (found.distance == 0) == (ordered == true)


@quick
@given(two_graphs())
def test_turning_shd_around_swaps_missing_and_extra(
    case: tuple[CausalGraph, CausalGraph, list[int]],
) -> None:
    true, learned, order = case
    there = structural_hamming(true, learned, order)
    back = structural_hamming(learned, true, np.argsort(order))
    for one, other in ((there, back), (there.past, back.past), (there.actions, back.actions)):
        assert (one.missing, one.extra) == (other.extra, other.missing)
        assert (one.precision, one.recall) == (other.recall, other.precision)


@quick
@given(two_graphs(), st.data())
def test_unmatched_latents_keep_their_edges(
    case: tuple[CausalGraph, CausalGraph, list[int]], data: st.DataObject
) -> None:
    true, learned, order = case
    dropped = data.draw(st.sets(st.integers(0, true.n_latents - 1)))
    found = structural_hamming(true, learned, [-1 if i in dropped else k for i, k in enumerate(order)])
    names = {true.latents[i] for i in dropped}
    strangers = {f"learned {learned.latents[order[i]]}" for i in dropped}
    of_dropped = [(child, parent) for parent, child in true.edges() if names & {child, parent}]
    assert set(of_dropped) <= set(found.missing_edges)
    theirs = [edge for edge in found.extra_edges if strangers & set(edge)]
    lost = {order[i] for i in dropped}
    coo = learned.Gz.tocoo()
    among = sum(bool(lost & {i, j}) for i, j in zip(*(c.tolist() for c in coo.coords), strict=True))
    assert len(theirs) == among + learned.Ga[sorted(lost)].nnz
    assert found.common + found.missing == true.n_edges
    assert found.common + found.extra == learned.n_edges


def test_shd_by_hand() -> None:
    true = CausalGraph.from_edges(
        [("raf", "mek"), ("raf", "raf"), ("drug", "raf")], latents=["raf", "mek"], actions=["drug", "heat"]
    )
    # in learned order mek, raf: the edge raf -> mek is reversed, raf -> raf is found; drug -> raf is found, and
    # heat -> mek added
    learned = CausalGraph(Gz=[[0, 0], [1, 1]], Ga=[[0, 1], [1, 0]])
    found = structural_hamming(true, learned, [1, 0])
    assert found.missing_edges == (("mek", "raf"),)
    assert found.extra_edges == (("raf", "mek"), ("mek", "heat"))
    assert (found.distance, found.missing, found.extra) == (3, 1, 2)
    assert (found.past.missing, found.past.extra) == (1, 1)
    assert (found.actions.missing, found.actions.extra) == (0, 1)
    assert (found.precision, found.recall) == (0.5, pytest.approx(2 / 3))
    assert (found.actions.precision, found.actions.recall) == (0.5, 1.0)


def test_more_learned_latents_than_true_ones_by_hand() -> None:
    true = CausalGraph(Gz=[[1]], Ga=[[1]], latents=["speed"])
    learned = CausalGraph(Gz=np.eye(2), Ga=[[0], [1]])
    found = structural_hamming(true, learned, [1])
    assert found.missing_edges == ()
    assert found.extra_edges == (("learned z0", "learned z0"),)
    back = structural_hamming(learned, true, [-1, 0])
    assert back.missing_edges == (("z0", "z0"),)
    assert back.extra_edges == ()


def test_without_a_permutation_latents_match_in_their_order() -> None:
    three, two = CausalGraph(Ga=np.eye(3)), CausalGraph(Ga=np.eye(3)[:2])
    assert structural_hamming(three, three).distance == 0
    assert structural_hamming(three, two).missing_edges == (("z2", "a2"),)
    assert structural_hamming(two, three).extra_edges == (("learned z2", "a2"),)


def test_graphs_without_edges_are_learned_perfectly() -> None:
    empty = CausalGraph(Ga=np.zeros((2, 1)))
    found = structural_hamming(empty, empty)
    assert (found.distance, found.precision, found.recall) == (0, 1.0, 1.0)
    full = structural_hamming(empty, CausalGraph(Ga=np.ones((2, 1))))
    assert (full.distance, full.precision, full.recall) == (2, 0.0, 1.0)


def test_graphs_that_are_refused() -> None:
    graph: Any = CausalGraph(Ga=np.eye(2))
    with pytest.raises(DataError, match=r"graph has 2 actions and learned_graph 1; both must have the same"):
        structural_hamming(graph, CausalGraph(Ga=[[1], [0]]))
    with pytest.raises(DataError, match=r"learned_graph is a list; it must be a CausalGraph"):
        structural_hamming(graph, [[1, 0]])
    with pytest.raises(DataError, match=r"graph is a ndarray; it must be a CausalGraph"):
        structural_hamming(np.eye(2), graph)
