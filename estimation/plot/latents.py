"""True against learned latents, matched, as a grid of scatter plots."""

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

__all__ = ["MOST_PANELS", "plot_latents"]

#: Panels that are drawn; with more latents, those that match worst.
MOST_PANELS = 36

_MOST_POINTS = 1_500
_PANEL = 1.35
_TEXT = 8.0


@draws
def plot_latents(
    z: ArrayLike,
    z_hat: ArrayLike,
    permutation: ArrayLike,
    axes: Sequence[Axes] | None = None,
    names: Sequence[str] | None = None,
    seed: int = 0,
) -> list[Axes]:
    """Draw each true latent against the learned latent matched to it, with their correlation.

    A disentangled latent is a thin curve that rises or falls throughout; any shape of the curve is fine.

    Args:
        z: true latents, shape (N, n) or (N, T, n).
        z_hat: learned latents of the same points.
        permutation: shape (n,), the learned latent matched to each true one; -1 for none.
        axes: one per latent, in order; a new grid when left out. With more than 36 latents the grid shows the 36
            that match worst.
        names: of the true latents; ``z0, z1, ...`` when left out.
        seed: which 1,500 points are drawn.

    Returns:
        The axes, one per latent that is drawn.

    Raises:
        DataError: the shapes don't fit each other.
    """
    true, learned = _flat(z, "z"), _flat(z_hat, "z_hat")
    order = np.asarray(permutation, dtype=int)
    n = true.shape[1]
    labels = tuple(names) if names is not None else default_names("z", n)
    _require_fit(true, learned, order, labels)
    correlations = [_correlation(true[:, i], learned[:, k]) if k >= 0 else 0.0 for i, k in enumerate(order)]
    shown = list(range(n))
    if axes is None:
        shown = sorted(sorted(shown, key=lambda i: (abs(correlations[i]), i))[:MOST_PANELS])
        axes = _grid(len(shown))
    if len(axes) != len(shown):
        raise DataError(f"{len(axes)} axes are given for {len(shown)} latents; give one per latent")
    rows = np.random.default_rng(seed).permutation(len(true))[:_MOST_POINTS]
    for ax, i in zip(axes, shown, strict=True):
        _draw(ax, true[rows, i], learned[rows, order[i]] if order[i] >= 0 else None)
        ax.set_title(f"{shorten(labels[i], 14)}  {abs(correlations[i]):.3f}", **text_options(_TEXT), pad=3)
    return list(axes)


def _draw(ax: Axes, true: NDArray[np.float64], learned: NDArray[np.float64] | None) -> None:
    ax.set(xticks=[], yticks=[])
    ax.spines[:].set_color(ITSELF)
    ax.set_box_aspect(1)
    if learned is None:
        ax.text(
            0.5, 0.5, "no match", transform=ax.transAxes, ha="center", va="center", fontsize=_TEXT, color=INK
        )
        return
    ax.scatter(true, learned, s=1.6, color=PAST, alpha=0.35, linewidth=0, rasterized=True)


def _grid(count: int) -> list[Axes]:
    from matplotlib import pyplot as plt

    columns = min(count, 5 if count <= 20 else 6)
    rows = -(-count // columns)
    size = (_PANEL * columns + 0.5, (_PANEL + 0.25) * rows + 0.5)
    figure, axes = plt.subplots(rows, columns, figsize=size, layout="constrained", squeeze=False)
    flat = list(axes.ravel())
    for ax in flat[count:]:
        ax.set_axis_off()
    figure.supxlabel("true latent", fontsize=9, color=INK)
    figure.supylabel("learned latent", fontsize=9, color=INK)
    return flat[:count]


def _flat(values: ArrayLike, what: str) -> NDArray[np.float64]:
    array = np.asarray(values, dtype=float)
    if array.ndim not in (2, 3):
        raise DataError(f"{what} has shape {array.shape}; it needs (N, n) or (N, T, n)")
    return array.reshape(-1, array.shape[-1])


def _require_fit(
    true: NDArray[np.float64], learned: NDArray[np.float64], order: NDArray[np.int64], names: Sequence[str]
) -> None:
    if len(true) != len(learned):
        raise DataError(f"z has {len(true)} points, z_hat has {len(learned)}; they must be the same points")
    if order.shape != (true.shape[1],) or len(names) != true.shape[1]:
        raise DataError(
            f"{true.shape[1]} true latents, but a permutation of shape {order.shape} and {len(names)} names; "
            "give one of each per true latent"
        )
    if order.size and not -1 <= order.min() <= order.max() < learned.shape[1]:
        raise DataError(
            f"the permutation reaches {order.max()}; there are {learned.shape[1]} learned latents"
        )


def _correlation(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    spread = a.std() * b.std()
    return float(np.mean((a - a.mean()) * (b - b.mean())) / spread) if spread > 0 else 0.0
