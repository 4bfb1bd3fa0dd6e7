"""Files of other programs are interpreted as by these programs, and the interpretation is described."""

from __future__ import annotations

from pathlib import Path

import pytest

from identify.exceptions import FormatError
from identify.formats import FORMATS, read_described, read_graph
from identify.formats.described import describe
from identify.graph import CausalGraph

FOLDER = Path(__file__).parent / "data" / "graphs"
FILES = sorted(path for path in FOLDER.iterdir() if path.name != "README.md")
SAME = CausalGraph([[1, 0], [1, 0]], [[0], [1]], ["speed", "place"], ["push"])


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_program_writes_the_same_graph(path: Path) -> None:
    found = read_described(path)
    assert found.graph == SAME
    assert found.graph.same_names(SAME)
    said = describe(found)
    assert "2 latents (speed, place), 1 action (push)" in said
    assert (
        "2 edges from the past (speed -> speed, speed -> place); 1 edge from actions (push -> place)" in said
    )


@pytest.mark.parametrize(
    ("file", "note"),
    [
        ("cytoscape.graphml", "names are taken from 'name'"),
        ("excel.csv", "cells are separated by semicolons"),
        ("excel_unicode.adjacency.csv", "rows are children, columns their parents"),
        ("gephi.graphml", "names are taken from 'label'"),
        ("graphviz.dot", "dir or arrowheads reverse 1 edge"),
        ("igraph.gml", "names are taken from 'name'"),
        ("r_edges.csv", "ignored the first column, which has no name and numbers the lines"),
        ("yed.graphml", "the arrow of n0::n1 -> n1 points back"),
        ("yed.graphml", "names are taken from 'node label'"),
        ("yed.gml", "ignored 1 group of nodes (but not the nodes inside)"),
    ],
)
def test_notes_report_every_choice(file: str, note: str) -> None:
    assert note in read_described(FOLDER / file).notes


# GraphML --------------------------------------------------------------------------------------------

HEAD = '<graphml xmlns="http://graphml.graphdrawing.org/xmlns" xmlns:y="http://www.yworks.com/xml/graphml">'
KEYS = '<key id="k" for="node" attr.name="kind"/><key id="l" for="node" attr.name="label"/>'


def graphml(inside: str, keys: str = KEYS, graph: str = 'edgedefault="directed"') -> bytes:
    return f"{HEAD}{keys}<graph {graph}>{inside}</graph></graphml>".encode()


def node(ident: str, **data: str) -> str:
    inside = "".join(f'<data key="{key}">{text}</data>' for key, text in data.items())
    return f'<node id="{ident}">{inside}</node>'


def edge(source: str, target: str, more: str = "", inside: str = "") -> str:
    return f'<edge source="{source}" target="{target}" {more}>{inside}</edge>'


ARROWLESS = '<data key="k"><y:PolyLineEdge><y:Arrows source="none" target="none"/></y:PolyLineEdge></data>'
AB = node("a") + node("b")


def test_labels_are_names_only_if_ids_are_generated() -> None:
    read = FORMATS["graphml"].read
    assert read(graphml(node("n0", l="speed") + node("n1", l="place"))).latents == ("speed", "place")
    assert read(graphml(node("n0", l="speed") + node("mass", l="place"))).latents == ("n0", "mass")
    assert read(graphml(node("n0") + node("n1"))).latents == ("n0", "n1")
    uuid = "123e4567-e89b-12d3-a456-42661417400"
    assert read(graphml(node(f"{uuid}0", l="x") + node(f"{uuid}1", l="y"))).latents == ("x", "y")


def test_defaults_apply_to_nodes_without_data() -> None:
    keys = '<key id="k" for="node" attr.name="kind"><default> action </default></key>'
    graph = FORMATS["graphml"].read(
        graphml(node("push") + node("speed", k="latent") + edge("push", "speed"), keys)
    )
    assert (graph.latents, graph.actions) == (("speed",), ("push",))


def test_an_undirected_default_is_accepted_if_every_edge_is_directed() -> None:
    content = graphml(AB + edge("a", "b", 'directed="true"'), graph='edgedefault="undirected"')
    assert FORMATS["graphml"].read(content).edges() == [("a", "b")]


def test_an_arrow_at_both_ends_gives_two_edges() -> None:
    both = '<data key="k"><y:Arrows source="standard" target="standard"/></data>'
    found = FORMATS["graphml"].parse(graphml(AB + edge("a", "b", inside=f"{both}")))
    assert sorted(found.graph.edges()) == [("a", "b"), ("b", "a")]
    assert "the arrow of a -> b points both ways" in found.notes


GRAPHML_REFUSED = [
    (graphml(AB + edge("a", "c")), "the edge a -> c ends at a node that is not declared"),
    (graphml(AB + edge("a", "b", 'directed="false"')), "the edge a -> b is undirected; edges must go from"),
    (graphml(AB + edge("a", "b"), graph='edgedefault="undirected"'), "the edge a -> b is undirected"),
    (graphml(AB + edge("a", "b", inside=ARROWLESS)), "the edge a -> b is drawn without an arrow"),
    (graphml(AB + "<edge/>"), "edge '': has no source or no target"),
    (graphml(AB + node("a")), "node a is declared twice; ids must be unique"),
    (graphml("<node/>"), "a node has no id"),
    (graphml(AB + '<hyperedge><endpoint node="a"/></hyperedge>'), "contains a hyperedge; an edge has one source"),
    (graphml(AB + edge("a", "b", inside="<graph/>")), "contains a graph inside an edge; only nodes may contain one"),
    (graphml('<node id="a"><locator/></node>'), "node a is in another file (<locator>); give a single file"),
    (graphml(node("a", z="1")), "node a: has data for the key 'z', which is not declared"),
    (graphml('<node id="a"><data key="k"/><data key="k"/></node>'), "node a: has data for the key 'k' twice"),
    (
        graphml(node("a", k="latent") + node("b")),
        "node b has no kind, but others have one; the attribute 'kind' must be",
    ),
    (graphml(node("a", k="thing")), "node a has kind 'thing'; the attribute 'kind' must be 'latent' or 'action'"),
    (graphml(node("n0", l="x") + node("n1", l="x")), "nodes n0 and n1 both have the 'label' 'x'; names must be"),
    (
        graphml(node("n0", l="x") + node("n1")),
        "node n1 has no 'label', but node n0 has one; names are taken from 'label'",
    ),
    (graphml(node("a"), KEYS + KEYS), "declares the key 'k' twice; ids must be unique"),
    (
        graphml(node("a"), '<key id="1" for="node" attr.name="Kind"/><key id="2" for="node" attr.name="KIND"/>'),
        "the keys '1' and '2' both declare the attribute 'kind' of nodes; rename one",
    ),
    (
        graphml(f'<node id="g"><graph edgedefault="directed">{node("a")}</graph></node>' + edge("a", "g")),
        "the edge a -> g ends at the group g; draw edges between nodes",
    ),
    (graphml(node("a")).replace(b"</graphml>", b"<graph/></graphml>"), "contains 2 graphs; it must contain one"),
    (
        graphml('<node id="a"><data key="l">x</data></node>', '<key id="l" for="node" attr.name="label"/>').replace(
            b'id="a"><data key="l">', b'id="n1"><data key="q">y</data><data key="l">'
        ),
        "node n1: has data for the key 'q'",
    ),
]  # fmt: skip


@pytest.mark.parametrize(
    ("content", "message"), GRAPHML_REFUSED, ids=[message[:40] for _, message in GRAPHML_REFUSED]
)
def test_graphml_files_that_are_not_causal_graphs_are_rejected(content: bytes, message: str) -> None:
    with pytest.raises(FormatError) as caught:
        FORMATS["graphml"].read(content)
    assert str(caught.value).startswith(message)


# GML ------------------------------------------------------------------------------------------------


def gml(inside: str, head: str = "") -> bytes:
    return f"{head}graph [\n directed 1\n{inside}\n]".encode()


TWO = 'node [ id 1 label "a" ]\n node [ id 2 label "b" ]\n'


def test_gml_resolves_entities_and_keeps_unknown_ones() -> None:
    graph = FORMATS["gml"].read(gml('node [ id 1 label "&quot;&amp;&#955;&#x3bb;&Auml;&nothing;&" ]'))
    assert graph.latents == ('"&λλÄ&nothing;&',)


def test_gml_comments_extend_over_whole_lines() -> None:
    assert FORMATS["gml"].read(b"# a\n" + gml('  # b [\n# c\nnode [ id 1 label "#d" ]')).latents == ("#d",)


def test_gml_arrows() -> None:
    drawn = TWO + 'edge [ source 1 target 2 graphics [ arrow "both" ] ]'
    assert sorted(FORMATS["gml"].read(gml(drawn)).edges()) == [("a", "b"), ("b", "a")]


GML_REFUSED = [
    (gml(TWO + "edge [ source 1 target 3 ]"), "line 5: the edge 1 -> 3 ends at a node that is not declared"),
    (gml(TWO + "edge [ source 1 ]"), "line 5: an edge has no target"),
    (gml(TWO + 'edge [ source 1 target 2 graphics [ arrow "none" ] ]'), "line 5: the edge 1 -> 2 is drawn without"),
    (gml(TWO + "edge [ source 1 target 2 ]", 'Creator "yFiles"\n').replace(b"target 2", b"target 2 graphics [ x 1 ]"),
     "line 6: the edge 1 -> 2 is drawn without an arrow"),
    (gml(TWO + "node [ id 1.0 ]"), "line 5: node 1 is declared twice; ids must be unique"),
    (gml("node [ label 3 ]"), "line 3: a node has no id"),
    (gml('node [ id 1 isGroup 1 ] node [ id 2 label "x" ] edge [ source 1 target 2 ]'), "line 3: an edge ends at the"),
    (gml('node [ id 1 label "a" label "b" ]'), "line 3: key 'label': occurs twice; it must occur once"),
    (gml("").replace(b"directed 1", b"directed 2"), "line 1: key 'directed': is '2'; it must be 0 or 1"),
    (gml("") + gml(""), "contains 2 graphs; it must contain one 'graph [ ... ]'"),
    (gml("node node [ ]"), "line 3: is not valid GML: the key 'node' has no value"),
    (gml("3"), "line 3: is not valid GML: expected a key, found '3'"),
    (gml("node [ id ]"), "line 3: is not valid GML: expected a value, found ']'"),
    (gml("") + b"]", "line 4: is not valid GML: expected a key, found ']'"),
    (gml('node [ label "x ]'), "line 3: is not valid GML: a string is never closed"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("content", "message"), GML_REFUSED, ids=[message[:40] for _, message in GML_REFUSED]
)
def test_gml_files_that_are_not_causal_graphs_are_rejected(content: bytes, message: str) -> None:
    with pytest.raises(FormatError) as caught:
        FORMATS["gml"].read(content)
    assert str(caught.value).startswith(message)


# The sentence ---------------------------------------------------------------------------------------


def test_the_description_reveals_a_transposed_table(tmp_path: Path) -> None:
    path = tmp_path / "g.adjacency.csv"
    path.write_text("child,speed,place\nspeed,0,0\nplace,1,0\n")
    said = describe(read_described(path))
    assert said == (
        "read as adjacency table: 2 latents (speed, place), no actions; 1 edge from the past (speed -> place); rows "
        "are children, columns their parents"
    )


def test_a_note_reports_names_that_look_alike(tmp_path: Path) -> None:
    path = tmp_path / "g.csv"
    path.write_text("parent,child\n\N{MICRO SIGN},\N{GREEK SMALL LETTER MU}\n", encoding="utf-8")
    assert any("look alike but are different nodes" in note for note in read_described(path).notes)
    assert read_graph(path).n_latents == 2


def test_the_description_of_a_large_graph_is_short(tmp_path: Path) -> None:
    path = tmp_path / "g.csv"
    names = [f"latent number {i} with a long name {'x' * 50}" for i in range(100)]
    path.write_text("parent,child,kind\n" + "".join(f"{name},{names[0]},latent\n" for name in names))
    said = describe(read_described(path))
    assert len(said) <= 600
    assert "and 94 more" in said
    assert "100 edges from the past" in said
