"""Time to compute consistency classes, with the installed symmetry engine."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from identify.consistency import consistency_class
from identify.graph import CausalGraph
from tests.benchmarks.measure import once
from tests.benchmarks.test_entanglement_speed import sparse_past

pytestmark = pytest.mark.benchmark

GRAPHS = {
    "2,000 latents, 6 edges each": sparse_past(2_000),
    "1,000 interchangeable latents": CausalGraph(latents=[f"q{i}" for i in range(1_000)]),
    "a star with 2,000 legs of length two": CausalGraph(
        Gz=sparse.csr_array(
            (np.ones(4_000, dtype=bool), (np.arange(1, 4_001), np.r_[np.zeros(2_000, dtype=int), 1:2_001])),
            shape=(4_001, 4_001),
        )
    ),
    "500 pairs": CausalGraph(Gz=np.kron(np.eye(500, dtype=int), [[0, 1], [1, 0]])),
}


@pytest.mark.parametrize("name", GRAPHS)
def test_a_class_takes_less_than_five_seconds(name: str) -> None:
    def compute_class() -> int:
        graphs = consistency_class(GRAPHS[name])
        assert graphs.canonical in graphs
        assert graphs.generators is not None
        return graphs.n_automorphisms

    wall, order = once(compute_class)
    print(f"\n{name}: {wall:.2f} s, at least 2^{order.bit_length() - 1} automorphisms")
    assert wall < 5
