"""What the learned graph says about a prediction."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from estimation.exceptions import DataError
from estimation.prediction.coverage import coverage, require_seen
from estimation.prediction.seen_actions import SEEN_ACTIONS, SeenAction, SeenActions
from estimation.storage.schema import check
from tests.seeds import training_seed

# drugs A and B affect different latents; B and C share the latent v2
EDGES = np.array([[1, 0, 0], [0, 1, 0], [0, 1, 1], [0, 0, 0]], dtype=bool)
NAMES = ("A", "B", "C")
LATENTS = ("v0", "v1", "v2", "v3")
SINGLE = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]], dtype=float)


def covered(training: np.ndarray, requested: list[list[float]], edges: np.ndarray = EDGES):  # type: ignore[no-untyped-def]
    seen = SeenActions.of(training, edges)
    return coverage(
        seen, np.array(requested, dtype=float), edges, NAMES[: edges.shape[1]], LATENTS[: len(edges)]
    )


def test_actions_on_different_latents_are_covered_without_having_been_seen_together() -> None:
    result = covered(SINGLE, [[1, 1, 0]])
    assert bool(result)
    assert result.explain() == (
        "action 'A' affects v0; its value was seen in training",
        "action 'B' affects v1, v2; its value was seen in training",
        "the actions 'A', 'B' have no child in common, so no latent combines their effects",
    )


def test_actions_on_the_same_latent_are_not() -> None:
    result = covered(SINGLE, [[0, 1, 1]])
    assert not result
    assert result.seen_latents.tolist() == [[True, True, False, True]]
    assert result.explain()[-1] == (
        "v2 combines 'B', 'C'; the joint values of its parents were not seen in training: the effects are added"
    )
    together = covered(np.vstack([SINGLE, [0, 1, 1]]), [[0, 1, 1]])
    assert bool(together)
    assert (
        together.explain()[-1]
        == "v2 combines 'B', 'C'; the joint values of its parents were seen in training"
    )


def test_several_latents_that_combine_the_same_actions_share_a_sentence() -> None:
    edges = np.array([[1, 1], [1, 1]], dtype=bool)
    result = covered(SINGLE[:3, :2], [[1, 1]], edges)
    assert result.explain()[-1] == (
        "v0, v1 combine 'A', 'B'; the joint values of their parents were not seen in training: the effects are added"
    )


def test_values_between_and_outside_of_those_seen() -> None:
    doses = np.array([[0.0], [1.0], [2.0]])
    edges = np.array([[1]], dtype=bool)
    result = covered(doses, [[0.5], [3.0], [0.0]], edges)
    assert result.complete.tolist() == [True, False, True]
    assert result.seen_values.ravel().tolist() == [False, False, True]
    assert result.in_range.ravel().tolist() == [True, False, True]
    assert result.explain(0) == (
        "action 'A' affects v0; its value lies between those seen in training: interpolated",
    )
    assert result.explain(1) == (
        "action 'A' affects v0; its value is outside of the range seen in training: extrapolated",
    )
    assert result.explain(2) == ("no action differs from its reference",)
    assert repr(result) == "Coverage(2 of 3 rows covered by the training data)"
    with pytest.raises(DataError, match=r"row is 3; the prediction has 3 rows"):
        result.explain(3)


def test_an_action_without_children_affects_no_latent() -> None:
    result = covered(np.array([[0.0], [1.0]]), [[1.0]], np.zeros((2, 1), dtype=bool))
    assert result.explain() == ("action 'A' affects no latent; its value was seen in training",)


def test_values_outside_of_the_range_are_refused() -> None:
    doses, edges = np.array([[0.0], [2.0]]), np.array([[1]], dtype=bool)
    result, seen = covered(doses, [[3.0]], edges), SeenActions.of(doses, edges)
    with pytest.raises(
        DataError, match=r"action 'A' is 3 in row 0; in training it was 0 to 2; extrapolate=True pred"
    ):
        require_seen(result, seen, np.array([[3.0]]))
    never, seen = covered(np.zeros((2, 1)), [[1.0]], edges), SeenActions.of(np.zeros((2, 1)), edges)
    with pytest.raises(
        DataError, match=r"action 'A' is 1 in row 0; in training it was 0 only; extrapolate=True"
    ):
        require_seen(never, seen, np.array([[1.0]]))


def test_the_reference_is_zero_or_the_most_frequent_value() -> None:
    assert SeenAction.of(np.array([0.0, 1.0, 1.0])).reference == 0
    assert SeenAction.of(np.array([1.0, 2.0, 2.0])).reference == 2
    continuous = np.linspace(-1, 1, 50)
    assert SeenAction.of(continuous).reference == 0
    assert SeenAction.of(continuous + 5).reference == pytest.approx(5)
    assert SeenAction.of(continuous).values is None


def test_rounding_to_single_precision_is_no_other_value() -> None:
    training = np.array([[0.0], [0.1], [0.7]], dtype=np.float32)
    assert bool(covered(training, [[0.1], [0.7], [0.0]], np.array([[1]], dtype=bool)))


@settings(max_examples=60)
@given(st.data())
def test_coverage_is_brute_force_over_the_rows_of_the_training_data(data: st.DataObject) -> None:
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    n, m = data.draw(st.integers(1, 4)), data.draw(st.integers(1, 3))
    edges = rng.random((n, m)) < 0.6
    training = rng.integers(0, 3, size=(data.draw(st.integers(1, 8)), m)).astype(float)
    requested = rng.integers(0, 3, size=(5, m)).astype(float)
    result = covered(training, requested.tolist(), edges)
    for row, actions in enumerate(requested):
        for i in range(n):
            options = []
            for k in np.flatnonzero(edges[i]):
                column = training[:, k]
                below, above = column[column < actions[k]], column[column > actions[k]]
                between = [below.max(), above.min()] if len(below) and len(above) else []
                options.append([actions[k]] if actions[k] in column else between)
            seen = {tuple(values) for values in training[:, edges[i]].tolist()}
            corners = list(itertools.product(*options))
            assert result.seen_latents[row, i] == (bool(corners) and all(c in seen for c in corners))


def test_many_combinations_are_not_checked_and_said_not_to_be() -> None:
    rng = np.random.default_rng(training_seed())
    training = rng.integers(0, 2, size=(20_000, 13)).astype(float)
    edges = np.ones((2, 13), dtype=bool)
    seen = SeenActions.of(training, edges)
    assert seen.combinations == (None, None)
    names = tuple(f"a{k}" for k in range(13))
    result = coverage(seen, np.ones((1, 13)), edges, names, ("v0", "v1"))
    assert result.unchecked.all()
    assert not result.added.any()
    assert result.explain()[-1].endswith(
        "the joint values of their parents are too many in training to be stored: not checked"
    )


def test_continuous_doses_count_as_applied_or_not() -> None:
    """Two drugs in many doses, each given alone."""
    doses = np.linspace(0, 1, 40)
    alone = np.vstack([np.stack([doses, 0 * doses], axis=1), np.stack([0 * doses, doses], axis=1)])
    edges = np.array([[1, 1]], dtype=bool)
    result = covered(alone, [[0.9, 0.9], [0.9, 0.0], [0.0, 0.0]], edges)
    assert result.complete.tolist() == [False, True, True]
    assert result.added.ravel().tolist() == [True, False, False]
    together = covered(np.vstack([alone, [0.3, 0.4]]), [[0.9, 0.9]], edges)
    assert bool(together)


def test_zero_is_a_value_like_others_of_an_action_that_never_rests() -> None:
    training = np.random.default_rng(training_seed()).uniform(-1, 1, size=(500, 2))
    assert bool(covered(training, [[0.5, 0.0], [0.0, 0.0]], np.array([[1, 1]], dtype=bool)))


def test_values_between_seen_corners_are_interpolated_and_not_added() -> None:
    corners = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], dtype=float)
    edges = np.array([[1, 1]], dtype=bool)
    result = covered(corners, [[0.5, 1.0], [0.5, 0.5]], edges)
    assert result.complete.tolist() == [True, True]
    assert not result.added.any()
    assert result.explain()[-1].endswith("lie between those seen in training: interpolated")
    without = covered(corners[:3], [[0.5, 1.0]], edges)
    assert without.complete.tolist() == [False]


def test_effects_are_added_only_to_what_was_seen() -> None:
    """One-hot drugs without a control, and a dose: the reference of the dose alone never occurred."""
    edges = np.array([[1, 1, 1]], dtype=bool)
    training = np.array([[1, 0, 0], [0, 1, 0], [1, 0, 1]], dtype=float)
    result = covered(training, [[0, 1, 1], [0, 0, 0]], edges)
    assert not result.seen_latents.any()
    assert not result.added.any()
    assert result.explain(0)[-1].endswith("were not seen in training: extrapolated by the network")
    assert result.explain(1) == (
        "no action differs from its reference",
        "v0; the joint values of its parents were not seen in training: extrapolated by the network",
    )


def test_large_offsets_have_no_large_tolerance() -> None:
    seen = SeenAction.of(1.7e9 + np.linspace(0, 590, 60))
    assert seen.in_range(np.array([1.7e9 + 595, 1.7e9 + 590])).tolist() == [False, True]


def test_what_is_stored_is_read_back() -> None:
    training = np.vstack([SINGLE, [0, 1, 1]])
    edges = np.array([[1, 1, 0, 1], [1, 1, 0, 1], [0, 0, 1, 0]], dtype=bool)
    seen = SeenActions.of(np.hstack([training, np.linspace(0, 1, 5)[:, None]]), edges)
    content = seen.to_dict()
    check(content, SEEN_ACTIONS)
    assert len(content["combinations"]) == 1
    again = SeenActions.from_dict(content, edges)
    assert again.actions == seen.actions
    assert again.combinations[2] is None
    for first, second in zip(again.combinations[:2], seen.combinations[:2], strict=True):
        assert first is not None
        assert second is not None
        assert first[0] == second[0]
        assert np.array_equal(first[1], second[1])


def test_damaged_records_are_refused() -> None:
    content = SeenActions.of(SINGLE, EDGES).to_dict()
    with pytest.raises(
        DataError, match=r"seen_actions has 3 actions and 4 latents; by its shape the model has 2 and 4"
    ):
        SeenActions.from_dict(content, EDGES[:, :2])
    wrong = {**content, "actions": [{**content["actions"][0], "values": [1.0, 0.0]}, *content["actions"][1:]]}
    with pytest.raises(
        DataError, match=r"an action with values from 0 to 1 that are not ascending, or whose refer"
    ):
        SeenActions.from_dict(wrong, EDGES)
    wrong = {**content, "combinations": [{"parents": [0, 3], "rows": [[0, 0]]}]}
    with pytest.raises(DataError, match=r"seen_actions has combinations of other actions than the model's"):
        SeenActions.from_dict(wrong, EDGES)
    wrong = {**content, "combinations": [{"parents": [0, 2], "rows": [[0, 0]]}]}
    with pytest.raises(DataError, match=r"has combinations of latent 2 for other parents than the graph's"):
        SeenActions.from_dict(wrong, EDGES)
    with pytest.raises(DataError, match=r"seen_actions.of_latents has a position without combinations"):
        SeenActions.from_dict({**content, "of_latents": [None, None, 1, None]}, EDGES)
