"""The published numbers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from estimation.config.training import SPARSE_VAE

__all__ = ["PUBLISHED", "published_scores"]

PUBLISHED = Path(__file__).parent / "published_scores.json"


def published_scores(data: str, method: str = SPARSE_VAE) -> dict[str, Any] | None:
    """What Lachapelle et al. published for a method on a data set; None where there is nothing.

    Args:
        data: one of the eight data sets.
        method: ``"sparse_vae"``, or a baseline.

    Returns:
        means over seeds: ``mcc`` and mostly ``r_con``; of the sparse VAE also ``r``, ``shd``, ``negative_elbo``, and
        ``budget``, the number of edges that they found best.

    Example:
        >>> published_scores("TimeDiag")["mcc"], published_scores("ActionBlockDiag", "ivae")["r_con"]
        (0.9595, 0.69)
        >>> published_scores("TimeDiag", "ivae") is None
        True
    """
    content = json.loads(PUBLISHED.read_text(encoding="utf-8"))
    if method == SPARSE_VAE:
        return next((each for each in content["datasets"] if each["data"] == data), None)
    for each in content["baselines"]:
        if (each["data"], each["method"]) == (data, method):
            return dict(each)
    for each in content["bounds"]:
        if each["method"] == method:
            # a range over the data sets
            return {"method": method, "mcc": sum(each["mcc"]) / 2}
    return None
