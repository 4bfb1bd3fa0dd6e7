"""GML as networkx, igraph, Gephi and yEd write it.

Read by a parser of our own: the one of networkx takes the names ``[]`` and ``()`` for empty lists, wants a label on
every node, and calls itself for each bracket.
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
    """What stands between two brackets: keys with values or records, each with its line."""

    line: int
    values: list[tuple[str, str, int]] = field(default_factory=list)
    records: list[tuple[str, _Record]] = field(default_factory=list)

    def value(self, key: str) -> str | None:
        """The value of a key that may stand once; None when it is missing."""
        found = [(text, line) for name, text, line in self.values if name.lower() == key]
        if len(found) > 1:
            raise FormatError(f"line {found[1][1]}: key '{key}': is given twice; give it once")
        return found[0][0] if found else None

    def all(self, key: str) -> list[_Record]:
        return [record for name, record in self.records if name.lower() == key]


def _read(content: bytes) -> Reading:
    root = _parse(decode(content))
    graphs = root.all("graph")
    if len(graphs) != 1:
        raise FormatError(f"holds {len(graphs)} graphs; give one 'graph [ ... ]'")
    graph = graphs[0]
    if _directed(graph) == 0:
        raise FormatError(
            f"line {graph.line}: the graph is undirected; edges must go from parent to child ('directed 1')"
        )
    drawing, groups = Drawing(sources=_SOURCES, always_labels=True), set[str]()
    for record in graph.all("node"):
        _add_node(record, drawing, groups)
    yed = any("yfiles" in text.lower() for key, text, _ in root.values if key.lower() == "creator")
    for record in graph.all("edge"):
        _add_edge(record, drawing, groups, yed)
    if groups:
        drawing.notes.append(f"left out {plural(len(groups), 'group')} of nodes (not their nodes)")
    return drawing.reading()


def _directed(graph: _Record) -> int:
    said = graph.value("directed") or "0"
    if said not in ("0", "1"):
        raise FormatError(f"line {graph.line}: key 'directed': is {quoted(said)}; it must be 0 or 1")
    return int(said)


def _add_node(record: _Record, drawing: Drawing, groups: set[str]) -> None:
    ident = record.value("id")
    place = f"line {record.line}"
    if ident is None:
        raise FormatError(f"{place}: a node has no id")
    ident = _number(ident)
    if ident in drawing.nodes or ident in groups:
        raise FormatError(f"{place}: node {shown(ident)} is declared twice; ids must be unique")
    if (record.value("isgroup") or "0") != "0":
        # a frame around other nodes, from yEd
        groups.add(ident)
        return
    labels = {source: _on_one_line(text) for source in _SOURCES if (text := record.value(source))}
    drawing.nodes[ident] = DrawnNode(place, record.value("kind"), labels)


def _on_one_line(text: str) -> str:
    return " ".join(text.split()) if "\n" in text else text


def _add_edge(record: _Record, drawing: Drawing, groups: set[str], yed: bool) -> None:
    place = f"line {record.line}"
    source, target = (_end(record, key) for key in ("source", "target"))
    for end in (source, target):
        if end in groups:
            raise FormatError(f"{place}: an edge ends at the group {shown(end)}; draw edges between nodes")
    forward, back = _directions(record, yed)
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


def _directions(record: _Record, yed: bool) -> tuple[bool, bool]:
    """Whether an arrow is drawn at the target, and whether one is drawn at the source."""
    for graphics in record.all("graphics"):
        arrow = graphics.value("arrow")
        if arrow is not None:
            return arrow in ("last", "both"), arrow in ("first", "both")
        if yed:
            at_target, at_source = (graphics.value(key) or "none" for key in ("targetarrow", "sourcearrow"))
            return at_target != "none", at_source != "none"
    return True, False


def _end(record: _Record, key: str) -> str:
    found = record.value(key)
    if found is None:
        raise FormatError(f"line {record.line}: an edge has no {key}")
    return _number(found)


def _number(ident: str) -> str:
    """Ids are integers; some programs write them as 1.0."""
    return re.sub(r"\.0*$", "", ident)


# The grammar ----------------------------------------------------------------------------------------


def _parse(text: str) -> _Record:
    root = _Record(1)
    around = [root]
    key = ""
    line = 1
    for kind, value, line in _tokens(text):
        if kind == "key":
            if key:
                raise FormatError(f"line {line}: is no GML: the key {quoted(key)} has no value")
            key = value
            continue
        if kind == "close":
            if key or len(around) == 1:
                raise FormatError(
                    f"line {line}: is no GML: ']' stands where {'a value' if key else 'a key'} should"
                )
            around.pop()
            continue
        if not key:
            raise FormatError(f"line {line}: is no GML: {quoted(value, 40)} stands where a key should")
        if kind == "open":
            inner = _Record(line)
            around[-1].records.append((key, inner))
            around.append(inner)
        else:
            around[-1].values.append((key, value, line))
        key = ""
    if key or len(around) > 1:
        raise FormatError(f"line {line}: is no GML: the file ends inside of brackets or after a key")
    return root


def _tokens(text: str) -> Iterator[tuple[str, str, int]]:
    place, line = 0, 1
    while place < len(text):
        match = _TOKEN.match(text, place)
        if match is None:
            what = (
                "a string is never closed"
                if text[place] == '"'
                else f"{quoted(text[place])} can't stand here"
            )
            raise FormatError(f"line {line}: is no GML: {what}")
        kind = match.lastgroup or ""
        if kind == "string":
            yield kind, _ENTITY.sub(_letter, match["string"]), line
        elif kind != "space":
            yield kind, match[0], line
        line += match[0].count("\n")
        place = match.end()


def _letter(match: re.Match[str]) -> str:
    """The letter that an entity stands for; an unknown entity stands for itself."""
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
    # GML is ASCII, and an ampersand begins an entity; igraph knows the two named ones only
    named = name.replace("&", "&amp;").replace('"', "&quot;")
    return "".join(c if " " <= c <= "~" else f"&#{ord(c)};" for c in named)


GML = Format("gml", "GML", (".gml",), "GML", 64 * MIB, _read, _write)
