"""A given basis against those that a search finds."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from estimation.unmixing import rival_bases
from tests.seeds import training_seed

TARGETS = np.array([[1, 0, 0, 1], [1, 1, 0, 0], [0, 1, 1, 0], [0, 0, 1, 1]], dtype=bool)


def planted(mixing: np.ndarray, seed: int = 0) -> dict[str, Any]:
    """Return effects of actions and covariances of latents in a basis whose rows are given in the true latents."""
    rng = np.random.default_rng(training_seed(seed))
    effects = rng.normal(size=(3_000, *TARGETS.shape)) * TARGETS
    return {
        "action_effects": mixing @ effects,
        "covariance": mixing @ (np.diag(TARGETS.sum(1)) + np.eye(4)) @ mixing.T,
        "residual": mixing @ mixing.T,
    }


def test_the_true_basis_is_its_own_minimum_from_all_starts() -> None:
    found = rival_bases(**planted(np.eye(4)), past_jacobians=None, edges={"actions": 8})
    assert found.own.n_starts >= 33
    assert all(other.penalty > found.own.penalty + 0.1 for other in found.others)
    # up to order and sign
    in_truth = np.sort(np.abs(found.own.matrix * np.sqrt(3)), axis=1)
    assert in_truth == pytest.approx(np.tile([0, 0, 0, 1], (4, 1)), abs=0.1)
    likelihoods = [other.negative_log_likelihood for other in found.others]
    assert found.own.negative_log_likelihood is not None
    assert all(value is not None and value > found.own.negative_log_likelihood for value in likelihoods)


@pytest.mark.parametrize("angle", [0.5, 0.9])
def test_a_rotated_basis_is_told_from_the_true_one(angle: float) -> None:
    mixing = np.eye(4)
    mixing[:2, :2] = [[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]]
    found = rival_bases(**planted(mixing), past_jacobians=None)
    best = found.others[0]
    assert best.mixed == (0, 1)
    assert best.penalty < found.own.penalty - 0.1
    in_truth = np.abs(best.matrix @ mixing)
    assert (np.sort(in_truth / in_truth.max(1, keepdims=True), axis=1)[:, :-1] < 0.1).all()
    allowed = np.zeros((4, 4), dtype=bool)
    allowed[:2, :2] = True
    left_open = rival_bases(**planted(mixing), past_jacobians=None, allowed=allowed)
    assert left_open.own.penalty == pytest.approx(best.penalty)
    assert best.mixed not in [other.mixed for other in left_open.others]


def test_the_past_is_told_too() -> None:
    rng = np.random.default_rng(training_seed(0))
    jacobians = rng.normal(size=(3_000, 4, 4)) * TARGETS
    rotation = np.linalg.qr(rng.normal(size=(4, 4)))[0]
    identity = np.eye(4)
    right = rival_bases(None, jacobians, identity, identity, edges={"past": 8})
    assert right.own.n_starts > 0
    assert all(other.penalty > right.own.penalty for other in right.others)
    wrong = rival_bases(None, rotation @ jacobians @ rotation.T, identity, identity, edges={"past": 8})
    assert wrong.others[0].penalty < wrong.own.penalty - 0.5
    assert wrong.others[0].penalty == pytest.approx(right.own.penalty, abs=1e-3)
