"""The published runs over edge budgets, as records for `select`; what it must not see apart."""

from __future__ import annotations

import csv
from collections import defaultdict
from pathlib import Path
from statistics import mean
from typing import Any

FILE = Path(__file__).parents[2] / "docs" / "results" / "published_constraint_runs.csv"
Record = dict[str, Any]


def published_runs() -> dict[str, list[Record]]:
    """For each data set its runs: eight budgets, five seeds."""
    found: dict[str, list[Record]] = defaultdict(list)
    for row in csv.DictReader(FILE.read_text(encoding="utf-8").splitlines()):
        found[row["dataset"]].append(
            {
                "setting": float(row["edge_budget"]),
                "seed": int(row["seed"]),
                "edges": float(row["edge_budget"]),
                "negative_elbo": float(row["validation_negative_elbo"]),
                "udr": float(row["udr_median"]),
            }
        )
    return dict(found)


def published_scores() -> dict[str, dict[float, float]]:
    """For each data set the mean R_con of each budget: what a choice is worth."""
    values: dict[str, dict[float, list[float]]] = defaultdict(lambda: defaultdict(list))
    for row in csv.DictReader(FILE.read_text(encoding="utf-8").splitlines()):
        values[row["dataset"]][float(row["edge_budget"])].append(float(row["r_con"]))
    return {name: {budget: mean(each) for budget, each in of.items()} for name, of in values.items()}
