"""The tables of `how_sparse.md` on the published runs: the rules are applied when the page is built."""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import mean
from typing import Any

from stored_runs import fill_markers, markdown_table

from estimation.selection import RULES, select

__all__ = ["RUNS_FILE", "fill_page", "published_runs"]

RUNS_FILE = Path(__file__).parent / "results" / "published_constraint_runs.csv"
Record = dict[str, Any]
Runs = Mapping[str, list[Record]]
#: Mean score of every setting, by data set.
SettingScores = Mapping[str, dict[int, float]]
_SEED_RANKS = ("best", "second best", "third", "fourth", "worst")
# rank of the seed that represents a setting, and power of the stability
_CHOICES = [(rank, power) for rank in range(len(_SEED_RANKS)) for power in (0.0, 0.5, 1.0, 2.0, 4.0)]


def published_runs(path: Path = RUNS_FILE) -> dict[str, list[Record]]:
    """Read the published runs of each data set: the values that `select` needs, and R_con and MCC."""
    runs: dict[str, list[Record]] = defaultdict(list)
    for row in csv.DictReader(path.read_text(encoding="utf-8").splitlines()):
        budget = float(row["edge_budget"])
        run = {"setting": int(budget), "seed": int(row["seed"]), "edges": budget}
        run |= {"negative_elbo": float(row["validation_negative_elbo"]), "udr": float(row["udr_median"])}
        run |= {"r_con": float(row["r_con"]), "mcc": float(row["mcc"])}
        runs[row["dataset"]].append(run)
    return dict(runs)


def fill_page(page: str) -> str:
    """Fill the markers of a page with tables.

    Args:
        page: Markdown with the markers ``<!-- choices -->``, ``<!-- means -->``, ``<!-- seeds -->`` and
            ``<!-- cross-validation -->``.

    Returns:
        The page with the tables.

    Raises:
        ValueError: If a marker is missing.
    """
    runs = published_runs()
    r_con = {name: _setting_means(group, "r_con") for name, group in runs.items()}
    tables = {
        "choices": _selected_settings(runs, r_con),
        "means": _mean_scores(runs, r_con),
        "seeds": _scores_by_seed_rank(runs, r_con),
        "cross-validation": _cross_validation(runs, r_con),
    }
    return fill_markers(page, tables)


def _selected_settings(runs: Runs, r_con: SettingScores) -> str:
    rows = []
    for name, group in runs.items():
        cells = [f"{(k := select(group, rule).setting)}: {r_con[name][k]:.3f}" for rule in RULES]
        best = max(r_con[name], key=lambda k: r_con[name][k])
        rows.append([name, *cells, f"{best}: {r_con[name][best]:.3f}"])
    return markdown_table(["data set", *RULES, "best setting, given the ground truth"], rows)


def _mean_scores(runs: Runs, r_con: SettingScores) -> str:
    rows = []
    for rule in RULES:
        selected = {name: select(group, rule).setting for name, group in runs.items()}
        losses = [max(r_con[name].values()) - r_con[name][k] for name, k in selected.items()]
        mcc = mean(_setting_means(group, "mcc")[selected[name]] for name, group in runs.items())
        mean_r_con = mean(r_con[name][k] for name, k in selected.items())
        rows.append([rule, f"{mean_r_con:.4f}", f"{mcc:.3f}", f"{max(losses):.3f}"])
    best = mean(max(by_setting.values()) for by_setting in r_con.values())
    rows.append(["best setting", f"{best:.4f}", "", "0.000"])
    return markdown_table(["rule", "mean R_con", "mean MCC", "largest loss of R_con on a data set"], rows)


def _scores_by_seed_rank(runs: Runs, r_con: SettingScores) -> str:
    def mean_r_con(rank: int, power: float) -> str:
        return f"{mean(r_con[name][_select_by(rank, power, group)] for name, group in runs.items()):.4f}"

    rows = [[name, mean_r_con(rank, 0), mean_r_con(rank, 1)] for rank, name in enumerate(_SEED_RANKS)]
    head = ["seed that represents a setting", "elbow, mean R_con", "elbow_and_stability, mean R_con"]
    return markdown_table(head, rows)


def _cross_validation(runs: Runs, r_con: SettingScores) -> str:
    scores = {
        choice: {name: r_con[name][_select_by(*choice, group)] for name, group in runs.items()}
        for choice in _CHOICES
    }
    rows, test_scores = [], []
    for held_out in runs:
        means = {
            choice: mean(score for name, score in by_data.items() if name != held_out)
            for choice, by_data in scores.items()
        }
        best = max(_CHOICES, key=lambda choice: means[choice])
        n_equal = sum(score >= means[best] - 1e-9 for score in means.values())
        test_scores.append(scores[best][held_out])
        equal = f"{n_equal} of {len(_CHOICES)}"
        rows.append([held_out, f"{means[best]:.4f}", equal, f"{scores[best][held_out]:.3f}"])
    rows.append(["mean", "", "", f"{mean(test_scores):.4f}"])
    head = [
        "held-out data set",
        "best mean R_con on the other seven",
        "equally good choices",
        "R_con on the held-out data set",
    ]
    return markdown_table(head, rows)


def _select_by(rank: int, power: float, runs: Sequence[Record]) -> int:
    """Return the selected setting if the seed of this rank represents each setting, with this power of stability."""
    by_setting: dict[int, list[Record]] = defaultdict(list)
    for run in runs:
        by_setting[run["setting"]].append(run)
    ranked = [sorted(group, key=lambda run: run["negative_elbo"])[rank] for group in by_setting.values()]
    return int(select([{**run, "udr": run["udr"] ** power} for run in ranked]).setting)


def _setting_means(runs: Sequence[Record], key: str) -> dict[int, float]:
    return {
        k: mean(run[key] for run in runs if run["setting"] == k) for k in {run["setting"] for run in runs}
    }
