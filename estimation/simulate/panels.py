"""Cumulative distribution functions of many one-dimensional log-densities at once, by adaptive quadrature.

The real line is mapped to s by z = sinh(s), so that heavy tails become exponential, and is cut into panels. Each panel
has five equidistant nodes in s; Boole's rule integrates the quartic through them. Panels are halved until three
conditions hold for each of them, relative to the whole mass:

- Boole's rule and Simpson's rule differ by less than 1.5e-7, and halving changed Boole's rule by less than 32 times as
  much;
- no peak is hidden between nodes: where the lines through neighbouring nodes, continued, meet far above the nodes, as
  they do at a narrow peak (the hull of adaptive rejection sampling, Gilks and Wild 1992), the mass below them is
  negligible;
- the density does not vary by many orders of magnitude, unless the mass is negligible.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace

import numpy as np
from numpy.typing import NDArray

__all__ = ["MAX_Z", "NotIntegrableError", "Panels", "UndefinedError", "integrate"]

Array = NDArray[np.float64]
Rows = NDArray[np.int64]
# (z (M,), row of each (M,)) -> log-densities of the components (K, M)
Evaluate = Callable[[Array, Rows], Array]

#: Densities are integrated from -MAX_Z to MAX_Z.
MAX_Z = 1e75
_MAX_LOG_ERROR = np.log(1.5e-7)
# sum of all errors of a row that is still accepted, relative to its mass
_MAX_ERROR = 1e-5
_NEGLIGIBLE, _PRUNED = np.log(1e-10), np.log(1e-25)
# differences of log-densities between neighbouring nodes
_MAX_HIDDEN, _MAX_STEEPNESS = 1.0, 2.0
_MAX_ROUNDS, _MAX_DEPTH = 60, 10
_BOOLE = np.array([7, 32, 12, 32, 7]) / 90
_SIMPSON = np.array([1, 4, 2, 4, 1]) / 12
_NODES = np.linspace(0, 1, 5)
_BETWEEN = np.linspace(0.125, 0.875, 4)
_INNER = np.arcsinh(np.arange(-16.0, 17.0))


class NotIntegrableError(ArithmeticError):
    """Error for densities without a finite integral; `rows` has their positions."""

    def __init__(self, rows: Rows) -> None:
        super().__init__(f"{len(rows)} densities are not integrable")
        self.rows = rows


class UndefinedError(NotIntegrableError):
    """Error for densities that are zero or undefined at all nodes."""


@dataclass(frozen=True)
class Panels:
    """Panels of several densities, in any order.

    Attributes:
        row: Density that each panel belongs to, shape (P,).
        left: Left ends in s, shape (P,).
        width: Widths in s, shape (P,).
        components: Logarithms of the components of the density of s at the five nodes, shape (5, K, P).
        slopes: Slopes of these logarithms from the nodes next to the panel to its first and last node, shape (2, K, P).
        log_mass: Logarithms of the integrals, shape (P,).
        log_error: Logarithms of the estimated errors of the integrals, shape (P,).
        log_bound: Logarithms of the masses that a hidden peak may have, shape (P,).
        steep: Whether the density varies by many orders of magnitude, shape (P,).
    """

    row: Rows
    left: Array
    width: Array
    components: Array
    slopes: Array
    log_mass: Array
    log_error: Array
    log_bound: Array
    steep: NDArray[np.bool_]

    @property
    def logs(self) -> Array:
        """Logarithms of the density of s at the five nodes, shape (5, P)."""
        return _log_sum(self.components)

    def take(self, chosen: Rows) -> Panels:
        """Return the panels at some positions."""
        return Panels(*(getattr(self, item.name)[..., chosen] for item in fields(self)))


def integrate(evaluate: Evaluate, n_rows: int) -> Panels:
    """Return panels that resolve the densities of all rows; rows don't influence each other.

    The cumulative distribution function is accurate to 1e-5, usually to 1e-7. A peak can be missed only if it is
    narrower than the distance between nodes (from 0.25 near z = 0, growing in proportion to z) and nothing shows it:
    neither the log-density of its component beside it, nor a node on it.

    Args:
        evaluate: Function of z and rows that returns the log-densities of the components; NaN or -inf where the density
            is zero.
        n_rows: Number of densities.

    Raises:
        UndefinedError: If densities are zero or undefined at all nodes.
        NotIntegrableError: If densities have no finite integral.

    Example:
        >>> panels = integrate(lambda z, rows: -z[None] ** 2 / 2, 1)
        >>> round(float(np.exp(panels.log_mass).sum() ** 2 / np.pi), 5)
        2.0
    """
    active = _first_panels(evaluate, n_rows)
    finished: list[Panels] = []
    for _ in range(_MAX_ROUNDS):
        relative = _log_totals(active, n_rows)[active.row]
        split = active.log_error - relative > _MAX_LOG_ERROR
        split |= active.log_bound - relative > _NEGLIGIBLE
        split |= active.steep & (active.log_mass - relative > _NEGLIGIBLE)
        split &= active.width > 64 * np.spacing(np.abs(active.left) + active.width)
        unfinished = np.zeros(n_rows, dtype=bool)
        unfinished[active.row[split]] = True
        is_finished = ~unfinished[active.row]
        finished.append(active.take(np.flatnonzero(is_finished)))
        if not split.any():
            break
        largest = np.maximum(active.log_bound, np.maximum(active.log_mass, active.log_error))
        kept = active.take(np.flatnonzero(~split & ~is_finished & (largest - relative > _PRUNED)))
        active = _joined([kept, *_divided(evaluate, active.take(np.flatnonzero(split)))])
    else:
        raise NotIntegrableError(np.unique(active.row))
    panels = _joined(finished)
    _require_integrable(panels, n_rows)
    return panels


def _first_panels(evaluate: Evaluate, n_rows: int) -> Panels:
    outer = [_INNER[-1]]
    width = 2.0
    while outer[-1] + width < np.arcsinh(MAX_Z):
        outer.append(outer[-1] + width)
        width *= 2
    outer[-1] = np.arcsinh(MAX_Z)
    edges = np.array([*(-edge for edge in outer[:0:-1]), *_INNER, *outer[1:]])
    nodes = edges[:-1, None] + np.diff(edges)[:, None] * _NODES
    grid = np.append(nodes[:, :-1].ravel(), edges[-1])
    rows = np.repeat(np.arange(n_rows), len(grid))
    components = _log_density_of_s(evaluate, np.tile(grid, n_rows), rows)
    components = components.reshape(len(components), n_rows, len(grid))
    _require_no_overflow(components)
    with np.errstate(invalid="ignore", over="ignore"):
        slopes = np.diff(components) / np.diff(grid)
    # there are no nodes beyond the grid
    slopes = np.pad(slopes, ((0, 0), (0, 0), (1, 1)), constant_values=np.nan)

    def of_panels(values: Array, offsets: list[int]) -> Array:
        index = 4 * np.arange(len(nodes)) + np.array(offsets)[:, None]
        return np.moveaxis(values[:, :, index], 2, 0).reshape(len(offsets), len(values), -1)

    panels = _panels(
        np.repeat(np.arange(n_rows), len(nodes)),
        np.tile(edges[:-1], n_rows),
        np.tile(np.diff(edges), n_rows),
        of_panels(components, [0, 1, 2, 3, 4]),
        of_panels(slopes, [0, 5]),
    )
    # both rules may agree by chance, so that each of these panels with a mass is halved
    panels = replace(panels, log_error=np.maximum(panels.log_error, panels.log_mass))
    undefined = np.flatnonzero(np.isneginf(panels.logs.max(0).reshape(n_rows, -1).max(1)))
    if len(undefined):
        raise UndefinedError(undefined)
    # hidden peaks may still add to the mass
    _require_decreasing_tails(panels, n_rows, 1.0)
    return panels


def _divided(evaluate: Evaluate, panels: Panels) -> list[Panels]:
    """Return the halves of panels; where the density ends or has a pole, divided several times."""
    parts = []
    for _ in range(_MAX_DEPTH):
        panels = _halves(evaluate, panels)
        has_end = np.isneginf(panels.logs).any(0) & (panels.log_mass > -np.inf)
        parts.append(panels.take(np.flatnonzero(~has_end)))
        if not has_end.any():
            return parts
        panels = panels.take(np.flatnonzero(has_end))
    return [*parts, panels]


def _halves(evaluate: Evaluate, panels: Panels) -> Panels:
    """Return the left and right halves of panels, with two new nodes each."""
    new_nodes = panels.left + panels.width * _BETWEEN[:, None]
    values = _log_density_of_s(evaluate, new_nodes.ravel(), np.tile(panels.row, 4))
    nodes = np.empty((9, len(values), len(panels.row)))
    nodes[::2] = panels.components
    nodes[1::2] = np.moveaxis(values.reshape(len(values), *new_nodes.shape), 1, 0)
    half = panels.width / 2
    with np.errstate(invalid="ignore", over="ignore"):
        # of the panel's middle, to the left and to the right
        middle = np.diff(nodes[3:6], axis=0) / (half / 4)
    halves = _panels(
        np.concatenate([panels.row, panels.row]),
        np.concatenate([panels.left, panels.left + half]),
        np.concatenate([half, half]),
        np.concatenate([nodes[:5], nodes[4:]], axis=2),
        np.stack(
            [
                np.concatenate([panels.slopes[0], middle[0]], axis=1),
                np.concatenate([middle[1], panels.slopes[1]], axis=1),
            ]
        ),
    )
    change = _log_difference(np.logaddexp(*halves.log_mass.reshape(2, -1)), panels.log_mass)
    # halving divides the error of a smooth density by 64
    inherited = np.tile(change - np.log(32), 2)
    return replace(halves, log_error=np.maximum(halves.log_error, inherited))


def _log_difference(first: Array, second: Array) -> Array:
    """Return log |exp(first) - exp(second)|."""
    larger = np.maximum(first, second)
    with np.errstate(divide="ignore", invalid="ignore"):
        difference = larger + np.log(-np.expm1(np.minimum(first, second) - larger))
    return np.where(np.isnan(difference), -np.inf, difference)


def _log_density_of_s(evaluate: Evaluate, s: Array, rows: Rows) -> Array:
    values = evaluate(np.sinh(s), rows)
    # log cosh without overflow
    values = values + (np.abs(s) + np.log1p(np.exp(-2 * np.abs(s))) - np.log(2))
    return np.where(np.isnan(values), -np.inf, values)


def _panels(row: Rows, left: Array, width: Array, components: Array, slopes: Array) -> Panels:
    # an isolated pole has no mass by itself; halving decides whether its neighbourhood has a finite one
    components = np.where(np.isposinf(components), -np.inf, components)
    with np.errstate(all="ignore"):
        logs = _log_sum(components)
        peak = logs.max(0)
        scale = np.where(np.isfinite(peak), peak, 0)
        values = np.exp(logs - scale)
        mass, other = _BOOLE @ values, _SIMPSON @ values
        log_mass = scale + np.log(width) + np.log(mass)
        log_error = scale + np.log(width) + np.log(np.abs(mass - other))
        return Panels(
            row,
            left,
            width,
            components,
            slopes,
            log_mass,
            # where a density ends or has a pole, neither rule is near the integral
            np.where(np.isneginf(logs).any(0), log_mass, log_error),
            _hidden_peaks(components, slopes * (width / 4)) + np.log(width),
            _is_steep(logs),
        )


def _is_steep(logs: Array) -> NDArray[np.bool_]:
    differences = np.abs(np.diff(logs, axis=0))
    # where the density ends, the error decides
    return np.asarray(((differences > _MAX_STEEPNESS) & np.isfinite(differences)).any(0))


def _log_sum(components: Array) -> Array:
    """Return the logarithm of the sum of the components, shape (5, K, P) -> (5, P)."""
    if components.shape[1] == 1:
        return components[:, 0]
    with np.errstate(invalid="ignore"):
        return np.asarray(np.logaddexp.reduce(components, axis=1))


def _hidden_peaks(components: Array, outer: Array) -> Array:
    """Return the height that a peak between nodes may have, -inf where it is not far above the nodes; shape (P,).

    ``outer`` are the differences per node beyond the first and the last node, shape (2, K, P).
    """
    heights = np.full(components.shape[2], -np.inf)
    for k in range(components.shape[1]):
        slopes = np.concatenate([outer[:1, k], np.diff(components[:, k], axis=0), outer[1:, k]])
        # lines through neighbouring nodes meet no higher above them than the slopes differ
        chosen = np.flatnonzero(~((slopes[:-1] - slopes[1:]).max(0) < _MAX_HIDDEN))
        heights[chosen] = np.maximum(
            heights[chosen], _hidden_peak(components[:, k, chosen], slopes[:, chosen])
        )
    return heights


def _hidden_peak(logs: Array, all_slopes: Array) -> Array:
    all_slopes = np.where(np.isfinite(all_slopes), all_slopes, np.nan)
    before, slopes, after = all_slopes[:-2], all_slopes[1:-1], all_slopes[2:]
    left, right = logs[:-1], logs[1:]
    # a line bounds a function that is concave there; a convex one is below its chord
    from_left = np.where(before >= slopes, before, np.nan)
    from_right = np.where(after <= slopes, after, np.nan)
    meeting = (right - left - from_right) / (from_left - from_right)
    both = left + from_left * np.clip(np.nan_to_num(meeting), 0, 1)
    one = np.fmax(left + np.fmax(from_left, 0), right - np.fmin(from_right, 0))
    height = np.where(np.isnan(from_left) | np.isnan(from_right), one, both)
    hidden = np.fmax.reduce(height, axis=0)
    return np.where(hidden > logs.max(0) + _MAX_HIDDEN, hidden, -np.inf)


def _log_totals(panels: Panels, n_rows: int) -> Array:
    peak = np.full(n_rows, -np.inf)
    np.maximum.at(peak, panels.row, panels.log_mass)
    scale = np.where(np.isfinite(peak), peak, 0)
    weights = np.exp(panels.log_mass - scale[panels.row])
    with np.errstate(divide="ignore"):
        return scale + np.log(np.bincount(panels.row, weights, n_rows))


def _joined(parts: list[Panels]) -> Panels:
    names = [item.name for item in fields(Panels)]
    return Panels(*(np.concatenate([getattr(part, name) for part in parts], axis=-1) for name in names))


def _require_no_overflow(components: Array) -> None:
    """Refuse densities that overflow at two neighbouring nodes, which is no isolated pole; shape (K, rows, nodes)."""
    infinite = np.isposinf(components)
    rows = (infinite[:, :, 1:] & infinite[:, :, :-1]).any(axis=(0, 2))
    rows |= infinite[:, :, [0, -1]].any(axis=(0, 2))
    if rows.any():
        raise NotIntegrableError(np.flatnonzero(rows))


def _require_decreasing_tails(panels: Panels, n_rows: int, max_mass: float) -> None:
    """Refuse densities with more than this relative mass near -MAX_Z or MAX_Z."""
    log_total = _log_totals(panels, n_rows)[panels.row]
    at_end = np.abs(panels.left) == np.arcsinh(MAX_Z)
    ends = np.where(at_end, panels.logs[0], -np.inf)
    at_end = np.isclose(panels.left + panels.width, np.arcsinh(MAX_Z), rtol=1e-12)
    ends = np.maximum(ends, np.where(at_end, panels.logs[4], -np.inf))
    # in a tail that decreases by a power of z, the mass beyond the end is about the density of s at the end
    rows = np.unique(panels.row[ends - log_total > np.log(max_mass)])
    if len(rows):
        raise NotIntegrableError(rows)


def _require_integrable(panels: Panels, n_rows: int) -> None:
    _require_decreasing_tails(panels, n_rows, _MAX_ERROR)
    log_total = _log_totals(panels, n_rows)
    with np.errstate(over="ignore", invalid="ignore"):
        errors = np.bincount(panels.row, np.exp(panels.log_error - log_total[panels.row]), n_rows)
    rows = np.flatnonzero(~(errors < 10 * _MAX_ERROR) | ~np.isfinite(log_total))
    if len(rows):
        raise NotIntegrableError(rows)
