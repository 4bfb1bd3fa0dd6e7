"""Cells of a gene regulatory network that SERGIO simulates in a process of its own: the network, and what is seen.

Ours are the network, the perturbations, and that the regulators are hidden: their expression is the truth, and only
the counts of their targets are observed. `gene_network` says what SERGIO is and how to get it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from estimation.dataset import Dataset
from identify.graph import CausalGraph

__all__ = ["DRIVER", "TECHNICAL", "Cells", "Network", "draw_network", "simulate"]

Array = NDArray[np.float64]

DRIVER = Path(__file__).with_name("sergio_driver.py")
#: SERGIO's technical noise: mean and scale of the logarithm of the library size, shape and percentile of dropout.
TECHNICAL: Mapping[str, Mapping[str, float]] = {
    "library": {"mean_l": 7.5, "scale_l": 0.4},
    "dropout": {"mean_l": 7.5, "scale_l": 0.4, "shape_d": 6.5, "perc_d": 30},
}
_N_REGULATORS, _N_TARGETS, _N_PERTURBATIONS, _TARGETS_EACH = 6, 80, 12, 2
# ranges of SERGIO's own functions: strengths, share of activators, Hill coefficient, decay, and rates off and on
_STRENGTH, _ACTIVATING, _HILL, _DECAY = (1.0, 5.0), 0.75, 2.0, 0.8
_OFF, _ON = (1.0, 2.5), (3.5, 5.0)
_TIME_STEP, _SAFETY, _SCALE = 0.05, 150, 30
#: Cell types of SERGIO with the rates of one perturbation, so that its cells come from many trajectories.
_COPIES = 40


@dataclass(frozen=True)
class Network:
    """A network of hidden regulators and observed targets, and perturbations of the regulators.

    Attributes:
        graph: Regulators as latents, perturbations as on/off actions.
        edges: Regulator, target, strength (negative if it represses) and Hill coefficient of each regulation.
        rates: Production rates, shape (regulators, 1 + perturbations); the first column is the control.
    """

    graph: CausalGraph
    edges: tuple[tuple[str, str, float, float], ...]
    rates: Array

    @property
    def targets(self) -> tuple[str, ...]:
        """The names of the observed genes, in order."""
        return tuple(dict.fromkeys(target for _, target, _, _ in self.edges))


@dataclass(frozen=True)
class Cells:
    """What SERGIO simulated: rows are cells.

    Attributes:
        regulators: Clean expression of the regulators, shape (cells, regulators).
        clean: Clean expression of the targets, shape (cells, targets).
        counts: Counts of the targets, shape (cells, targets).
        actions: Which perturbation each cell had, shape (cells, perturbations); none in the control.
    """

    regulators: Array
    clean: Array
    counts: Array
    actions: Array

    @property
    def log_sizes(self) -> Array:
        """The logarithm of the sum of counts of each cell that has any."""
        sizes = self.counts.sum(1)
        return np.log(sizes[sizes > 0])

    def dataset(self, network: Network, see: str = "counts") -> Dataset:
        """Return the cells as data, without those that have no count at all.

        Args:
            network: The network that was simulated.
            see: ``"counts"``; ``"counts and size"``, with the logarithm of the sum of a cell as a covariate;
                ``"log1p"``, the logarithm of 1 + counts, scaled to the median sum of a cell; or ``"clean"``, the
                logarithm of 1 + the clean expression.
        """
        with_size = see == "counts and size"
        size = self.counts.sum(1, keepdims=True)
        kept = size[:, 0] > 0
        values = {
            "counts": self.counts,
            "counts and size": self.counts,
            "log1p": np.log1p(self.counts / np.maximum(size, 1) * np.median(size)),
            "clean": np.log1p(self.clean),
        }[see]
        return Dataset.from_arrays(
            values[kept].astype(np.float32),
            actions=self.actions[kept],
            latents=self.regulators[kept],
            graph=network.graph,
            observation_names=network.targets,
            name=f"SERGIO, {see}",
            covariates=self.log_sizes[:, None] if with_size else None,
            covariate_names=["log size"] if with_size else None,
        )


def draw_network(seed: int) -> Network:
    """Draw targets, regulations and perturbations.

    Args:
        seed: Seed of all draws; no result of training has a part in them.
    """
    rng = np.random.default_rng([seed, 23])
    regulators = [f"r{k}" for k in range(_N_REGULATORS)]
    edges = []
    for target in range(_N_TARGETS):
        # the first targets make sure that each regulator has some
        chosen = rng.choice(_N_REGULATORS, rng.integers(1, 4), replace=False)
        if target < _N_REGULATORS:
            chosen[0] = target
        for regulator in dict.fromkeys(chosen.tolist()):
            sign = 1 if rng.random() < _ACTIVATING else -1
            edges.append((regulators[regulator], f"g{target}", sign * rng.uniform(*_STRENGTH), _HILL))
    pairs = list(combinations(range(_N_REGULATORS), _TARGETS_EACH))
    Ga = np.zeros((_N_REGULATORS, _N_PERTURBATIONS), dtype=bool)
    for column, pair in enumerate(rng.choice(len(pairs), _N_PERTURBATIONS, replace=False)):
        Ga[list(pairs[pair]), column] = True
    off = rng.uniform(*_OFF, (_N_REGULATORS, 1))
    on = rng.uniform(*_ON, Ga.shape)
    names = ["+".join(regulators[k] for k in np.flatnonzero(column)) for column in Ga.T]
    graph = CausalGraph(Ga=Ga, latents=regulators, actions=names)
    return Network(graph, tuple(edges), np.hstack([off, np.where(Ga, on, off)]))


def simulate(
    network: Network,
    cells_per_type: int,
    seed: int,
    technical: Mapping[str, float],
    *,
    noise: float = 1.0,
    copies: int = _COPIES,
    fast: bool = True,
    python: str = sys.executable,
) -> Cells:
    """Run SERGIO in a process of its own, and return its cells.

    Args:
        network: The network.
        cells_per_type: Number of cells of each cell type of SERGIO; there are ``copies`` of these per perturbation.
        seed: Seed of the simulation.
        technical: Arguments of SERGIO's technical noise.
        noise: Amplitude of the noise of transcription.
        copies: Number of cell types with the same rates.
        fast: Whether histories are stored faster than SERGIO does; the dynamics are the same.
        python: Interpreter that can import SERGIO.

    Raises:
        RuntimeError: If the program fails; the message has its last line.
    """
    names = network.graph.latents
    rates = np.repeat(network.rates, copies, axis=1)
    problem = {
        "edges": network.edges,
        "rates": dict(zip(names, rates.tolist(), strict=True)),
        "decay": _DECAY,
        "noise": noise,
        "dt": _TIME_STEP,
        "cells_per_type": cells_per_type,
        "safety_iter": _SAFETY,
        "scale_iter": _SCALE,
        "technical": dict(technical),
        "fast": fast,
        "seed": seed,
    }
    result = _run_driver(problem, python)
    genes, perturbation = result["genes"].tolist(), result["types"] // copies
    regulators, targets = ([genes.index(name) for name in kind] for kind in (names, network.targets))
    return Cells(
        regulators=result["clean"][regulators].T.astype(float),
        clean=result["clean"][targets].T.astype(float),
        counts=result["counts"][targets].T.astype(float),
        actions=(perturbation[:, None] == np.arange(1, rates.shape[1] // copies)).astype(float),
    )


def _run_driver(problem: Mapping[str, Any], python: str) -> dict[str, NDArray[Any]]:
    with tempfile.TemporaryDirectory() as folder:
        problem_file, result_file = Path(folder, "problem.json"), Path(folder, "cells.npz")
        problem_file.write_text(json.dumps(problem), encoding="utf-8")
        done = subprocess.run(
            [python, str(DRIVER), str(problem_file), str(result_file)],
            env={**os.environ, "MPLBACKEND": "Agg"},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"SERGIO failed: {(done.stderr.strip().splitlines() or ['no message'])[-1]}")
        with np.load(result_file) as result:
            return dict(result)
