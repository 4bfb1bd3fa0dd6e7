"""The table of `variance_and_shape.md`, from stored results of `tests/benchmarks/distributional_runs.py`."""

from __future__ import annotations

import json
from typing import Any

from stored_runs import FOLDER, fill_markers, markdown_table

__all__ = ["FILE", "fill_page"]

FILE = FOLDER / "distributional_runs.jsonl"
_KINDS = {
    "variance": "variance exp(1.5 E), mean 0",
    "separation": "separation of two modes, mean 0, variance 1",
    "skewness": "skewness, mean 0, variance 1",
    "laplace": "mean E, Laplace noise",
    "exponential": "mean E, exponential noise",
    "bimodal": "mean E, bimodal noise",
    "screen": "screen of on/off actions",
    "past_variance": "past latents: variance exp(1.5 E), mean 0",
    "past_mean": "actions: variance, past latents: mean E",
}


def fill_page(page: str) -> str:
    """Fill the marker of the page with the table.

    Args:
        page: Markdown with the marker ``<!-- runs -->``.

    Returns:
        The page with the table.

    Raises:
        ValueError: If the marker is missing.
    """
    records = [json.loads(line) for line in FILE.read_text(encoding="utf-8").splitlines()]
    rows = []
    for kind, words in _KINDS.items():
        processes = sorted({record["run"]["process"] for record in records if record["run"]["kind"] == kind})
        rows += [_row(words, seed, [r for r in records if _of(r, kind, seed)]) for seed in processes]
    head = ["what causes change", "process", "runs", "MCC", "R", "wrong edges (SHD)", "CPU seconds"]
    return fill_markers(page, {"runs": markdown_table(head, rows)})


def _of(record: dict[str, Any], kind: str, seed: int) -> bool:
    return bool(record["run"]["kind"] == kind and record["run"]["process"] == seed)


def _row(words: str, seed: int, records: list[dict[str, Any]]) -> list[str]:
    wrong = sorted(record["shd"] for record in records)
    counts = ", ".join(str(value) for value in wrong) if any(wrong) else "0 in all"
    return [
        words,
        str(seed),
        str(len(records)),
        _range([record["mcc"] for record in records], 3),
        _range([record["r"] for record in records], 3),
        counts,
        _range([record["seconds"] for record in records], 0),
    ]


def _range(values: list[float], digits: int) -> str:
    first, last = f"{min(values):.{digits}f}", f"{max(values):.{digits}f}"
    return first if first == last else f"{first} to {last}"
