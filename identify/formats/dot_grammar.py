"""Parser of DOT that follows Graphviz.

A default (``node [kind=action]``) applies to later statements only, so the order of statements matters. Libraries such
as pydot lose it: they sort statements into nodes, edges and subgraphs. This module therefore parses the grammar on
https://graphviz.org/doc/info/lang.html itself, with these rules, each checked against ``dot -Tjson``:

- A default applies to nodes (edges) that are created after it, in its subgraph and nested ones, and not outside.
- A node is created where its name first occurs. Later statements add attributes.
- A named subgraph that is reopened keeps its nodes and defaults.
- An edge with a subgraph at one end denotes one edge for each node in it.
- In a strict graph, and for edges with the same ``key``, a repeated edge adds attributes to the first one.
"""

from __future__ import annotations

import re
from collections import ChainMap
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise

from identify.exceptions import FormatError
from identify.names import quoted

__all__ = ["DotEdge", "DotGraph", "DotNode", "Html", "parse_dot"]

# nesting of subgraphs: each level costs time for all nodes inside
_MAX_DEPTH = 50
# {a b c} -> {d e f} denotes nine edges, so a short file can denote a huge number
_MAX_EDGES = 2_000_000

_LETTER = "A-Za-z_\u0080-\U0010ffff"
_TOKEN = re.compile(
    rf"""(?P<space>[ \t\r\n\f\v\ufeff]+|(?://|\#)[^\n]*|/\*.*?\*/)
    |(?P<quoted>"[^"\\]*(?:\\.[^"\\]*)*")
    |(?P<word>[{_LETTER}][0-9{_LETTER}]*)
    |(?P<number>-?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?))
    |(?P<sign>->|--|[{{}}\[\]=;,:+])
    |(?P<html><)""",
    re.VERBOSE | re.DOTALL,
)
_KEYWORDS = ("node", "edge", "graph", "digraph", "subgraph", "strict")

Attributes = dict[str, str]


class Html(str):
    """An identifier in angle brackets, ``<...>``, whose value is markup."""


@dataclass(frozen=True)
class _Token:
    """A token of the text, with its line."""

    kind: str
    text: str
    line: int

    def is_sign(self, *signs: str) -> bool:
        """Return whether the token is one of the signs."""
        return self.kind == "sign" and self.text in signs

    def keyword(self) -> str:
        """Return the token in lower case if it is a keyword, and an empty string otherwise."""
        return self.text.lower() if self.kind == "word" and self.text.lower() in _KEYWORDS else ""


@dataclass
class DotNode:
    """A node, with its attributes and the line of its first occurrence."""

    attributes: Attributes
    line: int


@dataclass
class DotEdge:
    """An edge as written, with its ends, attributes and line."""

    tail: str
    head: str
    attributes: Attributes
    line: int


@dataclass
class DotGraph:
    """A parsed file: whether the graph is strict, its nodes by name in order, and its edges."""

    strict: bool = False
    nodes: dict[str, DotNode] = field(default_factory=dict)
    edges: list[DotEdge] = field(default_factory=list)


@dataclass
class _Scope:
    """The graph or a subgraph: its defaults on top of those around it, its nodes, and its named subgraphs."""

    node: ChainMap[str, str] = field(default_factory=ChainMap)
    edge: ChainMap[str, str] = field(default_factory=ChainMap)
    members: dict[str, None] = field(default_factory=dict)
    named: dict[str, _Scope] = field(default_factory=dict)
    depth: int = 0

    def inner(self) -> _Scope:
        """Return the scope of a subgraph in this one."""
        return _Scope(self.node.new_child(), self.edge.new_child(), depth=self.depth + 1)


def parse_dot(text: str) -> DotGraph:
    """Parse a file with one directed graph.

    Raises:
        FormatError: If the text violates the grammar, contains several graphs or an undirected one, is nested more than
            50 deep, or denotes more than 2,000,000 edges. The message gives the line.

    Example:
        >>> graph = parse_dot("digraph { node [kind=action] push; node [kind=latent] push -> {x y} }")
        >>> {name: node.attributes["kind"] for name, node in graph.nodes.items()}
        {'push': 'action', 'x': 'latent', 'y': 'latent'}
        >>> [(edge.tail, edge.head) for edge in graph.edges]
        [('push', 'x'), ('push', 'y')]
    """
    return _Parser(text).graph()


class _Parser:
    """Recursive-descent parser of one graph."""

    def __init__(self, text: str) -> None:
        self._tokens = _tokens(text)
        self._next = next(self._tokens)
        self._graph = DotGraph()
        # in a strict graph and for edges with a key: the first edge, to which repeated ones add attributes
        self._first_edges: dict[tuple[str, str, str], tuple[DotEdge, str]] = {}

    def graph(self) -> DotGraph:
        """Parse the whole text."""
        if self._next.keyword() == "strict":
            self._graph.strict = True
            self._take()
        if self._next.keyword() == "graph":
            raise FormatError(
                f"line {self._next.line}: is a graph; it must be a digraph, with edges from parent to child"
            )
        if self._next.keyword() != "digraph":
            raise self._unexpected("'digraph'")
        self._take()
        if not self._next.is_sign("{"):
            self._identifier()
        self._body(_Scope())
        if self._next.keyword() in ("strict", "graph", "digraph"):
            raise FormatError(f"line {self._next.line}: a second graph begins; the file must contain one")
        if self._next.kind != "end":
            raise self._unexpected("the end of the file")
        return self._graph

    # Statements ---------------------------------------------------------------------------------

    def _body(self, scope: _Scope) -> None:
        self._sign("{")
        while not self._next.is_sign("}"):
            if self._next.is_sign(";"):
                self._take()
            else:
                self._statement(scope)
        self._take()

    def _statement(self, scope: _Scope) -> None:
        keyword = self._next.keyword()
        if keyword in ("node", "edge", "graph"):
            self._take()
            if not self._next.is_sign("["):
                raise self._unexpected(f"'[' after {keyword!r}")
            attributes = self._attributes()
            if keyword != "graph":
                getattr(scope, keyword).update(attributes)
            return
        line = self._next.line
        first, is_name = self._end(scope)
        if is_name and self._next.is_sign("="):
            # a graph attribute: the identifier is its key and not a node
            self._take()
            self._identifier()
            return
        self._add_nodes(first, scope)
        ends = [first]
        while self._next.is_sign("->"):
            self._take()
            ends.append(self._end(scope)[0])
            self._add_nodes(ends[-1], scope)
        if self._next.is_sign("--"):
            raise FormatError(f"line {self._next.line}: '--' in a digraph; edges are written parent -> child")
        attributes = self._attributes()
        if len(ends) > 1:
            # collected at the end, because a later end can add nodes to the subgraph of an earlier one
            members = [list(end.members if isinstance(end, _Scope) else end) for end in ends]
            self._add_edges(members, attributes, scope, line)
        elif not isinstance(first, _Scope):
            for name in first:
                self._graph.nodes[name].attributes.update(attributes)

    def _end(self, scope: _Scope) -> tuple[_Scope | dict[str, int], bool]:
        """Parse a subgraph or comma-separated nodes, and return whether they are a single name without a port."""
        if self._next.is_sign("{") or self._next.keyword() == "subgraph":
            return self._subgraph(scope), False
        names: dict[str, int] = {}
        has_port = False
        while True:
            line = self._next.line
            names.setdefault(self._identifier(), line)
            while self._next.is_sign(":"):
                # a port is a position on the outline of the node and irrelevant for the graph
                self._take()
                self._identifier()
                has_port = True
            if not self._next.is_sign(","):
                return names, not has_port and len(names) == 1
            self._take()

    def _add_nodes(self, end: _Scope | dict[str, int], scope: _Scope) -> None:
        """Create the new nodes at an end of an edge, and add all nodes there to the scope."""
        if isinstance(end, _Scope):
            scope.members |= end.members
            return
        for name, line in end.items():
            if name not in self._graph.nodes:
                self._graph.nodes[name] = DotNode(dict(scope.node), line)
            scope.members[name] = None

    def _subgraph(self, scope: _Scope) -> _Scope:
        line, name = self._next.line, None
        if self._next.keyword() == "subgraph":
            self._take()
            if not self._next.is_sign("{"):
                name = self._identifier()
        inner = scope.inner() if name is None else scope.named.setdefault(name, scope.inner())
        if inner.depth > _MAX_DEPTH:
            raise FormatError(f"line {line}: subgraphs are nested more than {_MAX_DEPTH} deep")
        self._body(inner)
        return inner

    def _add_edges(self, ends: list[list[str]], attributes: Attributes, scope: _Scope, line: int) -> None:
        key = attributes.get("key", "")
        initial = {**scope.edge, **attributes}
        for tails, heads in pairwise(ends):
            if len(self._graph.edges) + len(tails) * len(heads) > _MAX_EDGES:
                raise FormatError(
                    f"line {line}: the file denotes more than {_MAX_EDGES:,} edges; write a .csv or .npz file"
                )
            for tail in tails:
                for head in heads:
                    self._add_edge(DotEdge(tail, head, initial, line), attributes, key)

    def _add_edge(self, edge: DotEdge, attributes: Attributes, key: str) -> None:
        if key or self._graph.strict:
            # a strict graph has one edge between two nodes, whatever the key; repetitions with another key add nothing
            ends_and_key = (edge.tail, edge.head, "" if self._graph.strict else key)
            first, first_key = self._first_edges.setdefault(ends_and_key, (edge, key))
            if first is not edge:
                if key in ("", first_key):
                    first.attributes = {**first.attributes, **attributes}
                return
        self._graph.edges.append(edge)

    def _attributes(self) -> Attributes:
        attributes: Attributes = {}
        while self._next.is_sign("["):
            self._take()
            while not self._next.is_sign("]"):
                key = self._identifier()
                self._sign("=")
                attributes[key] = self._identifier()
                if self._next.is_sign(";", ","):
                    self._take()
            self._take()
        return attributes

    # Tokens -------------------------------------------------------------------------------------

    def _identifier(self) -> str:
        token = self._next
        if token.kind not in ("word", "number", "quoted", "html") or token.keyword():
            raise self._unexpected("a name")
        self._take()
        if token.kind == "html":
            return Html(token.text)
        text = token.text
        while token.kind == "quoted" and self._next.is_sign("+"):
            self._take()
            if self._next.kind != "quoted":
                raise self._unexpected("a quoted string after '+'")
            text += self._next.text
            self._take()
        return text

    def _sign(self, sign: str) -> None:
        if not self._next.is_sign(sign):
            raise self._unexpected(f"'{sign}'")
        self._take()

    def _take(self) -> None:
        if self._next.kind != "end":
            self._next = next(self._tokens)

    def _unexpected(self, expected: str) -> FormatError:
        actual = "the end of the file" if self._next.kind == "end" else quoted(self._next.text, 40)
        return FormatError(f"line {self._next.line}: is not valid DOT: expected {expected}, found {actual}")


def _tokens(text: str) -> Iterator[_Token]:
    start, line = 0, 1
    while start < len(text):
        match = _TOKEN.match(text, start)
        if match is None:
            raise FormatError(f"line {line}: is not valid DOT: {_syntax_error(text, start)}")
        kind, end = match.lastgroup or "", match.end()
        if kind == "html":
            end = _end_of_html(text, start, line)
        raw = text[start:end]
        if kind != "space":
            yield _Token(kind, _value(kind, raw, line, text[end : end + 1]), line)
        start, line = end, line + raw.count("\n")
    yield _Token("end", "", line)


def _value(kind: str, raw: str, line: int, next_character: str) -> str:
    if kind == "quoted":
        # the only escapes at this level are quotes and continued lines; labels have more
        return re.sub(r"\\(\\|\"|\r?\n)", lambda match: _ESCAPED.get(match[1], match[0]), raw[1:-1])
    if kind == "html":
        return raw[1:-1]
    if kind == "number" and re.match(rf"[{_LETTER}.0-9]", next_character):
        # Graphviz warns and continues with two names
        raise FormatError(
            f"line {line}: a name can't begin with {quoted(raw + next_character)}; quote names that begin with a digit"
        )
    return raw


_ESCAPED = {'"': '"', "\n": "", "\r\n": ""}


def _end_of_html(text: str, start: int, line: int) -> int:
    depth = 0
    for match in re.compile("[<>]").finditer(text, start):
        depth += 1 if match[0] == "<" else -1
        if depth == 0:
            return match.end()
    raise FormatError(f"line {line}: is not valid DOT: '<' is never closed")


def _syntax_error(text: str, start: int) -> str:
    if text[start] == '"':
        return "a quoted string is never closed"
    if text.startswith("/*", start):
        return "a comment is never closed"
    return f"{quoted(text[start])} is not allowed here"
