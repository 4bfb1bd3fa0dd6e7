"""Overlap of the settings of discrete actions, where the distances are known."""

from __future__ import annotations

import numpy as np
import pytest

from estimation.diagnostics import judge
from estimation.diagnostics.overlap import Overlap, overlap_of
from tests.estimation.diagnostics.evidence import evidence_of
from tests.seeds import training_seed

N_ROWS = 2_000


def one_at_a_time(shift: float, n_latents: int = 4) -> tuple[np.ndarray, np.ndarray]:
    """Return on/off actions, one at a time, and latents with unit noise that each action shifts by a distance."""
    rng = np.random.default_rng(training_seed(2))
    actions = np.eye(5)[rng.integers(0, 5, N_ROWS)][:, 1:]
    return actions, shift * actions[:, :n_latents] + rng.normal(size=(N_ROWS, n_latents))


@pytest.mark.parametrize(("shift", "n_groups"), [(2.0, 1), (5.0, 1), (7.0, 5), (100.0, 5)])
def test_settings_that_are_further_apart_than_the_noise_reaches_are_groups(
    shift: float, n_groups: int
) -> None:
    actions, latents = one_at_a_time(shift)
    assert overlap_of(evidence_of(actions=actions, latents=latents)) == Overlap(5, n_groups)


def test_a_linear_map_of_the_latents_changes_no_distance() -> None:
    actions, latents = one_at_a_time(7.0)
    mixing = np.random.default_rng(training_seed(3)).normal(size=(4, 4))
    assert overlap_of(evidence_of(actions=actions, latents=latents @ mixing)) == Overlap(5, 5)


def test_settings_in_between_connect() -> None:
    rng = np.random.default_rng(training_seed(4))
    doses = rng.integers(0, 5, (N_ROWS, 1)) * np.ones((1, 4))
    latents = 4.0 * doses + rng.normal(size=(N_ROWS, 4))
    # neighbours are 8 apart, so none is connected; half as much, and all are
    assert overlap_of(evidence_of(actions=doses, latents=latents)) == Overlap(5, 5)
    latents = 2.0 * doses + rng.normal(size=(N_ROWS, 4))
    assert overlap_of(evidence_of(actions=doses, latents=latents)) == Overlap(5, 1)


def test_continuous_actions_have_no_settings() -> None:
    assert overlap_of(evidence_of()) is None
    assert overlap_of(evidence_of(actions=None)) is None


def test_latents_that_do_not_vary_within_a_setting_are_not_examined() -> None:
    actions, _ = one_at_a_time(1.0)
    assert overlap_of(evidence_of(actions=actions, latents=actions)) is None


def test_groups_without_data_between_them_are_warned_of() -> None:
    actions, latents = one_at_a_time(7.0)
    found = judge(evidence_of(actions=actions, latents=latents))
    (warning,) = [warning for warning in found.warnings if warning.kind == "overlap"]
    assert warning.text == (
        "the 5 settings of the actions form 5 groups without data between them, so that latents can be distorted "
        "from group to group"
    )
    assert warning in found.serious
    actions, latents = one_at_a_time(2.0)
    assert "overlap" not in [w.kind for w in judge(evidence_of(actions=actions, latents=latents)).warnings]
