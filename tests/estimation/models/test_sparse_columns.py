"""Masks with dense columns: their edges stay present in every state, and count nowhere."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from estimation.models.masks import EdgeMasks
from tests.seeds import training_seed

N, M = 4, 5


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(training_seed())


def masks_with(columns: list[int]) -> EdgeMasks:
    masks = EdgeMasks(N, M)
    masks.set_sparse_columns_(columns)
    masks.start_sampling_(torch.randn(N, M, generator=generator()))
    return masks


subsets = st.sets(st.integers(0, M - 1), min_size=1).map(sorted)


@settings(deadline=None)
@given(subsets, st.integers(0, N * M))
def test_dense_columns_are_full_in_every_state(columns: list[int], budget: int) -> None:
    dense = [k for k in range(M) if k not in columns]
    masks = masks_with(columns)
    for freeze in (False, True):
        if freeze:
            masks.freeze_(budget)
        sample = masks.sample(7, generator())
        assert sample is not None
        assert (sample[..., dense] == 1).all()
        assert (masks.probabilities()[:, dense] == 1).all()
        assert masks.support()[:, dense].all()
    assert masks.support()[:, columns].sum() == min(budget, N * len(columns))
    assert masks.expected_edges() == min(budget, N * len(columns))


@settings(deadline=None)
@given(subsets, st.floats(0.1, N * M))
def test_projection_and_freezing_act_as_on_a_mask_of_the_sparse_columns_alone(
    columns: list[int], budget: float
) -> None:
    masks, alone = masks_with(columns), EdgeMasks(N, len(columns))
    before = masks.logits.detach().clone()
    alone.start_sampling_(before[:, columns])
    for each in (masks, alone):
        each.project_(budget)
    assert torch.equal(masks.logits[:, columns], alone.logits)
    dense = [k for k in range(M) if k not in columns]
    assert torch.equal(masks.logits[:, dense], before[:, dense])
    assert masks.expected_edges().item() == pytest.approx(alone.expected_edges().item(), rel=1e-6)
    for each in (masks, alone):
        each.freeze_(round(budget))
    assert torch.equal(masks.support()[:, columns], alone.support())


def test_dense_columns_have_no_gradient() -> None:
    masks = masks_with([1])
    sample = masks.sample(3, generator())
    assert sample is not None
    (sample.sum() + masks.expected_edges()).backward()
    assert masks.logits.grad is not None
    assert (masks.logits.grad[:, [0, 2, 3, 4]] == 0).all()
    assert (masks.logits.grad[:, 1] != 0).all()


def test_columns_are_not_part_of_the_stored_state() -> None:
    masks = masks_with([0, 3])
    assert sorted(masks.state_dict()) == ["kept", "logits", "state"]
    assert masks.n_sparse == 2 * N
