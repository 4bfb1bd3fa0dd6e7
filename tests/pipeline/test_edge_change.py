"""A run that seems to miss an edge goes back to its last step, takes those of the strongest effects, and goes on."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from estimation.config.training import TrainingConfig
from estimation.dataset import Dataset
from estimation.diagnostics import Diagnostics, RunWarning
from estimation.evaluation import evaluate
from estimation.exceptions import DataError
from estimation.training import final_edges, finish, fit
from estimation.training.batches import Batches
from estimation.training.completion import Completion, judged
from estimation.training.final_edges import strongest_edges
from estimation.training.post_training import fit_transition_
from estimation.training.sparse_vae_procedure import SparseVAEProcedure
from tests.estimation.training.test_beyond_budget import trained_with
from tests.pipeline.linear_gaussian import DrivenByActions
from tests.pipeline.test_basis_change import BEATEN, CLEAR, LINEAR, few, short

__all__ = ["few", "short"]

MISSING = Diagnostics(CLEAR, (RunWarning("missing edges", "1 effect without an edge"),))


@pytest.fixture
def mistaken(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take one edge from the model after the last step and give it another, as if unmixing had mistaken it."""
    finish_run = SparseVAEProcedure.finish

    def with_a_mistake(procedure: SparseVAEProcedure, step: int, report: Any) -> Any:
        masks = procedure.model.action_masks
        edges = masks.support().double()
        row = int(edges.sum(1).argmax())
        present, absent = edges[row].nonzero()[0], (1 - edges[row]).nonzero()[0]
        edges[row, present], edges[row, absent] = 0.0, 1.0
        masks.keep_strongest_(edges, int(edges.sum()))
        fit_transition_(procedure.model, procedure.batches, procedure.config, step)
        return finish_run(procedure, step, report)

    monkeypatch.setattr(SparseVAEProcedure, "finish", with_a_mistake)
    # as where flow and encodings have been fitted to the mistake, so that the exchange makes data less likely
    monkeypatch.setattr(finish, "measure_edges_again_", lambda *_: None)


@pytest.mark.usefixtures("mistaken")
def test_a_mistaken_edge_is_exchanged() -> None:
    process = DrivenByActions()
    config = LINEAR
    model = fit(process.sample(10_000, seed=1), config, progress=False)
    note = next(
        note for note in model.history.notes if note.startswith("edges changed after 700 steps, since")
    )
    assert "without an edge" in note
    assert "the held-out negative ELBO went from" in note
    assert evaluate(model, process.sample(2_000, seed=2)).shd == 0
    assert model.diagnostics is not None
    assert "missing edges" not in {warning.kind for warning in model.diagnostics.warnings}


@pytest.fixture
def roomy(short: TrainingConfig) -> TrainingConfig:
    """Short settings with as many edges as there can be, so that none are beyond the budget."""
    return short.replace(max_edges_actions=9)


def test_an_exchange_that_brings_no_clarity_is_undone(
    few: Dataset, roomy: TrainingConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(finish, "examine", lambda *_: MISSING)
    monkeypatch.setattr(finish, "strongest_edges", lambda *_: None)
    without = fit(few, roomy, progress=False)
    monkeypatch.setattr(finish, "strongest_edges", lambda *_: {"actions": np.eye(3)})
    tried = fit(few, roomy, progress=False)
    (note,) = set(tried.history.notes) - set(without.history.notes)
    assert note.startswith(
        "edges not changed after 210 steps: edges seemed to be missing (1 effect without an edge)"
    )
    assert "but with the change the held-out negative ELBO went from" in note
    assert "Doubtful: the latents or their graph may well be wrong (warning: missing edges)" in note
    state = tried.model.state_dict()
    assert all(torch.equal(value, state[name]) for name, value in without.model.state_dict().items())


@pytest.mark.parametrize("is_better", [True, False])
def test_the_basis_changes_before_other_edges_are_judged(
    is_better: bool, few: Dataset, roomy: TrainingConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With its edge exchanged, the run sees a better basis, which brings clarity or not."""
    beaten = Diagnostics(BEATEN, (RunWarning("basis", "another basis is sparser"),))
    outcomes = iter([MISSING, beaten, Diagnostics(CLEAR) if is_better else beaten])
    monkeypatch.setattr(finish, "examine", lambda *_: next(outcomes))
    monkeypatch.setattr(finish, "strongest_edges", lambda *_: {"actions": np.eye(3)})
    monkeypatch.setattr(finish, "better_basis", lambda _: np.eye(3)[[1, 2, 0]])
    model = fit(few, roomy, progress=False)
    assert next(outcomes, None) is None
    changed = [note.split(" after")[0] for note in model.history.notes if " changed after 210" in note]
    if is_better:
        assert changed == ["edges changed", "basis changed"]
        assert model.diagnostics == Diagnostics(CLEAR)
        return
    assert changed == ["edges not changed"]
    monkeypatch.setattr(finish, "examine", lambda *_: MISSING)
    monkeypatch.setattr(finish, "strongest_edges", lambda *_: None)
    without = fit(few, roomy, progress=False)
    assert model.diagnostics == without.diagnostics
    state = model.model.state_dict()
    assert all(torch.equal(value, state[name]) for name, value in without.model.state_dict().items())


@pytest.mark.parametrize(
    ("diagnostics", "settings"),
    [
        (Diagnostics(CLEAR), {}),
        (None, {}),
        (MISSING, {"sparsity": "none", "max_edges_actions": None}),
        (MISSING, {"sparsity": "adaptive"}),
    ],
)
def test_edges_without_doubt_or_budget_are_left(
    diagnostics: Diagnostics | None,
    settings: dict[str, Any],
    few: Dataset,
    roomy: TrainingConfig,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(finish, "examine", lambda *_: diagnostics)
    monkeypatch.setattr(finish, "strongest_edges", lambda *_: pytest.fail("measured"))
    fit(few, roomy.replace(**settings), progress=False)


def test_effects_that_cannot_be_measured_leave_the_edges(
    few: Dataset, roomy: TrainingConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> None:
        raise DataError("effects are not finite")

    monkeypatch.setattr(finish, "examine", lambda *_: MISSING)
    monkeypatch.setattr(finish, "strongest_edges", fails)
    notes = fit(few, roomy, progress=False).history.notes
    assert not any(note.startswith("edges changed") or note.startswith("edges not changed") for note in notes)


def measured(strengths: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    model, batches, config = trained_with(2)
    assert isinstance(batches, Batches)
    monkeypatch.setattr(final_edges, "edge_strengths", lambda *_: strengths)
    found = strongest_edges(model, batches, config, 60)
    assert model.action_masks.support().tolist() == [[True, True], [False, False]]
    return found if found is None else found["actions"].tolist()


def test_there_are_as_many_strongest_edges_as_edges(monkeypatch: pytest.MonkeyPatch) -> None:
    effects = np.array([[2.0, 0.1], [0.0, 1.0]])
    assert measured({"actions": effects}, monkeypatch) == [[2.0, 0.0], [0.0, 1.0]]
    # those of the model, or effects that tell nothing
    assert measured({"actions": np.array([[2.0, 1.0], [0.5, 0.1]])}, monkeypatch) is None
    assert measured(None, monkeypatch) is None


def test_the_note_says_why_edges_were_changed() -> None:
    before = Completion([], {"total": 1.0}, True, {}, MISSING, [])
    after = Completion([], {"total": 0.5}, True, {}, Diagnostics(CLEAR), [])
    assert judged(before, after, 9, "edges", "there are some") == (
        True,
        "edges changed after 9 steps, since there are some; the held-out negative ELBO went from 1 to 0.5",
    )
    assert before.doubt("missing edges") == "1 effect without an edge"
    assert after.doubt("missing edges") == ""
