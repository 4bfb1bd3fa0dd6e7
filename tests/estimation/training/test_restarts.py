"""Restarts: which one is kept, whether two of them agree, and how they are stored; nothing is trained here."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from estimation.config import TrainingConfig
from estimation.dataset import Dataset
from estimation.diagnostics import Diagnostics, Margin, RunWarning
from estimation.exceptions import CheckpointError, DataError, TrainingError
from estimation.storage.schema import check
from estimation.trained import TrainedModel
from estimation.training.agreement import agreement
from estimation.training.restart_states import RESTARTS, StoredRestarts
from estimation.training.restarts import FinishedRestart, Restarts, choose, restart_seed
from identify.graph import CausalGraph
from tests.estimation.fakes import Truth, linear_model
from tests.seeds import training_seed

N = 4
# z0 and z1 share their only action, so they may mix; z2 and z3 are disentangled
GRAPH = CausalGraph(Ga=[[1, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]])
TRUTH = Truth(N, 6)
CLEAR = Margin(0.5, 2.0, ("v0", "v2"), 65, 60)
CLOSE = Margin(0.01, 0.3, ("v0", "v2"), 65, 60)
FINE = Diagnostics(CLEAR, (), {"smallest influence": 0.5})
DOUBTFUL = Diagnostics(CLOSE, (RunWarning("basis", CLOSE.summary, CLOSE.latents),))
SERIOUS = Diagnostics(CLOSE, (*DOUBTFUL.warnings, RunWarning("missing edges", "a0 on v0 0.5", ("v0",))))
WORSE = Diagnostics(
    Margin(-2.9, 0.1, ("v0", "v2"), 65, 0), (RunWarning("basis", "another basis is sparser by 2.9"),)
)
SKEWED = Diagnostics(CLEAR, (RunWarning("residuals", "skewed"),))
UNSUPPORTED = Diagnostics(CLEAR, (RunWarning("edges of collapsed latents", "edges lead to v0", ("v0",)),))
APART = Diagnostics(CLEAR, (RunWarning("overlap", "the settings are far apart"),))


def run(mixing: NDArray[np.float64], diagnostics: Diagnostics | None = FINE) -> TrainedModel:
    """A run whose latents are the given linear combinations of the true latents."""
    return replace(linear_model(TRUTH, np.linalg.inv(mixing), GRAPH), diagnostics=diagnostics)


def rotated(i: int, j: int) -> NDArray[np.float64]:
    mixing = np.eye(N)
    mixing[np.ix_([i, j], [i, j])] = [[0.8, 0.6], [-0.6, 0.8]]
    return mixing


@pytest.fixture(scope="module")
def held_out() -> Dataset:
    return TRUTH.dataset(np.random.default_rng(training_seed()).normal(size=(400, N)), GRAPH, known=False)


def concluded(
    models: list[tuple[TrainedModel, float]], held_out: Dataset, monkeypatch: pytest.MonkeyPatch
) -> TrainedModel:
    """Return the result of restarts that end in given models with given negative ELBOs."""
    elbo = {id(model): value for model, value in models}
    monkeypatch.setattr(TrainedModel, "negative_elbo", lambda self, *_: {"total": elbo[id(self)]})
    restarts = Restarts(len(models), 0.01)
    for model, _ in models:
        restarts.add(model, held_out, training_seed())
    return restarts.conclude()


# seeds


@given(st.integers(0, 2**31 - 1), st.integers(0, 2**31 - 1))
def test_restarts_have_seeds_of_their_own_and_the_first_that_of_the_run(seed: int, other: int) -> None:
    seeds = [restart_seed(seed, restart) for restart in range(100)]
    assert seeds[0] == seed
    assert all(TrainingConfig.RANGES["seed"][0] <= each <= TrainingConfig.RANGES["seed"][1] for each in seeds)
    # by chance, two of a hundred numbers of 31 bits are equal in one of 400,000 cases
    assert len(set(seeds)) >= 99
    assert (
        seed == other or restart_seed(seed, 1) != restart_seed(other, 1) or seeds[2] != restart_seed(other, 2)
    )


# the choice

DIAGNOSTICS = st.sampled_from([None, FINE, SKEWED, APART, DOUBTFUL, WORSE, SERIOUS, UNSUPPORTED])
FINISHED = st.lists(
    st.one_of(
        st.builds(FinishedRestart, st.integers(-50, 50).map(lambda k: k / 10), st.just(10), DIAGNOSTICS),
        st.just(FinishedRestart.failed(TrainingError("the loss is nan"))),
    ),
    min_size=1,
    max_size=6,
)


def n_serious(finished: FinishedRestart) -> float:
    if finished.failure:
        return math.inf
    if finished.diagnostics is None:
        return 100
    kinds = [warning.kind for warning in finished.diagnostics.warnings]
    is_worse = finished.diagnostics == WORSE
    serious = ("basis", "missing edges", "overlap", "edges of collapsed latents")
    return sum(kind in serious for kind in kinds) + is_worse


@given(FINISHED)
def test_the_fewest_serious_warnings_come_first_then_the_elbo(finished: list[FinishedRestart]) -> None:
    kept = finished[choose(finished, 0.01)]
    fewest = [each for each in finished if n_serious(each) == min(map(n_serious, finished))]
    assert kept in fewest
    assert kept.negative_elbo == min(each.negative_elbo for each in fewest)


@given(FINISHED)
def test_the_best_so_far_ends_as_the_best(finished: list[FinishedRestart]) -> None:
    """The model of the best of the first restarts is kept, and the others are dropped, so the order must be total."""
    best = 0
    for number in range(1, len(finished)):
        if choose([finished[best], finished[number]], 0.01):
            best = number
    assert best == choose(finished, 0.01)


def test_an_edge_counts_as_much_as_the_penalty() -> None:
    many, few = FinishedRestart(-1.5, 12, FINE), FinishedRestart(-1.47, 10, FINE)
    assert choose([many, few], 0.0) == 0
    assert choose([many, few], 0.01) == 0
    assert choose([many, few], 0.02) == 1
    assert choose([few, replace(many, n_edges=10)], 1.0) == 1


@pytest.mark.parametrize(
    ("others", "reason"),
    [
        (
            [(DOUBTFUL, -2.0, 10)],
            "it has the fewest serious warnings",
        ),
        (
            [(WORSE, -2.0, 10)],
            "it has the fewest serious warnings, of which a basis that is worse than another is two",
        ),
        ([(None, -2.0, 10)], "the others could not be examined"),
        ([(FINE, -0.5, 10)], "it has the lowest held-out negative ELBO"),
        ([(FINE, -0.5, 12)], "it has the lowest held-out negative ELBO plus 0.01 per edge"),
        (
            [(SKEWED, -0.5, 10), (SERIOUS, -3.0, 12)],
            "it has the lowest held-out negative ELBO of the 2 with the fewest serious warnings",
        ),
    ],
)
def test_notes_say_why_a_restart_is_kept(
    others: list[tuple[Diagnostics | None, float, int]], reason: str
) -> None:
    finished = [FinishedRestart(elbo, n_edges, diagnostics) for diagnostics, elbo, n_edges in others]
    finished.append(FinishedRestart(-1.0, 10, DOUBTFUL if others[0][0] is WORSE else FINE))
    count = len(finished)
    model = Restarts(count, 0.01, finished, run(np.eye(N))).conclude()
    assert f"restart {count} of {count} kept: {reason}" in model.history.notes


def test_a_failed_restart_is_a_note_and_the_only_success_is_kept() -> None:
    restarts = Restarts(2, 0.01, [FinishedRestart(-1.0, 10)], run(np.eye(N), None))
    restarts.add_failure(TrainingError("the loss is nan at step 3"))
    assert restarts.conclude().history.notes == [
        "restart 1 of 2: held-out negative ELBO -1, 10 edges, not examined",
        "restart 2 of 2: failed: the loss is nan at step 3",
        "restart 1 of 2 kept: the others failed",
    ]


def test_if_all_restarts_fail_so_does_the_run() -> None:
    restarts = Restarts(2, 0.01)
    restarts.add_failure(TrainingError("the loss is nan at step 3"))
    restarts.add_failure(TrainingError("the loss is inf at step 4"))
    with pytest.raises(
        TrainingError, match=r"all 2 restarts failed; the first of them: the loss is nan at step 3"
    ):
        restarts.conclude()


def test_a_model_with_numbers_that_are_not_finite_has_failed(
    held_out: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise DataError("the negative ELBO is nan")

    monkeypatch.setattr(TrainedModel, "negative_elbo", fail)
    restarts = Restarts(2, 0.01)
    restarts.add(run(np.eye(N)), held_out, training_seed())
    assert restarts.best is None
    assert restarts.kept is None
    assert restarts.finished[0].summary == "failed: the negative ELBO is nan"


# the model that is kept


def test_the_better_model_is_kept_with_notes_on_both(
    held_out: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = run(np.eye(N), DOUBTFUL), run(np.eye(N), SKEWED)
    first.history.notes.append("start 1 of 3 kept")
    second.history.notes.append("start 2 of 3 kept")
    kept = concluded([(first, -1.05), (second, -1.0)], held_out, monkeypatch)
    assert kept.model is second.model
    assert kept.diagnostics == SKEWED
    assert kept.history.notes == [
        "start 2 of 3 kept",
        "restart 1 of 2: held-out negative ELBO -1.05, 4 edges, the basis is close, warnings: basis",
        "restart 2 of 2: held-out negative ELBO -1, 4 edges, the basis is clear, warnings: residuals",
        "restart 2 of 2 kept: it has the fewest serious warnings",
    ]
    assert second.history.notes == ["start 2 of 3 kept"]


# agreement


def test_latents_agree_up_to_order_sign_and_what_the_graph_leaves_open(
    held_out: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another order, signs and scales, and a rotation of the two latents that share their action."""
    other = np.diag([1.0, -2.0, 3.0, 1.0]) @ rotated(0, 1)[[3, 0, 2, 1]]
    kept = concluded([(run(np.eye(N)), -2.0), (run(other), -1.95)], held_out, monkeypatch)
    assert kept.warnings == ()
    assert kept.diagnostics is not None
    assert kept.diagnostics.values["smallest correlation with another restart"] > 0.99
    assert kept.diagnostics.values["smallest influence"] == 0.5
    assert kept.history.notes[-1].startswith("restart 2 ends in the same latents as restart 1: the smallest ")


def test_other_latents_without_serious_warnings_are_warned_of(
    held_out: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    models = [(run(rotated(2, 3), SKEWED), -1.95), (run(np.eye(N)), -2.0), (run(np.eye(N)), -1.5)]
    kept = concluded(models, held_out, monkeypatch)
    assert kept.model is models[1][0].model
    (warning,) = kept.warnings
    assert (warning.kind, warning.latents) == ("disagreeing restarts", ("v2", "v3"))
    assert warning.text.startswith(
        "restart 2 is kept, and 1 other restart without serious warnings fits about as well with other latents: "
        "restart 1 in v2 (0."
    )
    assert kept.history.notes[-2].startswith("restart 1 ends in other latents than restart 2: ")
    assert kept.history.notes[-1].startswith("restart 3 ends in the same latents as restart 2: ")
    assert kept.diagnostics is not None
    assert 0.7 < kept.diagnostics.values["smallest correlation with another restart"] < 0.9
    assert Diagnostics.from_dict(kept.diagnostics.to_dict()) == kept.diagnostics


def test_other_latents_of_a_restart_that_fits_worse_are_a_note_only(
    held_out: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    models = [(run(rotated(2, 3)), -1.8), (run(np.eye(N)), -2.0)]
    kept = concluded(models, held_out, monkeypatch)
    assert kept.diagnostics == FINE
    note = kept.history.notes[-1]
    assert note.startswith("restart 1 ends in other latents than restart 2: the smallest correlation is 0.")
    assert note.endswith(", and it fits worse by 0.2 nats per observed dimension")


@pytest.mark.parametrize("diagnostics", [DOUBTFUL, None])
def test_restarts_with_serious_warnings_are_not_compared(
    diagnostics: Diagnostics | None, held_out: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    models = [(run(np.eye(N)), -1.0), (run(rotated(2, 3), diagnostics), -1.05)]
    assert concluded(models, held_out, monkeypatch).diagnostics == FINE
    models = [(run(np.eye(N), diagnostics), -1.0), (run(rotated(2, 3), diagnostics), -1.05)]
    assert concluded(models, held_out, monkeypatch).diagnostics == diagnostics


def test_a_likelier_restart_with_serious_warnings_can_contradict_the_one_that_is_kept(
    held_out: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    models = [(run(rotated(2, 3), DOUBTFUL), -1.6), (run(np.eye(N)), -1.0), (run(rotated(1, 2)), -0.95)]
    kept = concluded(models, held_out, monkeypatch)
    assert kept.model is models[1][0].model
    (warning,) = kept.warnings
    assert (warning.kind, warning.latents) == ("disagreeing restarts", ("v2", "v3", "v1"))
    assert "fits about as well with other latents: restart 3 in v1 (0." in warning.text
    assert (
        ", and a likelier one, by 0.6 nats per observed dimension, has other latents: restart 1 in v2 (0."
        in warning.text
    )
    assert kept.history.notes[-2].endswith(", and it fits better by 0.6 nats per observed dimension")
    # with the same latents it is evidence for the one that is kept
    kept = concluded([(run(np.eye(N), DOUBTFUL), -1.6), models[1]], held_out, monkeypatch)
    assert kept.model is models[1][0].model
    assert kept.warnings == ()
    assert kept.history.notes[-1].startswith("restart 1 ends in the same latents as restart 2: ")


def test_collapsed_latents_are_not_compared(held_out: Dataset) -> None:
    collapsed = Diagnostics(CLEAR, (RunWarning("collapsed latents", "v3 varies by less", ("v3",)),))
    model = run(np.eye(N), collapsed)
    latents = model.encode(held_out.observations[:, -1])
    other = latents.copy()
    other[:, 3] = np.random.default_rng(training_seed()).normal(size=len(other))
    values = agreement(model, latents, other)
    assert list(values) == ["v0", "v1", "v2"]
    assert min(values.values()) > 0.99


# states


def test_restarts_are_stored_and_restored(held_out: Dataset) -> None:
    model = run(np.eye(N), SKEWED)
    latents = model.encode(held_out.observations[:, -1])
    finished = [
        FinishedRestart(-1.0, 4, SKEWED, latents),
        FinishedRestart(-2.0, 4, SERIOUS),
        FinishedRestart.failed(TrainingError("the loss is nan")),
    ]
    tensors = {"model.x_mean": torch.zeros(3)}
    stored = StoredRestarts.of(Restarts(4, 0.01, finished, model))
    content = json.loads(json.dumps(stored.to_dict(tensors)))
    check(content, RESTARTS)
    restored = StoredRestarts.from_dict(content, tensors)
    for ours, theirs in zip(finished, restored.finished, strict=True):
        assert (ours.rank(0.01), ours.summary) == (theirs.rank(0.01), theirs.summary)
        assert ours.diagnostics == theirs.diagnostics
    assert restored.finished[0].latents is not None
    np.testing.assert_array_equal(restored.finished[0].latents, latents)
    assert restored.finished[1].latents is None
    assert restored.history == model.history
    assert restored.tensors.keys() == model.model.state_dict().keys()
    restored.require_consistent(4, 0, 400, N)


@pytest.mark.parametrize(
    ("count", "best", "shape", "message"),
    [
        (2, 0, (400, N), r"2 restarts are finished, and the run has 2"),
        (3, None, (400, N), r"the history is not that of the best restart"),
        (3, 0, (400, 3), r"the encodings of restart 1 have shape \(400, 4\), not \(400, 3\)"),
        (3, 0, (300, N), r"the encodings of restart 1 have shape \(400, 4\), not \(300, 4\)"),
    ],
)
def test_inconsistent_restarts_are_refused(
    count: int, best: int | None, shape: tuple[int, int], message: str, held_out: Dataset
) -> None:
    model = run(np.eye(N))
    latents = model.encode(held_out.observations[:, -1])
    finished = (FinishedRestart(-1.0, 4, FINE, latents), FinishedRestart(-1.0, 4, SERIOUS))
    stored = StoredRestarts(finished, model.history, {})
    with pytest.raises(CheckpointError, match=message):
        stored.require_consistent(count, best, *shape)
    doubtful = replace(stored, finished=(finished[0], FinishedRestart(-1.0, 4, SERIOUS, latents)))
    with pytest.raises(
        CheckpointError, match=r"encodings of restart 1 have shape \(400, 4\), not \(400, 5\)"
    ):
        doubtful.require_consistent(3, 0, 400, N + 1)
    doubtful.require_consistent(3, 0, 400, N)
    # as earlier versions stored it
    stored.require_consistent(3, 0, 400, N)
    missing = StoredRestarts((replace(finished[0], latents=None),), model.history, {})
    with pytest.raises(CheckpointError, match=r"encodings of restart 1 have shape None, not \(400, 4\)"):
        missing.require_consistent(2, 0, 400, N)


def test_restarts_whose_settings_do_not_overlap_are_compared() -> None:
    assert FinishedRestart(-1.0, 4, APART).is_without_doubts
    assert not FinishedRestart(-1.0, 4, UNSUPPORTED).is_without_doubts
    assert not FinishedRestart(-1.0, 4, SERIOUS).is_without_doubts
