"""The learned programmes as a drawing: causes on the left, latents in the middle, their top columns on the right."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from estimation.report.drawing import element, signed, svg, text
from estimation.report.section import Picture
from estimation.results import ColumnEffects
from identify.graph import CausalGraph
from identify.markup import escaped
from identify.wording import plural

__all__ = ["Edge", "draw_programmes", "edges_of"]

_MAX_CAUSES, _MAX_LATENTS, _N_COLUMNS = 40, 24, 5
# an edge with less confidence is dashed
_CERTAIN = 0.9
_WIDTH, _CAUSE_X, _LATENT_X, _COLUMN_X, _HALF_BOX = 800.0, 225.0, 430.0, 560.0, 34.0
_ROW, _GAP, _TOP = 20.0, 16.0, 34.0

_Key = tuple[bool, str]


@dataclass(frozen=True)
class Edge:
    """An edge of the learned graph.

    Attributes:
        cause: Name of the action or of the latent at the step before.
        latent: Name of the latent.
        past: Whether the cause is a latent at the step before.
        confidence: Probability that the true graph has it; None if it is not known.
    """

    cause: str
    latent: str
    past: bool
    confidence: float | None

    @property
    def key(self) -> tuple[bool, str]:
        """The cause as a key: an action may be called like a latent at the step before."""
        return self.past, self.cause

    @property
    def shown_cause(self) -> str:
        """The cause in words."""
        return f"{self.cause} (step before)" if self.past else self.cause


def edges_of(graph: CausalGraph, confidence: Mapping[str, NDArray[np.float64]] | None) -> list[Edge]:
    """Return the edges of a learned graph, those of actions first.

    Args:
        graph: The learned graph without dense columns.
        confidence: Confidence by ``"actions"`` and ``"past"``, or None.
    """
    edges = []
    for kind, matrix, names in (("actions", graph.Ga, graph.actions), ("past", graph.Gz, graph.latents)):
        values = (confidence or {}).get(kind)
        rows, columns = matrix.nonzero()
        for i, k in sorted(zip(rows.tolist(), columns.tolist(), strict=True), key=lambda pair: pair[::-1]):
            known = None if values is None or np.isnan(values[i, k]) else float(values[i, k])
            edges.append(Edge(names[k], graph.latents[i], kind == "past", known))
    return edges


def draw_programmes(
    latents: Sequence[str], edges: Sequence[Edge], effects: ColumnEffects | None
) -> Picture | None:
    """Draw what moves each latent, and which columns it moves; None without latents to draw.

    Args:
        latents: Names of the latents.
        edges: Edges of the learned graph.
        effects: Effects of the latents on the columns; None for a model without a decoder.

    Example:
        >>> edges = [Edge("heat", "v0", False, 0.98), Edge("v0", "v0", True, None)]
        >>> effects = ColumnEffects(("MYC", "JUN"), ("v0",), np.array([[0.5], [-0.25]]))
        >>> picture = draw_programmes(("v0",), edges, effects)
        >>> picture.label
        'Learned programmes: 2 causes, 1 latent, 2 edges'
        >>> "−0.25" in picture.svg
        True
    """
    drawn = list(latents[:_MAX_LATENTS])
    causes = dict(list({edge.key: edge.shown_cause for edge in edges}.items())[:_MAX_CAUSES])
    if not drawn:
        return None
    shown = [edge for edge in edges if edge.latent in drawn and edge.key in causes]
    layout = _Layout.of(drawn, list(causes), shown, _N_COLUMNS if effects is not None else 1)
    parts = [_headings(bool(causes), effects is not None)]
    parts += [_draw_edge(edge, layout) for edge in shown]
    parts += [_draw_cause(name, layout.cause_ids[key], layout.causes[key]) for key, name in causes.items()]
    for i, latent in enumerate(drawn):
        parts.append(_draw_latent(i, latent, layout, effects))
    title = "Learned programmes: "
    title += f"{plural(len(causes), 'cause')}, {plural(len(drawn), 'latent')}, {plural(len(shown), 'edge')}"
    description = "; ".join(f"{edge.shown_cause} moves {edge.latent}" for edge in shown) or "no edges"
    drawing = svg("programme", title, f"{description}.", (_WIDTH, layout.height), parts)
    return Picture(drawing, title, wide=True, caption=_caption(latents, edges, shown), labelled=True)


@dataclass(frozen=True)
class _Layout:
    """Positions.

    Attributes:
        latents: Height of each latent, by its name.
        causes: Height of each cause.
        latent_ids: Id of each latent, by its name.
        cause_ids: Id of each cause.
        parents: Ids of the causes of each latent, by its name.
        height: Height of the drawing.
    """

    latents: Mapping[str, float]
    causes: Mapping[_Key, float]
    latent_ids: Mapping[str, str]
    cause_ids: Mapping[_Key, str]
    parents: Mapping[str, list[str]]
    height: float

    @classmethod
    def of(cls, latents: list[str], causes: list[_Key], edges: Sequence[Edge], n_columns: int) -> _Layout:
        block = max(n_columns * _ROW, 2 * _ROW) + _GAP
        height = max(len(latents) * block, len(causes) * (_ROW + 4))
        step, spacing = height / len(latents), height / max(len(causes), 1)
        heights = {name: _TOP + step * (i + 0.5) for i, name in enumerate(latents)}
        # a cause stands near the latents that it moves, so that fewer edges cross
        centre = {
            key: float(np.mean([heights[edge.latent] for edge in edges if edge.key == key] or [height]))
            for key in causes
        }
        ids = {key: f"c{k}" for k, key in enumerate(causes)}
        return cls(
            heights,
            {key: _TOP + spacing * (k + 0.5) for k, key in enumerate(sorted(causes, key=centre.__getitem__))},
            {name: f"l{i}" for i, name in enumerate(latents)},
            ids,
            {name: [ids[edge.key] for edge in edges if edge.latent == name] for name in latents},
            _TOP + height,
        )


def _headings(has_causes: bool, has_columns: bool) -> str:
    columns = [("causes", _CAUSE_X, "end")] * has_causes + [("latents", _LATENT_X, "middle")]
    columns += [("columns that move most, in their s.d.", _COLUMN_X, "start")] * has_columns
    return "".join(text(label, x, 12, 60, css="soft", text_anchor=anchor) for label, x, anchor in columns)


def _draw_edge(edge: Edge, layout: _Layout) -> str:
    start, end = layout.causes[edge.key], layout.latents[edge.latent]
    x1, x2 = _CAUSE_X + 14, _LATENT_X - _HALF_BOX
    middle = (x1 + x2) / 2
    sure = 1.0 if edge.confidence is None else edge.confidence
    said = "" if edge.confidence is None else f", confidence {edge.confidence:.2f}"
    css = "edge" + " past" * edge.past + " doubted" * (sure < _CERTAIN)
    cause, latent = layout.cause_ids[edge.key], layout.latent_ids[edge.latent]
    return element(
        "path",
        element("title", escaped(f"{edge.shown_cause} → {edge.latent}{said}")),
        d=f"M{x1:.1f} {start:.1f} C{middle:.1f} {start:.1f} {middle:.1f} {end:.1f} {x2:.1f} {end:.1f}",
        css=css,
        stroke_width=0.8 + 2.2 * sure,
        data_touches=f"{cause} {latent}",
    )


def _draw_cause(name: str, key: str, y: float) -> str:
    return element(
        "g",
        element("circle", cx=_CAUSE_X + 10, cy=y, r=4, css="node"),
        text(name, _CAUSE_X, y, 28, text_anchor="end"),
        data_node=key,
        data_name=name,
        data_touches=key,
    )


def _draw_latent(i: int, name: str, layout: _Layout, effects: ColumnEffects | None) -> str:
    key, y = layout.latent_ids[name], layout.latents[name]
    touches = " ".join([key, *layout.parents[name]])
    box = element("rect", x=_LATENT_X - _HALF_BOX, y=y - 13, width=2 * _HALF_BOX, height=26, rx=6, css="node")
    parts = [box, text(name, _LATENT_X, y, 9, text_anchor="middle")]
    top = [] if effects is None else effects.top(i, _N_COLUMNS)
    largest = max((abs(value) for _, value in top), default=0.0) or 1.0
    for k, (column, value) in enumerate(top):
        at = y + (k - (len(top) - 1) / 2) * _ROW
        parts.append(
            element(
                "path",
                d=f"M{_LATENT_X + _HALF_BOX:.1f} {y:.1f} L{_COLUMN_X - 8:.1f} {at:.1f}",
                css="effect",
                stroke_width=0.5 + 2.5 * abs(value) / largest,
            )
        )
        label = text(signed(value), _COLUMN_X + 36, at, css="up" if value > 0 else "down", text_anchor="end")
        parts += [label, text(column, _COLUMN_X + 44, at, 26)]
    return element("g", *parts, data_node=key, data_name=name, data_touches=touches)


def _caption(latents: Sequence[str], edges: Sequence[Edge], shown: Sequence[Edge]) -> str:
    known = any(edge.confidence is not None for edge in edges)
    parts = (
        [f"The thicker an edge, the more certain it is; below {_CERTAIN:g} it is dashed."] if known else []
    )
    if any(edge.past for edge in shown):
        parts.append("Blue edges come from latents at the step before.")
    parts.append("A latent's sign is arbitrary: compare the signs of columns within one latent.")
    if len(latents) > _MAX_LATENTS:
        parts.append(f"{plural(len(latents) - _MAX_LATENTS, 'more latent')} are in the tables below.")
    if len(shown) < len(edges):
        parts.append(f"{plural(len(edges) - len(shown), 'more edge')} are in the table below.")
    return " ".join(parts)
