"""All training commands: help without torch, and one clear line for every error."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import fields
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from estimation.commands import main
from estimation.commands.data_options import FILE_OPTIONS, DataOptions
from estimation.dataset import Dataset
from estimation.dataset.readers.options import ReadOptions
from estimation.dataset.readers.single_cell.options import AnnDataOptions
from estimation.exceptions import DataError
from estimation.training import loop
from estimation.training.progress import progress_line
from identify.catalog import load as load_graph
from identify.formats import write_graph
from tests.estimation.command_line import TINY, Captured, error_of, output_of
from tests.seeds import training_seed

# help, and without the extra ------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["simulate", "train", "evaluate", "compare", "influence"])
def test_help_shows_examples(command: str, capsys: Captured) -> None:
    out = output_of(capsys, command, "--help")
    assert "Examples" in out
    assert f"mechsparse {command} " in out
    assert "--json" in out
    assert command in output_of(capsys)


@pytest.mark.parametrize("command", ["train", "evaluate", "compare", "verify", "influence"])
def test_every_command_on_data_has_all_data_options(command: str, capsys: Captured) -> None:
    out = output_of(capsys, command, "--help")
    names = [field.name.replace("_", "-") for field in fields(DataOptions)]
    assert [name for name in names if f"--{name}" not in out] == []
    assert {*FILE_OPTIONS} <= {
        field.name for record in (ReadOptions, AnnDataOptions) for field in fields(record)
    }


BLOCKED = "import sys; sys.modules['torch'] = None; from estimation.commands import main; "


@pytest.mark.parametrize("words", [["--help"], ["train", "--help"], ["simulate", "--help"]])
def test_help_needs_neither_torch_nor_numpy(words: list[str]) -> None:
    code = f"{BLOCKED}assert main({words}) == 0; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = {name.split(".")[0] for name in done.stdout.splitlines()[-1].split()}
    assert not loaded & {"numpy", "scipy", "networkx", "matplotlib", "safetensors", "sklearn"}


@pytest.mark.usefixtures("working_directory")
def test_without_torch_one_line_says_what_to_install() -> None:
    for words in (
        ["simulate", "TimeDiag", "--seed", str(training_seed()), "-o", "x.npz"],
        ["evaluate", "a", "test.npz"],
    ):
        code = f"{BLOCKED}sys.exit(main({words}))"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
        assert done.returncode == 2
        assert (
            done.stderr
            == "mechsparse: this needs torch, which is missing: pip install 'mechsparse[estimation]'\n"
        )


@pytest.mark.usefixtures("working_directory")
def test_without_tensorboard_one_line_says_what_to_install(
    capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    monkeypatch.delitem(sys.modules, "torch.utils.tensorboard", raising=False)
    error = error_of(capsys, "train", "train.npz", "-o", "model", *TINY, "--tensorboard", "board")
    assert (
        error
        == "mechsparse: this needs tensorboard, which is missing: pip install 'mechsparse[tensorboard]'\n"
    )
    assert not Path("model").exists()


# errors --------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("working_directory")
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
        ("simulate TimeDiag -n 9 -o x.npz --published --seed 2", "--seed doesn't apply with --published"),
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
            "TimeDiag is a published process; set the number of samples, for instance -n 10000",
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
        ("train train.npz -o model --set steps", "'steps' is not a setting; write key=value"),
        ("train train.npz -o model --set preset=slow", "the preset is 'slow'; it is one of fast, published"),
        ("train train.npz -o model --config missing.toml", "missing.toml: no such file"),
        ("train train.npz -o model --config graph.json", "graph.json: is not valid TOML"),
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
            "graph.json: the suffix",
        ),
        ("train train.npz -o model --max-edges-actions 3 --validation TimeDiag", "they must be alike"),
        ("evaluate missing test.npz", "missing: is not a checkpoint; it has no manifest.json"),
        ("evaluate a missing.npz", "missing.npz: "),
        ("evaluate a TimeDiag -n 9", "the data have 20 observed dimensions; a was trained on 6"),
        ("evaluate a test.npz --threshold 1", "the threshold is 1.0; it must be at least 0 and below 1"),
        ("evaluate a test.npz --report no/r.html", "no/r.html: no such folder no"),
        ("compare a missing test.npz", "missing: is not a checkpoint"),
        ("compare a b", "Missing argument 'DATA'"),
        ("compare a b TimeDiag -n 9", "the data have 20 observed dimensions; a was trained on 6"),
        ("compare a b test.npz --threshold -1", "the threshold is -1.0"),
    ],
)
def test_bad_input_gets_one_line_and_exit_code_two(words: str, message: str, capsys: Captured) -> None:
    write_graph(load_graph("identical-twins"), "graph.json")
    assert message in error_of(capsys, *words.split())
    assert not [path for path in Path().iterdir() if path.name in ("x.npz", "x.csv", "report.html", "no")]
    assert not Path("model", "manifest.json").exists()


@pytest.mark.usefixtures("working_directory")
def test_other_actions_than_in_training_are_refused(capsys: Captured) -> None:
    data = Dataset.read("test.npz")
    Dataset.from_arrays(data.observations, actions=data.actions, action_names=["heat", "light"]).write(
        "other.npz"
    )
    assert "the data have the actions heat, light; a was trained on a0, a1" in error_of(
        capsys, "evaluate", "a", "other.npz"
    )


@pytest.mark.usefixtures("working_directory")
def test_data_without_actions_and_past_have_no_budget(capsys: Captured) -> None:
    Dataset.from_arrays(Dataset.read("test.npz").observations).write("bare.npz")
    error = error_of(capsys, "train", "bare.npz", "-o", "model", "--set", "n_latents=3")
    assert "no actions and no past, so there are no mechanisms to learn" in error


@pytest.mark.usefixtures("working_directory")
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
def test_errors_of_the_machine_are_one_line(
    error: Exception, message: str, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "fit", _raising(error))
    assert message in error_of(capsys, "train", "train.npz", "-o", "model", *TINY)


def _raising(error: Exception) -> Callable[..., None]:
    def fail(*_args: Any, **_options: Any) -> None:
        raise error

    return fail


@pytest.mark.usefixtures("working_directory")
@pytest.mark.parametrize("error", [RuntimeError("a bug"), ModuleNotFoundError("no", name="nowhere")])
def test_bugs_are_not_hidden(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "fit", _raising(error))
    with pytest.raises(type(error), match=str(error)):
        main(["train", "train.npz", "-o", "model", *TINY])


# no streams -----------------------------------------------------------------------------------------


@pytest.mark.usefixtures("working_directory")
def test_a_service_without_streams_gets_its_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    monkeypatch.setattr(sys, "stderr", None)
    assert main(["simulate", "ActionDiag", "-n", "50", "-o", "data.npz", "--seed", str(training_seed())]) == 0
    assert Dataset.read("data.npz").n_samples == 50
    assert (
        main(
            ["simulate", "ActionDiag", "-n", "50", "-o", "more.npz", "--json", "--seed", str(training_seed())]
        )
        == 2
    )
    assert Path("more.npz").exists()
    with progress_line(3, 0, None) as advance:
        advance(1, "training")
