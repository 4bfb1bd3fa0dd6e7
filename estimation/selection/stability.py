"""Stability across seeds: the unsupervised disentanglement ranking, as published and up to predicted entanglement.

Source: Duan et al., "Unsupervised model selection for variational disentangled representation learning",
arXiv 1905.12614; with the mean correlation coefficient between runs in Lachapelle et al., arXiv 2401.04890, the
appendix on hyperparameter selection.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from estimation.arithmetic import default_errors
from estimation.exceptions import DataError
from estimation.metrics import mean_correlation, multiple_correlation
from identify.entanglement import predict_entanglement
from identify.graph import CausalGraph

__all__ = ["Stability", "partial_udr", "udr"]


@dataclass(frozen=True, eq=False)
class Stability:
    """Agreement between runs with the same setting and different seeds.

    Attributes:
        score: Median agreement over the pairs of runs, from 0 to 1.
        pairs: Agreement of every pair of runs, shape (S, S), symmetric, with ones on the diagonal.
    """

    score: float
    pairs: NDArray[np.float64]

    @property
    def per_run(self) -> NDArray[np.float64]:
        """Median agreement of each run with the others, shape (S,). A run far below the rest has failed."""
        off_diagonal = ~np.eye(len(self.pairs), dtype=bool)
        return np.array(
            [np.median(row[others]) for row, others in zip(self.pairs, off_diagonal, strict=True)]
        )


@default_errors
def udr(latents: Sequence[ArrayLike]) -> Stability:
    """Return the mean correlation coefficient between the latents of two seeds, as the median over pairs of seeds.

    Args:
        latents: Encodings of the same observations by each of S runs, each of shape (N, n) or (N, T, n). The number of
            latents may differ between runs.

    Returns:
        The agreement of all pairs of runs, and its median.

    Raises:
        DataError: If there are fewer than two runs, the arrays have different lengths, or an entry is not finite.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> z = rng.normal(size=(1000, 3))
        >>> round(udr([z, -z[:, [2, 0, 1]], 5 * z]).score, 6)
        1.0
        >>> udr([z, rng.normal(size=(1000, 3))]).score < 0.1
        True
    """
    return _pairwise_stability(latents, lambda a, b, _: mean_correlation(a, b).score)


@default_errors
def partial_udr(latents: Sequence[ArrayLike], graphs: Sequence[CausalGraph]) -> Stability:
    """Return R_con between the latents of two seeds, given the entanglement that their graphs predict.

    Latents that the theory cannot identify separately may mix differently in every run, which lowers `udr`. This score
    regresses each latent of a run on the latents of the other run that it may mix with. If the graphs allow all latents
    to mix, all runs with the same information agree. Use this score together with sparsity and fit, as ``select`` does.

    Args:
        latents: Encodings of the same observations by each of S runs; see `udr`.
        graphs: Learned graph of each run, with its latents in the order of the columns.

    Returns:
        The agreement of all pairs of runs, and its median.

    Raises:
        DataError: If `udr` would raise it, the number of graphs is not the number of runs, or a graph has a different
            number of latents than its run.

    Example:
        >>> z = np.random.default_rng(0).normal(size=(1000, 2))
        >>> rotated = z @ np.array([[0.8, 0.6], [-0.6, 0.8]])
        >>> entangled, disentangled = CausalGraph(Ga=[[1], [1]]), CausalGraph(Ga=[[1, 0], [0, 1]])
        >>> round(partial_udr([z, rotated], [entangled, entangled]).score, 3)
        1.0
        >>> strict = partial_udr([z, rotated], [disentangled, disentangled])
        >>> round(strict.score, 1) == round(udr([z, rotated]).score, 1) == 0.8
        True
    """
    arrays = [np.asarray(values, dtype=float) for values in latents]
    if len(graphs) != len(arrays):
        raise DataError(
            f"there are {len(graphs)} graphs for {len(arrays)} runs; give the learned graph of each run"
        )
    for number, (array, graph) in enumerate(zip(arrays, graphs, strict=True)):
        if array.ndim and array.shape[-1] != graph.n_latents:
            raise DataError(
                f"the graph of run {number} has {graph.n_latents} latents, but its array has {array.shape[-1]} "
                "columns; the numbers must be equal"
            )
    predicted = [predict_entanglement(graph) for graph in graphs]
    return _pairwise_stability(arrays, lambda a, b, run: multiple_correlation(a, b, predicted[run]).score)


def _pairwise_stability(latents: Sequence[ArrayLike], score: Callable[..., float]) -> Stability:
    arrays = [np.asarray(values, dtype=float) for values in latents]
    if len(arrays) < 2:
        raise DataError(f"stability needs two runs or more; got {len(arrays)}")
    for number, array in enumerate(arrays):
        if array.shape[:-1] != arrays[0].shape[:-1]:
            raise DataError(
                f"run 0 has latents of shape {arrays[0].shape}, but run {number} has shape {array.shape}; encode the "
                "same observations with every run"
            )
    pairs = np.eye(len(arrays))
    for i, first in enumerate(arrays):
        for j, second in enumerate(arrays[:i]):
            # the score is not symmetric: average over both choices of the reference run
            pairs[i, j] = pairs[j, i] = (score(first, second, i) + score(second, first, j)) / 2
    return Stability(float(np.median(pairs[np.triu_indices(len(arrays), 1)])), pairs)
