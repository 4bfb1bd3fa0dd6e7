"""The synthetic processes of Lachapelle et al., number for number.

Source: arXiv 2401.04890, the section on experiments and its appendix. The seeds and the order of the random draws are
those of the authors' published code. There are ten latents, twenty observed dimensions, and two time steps with a past.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from estimation.exceptions import ConfigError
from estimation.simulate.decoders import LeakyMLP
from estimation.simulate.mechanisms import Mechanism, linear, sines, state_dependent
from identify.catalog import load
from identify.graph import CausalGraph

__all__ = [
    "NAMES",
    "N_OBSERVED",
    "PLAIN",
    "PROCESS_SEED",
    "SPLIT_SEEDS",
    "Process",
    "build",
    "draw_actions",
    "random_graph",
    "require_graph",
]

PROCESS_SEED = 265_542
SPLIT_SEEDS = {"train": 1, "valid": 2, "test": 3}
N_OBSERVED = 20

_N_LATENTS = 10
_WIDTHS = (_N_LATENTS, N_OBSERVED, N_OBSERVED, N_OBSERVED, N_OBSERVED)
_GRAPH_SEED = 45_321

PLAIN = (
    "ActionDiag",
    "ActionNonDiag",
    "ActionBlockDiag",
    "ActionBlockNonDiag",
    "TimeDiag",
    "TimeNonDiag",
    "TimeBlockDiag",
    "TimeBlockNonDiag",
)
_LINEAR = ("ActionNonDiag_NoSuffInf", "TimeNonDiag_NoSuffInf")
_VARYING = ("ActionNonDiag_VarDep", "TimeNonDiag_VarDep")
_RANDOM = ("ActionRandom", "TimeRandom")

NAMES = (*PLAIN, *_LINEAR, *_VARYING, *_RANDOM)


@dataclass(frozen=True)
class Process:
    """A data-generating process, without the samples.

    Attributes:
        name: Name of the published data set.
        graph: True graph.
        mechanism: Mechanism of the latents.
        decoder: True decoder, before standardisation.
    """

    name: str
    graph: CausalGraph
    mechanism: Mechanism
    decoder: LeakyMLP


def build(
    name: str, generator: np.random.Generator, density: float | None, graph_seed: int | None
) -> Process:
    """Sample a published process.

    Args:
        name: One of `NAMES`.
        generator: Random generator of the coefficients where there are any, then of the decoder.
        density: Density of a random graph, from 0 to 1.
        graph_seed: Seed of a random graph.

    Raises:
        ConfigError: If the name is unknown, or density and seed are missing or don't apply.
    """
    require_graph(name, density, graph_seed)
    if density is not None and graph_seed is not None:
        graph = random_graph(name.startswith("Time"), density, graph_seed)
    else:
        graph = load(name.split("_", maxsplit=1)[0])
    mechanism = _mechanism(name, graph, generator)
    return Process(name, graph, mechanism, LeakyMLP(_WIDTHS, generator))


def require_graph(name: str, density: float | None, graph_seed: int | None) -> None:
    """Require a density and a seed for a random graph, and neither for another one.

    Args:
        name: Name of the process.
        density: Density of the random graph, or None.
        graph_seed: Seed of the random graph, or None.

    Raises:
        ConfigError: If the name is unknown, or density and seed are missing or don't apply.
    """
    if name not in NAMES:
        raise ConfigError(f"no published process is called {name!r}; they are {', '.join(NAMES)}")
    is_random = name in _RANDOM
    if is_random != (density is not None) or is_random != (graph_seed is not None):
        raise ConfigError(
            f"{name} needs {'' if is_random else 'no '}density and graph_seed, got {density} and {graph_seed}"
        )


def random_graph(time: bool, density: float, graph_seed: int) -> CausalGraph:
    """Return a published random graph with independent edges; with a past, every latent is its own parent.

    Args:
        time: Whether the graph is G^z (10 x 10) rather than G^a (10 x 10).
        density: Probability of an edge.
        graph_seed: Seed, a whole number from 0.

    Raises:
        ConfigError: If the density is not a probability.
    """
    if not 0 <= density <= 1:
        raise ConfigError(f"the density of a random graph is {density}; it is a probability, from 0 to 1")
    probabilities = np.full((_N_LATENTS, _N_LATENTS), float(density))
    if time:
        np.fill_diagonal(probabilities, 1.0)
    matrix = np.random.default_rng(_GRAPH_SEED + graph_seed).binomial(1, probabilities)
    return CausalGraph(Gz=matrix) if time else CausalGraph(Ga=matrix)


def draw_actions(
    graph: CausalGraph, n_samples: int, generator: np.random.Generator
) -> NDArray[np.float64] | None:
    """Sample actions from the uniform distribution on [-2, 2], shape (n_samples, m); None if the graph has none."""
    if not graph.n_actions:
        return None
    return generator.uniform(-2, 2, size=(n_samples, graph.n_actions))


def _mechanism(name: str, graph: CausalGraph, generator: np.random.Generator) -> Mechanism:
    if name in _LINEAR:
        return linear(graph, generator.normal(size=(_N_LATENTS, _N_LATENTS)))
    variance = state_dependent(graph) if name in _VARYING else 1e-4
    return sines(graph, variance, diagonal=name in ("ActionDiag", "TimeDiag"))
