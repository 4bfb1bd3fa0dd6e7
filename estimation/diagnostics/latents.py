"""Latents that have collapsed, and latents that are nearly the same."""

from __future__ import annotations

import numpy as np

from estimation.diagnostics.evidence import Evidence

__all__ = ["collapsed_latents", "duplicate_latents"]

_MIN_CORRELATION = 0.95


def collapsed_latents(evidence: Evidence) -> tuple[str, ...]:
    """Return the latents that vary by less than their posterior, so that observations don't determine them."""
    return tuple(evidence.names[i] for i in np.flatnonzero(evidence.collapsed))


def duplicate_latents(evidence: Evidence) -> list[tuple[str, str, float]]:
    """Return pairs of active latents that are nearly the same, with their absolute correlation, the largest first."""
    active = np.flatnonzero(~evidence.collapsed & (evidence.latents.std(0) > 0))
    if len(active) < 2:
        return []
    correlations = np.abs(np.corrcoef(evidence.latents[:, active].T))
    pairs = [
        (evidence.names[active[i]], evidence.names[active[j]], float(correlations[i, j]))
        for i, j in np.argwhere(np.triu(correlations, 1) > _MIN_CORRELATION)
    ]
    return sorted(pairs, key=lambda pair: -pair[2])
