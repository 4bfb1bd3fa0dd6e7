"""Tables of the confidence in edges and latents, from stored results of `tests/benchmarks/promise/calibrate.py`."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import numpy as np
from scipy.stats import binomtest
from stored_runs import FOLDER, fill_markers, markdown_table

from estimation.diagnostics.confidence import FEATURES, confidence_of
from estimation.diagnostics.edge_counts import count_interval
from estimation.diagnostics.latent_confidence import probabilities_of

__all__ = ["FILE", "fill_page", "judged_pairs", "judged_records"]

FILE = FOLDER / "confidence.jsonl"
_BINS = (0, 0.01, 0.05, 0.5, 0.85, 0.95, 0.99, 1)
_LATENT_BINS = (0, 0.2, 0.5, 0.85, 0.95, 1)


def fill_page(page: str) -> str:
    """Fill the markers ``edge-confidence``, ``latent-confidence`` and ``confidence-runs`` of a page.

    Args:
        page: Markdown.

    Returns:
        The page with the tables, and with a sentence about the runs.

    Raises:
        ValueError: If a marker is missing.
    """
    return fill_markers(
        page,
        {
            "edge-confidence": _edge_table(),
            "latent-confidence": _latent_table(),
            "confidence-runs": _runs(),
        },
    )


def judged_records() -> list[dict[str, Any]]:
    """Return the records of the models that the coefficients were not fitted to."""
    return [record for record in _records() if record["judged"]]


def judged_pairs(record: dict[str, Any]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return confidence, truth, and whether the learned graph has the edge, of all pairs of a record."""
    pairs = np.array(record["pairs"])
    has_edge = pairs[:, FEATURES.index("edge")] > 0
    return confidence_of(pairs[:, :-1]), pairs[:, -1] > 0, has_edge


def _records() -> list[dict[str, Any]]:
    return [json.loads(line) for line in FILE.read_text(encoding="utf-8").splitlines()]


def _edge_table() -> str:
    confidence, truth, has_edge = (
        np.concatenate(parts)
        for parts in zip(*(judged_pairs(record) for record in judged_records()), strict=True)
    )
    rows = []
    for low, high in pairwise(_BINS):
        inside = (confidence >= low) & ((confidence < high) | (high == 1))
        cells = [_share(truth[inside & has_edge]), _share(truth[inside & ~has_edge])]
        mean = f"{confidence[inside].mean():.3f}" if inside.any() else ""
        rows.append([f"{low:g} to {high:g}", mean, _share(truth[inside]), *cells])
    head = [
        "confidence",
        "mean",
        "true, of all pairs (95 % interval)",
        "of edges",
        "of pairs without an edge",
    ]
    return markdown_table(head, rows)


def _latent_table() -> str:
    latents = np.array([row for record in judged_records() for row in record["latents"]])
    confidence, right = probabilities_of(latents[:, :-1]), latents[:, -1] > 0
    rows = []
    for low, high in pairwise(_LATENT_BINS):
        inside = (confidence >= low) & ((confidence < high) | (high == 1))
        mean = f"{confidence[inside].mean():.3f}" if inside.any() else ""
        rows.append([f"{low:g} to {high:g}", mean, _share(right[inside])])
    return markdown_table(["confidence", "mean", "right, of all latents (95 % interval)"], rows)


def _share(truth: np.ndarray) -> str:
    if not len(truth):
        return "none"
    interval = binomtest(int(truth.sum()), len(truth)).proportion_ci(method="wilson")
    return f"{truth.mean():.3f} of {len(truth):,} ({interval.low:.3f} to {interval.high:.3f})"


def _runs() -> str:
    records = _records()
    judged = judged_records()
    fitted = [record for record in records if not record["judged"]]
    n_fitted = sum(record["variant"] == "as trained" for record in fitted)
    n_variants = len(fitted) - n_fitted
    wrong = sum(_n_wrong(record) > 0 for record in judged)
    covered = sum(_is_covered(record) for record in judged)
    return (
        f"The coefficients were fitted to {n_fitted} runs and {n_variants} variants, and judged on {len(judged)} "
        f"others, of which {wrong} had a wrong graph. In {covered} of the {len(judged)}, the number of true edges was "
        "within the interval."
    )


def _n_wrong(record: dict[str, Any]) -> int:
    _, truth, has_edge = judged_pairs(record)
    return int((truth != has_edge).sum())


def _is_covered(record: dict[str, Any]) -> bool:
    confidence, truth, _ = judged_pairs(record)
    low, high = count_interval(confidence)
    return bool(low <= truth.sum() <= high)
