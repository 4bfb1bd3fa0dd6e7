"""Conversion of nodes with attributes and edges, as in GraphML, GML and DOT, to a `CausalGraph`.

Programs that draw graphs identify nodes by generated ids (``n0``, ``62``) and store the displayed text in an attribute.
If all ids look generated, the labels are therefore the names of the nodes; otherwise the ids are.
"""

from __future__ import annotations

import html
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from identify.exceptions import FormatError
from identify.formats.base import Reading
from identify.graph import CausalGraph
from identify.names import quoted, shown

__all__ = ["Drawing", "DrawnEdge", "DrawnNode", "without_markup"]

_KINDS = ("latent", "action")
# n0 and n0::n1 (yEd), 62 (Cytoscape, igraph's DOT), 1.0 (Gephi), node3, v3, UUIDs
_GENERATED_ID = re.compile(
    r"(?:n|node|v|vertex|id|_)?[0-9]+(?:\.0)?(?:::?(?:n|node)?[0-9]+)*"
    r"|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}",
    re.IGNORECASE,
)
_INLINE = re.compile(r"</?(?:b|i|u|o|s|em|strong|sub|sup|font|span|html|body)\b[^<>]*>", re.IGNORECASE)
_MARKUP = re.compile(r"<!--.*?-->|<[^<>]*>", re.DOTALL)


@dataclass
class DrawnNode:
    """A node of a drawing.

    Attributes:
        place: Position for messages, such as ``"line 3"``; empty if the parser doesn't know lines.
        kind: Attribute ``kind``; None if missing.
        labels: Candidates for the name, by source (``"name"``, ``"label"``, ...).
    """

    place: str = ""
    kind: str | None = None
    labels: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class DrawnEdge:
    """A directed edge from a parent to a child, by node ids, with its position for messages."""

    parent: str
    child: str
    place: str = ""


@dataclass
class Drawing:
    """Nodes and the edges between them.

    Attributes:
        nodes: Nodes by id, in order.
        edges: Directed edges from parents to children.
        notes: Notes of the parser on how the file was interpreted.
        sources: Sources of names, in order of preference.
        always_labels: Whether labels are names for any ids, as in GML, where ids are numbers.
    """

    nodes: dict[str, DrawnNode] = field(default_factory=dict)
    edges: list[DrawnEdge] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    sources: Sequence[str] = ("name", "shared name", "label", "id")
    always_labels: bool = False

    def reading(self) -> Reading:
        """Return the causal graph of the drawing.

        Raises:
            FormatError: If a kind is missing or unknown, a label is repeated, or an action has a parent. The message
                names the nodes.
            GraphError: If there is no latent or a name is invalid.
        """
        names, note = self._names()
        kinds = self._kinds()
        return Reading(
            CausalGraph.from_edges(
                ((names[edge.parent], names[edge.child]) for edge in self._validated_edges(kinds)),
                latents=[names[node] for node, kind in kinds.items() if kind == "latent"],
                actions=[names[node] for node, kind in kinds.items() if kind == "action"],
            ),
            (*note, *self.notes, *self._note_on_kinds()),
        )

    def _validated_edges(self, kinds: Mapping[str, str]) -> list[DrawnEdge]:
        for edge in self.edges:
            for end in (edge.parent, edge.child):
                if end not in kinds:
                    raise FormatError(f"{_at(edge.place)}{_arrow(edge)} ends at a node that is not declared")
            if kinds[edge.child] == "action":
                raise FormatError(
                    f"{_at(edge.place)}{_arrow(edge)} points at an action; actions have no parents"
                )
        return self.edges

    def _note_on_kinds(self) -> tuple[str, ...]:
        if any(node.kind for node in self.nodes.values()):
            return ()
        return ("no node has a 'kind', so all nodes are latents",)

    def _kinds(self) -> dict[str, str]:
        kinds = {key: (node.kind or "").strip().lower() for key, node in self.nodes.items()}
        if not any(kinds.values()):
            return dict.fromkeys(kinds, "latent")
        for key, kind in kinds.items():
            if kind not in _KINDS:
                place = _at(self.nodes[key].place)
                fault = (
                    f"has kind {quoted(self.nodes[key].kind)}" if kind else "has no kind, but others have one"
                )
                raise FormatError(
                    f"{place}node {shown(key)} {fault}; the attribute 'kind' must be 'latent' or 'action'"
                )
        return kinds

    def _names(self) -> tuple[dict[str, str], tuple[str, ...]]:
        if not (self.always_labels or all(map(_GENERATED_ID.fullmatch, self.nodes))):
            return {key: key for key in self.nodes}, ()
        for source in self.sources:
            labelled = [key for key, node in self.nodes.items() if node.labels.get(source)]
            if labelled:
                self._require_all_labelled(source, labelled)
                names = {key: node.labels[source] for key, node in self.nodes.items()}
                self._require_unique(names, source)
                return names, (f"names are taken from '{source}'",)
        return {key: key for key in self.nodes}, ()

    def _require_all_labelled(self, source: str, labelled: Sequence[str]) -> None:
        if len(labelled) < len(self.nodes):
            unlabelled = next(key for key, node in self.nodes.items() if not node.labels.get(source))
            raise FormatError(
                f"{_at(self.nodes[unlabelled].place)}node {shown(unlabelled)} has no '{source}', but node "
                f"{shown(labelled[0])} has one; names are taken from '{source}', so give every node one"
            )

    def _require_unique(self, names: Mapping[str, str], source: str) -> None:
        first: dict[str, str] = {}
        for key, name in names.items():
            if first.setdefault(name, key) != key:
                other = _with_place(first[name], self.nodes[first[name]])
                raise FormatError(
                    f"{_at(self.nodes[key].place)}nodes {other} and {shown(key)} both have the '{source}' "
                    f"{quoted(name)}; names must be unique"
                )


def without_markup(text: str) -> str:
    """Return the text of an HTML-like label: tags removed, entities resolved, white space collapsed.

    Example:
        >>> without_markup("<b>sp</b>eed<br/>&amp; mass")
        'speed & mass'
    """
    without_tags = _MARKUP.sub(" ", _INLINE.sub("", text))
    return " ".join(html.unescape(without_tags).split())


def _at(place: str) -> str:
    return f"{place}: " if place else ""


def _arrow(edge: DrawnEdge) -> str:
    return f"the edge {shown(edge.parent)} -> {shown(edge.child)}"


def _with_place(key: str, node: DrawnNode) -> str:
    return f"{shown(key)} ({node.place})" if node.place else shown(key)
