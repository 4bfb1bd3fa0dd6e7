"""What the learned graph says about a prediction."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from estimation.exceptions import DataError
from estimation.prediction.coverage import coverage, require_seen
from estimation.prediction.seen_actions import SEEN_ACTIONS, SeenAction, SeenActions
from estimation.storage.schema import check

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
    assert result.complete.tolist() == [False, False, True]
    assert result.in_range.ravel().tolist() == [True, False, True]
    assert result.explain(0) == (
        "action 'A' affects v0; its value lies between those seen in training: interpolated",
    )
    assert result.explain(1) == (
        "action 'A' affects v0; its value is outside of the range seen in training: extrapolated",
    )
    assert result.explain(2) == ("no action differs from its reference",)
    assert repr(result) == "Coverage(1 of 3 rows covered by the training data)"
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
            same = (training[:, edges[i]] == actions[edges[i]]).all(axis=1)
            assert result.seen_latents[row, i] == same.any()


def test_many_combinations_are_not_stored_and_count_as_seen_by_value() -> None:
    rng = np.random.default_rng(0)
    training = rng.integers(0, 2, size=(20_000, 13)).astype(float)
    seen = SeenActions.of(training, np.ones((1, 13), dtype=bool))
    assert seen.combinations == (None,)


def test_what_is_stored_is_read_back() -> None:
    training = np.vstack([SINGLE, [0, 1, 1]])
    seen = SeenActions.of(np.hstack([training, np.linspace(0, 1, 5)[:, None]]), np.ones((2, 4), dtype=bool))
    content = seen.to_dict()
    check(content, SEEN_ACTIONS)
    again = SeenActions.from_dict(content, 4, 2)
    assert again.actions == seen.actions
    assert again.combinations[0] is not None
    assert seen.combinations[0] is not None
    assert again.combinations[0][0] == seen.combinations[0][0]
    assert np.array_equal(again.combinations[0][1], seen.combinations[0][1])


def test_damaged_records_are_refused() -> None:
    content = SeenActions.of(SINGLE, EDGES).to_dict()
    with pytest.raises(
        DataError, match=r"seen_actions has 3 actions and 4 latents; by its shape the model has 2 and 4"
    ):
        SeenActions.from_dict(content, 2, 4)
    wrong = {**content, "actions": [{**content["actions"][0], "values": [1.0, 0.0]}, *content["actions"][1:]]}
    with pytest.raises(
        DataError, match=r"an action with values from 0 to 1 that are not ascending, or whose refer"
    ):
        SeenActions.from_dict(wrong, 3, 4)
    wrong = {**content, "combinations": [{"parents": [0, 3], "rows": [[0, 0]]}, *content["combinations"][1:]]}
    with pytest.raises(DataError, match=r"seen_actions has combinations of other actions than the model's"):
        SeenActions.from_dict(wrong, 3, 4)
