"""Do seeds agree? The unsupervised disentanglement ranking, as published and up to the predicted entanglement.

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

__all__ = ["Agreement", "partial_udr", "udr"]


@dataclass(frozen=True, eq=False)
class Agreement:
    """How well runs with the same setting agree.

    Attributes:
        score: the median over pairs of runs, 0 to 1.
        pairs: shape (S, S), symmetric, 1 on the diagonal.
    """

    score: float
    pairs: NDArray[np.float64]

    @property
    def per_run(self) -> NDArray[np.float64]:
        """Shape (S,): the median agreement of each run with the others. A run far below the rest has failed."""
        others = ~np.eye(len(self.pairs), dtype=bool)
        return np.array([np.median(row[own]) for row, own in zip(self.pairs, others, strict=True)])


@default_errors
def udr(latents: Sequence[ArrayLike]) -> Agreement:
    """The median over pairs of seeds of the mean correlation coefficient between their latents.

    Args:
        latents: what each of S runs makes of the same observations, each of shape (N, n) or (N, T, n); numbers of
            latents may differ.

    Raises:
        DataError: fewer than two runs, arrays of different length, or an entry that is not finite.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> z = rng.normal(size=(1000, 3))
        >>> round(udr([z, -z[:, [2, 0, 1]], 5 * z]).score, 6)
        1.0
        >>> udr([z, rng.normal(size=(1000, 3))]).score < 0.1
        True
    """
    return _agreement(latents, lambda a, b, _: mean_correlation(a, b).score)


@default_errors
def partial_udr(latents: Sequence[ArrayLike], graphs: Sequence[CausalGraph]) -> Agreement:
    """The same up to what the learned graphs predict: R_con between seeds, with the entanglement of the one's graph.

    Latents that the theory can't tell apart may mix differently in every run. `udr` calls that disagreement; here each
    latent of a run is regressed on those of the other run that it may mix with. With graphs in which everything
    may mix, all runs that hold the same information agree: look at sparsity and fit beside it, as `select` does.

    Args:
        latents: as for `udr`.
        graphs: the learned graph of each run, its latents in the order of the columns.

    Raises:
        DataError: as for `udr`; not one graph per run, or one with another number of latents.

    Example:
        >>> z = np.random.default_rng(0).normal(size=(1000, 2))
        >>> turned = z @ np.array([[0.8, 0.6], [-0.6, 0.8]])
        >>> together, apart = CausalGraph(Ga=[[1], [1]]), CausalGraph(Ga=[[1, 0], [0, 1]])
        >>> round(partial_udr([z, turned], [together, together]).score, 3)
        1.0
        >>> round(partial_udr([z, turned], [apart, apart]).score, 1) == round(udr([z, turned]).score, 1) == 0.8
        True
    """
    arrays = [np.asarray(each, dtype=float) for each in latents]
    if len(graphs) != len(arrays):
        raise DataError(
            f"there are {len(graphs)} graphs for {len(arrays)} runs; give the learned graph of each"
        )
    for number, (array, graph) in enumerate(zip(arrays, graphs, strict=True)):
        if array.ndim and array.shape[-1] != graph.n_latents:
            raise DataError(
                f"the graph of run {number} has {graph.n_latents} latents, its array {array.shape[-1]}; they must agree"
            )
    predicted = [predict_entanglement(graph) for graph in graphs]
    return _agreement(arrays, lambda a, b, run: multiple_correlation(a, b, predicted[run]).score)


def _agreement(latents: Sequence[ArrayLike], score: Callable[..., float]) -> Agreement:
    arrays = [np.asarray(each, dtype=float) for each in latents]
    if len(arrays) < 2:
        raise DataError(f"agreement needs two runs or more; {len(arrays)} given")
    for number, array in enumerate(arrays):
        if array.shape[:-1] != arrays[0].shape[:-1]:
            raise DataError(
                f"run 0 has latents of shape {arrays[0].shape}, run {number} of shape {array.shape}; encode the same "
                "observations with every run"
            )
    pairs = np.eye(len(arrays))
    for i, first in enumerate(arrays):
        for j, second in enumerate(arrays[:i]):
            # either run may be taken for the truth
            pairs[i, j] = pairs[j, i] = (score(first, second, i) + score(second, first, j)) / 2
    return Agreement(float(np.median(pairs[np.triu_indices(len(arrays), 1)])), pairs)
