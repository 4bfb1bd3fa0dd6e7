"""Plans of sweeps, from a mapping and from a file, and the command that runs them."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

from estimation.commands import main
from estimation.exceptions import ConfigError
from estimation.simulate import simulate
from estimation.simulate.published_processes import random_graph
from estimation.sweep import SweepPlan, read_plan, run_sweep
from estimation.sweep.data import load_data
from tests.pipeline.test_sweep import TINY, Content, content, plan_of
from tests.seeds import training_seed

# plan -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"seed": 1}, "the sweep has an unknown key 'seed'; known keys are data, method, seeds"),
        ({"seeds": []}, r"seeds is \[\]; it must be a list of integers from 0"),
        ({"seeds": [1, 1]}, r"seeds is \[1, 1\]; list each seed once"),
        ({"data": {}}, r"the sweep has no \[data.NAME\]; give one or more"),
        ({"data": {"a/b": {}}}, r"\[data.a/b\]: a name may contain only letters, digits, dots, dashes and"),
        ({"data": {"a": 3}}, r"\[data.a\] is 3; it must be a table"),
        ({"data": {"a": {}}}, r"\[data.a\] has no source; give a published process or a file"),
        ({"data": {"a": {"source": "x", "n": 1}}}, r"\[data.a\] has an unknown key 'n'"),
        ({"data": {"a": {"source": "x", "samples": 0}}}, r"\[data.a\]: samples is 0; it must be an integer"),
        (
            {"data": {"a": {"source": "TimeRandom", "graph_seed": 1}}},
            r"\[data.a\]: TimeRandom needs density and graph_seed, got None and 1",
        ),
        (
            {"data": {"a": {"source": "TimeDiag", "density": 0.5, "seed": 3}}},
            r"\[data.a\]: TimeDiag needs no density and graph_seed, got 0.5 and 3",
        ),
        (
            {"data": {"a": {"source": "x.npz", "seed": 1}}},
            r"\[data.a\]: seed is 1, but 'x.npz' is not a published process",
        ),
        (
            {"data": {"a": {"source": "x", "test": 7}}},
            r"\[data.a\]: test is 7; it must be the name of a file",
        ),
        ({"data": {"a": {"source": ["x"]}}}, r"\[data.a\]: source is \['x'\]; it must be the name of a file"),
        (
            {"data": {"a": {"source": "x\0"}}},
            r"\[data.a\]: source is 'x\\x00'; it must be the name of a file",
        ),
        (
            {"data": {"a": {"source": "TimeDiag", "test": "x.npz"}}},
            r"\[data.a\]: test is 'x.npz', but the source is not a file",
        ),
        (
            {"data": {"a": {"source": "TimeDiag", "samples": 10**12}}},
            r"\[data.a\]: samples is 1000000000000; it must be an integer from 1 to 10000000",
        ),
        (
            {"data": {"a": {"source": "TimeDiag", "test_samples": 10**12}}},
            r"\[data.a\]: test_samples is 1000000000000; it must be an integer from 1 to 10000000",
        ),
        (
            {"data": {"a": {"source": "TimeDiag", "seed": 2**70}}},
            r"\[data.a\]: seed is 1180591620717411303424; it must be an integer from 0 to 2147483647",
        ),
        (
            {"data": {"a": {"source": "TimeRandom", "graph_seed": "x", "density": 0.5}}},
            r"\[data.a\]: graph_seed is 'x'; it must be an integer from 0",
        ),
        (
            {"data": {"a": {"source": "TimeRandom", "graph_seed": 1, "density": float("nan")}}},
            r"\[data.a\]: density is nan; it must be a number from 0 to 1",
        ),
        (
            {"seeds": list(range(30_000))},
            "the sweep has 60000 runs; at most 20000 are allowed: shorten a grid or the list of seeds",
        ),
        (
            {"method": {"m": {"grid": {f"{k}": list(range(10)) for k in range(20)}}}},
            "the sweep has 4000000.*0 runs; at most 20000 are allowed",
        ),
        ({"method": {"m": {"grid": {"seed": [1]}}}}, "grid.seed is set; use the sweep's list of seeds"),
        ({"method": {"m": {"settings": {"width": 10**9}}}}, "method m on pairs: width is 1000000000"),
        ({"method": {"m": {"settings": {"width": 10**5}}}}, "these sizes make a model of 4e.10 numbers"),
        ({"method": {"m\x1b": {}}}, r"\[method.'m\\x1b'\]: a name may contain only letters"),
        ({"data": {"a": {"source": "x", "grid": 3}}}, r"\[data.a\]: grid is 3; it must be a table of lists"),
        (
            {"data": {"a": {"source": "x", "grid": {"steps": 3}}}},
            "grid.steps is 3; it must be a list of values",
        ),
        ({"method": {"m": {"kind": "gan"}}}, r"\[method.m\]: kind is 'gan'; it must be one of sparse_vae"),
        ({"method": {"m": {"settings": 1}}}, r"\[method.m\]: settings is 1; it must be a table"),
        (
            {"method": {"m": {"settings": {"seed": 1}}}},
            "settings.seed is set; use the sweep's list of seeds instead",
        ),
        ({"method": {"m": {"settings": {"steps": -1}}}}, "method m on pairs: steps is -1"),
        ({"method": {"m": {"settings": {"step": 1}}}}, "no setting is called 'step'; did you mean steps"),
        (
            {"method": {"m": {"grid": {"max_edges_actions": [1]}}}},
            "grid.max_edges_actions is in the grids of both the method and the data; keep one",
        ),
    ],
)
def test_invalid_plans(changes: Content, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        SweepPlan.from_dict({**content(), **changes})


@pytest.mark.parametrize(("seed", "graph_seed"), [(None, 2), (4, 2), (4, None)])
def test_the_seeds_determine_random_graphs(seed: int | None, graph_seed: int | None) -> None:
    data_seed = None if seed is None else training_seed(seed)
    spec = {"source": "TimeRandom", "density": 0.3, "seed": data_seed, "graph_seed": graph_seed}
    data = {key: value for key, value in spec.items() if value is not None}
    plan = SweepPlan.from_dict({**content(), "data": {"a": {**data, "samples": 50, "test_samples": 40}}})
    train, test = load_data(plan.trials[0].data)
    expected = random_graph(True, 0.3, training_seed(4) if graph_seed is None else graph_seed)
    assert train.graph == test.graph == expected
    assert (len(train), len(test)) == (50, 40)
    if seed is not None:
        again = simulate("TimeRandom", 40, training_seed(seed), "test", density=0.3, graph_seed=graph_seed)
        np.testing.assert_array_equal(test.observations, again.observations)


def test_duplicate_trials_and_zero_processes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="two trials are the same: pairs-sparse"):
        run_sweep(plan_of(grid={"max_edges_actions": [5, 5]}), tmp_path)
    with pytest.raises(ConfigError, match="jobs is 0; it must be 1 or more"):
        run_sweep(plan_of(), tmp_path, jobs=0)


def write_plan(folder: Path) -> Path:
    path = folder / "sweep.toml"
    settings = "\n".join(
        f"settings.{key} = {json.dumps(value)}" for key, value in {**TINY, "steps": 12}.items()
    )
    path.write_text(
        f"seeds = [{training_seed(0)}, {training_seed(1)}]\n"
        '[data.pairs]\nsource = "ActionBlockDiag"\nsamples = 300\ntest_samples = 200\n'
        f"grid.max_edges_actions = [5, 10]\n[method.sparse]\n{settings}\n"
    )
    return path


def test_file_and_mapping_give_the_same_plan(tmp_path: Path) -> None:
    assert read_plan(write_plan(tmp_path)) == plan_of()
    (tmp_path / "bad.toml").write_text("seeds = [")
    with pytest.raises(ConfigError, match=r"bad\.toml: is not valid TOML"):
        read_plan(tmp_path / "bad.toml")
    (tmp_path / "other.toml").write_text("[data]\n")
    with pytest.raises(ConfigError, match=r"other\.toml: the sweep has no"):
        read_plan(tmp_path / "other.toml")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("seeds = [" + "9" * 5000 + "]", "has an integer of thousands of digits; TOML has 64 bits for it"),
        ("seeds = " + "[" * 100_000, "nests brackets 100000 deep; the limit is 64"),
        ("x" * 50_000 + " = 1", r"has an unknown key 'xxx.* \[...\] .*'; known keys are data, method, seeds"),
        (
            '[data.a]\nsource = "a"\ntest = 7\n[method.m]',
            r"\[data.a\]: test is 7; it must be the name of a file",
        ),
    ],
)
def test_an_invalid_file_is_reported_in_one_short_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, message: str
) -> None:
    (tmp_path / "s.toml").write_text(text)
    assert main(["sweep", str(tmp_path / "s.toml"), "-o", str(tmp_path / "runs")]) == 2
    err = capsys.readouterr().err
    assert re.search(message, err)
    assert err.count("\n") == 1
    assert len(err) < 320
    assert not (tmp_path / "runs").exists()


def test_a_file_with_a_byte_order_mark_is_read(tmp_path: Path) -> None:
    path = write_plan(tmp_path)
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert read_plan(path) == plan_of()


def test_paths_of_data_are_relative_to_the_plan(tmp_path: Path) -> None:
    np.savez(tmp_path / "own.npz", observations=np.zeros((3, 2)))
    (tmp_path / "sweep.toml").write_text('[data.own]\nsource = "own.npz"\n[method.m]\n')
    (trial,) = read_plan(tmp_path / "sweep.toml").trials
    assert trial.data.source == str((tmp_path / "own.npz").resolve())


# command --------------------------------------------------------------------------------------------


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "runs"
    arguments = ["sweep", str(write_plan(tmp_path)), "--out", str(out)]
    assert main([*arguments, "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert (len(record["done"]), record["failed"]) == (4, [])
    assert [Path(path).name for path in record["written"]] == [
        "results.csv",
        "results.parquet",
        "pairs-sparse.svg",
    ]
    assert all(Path(path).is_file() for path in record["written"])
    assert record["chosen"][0]["setting"] in ({"max_edges_actions": 5}, {"max_edges_actions": 10})
    assert main(arguments) == 0
    text = capsys.readouterr().out
    for part in ("pairs, sparse", "max_edges_actions", "★", "UDR", "results.csv"):
        assert part in text


def test_the_command_exits_with_1_if_a_run_has_failed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "sweep.toml"
    path.write_text('[data.a]\nsource = "nowhere.npz"\n[method.m]\nsettings.max_edges_actions = 3\n')
    assert main(["sweep", str(path), "-o", str(tmp_path / "runs")]) == 1
    assert "neither a published process nor a file" in " ".join(capsys.readouterr().out.split())


def test_the_command_reports_a_missing_file_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["sweep", str(tmp_path / "none.toml"), "-o", str(tmp_path / "runs")]) == 2
    err = capsys.readouterr().err
    assert err.startswith("mechsparse: ")
    assert err.count("\n") == 1
    assert not (tmp_path / "runs").exists()
