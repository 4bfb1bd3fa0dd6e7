"""Small problems whose influence is known: effects of one action on k latents, of any rank."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from estimation.influence.features import Causes
from identify.graph import CausalGraph

Array = NDArray[np.float64]


def problem(
    seed: int, n_rows: int, n_children: int, rank: int, heteroskedastic: bool = False
) -> tuple[Array, Causes, CausalGraph]:
    """Return mixed latents and causes: action 0 has effects of this rank, action 1 is another cause of all latents."""
    rng = np.random.default_rng(seed)
    actions = rng.uniform(-2, 2, (n_rows, 2))
    effects = np.sin(actions[:, [0]] * (1 + np.arange(rank)) + rng.uniform(0, 2 * np.pi, rank))
    # well-conditioned combinations
    combinations = np.linalg.qr(rng.normal(size=(n_children, n_children)))[0][:rank]
    other = np.cos(actions[:, [1]]) * rng.normal(size=n_children)
    scale = np.exp(actions[:, [0]] / 4) if heteroskedastic else 1.0
    noise = scale * rng.normal(size=(n_rows, n_children))
    mixing = np.eye(n_children) + 0.3 * rng.normal(size=(n_children, n_children))
    graph = CausalGraph(Ga=np.ones((n_children, 2)))
    return (2 * effects @ combinations + other + noise) @ mixing, Causes(actions), graph
