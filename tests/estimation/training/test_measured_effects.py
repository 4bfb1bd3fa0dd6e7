"""Effects of discrete actions are measured only where their combinations have data."""

from __future__ import annotations

import numpy as np
import pytest

from estimation.training.measured_effects import support_weights
from tests.seeds import training_seed


def combinations(actions: np.ndarray) -> set[tuple[float, ...]]:
    return {tuple(row) for row in actions.tolist()}


@pytest.mark.parametrize("kind", ["one at a time", "pairs", "doses"])
def test_exactly_the_combinations_without_data_are_left_out(kind: str) -> None:
    rng = np.random.default_rng(training_seed(0))
    if kind == "one at a time":
        actions = np.eye(5)[rng.integers(0, 5, 400)][:, 1:]
    elif kind == "pairs":
        actions = np.array([[0, 0, 0], [1, 1, 0], [0, 1, 1], [1, 0, 0], [0, 0, 1]], dtype=float)[
            rng.integers(0, 5, 400)
        ]
    else:
        actions = np.array([[0, 0], [0, 2.5], [1, 0], [-3, 2.5]])[rng.integers(0, 4, 400)]
    weights = support_weights(actions)
    assert weights is not None
    occurring = combinations(actions)
    for column in range(actions.shape[1]):
        changed = actions.copy()
        changed[:, column] = np.roll(actions[:, column], 1)
        expected = [tuple(row) in occurring for row in changed.tolist()]
        assert (weights[:, column] > 0).tolist() == expected
    np.testing.assert_allclose((weights**2).mean(0), 1)


def test_independent_actions_keep_all_effects() -> None:
    rng = np.random.default_rng(training_seed(1))
    weights = support_weights(rng.integers(0, 2, (2_000, 4)).astype(float))
    assert weights is not None
    assert (weights == 1).all()
    assert support_weights(rng.normal(size=(2_000, 4))) is None


def test_an_action_that_never_changes_alone_keeps_its_effects() -> None:
    rng = np.random.default_rng(training_seed(2))
    together = np.repeat(rng.integers(0, 2, (500, 1)), 2, axis=1).astype(float)
    weights = support_weights(together)
    assert weights is not None
    assert (weights == 1).all()
