"""The command line: output as text and JSON, exit codes, and one clear line for each error."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from estimation.commands import main
from identify.catalog import load, names
from identify.commands.options import print_json
from identify.formats import read_graph, write_graph
from identify.graph import CausalGraph
from tests.identify.command_line import Captured, error_of, json_of, output_of


def test_json_is_indented_with_numbers_on_one_line(capsys: Captured) -> None:
    value = {"a": [1, 2, 3], "b": [{"c": ("ü", True, None, 1.5)}, {}, []], "d": {1: "x"}, "e": [[1], [True]]}
    print_json(value)
    out = capsys.readouterr().out
    assert json.loads(out) == json.loads(json.dumps(value))
    assert '  "a": [1, 2, 3],\n' in out
    plain = {"names": ["x", {"y": None}], "z": "w"}
    print_json(plain)
    assert capsys.readouterr().out == json.dumps(plain, indent=2) + "\n"


# Interpretation of files -----------------------------------------------------------------------------


def test_the_terminal_reports_how_a_table_was_interpreted(folder: Path, capsys: Captured) -> None:
    folder.joinpath("g.adjacency.csv").write_text("child,speed,place,push\nspeed,0,0,0\nplace,1,0,1\n")
    reading = (
        "g.adjacency.csv: read as adjacency table: 2 latents (speed, place), 1 action (push); 1 edge from the past "
        "(speed -> place); 1 edge from actions (push -> place); rows are children, columns their parents\n"
    )
    for words in (("check",), ("check", "--why", "place", "speed"), ("classes",), ("design",)):
        assert output_of(capsys, words[0], "g.adjacency.csv", *words[1:]).startswith(reading)
    assert output_of(capsys, "convert", "g.adjacency.csv", "g.json") == reading
    assert output_of(capsys, "plot", "g.adjacency.csv", "g.png", "--what", "matrix") == reading


def test_json_has_the_interpretation_as_a_key_and_graphs_have_it_on_standard_error(
    folder: Path, capsys: Captured
) -> None:
    folder.joinpath("g.csv").write_text("parent;child\nspeed;place\n")
    for words in (
        ("check", "g.csv"),
        ("classes", "g.csv"),
        ("design", "g.csv"),
        ("convert", "g.csv", "g.json"),
    ):
        assert json_of(capsys, *words)["read_as"].startswith("read as edge list: 2 latents (speed, place)")
    assert "read_as" in json_of(capsys, "check", "g.csv", "twins.json")["graphs"][0]
    assert "other_read_as" in json_of(capsys, "classes", "twins.json", "g.csv", code=1)
    assert main(["convert", "g.csv", "-"]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["latents"] == ["speed", "place"]
    assert err.startswith("g.csv: read as edge list")
    # our own format is unambiguous
    assert "read_as" not in json_of(capsys, "check", "twins.json")


def test_the_content_of_files_is_escaped_on_the_terminal(folder: Path, capsys: Captured) -> None:
    folder.joinpath("g.csv").write_text("parent,child\n\x1b[31mred,b\n")
    folder.joinpath("g.json").write_text(json.dumps({"format": "\x1b]0;x" + "y" * 5000}))
    for name in ("g.csv", "g.json"):
        message = error_of(capsys, "check", name)
        assert message.rstrip("\n").isprintable()
        assert len(message) < 320


# Other commands --------------------------------------------------------------------------------------


@pytest.mark.parametrize("what", ["verdict", "graph", "matrix", "entanglement", "blocks"])
def test_plot(what: str, capsys: Captured, tmp_path: Path) -> None:
    out = tmp_path / "figure.svg"
    record = json_of(capsys, "plot", "TimeBlockNonDiag", str(out), "--what", what)
    assert record == {"graph": "TimeBlockNonDiag", "figure": str(out), "what": what, "complete": False}
    assert "<svg" in out.read_text(encoding="utf-8")


def test_classes_prints_counts_and_interchangeable_latents(capsys: Captured) -> None:
    out = output_of(capsys, "classes", "identical-twins")
    assert "3 in the class; 2 permutations keep the graph" in out
    assert "  left, right" in out
    assert "No two latents are interchangeable." in output_of(capsys, "classes", "lower-triangle")
    assert json_of(capsys, "classes", "TimeBlockDiag")["n_automorphisms"] == 120 * 2**5


@pytest.mark.usefixtures("folder")
def test_classes_of_two_graphs(capsys: Captured) -> None:
    write_graph(load("lower-triangle").permute([3, 0, 2, 1]), "learned.json")
    out = output_of(capsys, "classes", "triangle.csv", "learned.json")
    assert "learned.json is in the class of triangle.csv; matching permutations of the latents: 1" in out
    assert "  z3 = z3" in out
    record = json_of(capsys, "classes", "triangle.csv", "learned.json")
    assert record["consistent"]
    assert sorted(record["matches"]) == [[f"z{i}", f"z{i}"] for i in range(4)]
    out = output_of(capsys, "classes", "triangle.csv", "twins.json", code=1)
    assert "twins.json is not in the class of triangle.csv" in out
    assert json_of(capsys, "classes", "triangle.csv", "twins.json", code=1)["n_permutations"] == 0


def test_sizes_of_large_classes_are_printed_as_powers_of_ten(capsys: Captured, tmp_path: Path) -> None:
    write_graph(CausalGraph(latents=[f"q{i}" for i in range(1_000)], actions=["a"]), tmp_path / "g.json")
    assert "1 in the class; about 10^2567.6 permutations" in output_of(
        capsys, "classes", str(tmp_path / "g.json")
    )


def test_catalog(capsys: Captured) -> None:
    out = output_of(capsys, "catalog", "--group", "textbook")
    assert "identical-twins" in out
    assert "ActionDiag" not in out
    out = output_of(capsys, "catalog", "lac operon")
    assert "Lac Operon (real)" in out
    assert "Rion Brattig Correia" in out
    record = json_of(capsys, "catalog", "ActionBlockDiag")
    assert record["expected"]["blocks"][0] == ["z0", "z1"]
    assert len(json.loads(output_of(capsys, "catalog", "--json"))) == len(names())


@pytest.mark.usefixtures("folder")
def test_convert(capsys: Captured) -> None:
    record = json_of(capsys, "convert", "catalog:Lac Operon", "lac.graphml")
    assert record["n_latents"] == 10
    assert read_graph("lac.graphml") == load("Lac Operon")
    assert read_graph("lac.graphml").same_names(load("Lac Operon"))


def test_convert_to_standard_output() -> None:
    command = [sys.executable, "-c", "import sys; from estimation.commands import main; sys.exit(main())"]
    done = subprocess.run(
        [*command, "convert", "identical-twins", "-", "--to", "dot"], capture_output=True, check=True
    )
    again = subprocess.run(
        [*command, "check", "-", "--from", "dot", "--json"],
        input=done.stdout,
        capture_output=True,
        check=True,
    )
    assert json.loads(again.stdout)["n_disentangled"] == 1


def test_using_in_the_other_commands(capsys: Captured, tmp_path: Path) -> None:
    name = "actions-and-past"
    path = str(tmp_path / "mixed.json")
    write_graph(CausalGraph(Gz=load("lower-triangle").Gz, Ga=[[1]] * 4), path)
    assert json_of(capsys, "classes", path)["n_automorphisms"] == 1
    assert json_of(capsys, "classes", path, "--using", "actions")["n_automorphisms"] == 24
    assert json_of(capsys, "classes", path, path, "--using", "actions")["n_permutations"] == 24
    record = json_of(capsys, "convert", name, str(tmp_path / "g.json"), "--using", "past")
    assert (record["n_edges"], record["n_actions"]) == (2, 2)
    assert json_of(capsys, "catalog", name)["complete"]
    assert not json_of(capsys, "catalog", name, "--using", "actions")["complete"]
    assert "1 of 3 latents, using actions." in output_of(capsys, "catalog", name, "--using", "actions")


# Help, version, completion --------------------------------------------------------------------------


def test_help_and_version(capsys: Captured) -> None:
    assert "check" in output_of(capsys)
    for command in ("check", "design", "plot", "classes", "catalog", "convert"):
        out = output_of(capsys, command, "--help")
        assert "Examples" in out
        assert "--json" in out
        assert "--using" in out
    assert output_of(capsys, "--version").startswith("mechsparse 0.")


def test_completion_offers_commands_and_the_catalogue(monkeypatch: pytest.MonkeyPatch) -> None:
    from identify.commands.sources import complete_graph

    assert complete_graph("actionb") == ["ActionBlockDiag", "ActionBlockNonDiag"]
    code = "import sys; from estimation.commands import main; sys.exit(main())"
    environment = {
        "_MECHSPARSE_COMPLETE": "complete_bash",
        "COMP_WORDS": "mechsparse check TimeB",
        "COMP_CWORD": "2",
        "PATH": "",
    }
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=False
    )
    assert done.stdout.split() == ["TimeBlockDiag", "TimeBlockNonDiag"]


# Errors ------------------------------------------------------------------------------------


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["chek"], "No such command 'chek'"),
        (["check"], "Missing argument"),
        (["check", "--wat", "twins.json"], "No such option: --wat"),
        (["check", "twins.json", "--using", "future"], "'future' is not one of"),
        (["check", "missing.json"], "missing.json: "),
        (["check", "notes.txt"], "notes.txt: "),
        (["check", "twins.json", "--from", "yaml"], "yaml"),
        (["check", "catalog:nothing at all"], "the catalogue has no graph 'nothing at all'"),
        (["check", "twins.json", "--why", "left", "rihgt"], "no latent 'rihgt'; did you mean 'right'?"),
        (["check", "twins.json", "--why", "left", "left"], "left and itself can't be separated"),
        (["check", "twins.json", "triangle.csv", "--why", "left", "right"], "--why requires a single graph"),
        (["check", "missing.json", "--why", "left", "right"], "missing.json: "),
        (["check", "twins.json", "--report", "nowhere/r.html"], "nowhere/r.html: "),
        (["check", "empty"], "empty: contains no graph file; known suffixes are"),
        (["plot", "twins.json", "figure.bmp"], "figure.bmp"),
        (["plot", "twins.json", "figure.png", "--what", "art"], "'art' is not one of"),
        (["plot", ".", "figure.png"], ".: "),
        (["classes", "twins.json", "missing.json"], "missing.json: "),
        (["catalog", "Lac Operom"], "did you mean 'Lac Operon'?"),
        (["catalog", "--group", "fake"], "'fake' is not one of"),
        (["convert", "twins.json", "out.xyz"], "out.xyz"),
        (["convert", "twins.json", "nowhere/out.json"], "nowhere/out.json: "),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_invalid_input_gives_one_line_and_exit_code_two(
    words: list[str], message: str, capsys: Captured
) -> None:
    Path("empty").mkdir()
    assert message in error_of(capsys, *words)
    assert not [path for path in Path().rglob("*") if path.name.startswith((".", "out", "r.html", "figure"))]


def test_an_interrupt_gives_no_traceback(monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    def interrupt(name: str) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("identify.catalog.entry", interrupt)
    assert main(["catalog", "ActionDiag"]) == 130
    assert "Traceback" not in capsys.readouterr().err


def test_a_closed_pipe_is_not_an_error() -> None:
    code = "import sys; from estimation.commands import main; sys.exit(main())"
    command = f"'{sys.executable}' -c '{code}' check catalog:real --json | head -1"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True)
    assert done.stdout == "{\n"
    assert done.stderr == ""
