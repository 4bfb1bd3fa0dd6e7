"""Our runs beside the published numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from estimation.reproduction.plan import DATA_SETS
from estimation.reproduction.published import published_scores
from estimation.sweep import Results

__all__ = ["SCORES", "SideBySide", "side_by_side"]

SCORES = ("mcc", "r_con", "r", "shd")


@dataclass(frozen=True)
class SideBySide:
    """One line of the table: means over seeds.

    Attributes:
        data: the data set.
        method: the method.
        runs: how many of ours are done.
        edges: of our learned graphs, on average; None for a baseline.
        minutes: of one of our runs, on average.
        ours: by score: ``mcc``, ``r_con``, ``r``, ``shd``; None where a method has none.
        spread: lowest and highest of ours, by score.
        published: the same means; None where nothing was published.
    """

    data: str
    method: str
    runs: int
    edges: float | None
    minutes: float
    ours: Mapping[str, float | None]
    spread: Mapping[str, tuple[float, float] | None]
    published: Mapping[str, float | None]

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        return asdict(self)


def side_by_side(results: Results) -> tuple[SideBySide, ...]:
    """The table, data sets in the published order.

    Args:
        results: of a sweep over `reproduction_plan`.
    """
    order = {name: place for place, name in enumerate(DATA_SETS)}
    groups = sorted(results.groups.items(), key=lambda group: order.get(group[0][0], len(order)))
    lines = []
    for (data, method), rows in groups:
        theirs = published_scores(data, method) or {}
        values = {key: [row[key] for row in rows if row[key] is not None] for key in SCORES}
        edges = [row["edges"] for row in rows if row["edges"] is not None]
        lines.append(
            SideBySide(
                data,
                method,
                len(rows),
                float(np.mean(edges)) if edges else None,
                float(np.mean([row["minutes"] for row in rows])),
                {key: float(np.mean(each)) if each else None for key, each in values.items()},
                {key: (min(each), max(each)) if each else None for key, each in values.items()},
                {key: theirs.get(key) for key in SCORES},
            )
        )
    return tuple(lines)
