"""The published runs with different edge budgets: records for `select`, and the scores that it must not use."""

from __future__ import annotations

import csv
from collections import defaultdict
from pathlib import Path
from statistics import mean
from typing import Any

FILE = Path(__file__).parents[2] / "docs" / "results" / "published_constraint_runs.csv"
Record = dict[str, Any]


def published_runs() -> dict[str, list[Record]]:
    """Return the runs of each data set: eight budgets with five seeds."""
    runs: dict[str, list[Record]] = defaultdict(list)
    for row in csv.DictReader(FILE.read_text(encoding="utf-8").splitlines()):
        runs[row["dataset"]].append(
            {
                "setting": float(row["edge_budget"]),
                "seed": int(row["seed"]),
                "edges": float(row["edge_budget"]),
                "negative_elbo": float(row["validation_negative_elbo"]),
                "udr": float(row["udr_median"]),
            }
        )
    return dict(runs)


def published_scores() -> dict[str, dict[float, float]]:
    """Return the mean R_con of each budget, by data set."""
    scores: dict[str, dict[float, list[float]]] = defaultdict(lambda: defaultdict(list))
    for row in csv.DictReader(FILE.read_text(encoding="utf-8").splitlines()):
        scores[row["dataset"]][float(row["edge_budget"])].append(float(row["r_con"]))
    return {
        name: {budget: mean(values) for budget, values in by_budget.items()}
        for name, by_budget in scores.items()
    }
