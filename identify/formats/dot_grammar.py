"""The grammar of DOT, parsed as Graphviz does.

No library at hand keeps the order of statements: pydot sorts them into nodes, edges and subgraphs, and a default
(``node [kind=action]``) holds for what comes after it, so the order is the meaning. Hence a parser of our own for
the grammar on https://graphviz.org/doc/info/lang.html, with these rules, each checked against ``dot -Tjson``:

- a default holds for nodes (edges) that are made after it, in its subgraph and those inside, and not outside;
- a node is made where its name first stands; later statements add to its attributes;
- a named subgraph that is opened again keeps its nodes and its defaults;
- an edge with a subgraph at one end stands for an edge to each node in it;
- in a strict graph, and where edges have the same ``key``, a repeated edge adds to the attributes of the first.
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

# a subgraph in a subgraph in a subgraph: nobody draws more, and each level costs time for all nodes inside
_DEEPEST = 50
# {a b c} -> {d e f} stands for nine edges, so a short file may stand for very many
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
    """An identifier written as ``<...>``: its value is markup."""


@dataclass(frozen=True)
class _Token:
    kind: str
    text: str
    line: int

    def is_sign(self, *signs: str) -> bool:
        return self.kind == "sign" and self.text in signs

    def keyword(self) -> str:
        """The keyword that the token is, in lower case; empty for anything else."""
        return self.text.lower() if self.kind == "word" and self.text.lower() in _KEYWORDS else ""


@dataclass
class DotNode:
    """A node: its attributes, and the line on which it first stands."""

    attributes: Attributes
    line: int


@dataclass
class DotEdge:
    """An edge as it is written: its ends, its attributes, and its line."""

    tail: str
    head: str
    attributes: Attributes
    line: int


@dataclass
class DotGraph:
    """What a file says: whether it is strict, its nodes by name in order, its edges."""

    strict: bool = False
    nodes: dict[str, DotNode] = field(default_factory=dict)
    edges: list[DotEdge] = field(default_factory=list)


@dataclass
class _Scope:
    """The graph, or a subgraph: its defaults over those around it, its nodes, and the subgraphs named in it."""

    node: ChainMap[str, str] = field(default_factory=ChainMap)
    edge: ChainMap[str, str] = field(default_factory=ChainMap)
    members: dict[str, None] = field(default_factory=dict)
    named: dict[str, _Scope] = field(default_factory=dict)
    depth: int = 0

    def inner(self) -> _Scope:
        return _Scope(self.node.new_child(), self.edge.new_child(), depth=self.depth + 1)


def parse_dot(text: str) -> DotGraph:
    """Parse a file with one directed graph.

    Raises:
        FormatError: If the text breaks the grammar, holds several graphs or an undirected one, is nested more than
            50 deep, or stands for more than 2,000,000 edges; the text has the line.

    Example:
        >>> found = parse_dot("digraph { node [kind=action] push; node [kind=latent] push -> {x y} }")
        >>> {name: node.attributes["kind"] for name, node in found.nodes.items()}
        {'push': 'action', 'x': 'latent', 'y': 'latent'}
        >>> [(edge.tail, edge.head) for edge in found.edges]
        [('push', 'x'), ('push', 'y')]
    """
    return _Parser(text).graph()


class _Parser:
    def __init__(self, text: str) -> None:
        self._tokens = _tokens(text)
        self._next = next(self._tokens)
        self._found = DotGraph()
        # in a strict graph and for edges with a key: which edge of the list a repeated one adds to
        self._known: dict[tuple[str, str, str], tuple[DotEdge, str]] = {}

    def graph(self) -> DotGraph:
        if self._next.keyword() == "strict":
            self._found.strict = True
            self._take()
        if self._next.keyword() == "graph":
            raise FormatError(
                f"line {self._next.line}: is a graph; it must be a digraph, edges go from parent to child"
            )
        if self._next.keyword() != "digraph":
            raise self._unexpected("'digraph'")
        self._take()
        if not self._next.is_sign("{"):
            self._identifier()
        self._body(_Scope())
        if self._next.keyword() in ("strict", "graph", "digraph"):
            raise FormatError(f"line {self._next.line}: a second graph begins; give one")
        if self._next.kind != "end":
            raise self._unexpected("the end of the file")
        return self._found

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
            # graph attribute: what was taken for a node is the key, and makes none
            self._take()
            self._identifier()
            return
        self._make(first, scope)
        ends = [first]
        while self._next.is_sign("->"):
            self._take()
            ends.append(self._end(scope)[0])
            self._make(ends[-1], scope)
        if self._next.is_sign("--"):
            raise FormatError(f"line {self._next.line}: '--' in a digraph; edges are written parent -> child")
        attributes = self._attributes()
        if len(ends) > 1:
            # only now, since a later end may add nodes to the subgraph of an earlier one
            members = [list(end.members if isinstance(end, _Scope) else end) for end in ends]
            self._add_edges(members, attributes, scope, line)
        elif not isinstance(first, _Scope):
            for name in first:
                self._found.nodes[name].attributes.update(attributes)

    def _end(self, scope: _Scope) -> tuple[_Scope | dict[str, int], bool]:
        """A subgraph, or nodes between commas with their lines; and whether it is a single name without a port."""
        if self._next.is_sign("{") or self._next.keyword() == "subgraph":
            return self._subgraph(scope), False
        names: dict[str, int] = {}
        plain = True
        while True:
            line = self._next.line
            names.setdefault(self._identifier(), line)
            while self._next.is_sign(":"):
                # a port is a place on the node's outline, and says nothing about the graph
                self._take()
                self._identifier()
                plain = False
            if not self._next.is_sign(","):
                return names, plain and len(names) == 1
            self._take()

    def _make(self, end: _Scope | dict[str, int], scope: _Scope) -> None:
        """Make the nodes at an end that are new, and count all of them among those of the scope."""
        if isinstance(end, _Scope):
            scope.members |= end.members
            return
        for name, line in end.items():
            if name not in self._found.nodes:
                self._found.nodes[name] = DotNode(dict(scope.node), line)
            scope.members[name] = None

    def _subgraph(self, scope: _Scope) -> _Scope:
        line, name = self._next.line, None
        if self._next.keyword() == "subgraph":
            self._take()
            if not self._next.is_sign("{"):
                name = self._identifier()
        inner = scope.inner() if name is None else scope.named.setdefault(name, scope.inner())
        if inner.depth > _DEEPEST:
            raise FormatError(f"line {line}: subgraphs are nested more than {_DEEPEST} deep")
        self._body(inner)
        return inner

    def _add_edges(self, ends: list[list[str]], attributes: Attributes, scope: _Scope, line: int) -> None:
        key = attributes.get("key", "")
        at_first = {**scope.edge, **attributes}
        for tails, heads in pairwise(ends):
            if len(self._found.edges) + len(tails) * len(heads) > _MAX_EDGES:
                raise FormatError(
                    f"line {line}: the file stands for more than {_MAX_EDGES:,} edges; write a .csv or .npz file"
                )
            for tail in tails:
                for head in heads:
                    self._add_edge(DotEdge(tail, head, at_first, line), attributes, key)

    def _add_edge(self, edge: DotEdge, attributes: Attributes, key: str) -> None:
        if key or self._found.strict:
            # a strict graph has one edge between two nodes, whatever the key; another key adds nothing to it
            place = (edge.tail, edge.head, "" if self._found.strict else key)
            first, first_key = self._known.setdefault(place, (edge, key))
            if first is not edge:
                if key in ("", first_key):
                    first.attributes = {**first.attributes, **attributes}
                return
        self._found.edges.append(edge)

    def _attributes(self) -> Attributes:
        found: Attributes = {}
        while self._next.is_sign("["):
            self._take()
            while not self._next.is_sign("]"):
                key = self._identifier()
                self._sign("=")
                found[key] = self._identifier()
                if self._next.is_sign(";", ","):
                    self._take()
            self._take()
        return found

    # Words --------------------------------------------------------------------------------------

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

    def _unexpected(self, wanted: str) -> FormatError:
        what = "the file ends" if self._next.kind == "end" else f"{quoted(self._next.text, 40)} stands"
        return FormatError(f"line {self._next.line}: is no DOT: {what} where {wanted} should be")


def _tokens(text: str) -> Iterator[_Token]:
    place, line = 0, 1
    while place < len(text):
        match = _TOKEN.match(text, place)
        if match is None:
            raise FormatError(f"line {line}: is no DOT: {_broken(text, place)}")
        kind, end = match.lastgroup or "", match.end()
        if kind == "html":
            end = _end_of_html(text, place, line)
        raw = text[place:end]
        if kind != "space":
            yield _Token(kind, _value(kind, raw, line, text[end : end + 1]), line)
        place, line = end, line + raw.count("\n")
    yield _Token("end", "", line)


def _value(kind: str, raw: str, line: int, following: str) -> str:
    if kind == "quoted":
        # the only escapes at this level: a quote, and a line that goes on; labels know more
        return re.sub(r"\\(\\|\"|\r?\n)", lambda match: _ESCAPED.get(match[1], match[0]), raw[1:-1])
    if kind == "html":
        return raw[1:-1]
    if kind == "number" and re.match(rf"[{_LETTER}.0-9]", following):
        # Graphviz warns, and goes on with two names
        raise FormatError(
            f"line {line}: {quoted(raw + following)} begins no name; write names that start with a digit in quotes"
        )
    return raw


_ESCAPED = {'"': '"', "\n": "", "\r\n": ""}


def _end_of_html(text: str, place: int, line: int) -> int:
    depth = 0
    for match in re.compile("[<>]").finditer(text, place):
        depth += 1 if match[0] == "<" else -1
        if depth == 0:
            return match.end()
    raise FormatError(f"line {line}: is no DOT: '<' is never closed")


def _broken(text: str, place: int) -> str:
    if text[place] == '"':
        return "a quoted string is never closed"
    if text.startswith("/*", place):
        return "a comment is never closed"
    return f"{quoted(text[place])} can't stand here"
