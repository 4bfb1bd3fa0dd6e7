"""Evidence of made-up runs, whose effects are known."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from estimation.diagnostics import Evidence
from estimation.unmixing import Samples
from identify.graph import CausalGraph
from tests.seeds import training_seed

__all__ = ["TARGETS", "evidence_of"]

Array = NDArray[np.float64]

TARGETS = np.array([[1, 0, 0, 1], [1, 1, 0, 0], [0, 1, 1, 0], [0, 0, 1, 1]], dtype=bool)


def evidence_of(
    targets: NDArray[np.bool_] = TARGETS,
    mixing: Array | None = None,
    graph: CausalGraph | None = None,
    seed: int = 0,
    n_rows: int = 2_000,
    **changes: Any,
) -> Evidence:
    """Return evidence of latents on which actions have independent effects of size 1, with noise of size 0.3.

    Args:
        targets: Which action has an effect on which true latent.
        mixing: The learned latents as rows in the true ones; by default they are the true ones.
        graph: The learned graph; by default the true one.
        seed: Seed of effects and noise.
        n_rows: Number of rows.
        changes: Other values of `Evidence`.
    """
    rng = np.random.default_rng(training_seed(seed))
    n, m = targets.shape
    mixing = np.eye(n) if mixing is None else mixing
    actions = rng.uniform(-2, 2, (n_rows, m))
    waves = np.sin(rng.uniform(1, 3, (n, m)) * actions[:, None, :] + rng.uniform(0, 6, (n, m)))
    effects = mixing @ ((waves - waves.mean(0)) / waves.std(0) * targets)
    noise = 0.3 * rng.normal(size=(n_rows, n)) @ mixing.T
    latents = effects.sum(2) + noise
    values = {
        "graph": CausalGraph(Ga=targets, latents=[f"v{i}" for i in range(n)]) if graph is None else graph,
        "latents": latents,
        "actions": actions,
        "action_columns": tuple(range(m)),
        "action_effects": effects,
        "past_jacobians": None,
        "covariance": np.cov(latents.T).reshape(n, n),
        "residual": np.cov(noise.T).reshape(n, n),
        "posterior": 1e-4 * np.eye(n),
        "learned_residuals": noise / noise.std(0),
        "reconstruction_errors": 0.1 * rng.normal(size=(n_rows, 2 * n)),
        "samples": Samples(noise, actions, None),
    }
    return Evidence(**(values | changes))
