"""The command line: answers as text and JSON, exit codes, and one clear line for whatever goes wrong."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path

import pytest

from estimation.commands import main
from identify.catalog import load, names
from identify.commands.options import print_json
from identify.criterion import check
from identify.formats import read_graph, write_graph
from identify.graph import CausalGraph

Captured = pytest.CaptureFixture[str]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write_graph(load("identical-twins"), "twins.json")
    write_graph(load("lower-triangle"), "triangle.csv")
    Path("notes.txt").write_text("not a graph\n")
    return tmp_path


def told(capsys: Captured, *words: str, code: int = 0) -> str:
    assert main(words) == code
    out, err = capsys.readouterr()
    assert err == "" or code == 2
    return out


def told_json(capsys: Captured, *words: str, code: int = 0) -> dict:  # type: ignore[type-arg]
    return json.loads(told(capsys, *words, "--json", code=code))  # type: ignore[no-any-return]


def refused(capsys: Captured, *words: str) -> str:
    assert main(words) == 2
    out, err = capsys.readouterr()
    assert err.startswith("mechsparse: ")
    assert err.count("\n") == 1
    assert "Traceback" not in out + err
    return err


def test_json_is_indented_with_numbers_on_one_line(capsys: Captured) -> None:
    value = {"a": [1, 2, 3], "b": [{"c": ("ü", True, None, 1.5)}, {}, []], "d": {1: "x"}, "e": [[1], [True]]}
    print_json(value)
    out = capsys.readouterr().out
    assert json.loads(out) == json.loads(json.dumps(value))
    assert '  "a": [1, 2, 3],\n' in out
    plain = {"names": ["x", {"y": None}], "z": "w"}
    print_json(plain)
    assert capsys.readouterr().out == json.dumps(plain, indent=2) + "\n"


# what a file was read as ----------------------------------------------------------------------------


def test_the_terminal_says_what_a_table_was_read_as(folder: Path, capsys: Captured) -> None:
    folder.joinpath("g.adjacency.csv").write_text("child,speed,place,push\nspeed,0,0,0\nplace,1,0,1\n")
    said = (
        "g.adjacency.csv: read as adjacency table: 2 latents (speed, place), 1 action (push); 1 edge from the past "
        "(speed -> place); 1 edge from actions (push -> place); rows are children, columns their parents\n"
    )
    for words in (("check",), ("check", "--why", "place", "speed"), ("classes",), ("design",)):
        assert told(capsys, words[0], "g.adjacency.csv", *words[1:]).startswith(said)
    assert told(capsys, "convert", "g.adjacency.csv", "g.json") == said
    assert told(capsys, "plot", "g.adjacency.csv", "g.png", "--what", "matrix") == said


def test_beside_json_it_is_a_key_and_beside_a_graph_on_standard_error(folder: Path, capsys: Captured) -> None:
    folder.joinpath("g.csv").write_text("parent;child\nspeed;place\n")
    for words in (
        ("check", "g.csv"),
        ("classes", "g.csv"),
        ("design", "g.csv"),
        ("convert", "g.csv", "g.json"),
    ):
        assert told_json(capsys, *words)["read_as"].startswith("read as edge list: 2 latents (speed, place)")
    assert "read_as" in told_json(capsys, "check", "g.csv", "twins.json")["graphs"][0]
    assert "other_read_as" in told_json(capsys, "classes", "twins.json", "g.csv", code=1)
    assert main(["convert", "g.csv", "-"]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["latents"] == ["speed", "place"]
    assert err.startswith("g.csv: read as edge list")
    # our own format can be taken for one thing only
    assert "read_as" not in told_json(capsys, "check", "twins.json")


def test_nothing_of_a_file_reaches_the_terminal_unescaped(folder: Path, capsys: Captured) -> None:
    folder.joinpath("g.csv").write_text("parent,child\n\x1b[31mred,b\n")
    folder.joinpath("g.json").write_text(json.dumps({"format": "\x1b]0;x" + "y" * 5000}))
    for name in ("g.csv", "g.json"):
        message = refused(capsys, "check", name)
        assert message.rstrip("\n").isprintable()
        assert len(message) < 320


# check ----------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("folder")
def test_check_tells_who_why_and_what_to_do(capsys: Captured) -> None:
    out = told(capsys, "check", "twins.json")
    for part in (
        "Not completely disentangled: 1 of 3 latents",
        "left, right",
        "each other",
        "the same neighbours",
    ):
        assert part in out


@pytest.mark.usefixtures("folder")
def test_check_as_json_is_the_verdict(capsys: Captured) -> None:
    record = told_json(capsys, "check", "twins.json")
    assert record == {"graph": "twins.json", **check(load("identical-twins")).to_dict()}


@pytest.mark.parametrize(("using", "complete"), [("both", True), ("actions", False), ("past", False)])
def test_using(using: str, complete: bool, capsys: Captured) -> None:
    assert told_json(capsys, "check", "actions-and-past", "--using", using)["complete"] is complete


def test_strict_exits_with_one_unless_complete(capsys: Captured) -> None:
    told(capsys, "check", "identical-twins", "--strict", code=1)
    told(capsys, "check", "ActionDiag", "--strict", code=0)
    told(capsys, "check", "ActionDiag", "identical-twins", "--strict", code=1)


def test_why_explains_both_directions(capsys: Captured) -> None:
    out = told(capsys, "check", "nested-interventions", "--why", "z0", "z2")
    assert out == (
        "z0 stays entangled with z2: nothing separates them; add an action that targets z0 and not z2\n"
        "z2 is separated from z0: the action a1 targets z2 and not z0\n"
        "z2 is separated from z0: the action a2 targets z2 and not z0\n"
    )
    there, back = json.loads(told(capsys, "check", "nested-interventions", "--why", "z0", "z2", "--json"))
    assert (there["separated"], back["separated"]) == (False, True)
    assert there["remedy"] == "add an action that targets z0 and not z2"
    assert [witness["name"] for witness in back["witnesses"]] == ["a1", "a2"]


@pytest.mark.usefixtures("folder")
def test_a_folder_gives_a_table_of_its_graph_files(capsys: Captured) -> None:
    out = told(capsys, "check", ".")
    assert "twins.json" in out
    assert "triangle.csv" in out
    assert "notes.txt" not in out
    assert "1 of 2 graphs completely disentangled" in out
    record = told_json(capsys, "check", ".")
    assert [graph["graph"] for graph in record["graphs"]] == ["triangle.csv", "twins.json"]
    assert record["errors"] == []


@pytest.mark.usefixtures("folder")
def test_a_broken_file_among_others_is_named_and_the_rest_is_checked(capsys: Captured) -> None:
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
    record = told_json(capsys, "check", "catalog:published")
    assert [graph["graph"] for graph in record["graphs"]] == list(names("published"))
    assert [graph["complete"] for graph in record["graphs"]] == [True, True, False, False] * 2


@pytest.mark.usefixtures("folder")
def test_a_file_wins_over_the_catalogue_and_the_prefix_over_a_file(capsys: Captured) -> None:
    write_graph(CausalGraph(latents=["only"]), "ActionDiag", "json")
    assert told_json(capsys, "check", "ActionDiag", "--from", "json")["n_latents"] == 1
    assert told_json(capsys, "check", "catalog:ActionDiag")["n_latents"] == 10


def test_standard_input(capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    source = b'{"format": "mechsparse-graph", "version": 1, "latents": ["x", "y"], "edges": [["x", "y"]]}'
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(source)))
    record = told_json(capsys, "check", "-")
    assert (record["graph"], record["n_edges"]) == ("standard input", 1)


@pytest.mark.usefixtures("folder")
def test_reports_are_written(capsys: Captured) -> None:
    told(
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


def test_figures_of_graphs_with_the_same_file_name_are_kept_apart(capsys: Captured, tmp_path: Path) -> None:
    for part in ("a", "b"):
        tmp_path.joinpath(part).mkdir()
        write_graph(load("identical-twins"), tmp_path / part / "twins.json")
    told(capsys, "check", str(tmp_path / "a"), str(tmp_path / "b"), "--figures", str(tmp_path / "f"))
    assert sorted(path.name for path in tmp_path.joinpath("f").iterdir()) == [
        "twins.json-2.png",
        "twins.json.png",
    ]


# the other commands ---------------------------------------------------------------------------------


@pytest.mark.parametrize("what", ["verdict", "graph", "matrix", "entanglement", "blocks"])
def test_plot(what: str, capsys: Captured, tmp_path: Path) -> None:
    out = tmp_path / "figure.svg"
    record = told_json(capsys, "plot", "TimeBlockNonDiag", str(out), "--what", what)
    assert record == {"graph": "TimeBlockNonDiag", "figure": str(out), "what": what, "complete": False}
    assert "<svg" in out.read_text(encoding="utf-8")


def test_classes_counts_and_names_what_is_interchangeable(capsys: Captured) -> None:
    out = told(capsys, "classes", "identical-twins")
    assert "3 in the class; 2 permutations keep the graph" in out
    assert "  left, right" in out
    assert "No two latents are interchangeable." in told(capsys, "classes", "lower-triangle")
    assert told_json(capsys, "classes", "TimeBlockDiag")["n_automorphisms"] == 120 * 2**5


@pytest.mark.usefixtures("folder")
def test_classes_of_two_graphs(capsys: Captured) -> None:
    write_graph(load("lower-triangle").permute([3, 0, 2, 1]), "learned.json")
    out = told(capsys, "classes", "triangle.csv", "learned.json")
    assert "learned.json is in the class of triangle.csv; 1 relabellings do it" in out
    assert "  z3 = z3" in out
    record = told_json(capsys, "classes", "triangle.csv", "learned.json")
    assert record["consistent"]
    assert sorted(record["matches"]) == [[f"z{i}", f"z{i}"] for i in range(4)]
    out = told(capsys, "classes", "triangle.csv", "twins.json", code=1)
    assert "twins.json is not in the class of triangle.csv" in out
    assert told_json(capsys, "classes", "triangle.csv", "twins.json", code=1)["n_permutations"] == 0


def test_classes_of_a_large_class_are_said_in_powers_of_ten(capsys: Captured, tmp_path: Path) -> None:
    write_graph(CausalGraph(latents=[f"q{i}" for i in range(1_000)], actions=["a"]), tmp_path / "g.json")
    assert "1 in the class; about 10^2567.6 permutations" in told(capsys, "classes", str(tmp_path / "g.json"))


def test_catalog(capsys: Captured) -> None:
    out = told(capsys, "catalog", "--group", "textbook")
    assert "identical-twins" in out
    assert "ActionDiag" not in out
    out = told(capsys, "catalog", "lac operon")
    assert "Lac Operon (real)" in out
    assert "Rion Brattig Correia" in out
    record = told_json(capsys, "catalog", "ActionBlockDiag")
    assert record["expected"]["blocks"][0] == ["z0", "z1"]
    assert len(json.loads(told(capsys, "catalog", "--json"))) == len(names())


@pytest.mark.usefixtures("folder")
def test_convert(capsys: Captured) -> None:
    record = told_json(capsys, "convert", "catalog:Lac Operon", "lac.graphml")
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
    assert told_json(capsys, "classes", path)["n_automorphisms"] == 1
    assert told_json(capsys, "classes", path, "--using", "actions")["n_automorphisms"] == 24
    assert told_json(capsys, "classes", path, path, "--using", "actions")["n_permutations"] == 24
    record = told_json(capsys, "convert", name, str(tmp_path / "g.json"), "--using", "past")
    assert (record["n_edges"], record["n_actions"]) == (2, 2)
    assert told_json(capsys, "catalog", name)["complete"]
    assert not told_json(capsys, "catalog", name, "--using", "actions")["complete"]
    assert "1 of 3 latents, using actions." in told(capsys, "catalog", name, "--using", "actions")


# help, version, completion --------------------------------------------------------------------------


def test_help_and_version(capsys: Captured) -> None:
    assert "check" in told(capsys)
    for command in ("check", "design", "plot", "classes", "catalog", "convert"):
        out = told(capsys, command, "--help")
        assert "Examples" in out
        assert "--json" in out
        assert "--using" in out
    assert told(capsys, "--version").startswith("mechsparse 0.")


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


# what goes wrong ------------------------------------------------------------------------------------


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
        (["check", "twins.json", "triangle.csv", "--why", "left", "right"], "--why needs a single graph"),
        (["check", "missing.json", "--why", "left", "right"], "missing.json: "),
        (["check", "twins.json", "--report", "nowhere/r.html"], "nowhere/r.html: "),
        (["check", "empty"], "empty: holds no graph file; known suffixes are"),
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
def test_bad_input_gets_one_line_and_exit_code_two(words: list[str], message: str, capsys: Captured) -> None:
    Path("empty").mkdir()
    assert message in refused(capsys, *words)
    assert not [path for path in Path().rglob("*") if path.name.startswith((".", "out", "r.html", "figure"))]


def test_an_interrupt_is_no_traceback(monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    def interrupt(name: str) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("identify.catalog.entry", interrupt)
    assert main(["catalog", "ActionDiag"]) == 130
    assert "Traceback" not in capsys.readouterr().err


def test_a_reader_that_goes_away_is_no_error() -> None:
    code = "import sys; from estimation.commands import main; sys.exit(main())"
    command = f"'{sys.executable}' -c '{code}' check catalog:real --json | head -1"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True)
    assert done.stdout == "{\n"
    assert done.stderr == ""


# check --mechanisms ----------------------------------------------------------------------------------

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
    out = told(capsys, "check", "--mechanisms", model, "--report", str(page), "--markdown", str(notes))
    for part in (
        "Sufficient influence is refuted for drug",
        "sufficient influence of heat",
        "proved",
        "a separate",
    ):
        assert part in out
    for written in (page, notes):
        assert "Sufficient influence is refuted for drug" in written.read_text(encoding="utf-8")
    record = told_json(capsys, "check", "--mechanisms", model)
    assert [condition["status"] for condition in record["conditions"]] == ["assumed"] * 3 + [
        "refuted",
        "proved",
    ]
    record = told_json(capsys, "check", "--mechanisms", model, "--family", "exponential")
    assert record["influence"]["sufficient_variability"]["status"] == "holds"


def test_check_holds_a_graph_against_the_mechanisms(model: str, tmp_path: Path, capsys: Captured) -> None:
    same = tmp_path / "same.json"
    edges = [("drug", "raf"), ("drug", "mek"), ("heat", "mek")]
    write_graph(CausalGraph.from_edges(edges, ["raf", "mek"], ["drug", "heat"]), same)
    assert told_json(capsys, "check", str(same), "--mechanisms", model)["graph"] == str(same)
    write_graph(CausalGraph.from_edges(edges[1:], ["raf", "mek"], ["drug", "heat"]), same)
    assert "the edge drug -> raf is not in" in refused(capsys, "check", str(same), "--mechanisms", model)


def test_check_without_anything_to_check(model: str, capsys: Captured) -> None:
    assert "give one, or --mechanisms FILE" in refused(capsys, "check")
    assert "--mechanisms goes with a single graph" in refused(
        capsys, "check", "ActionDiag", "TimeDiag", "--mechanisms", model
    )
    assert "it is a time limit" in refused(capsys, "check", "--mechanisms", model, "--time-limit", "0")
    assert "no such file" in refused(capsys, "check", "--mechanisms", "none.toml")
    assert "no such" in refused(capsys, "check", "none.json", "--mechanisms", model)
