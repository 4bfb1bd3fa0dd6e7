"""The tables of a report as plain rows of text, the same for every form of output."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from identify.criterion import Verdict
from identify.wording import listed

__all__ = ["BLOCK_COLUMNS", "GRAPH_COLUMNS", "BlockRow", "GraphRow", "block_rows", "graph_rows"]

GRAPH_COLUMNS = ("graph", "latents", "actions", "edges", "disentangled", "blocks", "complete")
BLOCK_COLUMNS = ("latents", "stay entangled with", "because", "what would separate them")


@dataclass(frozen=True)
class GraphRow:
    """One graph in a table of several; the fields are `GRAPH_COLUMNS`."""

    graph: str
    latents: int
    actions: int
    edges: int
    disentangled: int
    blocks: int
    complete: bool

    def cells(self) -> tuple[str, ...]:
        """The row as text, in the order of `GRAPH_COLUMNS`."""
        numbers = (self.latents, self.actions, self.edges, self.disentangled, self.blocks)
        return (self.graph, *(f"{number:,}" for number in numbers), "yes" if self.complete else "no")


@dataclass(frozen=True)
class BlockRow:
    """A block that is not disentangled.

    Attributes:
        latents: Its latents; several are twins.
        others: Latents of other blocks that it stays entangled with, and not the other way.
        why: What makes it so.
        remedy: What would change it.
    """

    latents: tuple[str, ...]
    others: tuple[str, ...]
    why: str
    remedy: str

    def cells(self) -> tuple[str, ...]:
        """The row as text, in the order of `BLOCK_COLUMNS`; long lists of names are cut."""
        return listed(self.latents), self.tangled_with(), self.why, self.remedy

    def tangled_with(self, most: int = 6) -> str:
        """With whom the latents of the block stay entangled, in words."""
        if len(self.latents) == 1:
            return listed(self.others, most)
        return f"each other and {listed(self.others, most)}" if self.others else "each other"


def graph_rows(verdicts: Mapping[str, Verdict]) -> list[GraphRow]:
    """One row per graph, in the order given."""
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


def block_rows(verdict: Verdict, most: int | None = None) -> list[BlockRow]:
    """The blocks that are not disentangled, by their first latent; at most ``most`` of them."""
    found = verdict.entanglement
    tangled = [b for b, block in enumerate(found.blocks) if not found.disentangled[block[0]]]
    return [_block_row(verdict, b) for b in tangled[:most]]


def _block_row(verdict: Verdict, number: int) -> BlockRow:
    found, names = verdict.entanglement, verdict.graph.latents
    latents = tuple(names[i] for i in found.blocks[number])
    others = tuple(names[i] for b in found.blocks_above(number).tolist() for i in found.blocks[b])
    return BlockRow(latents, others, _why(verdict, number, others), _remedy(latents, others))


def _why(verdict: Verdict, number: int, others: tuple[str, ...]) -> str:
    found = verdict.entanglement
    block = found.blocks[number]
    if not found.constrained[block[0]]:
        return "nothing that is used acts on it" if len(block) == 1 else "nothing that is used acts on them"
    neighbours = found.neighbourhoods.neighbours(block[0])
    told = listed([_name(kind, name) for kind, name in neighbours], 4)
    if len(block) == 1:
        return f"all its neighbours ({told}) are theirs too"
    return f"the same neighbours ({told}){'; the others have these too' if others else ''}"


def _name(kind: str, name: str) -> str:
    return {"action": "{}", "parent": "past {}", "child": "child {}"}[kind].format(name)


def _remedy(latents: tuple[str, ...], others: tuple[str, ...]) -> str:
    if len(latents) == 1:
        return f"an action on {latents[0]} and not on {listed(others)}"
    # twins need one each: an action on i alone separates i from j, and leaves j entangled with i
    rest = f"the rest or {listed(others)}" if others else "the rest"
    return f"for each of {listed(latents)}: an action on it and not on {rest}"
