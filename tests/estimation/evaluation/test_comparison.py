"""Predicted against learned entanglement: laws over random graphs, and examples computed by hand."""

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


def learned_within(
    predicted: Entanglement, order: list[int], seed: int = 0, keep: float = 1.0
) -> LearnedEntanglement:
    """Strengths within the predicted pattern, with shuffled learned latents; the matched entries are the strongest.

    Args:
        predicted: The predicted entanglement.
        order: Index of the learned latent for each true latent.
        seed: Seed of the strengths.
        keep: Fraction of the allowed pairs that are learned.
    """
    rng = np.random.default_rng(training_seed(seed))
    n = predicted.n_latents
    is_learned = predicted.matrix.toarray() & (rng.random((n, n)) < keep)
    strengths = np.where(is_learned, rng.uniform(0.2, 0.5, (n, n)), 0.0)
    np.fill_diagonal(strengths, 1.0)
    shuffled = np.zeros((n, n))
    shuffled[:, order] = strengths
    return learned(shuffled)


# 0 and 1 are twins, 2 stays entangled one way with 3, 3 is disentangled
TWINS_AND_ONE_WAY = CausalGraph(Ga=[[1, 0, 0], [1, 0, 0], [0, 1, 0], [0, 1, 1]], latents=["p", "q", "r", "s"])


def comparison_with(**cells: float) -> Comparison:
    """The prediction of the graph above against the identity with some entries changed, such as ``pq=0.5``."""
    strengths = np.eye(4)
    for name, value in cells.items():
        strengths["pqrs".index(name[0]), "pqrs".index(name[1])] = value
    return compare(predict_entanglement(TWINS_AND_ONE_WAY), learned(strengths))


# laws -----------------------------------------------------------------------------------------------


@given(graphs(), st.randoms(use_true_random=False))
@settings(max_examples=40, deadline=None)
def test_a_prediction_agrees_with_itself(graph: CausalGraph, random: object) -> None:
    predicted = predict_entanglement(graph)
    order = list(range(graph.n_latents))
    random.shuffle(order)  # type: ignore[attr-defined]
    comparison = compare(predicted, learned_within(predicted, order))
    assert comparison.confirmed
    assert bool(comparison)
    assert (comparison.matched == predicted.matrix.toarray()).all()
    assert (comparison.precision, comparison.recall, comparison.distance, comparison.strongest_extra) == (
        1,
        1,
        0,
        0,
    )
    assert comparison.permutation.tolist() == order
    assert set(comparison.agreement.ravel()) <= {BOTH, NEITHER}
    assert comparison.verdict.startswith("Confirmed")


@given(graphs(), st.integers(0, 1_000))
@settings(max_examples=40, deadline=None)
def test_less_mixing_than_predicted_is_confirmed(graph: CausalGraph, seed: int) -> None:
    predicted = predict_entanglement(graph)
    comparison = compare(predicted, learned_within(predicted, list(range(graph.n_latents)), seed, keep=0.5))
    assert comparison.confirmed
    assert comparison.precision == 1
    assert (
        comparison.distance
        == comparison.count(MISSING)
        == sum(block.n_missing for block in comparison.blocks)
    )
    assert comparison.recall == pytest.approx(1 - comparison.count(MISSING) / predicted.n_entries)


@given(graphs(), st.integers(0, 1_000))
@settings(max_examples=60, deadline=None)
def test_the_prediction_is_confirmed_exactly_if_no_pair_is_extra(graph: CausalGraph, seed: int) -> None:
    predicted = predict_entanglement(graph)
    n = graph.n_latents
    strengths = np.where(np.random.default_rng(training_seed(seed)).random((n, n)) < 0.3, 0.4, 0.0)
    np.fill_diagonal(strengths, 1.0)
    comparison = compare(predicted, learned(strengths))
    allowed = predicted.matrix.toarray()
    extra = comparison.matched & ~allowed
    assert comparison.confirmed == (not extra.any())
    assert comparison.count(EXTRA) == extra.sum() == len(comparison.pairs(EXTRA))
    assert sum(comparison.count(kind) for kind in (BOTH, NEITHER, MISSING, EXTRA)) == n * n
    for block in comparison.blocks:
        rows = list(predicted.blocks[block.number])
        assert block.confirmed == (not extra[rows].any())
        assert set(block.extra) == {graph.latents[j] for j in np.flatnonzero(extra[rows].any(axis=0))}


@given(graphs(), st.integers(0, 1_000))
@settings(max_examples=30, deadline=None)
def test_the_smallest_threshold_that_confirms_is_the_strongest_extra_pair(
    graph: CausalGraph, seed: int
) -> None:
    n = graph.n_latents
    strengths = np.random.default_rng(training_seed(seed)).random((n, n)) * 0.8
    np.fill_diagonal(strengths, 1.0)
    predicted, entanglement = predict_entanglement(graph), learned(strengths)
    strongest = compare(predicted, entanglement).strongest_extra
    assert compare(predicted, entanglement.at(strongest)).confirmed
    if strongest > 0:
        assert not compare(predicted, entanglement.at(strongest * 0.999)).confirmed


# examples computed by hand --------------------------------------------------------------------------


def test_the_prediction_of_the_example() -> None:
    assert predict_entanglement(TWINS_AND_ONE_WAY).matrix.toarray().astype(int).tolist() == [
        [1, 1, 0, 0],
        [1, 1, 0, 0],
        [0, 0, 1, 1],
        [0, 0, 0, 1],
    ]


def test_fewer_pairs_than_allowed() -> None:
    comparison = comparison_with(pq=0.5)
    assert comparison.agreement.tolist() == [
        [BOTH, BOTH, NEITHER, NEITHER],
        [MISSING, BOTH, NEITHER, NEITHER],
        [NEITHER, NEITHER, BOTH, MISSING],
        [NEITHER, NEITHER, NEITHER, BOTH],
    ]
    assert comparison.pairs(MISSING) == (("q", "p"), ("r", "s"))
    assert (comparison.precision, comparison.recall, comparison.distance) == (1, 5 / 7, 2)
    assert comparison.verdict == (
        "Confirmed: no latents mix that the prediction separates (4 latents in 3 blocks). Of 7 allowed pairs, 2 did "
        "not mix: better than guaranteed."
    )
    assert [str(block) for block in comparison.blocks] == [
        "p, q mix with no other latent",
        "r mixes at most with s",
        "s mixes with no other latent",
    ]


def test_mixing_exactly_as_predicted() -> None:
    assert comparison_with(pq=0.5, qp=0.4, rs=0.3).verdict == (
        "Confirmed: the 4 latents mix exactly as predicted, in 3 blocks."
    )


def test_dependencies_that_are_not_allowed() -> None:
    comparison = comparison_with(pq=0.5, sr=0.3, qs=0.2)
    assert not comparison
    assert comparison.pairs(EXTRA) == (("q", "s"), ("s", "r"))
    assert [block.confirmed for block in comparison.blocks] == [False, True, False]
    assert [block.extra for block in comparison.blocks] == [("s",), (), ("r",)]
    assert comparison.blocks[0].allowed == ("p", "q")
    assert comparison.blocks[1].allowed == ("r", "s")
    assert comparison.precision == 5 / 7
    assert comparison.strongest_extra == pytest.approx(0.3)
    assert comparison.verdict == (
        "Not confirmed in 2 of 3 blocks: p, q also mix with s; s also mixes with r. The strongest pair that should "
        "not mix has a relative strength of 0.30; the threshold is 0.1."
    )


def test_complete_disentanglement_has_its_own_sentence() -> None:
    predicted = predict_entanglement(CausalGraph(Ga=np.eye(3)))
    assert (
        compare(predicted, learned(np.eye(3))).verdict
        == "Confirmed: all 3 latents are disentangled, as predicted."
    )
    single = predict_entanglement(CausalGraph(Ga=[[1]]))
    assert (
        compare(single, learned([[2.0]])).verdict
        == "Confirmed: the only latent is disentangled, as predicted."
    )


def test_the_verdict_lists_at_most_three_blocks() -> None:
    n = 9
    comparison = compare(predict_entanglement(CausalGraph(Ga=np.eye(n))), learned(np.eye(n) + 0.5))
    assert comparison.verdict.startswith(
        "Not confirmed in 9 of 9 blocks: z0 also mixes with z1, z2, z3, z4, z5, z6 and 2 others; z1"
    )
    assert "; and 6 other blocks." in comparison.verdict


def test_a_latent_that_no_learned_latent_recovers() -> None:
    comparison = comparison_with(pp=0.0)
    assert comparison.blocks[0].unrecovered == ("p",)
    assert not comparison.confirmed
    assert comparison.verdict == "Not confirmed in 1 of 3 blocks: no learned latent recovers p."


def test_learned_latents_without_a_match() -> None:
    predicted = predict_entanglement(TWINS_AND_ONE_WAY)
    strengths = np.hstack([0.0 * np.ones((4, 1)), np.eye(4), [[0.0], [0.0], [0.0], [0.5]]])
    comparison = compare(predicted, learned(strengths))
    assert comparison.permutation.tolist() == [1, 2, 3, 4]
    assert comparison.matched_names == ("v1", "v2", "v3", "v4")
    assert comparison.unmatched == ("v0", "v5")
    assert comparison.matched.tolist() == np.eye(4, dtype=bool).tolist()
    assert comparison.count(EXTRA) == 1
    assert [block.extra for block in comparison.blocks] == [(), (), ("v5",)]
    assert comparison.strongest_extra == 0.5


def test_true_latents_without_a_match() -> None:
    predicted = predict_entanglement(TWINS_AND_ONE_WAY)
    comparison = compare(predicted, learned(np.eye(4)[:, [0, 2, 3]]))
    assert comparison.permutation.tolist() == [0, -1, 1, 2]
    assert comparison.matched_names == ("v0", "", "v1", "v2")
    assert not comparison.matched[:, 1].any()
    assert comparison.blocks[0].unrecovered == ("q",)


def test_the_record_for_json() -> None:
    content = json.loads(json.dumps(comparison_with(sr=0.3).to_dict()))
    assert content["confirmed"] is False
    assert content["extra"] == [["s", "r"]]
    assert content["missing"] == [["p", "q"], ["q", "p"], ["r", "s"]]
    assert content["blocks"][2] == {
        "latents": ["s"],
        "confirmed": False,
        "allowed": ["s"],
        "extra": ["r"],
        "unrecovered": [],
        "n_missing": 0,
    }
    assert content["learned"]["permutation"] == [0, 1, 2, 3]


def test_repr() -> None:
    assert repr(comparison_with(sr=0.3)) == "Comparison(2 of 3 blocks confirmed, 3 missing, 1 extra)"


def test_different_numbers_of_latents() -> None:
    with pytest.raises(
        DataError, match="the prediction has 4 latents, the learned entanglement has 3; give the prediction"
    ):
        compare(predict_entanglement(TWINS_AND_ONE_WAY), learned(np.eye(3)))
