"""Graphviz DOT, with the meaning that Graphviz gives it; Graphviz itself is not needed."""

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

# DOT has no escape for a backslash in a name; such names go here, percent-encoded
_FAITHFUL = "mechsparse_name"
# (an arrow at the head, an arrow at the tail)
_ARROWS = {"forward": (True, False), "back": (False, True), "both": (True, True), "none": (False, False)}


def _read(content: bytes) -> Reading:
    found = parse_dot(decode(content))
    drawing = Drawing(sources=("name", "label"))
    for name, node in found.nodes.items():
        if "invis" in node.attributes.get("style", ""):
            raise FormatError(
                f"line {node.line}: node {shown(name)} is invisible (style=invis); remove it, or the style"
            )
    keys = {name: _key_of(name, node) for name, node in found.nodes.items()}
    for name, node in found.nodes.items():
        if keys[name] in drawing.nodes:
            raise FormatError(f"line {node.line}: node {shown(name)} has the {_FAITHFUL} of another node")
        drawing.nodes[keys[name]] = DrawnNode(
            f"line {node.line}", node.attributes.get("kind"), _labels(name, node)
        )
    _default_labels(found, drawing)
    turned = 0
    for edge in found.edges:
        forward, back = _directions(edge)
        turned += back
        tail, head = keys[edge.tail], keys[edge.head]
        place = f"line {edge.line}"
        if forward:
            drawing.edges.append(DrawnEdge(tail, head, place))
        if back:
            drawing.edges.append(DrawnEdge(head, tail, place))
    if turned:
        drawing.notes.append(f"dir or arrowheads turn {plural(turned, 'edge')}")
    return drawing.reading()


def _key_of(name: str, node: DotNode) -> str:
    return unquote(node.attributes[_FAITHFUL]) if node.attributes.get(_FAITHFUL) else name


def _labels(name: str, node: DotNode) -> dict[str, str]:
    return {
        source: _visible(node.attributes[source], name)
        for source in ("name", "label")
        if source in node.attributes
    }


def _default_labels(found: DotGraph, drawing: Drawing) -> None:
    """Graphviz writes the name of a node on it where no label is given."""
    if any(node.labels.get("label") for node in drawing.nodes.values()):
        for key, node in zip(found.nodes, drawing.nodes.values(), strict=True):
            node.labels.setdefault("label", key)


def _visible(label: str, name: str) -> str:
    """What Graphviz writes for a label: escapes, entities and HTML resolved, on one line."""
    if isinstance(label, Html):
        return without_markup(label)
    text = re.sub(r"\\(.)", lambda match: _ESCAPES.get(match[1], match[1]), label.replace("\\N", name))
    return " ".join(html.unescape(text).split())


# ends of lines, which are centred, left and right
_ESCAPES = {"n": "\n", "l": "\n", "r": "\n", "G": "", "E": "", "T": "", "H": "", "L": ""}


def _directions(edge: DotEdge) -> tuple[bool, bool]:
    """Whether the edge points from its tail to its head, and whether it points back."""
    where = f"line {edge.line}: the edge {shown(edge.tail)} -> {shown(edge.head)}"
    if "invis" in edge.attributes.get("style", ""):
        raise FormatError(
            f"{where} is invisible (style=invis), which only moves nodes about; remove it, or the style"
        )
    drawn = edge.attributes.get("dir") or "forward"
    if drawn not in _ARROWS:
        raise FormatError(f"{where} has dir={quoted(drawn)}; it must be forward, back or both")
    at_head, at_tail = _ARROWS[drawn]
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
    """How each name stands in the file: quoted, or a stand-in that is no other node's name."""
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
    faithful = f', {_FAITHFUL}="{quote(name, safe="")}"' if "\\" in name else ""
    return f"  {key} [kind={kind}{faithful}];"


DOT = Format("dot", "DOT", (".dot", ".gv"), "Graphviz DOT", 8 * MIB, _read, _write)
