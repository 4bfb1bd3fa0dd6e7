"""Brute force that the fast paths are held against: the formulas of the theory, written as they read."""

from __future__ import annotations

import itertools

import numpy as np

from identify.graph import CausalGraph

__all__ = ["automorphisms", "isomorphisms", "matrix_form", "set_form"]


def _parts(graph: CausalGraph, using: object) -> tuple[bool, bool]:
    if using is None:
        using = [name for name, matrix in (("actions", graph.Ga), ("past", graph.Gz)) if matrix.nnz] or "both"
    return (using == "both" or "actions" in using), (using == "both" or "past" in using)  # type: ignore[operator]


def matrix_form(graph: CausalGraph, using: object = "both") -> np.ndarray:
    """V[i, j] iff no row has an entry of i that j lacks: products with the complement, as dense matrices."""
    past, acted = graph.Gz.toarray().astype(int), graph.Ga.toarray().astype(int)
    use_actions, use_past = _parts(graph, using)
    v = np.ones((graph.n_latents, graph.n_latents), dtype=bool)
    if use_actions:
        v &= acted @ (1 - acted).T == 0
    if use_past:
        v &= (past @ (1 - past).T == 0) & (past.T @ (1 - past) == 0)
    return v


def set_form(graph: CausalGraph, using: object = "both") -> np.ndarray:
    """Row i is the intersection of the criterion: Ch^a, Ch^z over parents, Pa^z over children."""
    past, acted = graph.Gz.toarray(), graph.Ga.toarray()
    use_actions, use_past = _parts(graph, using)
    everyone = set(range(graph.n_latents))
    v = np.zeros((graph.n_latents, graph.n_latents), dtype=bool)
    for i in everyone:
        left = set(everyone)
        if use_actions:
            for action in np.flatnonzero(acted[i]):
                left &= set(np.flatnonzero(acted[:, action]))
        if use_past:
            for parent in np.flatnonzero(past[i]):
                left &= set(np.flatnonzero(past[:, parent]))
            for child in np.flatnonzero(past[:, i]):
                left &= set(np.flatnonzero(past[child]))
        v[i, list(left)] = True
    return v


def isomorphisms(one: CausalGraph, two: CausalGraph) -> list[tuple[int, ...]]:
    """Every p with ``one.permute(p) == two``, by trying all."""
    if one.n_latents != two.n_latents or one.n_actions != two.n_actions:
        return []
    past, acted = (matrix.toarray() for matrix in (one.Gz, one.Ga))
    target = two.Gz.toarray(), two.Ga.toarray()
    return [
        p
        for p in itertools.permutations(range(one.n_latents))
        if np.array_equal(past[np.ix_(p, p)], target[0]) and np.array_equal(acted[list(p)], target[1])
    ]


def automorphisms(graph: CausalGraph) -> list[tuple[int, ...]]:
    """Every permutation of the latents that changes neither matrix, by trying all."""
    return isomorphisms(graph, graph)
