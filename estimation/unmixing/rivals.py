"""`rival_bases`: a given basis of the latents against the other bases that a search finds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import linear_sum_assignment

from estimation.device import default_modes
from estimation.unmixing.descent import SAME_PENALTY, determinant_weights, penalties_of, search
from estimation.unmixing.directions import SearchSpace
from estimation.unmixing.effects import Effects
from estimation.unmixing.information import Samples
from identify.entanglement import predict_entanglement
from identify.graph import CausalGraph

__all__ = ["Basis", "Rivals", "left_open", "mixed_latents", "rival_bases"]

Array = NDArray[np.float64]

_N_STARTS = 64
# weight of a standardised latent from which on a basis mixes it into another one; networks' errors reach a fifth
_MIN_WEIGHT = 0.3


@dataclass(frozen=True, eq=False)
class Basis:
    """A basis that the search found.

    Attributes:
        matrix: Its latents as rows in the given ones, of unit variance, shape (n, n).
        penalty: Its penalty.
        negative_log_likelihood: Of the latents in this basis with few edges, in nats per row and up to a constant that
            all bases share; None where effects on distributions choose the basis, or without numbers of edges.
        n_starts: Number of starts that ended in it.
        mixed: Given latents that it mixes with others, though the graph doesn't leave that open.
    """

    matrix: Array
    penalty: float
    negative_log_likelihood: float | None
    n_starts: int
    mixed: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Rivals:
    """The given basis and the others.

    Attributes:
        given: The given basis as it is.
        own: That with the smallest penalty of the bases that are the same up to what the graph leaves open.
        others: Bases that mix some given latents, those with the smallest penalty first.
    """

    given: Basis
    own: Basis
    others: tuple[Basis, ...]


@default_modes
def rival_bases(
    action_effects: ArrayLike | None,
    past_jacobians: ArrayLike | None,
    covariance: ArrayLike,
    residual: ArrayLike,
    *,
    edges: Mapping[str, int] | None = None,
    allowed: NDArray[np.bool_] | None = None,
    noise: ArrayLike | None = None,
    samples: Samples | None = None,
    seed: int = 0,
    n_starts: int = _N_STARTS,
) -> Rivals:
    """Search for bases as `unmix` does, from the given latents and from random bases.

    Args:
        action_effects: As for `unmix`.
        past_jacobians: As for `unmix`.
        covariance: As for `unmix`.
        residual: As for `unmix`.
        edges: Number of edges by kind, ``"actions"`` or ``"past"``, or of both kinds ``"together"``, with which bases
            are compared by their likelihood.
        allowed: Which latent may mix with which, shape (n, n); by default none may.
        noise: As for `unmix`.
        samples: As for `unmix`.
        seed: Seed of the random starts.
        n_starts: Number of random starts.

    Raises:
        DataError: As `unmix`.

    Example:
        >>> effects = np.eye(3) * np.random.default_rng(0).normal(size=(500, 1, 3))
        >>> mixing = np.array([[1.0, 0.5, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
        >>> right = rival_bases(effects, None, np.eye(3) * 2, np.eye(3))
        >>> wrong = rival_bases(mixing @ effects, None, mixing @ mixing.T * 2, mixing @ mixing.T)
        >>> right.own.mixed, any(other.penalty < right.own.penalty for other in right.others)
        ((), False)
        >>> wrong.others[0].mixed, wrong.others[0].penalty < wrong.own.penalty
        ((0, 1), True)
    """
    effects = Effects.of(action_effects, past_jacobians, covariance)
    posterior_covariance = effects.checked("noise", noise)
    effects = effects.with_residual(residual)
    space = SearchSpace.of(effects, posterior_covariance, samples, seed)
    weights = determinant_weights(effects)
    own = space.orthogonal_rows(np.eye(len(effects.covariance)))
    found = search(space.moments, len(space.moved), weights, seed, n_starts, own)
    # the given latents as they are need not be a minimum
    bases = torch.cat([own[None], found])
    penalties = penalties_of(space.moments, bases, weights)

    def basis(start: int, n_ended: int, mixed: tuple[int, ...]) -> Basis:
        matrix = space.full_basis(bases[start])
        likelihood = effects.negative_log_likelihood(matrix, edges) if space.by_means and edges else None
        return Basis(matrix, float(penalties[start]), likelihood, n_ended, mixed)

    n_moved = len(space.moved)
    mixed = [mixed_latents(space.full_basis(each)[:n_moved], effects.covariance, allowed) for each in found]
    same = [start for start, latents in enumerate(mixed, 1) if not latents]
    best = min([0, *same], key=lambda start: float(penalties[start]))
    others = [start for start, latents in enumerate(mixed, 1) if latents]
    rivals = []
    while others:
        first = min(others, key=lambda start: float(penalties[start]))
        alike = [start for start in others if penalties[start] - penalties[first] <= SAME_PENALTY]
        rivals.append(basis(first, len(alike), mixed[first - 1]))
        others = [start for start in others if start not in alike]
    return Rivals(basis(0, 0, ()), basis(best, len(same), ()), tuple(rivals))


def left_open(graph: CausalGraph) -> NDArray[np.bool_]:
    """Return which latents may mix with which according to a graph, the ``allowed`` of `rival_bases`.

    Args:
        graph: The graph of n latents.

    Returns:
        Shape (n, n); entry (i, j) says whether latent i may contain latent j, as in
        `identify.entanglement.predict_entanglement`.

    Example:
        >>> left_open(CausalGraph(Ga=[[1, 0], [1, 1]])).tolist()
        [[True, False], [True, True]]
    """
    return np.asarray(predict_entanglement(graph).matrix.toarray(), dtype=bool).T


def mixed_latents(
    rows: Array, covariance: Array, allowed: NDArray[np.bool_] | None = None
) -> tuple[int, ...]:
    """Return the given latents that a basis mixes though they may not mix, each row matched to one of these latents.

    Args:
        rows: Basis of unit variance in the given latents, shape (k, n) with k up to n.
        covariance: Covariance of the given latents, shape (n, n).
        allowed: Which given latent may mix with which, shape (n, n); by default none may.

    Returns:
        Positions of given latents, in order.

    Example:
        >>> mixed_latents(np.array([[0.0, 1.0, 0.0], [0.8, 0.0, 0.6], [0.6, 0.0, -0.8]]), np.eye(3))
        (0, 2)
    """
    weights = np.abs(rows * np.sqrt(np.diag(covariance)))
    matched, latents = linear_sum_assignment(-weights)
    mixed = set()
    for row, latent in zip(matched.tolist(), latents.tolist(), strict=True):
        others = weights[row] > _MIN_WEIGHT
        others[latent] = False
        if allowed is not None:
            others &= ~allowed[latent]
        if others.any():
            mixed |= {latent, *np.flatnonzero(others).tolist()}
    return tuple(sorted(mixed))
