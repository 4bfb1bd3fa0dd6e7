"""The tables of `how_sparse.md`: the rules applied to the published runs when the page is built."""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import mean
from typing import Any

from stored_runs import replaced, table

from estimation.selection import select

__all__ = ["RUNS_FILE", "filled", "published_runs"]

RUNS_FILE = Path(__file__).parent / "results" / "published_constraint_runs.csv"
Record = dict[str, Any]
_NAMES = ("bend", "knee", "udr", "elbo")
# which of a setting's seeds speaks for it, from the best, and the power of the agreement
_CHOICES = [(rank, power) for rank in range(5) for power in (0.0, 0.5, 1.0, 2.0, 4.0)]


def published_runs(path: Path = RUNS_FILE) -> dict[str, list[Record]]:
    """For each data set its runs, as `select` takes them, with R_con and MCC beside."""
    found: dict[str, list[Record]] = defaultdict(list)
    for row in csv.DictReader(path.read_text(encoding="utf-8").splitlines()):
        budget = float(row["edge_budget"])
        run = {"setting": int(budget), "seed": int(row["seed"]), "edges": budget}
        run |= {"negative_elbo": float(row["validation_negative_elbo"]), "udr": float(row["udr_median"])}
        run |= {"r_con": float(row["r_con"]), "mcc": float(row["mcc"])}
        found[row["dataset"]].append(run)
    return dict(found)


def filled(page: str) -> str:
    """The page with its markers replaced by tables.

    Args:
        page: markdown with the markers ``<!-- choices -->``, ``<!-- means -->``,
            ``<!-- seeds -->`` and ``<!-- cross-validation -->``.

    Raises:
        ValueError: a marker is missing.
    """
    runs = published_runs()
    worth = {name: _means(each, "r_con") for name, each in runs.items()}
    tables = {
        "choices": _choices(runs, worth),
        "means": _mean_table(runs, worth),
        "seeds": _seeds(runs, worth),
        "cross-validation": _cross_validation(runs, worth),
    }
    return replaced(page, tables)


def _choices(runs: Mapping[str, list[Record]], worth: Mapping[str, dict[int, float]]) -> str:
    rows = []
    for name, each in runs.items():
        cells = [f"{(k := select(each, rule).setting)}: {worth[name][k]:.3f}" for rule in _NAMES]
        best = max(worth[name], key=lambda k: worth[name][k])
        rows.append([name, *cells, f"{best}: {worth[name][best]:.3f}"])
    return table(["data set", *_NAMES, "best of all, with the truth known"], rows)


def _mean_table(runs: Mapping[str, list[Record]], worth: Mapping[str, dict[int, float]]) -> str:
    rows = []
    for rule in _NAMES:
        picked = {name: select(each, rule).setting for name, each in runs.items()}
        short = [max(worth[name].values()) - worth[name][k] for name, k in picked.items()]
        mcc = mean(_means(each, "mcc")[picked[name]] for name, each in runs.items())
        rows.append(
            [
                rule,
                f"{mean(worth[name][k] for name, k in picked.items()):.4f}",
                f"{mcc:.3f}",
                f"{max(short):.3f}",
            ]
        )
    best = mean(max(of.values()) for of in worth.values())
    return table(
        ["rule", "mean R_con", "mean MCC", "most lost on a data set"],
        [*rows, ["best of all", f"{best:.4f}", "", "0.000"]],
    )


def _seeds(runs: Mapping[str, list[Record]], worth: Mapping[str, dict[int, float]]) -> str:
    def reached(rank: int, power: float) -> str:
        return f"{mean(worth[name][_picked(rank, power, each)] for name, each in runs.items()):.4f}"

    order = ("best", "second best", "third", "fourth", "worst")
    rows = [[name, reached(rank, 0), reached(rank, 1)] for rank, name in enumerate(order)]
    return table(["seed that speaks for a setting", "knee, mean R_con", "bend, mean R_con"], rows)


def _cross_validation(runs: Mapping[str, list[Record]], worth: Mapping[str, dict[int, float]]) -> str:
    reached = {
        choice: {name: worth[name][_picked(*choice, each)] for name, each in runs.items()}
        for choice in _CHOICES
    }
    rows, tested = [], []
    for left_out in runs:
        scores = {c: mean(v for name, v in of.items() if name != left_out) for c, of in reached.items()}
        best = max(_CHOICES, key=lambda c: scores[c])
        as_good = sum(score >= scores[best] - 1e-9 for score in scores.values())
        tested.append(reached[best][left_out])
        rows.append(
            [
                left_out,
                f"{scores[best]:.4f}",
                f"{as_good} of {len(_CHOICES)}",
                f"{reached[best][left_out]:.3f}",
            ]
        )
    rows.append(["mean", "", "", f"{mean(tested):.4f}"])
    return table(
        ["left out", "best mean R_con on the other seven", "choices as good", "R_con on the one left out"],
        rows,
    )


def _picked(rank: int, power: float, runs: Sequence[Record]) -> int:
    by_setting: dict[int, list[Record]] = defaultdict(list)
    for run in runs:
        by_setting[run["setting"]].append(run)
    kept = [sorted(each, key=lambda run: run["negative_elbo"])[rank] for each in by_setting.values()]
    return int(select([{**run, "udr": run["udr"] ** power} for run in kept]).setting)


def _means(runs: Sequence[Record], key: str) -> dict[int, float]:
    return {
        k: mean(run[key] for run in runs if run["setting"] == k) for k in {run["setting"] for run in runs}
    }
