"""Selection rules: each gives every setting a score, and the setting with the highest score is selected.

::

    elbow_and_stability   (fraction of the ELBO gain - fraction of the edges) x stability     the default
    elbow                 fraction of the ELBO gain - fraction of the edges
    udr                   stability: the agreement of the seeds
    elbo                  held-out ELBO

Too few edges cannot explain the data, and edges beyond the true ones explain nothing more. So the curve of the held-out
ELBO against the number of edges has an elbow at the true number. The fraction of the gain minus the fraction of the
edges is the height of the curve above the chord from the sparsest to the densest setting; at the elbow, this height is
largest (the "knee" of Satopaa et al. 2011). When a graph has too many edges, the seeds place the superfluous ones
differently, which lowers the stability. Seeds also agree on graphs that are too sparse, but there the height is small.
The product is large where additional edges gain nothing *and* the seeds agree. It has no free constant and no unit:
neither scale nor offset of the ELBO matters.

The former names ``bend`` (elbow_and_stability) and ``knee`` (elbow) are still accepted.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from estimation.exceptions import DataError
from estimation.selection.runs import SettingSummary

__all__ = ["DEFAULT_RULE", "RULES", "Rule", "canonical_name", "elbow_heights", "relative_gains"]

Rule = Callable[[Sequence[SettingSummary]], NDArray[np.float64]]

DEFAULT_RULE = "elbow_and_stability"
_FORMER_NAMES = {"bend": "elbow_and_stability", "knee": "elbow"}


def canonical_name(rule: str) -> str:
    """Return the present name of a rule, given its present or its former name; other names stay as they are.

    Example:
        >>> canonical_name("bend"), canonical_name("knee"), canonical_name("udr")
        ('elbow_and_stability', 'elbow', 'udr')
    """
    return _FORMER_NAMES.get(rule, rule)


def relative_gains(settings: Sequence[SettingSummary]) -> NDArray[np.float64]:
    """Return the held-out ELBO of each setting, scaled from 0 (worst) to 1 (best); all 0 if they are equal."""
    return _scale_to_unit(-np.array([summary.negative_elbo for summary in settings]))


def elbow_heights(settings: Sequence[SettingSummary]) -> NDArray[np.float64]:
    """Return the height of each setting above the chord: the fraction of the gain minus the fraction of the edges."""
    return relative_gains(settings) - _scale_to_unit(np.array([summary.edges for summary in settings]))


def _elbow_and_stability(settings: Sequence[SettingSummary]) -> NDArray[np.float64]:
    heights = elbow_heights(settings)
    if any(summary.udr is None for summary in settings):
        return heights
    # below the chord, a factor under 1 would raise the score
    return np.where(heights > 0, heights * _stability(settings), heights)


def _stability(settings: Sequence[SettingSummary]) -> NDArray[np.float64]:
    unknown = [summary.setting for summary in settings if summary.udr is None]
    if unknown:
        raise DataError(
            f"setting {unknown[0]!r} has no udr; train two seeds or more, or use the rule 'elbow' or 'elbo'"
        )
    return np.array([summary.udr for summary in settings], dtype=float)


def _elbo(settings: Sequence[SettingSummary]) -> NDArray[np.float64]:
    return -np.array([summary.negative_elbo for summary in settings])


def _scale_to_unit(values: NDArray[np.float64]) -> NDArray[np.float64]:
    value_range = float(np.ptp(values))
    return (values - values.min()) / value_range if value_range > 0 else np.zeros_like(values)


RULES: Mapping[str, Rule] = MappingProxyType(
    {
        "elbow_and_stability": _elbow_and_stability,
        "elbow": elbow_heights,
        "udr": _stability,
        "elbo": _elbo,
    }
)
