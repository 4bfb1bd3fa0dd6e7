"""Confirmation on other rows: its level holds without effects, and effects are confirmed."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from estimation.unmixing.action_basis import ActionBasis
from estimation.unmixing.significance import is_confirmed
from tests.seeds import training_seed


def confirmed(size: float, orders: tuple[int, ...], n_problems: int, n_rows: int, seed: int) -> int:
    """Count the confirmations of problems in which an action changes variances by a factor up to exp(size)."""
    count = 0
    for problem in range(n_problems):
        rng = np.random.default_rng([training_seed(seed), problem])
        actions = rng.uniform(-1, 1, (n_rows, 2))
        residuals = rng.laplace(size=(n_rows, 3)) / np.sqrt(2)
        residuals[:, 0] *= np.exp(size * actions[:, 0] / 2)
        residuals /= residuals.std(0)
        count += is_confirmed(residuals, ActionBasis.of(actions).singles(), orders, np.eye(3), rng)
    return count


@pytest.mark.parametrize("orders", [(2,), (2, 3, 4)])
def test_the_level_holds_without_effects(orders: tuple[int, ...]) -> None:
    n_problems = 40
    count = confirmed(0.0, orders, n_problems, 400, 1)
    # fails in one of a million tests if the level is 0.01
    assert count <= stats.binom.isf(1e-6, n_problems, 0.01)


def test_effects_are_confirmed() -> None:
    assert confirmed(1.0, (2,), 5, 2_000, 2) == 5


def test_nothing_is_confirmed_outside_the_directions_in_question() -> None:
    answers = np.zeros(2, dtype=int)
    for problem in range(8):
        rng = np.random.default_rng([training_seed(3), problem])
        actions = rng.uniform(-1, 1, (1_000, 1))
        residuals = rng.normal(size=(1_000, 2))
        residuals[:, 0] *= np.exp(actions[:, 0])
        residuals, functions = residuals / residuals.std(0), ActionBasis.of(actions)
        answers += [is_confirmed(residuals, functions, (2,), np.eye(2)[[k]], rng) for k in (0, 1)]
    assert answers[0] == 8
    # three false alarms or more have a probability below 1e-4
    assert answers[1] <= 2
