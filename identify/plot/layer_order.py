"""Order of the nodes in the two-layer drawing, chosen so that few edges cross.

Two edges cross when their ends have opposite orders on the two sides. Minimising the number of crossings is NP-hard.
This module uses a heuristic: barycentre sweeps, then sifting (each block and each action moves to its best position
while the others stay), repeated until the number of crossings no longer falls. Graphs of more than 120 nodes are
ordered by sweeps alone.

Guarantees:

- The latents of a block are consecutive and keep the given order among themselves.
- The order has no more crossings than the given order if the blocks are consecutive there or if the graph has no past.
  In the remaining case, gathering the blocks can add crossings.
- The given order stays if it has no crossings and its blocks are consecutive. Applied to its own result, the method
  changes nothing.
- The order depends on the two matrices alone, not on names or random numbers.

Sources:
    K. Sugiyama, S. Tagawa and M. Toda, Methods for visual understanding of hierarchical system structures, IEEE
    Transactions on Systems, Man, and Cybernetics 11, 1981 (barycentres). C. Matuszewski, R. Schönfeld and P. Molitor,
    Using sifting for k-layer straightline crossing minimization, Graph Drawing, 1999.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from identify.entanglement import predict_entanglement
from identify.graph import CausalGraph

__all__ = ["LayerOrder", "count_crossings", "order_layers", "reorder"]

_N_SWEEPS = 8
# decimals of barycentres: equal ones must not differ by rounding errors, which depend on the order of the sum
_DECIMALS = 9
# nodes; sifting takes one to three seconds at this size and grows with the third power of the number or faster
_MAX_SIFTED = 120

# nodes that move as a whole: the latents of a block, or one action
Group = tuple[int, ...]


@dataclass(frozen=True)
class LayerOrder:
    """Order of the nodes from top to bottom.

    Attributes:
        latents: Indices of the latents, present and past.
        actions: Indices of the actions.
    """

    latents: tuple[int, ...]
    actions: tuple[int, ...]


def count_crossings(graph: CausalGraph, order: LayerOrder | None = None) -> int:
    """Count the pairs of edges that cross in the two-layer drawing.

    Args:
        graph: Graph to draw, with actions above past latents on the left and latents on the right.
        order: Order of the nodes; the given order by default.

    Example:
        >>> crossed = CausalGraph(Ga=[[0, 1], [1, 0]])
        >>> count_crossings(crossed), count_crossings(crossed, order_layers(crossed))
        (1, 0)
    """
    order = order or LayerOrder(tuple(range(graph.n_latents)), tuple(range(graph.n_actions)))
    return _count(_edges(graph), order.latents, order.actions)


def order_layers(graph: CausalGraph) -> LayerOrder:
    """Order latents and actions so that few edges cross in the two-layer drawing.

    Args:
        graph: Graph to draw.

    Returns:
        The order, with the guarantees listed at the top of this module.

    Example:
        >>> order_layers(CausalGraph(Ga=[[1, 0], [0, 1], [1, 0]]))
        LayerOrder(latents=(0, 2, 1), actions=(0, 1))
    """
    current = _initial(graph)
    while current.n_crossings:
        candidates = [current, *_barycentres(current)]
        if graph.n_latents + graph.n_actions <= _MAX_SIFTED:
            candidates = [_sift(current), _sift(_best(candidates))]
        best = _best(candidates)
        if best.n_crossings >= current.n_crossings:
            break
        current = best
    return LayerOrder(_flat(current.latents), _flat(current.actions))


def reorder(graph: CausalGraph, order: LayerOrder) -> CausalGraph:
    """Return the same graph with its latents and actions in another order."""
    permuted = graph.permute(order.latents)
    actions = list(order.actions)
    return CausalGraph(
        Gz=permuted.Gz,
        Ga=permuted.Ga[:, actions],
        latents=permuted.latents,
        actions=[graph.actions[a] for a in actions],
    )


@dataclass(frozen=True)
class _Drawing:
    """A graph and one order of its nodes.

    Attributes:
        edges: Edges from the columns (actions, then past latents unless no edge leaves them) to the rows (latents).
        latents: Groups of latents from top to bottom.
        actions: Groups of one action each from top to bottom.
    """

    edges: NDArray[np.float64]
    latents: tuple[Group, ...]
    actions: tuple[Group, ...]

    @cached_property
    def n_crossings(self) -> int:
        """Number of crossings of edges."""
        return _count(self.edges, _flat(self.latents), _flat(self.actions))

    @property
    def from_actions(self) -> NDArray[np.float64]:
        """The edges from actions."""
        return self.edges[:, : len(self.actions)]

    @property
    def from_past(self) -> NDArray[np.float64]:
        """The edges from past latents."""
        return self.edges[:, len(self.actions) :]


def _edges(graph: CausalGraph) -> NDArray[np.float64]:
    matrices = [graph.Ga, graph.Gz] if graph.Gz.nnz else [graph.Ga]
    return np.hstack([matrix.toarray() for matrix in matrices]).astype(np.float64)


def _count(edges: NDArray[np.float64], latents: Sequence[int], actions: Sequence[int]) -> int:
    has_past = edges.shape[1] > len(actions)
    columns = [*actions, *(len(actions) + i for i in latents)] if has_past else list(actions)
    drawn = edges[np.ix_(latents, columns)]
    # for each place in the matrix: edges that end higher, then those among them that start lower
    end_higher = np.cumsum(drawn, axis=0) - drawn
    crossing = end_higher.sum(axis=1, keepdims=True) - np.cumsum(end_higher, axis=1)
    return int((drawn * crossing).sum())


def _flat(groups: Sequence[Group]) -> tuple[int, ...]:
    return tuple(node for group in groups for node in group)


def _best(drawings: Sequence[_Drawing]) -> _Drawing:
    """Return the drawing with the fewest crossings; among equals the first."""
    return min(drawings, key=lambda drawing: drawing.n_crossings)


# Blocks ---------------------------------------------------------------------------------------------


def _initial(graph: CausalGraph) -> _Drawing:
    """Return the given order with each scattered block gathered at its best position.

    Without a past, this adds no crossings: the latents of a block have the same parents, so all of them are best placed
    where one of them is.
    """
    blocks = sorted(tuple(sorted(block)) for block in predict_entanglement(graph).blocks)
    is_scattered = {block: block[-1] - block[0] >= len(block) for block in blocks}
    groups = [
        group for block in blocks for group in ([(i,) for i in block] if is_scattered[block] else [block])
    ]
    drawing = _Drawing(_edges(graph), tuple(sorted(groups)), tuple((a,) for a in range(graph.n_actions)))
    for block in (block for block in blocks if is_scattered[block]):
        groups = [group for group in drawing.latents if group[0] not in block[1:]]
        gathered = tuple(block if group[0] == block[0] else group for group in groups)
        drawing = replace(drawing, latents=gathered)
        drawing = replace(drawing, latents=_reinserted(gathered, block, _block_costs(drawing, block)))
    return drawing


# Barycentres ----------------------------------------------------------------------------------------


def _barycentres(drawing: _Drawing) -> Iterator[_Drawing]:
    """Yield the drawings of successive sweeps: actions sorted by their targets, blocks by their neighbours."""
    for _ in range(_N_SWEEPS):
        drawing = replace(drawing, actions=_sorted(drawing.actions, _action_barycentres(drawing)))
        yield drawing
        drawing = replace(drawing, latents=_sorted(drawing.latents, _latent_barycentres(drawing)))
        yield drawing


def _sorted(groups: Sequence[Group], barycentres: NDArray[np.float64]) -> tuple[Group, ...]:
    rounded = [round(float(barycentres[list(group)].mean()), _DECIMALS) for group in groups]
    return tuple(group for _, group in sorted(zip(rounded, groups, strict=True), key=lambda pair: pair[0]))


def _action_barycentres(drawing: _Drawing) -> NDArray[np.float64]:
    """Return the mean height of each action's targets."""
    edges = drawing.from_actions
    return _means(edges.T @ _latent_heights(drawing), edges.sum(axis=0), _action_heights(drawing))


def _latent_barycentres(drawing: _Drawing) -> NDArray[np.float64]:
    """Return the mean height of each latent's parents and, because its past has the same height, children."""
    heights = _latent_heights(drawing)
    sums = drawing.from_actions @ _action_heights(drawing)
    degrees = drawing.edges.sum(axis=1)
    if drawing.from_past.size:
        sums = sums + drawing.from_past @ heights + drawing.from_past.T @ heights
        degrees = degrees + drawing.from_past.sum(axis=0)
    return _means(sums, degrees, heights)


def _means(
    sums: NDArray[np.float64], counts: NDArray[np.float64], default: NDArray[np.float64]
) -> NDArray[np.float64]:
    return np.where(counts > 0, sums / np.maximum(counts, 1), default)


def _latent_heights(drawing: _Drawing) -> NDArray[np.float64]:
    heights = np.empty(len(drawing.edges))
    heights[list(_flat(drawing.latents))] = np.arange(len(heights))
    return heights


def _action_heights(drawing: _Drawing) -> NDArray[np.float64]:
    """Return the heights of the actions on the scale of the latents.

    Actions stand above the past latents; without a past they spread over the height of the latents.
    """
    n_latents, n_actions = len(drawing.edges), len(drawing.actions)
    ranks = np.arange(n_actions)
    heights = np.empty(n_actions)
    heights[list(_flat(drawing.actions))] = (
        ranks - n_actions if drawing.from_past.size else (ranks + 0.5) * n_latents / max(n_actions, 1) - 0.5
    )
    return heights


# Sifting --------------------------------------------------------------------------------------------


def _sift(drawing: _Drawing) -> _Drawing:
    """Move one block or action at a time to its best position until no such move reduces the crossings."""
    while True:
        before = drawing.n_crossings
        for block in drawing.latents:
            drawing = replace(
                drawing, latents=_reinserted(drawing.latents, block, _block_costs(drawing, block))
            )
        for action in drawing.actions:
            costs = _action_costs(drawing, action)
            drawing = replace(drawing, actions=_reinserted(drawing.actions, action, costs))
        if drawing.n_crossings == before:
            return drawing


def _reinserted(groups: Sequence[Group], group: Group, costs: NDArray[np.float64]) -> tuple[Group, ...]:
    """Move a group to the cheapest position among the others; of equal ones to the nearest."""
    others = [other for other in groups if other != group]
    here = groups.index(group)
    # positions are counted in nodes, groups move past groups
    ends = np.cumsum([0, *(len(other) for other in others)])
    best = min(range(len(groups)), key=lambda k: (costs[ends[k]], abs(k - here), k))
    return (*others[:best], group, *others[best:])


def _action_costs(drawing: _Drawing, action: Group) -> NDArray[np.float64]:
    """Return the crossings of an action's edges with those of other actions, by its position among them."""
    children = drawing.from_actions[list(_flat(drawing.latents))]
    others = [a for a in _flat(drawing.actions) if a not in action]
    return _line_costs(children[:, action[0]], children[:, others].T)


def _block_costs(drawing: _Drawing, block: Group) -> NDArray[np.float64]:
    """Return the crossings of a block's edges, by the position of the block among the other latents.

    All latents of a block have the same parents and the same children. Pairs of edges whose crossing doesn't depend on
    the position are left out, for instance two edges within the block.
    """
    others = [i for i in _flat(drawing.latents) if i not in block]
    actions = list(_flat(drawing.actions))
    n_actions, size = len(actions), len(block)
    has_past = bool(drawing.from_past.size)
    columns = [*actions, *(n_actions + i for i in others)] if has_past else actions
    edges, parents = drawing.edges[np.ix_(others, columns)], drawing.edges[block[0], columns]
    costs = size * _line_costs(parents, edges)
    if not has_past:
        return costs
    children, inner = drawing.from_past[others, block[0]], drawing.from_past[block[0], block[0]]
    costs += size * _line_costs(children, edges.T)[n_actions:]
    # an edge into the block crosses one out of it where both lead to latents on the same side of it
    parents_above, children_above = _sums(parents)[n_actions:], _sums(children)
    parents_below, children_below = parents.sum() - parents_above, children.sum() - children_above
    costs += size**2 * (parents_above * children_above + parents_below * children_below)
    # an edge within the block crosses those that pass from one side of it to the other
    end_above, start_above = _sums(edges.sum(axis=1)), _sums(edges.sum(axis=0))[n_actions:]
    both_above = np.pad(edges.cumsum(axis=0).cumsum(axis=1), ((1, 0), (1, 0)))[:, n_actions:].diagonal()
    costs += inner * size**2 * (end_above + start_above - 2 * both_above)
    return costs


def _line_costs(line: NDArray[np.float64], others: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the crossings of one row of a matrix with the others, by its position among them."""
    up_to = np.cumsum(others, axis=1)
    if_below = (up_to[:, -1:] - up_to) @ line
    if_above = (up_to - others) @ line
    costs: NDArray[np.float64] = _sums(if_below) + if_above.sum() - _sums(if_above)
    return costs


def _sums(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the sums of the first 0, 1, 2, ... values."""
    return np.concatenate([[0], np.cumsum(values)])
