"""What GraphML, GML and DOT have in common: nodes with attributes and edges between them -> `CausalGraph`.

Programs that draw graphs tell nodes apart by ids of their own making (``n0``, ``62``) and keep what people see in
an attribute. So when all ids look made up, the names of the latents are the labels; otherwise they are the ids.
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
_MADE_UP = re.compile(
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
        place: Where it stands, for messages: ``"line 3"``, or empty where the parser knows no lines.
        kind: The attribute ``kind``, None when it is missing.
        labels: By source (``"name"``, ``"label"``, ...), texts that may be its name.
    """

    place: str = ""
    kind: str | None = None
    labels: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class DrawnEdge:
    """A directed edge from a parent to a child, by node ids, and where it stands."""

    parent: str
    child: str
    place: str = ""


@dataclass
class Drawing:
    """Nodes by id, in order, and edges between them.

    Attributes:
        nodes: By id.
        edges: Directed, parent to child.
        notes: What the parser had to decide.
        sources: Sources of labels that may be names, the best first.
        always_labels: Names are the labels whatever the ids look like, as in GML, where ids are numbers.
    """

    nodes: dict[str, DrawnNode] = field(default_factory=dict)
    edges: list[DrawnEdge] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    sources: Sequence[str] = ("name", "shared name", "label", "id")
    always_labels: bool = False

    def reading(self) -> Reading:
        """The causal graph of the drawing.

        Raises:
            FormatError: If kinds are missing or unknown, labels repeat, or an action has a parent; the text names
                the nodes.
            GraphError: If there is no latent, or a name can't be one.
        """
        names, note = self._names()
        kinds = self._kinds()
        return Reading(
            CausalGraph.from_edges(
                ((names[edge.parent], names[edge.child]) for edge in self._checked_edges(kinds)),
                latents=[names[node] for node, kind in kinds.items() if kind == "latent"],
                actions=[names[node] for node, kind in kinds.items() if kind == "action"],
            ),
            (*note, *self.notes, *self._note_on_kinds()),
        )

    def _checked_edges(self, kinds: Mapping[str, str]) -> list[DrawnEdge]:
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
        return ("no node has a 'kind', so all are latents",)

    def _kinds(self) -> dict[str, str]:
        kinds = {key: (node.kind or "").strip().lower() for key, node in self.nodes.items()}
        if not any(kinds.values()):
            return dict.fromkeys(kinds, "latent")
        for key, kind in kinds.items():
            if kind not in _KINDS:
                place = _at(self.nodes[key].place)
                said = f"has kind {quoted(self.nodes[key].kind)}" if kind else "has no kind, others have"
                raise FormatError(
                    f"{place}node {shown(key)} {said}; the attribute 'kind' must be 'latent' or 'action'"
                )
        return kinds

    def _names(self) -> tuple[dict[str, str], tuple[str, ...]]:
        if not (self.always_labels or all(map(_MADE_UP.fullmatch, self.nodes))):
            return {key: key for key in self.nodes}, ()
        for source in self.sources:
            labelled = [key for key, node in self.nodes.items() if node.labels.get(source)]
            if labelled:
                self._require_all_labelled(source, labelled)
                names = {key: node.labels[source] for key, node in self.nodes.items()}
                self._require_different(names, source)
                return names, (f"names are taken from '{source}'",)
        return {key: key for key in self.nodes}, ()

    def _require_all_labelled(self, source: str, labelled: Sequence[str]) -> None:
        if len(labelled) < len(self.nodes):
            bare = next(key for key, node in self.nodes.items() if not node.labels.get(source))
            raise FormatError(
                f"{_at(self.nodes[bare].place)}node {shown(bare)} has no '{source}', and node {shown(labelled[0])} "
                f"has; names are taken from '{source}', so give every node one"
            )

    def _require_different(self, names: Mapping[str, str], source: str) -> None:
        first: dict[str, str] = {}
        for key, name in names.items():
            if first.setdefault(name, key) != key:
                other = first[name]
                raise FormatError(
                    f"{_at(self.nodes[key].place)}nodes {_placed(other, self.nodes[other])} and {shown(key)} both have "
                    f"the '{source}' {quoted(name)}; names must be unique"
                )


def without_markup(text: str) -> str:
    """What a person reads of an HTML-like label: tags removed, entities resolved, white space collapsed.

    Example:
        >>> without_markup("<b>sp</b>eed<br/>&amp; mass")
        'speed & mass'
    """
    plain = _MARKUP.sub(" ", _INLINE.sub("", text))
    return " ".join(html.unescape(plain).split())


def _at(place: str) -> str:
    return f"{place}: " if place else ""


def _arrow(edge: DrawnEdge) -> str:
    return f"the edge {shown(edge.parent)} -> {shown(edge.child)}"


def _placed(key: str, node: DrawnNode) -> str:
    return f"{shown(key)} ({node.place})" if node.place else shown(key)
