"""Graphviz DOT, with the semantics of Graphviz. Graphviz itself is not required."""

from __future__ import annotations

import html
import re
from urllib.parse import quote, unquote

from identify.exceptions import FormatError
from identify.formats.base import MIB, Format, Reading, decode
from identify.formats.dot_grammar import DotEdge, DotGraph, DotNode, Html, parse_dot
from identify.formats.drawing import Drawing, DrawnEdge, DrawnNode, without_markup
from identify.graph import CausalGraph
from identify.names import quoted, shown
from identify.wording import plural

__all__ = ["DOT"]

# DOT has no escape for a backslash in a name; this attribute holds such names, percent-encoded
_NAME_ATTRIBUTE = "mechsparse_name"
# (arrow at the head, arrow at the tail)
_ARROWS = {"forward": (True, False), "back": (False, True), "both": (True, True), "none": (False, False)}


def _read(content: bytes) -> Reading:
    graph = parse_dot(decode(content))
    drawing = Drawing(sources=("name", "label"))
    for name, node in graph.nodes.items():
        if "invis" in node.attributes.get("style", ""):
            raise FormatError(
                f"line {node.line}: node {shown(name)} is invisible (style=invis); remove it, or the style"
            )
    keys = {name: _key_of(name, node) for name, node in graph.nodes.items()}
    for name, node in graph.nodes.items():
        if keys[name] in drawing.nodes:
            raise FormatError(
                f"line {node.line}: node {shown(name)} has the {_NAME_ATTRIBUTE} of another node"
            )
        drawing.nodes[keys[name]] = DrawnNode(
            f"line {node.line}", node.attributes.get("kind"), _labels(name, node)
        )
    _set_default_labels(graph, drawing)
    n_reversed = 0
    for edge in graph.edges:
        forward, back = _directions(edge)
        n_reversed += back
        tail, head = keys[edge.tail], keys[edge.head]
        place = f"line {edge.line}"
        if forward:
            drawing.edges.append(DrawnEdge(tail, head, place))
        if back:
            drawing.edges.append(DrawnEdge(head, tail, place))
    if n_reversed:
        drawing.notes.append(f"dir or arrowheads reverse {plural(n_reversed, 'edge')}")
    return drawing.reading()


def _key_of(name: str, node: DotNode) -> str:
    return unquote(node.attributes[_NAME_ATTRIBUTE]) if node.attributes.get(_NAME_ATTRIBUTE) else name


def _labels(name: str, node: DotNode) -> dict[str, str]:
    return {
        source: _displayed(node.attributes[source], name)
        for source in ("name", "label")
        if source in node.attributes
    }


def _set_default_labels(graph: DotGraph, drawing: Drawing) -> None:
    """Label nodes without a label by their name, as Graphviz does, if any node has a label."""
    if any(node.labels.get("label") for node in drawing.nodes.values()):
        for key, node in zip(graph.nodes, drawing.nodes.values(), strict=True):
            node.labels.setdefault("label", key)


def _displayed(label: str, name: str) -> str:
    """Return a label as Graphviz displays it, on one line: with escapes, entities and HTML resolved."""
    if isinstance(label, Html):
        return without_markup(label)
    text = re.sub(r"\\(.)", lambda match: _ESCAPES.get(match[1], match[1]), label.replace("\\N", name))
    return " ".join(html.unescape(text).split())


# line breaks (centred, left-aligned, right-aligned) and placeholders
_ESCAPES = {"n": "\n", "l": "\n", "r": "\n", "G": "", "E": "", "T": "", "H": "", "L": ""}


def _directions(edge: DotEdge) -> tuple[bool, bool]:
    """Return whether the edge points from its tail to its head, and whether it points from its head to its tail."""
    where = f"line {edge.line}: the edge {shown(edge.tail)} -> {shown(edge.head)}"
    if "invis" in edge.attributes.get("style", ""):
        raise FormatError(
            f"{where} is invisible (style=invis) and affects only the layout; remove it, or the style"
        )
    direction = edge.attributes.get("dir") or "forward"
    if direction not in _ARROWS:
        raise FormatError(f"{where} has dir={quoted(direction)}; it must be forward, back or both")
    at_head, at_tail = _ARROWS[direction]
    forward = at_head and edge.attributes.get("arrowhead") != "none"
    back = at_tail and edge.attributes.get("arrowtail") != "none"
    if not (forward or back):
        raise FormatError(
            f"{where} has no arrow (dir or arrowhead is none); edges must go from parent to child"
        )
    return forward, back


# Writing --------------------------------------------------------------------------------------------


def _write(graph: CausalGraph) -> bytes:
    keys = _keys((*graph.latents, *graph.actions))
    lines = [_node(keys[name], name, "latent") for name in graph.latents]
    lines += [_node(keys[name], name, "action") for name in graph.actions]
    lines += [f"  {keys[parent]} -> {keys[child]};" for parent, child in graph.edges()]
    return ("digraph {\n" + "\n".join(lines) + "\n}\n").encode()


def _keys(names: tuple[str, ...]) -> dict[str, str]:
    """Return the identifier of each name: the quoted name, or an unused placeholder if it contains a backslash."""
    taken = set(names)
    keys: dict[str, str] = {}
    for position, name in enumerate(names):
        key = name
        if "\\" in name:
            key = f"backslashed {position}"
            while key in taken:
                key += "'"
            taken.add(key)
        keys[name] = '"' + key.replace('"', '\\"') + '"'
    return keys


def _node(key: str, name: str, kind: str) -> str:
    name_attribute = f', {_NAME_ATTRIBUTE}="{quote(name, safe="")}"' if "\\" in name else ""
    return f"  {key} [kind={kind}{name_attribute}];"


DOT = Format("dot", "DOT", (".dot", ".gv"), "Graphviz DOT", 8 * MIB, _read, _write)
