"""`side_by_side`: our mean scores and the published ones."""

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
    """One row of the table: means over seeds.

    Attributes:
        data: Name of the data set.
        method: Name of the method.
        runs: Number of our finished runs.
        edges: Mean number of edges in our learned graphs; None for a baseline.
        minutes: Mean duration of our runs.
        ours: Our mean of every score: ``mcc``, ``r_con``, ``r`` and ``shd``. None if the method has no such score.
        ranges: Lowest and highest of our values, by score.
        published: Published mean of every score; None if it was not published.
    """

    data: str
    method: str
    runs: int
    edges: float | None
    minutes: float
    ours: Mapping[str, float | None]
    ranges: Mapping[str, tuple[float, float] | None]
    published: Mapping[str, float | None]

    def to_dict(self) -> dict[str, Any]:
        """Return the row as a dictionary that JSON can hold."""
        return asdict(self)


def side_by_side(results: Results) -> tuple[SideBySide, ...]:
    """Return the rows of the table, with the data sets in the published order.

    Args:
        results: Results of a sweep over `reproduction_plan`.
    """
    order = {name: index for index, name in enumerate(DATA_SETS)}
    groups = sorted(results.groups.items(), key=lambda group: order.get(group[0][0], len(order)))
    lines = []
    for (data, method), rows in groups:
        published = published_scores(data, method) or {}
        scores = {key: [row[key] for row in rows if row[key] is not None] for key in SCORES}
        edges = [row["edges"] for row in rows if row["edges"] is not None]
        lines.append(
            SideBySide(
                data,
                method,
                len(rows),
                float(np.mean(edges)) if edges else None,
                float(np.mean([row["minutes"] for row in rows])),
                {key: float(np.mean(values)) if values else None for key, values in scores.items()},
                {key: (min(values), max(values)) if values else None for key, values in scores.items()},
                {key: published.get(key) for key in SCORES},
            )
        )
    return tuple(lines)
