"""Designs of interventions: the command and the figure."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from estimation.commands import main
from identify.catalog import load
from identify.criterion import check
from identify.design import INFLUENCE, design_interventions
from identify.formats import read_graph
from identify.plot import plot_design
from identify.plot.style import ACTION, FREE
from tests.builders import graph_without_edges
from tests.identify.command_line import Captured, output_of
from tests.identify.drawn import axes, lightness, words

# The command ----------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("c.csv").write_text(
        "name,targets,cost\nwide,erk;akt;pka,1\nnarrow,erk,2\nother,akt,2\nraf only,raf,9\n"
    )
    return tmp_path


def test_the_command_reports_the_actions_to_add_and_the_reasons(capsys: Captured) -> None:
    out = output_of(capsys, "design", "Sachs interventions", "--forbid", "raf", "--forbid", "jnk")
    for part in (
        "Add 4 actions: 9 of 11 latents disentangled, 5 without them",
        "at least 4 actions",
        "No allowed action separates 20 pairs:",
        "raf from mek, plcg, pip2, pip3, erk, akt and 4 more: no action may target raf",
        "jnk from raf, mek,",
        "sufficient influence",
    ):
        assert part in out
    assert " ".join(INFLUENCE.split()) in " ".join(out.split())
    assert "Two new actions separate each separated pair" in output_of(
        capsys, "design", "identical-twins", "--robust"
    )
    assert "Nothing to add: 10 of 10" in output_of(capsys, "design", "Lac Operon")


@pytest.mark.usefixtures("folder")
def test_the_command_chooses_from_candidates(capsys: Captured) -> None:
    out = output_of(capsys, "design", "Sachs interventions", "--candidates", "c.csv", "--max-targets", "2")
    assert "1 candidate not allowed, for instance wide: it has 3 targets, more than 2." in out
    assert "Add 2 actions at a cost of 11: 7 of 11 latents disentangled" in out
    assert "  plcg from raf, mek, pip2, pip3, erk, akt and 4 more: no allowed candidate targets plcg" in out
    out = output_of(capsys, "design", "Sachs interventions", "--candidates", "c.csv", "--robust")
    assert "Only one candidate separates" in out
    record = json.loads(
        output_of(capsys, "design", "Sachs interventions", "--candidates", "c.csv", "--budget", "4", "--json")
    )
    assert record["graph"] == "Sachs interventions"
    assert record["limited"] is True
    assert record["cost"] <= 4
    fewer = json.loads(output_of(capsys, "design", "Sachs interventions", "--max-actions", "2", "--json"))
    assert len(fewer["actions"]) == 2


@pytest.mark.usefixtures("folder")
def test_the_command_writes_the_figure_and_the_graph(capsys: Captured) -> None:
    record = json.loads(
        output_of(capsys, "design", "Sachs interventions", "--figure", "d.png", "-o", "new.json", "--json")
    )
    assert Path("d.png").read_bytes()[:4] == b"\x89PNG"
    new = read_graph("new.json")
    assert check(new)
    assert list(new.actions[-4:]) == [action["name"] for action in record["actions"]]


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere.json"], "nowhere.json"),
        (["Lac Operon", "--candidates", "nowhere.csv"], "nowhere.csv: no such file or folder"),
        (["Lac Operon", "--candidates", "c.csv"], "there is no latent 'erk'"),
        (["Lac Operon", "--candidates", "c.txt"], "c.txt: candidates are read from"),
        (["Lac Operon", "--max-targets", "0"], "max_targets is 0"),
        (["Lac Operon", "--forbid", "nobody"], "there is no latent 'nobody'"),
        (["Lac Operon", "--budget", "-1"], "budget is -1"),
        (["Lac Operon", "--budget", "much"], "Invalid value for '--budget'"),
        (["Lac Operon", "--time-limit", "0"], "time_limit is 0"),
        (["Lac Operon", "-o", "new.xyz"], "new.xyz: the suffix is unknown"),
        (["Lac Operon", "--figure", "d.xyz"], "d.xyz: the suffix of a figure must be one of"),
        (["Lac Operon", "--figure", "nowhere/d.png"], "nowhere/d.png: no such file or folder"),
    ],
)
def test_invalid_input_gives_one_line_and_leaves_no_file(
    arguments: list[str], message: str, capsys: Captured
) -> None:
    before = sorted(Path().iterdir())
    assert main(["design", *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("mechsparse: ")
    assert err.count("\n") == 1
    assert message in err
    assert sorted(Path().iterdir()) == before


# The figure -----------------------------------------------------------------------------------------


def test_the_figure_shows_every_target_and_all_latents_that_stay_entangled() -> None:
    design = design_interventions(load("Sachs interventions"), forbidden=["raf"])
    ax = axes()
    assert plot_design(design, ax=ax) is ax
    columns = [tick.get_text() for tick in ax.get_xticklabels()]
    assert columns == ["raf ○", "plcg", "pip3", "erk", "p38", "jnk"]
    assert [tick.get_text() for tick in ax.get_yticklabels()] == list(design.names)
    dots = {tuple(place) for place in np.asarray(ax.collections[-1].get_offsets()).astype(int).tolist()}
    assert dots == {
        (columns.index(target), row) for row, targets in enumerate(design.targets) for target in targets
    }
    cells = np.asarray(ax.images[0].get_array())
    for x, y in dots:
        assert np.allclose(cells[y, x], to_rgb(ACTION))
    assert np.allclose(cells[:, 0], to_rgb(FREE))
    assert "latents (○ stays entangled)" in words(ax)
    assert lightness("white") - lightness(ACTION) > 30


def test_the_figure_of_an_empty_design_says_so() -> None:
    assert words(plot_design(design_interventions(load("Lac Operon")), ax=axes())) == ["nothing to add"]
    unhelpful = design_interventions(graph_without_edges(2), [])
    assert words(plot_design(unhelpful, ax=Figure().add_subplot())) == ["no allowed action helps"]
    assert (
        plot_design(design_interventions(graph_without_edges(3))).get_xlabel() == "latents, all disentangled"
    )
