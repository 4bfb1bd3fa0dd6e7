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
    """Fill the markers ``rate``, ``searches`` and ``given`` of a page."""
    records = read_records()
    searches = [record for record in records if record["run"]["kind"] == "auto"]
    given = [record for record in records if record["run"]["kind"] == "given"]
    return fill_markers(page, {"rate": _rate(searches), "searches": _table(searches), "given": _given(given)})


def _is_right(record: dict[str, Any]) -> bool:
    return bool(record["found"] == record["true"])


def _is_clear(record: dict[str, Any]) -> bool:
    return ";" not in record["summary"]


def _rate(searches: list[dict[str, Any]]) -> str:
    right = [record for record in searches if _is_right(record)]
    clear = [record for record in searches if _is_clear(record)]
    numbers = [str(record["run"]["number"]) for record in searches if not _is_right(record)]
    failures = f" The failures are the problems {', '.join(numbers)}." if numbers else ""
    return (
        f"The number found was right on {len(right)} of {len(searches)} problems.{failures} {len(clear)} searches "
        f"ended without a doubt, {sum(map(_is_right, clear))} of them with the right number. The table has all but "
        "these."
    )


def _table(searches: list[dict[str, Any]]) -> str:
    rows = []
    for record in searches:
        if _is_right(record) and _is_clear(record):
            continue
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
    head = [
        "problem",
        "causes",
        "observed",
        "noise",
        "true",
        "found",
        "estimate",
        "last runs",
        "CPU seconds",
    ]
    return markdown_table(head, rows)


def _given(records: list[dict[str, Any]]) -> str:
    """Return a table of models with the true number of latents and with more, one row per problem."""
    rows = []
    by_problem: dict[tuple[int, int], list[dict[str, Any]]] = {}
    for record in sorted(records, key=lambda record: record["run"]["surplus"]):
        by_problem.setdefault((record["run"]["seed"], record["run"]["number"]), []).append(record)
    for (_, number), runs in sorted(by_problem.items()):
        if len(runs) != 2:
            # the second one has not been run yet
            continue
        true, more = runs
        rows.append(
            [
                str(number),
                str(true["true"]),
                str(more.get("given", true["true"] + more["run"]["surplus"])),
                str(more["trained"]),
                f"{true['mcc']:.3f}",
                f"{more['mcc']:.3f}",
                f"{more['mcc'] - true['mcc']:+.3f}",
            ]
        )
    head = ["problem", "true", "given", "trained", "MCC with the true number", "MCC with more", "difference"]
    return markdown_table(head, rows)
