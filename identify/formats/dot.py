"""Graphviz DOT, read by pydot; the system's graphviz is not needed."""

from __future__ import annotations

import contextlib
import io
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

from identify.exceptions import FormatError
from identify.formats.base import MIB, Format, decode, parsed
from identify.graph import CausalGraph

if TYPE_CHECKING:
    import networkx as nx

__all__ = ["DOT"]

# DOT can't hold a backslash at the end of a quoted name; such names go here, percent-encoded
_FAITHFUL = "mechsparse_name"


def _read(content: bytes) -> CausalGraph:
    return CausalGraph.from_networkx(parsed("DOT", lambda: _parse(decode(content))))


def _parse(text: str) -> nx.DiGraph[str]:
    import pydot

    # pydot prints what it can't parse
    with contextlib.redirect_stdout(io.StringIO()) as said, contextlib.redirect_stderr(said):
        graphs = pydot.graph_from_dot_data(text)
    if not graphs:
        told = " ".join(said.getvalue().split())
        line = re.search(r"\(line:(\d+)", told)
        raise FormatError(f"{f'line {line[1]}: ' if line else ''}is no DOT file")
    if len(graphs) > 1:
        raise FormatError(f"holds {len(graphs)} graphs; give one")
    source = graphs[0]
    if source.get_type() != "digraph":
        raise FormatError(
            f"line 1: is a {source.get_type()}; it must be a digraph, edges go from parent to child"
        )
    if source.get_subgraphs():
        raise FormatError("holds a subgraph; give nodes and edges without subgraphs")
    return _convert(source)


def _convert(source: Any) -> nx.DiGraph[str]:
    import networkx as nx

    result: nx.DiGraph[str] = nx.DiGraph()
    defaults: dict[str, str] = {}
    names: dict[str, str] = {}

    def place(key: str, attributes: dict[str, str]) -> str:
        if key not in names:
            faithful = attributes.get(_FAITHFUL)
            names[key] = unquote(_unquoted(faithful)) if faithful else _unquoted(key)
            kind = {**defaults, **attributes}.get("kind")
            result.add_node(names[key], **({"kind": _unquoted(kind)} if kind else {}))
        return names[key]

    for node in source.get_node_list():
        if node.get_name() == "node":
            defaults |= node.get_attributes()
        elif node.get_name() not in ("graph", "edge"):
            place(_without_port(node.get_name()), node.get_attributes())
    for edge in source.get_edge_list():
        parents, children = ([place(key, {}) for key in _ends(end)] for end in _both(edge))
        result.add_edges_from((parent, child) for parent in parents for child in children)
    return result


def _both(edge: Any) -> tuple[Any, Any]:
    return edge.get_source(), edge.get_destination()


def _ends(end: Any) -> list[str]:
    """The node at one end of an edge, or the nodes of a group such as {a b}."""
    return [_without_port(key) for key in ([end] if isinstance(end, str) else end["nodes"])]


def _without_port(key: str) -> str:
    found = re.match(r'"(?:[^"\\]|\\.)*"|[^":]+', key)
    return found[0] if found else key


def _unquoted(name: str) -> str:
    if len(name) > 1 and name[0] == name[-1] == '"':
        return name[1:-1].replace('\\"', '"')
    return name


def _write(graph: CausalGraph) -> bytes:
    keys = {name: _key(name, i) for i, name in enumerate((*graph.latents, *graph.actions))}
    lines = [_node(keys[name], name, "latent") for name in graph.latents]
    lines += [_node(keys[name], name, "action") for name in graph.actions]
    lines += [f"  {keys[parent]} -> {keys[child]};" for parent, child in graph.edges()]
    return ("digraph {\n" + "\n".join(lines) + "\n}\n").encode()


def _key(name: str, position: int) -> str:
    if "\\" in name:
        return f'"backslashed {position}"'
    escaped = name.replace('"', '\\"')
    return f'"{escaped}"'


def _node(key: str, name: str, kind: str) -> str:
    faithful = f', {_FAITHFUL}="{quote(name, safe="")}"' if "\\" in name else ""
    return f"  {key} [kind={kind}{faithful}];"


DOT = Format("dot", (".dot", ".gv"), "Graphviz DOT", 8 * MIB, _read, _write)
