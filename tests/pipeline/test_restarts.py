"""Runs with restarts: the same numbers as single runs, the best is kept, and a stopped run resumes exactly."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from estimation.checkpoint import load
from estimation.config import TrainingConfig
from estimation.dataset import Dataset
from estimation.diagnostics import Diagnostics, Margin, RunWarning
from estimation.exceptions import CheckpointError, TrainingError
from estimation.history import Record
from estimation.simulate import simulate
from estimation.trained import TrainedModel
from estimation.training import fit
from estimation.training.restarts import restart_seed
from estimation.training.sparse_vae_procedure import SparseVAEProcedure
from identify.graph import CausalGraph
from tests.seeds import training_seed

TINY: dict[str, Any] = {
    "width": 16, "depth": 2, "transition_width": 8, "batch_size": 64, "validate_every": 10, "flow_blocks": 0,
    "steps": 40, "warmup": 5, "unmixing": False, "max_edges_actions": 5,
}  # fmt: skip
WITH_A_FLOW = {"unmixing": True, "rounds": 1, "flow_blocks": 1}
BAND = CausalGraph(Ga=[[1, 0, 0], [1, 1, 0], [0, 1, 1]])
CLEAR = Diagnostics(Margin(0.5, None, ("v0",), 65, 60))
CLOSE = Diagnostics(CLEAR.margin, (RunWarning("basis", "two bases are nearly as good"),))


def tiny(**changes: Any) -> TrainingConfig:
    return TrainingConfig(seed=training_seed(), **(TINY | changes))


@pytest.fixture(scope="module")
def data() -> Dataset:
    return simulate(BAND, 600, seed=training_seed(1))


@pytest.fixture(scope="module")
def single(data: Dataset) -> TrainedModel:
    return fit(data, tiny())


@pytest.fixture(scope="module")
def undisturbed(data: Dataset) -> TrainedModel:
    return fit(data, tiny(restarts=3))


def numbers(model: TrainedModel) -> list[float]:
    return [value for r in model.history.records for value in (r.loss, r.reconstruction, r.divergence)]


def assert_same(first: TrainedModel, second: TrainedModel) -> None:
    assert numbers(first) == numbers(second)
    assert first.history.notes == second.history.notes
    assert first.diagnostics == second.diagnostics
    for a, b in zip(first.model.state_dict().values(), second.model.state_dict().values(), strict=True):
        assert torch.equal(a, b)


def with_diagnostics(monkeypatch: pytest.MonkeyPatch, *diagnostics: Diagnostics | None) -> None:
    """Let the restarts have these diagnostics, in turn."""
    each = itertools.cycle(diagnostics)
    monkeypatch.setattr(SparseVAEProcedure, "diagnose", lambda *_: (next(each), []))


class StoppedError(Exception):
    pass


# which one is kept


def test_the_first_restart_has_the_numbers_of_a_single_run(
    data: Dataset, single: TrainedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_diagnostics(monkeypatch, CLEAR, CLOSE)
    records: list[Record] = []
    model = fit(data, tiny(restarts=2), on_record=records.append)
    assert model.config == tiny(restarts=2)
    assert numbers(model) == numbers(single)
    assert model.history.notes[: len(single.history.notes)] == single.history.notes
    np.testing.assert_array_equal(model.encode(data.observations), single.encode(data.observations))
    assert [(record.restart, record.step) for record in records] == [
        (restart, step) for restart in (0, 1) for step in (10, 20, 30, 40)
    ]
    # the records of the second restart are its own
    assert records[4].loss != records[0].loss


def test_a_restart_with_fewer_serious_warnings_is_kept(
    data: Dataset, single: TrainedModel, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with_diagnostics(monkeypatch, CLOSE, CLEAR)
    model = fit(data, tiny(restarts=2))
    assert {record.restart for record in model.history.records} == {1}
    assert numbers(model) != numbers(single)
    assert model.diagnostics == CLEAR
    assert model.history.notes[-1] == "restart 2 of 2 kept: it has the fewest serious warnings"
    model.save(tmp_path)
    loaded = load(tmp_path)
    assert loaded.history == model.history
    assert loaded.config.to_dict()["restarts"] == 2


def test_without_diagnostics_the_held_out_elbo_decides(data: Dataset, undisturbed: TrainedModel) -> None:
    notes = undisturbed.history.notes[-4:]
    elbo = [float(note.split("negative ELBO ")[1].split(",")[0]) for note in notes[:3]]
    kept = undisturbed.history.records[-1].restart
    assert elbo[kept] == min(elbo)
    assert notes[3] == f"restart {kept + 1} of 3 kept: it has the lowest held-out negative ELBO"
    assert undisturbed.diagnostics is None


def test_a_restart_is_the_run_with_its_seed_on_the_same_rows(
    data: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_diagnostics(monkeypatch, CLOSE, CLEAR)
    held_out = simulate(BAND, 100, seed=training_seed(1), split="valid")
    model = fit(data, tiny(restarts=2), validation=held_out)
    alone = fit(data, tiny().replace(seed=restart_seed(training_seed(), 1)), validation=held_out)
    assert numbers(model) == numbers(alone)


def test_runs_that_are_examined_are_compared(data: Dataset) -> None:
    """Two whole restarts, examined and compared; which is kept follows from their own warnings and ELBOs."""
    model = fit(simulate(BAND, 2_000, seed=training_seed(1)), tiny(restarts=2, steps=300, starts=1))
    assert model.diagnostics is not None
    assert sum(note.startswith("restart ") for note in model.history.notes) in (3, 4)
    if "smallest correlation with another restart" in model.diagnostics.values:
        assert " ends in " in model.history.notes[-1]
    assert Diagnostics.from_dict(model.diagnostics.to_dict()) == model.diagnostics


# only after doubts


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> TrainingConfig:
    """Settings with which short runs are followed by restarts if they are doubtful."""
    monkeypatch.setattr("estimation.training.restarts._MIN_STEPS", 40)
    return tiny(restarts="auto", unmixing=True, rounds=1)


def test_by_default_a_run_without_doubts_is_a_single_run(
    data: Dataset, short: TrainingConfig, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert TrainingConfig().restarts == "auto"
    assert tiny(preset="published").restarts == 1
    with_diagnostics(monkeypatch, CLEAR)
    model = fit(data, short, checkpoint=tmp_path, checkpoint_every=15)
    assert_same(model, fit(data, short.replace(restarts=1)))
    # settings that do not overlap are those of every run
    apart = Diagnostics(CLEAR.margin, (RunWarning("overlap", "the settings are far apart"),))
    with_diagnostics(monkeypatch, apart, CLEAR)
    assert fit(data, short).diagnostics == apart
    with_diagnostics(monkeypatch, None, CLEAR)
    assert fit(data, short).diagnostics is None


@pytest.mark.parametrize("diagnostics", [(CLOSE, CLEAR, CLEAR), (CLOSE, CLEAR, CLOSE), (CLOSE, CLOSE, CLOSE)])
def test_a_doubtful_run_is_followed_by_others(
    data: Dataset,
    short: TrainingConfig,
    diagnostics: tuple[Diagnostics, ...],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    trained: list[int | None] = []
    with_diagnostics(monkeypatch, *diagnostics)
    model = fit(data, short, on_record=lambda record: trained.append(record.restart), progress=True)
    assert sorted(set(trained)) == [0, 1, 2]
    with_diagnostics(monkeypatch, *diagnostics)
    assert_same(model, fit(data, short.replace(restarts=3)))
    assert "restart 3 of 3: held-out negative ELBO" in "\n".join(model.history.notes)
    assert "restart 2 of 3, since the first run is doubtful: " in capsys.readouterr().err


def test_short_runs_and_those_with_own_networks_are_not_repeated(
    data: Dataset, short: TrainingConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_diagnostics(monkeypatch, CLOSE, CLEAR)
    encoder, records = nn.Linear(6, 3), list[Record]()
    model = fit(data, short, encoder=encoder, on_record=records.append)
    assert model.model.encoder.network is encoder
    fit(data, short.replace(unmixing=False), on_record=records.append)
    fit(data, short.replace(steps=39), on_record=records.append)
    assert {record.restart for record in records} == {0}


def test_a_first_run_that_fails_is_not_repeated(
    data: Dataset, short: TrainingConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = SparseVAEProcedure.record

    def fail(procedure: SparseVAEProcedure, step: int, *arguments: Any) -> Record:
        if (procedure.config.seed == training_seed()) == is_first and step == 20:
            raise TrainingError("the loss is nan at step 20")
        return record(procedure, step, *arguments)

    is_first = True
    monkeypatch.setattr(SparseVAEProcedure, "record", fail)
    with pytest.raises(TrainingError, match=r"^the loss is nan at step 20$"):
        fit(data, short)
    is_first = False
    with_diagnostics(monkeypatch, CLOSE)
    model = fit(data, short)
    assert model.history.notes[-3:] == [
        "restart 2 of 3: failed: the loss is nan at step 20",
        "restart 3 of 3: failed: the loss is nan at step 20",
        "restart 1 of 3 kept: the others failed",
    ]


@pytest.mark.parametrize("stop", [(0, 20), (1, 10), (1, 30)])
def test_a_stopped_run_with_doubts_resumes_with_the_same_numbers(
    data: Dataset,
    short: TrainingConfig,
    stop: tuple[int, int],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with_diagnostics(monkeypatch, CLOSE, CLEAR, CLOSE)
    whole = fit(data, short)

    def interrupt(record: Record) -> None:
        if (record.restart, record.step) == stop:
            raise StoppedError

    with_diagnostics(monkeypatch, CLOSE, CLEAR, CLOSE)
    with pytest.raises(StoppedError):
        fit(data, short, checkpoint=tmp_path, checkpoint_every=15, on_record=interrupt)
    with_diagnostics(monkeypatch, *([CLEAR, CLOSE] if stop[0] else [CLOSE, CLEAR, CLOSE]))
    assert_same(fit(data, short, checkpoint=tmp_path), whole)


# failures


def test_a_restart_that_fails_leaves_the_others(
    data: Dataset, single: TrainedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = SparseVAEProcedure.record

    def fail(procedure: SparseVAEProcedure, step: int, *arguments: Any) -> Record:
        if procedure.config.seed == restart_seed(training_seed(), 1) and step == 20:
            raise TrainingError("the loss is nan at step 20")
        return record(procedure, step, *arguments)

    monkeypatch.setattr(SparseVAEProcedure, "record", fail)
    model = fit(data, tiny(restarts=2))
    assert numbers(model) == numbers(single)
    assert model.history.notes[-2:] == [
        "restart 2 of 2: failed: the loss is nan at step 20",
        "restart 1 of 2 kept: the others failed",
    ]
    with pytest.raises(
        TrainingError, match=r"all 2 restarts failed; .*: the loss is \w+ at step \d+ \(dense\)"
    ):
        fit(data, tiny(restarts=2, learning_rate=10, optimizer="adam", warmup=0), decoder=Exploding())


class Exploding(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(3, 6)

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        outputs: torch.Tensor = self.linear(z).sqrt()
        return outputs


# networks of the user


def test_restarts_train_copies_of_networks_that_are_supplied(data: Dataset) -> None:
    encoder, decoder = nn.Linear(6, 3), nn.Linear(3, 6)
    before = [weight.detach().clone() for weight in (encoder.weight, decoder.weight)]
    model = fit(data, tiny(restarts=2, steps=12), encoder=encoder, decoder=decoder)
    assert torch.equal(encoder.weight, before[0])
    assert torch.equal(decoder.weight, before[1])
    assert not torch.equal(model.model.encoder.network.weight, before[0])
    again = fit(data, tiny(restarts=2, steps=12), encoder=encoder, decoder=decoder)
    assert numbers(again) == numbers(model)


# states


@pytest.mark.parametrize("stop", [(0, 20), (1, 10), (1, 40), (2, 30)])
def test_a_stopped_run_resumes_with_the_same_numbers(
    data: Dataset, undisturbed: TrainedModel, stop: tuple[int, int], tmp_path: Path
) -> None:
    def interrupt(record: Record) -> None:
        if (record.restart, record.step) == stop:
            raise StoppedError

    with pytest.raises(StoppedError):
        fit(data, tiny(restarts=3), checkpoint=tmp_path, checkpoint_every=15, on_record=interrupt)
    trained: list[tuple[int, int]] = []
    resumed = fit(
        data,
        tiny(restarts=3),
        checkpoint=tmp_path,
        checkpoint_every=15,
        on_record=lambda record: trained.append((record.restart, record.step)),
    )
    # finished restarts are not trained again, and the current one continues from its last state
    assert trained[0] == (stop[0], max(10, (stop[1] - 1) // 15 * 15 // 10 * 10 + 10))
    assert_same(resumed, undisturbed)


@pytest.mark.parametrize(("kept", "settings"), [(0, {}), (1, WITH_A_FLOW), (2, {})])
def test_the_best_restart_survives_an_interruption(
    data: Dataset, kept: int, settings: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The diagnostics decide, so that each of the restarts is the best one once; the last one is interrupted."""
    diagnostics = [CLEAR if number == kept else CLOSE for number in range(3)]
    with_diagnostics(monkeypatch, *diagnostics)
    whole = fit(data, tiny(restarts=3, **settings))
    assert {record.restart for record in whole.history.records} == {kept}

    def interrupt(record: Record) -> None:
        if (record.restart, record.step) == (2, 20):
            raise StoppedError

    with_diagnostics(monkeypatch, *diagnostics)
    with pytest.raises(StoppedError):
        fit(data, tiny(restarts=3, **settings), checkpoint=tmp_path, checkpoint_every=15, on_record=interrupt)
    with_diagnostics(monkeypatch, diagnostics[2])
    resumed = fit(data, tiny(restarts=3, **settings), checkpoint=tmp_path)
    assert_same(resumed, whole)
    np.testing.assert_array_equal(resumed.encode(data.observations), whole.encode(data.observations))


@pytest.fixture(scope="module")
def state(data: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The state of a run in its second restart."""
    folder = tmp_path_factory.mktemp("state")
    fit(data, tiny(restarts=2, steps=4), checkpoint=folder, checkpoint_every=4)
    return folder


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("restarts", None, r"content.restarts is None; it must be an object"),
        ("finished", [], "the history is not that of the best restart"),
        ("finished", 3, "content.restarts.finished is 3; it must be a list"),
        ("history", None, "the history is not that of the best restart"),
        ("n_edges", -1, r"content.restarts.finished\[0\].n_edges is -1; it must be a whole number from 0"),
        ("failure", 3, r"content.restarts.finished\[0\].failure is 3; it must be a printable text"),
        ("diagnostics", 3, r"content.restarts.finished\[0\].diagnostics is 3; it must be an object"),
        ("missing", None, "its restarts are missing"),
    ],
)
def test_damaged_restarts_are_refused(
    state: Path, data: Dataset, key: str, value: Any, message: str, tmp_path: Path
) -> None:
    manifest = json.loads((state / "manifest.json").read_text(encoding="utf-8"))
    content = manifest["content"]
    if key == "missing":
        del content["restarts"]
    elif key in content["restarts"]:
        content["restarts"][key] = value
    elif key == "restarts":
        content[key] = value
    else:
        content["restarts"]["finished"][0][key] = value
    (tmp_path / manifest["tensors"]).write_bytes((state / manifest["tensors"]).read_bytes())
    (tmp_path / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    with pytest.raises(CheckpointError, match=message):
        fit(data, tiny(restarts=2, steps=4), checkpoint=tmp_path)


def test_a_state_of_a_single_run_is_not_one_of_restarts(data: Dataset, tmp_path: Path) -> None:
    config = tiny(steps=4)
    fit(data, config, checkpoint=tmp_path, checkpoint_every=4)
    manifest = json.loads((tmp_path / "manifest.json").read_text(encoding="utf-8"))
    assert "restarts" not in manifest["content"]
    with pytest.raises(CheckpointError, match=r"a run with other settings \(restarts\)"):
        fit(data, config.replace(restarts=2), checkpoint=tmp_path)


def test_progress_shows_the_restart(data: Dataset, capsys: pytest.CaptureFixture[str]) -> None:
    fit(data, tiny(restarts=2, steps=3), progress=True)
    assert "restart 2 of 2: run to be examined" in capsys.readouterr().err
