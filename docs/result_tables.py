"""The tables of `published_table.md`, from the stored results: nothing on that page is typed by hand."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from stored_runs import replaced, table

from estimation.reproduction.published import PUBLISHED

__all__ = ["FILES", "filled", "newest", "stored"]

_RESULTS = Path(__file__).parent / "results"
# ours, and the published ones
FILES = (_RESULTS / "published_table.jsonl", PUBLISHED)
Result = dict[str, Any]
Key = tuple[str, float | None, int | None, int]

# the runs of the table, as `tests/benchmarks/published_run.py` makes them
MODEL_SEEDS = (0, 1, 2)
SAMPLES = (200_000, 100_000)
_NOT_RUN = "not run"
# name, key, decimals, whether more is better
_SCORES = (
    ("MCC", "mcc", 3, True),
    ("R_con", "r_con", 3, True),
    ("R", "r", 3, True),
    ("SHD", "shd", 1, False),
)


def filled(page: str, results: Iterable[Result], published: Result) -> str:
    """A page with its markers replaced by tables.

    Args:
        page: markdown with the markers ``<!-- datasets -->``, ``<!-- random graphs -->``, ``<!-- every graph -->`` and
            ``<!-- how -->``.
        results: lines of the results file, oldest first; those with other settings than the defaults are left out.
        published: what `estimation/reproduction/published_scores.json` holds.

    Raises:
        ValueError: a marker is missing.
    """
    latest = newest(results)
    tables = {
        "datasets": _data_sets(latest, published["datasets"]),
        "random graphs": _densities(latest, published["random_graphs"]),
        "every graph": _graphs(latest, published["random_graphs"]),
        "how": _how(list(latest.values())),
    }
    return replaced(page, tables)


def stored() -> tuple[list[Result], Result]:
    """Our results, and the published ones."""
    ours, theirs = FILES
    lines = ours.read_text(encoding="utf-8").splitlines() if ours.exists() else []
    return _read(lines), json.loads(theirs.read_text(encoding="utf-8"))


def _read(lines: Iterable[str]) -> list[Result]:
    results = []
    for line in lines:
        # a line that was cut short is no result
        with contextlib.suppress(ValueError):
            results.append(json.loads(line))
    return results


def newest(results: Iterable[Result]) -> dict[Key, Result]:
    """Of every run of the table, as data set, density, graph seed and model seed, the one written last."""
    return {
        (result["data"], result["density"], result["graph_seed"], result["model_seed"]): result
        for result in results
        if not result["changes"] and (result["samples"], result["test_samples"]) == SAMPLES
    }


def _data_sets(latest: dict[Key, Result], published: Sequence[Result]) -> str:
    rows = []
    for theirs in published:
        name = theirs["data"]
        ours = [latest[key] for seed in MODEL_SEEDS if (key := (name, None, None, seed)) in latest]
        rows.append([name, *_ours(ours)])
        wrong = f"{theirs['missing']:.1f} / {theirs['extra']:.1f}"
        scores = [f"{theirs[key]:.{decimals}f}" for _, key, decimals, _ in _SCORES]
        elbo, minutes = f"{theirs['negative_elbo']:.2f}", f"{theirs['gpu_minutes']} (GPU)"
        rows.append(["published", str(theirs["budget"]), str(theirs["seeds"]), *scores, wrong, elbo, minutes])
    names = [name for name, *_ in _SCORES]
    head = ["data set", "edges allowed", "seeds", *names, "missing / extra", "negative ELBO", "minutes"]
    return table(head, rows)


def _ours(results: Sequence[Result]) -> list[str]:
    """Budget, seeds, scores with the worst seed in brackets, errors, ELBO and minutes."""
    if not results:
        return [_NOT_RUN, "0", *["-"] * (len(_SCORES) + 3)]
    seeds = ", ".join(str(result["model_seed"]) for result in results)
    wrong = " / ".join(f"{_mean(results, key):.1f}" for key in ("missing", "extra"))
    elbo = sum(result["negative_elbo"]["total"] for result in results) / len(results)
    scores = [_mean_and_worst(results, *score[1:]) for score in _SCORES]
    return [_budgets(results), seeds, *scores, wrong, f"{elbo:.2f}", f"{_mean(results, 'minutes'):.1f}"]


def _densities(latest: dict[Key, Result], published: Sequence[Result]) -> str:
    rows = []
    for name, density in dict.fromkeys((theirs["data"], theirs["density"]) for theirs in published):
        pairs = [
            (latest.get((name, density, theirs["graph_seed"], 0)), theirs)
            for theirs in published
            if (theirs["data"], theirs["density"]) == (name, density)
        ]
        ours = [result for result, _ in pairs if result is not None]
        scores = [_mean_and_worst(ours, *score[1:]) for score in _SCORES] if ours else ["-"] * len(_SCORES)
        done = f"{len(ours)} of {len(pairs)}" if ours else _NOT_RUN
        reached = sum(result["mcc"] >= theirs["mcc"] for result, theirs in pairs if result is not None)
        minutes = f"{_mean(ours, 'minutes'):.1f}" if ours else "-"
        rows.append([f"{name}, {density:g}", done, *scores, f"{reached} of {len(ours)}", minutes])
        theirs_all = [theirs for _, theirs in pairs]
        scores = [_mean_and_worst(theirs_all, *score[1:]) for score in _SCORES]
        minutes = f"{_mean(theirs_all, 'gpu_minutes'):.0f} (GPU)"
        rows.append(["published", f"{len(pairs)} of {len(pairs)}", *scores, "", minutes])
    names = [name for name, *_ in _SCORES]
    return table(["process, density", "graphs", *names, "MCC at least as published", "minutes"], rows)


def _graphs(latest: dict[Key, Result], published: Sequence[Result]) -> str:
    rows = []
    for theirs in published:
        ours = latest.get((theirs["data"], theirs["density"], theirs["graph_seed"], 0))
        cells = [theirs["data"], f"{theirs['density']:g}", str(theirs["graph_seed"])]
        for _, key, decimals, _ in _SCORES:
            # of one run, a distance is a whole number
            places = decimals if decimals > 1 else 0
            own = _NOT_RUN if ours is None else f"{ours[key]:.{places}f}"
            cells.append(f"{own} / {theirs[key]:.{places}f}")
        rows.append([*cells, "-" if ours is None else f"{ours['minutes']:.1f}"])
    names = [f"{name}, ours / published" for name, *_ in _SCORES]
    return table(["process", "density", "graph seed", *names, "minutes"], rows)


def _how(results: Sequence[Result]) -> str:
    if not results:
        return "Nothing is stored yet."
    facts = {
        "runs": [str(len(results))],
        "commit": [(result["commit"] or "unknown")[:12] for result in results],
        "machine": [f"{result['machine']['cpu']}, {result['machine']['cores']} cores" for result in results],
        "versions": [
            ", ".join(f"{name} {v}" for name, v in result["versions"].items()) for result in results
        ],
        "threads": [str(result["settings"]["threads"]) for result in results],
        "steps": [f"{result['settings']['steps']:,}" for result in results],
        "began": [
            f"{min(result['began'] for result in results)} to {max(result['began'] for result in results)}"
        ],
        "minutes in all": [f"{sum(result['minutes'] for result in results):.0f}"],
    }
    return table(["", ""], [[name, "; ".join(dict.fromkeys(values))] for name, values in facts.items()])


def _budgets(results: Sequence[Result]) -> str:
    found = [
        result["settings"][name]
        for result in results
        for name in ("max_edges_actions", "max_edges_past")
        if result["settings"][name] is not None
    ]
    return ", ".join(dict.fromkeys(map(str, found)))


def _mean(results: Sequence[Result], key: str) -> float:
    return sum(result[key] for result in results) / len(results)


def _mean_and_worst(results: Sequence[Result], key: str, decimals: int, more_is_better: bool) -> str:
    worst = (min if more_is_better else max)(result[key] for result in results)
    return f"{_mean(results, key):.{decimals}f} ({worst:.{decimals if decimals > 1 else 0}f})"
