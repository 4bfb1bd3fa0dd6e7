"""The training commands: answers as text, JSON and pages, exit codes, one clear line for whatever goes wrong."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from estimation.checkpoint import load
from estimation.commands import main
from estimation.comparison import compare as hold_against
from estimation.config import TrainingConfig
from estimation.dataset import Dataset
from estimation.evaluation import evaluate
from estimation.exceptions import DataError
from estimation.learned import learned_entanglement
from estimation.simulate import published, simulate
from estimation.trained import TrainedModel
from estimation.training import loop
from identify.catalog import load as load_graph
from identify.criterion import check
from identify.entanglement import predict_entanglement
from identify.formats import read_graph, write_graph

Captured = pytest.CaptureFixture[str]

TINY = ["--steps", "60", "--max-edges-actions", "3"]
for _setting in (
    "width=16",
    "transition_width=8",
    "depth=1",
    "batch_size=128",
    "unmixing=false",
    "validate_every=20",
):
    TINY += ["--set", _setting]


def told(capsys: Captured, *words: object, code: int = 0) -> str:
    capsys.readouterr()
    assert main([str(word) for word in words]) == code
    out, err = capsys.readouterr()
    assert err == "" or code == 2
    return out


def told_json(capsys: Captured, *words: object, code: int = 0) -> Any:
    return json.loads(told(capsys, *words, "--json", code=code))


def refused(capsys: Captured, *words: object) -> str:
    capsys.readouterr()
    assert main([str(word) for word in words]) == 2
    out, err = capsys.readouterr()
    assert err.startswith("mechsparse: ")
    assert err.count("\n") == 1
    assert "Traceback" not in out + err
    return err


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Data of three latents, two of them twins, and two models of it, trained a little."""
    folder = tmp_path_factory.mktemp("room")
    graph = ["identical-twins", "--decoder", "polynomial"]
    assert main(["simulate", *graph, "-n", "2000", "-o", str(folder / "train.npz")]) == 0
    assert main(["simulate", *graph, "-n", "300", "--split", "test", "-o", str(folder / "test.npz")]) == 0
    for name, seed in (("a", "1"), ("b", "2")):
        words = ["train", str(folder / "train.npz"), "-o", str(folder / name), *TINY, "--seed", seed]
        assert main(words) == 0
    return folder


@pytest.fixture
def inside(room: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory of a test, with the data and models of the room in reach."""
    monkeypatch.chdir(tmp_path)
    for path in room.iterdir():
        Path(path.name).symlink_to(path)
    return tmp_path


def write_table(path: str, drugs: tuple[str, ...] = ("none", "A", "B"), rows: int = 300) -> None:
    """A table of two actions, one of them categorical, without any truth."""
    generator = np.random.default_rng(0)
    lines = ["gene1,gene2,gene3,dose,drug"]
    for k in range(rows):
        values = [f"{value:.4f}" for value in generator.normal(size=4)]
        lines.append(",".join([*values, drugs[k % len(drugs)]]))
    Path(path).write_text("\n".join(lines) + "\n")


# simulate -------------------------------------------------------------------------------------------


def test_simulate_writes_what_the_function_draws(capsys: Captured, tmp_path: Path) -> None:
    out = tmp_path / "data.npz"
    words = [
        "simulate",
        "actionnondiag",
        "-n",
        50,
        "--seed",
        3,
        "--noise",
        0.1,
        "--split",
        "valid",
        "-o",
        out,
    ]
    record = told_json(capsys, *words)
    direct = simulate("ActionNonDiag", 50, seed=3, split="valid", noise=0.1)
    assert np.array_equal(Dataset.read(out).observations, direct.observations)
    assert record == {
        "written": str(out),
        "name": "ActionNonDiag",
        "published": False,
        "seed": 3,
        "split": "valid",
        "n_samples": 50,
        "n_steps": 1,
        "n_observed": 20,
        "n_latents": 10,
        "n_actions": 10,
        "edges": {"actions": 20, "past": 0},
        "prediction": check(load_graph("ActionNonDiag")).headline,
    }


def test_simulate_published_is_number_for_number(capsys: Captured, tmp_path: Path) -> None:
    out = tmp_path / "data.npz"
    random = ["--density", 0.2, "--graph-seed", 11]
    record = told_json(capsys, "simulate", "TimeRandom", "--published", *random, "-n", 20, "-o", out)
    direct = published("TimeRandom", 20, density=0.2, graph_seed=11)
    assert np.array_equal(Dataset.read(out).observations, direct.observations)
    assert (record["published"], record["seed"], record["n_steps"]) == (True, None, 2)


def test_simulate_from_a_graph_of_ones_own(
    capsys: Captured, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_graph(load_graph("actions-and-past"), "mine.json")
    more = ["--length", 4, "--decoder", "polynomial", "--actions", "normal"]
    record = told_json(capsys, "simulate", "mine.json", "-n", 30, "-o", "data.npz", *more)
    assert (record["name"], record["n_steps"], record["seed"]) == ("mine.json", 4, 0)
    data = Dataset.read("data.npz")
    assert data.graph == load_graph("actions-and-past")
    assert data.actions is not None
    assert data.actions.shape == (30, 3, 2)


def test_a_graph_file_wins_over_a_published_process(
    capsys: Captured, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_graph(load_graph("identical-twins"), "TimeDiag", "json")
    record = told_json(capsys, "simulate", "TimeDiag", "--from", "json", "-n", 30, "-o", "data.npz")
    assert record["n_latents"] == 3


def test_simulate_tells_what_to_expect_and_how_to_go_on(capsys: Captured, tmp_path: Path) -> None:
    out = told(capsys, "simulate", "Lac Operon", "-n", 30, "-o", tmp_path / "data.npz")
    graph = load_graph("Lac Operon")
    assert "Dataset('Lac Operon', 30 samples, 2 steps, 20 observed, 3 actions, 10 latents)" in out
    assert f"Predicted: {check(graph).headline}" in out
    budgets = f"--max-edges-actions {graph.Ga.nnz} --max-edges-past {graph.Gz.nnz}"
    assert f"mechsparse train {tmp_path / 'data.npz'} -o model {budgets}\n" in out


# train ----------------------------------------------------------------------------------------------


def test_train_writes_a_model_and_its_graph(room: Path) -> None:
    model = load(room / "a")
    assert read_graph(room / "a" / "graph.json") == model.graph
    assert read_graph(room / "a" / "graph.json").same_names(model.graph)
    assert model.config == TrainingConfig(
        max_edges_actions=3, steps=60, seed=1, width=16, transition_width=8, depth=1, batch_size=128,
        unmixing=False, validate_every=20,
    )  # fmt: skip
    assert not (room / "a" / "state").exists()


@pytest.mark.usefixtures("inside")
def test_train_as_a_table(capsys: Captured) -> None:
    out = told(capsys, "train", "train.npz", "-o", "model", *TINY)
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


@pytest.mark.usefixtures("inside")
def test_train_as_json_is_what_the_model_and_its_evaluation_say(capsys: Captured) -> None:
    record = told_json(capsys, "train", "train.npz", "-o", "model", *TINY, "--validation", "test.npz")
    model, data = load("model"), Dataset.read("test.npz")
    last = model.history.records[-1]
    assert record["evaluation"] == evaluate(model, data).to_dict()
    assert (record["data"], record["model"]) == ("identical-twins", "model")
    assert (record["evaluated_on"], record["steps"]) == ("the validation data", 60)
    assert record["negative_elbo"]["total"] == pytest.approx(last.negative_elbo)
    assert record["edges"] == {"actions": 3}
    assert [tuple(edge) for edge in record["graph"]["edges"]] == model.graph.edges()
    assert TrainingConfig.from_dict(record["config"]) == model.config


@pytest.mark.usefixtures("inside")
def test_settings_come_from_the_file_then_from_set_then_from_options(capsys: Captured) -> None:
    Path("config.toml").write_text('steps = 9\nseed = 5\nwidth = 8\noptimizer = "adam"\n')
    words = [
        "train",
        "train.npz",
        "-o",
        "model",
        *TINY,
        "--config",
        "config.toml",
        "--set",
        "seed=6",
        "--steps",
        3,
    ]
    config = told_json(capsys, *words)["config"]
    assert (config["steps"], config["seed"], config["width"], config["optimizer"]) == (3, 6, 16, "adam")
    config = told_json(capsys, *words, "--seed", "7")["config"]
    assert config["seed"] == 7


@pytest.mark.usefixtures("inside")
def test_train_on_a_published_process(capsys: Captured) -> None:
    words = ["train", "actiondiag", "-n", 200, "-o", "model", *TINY, "--validation", "ActionDiag"]
    record = told_json(capsys, *words, "--max-edges-actions", "10", "--steps", "5")
    assert record["evaluation"] == evaluate(load("model"), published("ActionDiag", 200, "valid")).to_dict()


@pytest.mark.usefixtures("inside")
def test_train_on_a_table_of_ones_own(capsys: Captured) -> None:
    write_table("cells.csv")
    columns = ["--observations", "gene*", "--actions", "dose", "--categorical", "drug"]
    words = ["train", "cells.csv", "-o", "model", *columns, *TINY, "--set", "n_latents=2"]
    record = told_json(capsys, *words)
    assert record["graph"]["actions"] == ["dose", "drug=A", "drug=B", "drug=none"]
    assert record["evaluation"] is None
    out = told(capsys, *words)
    assert "negative ELBO" in out
    assert "MCC" not in out


@pytest.mark.usefixtures("inside")
def test_train_on_sequences_of_a_table(capsys: Captured) -> None:
    generator = np.random.default_rng(0)
    rows = [f"{k % 30},{k // 30},{generator.normal():.4f},{generator.normal():.4f}" for k in range(150)]
    Path("series.csv").write_text("\n".join(["animal,second,x0,x1", *rows]) + "\n")
    words = ["--episode", "animal", "--time", "second", "--set", "n_latents=2", "--max-edges-past", "2"]
    tiny = [word for word in TINY if word not in ("--max-edges-actions", "3")]
    record = told_json(capsys, "train", "series.csv", "-o", "model", *words, *tiny)
    assert record["edges"] == {"past": 2}


@pytest.mark.usefixtures("inside")
def test_tensorboard_gets_the_history(capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("tensorboard")
    board = pytest.importorskip("torch.utils.tensorboard")
    written: list[tuple[str, float, int]] = []
    monkeypatch.setattr(
        board.SummaryWriter,
        "add_scalar",
        lambda _self, name, value, step: written.append((name, value, step)),
    )
    told(capsys, "train", "train.npz", "-o", "model", *TINY, "--tensorboard", "board")
    assert list(Path("board").glob("events.*"))
    records = load("model").history.records
    assert [(value, step) for name, value, step in written if name == "edges/actions"] == [
        (record.edges["actions"], record.step) for record in records
    ]
    assert {name for name, *_ in written} == {
        "loss",
        "negative_elbo/total",
        "negative_elbo/reconstruction",
        "negative_elbo/divergence",
        "edges/actions",
        "budget/actions",
    }


# interrupted runs -----------------------------------------------------------------------------------


@pytest.fixture
def interrupted(inside: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
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
    return inside


def same_numbers(first: str, second: str) -> bool:
    ours, theirs = load(first).model.state_dict(), load(second).model.state_dict()
    return all(np.array_equal(ours[name].numpy(), theirs[name].numpy()) for name in ours)


@pytest.mark.usefixtures("interrupted")
def test_a_resumed_run_ends_where_an_undisturbed_one_does(
    capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[int] = []
    step = loop._Run._step  # type: ignore[attr-defined]
    monkeypatch.setattr(loop._Run, "_step", lambda run: steps.append(run.step) or step(run))  # type: ignore[attr-defined]
    told(capsys, "train", "train.npz", "-o", "model", *TINY, "--resume")
    assert steps == list(range(40, 60))
    told(capsys, "train", "train.npz", "-o", "whole", *TINY)
    assert same_numbers("model", "whole")
    assert not Path("model/state").exists()


@pytest.mark.usefixtures("interrupted")
def test_an_unfinished_run_is_neither_lost_nor_taken_up_unasked(capsys: Captured) -> None:
    error = refused(capsys, "train", "train.npz", "-o", "model", *TINY)
    assert "model/state: holds an unfinished run; give --resume to go on with it, or --restart" in error
    error = refused(capsys, "train", "train.npz", "-o", "model", *TINY, "--seed", "9", "--resume")
    assert "other settings (seed)" in error
    assert Path("model/state/manifest.json").exists()
    assert (
        told_json(capsys, "train", "train.npz", "-o", "model", *TINY, "--seed", "9", "--restart")["steps"]
        == 60
    )


@pytest.mark.usefixtures("inside")
def test_what_else_lies_in_the_state_folder_stays(capsys: Captured) -> None:
    Path("model/state").mkdir(parents=True)
    Path("model/state/notes.txt").write_text("mine")
    told(capsys, "train", "train.npz", "-o", "model", *TINY, "--restart")
    assert [path.name for path in Path("model/state").iterdir()] == ["notes.txt"]


# evaluate -------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("inside")
def test_evaluate_as_json_is_the_evaluation(capsys: Captured) -> None:
    record = told_json(capsys, "evaluate", "a", "test.npz", "--threshold", 0.3)
    model = load("a")
    assert (record.pop("model"), record.pop("data")) == ("a", "identical-twins")
    assert record.pop("graph")["edges"] == [list(edge) for edge in model.graph.edges()]
    assert record == evaluate(model, Dataset.read("test.npz"), threshold=0.3).to_dict()


@pytest.mark.usefixtures("inside")
def test_evaluate_as_text_has_the_prediction_beside_what_was_learned(capsys: Captured) -> None:
    out = told(capsys, "evaluate", "a", "test.npz")
    outcome = evaluate(load("a"), Dataset.read("test.npz"))
    assert outcome.comparison is not None
    assert outcome.comparison.verdict.split(":")[0] in out
    assert f"{outcome.mcc:.3f}" in out
    for part in ("may mix with", "mixes with", "R_con", "SHD", "left", "right"):
        assert part in out


@pytest.mark.usefixtures("inside")
@pytest.mark.parametrize("command", [("evaluate", "a"), ("compare", "a", "a")])
def test_strict_exits_with_one_when_the_prediction_is_contradicted(
    command: tuple[str, ...], capsys: Captured
) -> None:
    # every entry counts with a threshold of 0, and hardly any near 1
    low, high = ([*command, "test.npz", "--threshold", value] for value in (0, 0.9999))
    told(capsys, *low, code=0)
    told(capsys, *low, "--strict", code=1)
    told(capsys, *high, "--strict", code=0)


@pytest.mark.usefixtures("inside")
def test_evaluate_where_no_truth_is_known(capsys: Captured) -> None:
    columns = ["--observations", "gene*", "--actions", "dose", "--categorical", "drug"]
    write_table("cells.csv")
    told(capsys, "train", "cells.csv", "-o", "model", *columns, *TINY, "--set", "n_latents=2")
    # fewer categories than in training get the same columns, an unknown one is refused
    write_table("fewer.csv", ("A", "none"))
    write_table("other.csv", ("A", "C"))
    out = told(capsys, "evaluate", "model", "fewer.csv", *columns, "--allow-constant")
    assert "The data hold no true latents" in out
    record = told_json(capsys, "evaluate", "model", "fewer.csv", *columns, "--allow-constant")
    assert (record["mcc"], record["comparison"]) == (None, None)
    assert "'C'; the categories are A, B, none" in refused(capsys, "evaluate", "model", "other.csv", *columns)
    error = refused(capsys, "evaluate", "model", "cells.csv", *columns, "--strict")
    assert "cells.csv: lacks true latents or the true graph, which --strict needs; leave it out" in error


# compare --------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("inside")
def test_compare_holds_two_models_against_each_other(capsys: Captured) -> None:
    record = told_json(capsys, "compare", "a", "b", "test.npz", "--threshold", 0.2)
    assert (record["model"], record["other"], record["data"]) == ("a", "b", "identical-twins")
    ours, theirs = load("a"), load("b")
    learned = learned_entanglement(ours, Dataset.read("test.npz"), other=theirs, threshold=0.2)
    expected = hold_against(predict_entanglement(ours.graph), learned).to_dict()
    assert {name: record[name] for name in expected} == expected
    assert record["learned"]["method"] == "models"
    edges = record["edges"]
    assert edges["common"] + edges["only_model"] == edges["common"] + edges["only_other"] == 3
    out = told(capsys, "compare", "a", "b", "test.npz", "--threshold", 0.2)
    assert record["verdict"].split(":")[0] in out
    for part in ("a against b", "edges in both graphs", "edges of a alone", "v0", "w0"):
        assert part in out


# reports --------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("inside")
@pytest.mark.parametrize(
    ("words", "headings"),
    [
        (
            ("train", "train.npz", "-o", "model", *TINY),
            ("Trained on identical-twins", "Predicted and learned", "Training"),
        ),
        (
            ("evaluate", "a", "test.npz"),
            ("A trained model, evaluated", "True and learned latents", "Training"),
        ),
        (("compare", "a", "b", "test.npz"), ("Two trained models compared", "a against b")),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else "",
)
def test_reports(words: tuple[str, ...], headings: tuple[str, ...], capsys: Captured) -> None:
    told(capsys, *words, "--report", "report.html")
    page = Path("report.html").read_text(encoding="utf-8")
    assert [heading for heading in headings if heading not in page] == []
    assert page.count("<svg") >= 2


# help, and without the extra ------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["simulate", "train", "evaluate", "compare"])
def test_help_teaches(command: str, capsys: Captured) -> None:
    out = told(capsys, command, "--help")
    assert "Examples" in out
    assert f"mechsparse {command} " in out
    assert "--json" in out
    assert command in told(capsys)


BLOCKED = "import sys; sys.modules['torch'] = None; from estimation.commands import main; "


@pytest.mark.parametrize("words", [["--help"], ["train", "--help"], ["simulate", "--help"]])
def test_help_needs_neither_torch_nor_numpy(words: list[str]) -> None:
    code = f"{BLOCKED}assert main({words}) == 0; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = {name.split(".")[0] for name in done.stdout.splitlines()[-1].split()}
    assert not loaded & {"numpy", "scipy", "networkx", "matplotlib", "safetensors", "sklearn"}


@pytest.mark.usefixtures("inside")
def test_without_torch_one_line_says_what_to_install() -> None:
    for words in (["simulate", "TimeDiag", "-o", "x.npz"], ["evaluate", "a", "test.npz"]):
        code = f"{BLOCKED}sys.exit(main({words}))"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
        assert done.returncode == 2
        assert (
            done.stderr
            == "mechsparse: this needs torch, which is missing: pip install 'mechsparse[estimation]'\n"
        )


@pytest.mark.usefixtures("inside")
def test_without_tensorboard_one_line_says_what_to_install(
    capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    monkeypatch.delitem(sys.modules, "torch.utils.tensorboard", raising=False)
    error = refused(capsys, "train", "train.npz", "-o", "model", *TINY, "--tensorboard", "board")
    assert (
        error
        == "mechsparse: this needs tensorboard, which is missing: pip install 'mechsparse[tensorboard]'\n"
    )
    assert not Path("model").exists()


# what goes wrong ------------------------------------------------------------------------------------


@pytest.mark.usefixtures("inside")
@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("simulate TimeDig -o x.npz", "the catalogue has no graph 'TimeDig'; did you mean 'TimeDiag'"),
        ("simulate missing.json -o x.npz", "missing.json: no such file"),
        ("simulate TimeDiag", "Missing option '--out'"),
        ("simulate TimeDiag -n 0 -o x.npz", "greater than or equal to 1"),
        ("simulate TimeDiag -n 9 -o x.csv", "x.csv: a dataset is written as NPZ"),
        (
            "simulate TimeDiag -n 9 -o nowhere/x.npz",
            "nowhere/x.npz: No such file or directory; nothing was written",
        ),
        (
            "simulate TimeDiag -n 9 -o x.npz --noise -1",
            "noise is -1.0; it is a standard deviation, 0 or more",
        ),
        ("simulate TimeDiag -n 9 -o x.npz --length 1", "a graph with a past needs 2 or more"),
        ("simulate TimeDiag -n 9 -o x.npz --decoder art", "'art' is not one of"),
        ("simulate TimeDiag -n 9 -o x.npz --published --seed 2", "--seed doesn't go with --published"),
        ("simulate TimDiag -n 9 -o x.npz --published", "no published process is called 'TimDiag'"),
        ("simulate TimeRandom -n 9 -o x.npz --published", "TimeRandom needs density and graph_seed"),
        (
            "simulate identical-twins -n 9 -o x.npz --density 0.2",
            "density and graph_seed are for random graphs",
        ),
        ("train train.npz", "Missing option '--out'"),
        ("train missing.npz -o model", "missing.npz: "),
        ("train missing -o model", "missing: no such file; published processes are ActionDiag, "),
        (
            "train TimeDiag -o model",
            "TimeDiag is a published process; say how many samples, for instance -n 10000",
        ),
        ("train TimeDiag -n 9 --observations x -o model", "--observations is for files"),
        (
            "train train.npz -n 9 -o model",
            "train.npz: is a file; --samples, --density and --graph-seed are for",
        ),
        (
            "train train.npz -o model",
            "no edge budget is set; give --max-edges-actions N (the true graph has 3), or",
        ),
        (
            "train train.npz -o model --max-edges-past 3",
            "max_edges_past is set, but the data have one time step",
        ),
        ("train train.npz -o model --max-edges-actions -3", "max_edges_actions is -3; it must be from 0 to"),
        ("train train.npz -o model --max-edges-actions 3 --steps 0", "steps is 0; it must be from 1 to"),
        ("train train.npz -o model --set step=3", "no setting is called 'step'; did you mean steps?"),
        ("train train.npz -o model --set steps", "'steps' is no setting; write key=value"),
        ("train train.npz -o model --set preset=slow", "the preset is 'slow'; it is one of fast, published"),
        ("train train.npz -o model --config missing.toml", "missing.toml: no such file"),
        ("train train.npz -o model --config graph.json", "graph.json: is no TOML"),
        ("train train.npz -o graph.json --max-edges-actions 3", "graph.json: is a file; give a folder"),
        ("train train.npz -o model --max-edges-actions 3 --report no/r.html", "no/r.html: no such folder no"),
        pytest.param(
            "train train.npz -o model --max-edges-actions 3 --tensorboard graph.json",
            "is a file; give a folder",
            marks=pytest.mark.skipif(
                find_spec("tensorboard") is None, reason="the extra tensorboard is missing"
            ),
        ),
        (
            "train train.npz -o model --max-edges-actions 3 --validation graph.json",
            "graph.json: a file ending in",
        ),
        ("train train.npz -o model --max-edges-actions 3 --validation TimeDiag", "they must be alike"),
        ("evaluate missing test.npz", "missing: is no checkpoint; it has no manifest.json"),
        ("evaluate a missing.npz", "missing.npz: "),
        ("evaluate a TimeDiag -n 9", "the data have 20 observed dimensions; a was trained on 6"),
        ("evaluate a test.npz --threshold 1", "the threshold is 1.0; it is from 0 to below 1"),
        ("evaluate a test.npz --report no/r.html", "no/r.html: no such folder no"),
        ("compare a missing test.npz", "missing: is no checkpoint"),
        ("compare a b", "Missing argument 'DATA'"),
        ("compare a b TimeDiag -n 9", "the data have 20 observed dimensions; a was trained on 6"),
        ("compare a b test.npz --threshold -1", "the threshold is -1.0"),
    ],
)
def test_bad_input_gets_one_line_and_exit_code_two(words: str, message: str, capsys: Captured) -> None:
    write_graph(load_graph("identical-twins"), "graph.json")
    assert message in refused(capsys, *words.split())
    assert not [path for path in Path().iterdir() if path.name in ("x.npz", "x.csv", "report.html", "no")]
    assert not Path("model", "manifest.json").exists()


@pytest.mark.usefixtures("inside")
def test_other_actions_than_in_training_are_refused(capsys: Captured) -> None:
    data = Dataset.read("test.npz")
    Dataset.from_arrays(data.observations, actions=data.actions, action_names=["heat", "light"]).write(
        "other.npz"
    )
    assert "the data have the actions heat, light; a was trained on a0, a1" in refused(
        capsys, "evaluate", "a", "other.npz"
    )


@pytest.mark.usefixtures("inside")
def test_data_without_actions_and_past_have_no_budget_to_give(capsys: Captured) -> None:
    Dataset.from_arrays(Dataset.read("test.npz").observations).write("bare.npz")
    error = refused(capsys, "train", "bare.npz", "-o", "model", "--set", "n_latents=3")
    assert "no actions and no past, so that nothing can be sparse" in error


@pytest.mark.usefixtures("inside")
@pytest.mark.parametrize(
    ("error", "message"),
    [
        (MemoryError(), "not enough memory for this"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory"), "not enough memory for this"),
        (OSError(28, "No space left on device", "events"), "events: No space left on device"),
        (DataError("one\nline"), "one line"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_the_machine_refuses_is_one_line_too(
    error: Exception, message: str, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "fit", _raising(error))
    assert message in refused(capsys, "train", "train.npz", "-o", "model", *TINY)


def _raising(error: Exception) -> Callable[..., None]:
    def fail(*_args: Any, **_options: Any) -> None:
        raise error

    return fail


@pytest.mark.usefixtures("inside")
@pytest.mark.parametrize("error", [RuntimeError("a bug"), ModuleNotFoundError("no", name="nowhere")])
def test_bugs_are_not_hidden(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "fit", _raising(error))
    with pytest.raises(type(error), match=str(error)):
        main(["train", "train.npz", "-o", "model", *TINY])
