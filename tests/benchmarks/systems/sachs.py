"""Sachs et al.'s measurements of single cells: ``python -m tests.benchmarks.systems.sachs --data FILE --out FILE``.

The file is ``cdt/data/resources/cyto_full_data.csv`` of the package cdt 0.6.0, which is installed for this file alone::

    pip install --no-deps --target FOLDER cdt

Rows have no condition there. The conditions and their numbers of cells are those of the supplement of Sachs et al.,
Science 308:523 (2005), in its order; `change_points` finds the same blocks in the values.
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from estimation.baselines import BaselineConfig
from estimation.config import TrainingConfig
from estimation.dataset import Dataset
from estimation.evaluation.verification import verify
from estimation.metrics import mean_correlation
from estimation.trained import TrainedModel
from estimation.training import fit
from estimation.training.counting import count_latents
from identify.files import write_whole

__all__ = ["CONDITIONS", "PROTEINS", "boundaries", "cells", "change_points", "main", "read_cells"]

Array = NDArray[np.float64]

#: Treatment of each condition, in the order of the rows, and number of cells. All but the last two were stimulated
#: with antibodies against CD3 and CD28 as well.
CONDITIONS = {
    "CD3 + CD28": 853,
    "ICAM-2": 902,
    "AKT inhibitor": 911,
    "G0076": 723,
    "psitectorigenin": 810,
    "U0126": 799,
    "LY294002": 848,
    "PMA": 913,
    "b2cAMP": 707,
}
#: The proteins in the order of the columns, under the names of the catalogue of graphs.
PROTEINS = ("raf", "mek", "plcg", "pip2", "pip3", "erk", "akt", "pka", "pkc", "p38", "jnk")
_COLUMNS = ["praf", "pmek", "plcg", "PIP2", "PIP3", "p44/42", "pakts473", "PKA", "PKC", "P38", "pjnk"]
_WINDOW, _SEEDS, _HELD_OUT, _DIGITS = 150, range(3), 5, 3


def read_cells(path: Path) -> Array:
    """Read the measurements, shape (7466, 11).

    Raises:
        ValueError: If the file has other columns or another number of rows.
    """
    with path.open(encoding="utf-8", newline="") as file:
        header, *rows = csv.reader(file)
    if header != _COLUMNS or len(rows) != sum(CONDITIONS.values()):
        raise ValueError(
            f"{path.name} has the columns {', '.join(header)} and {len(rows)} rows; is it that of cdt 0.6.0?"
        )
    return np.array(rows, dtype=float)


def boundaries() -> list[int]:
    """Return the first row of each condition but the first."""
    return np.cumsum(list(CONDITIONS.values()))[:-1].tolist()


def change_points(values: Array, n_points: int) -> list[int]:
    """Return the rows at which the distributions of the columns change the most, in order.

    Between the rows before and behind a row, the squared differences of the mean ranks are added over the columns,
    each divided by its variance. The largest sum is taken first; rows near it are left out then.

    Args:
        values: Shape (N, columns).
        n_points: Number of rows to return.
    """
    ranks = rankdata(values, axis=0) / len(values)
    sums = np.zeros(len(values))
    for row in range(_WINDOW, len(values) - _WINDOW):
        before, behind = ranks[row - _WINDOW : row], ranks[row : row + _WINDOW]
        sums[row] = np.sum((before.mean(0) - behind.mean(0)) ** 2 / (before.var(0) + behind.var(0)))
    points = []
    for _ in range(n_points):
        points.append(int(sums.argmax()))
        sums[max(points[-1] - _WINDOW, 0) : points[-1] + _WINDOW] = 0
    return sorted(points)


def cells(values: Array, *, held_out: bool = False) -> Dataset:
    """Return the cells as data: logarithms of the measurements, and which treatment each cell had.

    Args:
        values: Shape (7466, 11).
        held_out: Whether to return every fifth cell, instead of the others.
    """
    condition = np.repeat(np.arange(len(CONDITIONS)), list(CONDITIONS.values()))
    treated = condition[:, None] == np.arange(1, len(CONDITIONS))
    rows = (np.arange(len(values)) % _HELD_OUT == 0) == held_out
    return Dataset.from_arrays(
        np.log(values[rows]),
        actions=treated[rows].astype(float),
        action_names=list(CONDITIONS)[1:],
        observation_names=PROTEINS,
        name="Sachs",
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Train on the cells with several seeds, compare them, and write the result.

    Args:
        arguments: Arguments of the command line; None for those of the process.
    """
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.systems.sachs", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, metavar="FILE", help="cyto_full_data.csv of cdt")
    parser.add_argument("--out", type=Path, default=Path("docs/results/sachs.json"), metavar="FILE")
    parser.add_argument("--steps", type=int, default=2_000, help="steps of each run")
    options = parser.parse_args(arguments)
    values = read_cells(options.data)
    started = time.process_time()
    train, test = cells(values), cells(values, held_out=True)
    auto = TrainingConfig(n_latents="auto", sparsity="adaptive", steps=options.steps)
    count = count_latents(train, auto, progress=False)
    runs = {
        f"seed {seed}": fit(train, auto.replace(n_latents=count.n_latents, seed=seed), progress=False)
        for seed in _SEEDS
    }
    baselines = [
        fit(
            train,
            BaselineConfig("ivae", n_latents=count.n_latents, steps=options.steps, seed=seed),
            progress=False,
        )
        for seed in list(_SEEDS)[:2]
    ]
    verification = verify(runs, test)
    content = {
        "change points": change_points(values, len(CONDITIONS) - 1),
        "latents": {"chosen": count.n_latents, "summary": count.summary},
        "runs": {name: _run_record(model, test) for name, model in runs.items()},
        "verification": verification.to_dict(),
        "agreement of iVAE": _agreement(*baselines, test),
        "agreement of the first two runs": _agreement(*list(runs.values())[:2], test),
        "steps": options.steps,
        "seconds": round(time.process_time() - started),
    }
    write_whole(options.out, json.dumps(content) + "\n")
    return 0


def _run_record(model: TrainedModel, test: Dataset) -> dict[str, Any]:
    """Return what a run says about itself, and which proteins its latents follow."""
    latents, proteins = model.encode(test.observations)[:, 0], test.observations[:, 0]
    n = latents.shape[1]
    correlations = np.corrcoef(latents.T, proteins.T)[:n, n:]
    elbo = model.negative_elbo(test)
    assert elbo is not None
    return {
        "edges": model.graph.edges(),
        "negative ELBO": round(elbo["total"], _DIGITS),
        "margin": None if model.margin is None else model.margin.summary,
        "warnings": [str(warning) for warning in model.warnings],
        "confidence": None if model.latent_confidence is None else _rounded(model.latent_confidence),
        "correlations": _rounded(correlations),
    }


def _agreement(first: TrainedModel, second: TrainedModel, test: Dataset) -> float:
    """Return the mean correlation of the latents of two models with their matches."""
    one, two = first.encode(test.observations), second.encode(test.observations)
    return round(mean_correlation(one, two).score, _DIGITS)


def _rounded(values: Any) -> Any:
    return np.round(np.asarray(values, dtype=float), _DIGITS).tolist()


if __name__ == "__main__":
    sys.exit(main())
