"""`plot_latents`: scatter plots of every true latent against the learned latent matched to it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from estimation.exceptions import DataError
from identify.names import default_names
from identify.plot.paper import draws
from identify.plot.style import INK, ITSELF, PAST, shorten, text_options

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

__all__ = ["MAX_PANELS", "plot_latents"]

#: Largest number of panels. With more latents, only those with the lowest correlations are drawn.
MAX_PANELS = 36

_MAX_POINTS = 1_500
_PANEL_INCHES = 1.35
_TEXT_SIZE = 8.0


@draws
def plot_latents(
    z: ArrayLike,
    z_hat: ArrayLike,
    permutation: ArrayLike,
    axes: Sequence[Axes] | None = None,
    names: Sequence[str] | None = None,
    seed: int = 0,
) -> list[Axes]:
    """Draw every true latent against the learned latent matched to it, with their absolute correlation.

    A disentangled latent appears as a thin monotone curve, of any shape.

    Args:
        z: True latents, shape (N, n) or (N, T, n).
        z_hat: Learned latents of the same points.
        permutation: Index of the learned latent matched to each true latent, -1 for none; shape (n,).
        axes: One axes per latent, in order; None to create a grid. With more than 36 latents, the grid shows the 36
            with the lowest correlations.
        names: Names of the true latents; None for ``z0, z1, ...``.
        seed: Seed that selects the at most 1,500 points to draw.

    Returns:
        The axes, one per latent that is drawn.

    Raises:
        DataError: If the shapes do not match.
    """
    true, learned = _flatten_steps(z, "z"), _flatten_steps(z_hat, "z_hat")
    order = np.asarray(permutation, dtype=int)
    n = true.shape[1]
    labels = tuple(names) if names is not None else default_names("z", n)
    _require_fit(true, learned, order, labels)
    correlations = [_correlation(true[:, i], learned[:, k]) if k >= 0 else 0.0 for i, k in enumerate(order)]
    panels = list(range(n))
    if axes is None:
        panels = sorted(sorted(panels, key=lambda i: (abs(correlations[i]), i))[:MAX_PANELS])
        axes = _new_grid(len(panels))
    if len(axes) != len(panels):
        raise DataError(f"got {len(axes)} axes for {len(panels)} latents; give one per latent")
    rows = np.random.default_rng(seed).permutation(len(true))[:_MAX_POINTS]
    for ax, i in zip(axes, panels, strict=True):
        _draw(ax, true[rows, i], learned[rows, order[i]] if order[i] >= 0 else None)
        title = f"{shorten(labels[i], 14)}  {abs(correlations[i]):.3f}"
        ax.set_title(title, **text_options(_TEXT_SIZE), pad=3)
    return list(axes)


def _draw(ax: Axes, true: NDArray[np.float64], learned: NDArray[np.float64] | None) -> None:
    ax.set(xticks=[], yticks=[])
    ax.spines[:].set_color(ITSELF)
    ax.set_box_aspect(1)
    if learned is None:
        ax.text(
            0.5, 0.5, "no match", transform=ax.transAxes, ha="center", va="center", fontsize=_TEXT_SIZE, color=INK
        )  # fmt: skip
        return
    ax.scatter(true, learned, s=1.6, color=PAST, alpha=0.35, linewidth=0, rasterized=True)


def _new_grid(count: int) -> list[Axes]:
    from matplotlib import pyplot as plt

    columns = min(count, 5 if count <= 20 else 6)
    rows = -(-count // columns)
    size = (_PANEL_INCHES * columns + 0.5, (_PANEL_INCHES + 0.25) * rows + 0.5)
    figure, axes = plt.subplots(rows, columns, figsize=size, layout="constrained", squeeze=False)
    flat = list(axes.ravel())
    for ax in flat[count:]:
        ax.set_axis_off()
    figure.supxlabel("true latent", fontsize=9, color=INK)
    figure.supylabel("learned latent", fontsize=9, color=INK)
    return flat[:count]


def _flatten_steps(values: ArrayLike, name: str) -> NDArray[np.float64]:
    array = np.asarray(values, dtype=float)
    if array.ndim not in (2, 3):
        raise DataError(f"{name} has shape {array.shape}; it must be (N, n) or (N, T, n)")
    return array.reshape(-1, array.shape[-1])


def _require_fit(
    true: NDArray[np.float64], learned: NDArray[np.float64], order: NDArray[np.int64], names: Sequence[str]
) -> None:
    if len(true) != len(learned):
        raise DataError(f"z has {len(true)} points, z_hat has {len(learned)}; they must be the same points")
    if order.shape != (true.shape[1],) or len(names) != true.shape[1]:
        raise DataError(
            f"there are {true.shape[1]} true latents, but the permutation has shape {order.shape} and there are "
            f"{len(names)} names; give one of each per true latent"
        )
    if order.size and not -1 <= order.min() <= order.max() < learned.shape[1]:
        raise DataError(
            f"the permutation has entries from {order.min()} to {order.max()}; they must be from -1 to "
            f"{learned.shape[1] - 1}, for {learned.shape[1]} learned latents"
        )


def _correlation(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    scale = a.std() * b.std()
    return float(np.mean((a - a.mean()) * (b - b.mean())) / scale) if scale > 0 else 0.0
