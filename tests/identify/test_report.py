"""Reports give the same verdict in every form, with escaped names and without external resources."""

from __future__ import annotations

import io
import re
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from identify.catalog import load, names
from identify.criterion import Verdict, check
from identify.graph import CausalGraph
from identify.report import to_html, to_latex, to_markdown
from identify.report.latex_table import latex_table
from identify.report.rows import block_rows, graph_rows
from identify.report.sentences import summary
from identify.report.terminal import show_many, show_one
from identify.wording import listed, plural
from tests.builders import graphs
from tests.html_pages import checked

NASTY = ["<script>alert(1)</script>", "a|b", "[bold]x", "50% & $x_1^2$ #{}~\\"]
TWINS = check(load("identical-twins"))


class Page(HTMLParser):
    """Parses a page and collects text, links and tags; asserts that every tag is closed."""

    VOID = ("meta", "br", "link", "img", "hr", "input")

    def __init__(self, source: str) -> None:
        super().__init__()
        self.text, self.open, self.links, self.tags = "", [], [], []
        self.feed(source)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [value or "" for name, value in attrs if name in ("href", "src", "xlink:href")]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def without_figure(verdict: object) -> str:
    return "<svg></svg>"


def printed(renderable: object, width: int = 120) -> str:
    console = Console(file=io.StringIO(), width=width)
    console.print(renderable)
    return console.file.getvalue()  # type: ignore[attr-defined]


def test_headline_and_summary() -> None:
    assert check(load("ActionDiag")).headline == "Completely disentangled: all 10 latents, using actions"
    assert check(load("single-latent")).headline.startswith("Completely disentangled: the only latent, using")
    assert TWINS.headline == "Not completely disentangled: 1 of 3 latents, using actions"
    assert "recovers each latent up to an invertible transformation" in summary(check(load("TimeDiag")))
    assert summary(TWINS).startswith("Nothing in the graph separates 2 latents from some others")
    assert summary(check(load("one-action-on-all"))).startswith(
        "Nothing in the graph separates any latent from all"
    )
    assert "constrains 6 latents: no parent, no child." in summary(check(load("Sachs interventions")))
    assert [plural(1, "latent"), plural(1_000, "latent"), plural(2, "entry")] == [
        "1 latent",
        "1,000 latents",
        "2 entries",
    ]


def test_block_rows_contain_latents_reasons_and_remedies() -> None:
    (twins,) = block_rows(TWINS)
    assert twins.cells() == (
        "left, right",
        "each other",
        "the same neighbours (a0)",
        "for each of left, right: an action on it and not on the rest",
    )
    first, *_ = block_rows(check(load("nested-interventions")))
    assert first.cells() == (
        "z0",
        "z1, z2, z3",
        "the others share all its neighbours (a0)",
        "an action on z0 and not on z1, z2, z3",
    )
    driven = block_rows(check(load("common-driver")))[0]
    assert driven.cells()[1:] == (
        "each other and driver",
        "the same neighbours (past driver), which the others share",
        "for each of first, second: an action on it and not on the rest or driver",
    )
    unconstrained = block_rows(check(load("unconstrained-latent")))[0]
    assert unconstrained.reason == "nothing constrains it"
    assert block_rows(check(load("Sachs interventions")))[0].reason == "nothing constrains them"
    assert block_rows(check(load("ActionDiag"))) == []


@given(graphs())
def test_following_the_remedies_of_all_rows_disentangles_everything(graph: CausalGraph) -> None:
    """Each row suggests an action on each of its latents alone; together these must suffice."""
    verdict = check(graph)
    rows = block_rows(verdict)
    entangled = [name for row in rows for name in row.latents]
    assert entangled == [
        latent.name
        for b in sorted({x.block for x in verdict.latents if not x.disentangled})
        for latent in verdict.latents
        if latent.block == b
    ]
    new_actions = [[name == target for target in entangled] for name in graph.latents]
    Ga = [[*row, *new_row] for row, new_row in zip(graph.Ga.toarray(), new_actions, strict=True)]
    assert check(CausalGraph(graph.Gz, Ga), "both").complete


def test_graph_rows_contain_counts() -> None:
    (row,) = graph_rows({"x": check(load("TimeBlockNonDiag"))})
    assert row.cells() == ("x", "10", "0", "32", "0", "5", "no")


def test_lists_never_hide_a_single_name() -> None:
    assert listed("abcd", 3) == "a, b, c, d"
    assert listed("abcde", 3) == "a, b, c and 2 more"


@pytest.mark.parametrize("several", [False, True])
def test_the_page_is_well_formed_self_contained_and_complete(several: bool) -> None:
    verdicts = {name: check(load(name)) for name in names("textbook")[: 5 if several else 1]}
    ticks: list[int] = []
    source = to_html(
        verdicts,
        notes=dict.fromkeys(verdicts, "a note"),
        figure=without_figure,
        after_each=lambda: ticks.append(1),
    )
    page = Page(source)
    assert page.open == []
    assert all(link.startswith("#") for link in page.links)
    assert not {"script", "link", "img", "iframe"} & set(page.tags)
    assert not re.search(r"https?://|url\(|@import", source)
    checked(source)
    assert len(ticks) == len(verdicts) == page.tags.count("svg")
    for name, verdict in verdicts.items():
        assert name in page.text
        assert verdict.headline in page.text
    assert "a note" in page.text
    assert ("3 of 5 graphs are completely disentangled." in page.text) == several
    assert len(page.links) == (5 if several else 0)


def test_the_page_of_one_verdict_contains_the_figure() -> None:
    source = to_html(TWINS, title="Twins")
    page = Page(source)
    checked(source)
    assert page.open == []
    assert "svg" in page.tags
    assert "path" in page.tags
    assert "Twins" in page.text


def test_markup_in_names_stays_text() -> None:
    verdict = check(CausalGraph(latents=NASTY))
    source = to_html({NASTY[0]: verdict}, notes={NASTY[0]: "<b>note</b>"}, figure=without_figure)
    page = Page(source)
    assert "script" not in page.tags
    assert "b" not in page.tags
    assert NASTY[0] in page.text
    assert "[bold]x" in printed(show_one("[red]name", verdict), 200)
    assert "[red]name" in printed(show_one("[red]name", verdict), 200)
    assert r"a\|b" in to_markdown(verdict)
    assert r"\<script\>" in to_markdown(verdict)
    assert r"50\% \& \$x\_1\textasciicircum{}2\$ \#\{\}\textasciitilde{}\textbackslash{}" in to_latex(verdict)


def test_long_reports_count_hidden_blocks() -> None:
    n = 150
    nested = check(CausalGraph(Ga=[[int(j <= i) for j in range(n)] for i in range(n)]))
    assert "49 more blocks are not shown" in Page(to_html(nested, figure=without_figure)).text
    assert "More blocks are not shown; --json lists all." in printed(show_one("nested", nested))
    assert "not shown" not in to_markdown(nested)


def test_markdown_of_several_verdicts_begins_with_a_table() -> None:
    text = to_markdown({name: check(load(name)) for name in ("ActionDiag", "identical-twins")})
    assert text.splitlines()[0] == "| graph | latents | actions | edges | disentangled | blocks | complete |"
    assert "| ActionDiag | 10 | 10 | 10 | 10 | 10 | yes |" in text
    assert "## identical-twins" in text
    assert "| left, right | each other |" in text
    assert text.endswith("\n")
    assert "Sufficient influence" in text


@pytest.mark.parametrize("name", ["[Ca2+]", "*starred"])
def test_latex_does_not_read_a_name_as_an_argument(name: str) -> None:
    text = latex_table("Scores.", "ll", ["[x]", "y"], [[name, "[1]"], [name, "2"]])
    rows = [line.strip() for line in text.splitlines() if line.endswith(r"\\")]
    assert rows[0] == r"{}[x] & y \\"
    assert [row.split(" & ")[0] for row in rows[1:]] == ["{}" + name] * 2
    assert "& {}[1]" not in text


def test_latex_of_several_verdicts_is_one_table() -> None:
    text = to_latex({"a_b": TWINS, "c": check(load("TimeDiag"))})
    assert r"a\_b & 3 & 2 & 3 & 1 & 2 & no \\" in text
    assert text.count(r"\begin{tabular}{p{0.4\linewidth}rrrrrl}") == text.count(r"\end{tabular}") == 1


@given(st.dictionaries(st.text("ab|<[", min_size=1), graphs(), min_size=1, max_size=3))
def test_every_form_supports_every_graph(named: dict[str, CausalGraph]) -> None:
    verdicts: dict[str, Verdict] = {name: check(graph) for name, graph in named.items()}
    assert Page(to_html(verdicts, figure=without_figure)).open == []
    for name, verdict in verdicts.items():
        assert verdict.headline[:20] in printed(show_one(name, verdict))
    assert f"of {plural(len(verdicts), 'graph')} completely disentangled" in printed(show_many(verdicts))
    assert to_markdown(verdicts).count("**") == 2 * len(verdicts)
    assert to_latex(verdicts).count(r"\\") >= len(verdicts)
