"""GraphML as networkx, igraph, Gephi, Cytoscape and yEd write it; networkx writes our files.

The readers of networkx use the first of several graphs, create nodes that only an edge mentions, ignore ports and
groups, and name nodes by their ids. This module reads each of these as the program that wrote the file displays it, or
rejects it.
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

# sources of names in order of preference: yEd displays NodeLabel, Cytoscape and igraph name, Gephi label
_NODE_LABEL = "node label"
_SOURCES = (_NODE_LABEL, "name", "shared name", "label", "id")
_ATTRIBUTES = ("kind", *_SOURCES)


@dataclass(frozen=True)
class _Key:
    """A declared attribute: its name, its domain (nodes, edges or all), and its default."""

    name: str
    domain: str
    default: str | None


def _read(content: bytes) -> Reading:
    root = _parse(content)
    if _local(root) != "graphml":
        raise FormatError(f"is not GraphML: the root is <{shown(_local(root), 40)}>, not <graphml>")
    keys = _Keys(root)
    graphs = [child for child in root if _local(child) == "graph"]
    if len(graphs) != 1:
        raise FormatError(f"contains {len(graphs)} graphs; it must contain one")
    drawing = Drawing(sources=_SOURCES)
    groups: dict[str, None] = {}
    edges: list[tuple[Element, str]] = []
    for element, default in _elements(graphs[0]):
        kind = _local(element)
        if kind == "hyperedge":
            raise FormatError("contains a hyperedge; an edge has one source and one target")
        if kind == "node":
            _add_node(element, keys, drawing, groups)
        elif kind == "edge":
            edges.append((element, default))
    for element, default in edges:
        _add_edge(element, default, keys, drawing, groups)
    if groups:
        drawing.notes.append(f"ignored {plural(len(groups), 'group')} of nodes (but not the nodes inside)")
    return drawing.reading()


def _parse(content: bytes) -> Element:
    """Parse XML without document types, because these can define entities that expand endlessly or read other files."""
    from defusedxml import ElementTree
    from defusedxml.common import DefusedXmlException

    if not content.strip():
        raise FormatError("the file is empty")
    try:
        root: Element = ElementTree.fromstring(content, forbid_dtd=True)
    except DefusedXmlException as error:
        raise FormatError("declares a document type or entities; remove the <!DOCTYPE ...> part") from error
    except (ElementTree.ParseError, ValueError, LookupError) as error:
        # ValueError and LookupError: the declared encoding is unknown
        line = getattr(error, "position", (1,))[0]
        raise FormatError(f"line {line}: is not valid XML: {error}") from error
    return root


def _local(element: Element) -> str:
    """Return the name of an element without its namespace."""
    tag = element.tag
    return tag.rpartition("}")[2] if isinstance(tag, str) else ""


class _Keys:
    """The declared attributes. Cytoscape declares the same id for nodes, for edges and for the network."""

    def __init__(self, root: Element) -> None:
        self._by_domain: dict[tuple[str, str], _Key] = {}
        self._by_id: dict[str, _Key] = {}
        for element in root:
            if _local(element) == "key":
                self._declare(element)
        self._unify_capitals()
        self.defaults = {
            ident: key
            for ident, key in self._of_nodes()
            if key.name in _ATTRIBUTES and key.default is not None
        }

    def find(self, ident: str, domain: str) -> _Key | None:
        """Return the attribute with an id, for nodes or edges, or None if it is not declared."""
        key = self._by_domain.get((ident, domain)) or self._by_domain.get((ident, "all"))
        return key or self._by_id.get(ident)

    def _declare(self, element: Element) -> None:
        ident, domain = element.get("id", ""), element.get("for", "all")
        if (ident, domain) in self._by_domain:
            raise FormatError(f"declares the key {quoted(ident)} twice; ids must be unique")
        default = next((child for child in element if _local(child) == "default"), None)
        is_graphics = element.get("yfiles.type") == "nodegraphics"
        name = _NODE_LABEL if is_graphics else element.get("attr.name", ident).strip()
        text = None if default is None else "".join(default.itertext()).strip()
        self._by_domain[ident, domain] = self._by_id[ident] = _Key(name, domain, text)

    def _of_nodes(self) -> list[tuple[str, _Key]]:
        return [(ident, key) for (ident, domain), key in self._by_domain.items() if domain in ("node", "all")]

    def _unify_capitals(self) -> None:
        """Read Label as label if there is no label, and raise FormatError if two keys then have the same name."""
        exact = {key.name for _, key in self._of_nodes()}
        first: dict[str, str] = {}
        for ident, key in self._of_nodes():
            name = key.name if key.name.lower() in exact else key.name.lower()
            if name not in _ATTRIBUTES:
                continue
            self._by_domain[ident, key.domain] = self._by_id[ident] = replace(key, name=name)
            if first.setdefault(name, ident) != ident:
                raise FormatError(
                    f"the keys {quoted(first[name])} and {quoted(ident)} both declare the attribute {quoted(name)} "
                    "of nodes; rename one"
                )


def _elements(graph: Element) -> Iterator[tuple[Element, str]]:
    """Yield nodes and edges of a graph and of the graphs nested in its nodes, with the default direction of edges."""
    stack = [(graph, iter(graph))]
    while stack:
        owner, children = stack[-1]
        element = next(children, None)
        if element is None:
            stack.pop()
            continue
        yield element, owner.get("edgedefault", "undirected")
        nested = [child for child in element if _local(child) == "graph"]
        if nested and _local(element) != "node":
            raise FormatError(f"contains a graph inside an {_local(element)}; only nodes may contain one")
        stack += [(inner, iter(inner)) for inner in reversed(nested)]


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
        # a group is drawn as a frame around other nodes
        groups[ident] = None
        return
    if any(_local(child) == "locator" for child in element):
        raise FormatError(f"node {shown(ident)} is in another file (<locator>); give a single file")
    place = f"node {shown(ident)}"
    values = _data(element, "node", keys, place)
    for key_ident, key in keys.defaults.items():
        if not any(child.get("key") == key_ident for child in element):
            _set(values, key.name, key.default or "", place)
    labels = {source: values[source] for source in _SOURCES if values.get(source)}
    drawing.nodes[ident] = DrawnNode(kind=values.get("kind"), labels=labels)


def _data(element: Element, domain: str, keys: _Keys, place: str) -> dict[str, str]:
    """Return the attributes of a node or an edge by name, without defaults."""
    values: dict[str, str] = {}
    idents = set()
    for child in element:
        if _local(child) != "data":
            continue
        ident = child.get("key", "")
        key = keys.find(ident, domain)
        if key is None:
            raise FormatError(f"{place}: has data for the key {quoted(ident)}, which is not declared")
        if ident in idents:
            raise FormatError(f"{place}: has data for the key {quoted(ident)} twice")
        idents.add(ident)
        if len(child):
            values |= _graphics(child)
        elif key.name != _NODE_LABEL:
            _set(values, key.name, (child.text or "").strip(), place)
    return values


def _set(values: dict[str, str], name: str, text: str, place: str) -> None:
    # an empty value is ignored, because another key of the same name can have one
    if text and values.setdefault(name, text) != text:
        raise FormatError(
            f"{place}: has two values for {quoted(name)}: {quoted(values[name])} and {quoted(text)}"
        )


def _graphics(data: Element) -> dict[str, str]:
    """Return what yEd draws: the label of a node, the arrows of an edge."""
    graphics: dict[str, str] = {}
    for element in data.iter():
        name = _local(element)
        if name == "NodeLabel" and _NODE_LABEL not in graphics:
            text = element.text or ""
            label = without_markup(text) if "<html>" in text.lower() else " ".join(text.split())
            if label:
                graphics[_NODE_LABEL] = label
        elif name == "Arrows":
            graphics["arrow at source"] = element.get("source", "none")
            graphics["arrow at target"] = element.get("target", "none")
    return graphics


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
