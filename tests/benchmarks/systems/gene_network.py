"""A gene regulatory network that SERGIO simulates: ``python -m tests.benchmarks.systems.gene_network``.

sergio-scSim 1.9.3 (GPL; Dibaeinia and Sinha, Cell Systems 11:252, 2020) computes the expression of genes in single
cells by stochastic differential equations, and adds the technical noise of sequencing. It runs as a separate program,
`sergio_driver`, in an interpreter that can import it::

    pip install --target FOLDER --no-deps sergio-scSim==1.9.3 cma
    PYTHONPATH=FOLDER python -m tests.benchmarks.systems.gene_network

(It also needs pandas, networkx, matplotlib and scikit-learn.) Ours are the network, the perturbations, and that the
regulators are hidden: their expression is the truth, and only the counts of their targets are observed.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from estimation.baselines import BaselineConfig
from estimation.config import TrainingConfig
from estimation.dataset import Dataset
from estimation.evaluation import evaluate
from estimation.training import fit
from identify.criterion import check
from identify.files import write_whole
from identify.graph import CausalGraph

__all__ = [
    "DRIVER",
    "TECHNICAL",
    "Cells",
    "Network",
    "draw_network",
    "main",
    "measure",
    "methods",
    "simulate",
    "supervised",
]

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
# cells of each of these types, of which there are 13 x 40
_CELLS, _TEST_CELLS = 31, 6
_DIGITS = 4


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


def supervised(train: Dataset, test: Dataset, *, within: bool = False) -> list[float]:
    """Return the correlation of each regulator with its best linear prediction from observations, on test rows.

    The regression sees the truth of the training rows, so this is what can be known linearly, and no method's score.

    Args:
        train: Rows of the regression.
        test: Rows of the correlations.
        within: Whether means of perturbations are subtracted from everything first.
    """
    values = []
    for data in (train, test):
        assert data.latents is not None
        assert data.actions is not None
        actions = data.actions.reshape(len(data), -1)
        pair = [part[:, 0].astype(float) for part in (data.observations, data.latents)]
        values += [_centred(part, actions) if within else part - part.mean(0) for part in pair]
    slopes = np.linalg.lstsq(values[0], values[1], rcond=None)[0]
    return _correlations(values[3], values[2] @ slopes).diagonal().round(_DIGITS).tolist()


def measure(
    train: Dataset, test: Dataset, config: TrainingConfig | BaselineConfig, log_sizes: Array
) -> dict[str, Any]:
    """Train, and return what the run says about itself, and beside it the scores on test rows.

    Args:
        train: Training rows.
        test: Test rows.
        config: Settings.
        log_sizes: Logarithm of the sum of counts of each test row, which latents should not follow.
    """
    started = time.process_time()
    model = fit(train, config, progress=False)
    seconds = round(time.process_time() - started)
    outcome = evaluate(model, test)
    assert test.latents is not None
    assert test.actions is not None
    latents, truth = model.encode_dataset(test)[:, 0], test.latents[:, 0]
    actions = test.actions.reshape(len(test), -1)
    within = _correlations(_centred(truth, actions), _centred(latents, actions))
    confidence = model.latent_confidence
    scores = {"mcc": outcome.mcc, "r": outcome.r, "r_con": outcome.r_con}
    return {
        **{name: None if value is None else round(value, _DIGITS) for name, value in scores.items()},
        "missing": outcome.missing,
        "extra": outcome.extra,
        "correlations": np.abs(_correlations(truth, latents)).round(_DIGITS).tolist(),
        "within perturbations": np.abs(within).round(_DIGITS).tolist(),
        "correlations with size": np.abs(_correlations(log_sizes[:, None], latents))[0]
        .round(_DIGITS)
        .tolist(),
        "margin": None if model.margin is None else model.margin.summary,
        "warnings": [str(warning) for warning in model.warnings],
        "confidence": None if confidence is None else np.round(confidence, 2).tolist(),
        "edges": model.graph.edges(),
        "seconds": seconds,
    }


def _correlations(rows: Array, columns: Array) -> Array:
    n = rows.shape[1]
    return np.corrcoef(rows.T, columns.T)[:n, n:]


def _centred(values: Array, actions: Array) -> Array:
    """Subtract the mean of the cells with the same perturbation."""
    condition = actions @ np.arange(1, actions.shape[1] + 1)
    means = np.stack([values[condition == k].mean(0) for k in range(actions.shape[1] + 1)])
    centred: Array = values - means[condition.astype(int)]
    return centred


def methods(
    network: Network, steps: int, seed: int
) -> dict[str, tuple[str, TrainingConfig | BaselineConfig]]:
    """Return what each method sees, and its settings."""
    sparse = TrainingConfig(max_edges_actions=int(network.graph.Ga.sum()), steps=steps, seed=seed)
    counts = sparse.replace(likelihood="negative_binomial")
    return {
        "negative binomial": ("counts", counts),
        "with size": ("counts and size", counts),
        "zero-inflated": ("counts", sparse.replace(likelihood="zero_inflated_negative_binomial")),
        "Gaussian on log1p": ("log1p", sparse),
        "iVAE on log1p": ("log1p", BaselineConfig("ivae", steps=steps, seed=seed)),
        "VAE on log1p": ("log1p", BaselineConfig("vae", steps=steps, seed=seed)),
    }


_BASELINES = ("iVAE on log1p", "VAE on log1p")
#: Network, noise of transcription, technical noise, and the methods that are tried there (all if None).
_PLAN: tuple[tuple[int, float, str, tuple[str, ...] | None], ...] = (
    (0, 0.3, "dropout", None),
    (1, 0.3, "dropout", ("negative binomial", "zero-inflated", "with size", *_BASELINES)),
    (2, 0.3, "dropout", ("with size", *_BASELINES)),
    (3, 0.3, "dropout", ("negative binomial", "with size", *_BASELINES)),
    (0, 1.0, "dropout", ("with size", *_BASELINES)),
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Predict, simulate, train, and write the result after every run; runs that the file has are not repeated.

    Args:
        arguments: Arguments of the command line; None for those of the process.
    """
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks.systems.gene_network", description=__doc__
    )
    parser.add_argument("--out", type=Path, default=Path("docs/results/gene_network.json"), metavar="FILE")
    parser.add_argument("--steps", type=int, default=1_000, help="steps of each run")
    parser.add_argument("--seed", type=int, default=0, help="seed of the models")
    parser.add_argument("--python", default=sys.executable, help="interpreter that can import SERGIO")
    options = parser.parse_args(arguments)
    problems = json.loads(options.out.read_text(encoding="utf-8")) if options.out.exists() else []
    for number, noise, technical, chosen in _PLAN:
        network = draw_network(number)
        where = {"network": number, "noise": noise, "technical": technical, "steps": options.steps}
        record = next((each for each in problems if each["where"] == where), None)
        if record is None:
            record = {"where": where, "predicted": _prediction(network.graph), "runs": {}}
            problems.append(record)
        _write(options.out, problems)  # the prediction is written before anything is trained
        settings: dict[str, Any] = {"noise": noise, "python": options.python}
        train, test = (
            simulate(network, n, 10 * number + split, TECHNICAL[technical], **settings)
            for split, n in enumerate((_CELLS, _TEST_CELLS))
        )
        record["data"] = _description(network, train, test)
        for name, (see, config) in methods(network, options.steps, options.seed).items():
            if (chosen is None or name in chosen) and name not in record["runs"]:
                data = (cells.dataset(network, see) for cells in (train, test))
                record["runs"][name] = measure(*data, config, test.log_sizes)
                _write(options.out, problems)
    return 0


def _prediction(graph: CausalGraph) -> dict[str, Any]:
    joint = check(graph, effects="shifts")
    return {
        "edges": graph.edges(),
        "graphical": check(graph).headline,
        "on/off": joint.headline,
        "latents": [str(latent) for latent in joint.latents],
        "joint": str(joint.joint),
    }


def _description(network: Network, train: Cells, test: Cells) -> dict[str, Any]:
    return {
        "cells": len(train.counts),
        "test cells": len(test.counts),
        "genes": len(network.targets),
        "share of zeros": round(float((train.counts == 0).mean()), _DIGITS),
        "median sum": float(np.median(train.counts.sum(1))),
        **{
            name: {
                see: supervised(train.dataset(network, see), test.dataset(network, see), within=within)
                for see in ("clean", "log1p")
            }
            for name, within in (("supervised", False), ("supervised within", True))
        },
    }


def _write(path: Path, problems: list[dict[str, Any]]) -> None:
    problems.sort(key=lambda problem: (problem["where"]["noise"], problem["where"]["network"]))
    write_whole(path, "[\n" + ",\n".join(map(json.dumps, problems)) + "\n]\n")


if __name__ == "__main__":
    sys.exit(main())
