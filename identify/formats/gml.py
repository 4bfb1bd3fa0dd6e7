"""GML as networkx, igraph, Gephi and yEd write it.

The parser of networkx is not used: it reads the names ``[]`` and ``()`` as empty lists, requires a label on every node,
and recurses at each bracket.
"""

from __future__ import annotations

import html.entities
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from identify.exceptions import FormatError
from identify.formats.base import MIB, Format, Reading, decode
from identify.formats.drawing import Drawing, DrawnEdge, DrawnNode
from identify.graph import CausalGraph
from identify.names import quoted, shown
from identify.wording import plural

__all__ = ["GML"]

_TOKEN = re.compile(
    r"""(?P<space>^[ \t]*\#[^\n]*|[ \t\r\f\v\ufeff]+|\n)
    |(?P<key>[A-Za-z_][0-9A-Za-z_]*)
    |(?P<number>[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[Ee][+-]?[0-9]+)?)
    |"(?P<string>[^"]*)"
    |(?P<open>\[)
    |(?P<close>\])""",
    re.VERBOSE | re.MULTILINE,
)
_ENTITY = re.compile(r"&(?:(?P<name>[0-9A-Za-z]+)|#(?P<decimal>[0-9]{1,7})|#[xX](?P<hex>[0-9a-fA-F]{1,6}));")
_SOURCES = ("label", "name")


@dataclass
class _Record:
    """Content of a pair of brackets: keys with values or records, each with its line."""

    line: int
    values: list[tuple[str, str, int]] = field(default_factory=list)
    records: list[tuple[str, _Record]] = field(default_factory=list)

    def value(self, key: str) -> str | None:
        """Return the value of a key that may occur once, or None if it is missing."""
        values = [(text, line) for name, text, line in self.values if name.lower() == key]
        if len(values) > 1:
            raise FormatError(f"line {values[1][1]}: key '{key}': occurs twice; it must occur once")
        return values[0][0] if values else None

    def all(self, key: str) -> list[_Record]:
        """Return all records with a key."""
        return [record for name, record in self.records if name.lower() == key]


def _read(content: bytes) -> Reading:
    root = _parse(decode(content))
    graphs = root.all("graph")
    if len(graphs) != 1:
        raise FormatError(f"contains {len(graphs)} graphs; it must contain one 'graph [ ... ]'")
    graph = graphs[0]
    if not _is_directed(graph):
        raise FormatError(
            f"line {graph.line}: the graph is undirected; edges must go from parent to child ('directed 1')"
        )
    drawing, groups = Drawing(sources=_SOURCES, always_labels=True), set[str]()
    for record in graph.all("node"):
        _add_node(record, drawing, groups)
    is_yed = any("yfiles" in text.lower() for key, text, _ in root.values if key.lower() == "creator")
    for record in graph.all("edge"):
        _add_edge(record, drawing, groups, is_yed)
    if groups:
        drawing.notes.append(f"ignored {plural(len(groups), 'group')} of nodes (but not the nodes inside)")
    return drawing.reading()


def _is_directed(graph: _Record) -> bool:
    directed = graph.value("directed") or "0"
    if directed not in ("0", "1"):
        raise FormatError(f"line {graph.line}: key 'directed': is {quoted(directed)}; it must be 0 or 1")
    return directed == "1"


def _add_node(record: _Record, drawing: Drawing, groups: set[str]) -> None:
    ident = record.value("id")
    place = f"line {record.line}"
    if ident is None:
        raise FormatError(f"{place}: a node has no id")
    ident = _number(ident)
    if ident in drawing.nodes or ident in groups:
        raise FormatError(f"{place}: node {shown(ident)} is declared twice; ids must be unique")
    if (record.value("isgroup") or "0") != "0":
        # yEd draws a group as a frame around other nodes
        groups.add(ident)
        return
    labels = {source: _on_one_line(text) for source in _SOURCES if (text := record.value(source))}
    drawing.nodes[ident] = DrawnNode(place, record.value("kind"), labels)


def _on_one_line(text: str) -> str:
    return " ".join(text.split()) if "\n" in text else text


def _add_edge(record: _Record, drawing: Drawing, groups: set[str], is_yed: bool) -> None:
    place = f"line {record.line}"
    source, target = (_end(record, key) for key in ("source", "target"))
    for end in (source, target):
        if end in groups:
            raise FormatError(f"{place}: an edge ends at the group {shown(end)}; draw edges between nodes")
    forward, back = _directions(record, is_yed)
    if not (forward or back):
        raise FormatError(
            f"{place}: the edge {shown(source)} -> {shown(target)} is drawn without an arrow; edges must go from "
            "parent to child"
        )
    if back:
        drawing.notes.append(
            f"the arrow of {shown(source)} -> {shown(target)} points {'both ways' if forward else 'back'}"
        )
        drawing.edges.append(DrawnEdge(target, source, place))
    if forward:
        drawing.edges.append(DrawnEdge(source, target, place))


def _directions(record: _Record, is_yed: bool) -> tuple[bool, bool]:
    """Return whether the edge has an arrow at the target, and whether it has one at the source."""
    for graphics in record.all("graphics"):
        arrow = graphics.value("arrow")
        if arrow is not None:
            return arrow in ("last", "both"), arrow in ("first", "both")
        if is_yed:
            at_target, at_source = (graphics.value(key) or "none" for key in ("targetarrow", "sourcearrow"))
            return at_target != "none", at_source != "none"
    return True, False


def _end(record: _Record, key: str) -> str:
    ident = record.value(key)
    if ident is None:
        raise FormatError(f"line {record.line}: an edge has no {key}")
    return _number(ident)


def _number(ident: str) -> str:
    """Return an id as an integer; some programs write 1.0."""
    return re.sub(r"\.0*$", "", ident)


# Parsing --------------------------------------------------------------------------------------------


def _parse(text: str) -> _Record:
    root = _Record(1)
    open_records = [root]
    key = ""
    line = 1
    for kind, value, line in _tokens(text):
        if kind == "key":
            if key:
                raise FormatError(f"line {line}: is not valid GML: the key {quoted(key)} has no value")
            key = value
            continue
        if kind == "close":
            if key or len(open_records) == 1:
                raise FormatError(
                    f"line {line}: is not valid GML: expected {'a value' if key else 'a key'}, found ']'"
                )
            open_records.pop()
            continue
        if not key:
            raise FormatError(f"line {line}: is not valid GML: expected a key, found {quoted(value, 40)}")
        if kind == "open":
            inner = _Record(line)
            open_records[-1].records.append((key, inner))
            open_records.append(inner)
        else:
            open_records[-1].values.append((key, value, line))
        key = ""
    if key or len(open_records) > 1:
        raise FormatError(f"line {line}: is not valid GML: the file ends inside brackets or after a key")
    return root


def _tokens(text: str) -> Iterator[tuple[str, str, int]]:
    start, line = 0, 1
    while start < len(text):
        match = _TOKEN.match(text, start)
        if match is None:
            fault = (
                "a string is never closed"
                if text[start] == '"'
                else f"{quoted(text[start])} is not allowed here"
            )
            raise FormatError(f"line {line}: is not valid GML: {fault}")
        kind = match.lastgroup or ""
        if kind == "string":
            yield kind, _ENTITY.sub(_character, match["string"]), line
        elif kind != "space":
            yield kind, match[0], line
        line += match[0].count("\n")
        start = match.end()


def _character(match: re.Match[str]) -> str:
    """Return the character that an entity denotes, or the text of an unknown entity."""
    if match["name"]:
        return html.entities.html5.get(f"{match['name']};", match[0])
    number = int(match["decimal"]) if match["decimal"] else int(match["hex"], 16)
    return chr(number) if number < 0x110000 else match[0]


# Writing --------------------------------------------------------------------------------------------


def _write(graph: CausalGraph) -> bytes:
    position = {name: i for i, name in enumerate((*graph.latents, *graph.actions))}
    lines = ["graph [", "  directed 1"]
    for name, i in position.items():
        kind = "latent" if i < graph.n_latents else "action"
        lines.append(f'  node [\n    id {i}\n    label "{_escaped(name)}"\n    kind "{kind}"\n  ]')
    for parent, child in graph.edges():
        lines.append(f"  edge [\n    source {position[parent]}\n    target {position[child]}\n  ]")
    return ("\n".join(lines) + "\n]\n").encode("ascii")


def _escaped(name: str) -> str:
    # GML is ASCII, and an ampersand begins an entity; igraph supports only these two named entities
    with_entities = name.replace("&", "&amp;").replace('"', "&quot;")
    return "".join(c if " " <= c <= "~" else f"&#{ord(c)};" for c in with_entities)


GML = Format("gml", "GML", (".gml",), "GML", 64 * MIB, _read, _write)
