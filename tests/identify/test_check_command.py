"""``mechsparse check``: verdicts as text and JSON, reports, explanations, and sufficient influence."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from estimation.commands import main
from identify.catalog import load, names
from identify.criterion import check
from identify.formats import write_graph
from identify.graph import CausalGraph
from tests.identify.command_line import Captured, error_of, json_of, output_of

# Verdicts -------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("folder")
def test_check_prints_entangled_latents_reasons_and_remedies(capsys: Captured) -> None:
    out = output_of(capsys, "check", "twins.json")
    for part in (
        "Not completely disentangled: 1 of 3 latents",
        "left, right",
        "each other",
        "the same neighbours",
    ):
        assert part in out


@pytest.mark.usefixtures("folder")
def test_check_as_json_is_the_verdict(capsys: Captured) -> None:
    record = json_of(capsys, "check", "twins.json")
    assert record == {"graph": "twins.json", **check(load("identical-twins")).to_dict()}


@pytest.mark.parametrize(("using", "complete"), [("both", True), ("actions", False), ("past", False)])
def test_using(using: str, complete: bool, capsys: Captured) -> None:
    assert json_of(capsys, "check", "actions-and-past", "--using", using)["complete"] is complete


def test_strict_exits_with_one_unless_complete(capsys: Captured) -> None:
    output_of(capsys, "check", "identical-twins", "--strict", code=1)
    output_of(capsys, "check", "ActionDiag", "--strict", code=0)
    output_of(capsys, "check", "ActionDiag", "identical-twins", "--strict", code=1)


def test_why_explains_both_directions(capsys: Captured) -> None:
    out = output_of(capsys, "check", "nested-interventions", "--why", "z0", "z2")
    assert out == (
        "z0 stays entangled with z2: nothing separates them; add an action that targets z0 and not z2\n"
        "z2 is separated from z0: the action a1 targets z2 and not z0\n"
        "z2 is separated from z0: the action a2 targets z2 and not z0\n"
    )
    there, back = json.loads(
        output_of(capsys, "check", "nested-interventions", "--why", "z0", "z2", "--json")
    )
    assert (there["separated"], back["separated"]) == (False, True)
    assert there["remedy"] == "add an action that targets z0 and not z2"
    assert [witness["name"] for witness in back["witnesses"]] == ["a1", "a2"]


@pytest.mark.usefixtures("folder")
def test_a_folder_gives_a_table_of_its_graph_files(capsys: Captured) -> None:
    out = output_of(capsys, "check", ".")
    assert "twins.json" in out
    assert "triangle.csv" in out
    assert "notes.txt" not in out
    assert "1 of 2 graphs completely disentangled" in out
    record = json_of(capsys, "check", ".")
    assert [graph["graph"] for graph in record["graphs"]] == ["triangle.csv", "twins.json"]
    assert record["errors"] == []


@pytest.mark.usefixtures("folder")
def test_an_invalid_file_among_others_is_named_and_the_rest_is_checked(capsys: Captured) -> None:
    Path("broken.json").write_text("{")
    assert main(["check", "."]) == 2
    out, err = capsys.readouterr()
    assert "1 of 2 graphs completely disentangled" in out
    assert err.startswith("mechsparse: broken.json: line 1")
    assert err.count("\n") == 1
    assert main(["check", ".", "--json"]) == 2
    record = json.loads(capsys.readouterr().out)
    assert len(record["graphs"]) == 2
    assert len(record["errors"]) == 1


def test_a_group_of_the_catalogue(capsys: Captured) -> None:
    record = json_of(capsys, "check", "catalog:published")
    assert [graph["graph"] for graph in record["graphs"]] == list(names("published"))
    assert [graph["complete"] for graph in record["graphs"]] == [True, True, False, False] * 2


@pytest.mark.usefixtures("folder")
def test_a_file_takes_precedence_over_the_catalogue_unless_there_is_a_prefix(capsys: Captured) -> None:
    write_graph(CausalGraph(latents=["only"]), "ActionDiag", "json")
    assert json_of(capsys, "check", "ActionDiag", "--from", "json")["n_latents"] == 1
    assert json_of(capsys, "check", "catalog:ActionDiag")["n_latents"] == 10


def test_standard_input(capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    source = b'{"format": "mechsparse-graph", "version": 1, "latents": ["x", "y"], "edges": [["x", "y"]]}'
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(source)))
    record = json_of(capsys, "check", "-")
    assert (record["graph"], record["n_edges"]) == ("standard input", 1)


@pytest.mark.usefixtures("folder")
def test_reports_are_written(capsys: Captured) -> None:
    output_of(
        capsys,
        "check",
        "twins.json",
        "--report",
        "r.html",
        "--markdown",
        "r.md",
        "--latex",
        "r.tex",
        "--figures",
        "f",
    )
    assert "<svg" in Path("r.html").read_text(encoding="utf-8")
    assert Path("r.md").read_text(encoding="utf-8").startswith("**Not completely disentangled")
    assert Path("r.tex").read_text(encoding="utf-8").startswith("\\begin{table}")
    assert Path("f/twins.json.png").read_bytes().startswith(b"\x89PNG")


def test_figures_of_graphs_with_the_same_file_name_are_numbered(capsys: Captured, tmp_path: Path) -> None:
    for part in ("a", "b"):
        tmp_path.joinpath(part).mkdir()
        write_graph(load("identical-twins"), tmp_path / part / "twins.json")
    output_of(capsys, "check", str(tmp_path / "a"), str(tmp_path / "b"), "--figures", str(tmp_path / "f"))
    assert sorted(path.name for path in tmp_path.joinpath("f").iterdir()) == [
        "twins.json-2.png",
        "twins.json.png",
    ]


# Sufficient influence -------------------------------------------------------------------------------

MODEL = """
latents = ["raf", "mek"]
actions = ["drug", "heat"]
[log_densities]
raf = "gaussian(raf, 2 * drug)"
mek = "gaussian(mek, 3 * drug + sin(heat))"
"""


@pytest.fixture
def model(tmp_path: Path) -> str:
    path = tmp_path / "model.toml"
    path.write_text(MODEL, encoding="utf-8")
    return str(path)


def test_check_decides_influence(model: str, tmp_path: Path, capsys: Captured) -> None:
    page, notes = tmp_path / "page.html", tmp_path / "notes.md"
    out = output_of(capsys, "check", "--mechanisms", model, "--report", str(page), "--markdown", str(notes))
    for part in (
        "Sufficient influence is refuted for drug",
        "sufficient influence of heat",
        "proved",
        "a separate",
    ):
        assert part in out
    for written in (page, notes):
        assert "Sufficient influence is refuted for drug" in written.read_text(encoding="utf-8")
    record = json_of(capsys, "check", "--mechanisms", model)
    assert [condition["status"] for condition in record["conditions"]] == ["assumed"] * 3 + [
        "refuted",
        "proved",
    ]
    record = json_of(capsys, "check", "--mechanisms", model, "--family", "exponential")
    assert record["influence"]["sufficient_variability"]["status"] == "holds"


def test_check_compares_a_graph_with_the_mechanisms(model: str, tmp_path: Path, capsys: Captured) -> None:
    same = tmp_path / "same.json"
    edges = [("drug", "raf"), ("drug", "mek"), ("heat", "mek")]
    write_graph(CausalGraph.from_edges(edges, ["raf", "mek"], ["drug", "heat"]), same)
    assert json_of(capsys, "check", str(same), "--mechanisms", model)["graph"] == str(same)
    write_graph(CausalGraph.from_edges(edges[1:], ["raf", "mek"], ["drug", "heat"]), same)
    assert "the edge drug -> raf is not in" in error_of(capsys, "check", str(same), "--mechanisms", model)


def test_check_with_missing_or_conflicting_arguments(model: str, capsys: Captured) -> None:
    assert "give one, or --mechanisms FILE" in error_of(capsys, "check")
    assert "--mechanisms requires a single graph" in error_of(
        capsys, "check", "ActionDiag", "TimeDiag", "--mechanisms", model
    )
    assert "it is a time limit" in error_of(capsys, "check", "--mechanisms", model, "--time-limit", "0")
    assert "no such file" in error_of(capsys, "check", "--mechanisms", "none.toml")
    assert "no such" in error_of(capsys, "check", "none.json", "--mechanisms", model)
