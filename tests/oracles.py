"""Brute-force references for the fast implementations: the formulas of the theory, coded literally."""

from __future__ import annotations

import itertools

import numpy as np

from identify.graph import CausalGraph

__all__ = ["automorphisms", "isomorphisms", "matrix_form", "set_form"]


def _parts_used(graph: CausalGraph, using: object) -> tuple[bool, bool]:
    """Return whether to use the actions, and whether to use the past."""
    if using is None:
        using = [name for name, matrix in (("actions", graph.Ga), ("past", graph.Gz)) if matrix.nnz] or "both"
    return (using == "both" or "actions" in using), (using == "both" or "past" in using)  # type: ignore[operator]


def matrix_form(graph: CausalGraph, using: object = "both") -> np.ndarray:
    """Return V by dense products with complements: V[i, j] iff j has every neighbour that i has."""
    past, from_actions = graph.Gz.toarray().astype(int), graph.Ga.toarray().astype(int)
    use_actions, use_past = _parts_used(graph, using)
    v = np.ones((graph.n_latents, graph.n_latents), dtype=bool)
    if use_actions:
        v &= from_actions @ (1 - from_actions).T == 0
    if use_past:
        v &= (past @ (1 - past).T == 0) & (past.T @ (1 - past) == 0)
    return v


def set_form(graph: CausalGraph, using: object = "both") -> np.ndarray:
    """Return V by sets: row i intersects Ch^a and Ch^z over the parents of i, and Pa^z over its children."""
    past, from_actions = graph.Gz.toarray(), graph.Ga.toarray()
    use_actions, use_past = _parts_used(graph, using)
    all_latents = set(range(graph.n_latents))
    v = np.zeros((graph.n_latents, graph.n_latents), dtype=bool)
    for i in all_latents:
        row = set(all_latents)
        if use_actions:
            for action in np.flatnonzero(from_actions[i]):
                row &= set(np.flatnonzero(from_actions[:, action]))
        if use_past:
            for parent in np.flatnonzero(past[i]):
                row &= set(np.flatnonzero(past[:, parent]))
            for child in np.flatnonzero(past[:, i]):
                row &= set(np.flatnonzero(past[child]))
        v[i, list(row)] = True
    return v


def isomorphisms(one: CausalGraph, two: CausalGraph) -> list[tuple[int, ...]]:
    """Return every p with ``one.permute(p) == two``, by trying all permutations."""
    if one.n_latents != two.n_latents or one.n_actions != two.n_actions:
        return []
    past, from_actions = (matrix.toarray() for matrix in (one.Gz, one.Ga))
    target = two.Gz.toarray(), two.Ga.toarray()
    return [
        p
        for p in itertools.permutations(range(one.n_latents))
        if np.array_equal(past[np.ix_(p, p)], target[0]) and np.array_equal(from_actions[list(p)], target[1])
    ]


def automorphisms(graph: CausalGraph) -> list[tuple[int, ...]]:
    """Return every permutation of the latents that changes neither matrix, by trying all of them."""
    return isomorphisms(graph, graph)
