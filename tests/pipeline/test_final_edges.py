"""Edges, measured once more on the final latents."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from estimation.config import TrainingConfig
from estimation.dataset import Dataset
from estimation.exceptions import DataError
from estimation.models.representation import Shape
from estimation.models.sparse_vae import SparseVAE
from estimation.simulate import simulate
from estimation.training import final_edges, fit
from estimation.training.batches import Batches
from estimation.training.encodings import Encodings
from estimation.training.final_edges import actions_have_few_values, measure_edges_again_
from estimation.training.final_effects import FinalEffects
from identify.graph import CausalGraph
from tests.seeds import training_seed

Array = NDArray[np.float64]

TARGETS = torch.tensor([[True, True, False], [False, True, True]])


def model_of(edges: Tensor, config: TrainingConfig, past: bool = False) -> SparseVAE:
    generator = torch.Generator().manual_seed(training_seed())
    model = SparseVAE(Shape(2, 2, 3, past), config, generator)
    model.action_masks.start_sampling_(10 * edges.float() - 5)
    model.action_masks.freeze_(int(edges.sum()))
    return model


def encodings() -> Encodings:
    """Latents that interventions shift by 1 or more standard deviations, in a random third of all rows each."""
    rng = np.random.default_rng(training_seed())
    actions = (rng.uniform(size=(4_000, 3)) < 1 / 3).astype(float)
    shifts = TARGETS.numpy() * rng.choice([-1.0, 1.0], (2, 3)) * rng.uniform(1, 2, (2, 3))
    latents = torch.from_numpy(actions @ shifts.T + rng.normal(size=(4_000, 2))).float()[:, None]
    return Encodings(
        latents, 0.01 * torch.eye(2).expand(4_000, 1, 2, 2), torch.from_numpy(actions).float(), latents
    )


@pytest.mark.parametrize(("losses", "kept"), [([1.0, 0.5], True), ([1.0, 1.5], False)])
def test_wrong_edges_are_replaced_if_held_out_data_become_more_likely(
    monkeypatch: pytest.MonkeyPatch, losses: list[float], kept: bool
) -> None:
    config = TrainingConfig(steps=60, seed=training_seed())
    wrong = TARGETS.clone()
    wrong[0, 1:] = torch.tensor([False, True])
    model = model_of(wrong, config)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    rows = encodings()
    monkeypatch.setattr(Encodings, "of", lambda *arguments: rows)
    monkeypatch.setattr(final_edges, "actions_have_few_values", lambda *_: True)
    values = iter(losses)
    note = measure_edges_again_(model, None, config, 60, lambda: next(values))  # type: ignore[arg-type]
    assert note == (
        f"edges measured again after 60 steps: 1 of 4 {'' if kept else 'not '}replaced, the held-out negative ELBO "
        f"went from {losses[0]:.4g} to {losses[1]:.4g}"
    )
    assert torch.equal(model.action_masks.support(), TARGETS if kept else wrong)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items()) == (not kept)
    if kept:
        # the transition was fitted, and the variances are those of its residuals
        assert not torch.equal(
            model.networks.biases[-1], before[f"networks.biases.{len(model.networks.biases) - 1}"]
        )
        residual = model.transition_residual(rows.latents[:, -1], None, rows.actions).value.detach()
        expected = residual.square().mean(0) + 0.01**2
        torch.testing.assert_close(model.log_variance_z.exp(), expected)


def test_right_edges_stay_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    config = TrainingConfig(steps=60, seed=training_seed())
    model = model_of(TARGETS, config)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    rows = encodings()
    monkeypatch.setattr(Encodings, "of", lambda *arguments: rows)
    monkeypatch.setattr(final_edges, "actions_have_few_values", lambda *_: True)
    assert measure_edges_again_(model, None, config, 60, lambda: 1.0) is None  # type: ignore[arg-type]
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


# an effect of this size is not clear of the networks' errors
UNCLEAR = 0.41


def effects_of(sizes: list[list[float]], residual: tuple[float, float] = (1.0, 1.0)) -> FinalEffects:
    array = np.array(sizes)
    relative, clear = array / array.max(1, keepdims=True), array != UNCLEAR
    return FinalEffects({"actions": array}, {"actions": relative}, {"actions": clear}, np.array(residual))


@pytest.mark.parametrize(
    ("effects", "expected"),
    [
        # stronger by a fifth or more, and weaker than that
        (effects_of([[1.0, 0.4, 0.3], [0.1, 1.0, 0.9]]), [[1, 1, 0], [0, 1, 1]]),
        (effects_of([[1.0, 0.33, 0.3], [0.1, 1.0, 0.9]]), [[1, 0, 1], [0, 1, 1]]),
        # of negligible effects too, the stronger one by a fifth, wherever it is
        (effects_of([[1.0, 0.05, 0.01], [0.04, 1.0, 0.9]]), [[1, 1, 0], [0, 1, 1]]),
        (effects_of([[1.0, 0.01, 0.02], [0.05, 1.0, 0.9]]), [[1, 0, 0], [1, 1, 1]]),
        (effects_of([[1.0, 0.05, 0.045], [0.04, 1.0, 0.9]]), [[1, 0, 1], [0, 1, 1]]),
        # but not the place of an edge that is not negligible
        (effects_of([[0.2, 0.01, 0.03], [0.09, 1.0, 0.9]]), [[1, 0, 1], [0, 1, 1]]),
        # what may be an error doesn't replace an edge
        (effects_of([[1.0, UNCLEAR, 0.3], [0.1, 1.0, 0.9]]), [[1, 0, 1], [0, 1, 1]]),
        # ranked in units of the residual, as by the likelihood
        (effects_of([[1.0, 0.1, 0.3], [0.7, 1.0, 0.9]], (1.0, 0.1)), [[1, 0, 0], [1, 1, 1]]),
    ],
)
def test_edges_are_ranked_by_effects_on_the_final_latents(
    effects: FinalEffects, expected: list[list[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    config = TrainingConfig(steps=60, seed=training_seed())
    present = torch.tensor([[True, False, True], [False, True, True]])
    model, rows = model_of(present, config), encodings()
    monkeypatch.setattr(Encodings, "of", lambda *arguments: rows)
    monkeypatch.setattr(final_edges, "actions_have_few_values", lambda *_: False)
    monkeypatch.setattr(final_edges, "measure_final_effects", lambda *_: effects)
    losses = iter([1.0, 0.5])
    note = measure_edges_again_(model, None, config, 60, lambda: next(losses))  # type: ignore[arg-type]
    found = model.action_masks.support()
    assert found.tolist() == torch.tensor(expected).bool().tolist()
    n_changed = int((found & ~present).sum())
    assert note == (
        None
        if not n_changed
        else "edges measured again after 60 steps: 1 of 4 replaced, the held-out negative ELBO went from 1 to 0.5"
    )


def test_edges_stay_where_effects_on_means_do_not_tell_them(monkeypatch: pytest.MonkeyPatch) -> None:
    config = TrainingConfig(steps=60, seed=training_seed())
    model = model_of(TARGETS, config)
    monkeypatch.setattr(final_edges, "actions_have_few_values", lambda *_: False)
    monkeypatch.setattr(final_edges, "measure_final_effects", lambda *_: None)
    assert measure_edges_again_(model, None, config, 60, lambda: 1.0) is None  # type: ignore[arg-type]
    model.action_masks.make_dense_()
    assert measure_edges_again_(model, None, config, 60, lambda: 1.0) is None  # type: ignore[arg-type]


def test_effects_that_can_not_be_measured_are_said(monkeypatch: pytest.MonkeyPatch) -> None:
    config = TrainingConfig(steps=60, seed=training_seed())
    model = model_of(TARGETS, config)

    def refuse(*_: object) -> None:
        raise DataError("effects hold an entry that is not finite")

    monkeypatch.setattr(final_edges, "actions_have_few_values", lambda *_: False)
    monkeypatch.setattr(final_edges, "measure_final_effects", refuse)
    note = measure_edges_again_(model, None, config, 60, lambda: 1.0)  # type: ignore[arg-type]
    assert note == "edges not measured again after 60 steps: effects hold an entry that is not finite"


def test_edges_are_restored_if_the_transition_can_not_be_fitted(monkeypatch: pytest.MonkeyPatch) -> None:
    config = TrainingConfig(steps=60, seed=training_seed())
    present = torch.tensor([[True, False, True], [False, True, True]])
    model = model_of(present, config)

    def diverge(*_: object) -> None:
        raise torch.linalg.LinAlgError("the factorization could not be completed")  # type: ignore[attr-defined]

    monkeypatch.setattr(final_edges, "actions_have_few_values", lambda *_: False)
    effects = effects_of([[1.0, 0.4, 0.3], [0.1, 1.0, 0.9]])
    monkeypatch.setattr(final_edges, "measure_final_effects", lambda *_: effects)
    monkeypatch.setattr(final_edges, "fit_transition_", diverge)
    note = measure_edges_again_(model, None, config, 60, lambda: 1.0)  # type: ignore[arg-type]
    assert note == (
        "edges measured again after 60 steps: 1 of 4 not replaced: the factorization could not be completed"
    )
    assert torch.equal(model.action_masks.support(), present)


@pytest.mark.parametrize(
    ("actions", "past", "columns", "expected"),
    [
        ("on/off", False, [0, 1, 2], True),
        ("continuous", False, [0, 1, 2], False),
        ("one continuous", False, [0, 1, 2], False),
        ("one continuous", False, [1, 2], True),
        ("on/off", True, [0, 1, 2], False),
        ("on/off", False, [], False),
    ],
    ids=["on/off", "continuous", "one continuous", "continuous but dense", "with a past", "all dense"],
)
def test_few_values_are_those_of_sparse_columns_without_a_past(
    actions: str, past: bool, columns: list[int], expected: bool
) -> None:
    rng = np.random.default_rng(training_seed())
    values = rng.integers(0, 2, (60, 3)).astype(float)
    if actions == "continuous":
        values = rng.normal(size=values.shape)
    elif actions == "one continuous":
        values[:, 0] = rng.normal(size=60)
    data = Dataset.from_arrays(rng.normal(size=(60, 2 if past else 1, 2)), values)
    model = model_of(TARGETS, TrainingConfig(), past)
    model.set_sparse_columns_(columns, past)
    batches = Batches(data, 30, 0, torch.device("cpu"), torch.float32)
    assert actions_have_few_values(model, batches, 0) == expected


def test_runs_with_on_off_actions_measure_their_edges_again() -> None:
    graph = CausalGraph(Ga=TARGETS.numpy())
    data = simulate(graph, 600, seed=training_seed(), actions="interventions")
    sizes = {"width": 8, "depth": 1, "transition_width": 4, "batch_size": 64, "starts": 1}
    schedule = {"steps": 30, "rounds": 1, "flow_blocks": 1, "refinements": 0, "max_edges_actions": 4}
    model = fit(data, TrainingConfig(**sizes, **schedule, seed=training_seed()), progress=False)  # type: ignore[arg-type]
    assert any("a deep one since actions take few values" in note for note in model.history.notes)
    assert model.graph.n_edges == 4
