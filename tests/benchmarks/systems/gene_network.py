"""A gene regulatory network that SERGIO simulates: ``python -m tests.benchmarks.systems.gene_network``.

sergio-scSim 1.9.3 (GPL; Dibaeinia and Sinha, Cell Systems 11:252, 2020) computes the expression of genes in single
cells by stochastic differential equations, and adds the technical noise of sequencing. It runs as a separate program,
`sergio_driver`, in an interpreter that can import it::

    pip install --target FOLDER --no-deps sergio-scSim==1.9.3 cma
    PYTHONPATH=FOLDER python -m tests.benchmarks.systems.gene_network

(It also needs pandas, networkx, matplotlib and scikit-learn.) `gene_cells` has the network and its cells.

Settings were tried on network 100. Networks 0 to 2 followed; the size of a cell became a covariate after a run on
network 1 had failed, and network 3 tests that.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
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
from tests.benchmarks.systems.gene_cells import TECHNICAL, Cells, Network, draw_network, simulate

__all__ = ["main", "measure", "methods", "supervised"]

Array = NDArray[np.float64]

# cells of each cell type of SERGIO, of which there are 13 x 40
_CELLS, _TEST_CELLS = 31, 6
_DIGITS = 4


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
