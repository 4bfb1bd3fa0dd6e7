"""Linear-Gaussian processes whose optimal ELBO is known: the expected result of an entire training run.

    z_i = sqrt(1 - q) a_i + sqrt(q) noise          `DrivenByActions`: one action for each of n latents, a ~ N(0, 1)
    z_i^2 = sqrt(1 - q) z_i^1 + sqrt(q) noise      `DrivenByPast`: two steps, z^1 ~ N(0, 1)
    x = W z + s noise                              d coordinates, the columns of W orthogonal, its rows of length 1

Every coordinate of x has variance 1 + s^2, so the noise has the same size in all coordinates of the standardised
observations y. Let S be the covariance of y. In the n directions of W, its variance is lam = (k + s^2) / (1 + s^2) with
k = d / n; in the others, it is nu = s^2 / (1 + s^2).

An encoder q(z|x) = N(E y, V), V diagonal, reads one step and no action, so the ELBO is below the log-likelihood. With
the optimal decoder, linear transition and variances, the negative ELBO per coordinate is

    T / 2 log(2 pi e tr(S - S E' (E S E' + V)^-1 E S) / d)      reconstruction of T steps by the best linear map
    + sum_i log(residual_i / V_i) / 2d                          of z_i given its cause
    + sum_i ((E S E' + V)_ii - 1 - log V_i) / 2d                first step of two, from N(0, 1)

where the residual is diag(E R E' + V) with R the covariance of y given a, or the residual of the regression of z^2 on
z^1. `negative_elbo_of` computes it for any E and V; `best_negative_elbo` is its minimum. In `DrivenByActions` the scale
of a latent is free, so let V = 1; along the directions of W, with p the squared length of a row of E and mu the
variance of y given a in these directions,

    log(2 pi e (n lam / (1 + p lam) + (d - n) nu) / d) / 2 + n log(1 + p mu) / 2d

has a derivative in p whose zeros solve a quadratic equation in 1 + p lam.
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

__all__ = ["DrivenByActions", "DrivenByPast", "LinearGaussian"]

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
    """Parameters and formulas that both processes share.

    Attributes:
        n_latents: Number of latents, n.
        n_observed: Number of observed coordinates, d, a power of 2 larger than n.
        noise: Standard deviation of the observation noise, s.
        share: Share of the variance of a latent that its cause doesn't explain, q.
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
        """The coefficient of the cause, sqrt(1 - q)."""
        return (1 - self.share) ** 0.5

    @property
    def reliability(self) -> float:
        """The correlation of a latent with its optimal estimate from x, which no encoder exceeds."""
        k = self.n_observed / self.n_latents
        return (k / (k + self.noise**2)) ** 0.5

    def covariance(self, share: float) -> Array:
        """Return the covariance of y if the latents have only this share of their variance."""
        latent = share * self.mixing @ self.mixing.T
        return (latent + self.noise**2 * np.eye(self.n_observed)) / (1 + self.noise**2)

    def observe(self, latents: Array, rng: np.random.Generator) -> Array:
        """Return observations x of latents (..., n), shape (..., d)."""
        return latents @ self.mixing.T + self.noise * rng.normal(size=(*latents.shape[:-1], self.n_observed))

    def caused_latents(self, cause: Array, rng: np.random.Generator) -> Array:
        """Sample the latents given their causes."""
        return self.effect * cause + self.share**0.5 * rng.normal(size=cause.shape)

    def reconstruction(self, encoder: Array, variances: Array) -> float:
        """Return the negative log-likelihood per coordinate and step, with the optimal linear decoder."""
        total = self.covariance(1)
        cross = encoder @ total
        explained = cross.T @ np.linalg.solve(cross @ encoder.T + np.diag(variances), cross)
        return float(np.log(2 * np.pi * np.e * np.trace(total - explained) / self.n_observed)) / 2


@dataclass(frozen=True)
class DrivenByActions(LinearGaussian):
    """One action for each latent, one step."""

    @property
    def graph(self) -> CausalGraph:
        return CausalGraph(Ga=np.eye(self.n_latents))

    def sample(self, n_samples: int, seed: int) -> Dataset:
        rng = np.random.default_rng(training_seed(seed))
        a = rng.normal(size=(n_samples, self.n_latents))
        z = self.caused_latents(a, rng)
        decoder = _Linear(self.mixing)
        return Dataset.from_arrays(
            self.observe(z, rng), actions=a, latents=z, graph=self.graph, decoder=decoder
        )

    def negative_elbo_of(self, encoder: Array, variances: Array) -> float:
        """Return the negative ELBO of an encoder (n, d) and posterior variances (n,), with everything else optimal."""
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
        """Return -log p(y | a) per coordinate under the true process, shape (N,)."""
        assert dataset.actions is not None
        rows = dataset.observations[:, 0] - self.effect * dataset.actions @ self.mixing.T
        return _negative_log_density(rows / (1 + self.noise**2) ** 0.5, self.covariance(self.share))


@dataclass(frozen=True)
class DrivenByPast(LinearGaussian):
    """Every latent depends on its own past, two steps."""

    @property
    def graph(self) -> CausalGraph:
        return CausalGraph(Gz=np.eye(self.n_latents))

    def sample(self, n_samples: int, seed: int) -> Dataset:
        rng = np.random.default_rng(training_seed(seed))
        before = rng.normal(size=(n_samples, self.n_latents))
        z = np.stack([before, self.caused_latents(before, rng)], axis=1)
        decoder = _Linear(self.mixing)
        return Dataset.from_arrays(self.observe(z, rng), latents=z, graph=self.graph, decoder=decoder)

    def negative_elbo_of(self, encoder: Array, variances: Array) -> float:
        """Return the negative ELBO of an encoder (n, d) and posterior variances (n,), with everything else optimal."""
        latents = encoder @ self.covariance(1) @ encoder.T + np.diag(variances)
        cross = encoder @ self._cross_covariance @ encoder.T
        residual = np.diag(latents - cross @ np.linalg.solve(latents, cross.T))
        second = np.log(residual / variances).sum()
        first = (np.diag(latents) - 1 - np.log(variances)).sum()
        divergence = (first + second) / (2 * self.n_observed)
        return 2 * self.reconstruction(encoder, variances) + float(divergence)

    @property
    def best_negative_elbo(self) -> float:
        """The minimum over the length of the rows of E along W and over one posterior variance."""
        ones = np.ones(self.n_latents)
        minimum = minimize(
            lambda p: self.negative_elbo_of(np.exp(p[0]) * self.directions, np.exp(p[1]) * ones), [-0.5, -2]
        )
        return float(minimum.fun)

    @property
    def entropy(self) -> float:
        """-E log p(y^1, y^2) of both steps, per coordinate."""
        return 2 * _entropy(self._joint_covariance)

    def negative_log_likelihood(self, dataset: Dataset) -> Array:
        """Return -log p(y^1, y^2) of both steps, per coordinate, under the true process, shape (N,)."""
        rows = dataset.observations.reshape(len(dataset), -1) / (1 + self.noise**2) ** 0.5
        return 2 * _negative_log_density(rows, self._joint_covariance)

    @property
    def _cross_covariance(self) -> Array:
        """The covariance of y^2 with y^1."""
        return self.effect * self.mixing @ self.mixing.T / (1 + self.noise**2)

    @property
    def _joint_covariance(self) -> Array:
        step = self.covariance(1)
        return np.block([[step, self._cross_covariance], [self._cross_covariance, step]])


def _entropy(covariance: Array) -> float:
    """Return the entropy of a Gaussian, per coordinate."""
    return float(np.linalg.slogdet(2 * np.pi * np.e * covariance)[1]) / (2 * len(covariance))


def _negative_log_density(rows: Array, covariance: Array) -> Array:
    """Return the negative logarithm of the centred Gaussian density, per coordinate."""
    squared_distance = np.einsum("ij,ij->i", rows, np.linalg.solve(covariance, rows.T).T)
    return (squared_distance + np.linalg.slogdet(2 * np.pi * covariance)[1]) / (2 * rows.shape[1])
