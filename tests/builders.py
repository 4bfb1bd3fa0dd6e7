"""Random graphs for the tests: hypothesis strategies that several files share."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from identify.graph import CausalGraph

__all__ = ["graphs", "nothing_known", "permutations"]


@st.composite
def graphs(draw: st.DrawFn, max_latents: int = 7, max_actions: int = 5) -> CausalGraph:
    """Small graphs of every kind: dense, sparse, empty, without actions or past, with twin latents."""
    n = draw(st.integers(1, max_latents))
    m = draw(st.integers(0, max_actions))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    past = rng.random((n, n)) < draw(st.sampled_from([0.0, 0.1, 0.3, 0.6, 0.9, 1.0]))
    acted = rng.random((n, m)) < draw(st.sampled_from([0.0, 0.1, 0.3, 0.6, 0.9, 1.0]))
    if draw(st.booleans()) and n > 1:
        _make_twins(past, acted, *rng.choice(n, 2, replace=False))
    if draw(st.booleans()):
        lonely = rng.integers(n)
        past[lonely], past[:, lonely], acted[lonely] = False, False, False
    return CausalGraph(Gz=past, Ga=acted)


def nothing_known(n: int) -> CausalGraph:
    """Latents that nothing acts on."""
    return CausalGraph(latents=[f"q{i}" for i in range(n)])


def _make_twins(past: np.ndarray, acted: np.ndarray, i: int, j: int) -> None:
    past[j] = past[i]
    past[:, j] = past[:, i]
    acted[j] = acted[i]


@st.composite
def permutations(draw: st.DrawFn, n: int) -> list[int]:
    return draw(st.permutations(range(n)))
