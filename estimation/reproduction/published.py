"""`published_scores`: the published numbers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from estimation.config.training import SPARSE_VAE

__all__ = ["PUBLISHED", "published_scores"]

PUBLISHED = Path(__file__).parent / "published_scores.json"


def published_scores(data: str, method: str = SPARSE_VAE) -> dict[str, Any] | None:
    """Return the scores that Lachapelle et al. published for a method on a data set.

    Args:
        data: Name of one of the eight data sets.
        method: ``"sparse_vae"``, or the name of a baseline.

    Returns:
        Means over seeds: ``mcc`` and, for most baselines, ``r_con``. For the sparse VAE also ``r``, ``shd``,
        ``negative_elbo`` and ``budget``, the number of edges that the authors selected. None if nothing was published.

    Example:
        >>> published_scores("TimeDiag")["mcc"], published_scores("ActionBlockDiag", "ivae")["r_con"]
        (0.9595, 0.69)
        >>> published_scores("TimeDiag", "ivae") is None
        True
    """
    content = json.loads(PUBLISHED.read_text(encoding="utf-8"))
    if method == SPARSE_VAE:
        return next((row for row in content["datasets"] if row["data"] == data), None)
    for row in content["baselines"]:
        if (row["data"], row["method"]) == (data, method):
            return dict(row)
    for row in content["bounds"]:
        if row["method"] == method:
            # published as a range over the data sets: return its midpoint
            return {"method": method, "mcc": sum(row["mcc"]) / 2}
    return None
