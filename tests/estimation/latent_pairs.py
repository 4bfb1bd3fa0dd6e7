"""True and learned latents for the tests of scores."""

from __future__ import annotations

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st

from tests.seeds import training_seed

__all__ = ["CLOSE", "normal", "pairs", "quick", "random_allowed"]

quick = settings(max_examples=60, deadline=None)
# sqrt(1 - (1 - c^2)) for a small c has an error of eps / c
CLOSE = 1e-7


@st.composite
def pairs(draw: st.DrawFn, min_rows: int = 8) -> tuple[np.ndarray, np.ndarray]:
    """Draw true and learned latents: dependent or not, of equal or different number, some with a constant column."""
    n, n_hat = draw(st.integers(1, 5)), draw(st.integers(1, 5))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    z = rng.normal(size=(draw(st.integers(min_rows, 40)), n))
    noise = rng.normal(size=(len(z), n_hat))
    z_hat = z @ rng.normal(size=(n, n_hat)) + draw(st.sampled_from([0.0, 0.1, 10.0])) * noise
    if draw(st.booleans()):
        z_hat[:, rng.integers(n_hat)] = 0.1
    if draw(st.booleans()):
        z[:, rng.integers(n)] = 0.1
    return z, z_hat


def random_allowed(rng: np.random.Generator, n: int) -> np.ndarray:
    return (rng.random((n, n)) < rng.random()) | np.eye(n, dtype=bool)


def normal(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(training_seed(seed)).normal(size=shape)
