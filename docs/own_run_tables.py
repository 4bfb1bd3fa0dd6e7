"""The tables of `how_sparse.md` on our own runs, and those of `which_latents.md`: from stored results."""

from __future__ import annotations

import json
from collections.abc import Sequence
from statistics import mean
from typing import Any

from result_tables import newest, stored
from stored_runs import FOLDER, read, replaced, table

from estimation.selection import select

__all__ = ["FILES", "SWEEPS", "by_data", "sparsity", "trust"]

SWEEPS = {
    name: FOLDER / "selection" / f"{name}.csv"
    for name in ("budgets", "penalties", "adaptive", "adaptive_published", "adaptive_others")
}
TRUST = FOLDER / "trust.json"
FILES = (*SWEEPS.values(), TRUST)
_TRUE_EDGES = {"ActionNonDiag": 20, "ActionBlockDiag": 10, "TimeDiag": 10}
# that the authors tried on each data set
_PUBLISHED_BUDGETS = 8
_NOT_RUN = "not run"
Row = dict[str, Any]


def sparsity(page: str) -> str:
    """The page with the markers of our own runs filled: ``own runs``, ``adaptive``, ``full length`` and ``others``."""
    runs = {name: read(path) if path.exists() else [] for name, path in SWEEPS.items()}
    tables = {
        "own runs": _choices(runs),
        "adaptive": _adaptive(runs),
        "full length": _full_length(runs["adaptive_published"]),
        "others": _others(runs["adaptive_others"]),
    }
    return replaced(page, tables)


def trust(page: str) -> str:
    """The page with the markers ``<!-- trust -->``, ``<!-- counts -->`` and ``<!-- made -->`` filled."""
    content = json.loads(TRUST.read_text(encoding="utf-8")) if TRUST.exists() else {}
    settings = content.get("settings", [])
    return replaced(page, {"trust": _verdicts(settings), "counts": _counts(settings), "made": _made(content)})


def by_data(rows: Sequence[Row]) -> dict[str, list[Row]]:
    """The rows that are done, the value of the one thing that varies as their setting."""
    found: dict[str, list[Row]] = {}
    for row in rows:
        if row["status"] == "done":
            found.setdefault(row["data"], []).append({**row, "setting": _only(row["setting"])})
    return found


def _only(setting: dict[str, Any]) -> float:
    return next(iter(setting.values()), 0.0)


def _worth(rows: Sequence[Row], setting: float) -> float:
    return mean(row["r_con"] for row in rows if row["setting"] == setting)


def _choices(runs: dict[str, list[Row]]) -> str:
    lines = []
    for axis in ("budgets", "penalties"):
        for data, rows in by_data(runs[axis]).items():
            settings = sorted({row["setting"] for row in rows})
            cells = [_chosen(rows, rule) for rule in ("bend", "udr", "elbo")]
            best = max(settings, key=lambda k: _worth(rows, k))
            tried = ", ".join(f"{k:g}" for k in settings)
            lines.append([data, axis, tried, *cells, f"{best:g}: {_worth(rows, best):.3f}"])
    head = ["data set", "axis", "tried", "bend", "udr", "elbo", "best of all, with the truth known"]
    return _shown(head, lines, [*runs["budgets"], *runs["penalties"]])


def _shown(head: Sequence[str], lines: Sequence[Sequence[str]], rows: Sequence[Row]) -> str:
    """A table, and below it where its runs were made and how long they took."""
    if not lines:
        return _NOT_RUN
    machines = "; ".join(sorted({f"{row['machine']}, torch {row['torch']}" for row in rows}))
    together = (
        f"{len(rows)} runs of one thread each, {sum(row['minutes'] for row in rows):.0f} minutes in all"
    )
    return f"{table(head, lines)}\n\nMade on: {machines}; {together}."


def _chosen(rows: Sequence[Row], rule: str) -> str:
    setting = select(rows, rule).setting
    return f"{setting:g}: {_worth(rows, setting):.3f}"


def _adaptive(runs: dict[str, list[Row]]) -> str:
    swept, lines = by_data(runs["budgets"]), []
    for data, rows in by_data(runs["adaptive"]).items():
        others = swept.get(data, [])
        if not others:
            continue
        setting = select(others).setting
        lines.append(
            [
                data,
                str(_TRUE_EDGES[data]),
                ", ".join(f"{row['edges']:g}" for row in rows),
                f"{mean(row['r_con'] for row in rows):.3f}",
                f"{mean(row['minutes'] for row in rows):.1f}",
                f"{setting:g}",
                f"{_worth(others, setting):.3f}",
                f"{sum(row['minutes'] for row in others):.0f}",
            ]
        )
    head = ["data set", "true edges", "found, by seed", "R_con", "min a run", "the sweep's choice", "R_con"]
    return _shown([*head, "min of the sweep"], lines, runs["adaptive"])


def _full_length(rows: Sequence[Row]) -> str:
    """Runs that count edges, beside those of the same seed that were given the true number."""
    given = {key: run for key, run in newest(stored()[0]).items() if key[0].endswith("Diag")}
    lines = []
    for data, runs in by_data(rows).items():
        for row in runs:
            known = given[data, None, None, row["seed"]]
            budget = known["settings"]["max_edges_actions"] or known["settings"]["max_edges_past"]
            lines.append(
                [
                    data,
                    f"{budget}",
                    f"{row['edges']:g}",
                    f"{row['shd']:g} / {known['shd']:g}",
                    f"{row['r_con']:.4f} / {known['r_con']:.4f}",
                    f"{row['minutes']:.1f}",
                    f"{_PUBLISHED_BUDGETS * known['minutes']:.0f}",
                ]
            )
    head = ["data set", "true edges", "found", "SHD, counted / given", "R_con, counted / given", "min"]
    return _shown([*head, f"min of {_PUBLISHED_BUDGETS} budgets"], lines, rows)


def _others(rows: Sequence[Row]) -> str:
    lines = [
        [
            data,
            f"{row['edges'] + row['missing'] - row['extra']:g}",
            f"{row['edges']:g}",
            f"{row['missing']:g} / {row['extra']:g}",
            f"{row['r_con']:.4f}",
            f"{row['minutes']:.1f}",
        ]
        for data, runs in by_data(rows).items()
        for row in runs
    ]
    return _shown(["data", "true edges", "found", "missing / extra", "R_con", "min"], lines, rows)


def _made(content: Row) -> str:
    if not content:
        return _NOT_RUN
    machine = content["machine"]
    return f"Made on: {machine['cpu']}, {machine['cores']} cores, torch {content['versions']['torch']}."


def _verdicts(settings: Sequence[Row]) -> str:
    lines = [
        [
            each["data"],
            each["method"],
            (", ".join(f"{key}={value:g}" for key, value in each["setting"].items()) or "-")
            + (" ★" if each["chosen"] else ""),
            f"{sum(latent['trusted'] for latent in each['latents'])} of {len(each['latents'])}",
            f"{sum(bool(latent['right']) for latent in each['latents'])} of {len(each['latents'])}",
            f"{each['mcc']:.3f}",
            f"{each['r_con']:.3f}",
            f"{each['shd']:g}",
        ]
        for each in settings
    ]
    head = ["data set", "method", "setting", "trusted", "right", "MCC", "R_con", "SHD"]
    return table(head, lines) if lines else _NOT_RUN


def _counts(settings: Sequence[Row]) -> str:
    if not settings:
        return _NOT_RUN
    lines = []
    for place, chosen in (("as sparse as `select` says (★)", True), ("sparser or denser", False)):
        latents = [latent for each in settings if each["chosen"] is chosen for latent in each["latents"]]
        for label, trusted in (("trusted by all seeds", True), ("not trusted", False)):
            those = [bool(latent["right"]) for latent in latents if latent["trusted"] is trusted]
            lines.append([place, label, str(sum(those)), str(len(those) - sum(those))])
    return table(["graph", "latents", "right", "wrong"], lines)
