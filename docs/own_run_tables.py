"""The tables of `how_sparse.md` on our own runs, and those of `which_latents.md`, from stored results."""

from __future__ import annotations

import json
from collections.abc import Sequence
from statistics import mean
from typing import Any

from result_tables import latest_runs, read_results
from stored_runs import FOLDER, fill_markers, markdown_table, read_rows

from estimation.selection import select

__all__ = ["FILES", "SWEEPS", "fill_sparsity_page", "fill_trust_page", "group_by_data"]

SWEEPS = {
    name: FOLDER / "selection" / f"{name}.csv"
    for name in ("budgets", "penalties", "adaptive", "adaptive_published", "adaptive_others")
}
TRUST = FOLDER / "trust.json"
FILES = (*SWEEPS.values(), TRUST)
_TRUE_EDGES = {"ActionNonDiag": 20, "ActionBlockDiag": 10, "TimeDiag": 10}
# number of budgets that the authors tried on each data set
_N_PUBLISHED_BUDGETS = 8
_RULES = ("elbow_and_stability", "udr", "elbo")
_NOT_RUN = "not run"
Row = dict[str, Any]


def fill_sparsity_page(page: str) -> str:
    """Fill the markers ``own runs``, ``adaptive``, ``full length`` and ``others`` of a page."""
    runs = {name: read_rows(path) if path.exists() else [] for name, path in SWEEPS.items()}
    tables = {
        "own runs": _selected_settings(runs),
        "adaptive": _adaptive_against_sweep(runs),
        "full length": _adaptive_against_true_budget(runs["adaptive_published"]),
        "others": _other_processes(runs["adaptive_others"]),
    }
    return fill_markers(page, tables)


def fill_trust_page(page: str) -> str:
    """Fill the markers ``trust``, ``counts`` and ``made`` of a page."""
    content = json.loads(TRUST.read_text(encoding="utf-8")) if TRUST.exists() else {}
    settings = content.get("settings", [])
    tables = {
        "trust": _trust_by_setting(settings),
        "counts": _trust_counts(settings),
        "made": _environment(content),
    }
    return fill_markers(page, tables)


def group_by_data(rows: Sequence[Row]) -> dict[str, list[Row]]:
    """Group the finished runs by data set, and replace each setting by the value of its only entry."""
    groups: dict[str, list[Row]] = {}
    for row in rows:
        if row["status"] == "done":
            value = next(iter(row["setting"].values()), 0.0)
            groups.setdefault(row["data"], []).append({**row, "setting": value})
    return groups


def _mean_r_con(rows: Sequence[Row], setting: float) -> float:
    return mean(row["r_con"] for row in rows if row["setting"] == setting)


def _selected_settings(runs: dict[str, list[Row]]) -> str:
    lines = []
    for axis in ("budgets", "penalties"):
        for data, rows in group_by_data(runs[axis]).items():
            settings = sorted({row["setting"] for row in rows})
            cells = [_selected_setting(rows, rule) for rule in _RULES]
            best = max(settings, key=lambda k: _mean_r_con(rows, k))
            grid = ", ".join(f"{k:g}" for k in settings)
            lines.append([data, axis, grid, *cells, f"{best:g}: {_mean_r_con(rows, best):.3f}"])
    head = ["data set", "axis", "settings", *_RULES, "best setting, given the ground truth"]
    return _table_with_cost(head, lines, [*runs["budgets"], *runs["penalties"]])


def _selected_setting(rows: Sequence[Row], rule: str) -> str:
    setting = select(rows, rule).setting
    return f"{setting:g}: {_mean_r_con(rows, setting):.3f}"


def _table_with_cost(head: Sequence[str], lines: Sequence[Sequence[str]], rows: Sequence[Row]) -> str:
    """Return a table, followed by the machine and the total duration of its runs."""
    if not lines:
        return _NOT_RUN
    machines = "; ".join(sorted({f"{row['machine']}, torch {row['torch']}" for row in rows}))
    minutes = sum(row["minutes"] for row in rows)
    cost = f"{len(rows)} single-threaded runs took {minutes:.0f} minutes in total"
    return f"{markdown_table(head, lines)}\n\nMachine: {machines}; {cost}."


def _adaptive_against_sweep(runs: dict[str, list[Row]]) -> str:
    swept, lines = group_by_data(runs["budgets"]), []
    for data, rows in group_by_data(runs["adaptive"]).items():
        sweep = swept.get(data, [])
        if not sweep:
            continue
        setting = select(sweep).setting
        lines.append(
            [
                data,
                str(_TRUE_EDGES[data]),
                ", ".join(f"{row['edges']:g}" for row in rows),
                f"{mean(row['r_con'] for row in rows):.3f}",
                f"{mean(row['minutes'] for row in rows):.1f}",
                f"{setting:g}",
                f"{_mean_r_con(sweep, setting):.3f}",
                f"{sum(row['minutes'] for row in sweep):.0f}",
            ]
        )
    head = [
        "data set",
        "true edges",
        "adaptive: edges, by seed",
        "adaptive: R_con",
        "adaptive: minutes per run",
        "sweep: selected budget",
        "sweep: R_con",
        "sweep: total minutes",
    ]
    return _table_with_cost(head, lines, runs["adaptive"])


def _adaptive_against_true_budget(rows: Sequence[Row]) -> str:
    """Compare adaptive runs with runs of the same seed whose budget is the true number of edges."""
    budget_runs = {key: run for key, run in latest_runs(read_results()[0]).items() if key[0].endswith("Diag")}
    lines = []
    for data, runs in group_by_data(rows).items():
        for row in runs:
            budget_run = budget_runs[data, None, None, row["seed"]]
            settings = budget_run["settings"]
            lines.append(
                [
                    data,
                    f"{settings['max_edges_actions'] or settings['max_edges_past']}",
                    f"{row['edges']:g}",
                    f"{row['shd']:g} / {budget_run['shd']:g}",
                    f"{row['r_con']:.4f} / {budget_run['r_con']:.4f}",
                    f"{row['minutes']:.1f}",
                    f"{_N_PUBLISHED_BUDGETS * budget_run['minutes']:.0f}",
                ]
            )
    head = [
        "data set",
        "true edges",
        "learned edges",
        "SHD, adaptive / true budget",
        "R_con, adaptive / true budget",
        "minutes, adaptive",
        f"minutes, {_N_PUBLISHED_BUDGETS} budgets",
    ]
    return _table_with_cost(head, lines, rows)


def _other_processes(rows: Sequence[Row]) -> str:
    lines = [
        [
            data,
            f"{row['edges'] + row['missing'] - row['extra']:g}",
            f"{row['edges']:g}",
            f"{row['missing']:g} / {row['extra']:g}",
            f"{row['r_con']:.4f}",
            f"{row['minutes']:.1f}",
        ]
        for data, runs in group_by_data(rows).items()
        for row in runs
    ]
    head = ["data set", "true edges", "learned edges", "missing / extra", "R_con", "minutes"]
    return _table_with_cost(head, lines, rows)


def _environment(content: Row) -> str:
    if not content:
        return _NOT_RUN
    machine = content["machine"]
    return f"Machine: {machine['cpu']}, {machine['cores']} cores, torch {content['versions']['torch']}."


def _trust_by_setting(settings: Sequence[Row]) -> str:
    lines = []
    for row in settings:
        latents = row["latents"]
        setting = ", ".join(f"{key}={value:g}" for key, value in row["setting"].items()) or "-"
        lines.append(
            [
                row["data"],
                row["method"],
                setting + (" ★" if row["chosen"] else ""),
                f"{sum(latent['trusted'] for latent in latents)} of {len(latents)}",
                f"{sum(bool(latent['right']) for latent in latents)} of {len(latents)}",
                f"{row['mcc']:.3f}",
                f"{row['r_con']:.3f}",
                f"{row['shd']:g}",
            ]
        )
    head = ["data set", "method", "setting", "trusted", "right", "MCC", "R_con", "SHD"]
    return markdown_table(head, lines) if lines else _NOT_RUN


def _trust_counts(settings: Sequence[Row]) -> str:
    if not settings:
        return _NOT_RUN
    lines = []
    for setting, chosen in (("selected by `select` (★)", True), ("sparser or denser", False)):
        latents = [latent for row in settings if row["chosen"] is chosen for latent in row["latents"]]
        for verdict, trusted in (("trusted by all seeds", True), ("not trusted", False)):
            right = [bool(latent["right"]) for latent in latents if latent["trusted"] is trusted]
            lines.append([setting, verdict, str(sum(right)), str(len(right) - sum(right))])
    return markdown_table(["setting", "latents", "right", "wrong"], lines)
