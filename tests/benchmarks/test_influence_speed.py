"""Time to decide sufficient influence: twenty latents under twenty actions, and the published processes."""

from __future__ import annotations

import time

import numpy as np
import pytest
import sympy

from identify.graph import CausalGraph
from identify.influence import check_influence
from identify.mechanisms import Mechanisms, gaussian
from tests.identify.processes import NAMES, process, sums_of_sines

pytestmark = pytest.mark.benchmark


def linear(size: int) -> Mechanisms:
    latents, actions = sympy.symbols(f"z0:{size}"), sympy.symbols(f"a0:{size}")
    weights = np.random.default_rng(0).integers(1, 100, (size, size)).tolist()
    means = [sympy.Add(*(w * a for w, a in zip(row, actions, strict=True))) for row in weights]
    return Mechanisms(latents, [gaussian(z, mean) for z, mean in zip(latents, means, strict=True)], actions)


@pytest.mark.parametrize(
    ("name", "make", "status"),
    [
        ("sums of 20 sines", lambda: sums_of_sines(CausalGraph(Ga=np.ones((20, 20)))), "holds"),
        ("linear", lambda: linear(20), "fails"),
    ],
)
def test_twenty_latents_with_twenty_actions(name: str, make: object, status: str) -> None:
    start = time.perf_counter()
    report = check_influence(make())  # type: ignore[operator]
    seconds = time.perf_counter() - start
    verification_start = time.perf_counter()
    assert all(
        verdict.certificate is not None and verdict.certificate.verify()
        for verdict in report.actions.values()
    )
    print(
        f"\n20 latents, 20 actions, every edge, {name}: {seconds:.1f} s including the graph; "
        f"{time.perf_counter() - verification_start:.1f} s to verify all certificates"
    )
    assert {verdict.status for verdict in report.actions.values()} == {status}
    assert seconds < 30


def test_published_processes() -> None:
    for name in NAMES:
        start = time.perf_counter()
        family = "exponential" if name.startswith("Time") else "nonparametric"
        assert check_influence(process(name), family)  # type: ignore[arg-type]
        print(f"\n{name}: {time.perf_counter() - start:.2f} s", end="")
    print()
