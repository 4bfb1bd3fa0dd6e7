"""DOT is read as by Graphviz. The expected values were compared with ``dot -Tjson`` of Graphviz 2.42."""

from __future__ import annotations

import pytest

from identify.exceptions import FormatError
from identify.formats import FORMATS
from identify.formats.dot_grammar import parse_dot

# text, kinds of the nodes in order (empty if there is none), edges (tail, head, dir)
MEANINGS = [
    (
        "digraph { node [kind=action]; push; pull; node [kind=latent]; speed; push -> speed }",
        {"push": "action", "pull": "action", "speed": "latent"},
        [("push", "speed", "")],
    ),
    ("digraph { a; node [kind=action]; b; }", {"a": "", "b": "action"}, []),
    ("digraph { a; subgraph s { node [kind=action]; b; a } c; }", {"a": "", "b": "action", "c": ""}, []),
    (
        "digraph { node [kind=u]; subgraph s { node [kind=v]; x; subgraph t { y } } z; {node [kind=w]} q }",
        {"x": "v", "y": "v", "z": "u", "q": "u"},
        [],
    ),
    (
        "digraph { subgraph s { node [kind=u]; x } subgraph s { y } z }",
        {"x": "u", "y": "u", "z": ""},
        [],
    ),
    ("digraph { a [kind=u, kind=v]; a [kind=w]; node [kind=q] a }", {"a": "w"}, []),
    ("DIGRAPH { NODE [kind=u] a SUBGRAPH x { b } }", {"a": "u", "b": "u"}, []),
    ('digraph { node [kind=u]; a; node [kind=""]; b }', {"a": "u", "b": ""}, []),
    ("digraph { graph [kind=u] edge [kind=v] kind=w a }", {"a": ""}, []),
    ("digraph { a, b [kind=u] }", {"a": "u", "b": "u"}, []),
    ("digraph { subgraph { a } [kind=u] }", {"a": ""}, []),
    (
        "digraph { {a;b} -> c -> {d e} }",
        dict.fromkeys("abcde", ""),
        [("a", "c", ""), ("b", "c", ""), ("c", "d", ""), ("c", "e", "")],
    ),
    ("digraph { {a -> b} -> c }", dict.fromkeys("abc", ""), [("a", "b", ""), ("a", "c", ""), ("b", "c", "")]),
    (
        "digraph { subgraph s {a} c -> subgraph s {d} }",
        dict.fromkeys("acd", ""),
        [("c", "a", ""), ("c", "d", "")],
    ),
    (
        "digraph { subgraph s {a} -> b -> subgraph s {c} }",
        dict.fromkeys("abc", ""),
        [("a", "b", ""), ("b", "a", ""), ("b", "c", ""), ("c", "b", "")],
    ),
    (
        "digraph { edge [dir=back]; a -> b; edge [dir=none]; b -> c [dir=both]; {edge [dir=u] c -> d} d -> e }",
        dict.fromkeys("abcde", ""),
        [("a", "b", "back"), ("b", "c", "both"), ("c", "d", "u"), ("d", "e", "none")],
    ),
    (
        "strict digraph { a -> b; edge [dir=back]; a -> b; c -> d; c -> d [dir=both] }",
        dict.fromkeys("abcd", ""),
        [("a", "b", ""), ("c", "d", "both")],
    ),
    ("digraph { a -> b; a -> b [dir=back] }", dict.fromkeys("ab", ""), [("a", "b", ""), ("a", "b", "back")]),
    ("digraph { a -> b [key=k]; a -> b [key=k, dir=back] }", dict.fromkeys("ab", ""), [("a", "b", "back")]),
    ("strict digraph { a -> b [key=k]; a -> b [key=l, dir=u] }", dict.fromkeys("ab", ""), [("a", "b", "")]),
    ('digraph { a:p:n -> b:s; "x:y" -> c }',
     {"a": "", "b": "", "x:y": "", "c": ""}, [("a", "b", ""), ("x:y", "c", "")]),
    ('digraph { "a" + "b" -> -1.5 -> .5 }', {"ab": "", "-1.5": "", ".5": ""}, [("ab", "-1.5", ""), ("-1.5", ".5", "")]),
    ("digraph { <<b>x</b>> [kind=<u>] }", {"<b>x</b>": "u"}, []),
    ('digraph { "q\\"u\\n" "a\\\nb" "back\\\\" }', {'q"u\\n': "", "ab": "", "back\\\\": ""}, []),
    ("# c\ndigraph { a /* -> z */ -> b // -> z\n  # -> z\n ; c # -> z\n }", dict.fromkeys("abc", ""), [("a", "b", "")]),
    ("digraph { ünï -> é1 }", {"ünï": "", "é1": ""}, [("ünï", "é1", "")]),
    ('digraph "my g" { "a" [x="1";y=2 z=<3>] [w=4] }', {"a": ""}, []),
    ("digraph G {}", {}, []),
]  # fmt: skip


@pytest.mark.parametrize(("text", "kinds", "edges"), MEANINGS, ids=[text[:50] for text, _, _ in MEANINGS])
def test_dot_is_interpreted_as_by_graphviz(
    text: str, kinds: dict[str, str], edges: list[tuple[str, str, str]]
) -> None:
    graph = parse_dot(text)
    assert [(name, node.attributes.get("kind", "")) for name, node in graph.nodes.items()] == list(
        kinds.items()
    )
    assert sorted((edge.tail, edge.head, edge.attributes.get("dir", "")) for edge in graph.edges) == sorted(
        edges
    )


@pytest.mark.parametrize(
    ("text", "edges"),
    [
        ("a -> b [dir=back]", [("b", "a")]),
        ("a -> b [dir=both]", [("a", "b"), ("b", "a")]),
        ("a -> b [dir=forward, arrowhead=tee]", [("a", "b")]),
        ("a -> b [dir=both, arrowhead=none]", [("b", "a")]),
        ('edge [dir="back"]; a -> {b c}', [("b", "a"), ("c", "a")]),
        ('a -> b [dir=""]', [("a", "b")]),
    ],
)
def test_edges_follow_the_direction_of_their_arrows(text: str, edges: list[tuple[str, str]]) -> None:
    assert sorted(FORMATS["dot"].read(f"digraph {{ {text} }}".encode()).edges()) == sorted(edges)


@pytest.mark.parametrize(
    ("text", "latents"),
    [
        ('n0 [label="speed\\n(m/s)"]; n1', ("speed (m/s)", "n1")),
        ("n0 [label=<<b>sp</b>eed<br/>&amp; more>]; n1 [label=mass]", ("speed & more", "mass")),
        ('0 [name=speed]; 1 [name="pl\\\\ace" label=x]', ("speed", "pl\\ace")),
        ('n0 [label="the node \\N"]; n1', ("the node n0", "n1")),
        ('speed [label="Speed in m/s"]; n1', ("speed", "n1")),
        ("n0; n1", ("n0", "n1")),
    ],
)
def test_labels_are_names_if_ids_are_generated(text: str, latents: tuple[str, ...]) -> None:
    assert FORMATS["dot"].read(f"digraph {{ {text} }}".encode()).latents == latents


REJECTED = [
    ("graph { a -- b }", "line 1: is a graph; it must be a digraph"),
    ("digraph {\n a -- b }", "line 2: '--' in a digraph; edges are written parent -> child"),
    ("digraph {\n a -> b [dir=none] }", "line 2: the edge a -> b has no arrow (dir or arrowhead is none)"),
    ("digraph { a -> b [arrowhead=none] }", "line 1: the edge a -> b has no arrow"),
    ("digraph { a -> b [dir=up] }", "line 1: the edge a -> b has dir='up'; it must be forward, back or both"),
    (
        "digraph { a -> b [style=invis] }",
        "line 1: the edge a -> b is invisible (style=invis) and affects only the layout",
    ),
    ('digraph {\n\n a [style="filled,invis"] }', "line 3: node a is invisible (style=invis)"),
    ("digraph { a } digraph { b }", "line 1: a second graph begins; the file must contain one"),
    ("digraph { a } b", "line 1: is not valid DOT: expected the end of the file, found 'b'"),
    ("digraph { a", "line 1: is not valid DOT: expected a name, found the end of the file"),
    ("digraph { 1a }", "line 1: a name can't begin with '1a'; quote names that begin with a digit"),
    ("digraph { a [kind] }", "line 1: is not valid DOT: expected '=', found ']'"),
    ("digraph { node; a }", "line 1: is not valid DOT: expected '[' after 'node', found ';'"),
    ("digraph { edge -> a }", "line 1: is not valid DOT: expected '[' after 'edge', found '->'"),
    ('digraph { "a" + b }', "line 1: is not valid DOT: expected a quoted string after '+', found 'b'"),
    ('digraph {\n "a }', "line 2: is not valid DOT: a quoted string is never closed"),
    ("digraph { /* a }", "line 1: is not valid DOT: a comment is never closed"),
    ("digraph { <a }", "line 1: is not valid DOT: '<' is never closed"),
    ("digraph { a > b }", "line 1: is not valid DOT: '>' is not allowed here"),
    ("digraph { subgraph s -> a }", "line 1: is not valid DOT: expected '{', found '->'"),
    ("graphs { a }", "line 1: is not valid DOT: expected 'digraph', found 'graphs'"),
    ("digraph {" + "{" * 60 + "}" * 60 + "}", "line 1: subgraphs are nested more than 50 deep"),
    ("digraph { a [kind=action] \n b }", "line 2: node b has no kind, but others have one"),
    ("digraph { n0 [label=x]\n n1 [label=x] }", "line 2: nodes n0 (line 1) and n1 both have the 'label' 'x'"),
    ('digraph { "a" [mechsparse_name="x"]; x }', "line 1: node x has the mechsparse_name of another node"),
    ("digraph { a [kind=action] b [kind=latent]\n b -> a }", "line 2: the edge b -> a points at an action"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "message"), REJECTED, ids=[message[:50] for _, message in REJECTED])
def test_dot_files_that_are_not_causal_graphs_are_rejected(text: str, message: str) -> None:
    with pytest.raises(FormatError) as caught:
        FORMATS["dot"].read(text.encode())
    assert str(caught.value).startswith(message)


def test_a_short_text_that_denotes_very_many_edges_is_rejected_before_they_are_created(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("identify.formats.dot_grammar._MAX_EDGES", 8)
    parse_dot("digraph { {a b} -> {c d} -> {e f} }")
    with pytest.raises(FormatError, match="line 1: the file denotes more than 8 edges"):
        parse_dot("digraph { {a b} -> {c d} -> {e f} -> g }")
    monkeypatch.undo()
    many = " ".join(f"a{i}" for i in range(10_000))
    with pytest.raises(FormatError, match="denotes more than 2,000,000 edges"):
        parse_dot(f"digraph {{ {{{many}}} -> {{{many}}} }}")
