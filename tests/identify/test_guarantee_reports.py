"""What is guaranteed, in every form of output: terminal, JSON, HTML, markdown, LaTeX, figures, exit codes."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.colors import to_rgb
from rich.console import Console

from estimation.commands import main
from identify.criterion import Verdict, check
from identify.formats import write_graph
from identify.graph import CausalGraph
from identify.plot import plot_entanglement, plot_verdict
from identify.plot.matrices import block_order
from identify.plot.style import ITSELF, LOST, ONE_WAY, TWINS
from identify.report import to_html, to_latex, to_markdown
from identify.report.sentences import guarantee_sentences
from identify.report.terminal import show_one
from tests.builders import graphs
from tests.identify.command_line import Captured, error_of, json_of, output_of
from tests.identify.drawn import axes
from tests.identify.influence_reports import report_with, statuses_of

PAIRS = CausalGraph(Ga=[[1, 1, 0], [1, 0, 1], [0, 1, 1]], latents=["x", "y", "z"], actions=["a", "b", "c"])
STATUSES = {"a": "fails", "b": "undecided", "c": "holds"}
VERDICT = check(PAIRS, None, report_with(STATUSES))  # type: ignore[arg-type]
SENTENCES = [
    "Guaranteed from c alone: 0 of 3 latents disentangled; 4 ordered pairs of latents that the graph separates may "
    "stay entangled.",
    "The budget for it: at most 2 edges in the column of c in G^a; all other edges are free. A budget for all edges "
    "together is not enough.",
    "Sufficient influence of one more cause would win back: a 2 pairs (disentangles y), b 2 pairs (disentangles z).",
    "If influence, which is undecided for b, were sufficient there, 1 of 3 latents would be disentangled.",
]


def printed(renderable: object) -> str:
    console = Console(file=io.StringIO(), width=400)
    console.print(renderable)
    return console.file.getvalue()  # type: ignore[attr-defined]


def without_figure(verdict: object) -> str:
    return "<svg></svg>"


def test_the_sentences() -> None:
    assert guarantee_sentences(VERDICT) == SENTENCES


@pytest.mark.parametrize(
    ("verdict", "sentences"),
    [
        (check(PAIRS), []),
        (check(PAIRS, None, report_with(dict.fromkeys("abc", "holds"))), []),
        (
            check(PAIRS, None, report_with(dict.fromkeys("abc", "fails"))),
            [
                "No cause has proved influence, so nothing is guaranteed to separate the 3 latents.",
                "Sufficient influence of one more cause would win back: a 2 pairs, b 2 pairs, c 2 pairs.",
            ],
        ),
        (
            check(CausalGraph(Gz=[[1, 0], [0, 1]], Ga=[[1], [0]]), None, report_with({"a0": "fails"}, "holds")),
            [
                "Guaranteed from the past alone: 2 of 2 latents disentangled, as from all causes.",
                "The budget for it: at most 2 edges in G^z; all other edges are free. A budget for all edges "
                "together is not enough.",
            ],
        ),
    ],
)  # fmt: skip
def test_other_sentences(verdict: Verdict, sentences: list[str]) -> None:
    assert guarantee_sentences(verdict) == sentences


def test_a_budget_names_both_matrices() -> None:
    graph = CausalGraph(Gz=[[1, 0], [0, 1]], Ga=[[1, 0, 1], [0, 1, 1]])
    report = report_with({"a0": "holds", "a1": "holds", "a2": "fails"}, "holds")
    assert guarantee_sentences(check(graph, None, report))[1].startswith(
        "The budget for it: at most 2 edges in the columns of a0, a1 in G^a and 2 edges in G^z; "
    )


def test_every_form_says_what_is_guaranteed() -> None:
    for text in (printed(show_one("pairs", VERDICT)), to_html(VERDICT, figure=without_figure)):
        for part in (VERDICT.headline, *SENTENCES, "also stays entangled with", "a, b together"):
            assert part in text
    markdown = to_markdown(VERDICT)
    assert "| latent | also stays entangled with | won back by sufficient influence of |" in markdown
    assert "| x | y, z | a, b together |" in markdown
    assert SENTENCES[0] in markdown
    latex = to_latex(VERDICT)
    assert f"\\caption{{{VERDICT.headline}.}}" in latex
    assert r"x & y, z & y, z & a, b together \\" in latex


def test_latex_lists_what_stays_entangled_for_other_reasons() -> None:
    graph = CausalGraph(
        Ga=[[1, 0, 1], [1, 0, 0], [0, 1, 0]], latents=["x", "y", "z"], actions=["a", "b", "c"]
    )
    latex = to_latex(check(graph, None, report_with({"a": "holds", "b": "holds", "c": "fails"})))
    rows = [line.strip() for line in latex.splitlines() if "&" in line][1:]
    assert rows == [r"z & none & none &  \\", r"x & y & y & c \\", r"y & x & none &  \\"]


def test_a_page_with_a_failing_cause_has_no_check_mark() -> None:
    complete = check(CausalGraph(Ga=np.eye(2)), None, report_with({"a0": "holds", "a1": "fails"}))
    assert complete.complete
    assert not complete.guaranteed
    assert 'class="verdict no"' in to_html(complete, figure=without_figure)
    assert "✓" not in printed(show_one("eye", complete))


def test_long_tables_of_losses_count_what_they_hide() -> None:
    n = 120
    graph = CausalGraph(Ga=np.eye(n))
    verdict = check(graph, None, report_with(dict.fromkeys(graph.actions, "fails")))
    assert "20 more latents are not shown; the JSON output lists all." in to_html(
        verdict, figure=without_figure
    )
    assert "More latents are not shown; --json lists all." in printed(show_one("eye", verdict))
    assert "not shown" not in to_markdown(verdict)


@given(graphs(max_latents=4, max_actions=3), st.data())
@settings(max_examples=25, deadline=None)
def test_every_form_supports_every_guarantee(graph: CausalGraph, data: st.DataObject) -> None:
    verdict = check(graph, "both", report_with(*data.draw(statuses_of(graph))))
    assert verdict.headline in to_latex(verdict)
    assert to_markdown(verdict).endswith("\n")
    assert to_html(verdict, figure=without_figure)
    assert printed(show_one("graph", verdict))


# Figures ---------------------------------------------------------------------------------------------


@given(graphs(), st.data())
@settings(max_examples=25, deadline=None)
def test_lost_cells_have_a_colour_and_a_mark_of_their_own(graph: CausalGraph, data: st.DataObject) -> None:
    verdict = check(graph, "both", report_with(*data.draw(statuses_of(graph))))
    guarantee = verdict.guarantee
    assert guarantee is not None
    ax = plot_entanglement(guarantee, ax=axes())
    order = [i for b in block_order(guarantee.entanglement) for i in guarantee.entanglement.blocks[b]]
    shown, predicted = (
        v.matrix.toarray()[np.ix_(order, order)] for v in (guarantee.entanglement, guarantee.predicted)
    )
    (image,) = ax.images
    cells = np.asarray(image.get_array())
    np.testing.assert_array_equal((np.abs(cells - to_rgb(LOST)) < 1e-6).all(axis=2), shown & ~predicted)
    crosses = {tuple(map(int, xy)) for xy in ax.collections[-1].get_offsets()}  # type: ignore[attr-defined]
    assert crosses == set(map(tuple, np.argwhere((shown & ~predicted).T).tolist()))


def test_the_lost_colour_differs_in_lightness_from_the_others() -> None:
    """Kinds in one figure must be distinguishable in grey."""
    weights = np.array([0.2126, 0.7152, 0.0722])
    grey = {colour: float(np.array(to_rgb(colour)) @ weights) for colour in (LOST, ONE_WAY, TWINS, ITSELF)}
    others = [value for colour, value in grey.items() if colour != LOST]
    assert min(abs(grey[LOST] - value) for value in others) > 0.08


def legend_of(figure_or_axes: object) -> list[str]:
    legends = getattr(figure_or_axes, "legends", None) or [figure_or_axes.get_legend()]  # type: ignore[attr-defined]
    return [text.get_text() for text in legends[0].get_texts()]


def test_the_figure_of_a_verdict_shows_the_guarantee() -> None:
    figure = plot_verdict(VERDICT)
    assert figure.get_suptitle() == VERDICT.headline
    assert "Guaranteed entanglement" in [ax.get_title() for ax in figure.axes]
    assert "lost, since influence is not proved" in legend_of(figure)
    assert "no proved cause acts on it" in legend_of(figure)
    # twins of the guarantee that the graph separates are only shown as lost
    assert "entangled with each other (one block)" not in legend_of(figure)
    without = plot_verdict(check(PAIRS))
    assert "Predicted entanglement" in [ax.get_title() for ax in without.axes]
    assert "lost, since influence is not proved" not in legend_of(without)


def test_large_graphs_show_the_blocks_that_are_guaranteed() -> None:
    n = 400
    graph = CausalGraph(Ga=[[int(i // 100 == action) for action in range(4)] for i in range(n)])
    verdict = check(graph, None, report_with({"a0": "holds", "a1": "fails", "a2": "fails", "a3": "holds"}))
    (ax,) = plot_verdict(verdict).axes
    assert ax.get_title() == "Blocks of entangled latents, as guaranteed"


# The command -----------------------------------------------------------------------------------------

MODEL = """
latents = ["z1", "z2"]
actions = ["both", "single"]
[log_densities]
z1 = "gaussian(z1, both)"
z2 = "gaussian(z2, 2 * both + single)"
"""


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Change to a folder with a graph, mechanisms, and a report on influence written by hand."""
    monkeypatch.chdir(tmp_path)
    Path("model.toml").write_text(MODEL, encoding="utf-8")
    edges = [("both", "z1"), ("both", "z2"), ("single", "z2")]
    write_graph(CausalGraph.from_edges(edges, ["z1", "z2"], ["both", "single"]), "graph.json")
    report = {"actions": {"both": {"status": "fails"}, "single": {"status": "holds"}}}
    Path("report.json").write_text(json.dumps(report), encoding="utf-8")


@pytest.mark.usefixtures("files")
def test_a_report_gives_the_same_verdict_as_the_mechanisms(capsys: Captured) -> None:
    decided = json_of(capsys, "check", "graph.json", "--mechanisms", "model.toml")
    Path("decided.json").write_text(json.dumps(decided), encoding="utf-8")
    read = json_of(capsys, "check", "graph.json", "--influence", "decided.json")
    assert read == decided
    assert read["guarantee"]["causes"] == ["single"]
    assert read["guarantee"]["budget"] == {"actions": 1, "past": None}
    assert read["guarantee"]["disentangled"] == ["z2"]
    out = output_of(capsys, "check", "graph.json", "--influence", "report.json")
    assert "Guaranteed from single alone: 1 of 2 latents disentangled, as from all causes." in out


def test_strict_asks_for_the_guarantee(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    monkeypatch.chdir(tmp_path)
    write_graph(CausalGraph(Ga=np.eye(2)), "graph.json")
    for status, code in (("holds", 0), ("fails", 1), ("undecided", 1)):
        report = report_with({"a0": "holds", "a1": status}).to_dict()  # type: ignore[dict-item]
        Path("report.json").write_text(json.dumps(report), encoding="utf-8")
        output_of(capsys, "check", "graph.json", "--influence", "report.json", "--strict", code=code)
        output_of(capsys, "check", "graph.json", "--influence", "report.json")
    output_of(capsys, "check", "graph.json", "--strict")


@pytest.mark.usefixtures("files")
def test_invalid_combinations_and_reports_are_refused(capsys: Captured) -> None:
    report = ("--influence", "report.json")
    assert "use one of them" in error_of(capsys, "check", "graph.json", *report, "--mechanisms", "model.toml")
    assert "--influence requires a single graph" in error_of(
        capsys, "check", "ActionDiag", "TimeDiag", *report
    )
    assert "--influence requires a single graph" in error_of(capsys, "check", "catalog:real", *report)
    assert "--influence gives no graph" in error_of(capsys, "check", *report)
    assert "the influence report is about the actions both, single, the graph has" in error_of(
        capsys, "check", "ActionDiag", *report
    )
    assert "none.json: no such file" in error_of(capsys, "check", "graph.json", "--influence", "none.json")
    assert "graph.json: is not a report on influence" in error_of(
        capsys, "check", "graph.json", "--influence", "graph.json"
    )
    assert main(["check", "none.json", *report]) == 2
    assert "none.json" in capsys.readouterr().err
