"""``mechsparse simulate`` writes the data that the functions return."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from estimation.dataset import Dataset
from estimation.simulate import published, simulate
from identify.catalog import load as load_graph
from identify.criterion import check
from identify.formats import write_graph
from identify.graph import CausalGraph
from identify.mechanisms import read_mechanisms
from tests.estimation.command_line import Captured, error_of, json_of, output_of
from tests.seeds import training_seed


def test_simulate_writes_the_data_of_the_function(capsys: Captured, tmp_path: Path) -> None:
    out = tmp_path / "data.npz"
    words = [
        "simulate",
        "actionnondiag",
        "-n",
        50,
        "--seed",
        training_seed(3),
        "--noise",
        0.1,
        "--split",
        "valid",
        "-o",
        out,
    ]
    record = json_of(capsys, *words)
    direct = simulate("ActionNonDiag", 50, seed=training_seed(3), split="valid", noise=0.1)
    assert np.array_equal(Dataset.read(out).observations, direct.observations)
    assert record == {
        "written": str(out),
        "name": "ActionNonDiag",
        "published": False,
        "mechanisms": None,
        "seed": training_seed(3),
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
    record = json_of(capsys, "simulate", "TimeRandom", "--published", *random, "-n", 20, "-o", out)
    direct = published("TimeRandom", 20, density=0.2, graph_seed=11)
    assert np.array_equal(Dataset.read(out).observations, direct.observations)
    assert (record["published"], record["seed"], record["n_steps"]) == (True, None, 2)


def test_simulate_from_a_graph_file(
    capsys: Captured, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_graph(load_graph("actions-and-past"), "mine.json")
    more = ["--seed", training_seed(), "--length", 4, "--decoder", "polynomial", "--actions", "normal"]
    record = json_of(capsys, "simulate", "mine.json", "-n", 30, "-o", "data.npz", *more)
    assert (record["name"], record["n_steps"], record["seed"]) == ("mine.json", 4, training_seed())
    data = Dataset.read("data.npz")
    assert data.graph == load_graph("actions-and-past")
    assert data.actions is not None
    assert data.actions.shape == (30, 3, 2)


def test_a_graph_file_takes_precedence_over_a_published_process(
    capsys: Captured, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_graph(load_graph("identical-twins"), "TimeDiag", "json")
    words = ["simulate", "TimeDiag", "--from", "json", "-n", 30, "--seed", training_seed(), "-o", "data.npz"]
    record = json_of(capsys, *words)
    assert record["n_latents"] == 3


def test_simulate_prints_the_prediction_and_the_next_command(capsys: Captured, tmp_path: Path) -> None:
    words = ["simulate", "Lac Operon", "-n", 30, "--seed", training_seed(), "-o", tmp_path / "data.npz"]
    out = output_of(capsys, *words)
    graph = load_graph("Lac Operon")
    assert "Dataset('Lac Operon', 30 samples, 2 steps, 20 observed, 3 actions, 10 latents)" in out
    assert f"Predicted: {check(graph).headline}" in out
    budgets = f"--max-edges-actions {graph.Ga.nnz} --max-edges-past {graph.Gz.nnz}"
    assert f"mechsparse train {tmp_path / 'data.npz'} -o model {budgets}\n" in out


# densities ------------------------------------------------------------------------------------------

DENSITIES = Path(__file__).parents[2] / "data" / "mechanisms" / "shapes.toml"


def test_simulate_from_densities(capsys: Captured, tmp_path: Path) -> None:
    out = tmp_path / "data.npz"
    words = ["simulate", DENSITIES, "-n", 40, "--seed", training_seed(3), "-o", out]
    text = output_of(capsys, *words)
    direct = simulate(read_mechanisms(DENSITIES), 40, seed=training_seed(3))
    data = Dataset.read(out)
    assert np.array_equal(data.observations, direct.observations)
    assert data.graph == CausalGraph(Gz=[[1, 0], [1, 1]], Ga=[[1], [0]])
    assert f"{DENSITIES}: read as densities of the latents, which imply the graph\n" in text
    assert f"Decide influence with: mechsparse check --mechanisms {DENSITIES}\n" in text


def test_the_format_of_a_graph_takes_precedence_over_the_suffix(
    capsys: Captured, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_graph(load_graph("identical-twins"), "graph.toml", "json")
    words = ["simulate", "graph.toml", "-n", 30, "--seed", training_seed(), "-o", "data.npz"]
    record = json_of(capsys, *words, "--from", "json")
    assert (record["mechanisms"], record["n_latents"]) == (None, 3)
    # without it, the file is not silently read as something else
    assert "graph.toml: is not valid TOML" in error_of(capsys, *words)


@pytest.mark.parametrize(
    ("formula", "message"),
    [
        ("gaussian(z, 0, a)", "the density of 'z' can't be sampled where a is -"),
        ("-abs(z) * a", "the density of 'z' can't be sampled where a is -"),
        ("exp(z)", "the density of 'z' can't be sampled: its integral from -1e+75 to 1e+75 diverges"),
        ("cauchy(z)", "there is no function 'cauchy'"),
    ],
)
def test_what_simulate_refuses_of_densities(
    capsys: Captured, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, formula: str, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("m.toml").write_text(f'latents = ["z"]\nactions = ["a"]\n[log_densities]\nz = "{formula}"\n')
    words = ["simulate", "m.toml", "-n", 30, "--seed", training_seed(), "-o", "data.npz"]
    assert message in error_of(capsys, *words)
    assert not Path("data.npz").exists()


def test_options_of_other_processes_do_not_apply_to_densities(capsys: Captured, tmp_path: Path) -> None:
    words = ["simulate", DENSITIES, "-n", 30, "--seed", training_seed(), "-o", tmp_path / "data.npz"]
    assert "density and graph_seed are for random graphs" in error_of(capsys, *words, "--density", 0.2)
    assert "'dose' takes only the values 0, 1, 2" in error_of(capsys, *words, "--actions", "normal")
    missing = error_of(capsys, "simulate", "missing.toml", "-n", 30, "-o", tmp_path / "data.npz")
    assert "missing.toml: " in missing
