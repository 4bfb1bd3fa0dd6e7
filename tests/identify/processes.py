"""The published processes as mechanisms (Lachapelle et al., arXiv 2401.04890, the appendix on synthetic data)."""

from __future__ import annotations

import numpy as np
import sympy

from identify.catalog import load
from identify.graph import CausalGraph
from identify.mechanisms import Mechanisms, gaussian

__all__ = ["NAMES", "process", "sums_of_sines"]

VARIANCE = sympy.Rational(1, 10_000)
_SHAPES = ("Diag", "NonDiag", "BlockDiag", "BlockNonDiag")
NAMES = tuple(f"{kind}{shape}" for kind in ("Action", "Time") for shape in _SHAPES)


def process(name: str) -> Mechanisms:
    """Return a published process: a name of the catalogue, optionally followed by ``_NoSuffInf`` or ``_StateDep``."""
    base, _, variant = name.partition("_")
    graph = load(base)
    if variant == "NoSuffInf":
        return _linear(graph)
    return sums_of_sines(
        graph, diagonal=base in ("ActionDiag", "TimeDiag"), state_dependent=variant == "StateDep"
    )


def sums_of_sines(graph: CausalGraph, diagonal: bool = False, state_dependent: bool = False) -> Mechanisms:
    latents, causes, matrix, past = _symbols(graph)
    densities = []
    for i, z in enumerate(latents):
        rate = (i + 3) / sympy.pi
        parents = [causes[j] for j in range(len(causes)) if matrix[i, j]]
        change = sympy.sin(causes[i]) if diagonal else sympy.Add(*(sympy.sin(rate * c + i) for c in parents))
        variance = VARIANCE
        if state_dependent:
            variance = sympy.exp(sympy.Add(*(sympy.cos(rate * c + i) for c in parents))) / 100
        densities.append(gaussian(z, causes[i] + change / 2 if past else change, variance))
    return Mechanisms(latents, densities, () if past else causes, causes if past else ())


def _linear(graph: CausalGraph) -> Mechanisms:
    latents, causes, matrix, past = _symbols(graph)
    densities, rng = [], np.random.default_rng(0)
    for i, z in enumerate(latents):
        # arbitrary numbers
        weights = [sympy.Rational(int(draw), 8) for draw in rng.integers(1, 20, len(causes))]
        mean = sympy.Add(*(weights[j] * causes[j] for j in range(len(causes)) if matrix[i, j]))
        densities.append(gaussian(z, causes[i] + mean / 2 if past else mean, VARIANCE))
    return Mechanisms(latents, densities, () if past else causes, causes if past else ())


def _symbols(graph: CausalGraph):  # type: ignore[no-untyped-def]
    has_past = graph.n_actions == 0
    latents = sympy.symbols(f"z0:{graph.n_latents}")
    causes = sympy.symbols(f"p0:{graph.n_latents}" if has_past else f"a0:{graph.n_actions}")
    return latents, causes, (graph.Gz if has_past else graph.Ga).toarray(), has_past
