"""Speed and memory of `predict_entanglement`, as ratios within one run."""

from __future__ import annotations

import subprocess
import sys
from functools import partial

import numpy as np
import pytest
from scipy import sparse

from identify.entanglement import predict_entanglement
from identify.graph import CausalGraph
from tests.benchmarks.measure import seconds

pytestmark = pytest.mark.benchmark


def sparse_past(n: int, degree: int = 6, seed: int = 0) -> CausalGraph:
    rng = np.random.default_rng(seed)
    edges = np.repeat(np.arange(n), degree), rng.integers(0, n, n * degree)
    return CausalGraph(Gz=sparse.coo_array((np.ones(n * degree, dtype=bool), edges), shape=(n, n)))


def with_hub(graph: CausalGraph, n_targets: int) -> CausalGraph:
    targets = np.random.default_rng(1).choice(graph.n_latents, n_targets, replace=False)
    hub = sparse.coo_array(
        (np.ones(n_targets, dtype=bool), (targets, np.zeros(n_targets, dtype=int))),
        shape=(graph.n_latents, 1),
    )
    return CausalGraph(Gz=graph.Gz, Ga=hub)


def dense_formula(past: np.ndarray) -> np.ndarray:
    """Evaluate the formula of the theory with two products of single-precision matrices."""
    absent = 1 - past
    return np.asarray((past @ absent.T == 0) & (past.T @ absent == 0))


def test_against_the_dense_formula() -> None:
    graph = sparse_past(3_000)
    past = graph.Gz.toarray().astype(np.float32)
    slow, fast = seconds(lambda: dense_formula(past), 3), seconds(lambda: predict_entanglement(graph), 50)
    assert np.array_equal(dense_formula(past), predict_entanglement(graph).matrix.toarray())
    print(f"\n3,000 latents, 6 edges each: dense {slow:.3f} s, ours {fast * 1e3:.2f} ms: {slow / fast:.0f}x")
    assert slow / fast >= 200


def test_growth_is_near_linear() -> None:
    sizes = (10_000, 100_000, 1_000_000)
    graphs = [sparse_past(n) for n in sizes]
    times = [seconds(partial(predict_entanglement, graph), 3) for graph in graphs]
    print("\n" + "\n".join(f"{n:>9,} latents: {t:.3f} s" for n, t in zip(sizes, times, strict=True)))
    assert times[1] < 1
    assert times[2] < 6
    assert times[2] / times[1] < 25


def test_a_hub_costs_at_most_a_factor_of_two() -> None:
    graph = sparse_past(1_000_000)
    hub_graph = with_hub(graph, 100_000)
    without_hub, with_hub_seconds = (
        seconds(lambda: predict_entanglement(graph), 3),
        seconds(lambda: predict_entanglement(hub_graph), 3),
    )
    print(
        f"\na million latents: {without_hub:.2f} s; one action on 100,000 of them: {with_hub_seconds:.2f} s"
    )
    assert with_hub_seconds / without_hub < 2


WORST_CASES = {
    "every entry 1, 5,000 latents": "Gz=np.ones((5000, 5000), dtype=bool)",
    "no edge, 50,000 latents": "Gz=sparse.csr_array((50000, 50000), dtype=bool)",
    "lower triangle of actions, 5,000 latents": "Ga=np.tri(5000, dtype=bool)",
    "half of all entries, 5,000 latents": "Gz=np.random.default_rng(0).random((5000, 5000)) < 0.5",
    "a million latents, six million edges": "Gz=sparse.random_array((10**6, 10**6), density=6e-6, "
    "rng=np.random.default_rng(0), data_sampler=lambda size: np.ones(size), dtype=bool)",
}
SCRIPT = r"""
import re, time, numpy as np
from pathlib import Path
from scipy import sparse
from identify.entanglement import predict_entanglement
from identify.graph import CausalGraph
graph = CausalGraph({arguments})
start = time.perf_counter()
entanglement = predict_entanglement(graph)
entanglement.disentangled.sum()
wall = time.perf_counter() - start
# peak memory of this process alone; getrusage would include that of the parent process
peak = int(re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())[1]) / 1e6
print(wall, peak, entanglement.n_blocks)
"""


@pytest.mark.parametrize("name", WORST_CASES)
def test_worst_cases_neither_hang_nor_exhaust_memory(name: str) -> None:
    code = SCRIPT.format(arguments=WORST_CASES[name])
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    wall, peak, blocks = process.stdout.split()
    print(f"\n{name}: {float(wall):.2f} s, {float(peak):.2f} GB at the peak, {blocks} blocks")
    assert float(wall) < 60
    assert float(peak) < 2


@pytest.mark.parametrize(
    ("statement", "limit"),
    [("import identify.criterion", 0.5), ("from estimation.commands import main; main(['--help'])", 0.7)],
    ids=["import", "help"],
)
def test_start_up_time(statement: str, limit: float) -> None:
    wall, empty = (
        seconds(lambda: subprocess.run([sys.executable, "-c", code], capture_output=True, check=True))  # noqa: B023
        for code in (statement, "")
    )
    print(f"\n{statement}: {wall:.2f} s, {wall / empty:.0f}x an empty Python")
    assert wall < limit
