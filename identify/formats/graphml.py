"""GraphML as networkx, igraph, Gephi, Cytoscape and yEd write it; the networkx library writes ours.

Its own readers take the first of several graphs, make nodes that an edge only mentions, pass over ports and groups,
and call nodes by their ids; here each of these is read as the program that wrote it shows it, or refused.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from identify.exceptions import FormatError
from identify.formats.base import MIB, Format, Reading
from identify.formats.drawing import Drawing, DrawnEdge, DrawnNode, without_markup
from identify.graph import CausalGraph
from identify.names import quoted, shown
from identify.wording import plural

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

__all__ = ["GRAPHML"]

# sources of names, the best first: yEd draws NodeLabel; Cytoscape and igraph show name; Gephi shows label
_DRAWN = "node label"
_SOURCES = (_DRAWN, "name", "shared name", "label", "id")
_READ = ("kind", *_SOURCES)


@dataclass(frozen=True)
class _Key:
    """A declared attribute: its name, whether nodes or edges have it, its default."""

    name: str
    domain: str
    default: str | None


def _read(content: bytes) -> Reading:
    root = _parse(content)
    if _local(root) != "graphml":
        raise FormatError(f"is no GraphML: the root is <{shown(_local(root), 40)}>, not <graphml>")
    keys = _Keys(root)
    graphs = [child for child in root if _local(child) == "graph"]
    if len(graphs) != 1:
        raise FormatError(f"holds {len(graphs)} graphs; give one")
    drawing = Drawing(sources=_SOURCES)
    groups: dict[str, None] = {}
    edges: list[tuple[Element, str]] = []
    for element, default in _inside(graphs[0]):
        kind = _local(element)
        if kind == "hyperedge":
            raise FormatError("holds a hyperedge; an edge has one source and one target")
        if kind == "node":
            _add_node(element, keys, drawing, groups)
        elif kind == "edge":
            edges.append((element, default))
    for element, default in edges:
        _add_edge(element, default, keys, drawing, groups)
    if groups:
        drawing.notes.append(f"left out {plural(len(groups), 'group')} of nodes (not their nodes)")
    return drawing.reading()


def _parse(content: bytes) -> Element:
    """The tree. A document type may define entities that expand without end or read other files: refused."""
    from defusedxml import ElementTree
    from defusedxml.common import DefusedXmlException

    if not content.strip():
        raise FormatError("the file is empty")
    try:
        found: Element = ElementTree.fromstring(content, forbid_dtd=True)
    except DefusedXmlException as error:
        raise FormatError("declares a document type or entities; remove the <!DOCTYPE ...> part") from error
    except (ElementTree.ParseError, ValueError, LookupError) as error:
        # ValueError and LookupError: an encoding that is declared and unknown
        line = getattr(error, "position", (1,))[0]
        raise FormatError(f"line {line}: is no XML: {error}") from error
    return found


def _local(element: Element) -> str:
    """The name of an element without its namespace."""
    tag = element.tag
    return tag.rpartition("}")[2] if isinstance(tag, str) else ""


class _Keys:
    """The declared attributes. Cytoscape declares one id for nodes, for edges and for the network."""

    def __init__(self, root: Element) -> None:
        self._by_place: dict[tuple[str, str], _Key] = {}
        self._by_id: dict[str, _Key] = {}
        for element in root:
            if _local(element) == "key":
                self._declare(element)
        self._unify_capitals()
        self.defaults = {
            ident: key for ident, key in self._of_nodes() if key.name in _READ and key.default is not None
        }

    def find(self, ident: str, domain: str) -> _Key | None:
        """The attribute of that id, for nodes or edges; None when no such key is declared."""
        found = self._by_place.get((ident, domain)) or self._by_place.get((ident, "all"))
        return found or self._by_id.get(ident)

    def _declare(self, element: Element) -> None:
        ident, domain = element.get("id", ""), element.get("for", "all")
        if (ident, domain) in self._by_place:
            raise FormatError(f"declares the key {quoted(ident)} twice; ids must be unique")
        default = next((child for child in element if _local(child) == "default"), None)
        drawn = element.get("yfiles.type") == "nodegraphics"
        name = _DRAWN if drawn else element.get("attr.name", ident).strip()
        text = None if default is None else "".join(default.itertext()).strip()
        self._by_place[ident, domain] = self._by_id[ident] = _Key(name, domain, text)

    def _of_nodes(self) -> list[tuple[str, _Key]]:
        return [(ident, key) for (ident, domain), key in self._by_place.items() if domain in ("node", "all")]

    def _unify_capitals(self) -> None:
        """Read Label as label where there is no label; two of them can't be told apart."""
        exact = {key.name for _, key in self._of_nodes()}
        first: dict[str, str] = {}
        for ident, key in self._of_nodes():
            name = key.name if key.name.lower() in exact else key.name.lower()
            if name not in _READ:
                continue
            self._by_place[ident, key.domain] = self._by_id[ident] = replace(key, name=name)
            if first.setdefault(name, ident) != ident:
                raise FormatError(
                    f"the keys {quoted(first[name])} and {quoted(ident)} both declare the attribute {quoted(name)} "
                    "of nodes; rename one"
                )


def _inside(graph: Element) -> Iterator[tuple[Element, str]]:
    """Nodes and edges of a graph and of the graphs nested in its nodes, each with the graph's default direction."""
    waiting = [(graph, iter(graph))]
    while waiting:
        owner, children = waiting[-1]
        element = next(children, None)
        if element is None:
            waiting.pop()
            continue
        yield element, owner.get("edgedefault", "undirected")
        nested = [child for child in element if _local(child) == "graph"]
        if nested and _local(element) != "node":
            raise FormatError(f"holds a graph inside of an {_local(element)}; only nodes may hold one")
        waiting += [(inner, iter(inner)) for inner in reversed(nested)]


def _add_node(
    element: Element,
    keys: _Keys,
    drawing: Drawing,
    groups: dict[str, None],
) -> None:
    ident = element.get("id")
    if ident is None:
        raise FormatError("a node has no id")
    if ident in drawing.nodes or ident in groups:
        raise FormatError(f"node {shown(ident)} is declared twice; ids must be unique")
    if any(_local(child) == "graph" for child in element) or element.get("yfiles.foldertype"):
        # a frame around other nodes
        groups[ident] = None
        return
    if any(_local(child) == "locator" for child in element):
        raise FormatError(f"node {shown(ident)} is kept in another file (<locator>); give one file")
    place = f"node {shown(ident)}"
    values = _data(element, "node", keys, place)
    for key_ident, key in keys.defaults.items():
        if not any(child.get("key") == key_ident for child in element):
            _set(values, key.name, key.default or "", place)
    labels = {source: values[source] for source in _SOURCES if values.get(source)}
    drawing.nodes[ident] = DrawnNode(kind=values.get("kind"), labels=labels)


def _data(element: Element, domain: str, keys: _Keys, place: str) -> dict[str, str]:
    """The attributes that a node or an edge has itself, by name."""
    values: dict[str, str] = {}
    given = set()
    for child in element:
        if _local(child) != "data":
            continue
        ident = child.get("key", "")
        declared = keys.find(ident, domain)
        if declared is None:
            raise FormatError(f"{place}: has data for the key {quoted(ident)}, which is not declared")
        if ident in given:
            raise FormatError(f"{place}: has data for the key {quoted(ident)} twice")
        given.add(ident)
        if len(child):
            values |= _drawn(child)
        elif declared.name != _DRAWN:
            _set(values, declared.name, (child.text or "").strip(), place)
    return values


def _set(values: dict[str, str], name: str, text: str, place: str) -> None:
    # an empty cell is no answer, and a second one of the same name may be
    if text and values.setdefault(name, text) != text:
        raise FormatError(
            f"{place}: has two values for {quoted(name)}: {quoted(values[name])} and {quoted(text)}"
        )


def _drawn(data: Element) -> dict[str, str]:
    """What yEd draws: the label of a node, the arrows of an edge."""
    found: dict[str, str] = {}
    for element in data.iter():
        name = _local(element)
        if name == "NodeLabel" and _DRAWN not in found:
            text = element.text or ""
            plain = without_markup(text) if "<html>" in text.lower() else " ".join(text.split())
            if plain:
                found[_DRAWN] = plain
        elif name == "Arrows":
            found["arrow at source"] = element.get("source", "none")
            found["arrow at target"] = element.get("target", "none")
    return found


def _add_edge(element: Element, default: str, keys: _Keys, drawing: Drawing, groups: dict[str, None]) -> None:
    source, target = element.get("source"), element.get("target")
    if source is None or target is None:
        raise FormatError(f"edge {quoted(element.get('id', ''))}: has no source or no target")
    place = f"the edge {shown(source)} -> {shown(target)}"
    for end in (source, target):
        if end in groups:
            raise FormatError(f"{place} ends at the group {shown(end)}; draw edges between nodes")
    directed = element.get("directed", {"directed": "true"}.get(default, "false")).strip().lower()
    if directed not in ("true", "1"):
        raise FormatError(f"{place} is undirected; edges must go from parent to child")
    values = _data(element, "edge", keys, place)
    forward = values.get("arrow at target", "standard") != "none"
    back = values.get("arrow at source", "none") != "none"
    if not (forward or back):
        raise FormatError(f"{place} is drawn without an arrow; edges must go from parent to child")
    if back:
        drawing.notes.append(
            f"the arrow of {shown(source)} -> {shown(target)} points {'both ways' if forward else 'back'}"
        )
    if forward:
        drawing.edges.append(DrawnEdge(source, target))
    if back:
        drawing.edges.append(DrawnEdge(target, source))


def _write(graph: CausalGraph) -> bytes:
    from networkx.readwrite.graphml import write_graphml_xml

    out = io.BytesIO()
    write_graphml_xml(graph.to_networkx(), out, prettyprint=True)
    return out.getvalue()


GRAPHML = Format("graphml", "GraphML", (".graphml",), "GraphML (XML)", 64 * MIB, _read, _write)
