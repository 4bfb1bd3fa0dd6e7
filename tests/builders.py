"""Random graphs for the tests: shared hypothesis strategies."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from identify.graph import CausalGraph

__all__ = ["graph_without_edges", "graphs", "permutations"]


@st.composite
def graphs(draw: st.DrawFn, max_latents: int = 7, max_actions: int = 5) -> CausalGraph:
    """Draw a small graph: dense, sparse or empty, with or without actions, past, twin latents and isolated latents."""
    n = draw(st.integers(1, max_latents))
    m = draw(st.integers(0, max_actions))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    past = rng.random((n, n)) < draw(st.sampled_from([0.0, 0.1, 0.3, 0.6, 0.9, 1.0]))
    from_actions = rng.random((n, m)) < draw(st.sampled_from([0.0, 0.1, 0.3, 0.6, 0.9, 1.0]))
    if draw(st.booleans()) and n > 1:
        _make_twins(past, from_actions, *rng.choice(n, 2, replace=False))
    if draw(st.booleans()):
        isolated = rng.integers(n)
        past[isolated], past[:, isolated], from_actions[isolated] = False, False, False
    return CausalGraph(Gz=past, Ga=from_actions)


def graph_without_edges(n: int) -> CausalGraph:
    """Return a graph of n latents without any edge."""
    return CausalGraph(latents=[f"q{i}" for i in range(n)])


def _make_twins(past: np.ndarray, from_actions: np.ndarray, i: int, j: int) -> None:
    past[j] = past[i]
    past[:, j] = past[:, i]
    from_actions[j] = from_actions[i]


@st.composite
def permutations(draw: st.DrawFn, n: int) -> list[int]:
    return draw(st.permutations(range(n)))
