"""With how many edges a round of unmixing compares bases."""

from __future__ import annotations

import numpy as np
import pytest

from estimation.training.measured_effects import MeasuredEffects
from estimation.training.unmixing_round import _counting
from estimation.unmixing import TOGETHER
from tests.seeds import training_seed


def effects(with_past: bool) -> MeasuredEffects:
    """Return effects of three actions on one latent each, and of the past of each latent on itself."""
    rng = np.random.default_rng(training_seed(0))
    actions = np.eye(3) * rng.normal(size=(200, 1, 3))
    past = np.eye(3) * 0.8 * rng.normal(size=(200, 3, 3)) if with_past else None
    return MeasuredEffects(actions, past, np.eye(3), 0.1 * np.eye(3))


@pytest.mark.parametrize("keep_clear", [False, True])
def test_estimates_of_both_kinds_are_one_number(keep_clear: bool) -> None:
    assert _counting(effects(True), {}, 1.0, None, keep_clear)(np.eye(3)) == {TOGETHER: 6}
    assert _counting(effects(False), {}, 1.0, None, keep_clear)(np.eye(3)) == {"actions": 3}


def test_limits_are_those_of_each_kind() -> None:
    """Also where training estimates the numbers: an upper limit of one kind is not one of both."""
    limits = {"actions": 2, "past": 9}
    assert _counting(effects(True), limits, 1.0, None, True)(np.eye(3)) == {"actions": 2, "past": 3}
    assert _counting(effects(True), limits, None, None, False)(np.eye(3)) == limits
    # of a budget that is too small, bases are compared by all clear edges
    assert _counting(effects(True), limits, None, None, True)(np.eye(3)) == {"actions": 3, "past": 9}
