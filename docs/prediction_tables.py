"""The tables of `predicting.md` and `counts.md`, from stored results."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from stored_runs import FOLDER, fill_markers, markdown_table

__all__ = [
    "COMBINATIONS",
    "COUNTS",
    "IMPUTATION",
    "LARGE",
    "fill_counts_page",
    "fill_predicting_page",
    "read_lines",
]

COMBINATIONS = FOLDER / "combinations.jsonl"
COUNTS = FOLDER / "counts.jsonl"
IMPUTATION = FOLDER / "imputation.jsonl"
LARGE = FOLDER / "large_screen.jsonl"
Record = dict[str, Any]

_METHODS = {
    "added": "the model, effects added",
    "network": "the model, its transition network",
    "vae": "plain VAE, latent arithmetic",
    "additive": "additive in the observations",
    "mean": "mean of all seen pairs",
}


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    return markdown_table(head, rows) if rows else "*No run is stored yet.*"


def read_lines(path: Path) -> list[Record]:
    """Read a file of JSON lines; none if there is no such file."""
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return [json.loads(line) for line in lines]


def fill_predicting_page(page: str) -> str:
    """Fill the markers ``combinations``, ``imputation`` and ``imputation-training`` of a page."""
    filled = read_lines(IMPUTATION)
    return fill_markers(
        page,
        {
            "combinations": _combinations(read_lines(COMBINATIONS)),
            "imputation": _imputation([each for each in filled if "share" in each]),
            "imputation-training": _training([each for each in filled if "trained_without" in each]),
        },
    )


def fill_counts_page(page: str) -> str:
    """Fill the markers ``counts`` and ``large-screen`` of a page."""
    return fill_markers(
        page, {"counts": _counts(read_lines(COUNTS)), "large-screen": _large(read_lines(LARGE))}
    )


def _combinations(records: Sequence[Record]) -> str:
    """Return errors by method, the mean over screens and the largest of them."""
    rows = []
    for saturating in (False, True):
        screens = [record for record in records if record["run"]["saturating"] == saturating]
        for kind, label in (("disjoint", "no common target"), ("shared", "a common target")):
            for method, name in _METHODS.items():
                values = [screen[kind][method] for screen in screens]
                rows.append(
                    [
                        "saturate" if saturating else "add up",
                        label,
                        name,
                        *(
                            _mean_and_most([value[score] for value in values])
                            for score in ("error", "distance")
                        ),
                    ]
                )
    return _table(["effects", "pairs with", "prediction", "error of the mean", "energy distance"], rows)


def _mean_and_most(values: Sequence[float]) -> str:
    return f"{sum(values) / len(values):.3f} (at most {max(values):.3f})" if values else "none"


def _imputation(records: Sequence[Record]) -> str:
    rows = []
    for record in records:
        for label, suffix in (("no", ""), ("yes", "_with_actions")):
            if f"model{suffix}" not in record:
                continue
            others = min(record[f"iterative{suffix}"], record[f"nearest_neighbours{suffix}"])
            rows.append(
                [
                    record["process"],
                    f"{record['share']:.0%}",
                    label,
                    f"{record[f'model{suffix}']:.3f}",
                    f"{record[f'iterative{suffix}']:.3f}",
                    f"{record[f'nearest_neighbours{suffix}']:.3f}",
                    f"{record[f'model{suffix}'] / others:.2f}",
                    f"{record[f'model{suffix}_inside']:.3f}",
                ]
            )
    head = [
        "process",
        "missing",
        "given actions",
        "model",
        "IterativeImputer",
        "KNNImputer",
        "model / better one",
        "inside 90 % intervals",
    ]
    return _table(head, rows)


def _training(records: Sequence[Record]) -> str:
    complete = {record["process"]: record for record in records if not record["trained_without"]}
    rows = [
        [
            record["process"],
            f"{record['trained_without']:.0%}",
            f"{record['mcc']:.3f}",
            f"{record['mcc'] - complete[record['process']]['mcc']:+.3f}",
            str(record["shd"]),
        ]
        for record in records
        if record["process"] in complete
    ]
    return _table(["process", "missing in training", "MCC", "difference", "SHD"], rows)


def _counts(records: Sequence[Record]) -> str:
    """Return scores of both likelihoods by median size of a row, screens side by side."""
    rows = []
    for depth in sorted({record["run"]["depth"] for record in records}):
        for likelihood, name in (
            ("negative_binomial", "negative binomial"),
            ("log", "Gaussian, of logarithms"),
        ):
            runs = [
                each
                for each in records
                if each["run"]["depth"] == depth and each["run"]["likelihood"] == likelihood
            ]
            runs.sort(key=lambda each: each["run"]["seed"])
            if not runs:
                continue
            rows.append(
                [
                    f"{depth:,.0f}",
                    name,
                    *(", ".join(f"{run[score]:.3f}" for run in runs) for score in ("mcc", "r")),
                    ", ".join(str(run["shd"]) for run in runs),
                    ", ".join("yes" if run["flagged"] else "no" for run in runs),
                ]
            )
    return _table(["counts a row", "likelihood", "MCC", "R", "SHD", "flagged"], rows)


def _large(records: Sequence[Record]) -> str:
    rows = [
        [
            f"{record['run']['steps']:,}",
            str(record["run"]["threads"]),
            f"{record['minutes']:.0f}",
            f"{record['cpu_minutes']:.0f}",
            f"{record['milliseconds_per_step']:.0f}",
            f"{record['peak_gibibytes']:.1f}",
            f"{record['mcc']:.3f}",
            f"{record['r']:.3f}",
            f"{record['missing']}, {record['extra']}",
        ]
        for record in records
    ]
    head = [
        "steps",
        "threads",
        "minutes",
        "CPU minutes",
        "ms a step",
        "GiB at most",
        "MCC",
        "R",
        "edges missing, superfluous",
    ]
    return _table(head, rows)
