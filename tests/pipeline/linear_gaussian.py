"""Linear-Gaussian processes whose best ELBO is known: an oracle for a whole training run.

    z_i = sqrt(1 - q) a_i + sqrt(q) noise          `Acted`: one action for each of n latents, a ~ N(0, 1)
    z_i^2 = sqrt(1 - q) z_i^1 + sqrt(q) noise      `Moved`: two steps, z^1 ~ N(0, 1)
    x = W z + s noise                              d coordinates, the columns of W orthogonal, its rows of length 1

Every coordinate of x has variance 1 + s^2, and so has the noise the same size in all coordinates of the standardised
observations y. Let S be the covariance of y. In the n directions of W its variance is lam = (k + s^2) / (1 + s^2) with
k = d / n, and in the others nu = s^2 / (1 + s^2).

An encoder q(z|x) = N(E y, V), V diagonal, sees one step and no action: the bound stays below the likelihood. With the
decoder, the linear transition and both variances at their optimum, the negative ELBO per coordinate is

    T / 2 log(2 pi e tr(S - S E' (E S E' + V)^-1 E S) / d)      reconstruction of T steps by the best linear map
    + sum_i log(residual_i / V_i) / 2d                          of z_i given its cause
    + sum_i ((E S E' + V)_ii - 1 - log V_i) / 2d                first step of two, from N(0, 1)

where the residual is diag(E R E' + V) with R the covariance of y given a, or what is left of z^2 after the best linear
map of z^1. `negative_elbo_of` has it for any E and V; `best_negative_elbo` is its least value. For `Acted` the scale of
a latent is free, so let V = 1; along the directions of W, with p the squared length of a row of E and mu the variance
of y given a in these directions,

    log(2 pi e (n lam / (1 + p lam) + (d - n) nu) / d) / 2 + n log(1 + p mu) / 2d

has a derivative in p that vanishes where a quadratic equation in 1 + p lam does.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.linalg import hadamard
from scipy.optimize import minimize
from torch import Tensor, nn

from estimation.dataset import Dataset
from identify.graph import CausalGraph
from tests.seeds import training_seed

__all__ = ["Acted", "LinearGaussian", "Moved"]

Array = NDArray[np.float64]


class _Linear(nn.Module):
    """The true decoder."""

    def __init__(self, matrix: Array) -> None:
        super().__init__()
        self.matrix = torch.from_numpy(matrix.T.copy())

    def forward(self, latents: Tensor) -> Tensor:
        return latents @ self.matrix.to(latents)


@dataclass(frozen=True)
class LinearGaussian:
    """What both processes share.

    Attributes:
        n_latents: n.
        n_observed: d, a power of 2 larger than n.
        noise: s.
        share: q, how much of the variance of a latent is not explained by its cause.
    """

    n_latents: int = 4
    n_observed: int = 8
    noise: float = 0.5
    share: float = 0.4

    @property
    def mixing(self) -> Array:
        """W, shape (d, n)."""
        return hadamard(self.n_observed)[:, : self.n_latents] / self.n_latents**0.5

    @property
    def directions(self) -> Array:
        """The unit vectors along which the latents move y, shape (n, d)."""
        return self.mixing.T * (self.n_latents / self.n_observed) ** 0.5

    @property
    def effect(self) -> float:
        """Of a cause, sqrt(1 - q)."""
        return (1 - self.share) ** 0.5

    @property
    def reliability(self) -> float:
        """The correlation of a latent with its best estimate from x alone: no encoder does better."""
        k = self.n_observed / self.n_latents
        return (k / (k + self.noise**2)) ** 0.5

    def covariance(self, share: float) -> Array:
        """That of y when only a share of the latents' variance is left."""
        latent = share * self.mixing @ self.mixing.T
        return (latent + self.noise**2 * np.eye(self.n_observed)) / (1 + self.noise**2)

    def observe(self, latents: Array, rng: np.random.Generator) -> Array:
        """x of latents (..., n), shape (..., d)."""
        return latents @ self.mixing.T + self.noise * rng.normal(size=(*latents.shape[:-1], self.n_observed))

    def follow(self, cause: Array, rng: np.random.Generator) -> Array:
        """The latents that a cause leads to."""
        return self.effect * cause + self.share**0.5 * rng.normal(size=cause.shape)

    def reconstruction(self, encoder: Array, variances: Array) -> float:
        """The negative log-likelihood per coordinate and step, with the best linear decoder."""
        every = self.covariance(1)
        shared = encoder @ every
        gained = shared.T @ np.linalg.solve(shared @ encoder.T + np.diag(variances), shared)
        return float(np.log(2 * np.pi * np.e * np.trace(every - gained) / self.n_observed)) / 2


@dataclass(frozen=True)
class Acted(LinearGaussian):
    """One action for each latent, one step."""

    @property
    def graph(self) -> CausalGraph:
        return CausalGraph(Ga=np.eye(self.n_latents))

    def sample(self, n_samples: int, seed: int) -> Dataset:
        rng = np.random.default_rng(training_seed(seed))
        a = rng.normal(size=(n_samples, self.n_latents))
        z = self.follow(a, rng)
        decoder = _Linear(self.mixing)
        return Dataset.from_arrays(
            self.observe(z, rng), actions=a, latents=z, graph=self.graph, decoder=decoder
        )

    def negative_elbo_of(self, encoder: Array, variances: Array) -> float:
        """Of an encoder, shape (n, d), and posterior variances, shape (n,), with everything else at its optimum."""
        residual = np.diag(encoder @ self.covariance(self.share) @ encoder.T) + variances
        divergence = np.log(residual / variances).sum() / (2 * self.n_observed)
        return self.reconstruction(encoder, variances) + float(divergence)

    @property
    def best_negative_elbo(self) -> float:
        n, d = self.n_latents, self.n_observed
        direction = self.directions[0]
        lam, mu = (direction @ self.covariance(share) @ direction for share in (1, self.share))
        nu = self.noise**2 / (1 + self.noise**2)
        one_plus = lam / (2 * nu) * (1 + (1 + 4 * d * nu * (1 - mu / lam) / ((d - n) * mu)) ** 0.5)
        length = ((one_plus - 1) / lam) ** 0.5
        return self.negative_elbo_of(length * self.directions, np.ones(n))

    @property
    def entropy(self) -> float:
        """-E log p(y | a) per coordinate."""
        return _entropy(self.covariance(self.share))

    def negative_log_likelihood(self, dataset: Dataset) -> Array:
        """-log p(y | a) per coordinate under the true process, shape (N,)."""
        assert dataset.actions is not None
        rows = dataset.observations[:, 0] - self.effect * dataset.actions @ self.mixing.T
        return _surprise(rows / (1 + self.noise**2) ** 0.5, self.covariance(self.share))


@dataclass(frozen=True)
class Moved(LinearGaussian):
    """Every latent follows its own past, two steps."""

    @property
    def graph(self) -> CausalGraph:
        return CausalGraph(Gz=np.eye(self.n_latents))

    def sample(self, n_samples: int, seed: int) -> Dataset:
        rng = np.random.default_rng(training_seed(seed))
        before = rng.normal(size=(n_samples, self.n_latents))
        z = np.stack([before, self.follow(before, rng)], axis=1)
        decoder = _Linear(self.mixing)
        return Dataset.from_arrays(self.observe(z, rng), latents=z, graph=self.graph, decoder=decoder)

    def negative_elbo_of(self, encoder: Array, variances: Array) -> float:
        """Of an encoder, shape (n, d), and posterior variances, shape (n,), with everything else at its optimum."""
        latents = encoder @ self.covariance(1) @ encoder.T + np.diag(variances)
        shared = encoder @ self._between @ encoder.T
        residual = np.diag(latents - shared @ np.linalg.solve(latents, shared.T))
        second = np.log(residual / variances).sum()
        first = (np.diag(latents) - 1 - np.log(variances)).sum()
        divergence = (first + second) / (2 * self.n_observed)
        return 2 * self.reconstruction(encoder, variances) + float(divergence)

    @property
    def best_negative_elbo(self) -> float:
        """The least over the length of the rows of E along W, and one posterior variance."""
        ones = np.ones(self.n_latents)
        found = minimize(
            lambda p: self.negative_elbo_of(np.exp(p[0]) * self.directions, np.exp(p[1]) * ones), [-0.5, -2]
        )
        return float(found.fun)

    @property
    def entropy(self) -> float:
        """-E log p(y^1, y^2), over both steps per coordinate."""
        return 2 * _entropy(self._both)

    def negative_log_likelihood(self, dataset: Dataset) -> Array:
        """-log p(y^1, y^2), over both steps per coordinate, under the true process, shape (N,)."""
        rows = dataset.observations.reshape(len(dataset), -1) / (1 + self.noise**2) ** 0.5
        return 2 * _surprise(rows, self._both)

    @property
    def _between(self) -> Array:
        """The covariance of y^2 with y^1."""
        return self.effect * self.mixing @ self.mixing.T / (1 + self.noise**2)

    @property
    def _both(self) -> Array:
        step = self.covariance(1)
        return np.block([[step, self._between], [self._between, step]])


def _entropy(covariance: Array) -> float:
    return float(np.linalg.slogdet(2 * np.pi * np.e * covariance)[1]) / (2 * len(covariance))


def _surprise(rows: Array, covariance: Array) -> Array:
    """-log of the centred Gaussian density, per coordinate."""
    spread = np.einsum("ij,ij->i", rows, np.linalg.solve(covariance, rows.T).T)
    return (spread + np.linalg.slogdet(2 * np.pi * covariance)[1]) / (2 * rows.shape[1])
