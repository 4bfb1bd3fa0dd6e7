"""Overlap of the settings of discrete actions: whether the latents of one setting reach those of another.

Where actions take few settings and the noise of the latents is small beside their effects, the latents of each setting
form a group with no data between the groups. Encoder and decoder can then place the groups anywhere without a change of
the likelihood, so that effects can be moved from one latent to another. (Ours; in causal inference the condition that
all settings have data everywhere is called overlap or positivity.)
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse.csgraph import connected_components

from estimation.diagnostics.evidence import Evidence
from estimation.unmixing.moments import whitening_matrix

__all__ = ["Overlap", "overlap_of"]

# a setting with fewer rows has no mean to speak of
_MIN_ROWS = 5
# the distances of more settings would take too much memory
_MAX_SETTINGS = 2_000
# means that are further apart than this, in standard deviations of the latents within a setting, have no data between
_MAX_DISTANCE = 6.0
_MAX_SHARE_OF_GROUPS = 0.5


@dataclass(frozen=True)
class Overlap:
    """How the settings of the actions are connected.

    Attributes:
        n_settings: Number of different settings.
        n_groups: Number of groups of settings with no data between them.
    """

    n_settings: int
    n_groups: int

    @property
    def is_lacking(self) -> bool:
        """Whether there are more than half as many groups as settings."""
        return self.n_groups > _MAX_SHARE_OF_GROUPS * self.n_settings


def overlap_of(evidence: Evidence) -> Overlap | None:
    """Return how the settings of the actions are connected; None if most rows have a setting of their own.

    None also for more than 2,000 settings.
    """
    if evidence.actions is None:
        return None
    settings, where, counts = np.unique(evidence.actions, axis=0, return_inverse=True, return_counts=True)
    where = where.reshape(-1)
    kept = np.flatnonzero(counts >= _MIN_ROWS)
    in_kept = np.isin(where, kept)
    latents = evidence.latents[in_kept][:, ~evidence.collapsed]
    if (
        in_kept.mean() < 0.5
        or not 2 <= len(kept) <= _MAX_SETTINGS
        or len(latents) - len(kept) <= latents.shape[1] > 0
    ):
        return None
    position = np.full(len(settings), -1)
    position[kept] = np.arange(len(kept))
    of_row = position[where[in_kept]]
    means = np.zeros((len(kept), latents.shape[1]))
    np.add.at(means, of_row, latents)
    means /= counts[kept][:, None]
    residuals = latents - means[of_row]
    within = residuals.T @ residuals / (len(latents) - len(kept))
    if not np.diag(within).max(initial=0.0) > 0:
        return None
    positions = means @ whitening_matrix(within)
    squares = np.square(positions).sum(1)
    distances = np.sqrt(np.maximum(squares[:, None] + squares - 2 * positions @ positions.T, 0))
    return Overlap(len(kept), int(connected_components(distances <= _MAX_DISTANCE, directed=False)[0]))
