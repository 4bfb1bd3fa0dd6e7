"""Graphs and verdicts in notebooks: every name is escaped, and long tables are shortened with their count."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from identify.catalog import load
from identify.criterion import check
from identify.entanglement import predict_entanglement
from identify.graph import CausalGraph
from identify.influence import Influence, InfluenceReport, Influences
from identify.markup import MAX_ROWS, card, paragraph, rest, table
from identify.terminal import printable
from tests.builders import graphs
from tests.html_pages import checked

NASTY = st.lists(st.text("<>&\"'`{}/=ab ", min_size=1, max_size=12), min_size=6, max_size=6, unique=True)


def outputs(graph: CausalGraph) -> list[str]:
    """Return the notebook output of a graph and of what the theory says about it."""
    verdict = check(graph)
    return [each._repr_html_() for each in (graph, verdict, predict_entanglement(graph))]


@given(graphs())
def test_outputs_are_well_formed_and_name_every_latent_of_a_small_graph(graph: CausalGraph) -> None:
    shown, verdict, entanglement = (checked(source, whole=False) for source in outputs(graph))
    assert all(name in shown.text for name in graph.latents[:MAX_ROWS])
    assert all(name in entanglement.text for name in graph.latents[: MAX_ROWS // 4])
    assert check(graph).headline in verdict.text


@given(NASTY)
def test_names_never_become_markup(names: list[str]) -> None:
    graph = CausalGraph(Gz=np.eye(3), Ga=np.ones((3, 3)), latents=names[:3], actions=names[3:])
    plain = CausalGraph(Gz=np.eye(3), Ga=np.ones((3, 3)))
    for source, expected in zip(outputs(graph), outputs(plain), strict=True):
        assert checked(source, whole=False).tags == checked(expected, whole=False).tags
    page = checked(graph._repr_html_(), whole=False)
    assert all(name in page.text for name in names)


def test_the_names_of_a_verdict_are_escaped() -> None:
    graph = CausalGraph(Ga=[[1], [1]], latents=["<b>x</b>", "y&z"], actions=["<script>"])
    page = checked(check(graph)._repr_html_(), whole=False)
    assert "add an action that targets <b>x</b> and not y&z" in page.text
    assert "b" not in page.tags


def test_large_graphs_are_shortened_with_their_count() -> None:
    sources = outputs(CausalGraph(Ga=np.ones((1000, 1))))
    assert all(len(source) < 20_000 for source in sources)
    assert "and 980 more latents" in checked(sources[0], whole=False).text
    assert "and 980 more latents" in checked(sources[1], whole=False).text
    assert "and 994 more" in checked(sources[2], whole=False).text
    many_blocks = predict_entanglement(CausalGraph(Gz=np.eye(30)))
    assert "and 10 more blocks" in checked(many_blocks._repr_html_(), whole=False).text


def test_a_verdict_shows_what_was_decided() -> None:
    complete = checked(check(load("ActionDiag"))._repr_html_(), whole=False)
    assert complete.tables == []
    answers = {"a0": Influence("a0", "fails", None, "proportional"), "a1": Influence("a1", "holds", None, "")}
    report = InfluenceReport("nonparametric", Influences(answers), None)
    page = checked(check(CausalGraph(Ga=[[1, 0], [1, 1]]), influence=report)._repr_html_(), whole=False)
    assert "Conditions of the guarantee" in page.text
    assert "refuted" in page.text
    shifts = check(CausalGraph(Ga=[[1, 1, 0], [1, 0, 1], [0, 1, 1]]), effects="shifts")
    assert "on/off actions" in checked(shifts._repr_html_(), whole=False).text


def test_graphs_without_actions_or_past_leave_the_column_out() -> None:
    past, actions, neither = (
        checked(graph._repr_html_(), whole=False).text
        for graph in (CausalGraph(Gz=[[1]]), CausalGraph(Ga=[[1]]), CausalGraph(latents=["alone"]))
    )
    assert "latents of the step before" in past
    assert "latents of the step before" not in actions
    assert "actions" not in neither.replace("0 actions", "").replace("from actions", "")


@pytest.mark.parametrize("text", ["<script>", "a&b", '"quoted"', "\x1b[31m", "\u202e"])
def test_parts_escape_text(text: str) -> None:
    source = card(text, paragraph(text, True), table(text, (text, "b"), [(text, text)]))
    page = checked(source, whole=False)
    # title, paragraph, caption, header, and two cells
    assert page.text.count(printable(text)) == 6
    assert "script" not in page.tags
    assert "\x1b" not in source


def test_empty_parts_are_left_out() -> None:
    assert paragraph("") == table("caption", ("a",), []) == rest(3, "row") == ""
