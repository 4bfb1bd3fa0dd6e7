"""A run that ends in a wrong basis, though a better one can be seen, changes to it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from estimation.config.training import TrainingConfig
from estimation.dataset import Dataset
from estimation.diagnostics import Diagnostics, Margin, RunWarning
from estimation.evaluation import evaluate
from estimation.simulate import simulate
from estimation.training import finish, fit, transition_fitting, unmixing_round
from estimation.training.completion import Completion, judged
from estimation.training.measured_effects import MeasuredEffects
from estimation.training.post_training import fit_transition_
from estimation.training.snapshot import Snapshot
from estimation.training.sparse_vae_procedure import SparseVAEProcedure
from estimation.unmixing import Unmixing, descent, unmix
from identify.graph import CausalGraph
from tests.pipeline.linear_gaussian import DrivenByActions
from tests.seeds import training_seed

GRAPH = CausalGraph(Ga=[[1, 0, 1], [1, 1, 0], [0, 1, 1]])
CONFIG = TrainingConfig(
    steps=400,
    width=32,
    transition_width=16,
    batch_size=256,
    starts=1,
    rounds=1,
    restarts=1,
    max_edges_actions=6,
    seed=training_seed(0),
)
# these settings reach the optimum of the linear-Gaussian process; a flow might undo what the tests change
LINEAR = TrainingConfig(
    max_edges_actions=4,
    flow_blocks=0,
    steps=700,
    rounds=1,
    starts=1,
    restarts=1,
    depth=0,
    transition_depth=1,
    transition_width=8,
    optimizer="adam",
    learning_rate=1e-2,
    warmup=30,
    seed=training_seed(0),
)
BEATEN = Margin(-0.5, -1.0, ("v0", "v1"), 65, 1)
CLEAR = Margin(0.5, 1.0, ("v0", "v1"), 65, 60)


@pytest.fixture(scope="module")
def data() -> Dataset:
    return simulate(GRAPH, 4_000, seed=training_seed(0))


@pytest.fixture(scope="module")
def few() -> Dataset:
    return simulate(GRAPH, 400, seed=training_seed(1))


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> TrainingConfig:
    """Shorten searches and fits, of which these tests only need that they take place; return short settings."""
    monkeypatch.setattr(descent, "_N_STEPS", 15)
    monkeypatch.setattr(transition_fitting, "_MIN_STEPS", 3)
    return CONFIG.replace(steps=210, width=16, transition_width=8, batch_size=64)


@pytest.fixture
def rotated(monkeypatch: pytest.MonkeyPatch) -> None:
    """Mix two latents after the last step, as if the last round of unmixing had left them mixed."""
    finish_run = SparseVAEProcedure.finish

    def mixed(procedure: SparseVAEProcedure, step: int, report: Any) -> Any:
        matrix = torch.eye(procedure.model.shape.n_latents)
        matrix[:2, :2] = torch.tensor([[0.8, 0.6], [-0.6, 0.8]])
        procedure.model.change_basis_(matrix, torch.zeros(len(matrix)))
        fit_transition_(procedure.model, procedure.batches, procedure.config, step)
        return finish_run(procedure, step, report)

    monkeypatch.setattr(SparseVAEProcedure, "finish", mixed)


@pytest.mark.usefixtures("rotated")
def test_a_wrong_basis_is_left() -> None:
    process = DrivenByActions()
    config = LINEAR
    model = fit(process.sample(10_000, seed=1), config, progress=False)
    note = next(
        note for note in model.history.notes if note.startswith("basis changed after 700 steps, since")
    )
    assert "is sparser by" in note
    assert "more likely by" in note
    outcome = evaluate(model, process.sample(2_000, seed=2))
    assert outcome.shd == 0
    assert outcome.mcc is not None
    assert outcome.r is not None
    assert outcome.mcc > 0.95 * outcome.r


def test_a_change_that_brings_no_clarity_is_undone(
    few: Dataset, short: TrainingConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The model is then the one of a run that has not tried it."""
    wrong = Diagnostics(BEATEN, (RunWarning("basis", "another basis is sparser"),))
    monkeypatch.setattr(finish, "examine", lambda *_: wrong)
    monkeypatch.setattr(finish, "better_basis", lambda _: None)
    without = fit(few, short, progress=False)
    monkeypatch.setattr(finish, "better_basis", lambda _: np.eye(3)[[1, 2, 0]])
    tried = fit(few, short, progress=False)
    (note,) = set(tried.history.notes) - set(without.history.notes)
    assert note.startswith(
        "basis not changed after 210 steps: another basis, in v0, v1, is sparser by 0.5, and"
    )
    assert "but with the change the held-out negative ELBO went from" in note
    assert "Doubtful: the latents or their graph may well be wrong (warning: basis)" in note
    assert tried.diagnostics == without.diagnostics
    state = tried.model.state_dict()
    assert all(torch.equal(value, state[name]) for name, value in without.model.state_dict().items())


def test_a_change_that_fails_is_undone(
    few: Dataset, short: TrainingConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = Diagnostics(BEATEN, (RunWarning("basis", "another basis is sparser"),))
    monkeypatch.setattr(finish, "examine", lambda *_: wrong)
    monkeypatch.setattr(finish, "better_basis", lambda _: np.ones((3, 3)))
    model = fit(few, short, progress=False)
    note = "basis not changed after 210 steps: first is not invertible; give a basis of the latents"
    assert note in model.history.notes


def completion(diagnostics: Diagnostics | None, loss: float = 1.0) -> Completion:
    return Completion(["a note"], {"total": loss}, True, {}, diagnostics, [])


@pytest.mark.parametrize(
    ("diagnostics", "is_kept", "note"),
    [
        (
            Diagnostics(CLEAR),
            True,
            "basis changed after 9 steps, since another basis, in v0, v1, is sparser by 0.5, and more likely by "
            "1 nats; the held-out negative ELBO went from 1 to 2",
        ),
        (
            Diagnostics(BEATEN, (RunWarning("basis", "worse"),)),
            False,
            "basis not changed after 9 steps: another",
        ),
        (
            Diagnostics(CLEAR, tuple(RunWarning("missing edges", "some") for _ in range(2))),
            False,
            "Doubtful: the latents or their graph may well be wrong (warning: missing edges).",
        ),
        (None, False, "; the run was not examined"),
    ],
)
def test_a_change_is_kept_for_fewer_doubts(diagnostics: Diagnostics | None, is_kept: bool, note: str) -> None:
    before = completion(Diagnostics(BEATEN, (RunWarning("basis", "worse"),)))
    kept, text = judged(before, completion(diagnostics, 2.0), 9, "basis", BEATEN.summary)
    assert kept == is_kept
    assert note in text
    assert before.with_note(text).notes == ["a note", text]
    assert before.with_note(text, first=True).notes == [text, "a note"]


@pytest.mark.parametrize(
    ("margin", "is_beaten"),
    [
        (BEATEN, True),
        (CLEAR, False),
        # sparser, but less likely; and sparser where effects on distributions choose the basis
        (replace(BEATEN, likelihood=0.08), False),
        (replace(BEATEN, likelihood=None), False),
        (replace(BEATEN, sparsity=None, likelihood=None), False),
    ],
)
def test_only_a_basis_that_is_sparser_and_likelier_is_tried(margin: Margin, is_beaten: bool) -> None:
    assert margin.is_beaten == is_beaten


def test_a_snapshot_restores_a_deeper_flow(few: Dataset, short: TrainingConfig) -> None:
    model = fit(few, short.replace(steps=60), progress=False).model
    before = {name: value.clone() for name, value in model.state_dict().items()}
    snapshot = Snapshot.of(model)
    model.flow.resize_(8, 64, torch.Generator())
    model.log_variance_z += 1
    snapshot.restore_(model)
    after = model.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(value, after[name]) for name, value in before.items())


@pytest.mark.parametrize("budget", [4, 8])
def test_bases_are_compared_by_all_clear_edges(
    budget: int, few: Dataset, short: TrainingConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With fewer edges than there are, a wrong basis may be likelier."""
    counts: list[Mapping[str, int]] = []

    def counting(*inputs: Any, edges: Any = None, **others: Any) -> Unmixing:
        if edges is not None:
            counts.append(edges(np.eye(3)))
        return unmix(*inputs, edges=edges, **others)

    def in_basis(*_: Any) -> dict[str, NDArray[np.float64]]:
        # six effects of equal size, and three of a tenth of it
        return {"actions": np.where(GRAPH.Ga.toarray(), 1.0, 0.1)}

    monkeypatch.setattr(unmixing_round, "unmix", counting)
    monkeypatch.setattr(MeasuredEffects, "in_basis", in_basis)
    config = short.replace(steps=120, rounds=2, max_edges_actions=budget)
    fit(few, config, progress=False)
    assert counts == [{"actions": max(6, budget)}]
    # the elbow of the likelihood is at two edges; a budget limits what training counts
    monkeypatch.setattr(MeasuredEffects, "edge_counts", lambda *_: {"actions": 2})
    fit(few, config.replace(sparsity="adaptive"), progress=False)
    assert counts[1:] == [{"actions": min(6, budget)}]


def test_effects_in_another_basis_are_those_of_the_combined_latents() -> None:
    rng = np.random.default_rng(training_seed(1))
    effects = MeasuredEffects(rng.normal(size=(500, 2, 3)), None, np.eye(2), np.eye(2))
    exchanged = effects.in_basis(np.array([[0.0, 2.0], [1.0, 0.0]]))
    assert list(exchanged) == ["actions"]
    expected = np.sqrt((effects.actions**2).mean(0))[[1, 0]]
    np.testing.assert_allclose(exchanged["actions"], expected)
