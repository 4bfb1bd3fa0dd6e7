"""The table of `screens.md`: how many on/off interventions joint influence needs, from stored results.

`python docs/screen_tables.py` computes the results and stores them, in a few minutes.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from stored_runs import FOLDER, fill_markers, markdown_table

from identify.design import design_interventions
from identify.graph import CausalGraph

__all__ = ["FILE", "compute", "fill_page"]

FILE = FOLDER / "screens.json"
_N_LATENTS = (5, 10, 20, 50)
_N_TARGETS = (1, 2, 3)
Row = Mapping[str, Any]


def compute(n_latents: int, n_targets: int) -> dict[str, Any]:
    """Design interventions for latents that nothing separates.

    Args:
        n_latents: Number of latents.
        n_targets: Number of targets of an intervention.

    Returns:
        Numbers of on/off interventions with exactly so many targets, and of interventions with continuous doses and at
        most so many targets, each with its lower bound; and the processor seconds that the former took.
    """
    graph = CausalGraph(latents=[f"z{i}" for i in range(n_latents)])
    start = time.process_time()
    screen = design_interventions(graph, min_targets=n_targets, max_targets=n_targets, effects="shifts")
    seconds = time.process_time() - start
    doses = design_interventions(graph, max_targets=n_targets, time_limit=20)
    return {
        "n_latents": n_latents,
        "n_targets": n_targets,
        "on_off": len(screen.actions),
        "on_off_bound": int(screen.lower_bound),
        "holds": screen.complete,
        "seconds": round(seconds, 1),
        "doses": len(doses.actions),
        "doses_bound": int(doses.lower_bound),
    }


def fill_page(page: str, path: Path = FILE) -> str:
    """Fill the marker ``<!-- numbers -->`` of the page with the stored table.

    Raises:
        ValueError: If the marker is missing.
    """
    rows = json.loads(path.read_text(encoding="utf-8"))
    head = [
        "latents",
        "targets each",
        "on/off, all taken together",
        "proved to need at least",
        "seconds",
        "on/off, one action at a time",
        "doses, one action at a time",
    ]
    return fill_markers(page, {"numbers": markdown_table(head, [_cells(row) for row in rows])})


def _cells(row: Row) -> Sequence[str]:
    doses = str(row["doses"])
    if row["doses_bound"] < row["doses"]:
        doses += f" (at least {row['doses_bound']})"
    return [
        str(row["n_latents"]),
        str(row["n_targets"]),
        str(row["on_off"]),
        str(row["on_off_bound"]),
        f"{row['seconds']:.1f}",
        str(row["doses"]) if row["n_targets"] == 1 else "impossible",
        doses,
    ]


if __name__ == "__main__":
    results = [compute(n, k) for n in _N_LATENTS for k in _N_TARGETS]
    FILE.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
