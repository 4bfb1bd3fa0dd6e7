"""Time of consistency classes, with the engine that is installed."""

from __future__ import annotations

import numpy as np
import pytest

from identify.consistency import consistency_class
from identify.graph import CausalGraph
from tests.benchmarks.measure import once
from tests.benchmarks.test_entanglement_speed import sparse_past

pytestmark = pytest.mark.benchmark

GRAPHS = {
    "2,000 latents, 6 edges each": sparse_past(2_000),
    "1,000 interchangeable latents": CausalGraph(latents=[f"q{i}" for i in range(1_000)]),
    "500 pairs": CausalGraph(Gz=np.kron(np.eye(500, dtype=int), [[0, 1], [1, 0]])),
}


@pytest.mark.parametrize("name", GRAPHS)
def test_a_class_takes_less_than_five_seconds(name: str) -> None:
    def everything() -> int:
        found = consistency_class(GRAPHS[name])
        assert found.canonical in found
        assert found.generators is not None
        return found.n_automorphisms

    wall, order = once(everything)
    print(f"\n{name}: {wall:.2f} s, 2^{order.bit_length() - 1} automorphisms or more")
    assert wall < 5
