"""The tables of `published_table.md`, from stored results: no number on that page is typed by hand."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from stored_runs import fill_markers, markdown_table

from estimation.reproduction.published import PUBLISHED

__all__ = ["FILES", "fill_page", "latest_runs", "read_results"]

_RESULTS = Path(__file__).parent / "results"
# our results and the published ones
FILES = (_RESULTS / "published_table.jsonl", PUBLISHED)
Result = dict[str, Any]
# data set, density, graph seed and model seed
Key = tuple[str, float | None, int | None, int]

# model seeds, and numbers of training and test samples, in `tests/benchmarks/published_run.py`
MODEL_SEEDS = (0, 1, 2)
SAMPLES = (200_000, 100_000)
_NOT_RUN = "not run"
# name, key, decimals, whether higher is better
_SCORES = (
    ("MCC", "mcc", 3, True),
    ("R_con", "r_con", 3, True),
    ("R", "r", 3, True),
    ("SHD", "shd", 1, False),
)


def fill_page(page: str, results: Iterable[Result], published: Result) -> str:
    """Fill the markers of a page with tables.

    Args:
        page: Markdown with the markers ``<!-- datasets -->``, ``<!-- random graphs -->``, ``<!-- every graph -->`` and
            ``<!-- how -->``.
        results: Lines of the results file, oldest first. Results with other settings than the defaults are ignored.
        published: Content of `estimation/reproduction/published_scores.json`.

    Returns:
        The page with the tables.

    Raises:
        ValueError: If a marker is missing.
    """
    latest = latest_runs(results)
    tables = {
        "datasets": _data_set_table(latest, published["datasets"]),
        "random graphs": _density_table(latest, published["random_graphs"]),
        "every graph": _graph_table(latest, published["random_graphs"]),
        "how": _provenance_table(list(latest.values())),
    }
    return fill_markers(page, tables)


def read_results() -> tuple[list[Result], Result]:
    """Read our results and the published ones."""
    ours, published = FILES
    lines = ours.read_text(encoding="utf-8").splitlines() if ours.exists() else []
    return _parse_lines(lines), json.loads(published.read_text(encoding="utf-8"))


def _parse_lines(lines: Iterable[str]) -> list[Result]:
    results = []
    for line in lines:
        # ignore a truncated line
        with contextlib.suppress(ValueError):
            results.append(json.loads(line))
    return results


def latest_runs(results: Iterable[Result]) -> dict[Key, Result]:
    """Return the latest result of every run of the table."""
    return {
        (result["data"], result["density"], result["graph_seed"], result["model_seed"]): result
        for result in results
        if not result["changes"] and (result["samples"], result["test_samples"]) == SAMPLES
    }


def _data_set_table(latest: dict[Key, Result], published: Sequence[Result]) -> str:
    rows = []
    for row in published:
        name = row["data"]
        ours = [latest[key] for seed in MODEL_SEEDS if (key := (name, None, None, seed)) in latest]
        rows.append([name, *_our_cells(ours)])
        errors = f"{row['missing']:.1f} / {row['extra']:.1f}"
        scores = [f"{row[key]:.{decimals}f}" for _, key, decimals, _ in _SCORES]
        elbo, minutes = f"{row['negative_elbo']:.2f}", f"{row['gpu_minutes']} (GPU)"
        rows.append(["published", str(row["budget"]), str(row["seeds"]), *scores, errors, elbo, minutes])
    names = [name for name, *_ in _SCORES]
    head = ["data set", "edge budget", "seeds", *names, "missing / extra", "negative ELBO", "minutes per run"]
    return markdown_table(head, rows)


def _our_cells(results: Sequence[Result]) -> list[str]:
    """Return budget, seeds, scores with the worst seed in brackets, errors, ELBO and minutes."""
    if not results:
        return [_NOT_RUN, "0", *["-"] * (len(_SCORES) + 3)]
    seeds = ", ".join(str(result["model_seed"]) for result in results)
    errors = " / ".join(f"{_mean(results, key):.1f}" for key in ("missing", "extra"))
    elbo = sum(result["negative_elbo"]["total"] for result in results) / len(results)
    scores = [_mean_and_worst(results, *score[1:]) for score in _SCORES]
    return [_budgets(results), seeds, *scores, errors, f"{elbo:.2f}", f"{_mean(results, 'minutes'):.1f}"]


def _density_table(latest: dict[Key, Result], published: Sequence[Result]) -> str:
    rows = []
    for name, density in dict.fromkeys((row["data"], row["density"]) for row in published):
        of_density = [row for row in published if (row["data"], row["density"]) == (name, density)]
        pairs = [(latest.get((name, density, row["graph_seed"], 0)), row) for row in of_density]
        ours = [result for result, _ in pairs if result is not None]
        scores = [_mean_and_worst(ours, *score[1:]) for score in _SCORES] if ours else ["-"] * len(_SCORES)
        done = f"{len(ours)} of {len(pairs)}" if ours else _NOT_RUN
        n_reached = sum(result["mcc"] >= row["mcc"] for result, row in pairs if result is not None)
        minutes = f"{_mean(ours, 'minutes'):.1f}" if ours else "-"
        rows.append([f"{name}, {density:g}", done, *scores, f"{n_reached} of {len(ours)}", minutes])
        scores = [_mean_and_worst(of_density, *score[1:]) for score in _SCORES]
        minutes = f"{_mean(of_density, 'gpu_minutes'):.0f} (GPU)"
        rows.append(["published", f"{len(pairs)} of {len(pairs)}", *scores, "", minutes])
    names = [name for name, *_ in _SCORES]
    head = ["process, density", "graphs", *names, "MCC at least as published", "minutes per run"]
    return markdown_table(head, rows)


def _graph_table(latest: dict[Key, Result], published: Sequence[Result]) -> str:
    rows = []
    for row in published:
        ours = latest.get((row["data"], row["density"], row["graph_seed"], 0))
        cells = [row["data"], f"{row['density']:g}", str(row["graph_seed"])]
        for _, key, decimals, _ in _SCORES:
            # the distance of a single run is an integer
            places = decimals if decimals > 1 else 0
            our_score = _NOT_RUN if ours is None else f"{ours[key]:.{places}f}"
            cells.append(f"{our_score} / {row[key]:.{places}f}")
        rows.append([*cells, "-" if ours is None else f"{ours['minutes']:.1f}"])
    names = [f"{name}, ours / published" for name, *_ in _SCORES]
    return markdown_table(["process", "density", "graph seed", *names, "minutes"], rows)


def _provenance_table(results: Sequence[Result]) -> str:
    if not results:
        return "No results are stored yet."
    facts = {
        "runs": [str(len(results))],
        "commit": [(result["commit"] or "unknown")[:12] for result in results],
        "machine": [f"{result['machine']['cpu']}, {result['machine']['cores']} cores" for result in results],
        "versions": [
            ", ".join(f"{name} {v}" for name, v in result["versions"].items()) for result in results
        ],
        "threads": [str(result["settings"]["threads"]) for result in results],
        "steps": [f"{result['settings']['steps']:,}" for result in results],
        "started": [
            f"{min(result['began'] for result in results)} to {max(result['began'] for result in results)}"
        ],
        "minutes in total": [f"{sum(result['minutes'] for result in results):.0f}"],
    }
    rows = [[name, "; ".join(dict.fromkeys(values))] for name, values in facts.items()]
    return markdown_table(["", ""], rows)


def _budgets(results: Sequence[Result]) -> str:
    budgets = [
        result["settings"][name]
        for result in results
        for name in ("max_edges_actions", "max_edges_past")
        if result["settings"][name] is not None
    ]
    return ", ".join(dict.fromkeys(map(str, budgets)))


def _mean(results: Sequence[Result], key: str) -> float:
    return sum(result[key] for result in results) / len(results)


def _mean_and_worst(results: Sequence[Result], key: str, decimals: int, higher_is_better: bool) -> str:
    worst = (min if higher_is_better else max)(result[key] for result in results)
    return f"{_mean(results, key):.{decimals}f} ({worst:.{decimals if decimals > 1 else 0}f})"
