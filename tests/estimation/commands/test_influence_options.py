"""``mechsparse train``: sparse columns by name, from mechanisms, and from a report on influence."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from estimation.checkpoint import load
from estimation.simulate import simulate
from identify.graph import CausalGraph
from tests.estimation.command_line import TINY, Captured, error_of, json_of, output_of
from tests.seeds import training_seed

pytestmark = pytest.mark.usefixtures("working_directory")

# a0 moves both of its targets along one line
MECHANISMS = """
latents = ["left", "right", "other"]
actions = ["a0", "a1"]
[log_densities]
left = "gaussian(left, 2 * a0)"
right = "gaussian(right, 3 * a0)"
other = "gaussian(other, sin(a1))"
"""
TRAIN = ["train", "train.npz", "-o", "model", *TINY, "--steps", 4]
LINE = "sparse columns of G^a: a1; left dense: a0 (influence fails)"


def write_report(actions: dict[str, str], past: str | None = None) -> Path:
    content: dict[str, Any] = {"actions": {name: {"status": status} for name, status in actions.items()}}
    if past is not None:
        content["past"] = {"status": past}
    path = Path("report.json")
    path.write_text(json.dumps(content))
    return path


def write_sequences() -> None:
    graph = CausalGraph(Gz=[[1, 0], [0, 1]], Ga=[[1, 0], [0, 1]])
    simulate(graph, 300, seed=training_seed()).write("sequences.npz")


def test_columns_by_name(capsys: Captured) -> None:
    out = output_of(capsys, *TRAIN, "--sparse-actions", "a1")
    assert "dense columns of G^a" in out
    assert "3 (budget 3)" in out
    assert load("model").config.sparse_actions == ("a1",)
    assert "there are a0, a1" in error_of(capsys, *TRAIN, "--sparse-actions", "a2")
    assert "sparse_actions is 'a1'; it must be a list" in error_of(
        capsys, *TRAIN, "--set", "sparse_actions=a1"
    )


def test_columns_from_mechanisms(capsys: Captured) -> None:
    Path("m.toml").write_text(MECHANISMS)
    out = output_of(capsys, *TRAIN, "--mechanisms", "m.toml")
    assert out.splitlines()[0] == f"influence by m.toml: {LINE}"
    model = load("model")
    assert (model.sparse_actions, model.sparse_columns.dense_actions) == (("a1",), ("a0",))
    out = output_of(capsys, "evaluate", "model", "test.npz")
    assert "dense columns: a0, left out" in out


@pytest.mark.parametrize("status", ["fails", "undecided"])
def test_columns_from_a_report(capsys: Captured, status: str) -> None:
    path = write_report({"a0": status, "a1": "holds"})
    record = json_of(capsys, *TRAIN, "--influence", path)
    reason = "influence fails" if status == "fails" else "influence undecided"
    assert record["notes"][0] == f"influence by report.json: {LINE.replace('influence fails', reason)}"
    assert (record["sparse_actions"], record["dense_actions"]) == (["a1"], ["a0"])
    assert record["edges"] == {"actions": 3}
    assert record["evaluation"]["dense_actions"] == ["a0"]


def test_a_report_in_which_everything_holds_changes_nothing(capsys: Captured) -> None:
    out = output_of(capsys, *TRAIN, "--influence", write_report({"a0": "holds", "a1": "holds"}))
    assert out.splitlines()[0] == "influence by report.json: sparse columns of G^a: a0, a1"
    assert load("model").config.sparse_actions is None


def test_a_past_whose_influence_fails_is_left_free(capsys: Captured) -> None:
    write_sequences()
    train = ["train", "sequences.npz", "-o", "model", *TINY, "--steps", 4, "--max-edges-actions", 2]
    path = write_report({"a0": "holds", "a1": "holds"}, past="fails")
    out = output_of(capsys, *train, "--influence", path)
    assert "; G^z left dense (influence fails)" in out.splitlines()[0]
    assert load("model").graph.Gz.toarray().all()
    assert not load("model").config.sparse_past
    assert (
        "max_edges_past is set, but by report.json influence is not sufficient for the past, so that G^z is left dense"
        in error_of(capsys, *train, "--max-edges-past", 2, "--influence", path)
    )
    path = write_report({"a0": "holds", "a1": "holds"})
    assert "; G^z left dense (no answer)" in output_of(capsys, *train, "--influence", path)
    path = write_report({"a0": "fails", "a1": "fails"}, past="holds")
    assert (
        "max_edges_actions is set, but by report.json influence is sufficient for no action, so that G^a is left dense"
        in error_of(capsys, *train, "--influence", path)
    )


@pytest.mark.parametrize(
    ("report", "arguments", "message"),
    [
        (
            {"a0": "holds", "a2": "holds"},
            [],
            "report.json: is about other actions than the data: a1, a2 on one side only; the data have a0, a1",
        ),
        (
            {"a0": "holds", "a1": "holds"},
            ["--sparse-actions", "a1"],
            "sparse_actions is set, and --influence",
        ),
        (
            {"a0": "holds", "a1": "holds"},
            ["--set", "sparse_past=false"],
            "sparse_past is set, and --influence",
        ),
        (
            {"a0": "holds", "a1": "holds"},
            ["--mechanisms", "m.toml"],
            "--mechanisms and --influence both determine the sparse columns; keep one",
        ),
        (
            {"a0": "holds", "a1": "holds"},
            ["--method", "vae"],
            "--method vae learns no graph; leave --mechanisms",
        ),
    ],
)
def test_reports_that_are_refused(
    capsys: Captured, report: dict[str, str], arguments: list[str], message: str
) -> None:
    seed = ["--seed", str(training_seed())]
    train = ["train", "train.npz", "-o", "model", "--set", "width=8", "--set", "n_latents=3", *seed]
    assert message in error_of(capsys, *train, *arguments, "--influence", write_report(report))


def test_no_cause_with_influence(capsys: Captured) -> None:
    path = write_report({"a0": "fails", "a1": "undecided"})
    assert (
        "by report.json influence is sufficient for no cause, so that no column can be sparse; set sparsity=none, or"
    ) in error_of(capsys, "train", "train.npz", "-o", "model", "--influence", path)


def test_the_missing_budget_is_about_the_sparse_columns(capsys: Captured) -> None:
    error = error_of(capsys, "train", "train.npz", "-o", "model", "--sparse-actions", "a0")
    assert "give --max-edges-actions N (the true graph has 2 there)" in error
