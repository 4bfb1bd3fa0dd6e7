"""Tables of a report as rows of text, shared by all forms of output."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from identify.criterion import Verdict
from identify.report.joint import joint_reason, joint_remedy
from identify.wording import listed

__all__ = [
    "BLOCK_COLUMNS",
    "GRAPH_COLUMNS",
    "LOSS_COLUMNS",
    "BlockRow",
    "GraphRow",
    "block_rows",
    "graph_rows",
    "loss_cells",
]

GRAPH_COLUMNS = ("graph", "latents", "actions", "edges", "disentangled", "blocks", "complete")
BLOCK_COLUMNS = ("latents", "stay entangled with", "because", "remedy")
LOSS_COLUMNS = ("latent", "also stays entangled with", "won back by sufficient influence of")


@dataclass(frozen=True)
class GraphRow:
    """Row of one graph in a table of several; the fields are `GRAPH_COLUMNS`."""

    graph: str
    latents: int
    actions: int
    edges: int
    disentangled: int
    blocks: int
    complete: bool

    def cells(self) -> tuple[str, ...]:
        """Return the row as text, in the order of `GRAPH_COLUMNS`."""
        numbers = (self.latents, self.actions, self.edges, self.disentangled, self.blocks)
        return (self.graph, *(f"{number:,}" for number in numbers), "yes" if self.complete else "no")


@dataclass(frozen=True)
class BlockRow:
    """Row of a block that is not disentangled.

    Attributes:
        latents: Latents of the block. Several latents of one block are twins: they have the same neighbours.
        others: Latents of other blocks with which it stays entangled one way.
        reason: Why it stays entangled.
        remedy: Interventions that would separate its latents.
    """

    latents: tuple[str, ...]
    others: tuple[str, ...]
    reason: str
    remedy: str

    def cells(self) -> tuple[str, ...]:
        """Return the row as text, in the order of `BLOCK_COLUMNS`, with long lists of names abbreviated."""
        return listed(self.latents), self.entangled_with(), self.reason, self.remedy

    def entangled_with(self, n_max: int = 6) -> str:
        """Return in words what the latents of the block stay entangled with."""
        if len(self.latents) == 1:
            return listed(self.others, n_max)
        return f"each other and {listed(self.others, n_max)}" if self.others else "each other"


def graph_rows(verdicts: Mapping[str, Verdict]) -> list[GraphRow]:
    """Return one row per graph, in the given order."""
    return [
        GraphRow(
            graph=name,
            latents=verdict.graph.n_latents,
            actions=verdict.graph.n_actions,
            edges=verdict.graph.n_edges,
            disentangled=verdict.n_disentangled,
            blocks=verdict.entanglement.n_blocks,
            complete=verdict.complete,
        )
        for name, verdict in verdicts.items()
    ]


def block_rows(verdict: Verdict, n_max: int | None = None) -> list[BlockRow]:
    """Return the first ``n_max`` blocks that are not disentangled, ordered by their first latent."""
    entanglement = verdict.entanglement
    entangled = [b for b, block in enumerate(entanglement.blocks) if not entanglement.disentangled[block[0]]]
    return [_block_row(verdict, b) for b in entangled[:n_max]]


def loss_cells(verdict: Verdict, n_max: int | None = None) -> list[tuple[str, ...]]:
    """Return the rows of a table of what is lost without proved influence, `LOSS_COLUMNS`, for the first latents."""
    if verdict.guarantee is None:
        return []
    losses = verdict.guarantee.lost[:n_max]
    return [(loss.latent, listed(loss.entangled_with), loss.remedy) for loss in losses]


def _block_row(verdict: Verdict, number: int) -> BlockRow:
    entanglement, names = verdict.entanglement, verdict.graph.latents
    latents = tuple(names[i] for i in entanglement.blocks[number])
    others = tuple(
        names[i] for b in entanglement.blocks_above(number).tolist() for i in entanglement.blocks[b]
    )
    if verdict.joint is not None:
        return BlockRow(latents, others, joint_reason(verdict, latents), joint_remedy(verdict, latents))
    return BlockRow(latents, others, _reason(verdict, number, others), _remedy(latents, others))


def _reason(verdict: Verdict, number: int, others: tuple[str, ...]) -> str:
    entanglement = verdict.entanglement
    block = entanglement.blocks[number]
    if not entanglement.constrained[block[0]]:
        return "nothing constrains it" if len(block) == 1 else "nothing constrains them"
    neighbours = entanglement.neighbourhoods.neighbours(block[0])
    names = listed([_name(kind, name) for kind, name in neighbours], 4)
    if len(block) == 1:
        return f"the others share all its neighbours ({names})"
    return f"the same neighbours ({names}){', which the others share' if others else ''}"


def _name(kind: str, name: str) -> str:
    return {"action": "{}", "parent": "past {}", "child": "child {}"}[kind].format(name)


def _remedy(latents: tuple[str, ...], others: tuple[str, ...]) -> str:
    if len(latents) == 1:
        return f"an action on {latents[0]} and not on {listed(others)}"
    # twins need one action each: an action on i alone separates i from j but not j from i
    rest = f"the rest or {listed(others)}" if others else "the rest"
    return f"for each of {listed(latents)}: an action on it and not on {rest}"
