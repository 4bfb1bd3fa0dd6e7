"""Rules: a score for every setting, the highest wins.

::

    bend    (share of the ELBO's gain - share of the edges) x agreement of the seeds     the default
    knee    share of the ELBO's gain - share of the edges
    udr     agreement of the seeds
    elbo    the held-out ELBO

Too few edges can't explain the data, and edges beyond the true ones explain nothing more: the held-out ELBO against the
number of edges bends at the true number. The share of the gain less the share of the edges is the height above
the straight line from the sparsest to the densest setting, and is largest at the bend (the "knee" of Satopaa et
al. 2011). Where an edge is one too many, seeds begin to place it differently, so agreement falls; but seeds also agree
on too sparse a graph, and there the height is small. The product is large where the data ask for no more edges *and*
the seeds agree. It has no constant to choose, and no unit: neither scale nor offset of the ELBO matters.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from estimation.exceptions import DataError
from estimation.selection.runs import SettingSummary

__all__ = ["RULES", "Rule", "gains", "heights"]

Rule = Callable[[Sequence[SettingSummary]], NDArray[np.float64]]


def gains(settings: Sequence[SettingSummary]) -> NDArray[np.float64]:
    """The share of the ELBO's gain that each setting has, 0 for the worst and 1 for the best; all 0 without a gain."""
    return _share(-np.array([each.negative_elbo for each in settings]))


def heights(settings: Sequence[SettingSummary]) -> NDArray[np.float64]:
    """The share of the gain less the share of the edges."""
    return gains(settings) - _share(np.array([each.edges for each in settings]))


def _bend(settings: Sequence[SettingSummary]) -> NDArray[np.float64]:
    height = heights(settings)
    if any(each.udr is None for each in settings):
        return height
    # below the line agreement must not make a setting worse
    return np.where(height > 0, height * _agreement(settings), height)


def _agreement(settings: Sequence[SettingSummary]) -> NDArray[np.float64]:
    missing = [each.setting for each in settings if each.udr is None]
    if missing:
        raise DataError(
            f"setting {missing[0]!r} has no udr; train two seeds or more, or take the rule 'knee' or 'elbo'"
        )
    return np.array([each.udr for each in settings], dtype=float)


def _elbo(settings: Sequence[SettingSummary]) -> NDArray[np.float64]:
    return -np.array([each.negative_elbo for each in settings])


def _share(values: NDArray[np.float64]) -> NDArray[np.float64]:
    span = float(np.ptp(values))
    return (values - values.min()) / span if span > 0 else np.zeros_like(values)


RULES: Mapping[str, Rule] = MappingProxyType(
    {"bend": _bend, "knee": heights, "udr": _agreement, "elbo": _elbo}
)
