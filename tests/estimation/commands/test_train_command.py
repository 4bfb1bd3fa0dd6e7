"""``mechsparse train``: the model, precedence of settings, and interrupted runs."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar, Self

import numpy as np
import pytest

from estimation.checkpoint import load
from estimation.commands import main
from estimation.config import TrainingConfig
from estimation.dataset import Dataset
from estimation.evaluation import evaluate
from estimation.models.convolutional import ConvEncoder
from estimation.models.networks import WithLinearOutput
from estimation.simulate import published, simulate
from estimation.trained import TrainedModel
from estimation.training import loop
from identify.formats import read_graph
from identify.graph import CausalGraph
from tests.estimation.command_line import TINY, Captured, error_of, json_of, output_of, write_table
from tests.seeds import training_seed

# train ----------------------------------------------------------------------------------------------


def test_train_writes_a_model_and_its_graph(trained_models: Path) -> None:
    model = load(trained_models / "a")
    assert read_graph(trained_models / "a" / "graph.json") == model.graph
    assert read_graph(trained_models / "a" / "graph.json").same_names(model.graph)
    assert model.config == TrainingConfig(
        max_edges_actions=3, steps=60, seed=training_seed(1), width=16, transition_width=8, depth=1, batch_size=128,
        unmixing=False, flow_blocks=1, validate_every=20,
    )  # fmt: skip
    assert not (trained_models / "a" / "state").exists()


@pytest.mark.usefixtures("working_directory")
def test_a_refused_training_leaves_no_folder(capsys: Captured) -> None:
    # the data are refused after the folder of the model could have been made
    words = ("train", "train.npz", "-o", "runs/model", *TINY, "--set", "likelihood=poisson")
    assert "needs counts" in error_of(capsys, *words)
    assert not Path("runs").exists()


@pytest.mark.usefixtures("working_directory")
def test_train_as_a_table(capsys: Captured) -> None:
    out = output_of(capsys, "train", "train.npz", "-o", "model", *TINY)
    rows = (
        "edges of G^a",
        "3 (budget 3)",
        "negative ELBO",
        "60 steps",
        "MCC on the training data",
        "R_con",
        "SHD",
    )
    assert [part for part in rows if part not in out] == []


@pytest.mark.usefixtures("working_directory")
def test_train_as_json_agrees_with_the_model_and_its_evaluation(capsys: Captured) -> None:
    record = json_of(capsys, "train", "train.npz", "-o", "model", *TINY, "--validation", "test.npz")
    model, data = load("model"), Dataset.read("test.npz")
    last = model.history.records[-1]
    assert record["evaluation"] == evaluate(model, data).to_dict()
    assert (record["data"], record["model"]) == ("identical-twins", "model")
    assert (record["evaluated_on"], record["steps"]) == ("the validation data", 60)
    assert record["negative_elbo"]["total"] == pytest.approx(last.negative_elbo)
    assert record["edges"] == {"actions": 3}
    assert [tuple(edge) for edge in record["graph"]["edges"]] == model.graph.edges()
    assert TrainingConfig.from_dict(record["config"]) == model.config


@pytest.mark.usefixtures("working_directory")
def test_settings_come_from_the_file_then_from_set_then_from_options(capsys: Captured) -> None:
    Path("config.toml").write_text(f'steps = 9\nseed = {training_seed(5)}\nwidth = 8\noptimizer = "adam"\n')
    words = [
        "train",
        "train.npz",
        "-o",
        "model",
        *TINY,
        "--config",
        "config.toml",
        "--set",
        f"seed={training_seed(6)}",
        "--steps",
        3,
    ]
    config = json_of(capsys, *words)["config"]
    names = ("steps", "seed", "width", "optimizer")
    assert [config[name] for name in names] == [3, training_seed(6), 16, "adam"]
    config = json_of(capsys, *words, "--seed", training_seed(7))["config"]
    assert config["seed"] == training_seed(7)


@pytest.mark.usefixtures("working_directory")
def test_train_on_a_published_process(capsys: Captured) -> None:
    words = ["train", "actiondiag", "-n", 200, "-o", "model", *TINY, "--validation", "ActionDiag"]
    record = json_of(capsys, *words, "--max-edges-actions", "10", "--steps", "5")
    assert record["evaluation"] == evaluate(load("model"), published("ActionDiag", 200, "valid")).to_dict()


@pytest.mark.usefixtures("working_directory")
def test_train_on_a_table(capsys: Captured) -> None:
    write_table("cells.csv")
    columns = ["--observations", "gene*", "--actions", "dose", "--categorical", "drug"]
    words = ["train", "cells.csv", "-o", "model", *columns, *TINY, "--set", "n_latents=2"]
    record = json_of(capsys, *words)
    assert record["graph"]["actions"] == ["dose", "drug=A", "drug=B", "drug=none"]
    assert record["evaluation"] is None
    out = output_of(capsys, *words)
    assert "negative ELBO" in out
    assert "MCC" not in out


@pytest.mark.usefixtures("working_directory")
def test_train_on_sequences_of_a_table(capsys: Captured) -> None:
    generator = np.random.default_rng(training_seed())
    rows = [f"{k % 30},{k // 30},{generator.normal():.4f},{generator.normal():.4f}" for k in range(150)]
    Path("series.csv").write_text("\n".join(["animal,second,x0,x1", *rows]) + "\n")
    words = ["--episode", "animal", "--time", "second", "--set", "n_latents=2", "--max-edges-past", "2"]
    tiny = [word for word in TINY if word not in ("--max-edges-actions", "3")]
    record = json_of(capsys, "train", "series.csv", "-o", "model", *words, *tiny)
    assert record["edges"] == {"past": 2}


@pytest.mark.usefixtures("working_directory")
def test_tensorboard_gets_the_history(capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("tensorboard")
    board = pytest.importorskip("torch.utils.tensorboard")
    written: list[tuple[str, float, int]] = []
    monkeypatch.setattr(
        board.SummaryWriter,
        "add_scalar",
        lambda _self, name, value, step: written.append((name, value, step)),
    )
    output_of(capsys, "train", "train.npz", "-o", "model", *TINY, "--tensorboard", "board")
    assert list(Path("board").glob("events.*"))
    records = load("model").history.records
    assert [(value, step) for name, value, step in written if name == "edges/actions"] == [
        (record.edges["actions"], record.step) for record in records
    ]
    # the history of the previous run is removed, and files of the user stay
    Path("board/notes.txt").write_text("mine")
    first = set(Path("board").glob("events.*"))
    output_of(capsys, "train", "train.npz", "-o", "model", *TINY, "--tensorboard", "board")
    assert len(first) == len(list(Path("board").glob("events.*"))) == 1
    assert Path("board/notes.txt").exists()
    assert {name for name, *_ in written} == {
        "loss",
        "negative_elbo/total",
        "negative_elbo/reconstruction",
        "negative_elbo/divergence",
        "edges/actions",
        "budget/actions",
    }


class FakeWriter:
    """A writer for TensorBoard, which may not be installed, that keeps the names of what it is given."""

    names: ClassVar[list[str]] = []

    def __init__(self, folder: str) -> None:
        self.names.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def add_scalar(self, name: str, value: float, step: int) -> None:
        self.names.append(name)


@pytest.mark.usefixtures("working_directory")
def test_restarts_are_a_setting_and_have_curves_of_their_own(
    capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", SimpleNamespace(SummaryWriter=FakeWriter))
    words = ["train", "train.npz", "-o", "model", *TINY, "--set", "restarts=2"]
    record = json_of(capsys, *words, "--tensorboard", "board")
    starts = [note[:13] for note in record["notes"] if note.startswith("restart ")]
    assert starts[:2] == ["restart 1 of ", "restart 2 of "]
    assert record["config"]["restarts"] == 2
    half = FakeWriter.names[: len(FakeWriter.names) // 2]
    assert FakeWriter.names == [*half, *(f"restart_2/{name}" for name in half)]
    error = error_of(capsys, *words[:-1], "restarts=0")
    assert "restarts is 0; it must be from 1 to 100" in error


@pytest.mark.usefixtures("working_directory")
def test_a_folder_keeps_nothing_of_another_model(capsys: Captured) -> None:
    seed = ["--seed", str(training_seed())]
    Path("model").mkdir()
    output_of(capsys, "train", "train.npz", "-o", "model", *TINY, "--report", "model/report.html")
    Path("model/notes.txt").write_text("mine")
    assert {"graph.json", "report.html"} <= {path.name for path in Path("model").iterdir()}
    output_of(capsys, "train", "train.npz", "-o", "model", "--method", "ivae", "--steps", "2", *seed)
    tensors = tensor_file_name(Path("model"))
    assert {path.name for path in Path("model").iterdir()} == {"manifest.json", "notes.txt", tensors}
    assert load("model").method == "ivae"


def tensor_file_name(folder: Path) -> str:
    """The name of the tensor file."""
    name: str = json.loads((folder / "manifest.json").read_text())["tensors"]
    return name


@pytest.mark.usefixtures("interrupted")
def test_a_run_is_not_resumed_with_other_data(capsys: Captured) -> None:
    words = ["-o", "model", *TINY, "--resume"]
    message = error_of(capsys, "train", "test.npz", *words)
    assert (
        "holds a run on other training data; give the data that it began with, or another folder" in message
    )
    message = error_of(capsys, "train", "train.npz", *words, "--validation", "test.npz")
    assert "holds a run on other validation data" in message
    output_of(capsys, "train", "train.npz", *words)


# interrupted runs -----------------------------------------------------------------------------------


@pytest.fixture
def interrupted(working_directory: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a run that was stopped at step 40, with a state of step 40."""
    fit = loop.fit

    def stopped(*args: Any, **options: Any) -> TrainedModel:
        def stop(record: Any) -> None:
            if record.step == 60:
                raise KeyboardInterrupt

        return fit(*args, **{**options, "checkpoint_every": 20, "on_record": stop})

    monkeypatch.setattr(loop, "fit", stopped)
    assert main(["train", "train.npz", "-o", "model", *TINY]) == 130
    monkeypatch.setattr(loop, "fit", fit)
    assert not Path("model", "manifest.json").exists()
    return working_directory


def same_numbers(first: str, second: str) -> bool:
    ours, theirs = load(first).model.state_dict(), load(second).model.state_dict()
    return all(np.array_equal(ours[name].numpy(), theirs[name].numpy()) for name in ours)


@pytest.mark.usefixtures("interrupted")
def test_a_resumed_run_ends_where_an_undisturbed_one_does(
    capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[int] = []
    step = loop.Run._take_step  # type: ignore[attr-defined]
    monkeypatch.setattr(loop.Run, "_take_step", lambda run: steps.append(run.step) or step(run))  # type: ignore[attr-defined]
    output_of(capsys, "train", "train.npz", "-o", "model", *TINY, "--resume")
    assert steps == list(range(40, 60))
    output_of(capsys, "train", "train.npz", "-o", "whole", *TINY)
    assert same_numbers("model", "whole")
    assert not Path("model/state").exists()


@pytest.mark.usefixtures("interrupted")
def test_an_unfinished_run_needs_resume_or_restart(capsys: Captured) -> None:
    error = error_of(capsys, "train", "train.npz", "-o", "model", *TINY)
    assert "model/state: holds an unfinished run; give --resume to continue it, or --restart" in error
    error = error_of(
        capsys, "train", "train.npz", "-o", "model", *TINY, "--seed", training_seed(9), "--resume"
    )
    assert "other settings (seed)" in error
    assert Path("model/state/manifest.json").exists()
    assert (
        json_of(capsys, "train", "train.npz", "-o", "model", *TINY, "--seed", training_seed(9), "--restart")[
            "steps"
        ]
        == 60
    )


@pytest.mark.usefixtures("working_directory")
def test_files_of_the_user_in_the_state_folder_stay(capsys: Captured) -> None:
    Path("model/state").mkdir(parents=True)
    Path("model/state/notes.txt").write_text("mine")
    output_of(capsys, "train", "train.npz", "-o", "model", *TINY, "--restart")
    assert [path.name for path in Path("model/state").iterdir()] == ["notes.txt"]


# images ---------------------------------------------------------------------------------------------

_SHORT = ["--steps", "4", "--set", "batch_size=8", "--set", "transition_width=4", "--max-edges-past", "2"]
_SHORT += ["--seed", str(training_seed())]


@pytest.mark.usefixtures("working_directory")
def test_train_with_convolutional_networks(capsys: Captured) -> None:
    graph = CausalGraph(Gz=np.eye(2))
    simulate(graph, 20, decoder="balls", seed=training_seed()).write("balls.npz")
    output_of(
        capsys, "train", "balls.npz", "-o", "seen", "--convolutional", *_SHORT, "--checkpoint-every", "2"
    )
    seen = load("seen")
    network = seen.model.encoder
    assert isinstance(network, WithLinearOutput)
    assert isinstance(network.network, ConvEncoder)
    assert seen.encode(Dataset.read("balls.npz").observations).shape[-1] == seen.model.shape.n_latents


@pytest.mark.usefixtures("working_directory")
def test_convolutional_networks_require_images(capsys: Captured) -> None:
    complaint = error_of(capsys, "train", "train.npz", "-o", "model", *TINY, "--convolutional")
    assert "--convolutional is for images, and these data have none; leave it out" in complaint
    assert not Path("model").exists()
