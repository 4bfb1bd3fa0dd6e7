"""Prediction against learned entanglement: laws over random graphs, and blocks worked out by hand."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from estimation.evaluation.comparison import BOTH, EXTRA, MISSING, NEITHER, Comparison, compare
from estimation.exceptions import DataError
from estimation.learned import LearnedEntanglement
from identify.entanglement import Entanglement, predict_entanglement
from identify.graph import CausalGraph
from tests.builders import graphs
from tests.seeds import training_seed

Array = NDArray[np.float64]


def learned(strengths: object, threshold: float = 0.1) -> LearnedEntanglement:
    array = np.asarray(strengths, dtype=float)
    rows, columns = (
        tuple(f"{letter}{k}" for k in range(size)) for letter, size in zip("zv", array.shape, strict=True)
    )
    return LearnedEntanglement(array, threshold, "jacobian", rows, columns)


def measured(
    predicted: Entanglement, order: list[int], seed: int = 0, keep: float = 1.0
) -> LearnedEntanglement:
    """Strengths on the predicted pattern, the learned latents shuffled; the matched entries are the strongest."""
    rng = np.random.default_rng(training_seed(seed))
    n = predicted.n_latents
    inside = predicted.matrix.toarray() & (rng.random((n, n)) < keep)
    strengths = np.where(inside, rng.uniform(0.2, 0.5, (n, n)), 0.0)
    np.fill_diagonal(strengths, 1.0)
    shuffled = np.zeros((n, n))
    shuffled[:, order] = strengths
    return learned(shuffled)


# 0 and 1 are twins, 2 stays entangled one way with 3, 3 is disentangled
TWINS_AND_ONE_WAY = CausalGraph(Ga=[[1, 0, 0], [1, 0, 0], [0, 1, 0], [0, 1, 1]], latents=["p", "q", "r", "s"])


def by_hand(**cells: float) -> Comparison:
    """The prediction of the graph above against an identity with some cells changed, called like ``pq``."""
    strengths = np.eye(4)
    for name, value in cells.items():
        strengths["pqrs".index(name[0]), "pqrs".index(name[1])] = value
    return compare(predict_entanglement(TWINS_AND_ONE_WAY), learned(strengths))


# Laws -----------------------------------------------------------------------------------------------


@given(graphs(), st.randoms(use_true_random=False))
@settings(max_examples=40, deadline=None)
def test_a_prediction_agrees_with_itself(graph: CausalGraph, random: object) -> None:
    predicted = predict_entanglement(graph)
    order = list(range(graph.n_latents))
    random.shuffle(order)  # type: ignore[attr-defined]
    found = compare(predicted, measured(predicted, order))
    assert found.confirmed
    assert bool(found)
    assert (found.matched == predicted.matrix.toarray()).all()
    assert (found.precision, found.recall, found.distance, found.strongest_extra) == (1, 1, 0, 0)
    assert found.permutation.tolist() == order
    assert set(found.agreement.ravel()) <= {BOTH, NEITHER}
    assert found.verdict.startswith("Confirmed")


@given(graphs(), st.integers(0, 1_000))
@settings(max_examples=40, deadline=None)
def test_less_than_predicted_is_still_confirmed(graph: CausalGraph, seed: int) -> None:
    predicted = predict_entanglement(graph)
    found = compare(predicted, measured(predicted, list(range(graph.n_latents)), seed, keep=0.5))
    assert found.confirmed
    assert found.precision == 1
    assert found.distance == found.count(MISSING) == sum(block.unused for block in found.blocks)
    assert found.recall == pytest.approx(1 - found.count(MISSING) / predicted.n_entries)


@given(graphs(), st.integers(0, 1_000))
@settings(max_examples=60, deadline=None)
def test_it_is_confirmed_exactly_when_nothing_extra_was_learned(graph: CausalGraph, seed: int) -> None:
    predicted = predict_entanglement(graph)
    n = graph.n_latents
    strengths = np.where(np.random.default_rng(training_seed(seed)).random((n, n)) < 0.3, 0.4, 0.0)
    np.fill_diagonal(strengths, 1.0)
    found = compare(predicted, learned(strengths))
    allowed = predicted.matrix.toarray()
    extra = found.matched & ~allowed
    assert found.confirmed == (not extra.any())
    assert found.count(EXTRA) == extra.sum() == len(found.pairs(EXTRA))
    assert sum(found.count(kind) for kind in (BOTH, NEITHER, MISSING, EXTRA)) == n * n
    for block in found.blocks:
        rows = list(predicted.blocks[block.number])
        assert block.confirmed == (not extra[rows].any())
        assert set(block.intruders) == {graph.latents[j] for j in np.flatnonzero(extra[rows].any(axis=0))}


@given(graphs(), st.integers(0, 1_000))
@settings(max_examples=30, deadline=None)
def test_the_strongest_extra_pair_is_the_threshold_that_confirms(graph: CausalGraph, seed: int) -> None:
    n = graph.n_latents
    strengths = np.random.default_rng(training_seed(seed)).random((n, n)) * 0.8
    np.fill_diagonal(strengths, 1.0)
    predicted, plain = predict_entanglement(graph), learned(strengths)
    strongest = compare(predicted, plain).strongest_extra
    assert compare(predicted, plain.at(strongest)).confirmed
    if strongest > 0:
        assert not compare(predicted, plain.at(strongest * 0.999)).confirmed


# By hand --------------------------------------------------------------------------------------------


def test_what_is_predicted_of_the_graph_by_hand() -> None:
    assert predict_entanglement(TWINS_AND_ONE_WAY).matrix.toarray().astype(int).tolist() == [
        [1, 1, 0, 0],
        [1, 1, 0, 0],
        [0, 0, 1, 1],
        [0, 0, 0, 1],
    ]


def test_fewer_pairs_than_allowed() -> None:
    found = by_hand(pq=0.5)
    assert found.agreement.tolist() == [
        [BOTH, BOTH, NEITHER, NEITHER],
        [MISSING, BOTH, NEITHER, NEITHER],
        [NEITHER, NEITHER, BOTH, MISSING],
        [NEITHER, NEITHER, NEITHER, BOTH],
    ]
    assert found.pairs(MISSING) == (("q", "p"), ("r", "s"))
    assert (found.precision, found.recall, found.distance) == (1, 5 / 7, 2)
    assert found.verdict == (
        "Confirmed: nothing mixes that the prediction keeps apart (4 latents in 3 blocks). Of 7 allowed pairs 2 did "
        "not mix: better than guaranteed."
    )
    assert [str(block) for block in found.blocks] == [
        "p, q mix with nothing outside",
        "r mixes with s at most",
        "s mixes with nothing outside",
    ]


def test_exactly_as_predicted() -> None:
    assert by_hand(pq=0.5, qp=0.4, rs=0.3).verdict == (
        "Confirmed: the 4 latents mix exactly as predicted, in 3 blocks."
    )


def test_a_learned_latent_that_may_not_enter() -> None:
    found = by_hand(pq=0.5, sr=0.3, qs=0.2)
    assert not found
    assert found.pairs(EXTRA) == (("q", "s"), ("s", "r"))
    assert [block.confirmed for block in found.blocks] == [False, True, False]
    assert [block.intruders for block in found.blocks] == [("s",), (), ("r",)]
    assert found.blocks[0].allowed == ("p", "q")
    assert found.blocks[1].allowed == ("r", "s")
    assert found.precision == 5 / 7
    assert found.strongest_extra == pytest.approx(0.3)
    assert found.verdict == (
        "Not confirmed in 2 of 3 blocks: p, q also mix with s; s also mixes with r. The strongest pair that should "
        "not mix has a relative strength of 0.30; the threshold is 0.1."
    )


def test_complete_disentanglement_is_said_in_its_own_words() -> None:
    predicted = predict_entanglement(CausalGraph(Ga=np.eye(3)))
    assert (
        compare(predicted, learned(np.eye(3))).verdict
        == "Confirmed: all 3 latents are disentangled, as predicted."
    )
    alone = predict_entanglement(CausalGraph(Ga=[[1]]))
    assert (
        compare(alone, learned([[2.0]])).verdict
        == "Confirmed: the only latent is disentangled, as predicted."
    )


def test_many_blocks_are_not_all_spelled_out() -> None:
    n = 9
    found = compare(predict_entanglement(CausalGraph(Ga=np.eye(n))), learned(np.eye(n) + 0.5))
    assert found.verdict.startswith(
        "Not confirmed in 9 of 9 blocks: z0 also mixes with z1, z2, z3, z4, z5, z6 and 2 others; z1"
    )
    assert "; and 6 blocks more." in found.verdict


def test_a_latent_that_nothing_shows_is_lost() -> None:
    found = by_hand(pp=0.0)
    assert found.blocks[0].lost == ("p",)
    assert not found.confirmed
    assert found.verdict == "Not confirmed in 1 of 3 blocks: no learned latent shows p."


def test_learned_latents_without_a_match() -> None:
    predicted = predict_entanglement(TWINS_AND_ONE_WAY)
    strengths = np.hstack([0.0 * np.ones((4, 1)), np.eye(4), [[0.0], [0.0], [0.0], [0.5]]])
    found = compare(predicted, learned(strengths))
    assert found.permutation.tolist() == [1, 2, 3, 4]
    assert found.columns == ("v1", "v2", "v3", "v4")
    assert found.surplus == ("v0", "v5")
    assert found.matched.tolist() == np.eye(4, dtype=bool).tolist()
    assert found.count(EXTRA) == 1
    assert [block.intruders for block in found.blocks] == [(), (), ("v5",)]
    assert found.strongest_extra == 0.5


def test_true_latents_without_a_match() -> None:
    predicted = predict_entanglement(TWINS_AND_ONE_WAY)
    found = compare(predicted, learned(np.eye(4)[:, [0, 2, 3]]))
    assert found.permutation.tolist() == [0, -1, 1, 2]
    assert found.columns == ("v0", "", "v1", "v2")
    assert not found.matched[:, 1].any()
    assert found.blocks[0].lost == ("q",)


def test_it_is_ready_for_json() -> None:
    content = json.loads(json.dumps(by_hand(sr=0.3).to_dict()))
    assert content["confirmed"] is False
    assert content["extra"] == [["s", "r"]]
    assert content["missing"] == [["p", "q"], ["q", "p"], ["r", "s"]]
    assert content["blocks"][2] == {
        "latents": ["s"],
        "confirmed": False,
        "allowed": ["s"],
        "intruders": ["r"],
        "lost": [],
        "unused": 0,
    }
    assert content["learned"]["permutation"] == [0, 1, 2, 3]


def test_it_shows_itself() -> None:
    assert repr(by_hand(sr=0.3)) == "Comparison(2 of 3 blocks confirmed, 3 missing, 1 extra)"


def test_prediction_and_measurement_are_about_the_same_latents() -> None:
    with pytest.raises(
        DataError, match="the prediction is about 4 latents, what was learned about 3; give the"
    ):
        compare(predict_entanglement(TWINS_AND_ONE_WAY), learned(np.eye(3)))
