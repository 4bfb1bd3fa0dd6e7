"""The latents under each condition as small drawings, one for each latent, on a common scale."""

from __future__ import annotations

import numpy as np

from estimation.report.drawing import element, signed, svg, text
from estimation.report.section import Cell, DataTable, Picture
from estimation.results import LatentConditions
from identify.markup import escaped
from identify.wording import plural

__all__ = ["condition_table", "draw_latent_panels"]

_MAX_PANELS, _MAX_ROWS = 12, 24
_WIDTH, _LEFT, _ROW, _TOP, _BOTTOM = 356.0, 172.0, 18.0, 26.0, 22.0


def draw_latent_panels(conditions: LatentConditions, latents: tuple[str, ...]) -> tuple[Picture, ...]:
    """Draw mean and 5 % to 95 % range of each latent under each condition; one drawing for each of the first latents.

    Args:
        conditions: The latents under each condition.
        latents: Names of the latents.
    """
    if not conditions.names:
        return ()
    rows = range(min(len(conditions.names), _MAX_ROWS))
    low, high = float(conditions.low.min()), float(conditions.high.max())
    low, high = min(low, 0.0), max(high, 0.0)
    scale = (_WIDTH - _LEFT - 12) / ((high - low) or 1.0)

    def x(value: float) -> float:
        return _LEFT + 4 + (value - low) * scale

    pictures = []
    for i, name in enumerate(latents[:_MAX_PANELS]):
        bottom = _TOP + _ROW * len(rows)
        zero = x(0.0)
        parts = [text(name, zero, 10, 40, text_anchor="middle")]
        parts += [element("line", x1=zero, x2=zero, y1=_TOP, y2=bottom, css="axis")]
        parts += [
            _row(
                conditions,
                i,
                k,
                x(conditions.mean[k, i]),
                (x(conditions.low[k, i]), x(conditions.high[k, i])),
            )
            for k in rows
        ]
        parts += [
            text(f"{value:.2g}".replace("-", "−"), x(value), bottom + 12, css="soft", text_anchor="middle")
            for value in (low, 0.0, high)
            if value == 0 or abs(x(value) - zero) > 24
        ]
        means = (f"{conditions.names[k]}: {signed(conditions.mean[k, i])}" for k in rows)
        size = (_WIDTH, bottom + _BOTTOM)
        drawing = svg("panel", f"Latent {name}", f"Means: {'; '.join(means)}.", size, parts)
        pictures.append(Picture(drawing, f"latent {name}", wide=False, labelled=True))
    return tuple(pictures)


def condition_table(conditions: LatentConditions, latents: tuple[str, ...]) -> DataTable:
    """Return mean and range of every latent under every condition.

    Args:
        conditions: The latents under each condition.
        latents: Names of the latents.
    """
    counted = conditions.counts is not None
    rows = []
    for k, name in enumerate(conditions.names):
        count = [] if conditions.counts is None else [_count(int(conditions.counts[k]))]
        cells = [
            Cell(
                _mean(conditions, k, i), float(conditions.mean[k, i]), _range(conditions, k, i), numeric=True
            )
            for i in range(len(latents))
        ]
        rows.append((Cell(name, k), *count, *cells))
    what = "Latents under each condition" if conditions.whole else "Latents under the values of each action"
    error = ", with the half width of its 95 % confidence interval" if counted else ""
    notes: tuple[str, ...] = (f"Mean{error}; below it, the range from the 5 % to the 95 % quantile.",)
    if conditions.bands:
        notes += (f"Values of {'; '.join(conditions.bands)}.",)
    if conditions.n_left_out:
        notes += (f"{plural(conditions.n_left_out, 'rarer condition')} left out.",)
    columns = ("condition", *(["rows"] if counted else []), *latents)
    return DataTable(what, columns, tuple(rows), "Search conditions", notes)


def _row(conditions: LatentConditions, i: int, k: int, mean: float, ends: tuple[float, float]) -> str:
    y = _TOP + _ROW * (k + 0.5)
    name = conditions.names[k]
    css = "dot reference" if k == conditions.reference else "dot"
    return element(
        "g",
        element("title", escaped(f"{name}: {_mean(conditions, k, i)} ({_range(conditions, k, i)})")),
        text(name, _LEFT - 4, y, 22, css="soft", text_anchor="end"),
        element("line", x1=ends[0], x2=ends[1], y1=y, y2=y, css="range"),
        element("circle", cx=mean, cy=y, r=4, css=css),
    )


def _count(number: int) -> Cell:
    return Cell(f"{number:,}", number, numeric=True)


def _mean(conditions: LatentConditions, k: int, i: int) -> str:
    error = "" if conditions.error is None else f" ± {conditions.error[k, i]:.2f}"
    return f"{signed(float(np.round(conditions.mean[k, i], 4)))}{error}"


def _range(conditions: LatentConditions, k: int, i: int) -> str:
    return f"{signed(float(conditions.low[k, i]))} to {signed(float(conditions.high[k, i]))}"
