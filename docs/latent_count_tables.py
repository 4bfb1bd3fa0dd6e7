"""The tables of `how_many_latents.md`, from stored results."""

from __future__ import annotations

import json
from typing import Any

from stored_runs import FOLDER, fill_markers, markdown_table

__all__ = ["FILE", "fill_page", "read_records"]

FILE = FOLDER / "latent_count.jsonl"


def read_records() -> list[dict[str, Any]]:
    """Read the stored searches, in the order of the problems."""
    lines = FILE.read_text(encoding="utf-8").splitlines() if FILE.exists() else []
    records = [json.loads(line) for line in lines]
    return sorted(records, key=lambda record: (record["run"]["seed"], record["run"]["number"]))


def fill_page(page: str) -> str:
    """Fill the markers ``rate`` and ``searches`` of a page."""
    searches = [record for record in read_records() if record["run"]["kind"] == "auto"]
    return fill_markers(page, {"rate": _rate(searches), "searches": _table(searches)})


def _rate(searches: list[dict[str, Any]]) -> str:
    right = sum(record["found"] == record["true"] for record in searches)
    numbers = [str(record["run"]["number"]) for record in searches if record["found"] != record["true"]]
    failures = f" The failures are the problems {', '.join(numbers)}." if numbers else ""
    return f"The number found was right on {right} of {len(searches)} problems.{failures}"


def _table(searches: list[dict[str, Any]]) -> str:
    rows = []
    for record in searches:
        case = record["problem"]
        rows.append(
            [
                str(record["run"]["number"]),
                case["causes"],
                str(case["n_observed"]),
                f"{case['variance']:.1g}",
                str(record["true"]),
                record["summary"],
                f"{record['intrinsic_dimension']:.1f}",
                str(len(record["tried"])),
                str(record["seconds"]),
            ]
        )
    head = ["problem", "causes", "observed", "noise", "true", "found", "estimate", "runs", "CPU seconds"]
    return markdown_table(head, rows)
