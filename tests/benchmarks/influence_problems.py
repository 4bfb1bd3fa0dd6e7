"""Simulated problems with known influence: effects of an action on two latents that are proportional up to delta."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from estimation.simulate.mechanisms import Mechanism
from identify.graph import CausalGraph

__all__ = ["KINDS", "LatentProblem", "pair_process", "ring_process"]

Array = NDArray[np.float64]

_FREQUENCIES = (3 / np.pi, 9 / np.pi)


def pair_process(delta: float, variance: float, seed: int) -> Mechanism:
    """Return a process of three latents with two actions each, and a seventh action that acts on latents 0 and 1.

    The effect of the seventh action on latent 1 is that on latent 0 plus delta times another one. The six actions
    determine the latents, so that influence of the seventh may fail without mixing them.

    Args:
        delta: Relative size of the other effect; 0 for exactly proportional effects.
        variance: Variance of the latents' noise.
        seed: Seed of frequencies and phases.
    """
    targets = np.zeros((3, 7), dtype=bool)
    for latent in range(3):
        targets[latent, 2 * latent : 2 * latent + 2] = True
    targets[:2, 6] = True
    rng = np.random.default_rng(seed)
    frequency, phase = rng.uniform(*_FREQUENCIES, (3, 7)), rng.uniform(0, 2 * np.pi, (3, 7))
    other_frequency, other_phase = rng.uniform(*_FREQUENCIES), rng.uniform(0, 2 * np.pi)
    factor = rng.choice([-1, 1]) * rng.uniform(0.7, 1.4)

    def mean(_: Array | None, actions: Array | None) -> Array:
        assert actions is not None
        effects = np.sin(frequency * actions[:, None, :] + phase) * targets
        other = np.sin(other_frequency * actions[:, 6] + other_phase)
        effects[:, 1, 6] = factor * (effects[:, 0, 6] + delta * other)
        return np.asarray(effects.sum(2))

    return Mechanism(CausalGraph(Ga=targets), mean, _constant(variance))


def ring_process(delta: float, variance: float, seed: int) -> Mechanism:
    """Return a process of four latents and four actions, of which action l acts on latents l and l + 1 (modulo 4).

    The two effects of every action are proportional up to delta. The graph satisfies the criterion, so that the latents
    can be recovered as far as influence is sufficient.

    Args:
        delta: Relative size of the difference of the two effects.
        variance: Variance of the latents' noise.
        seed: Seed of frequencies and phases.
    """
    n = 4
    targets = np.zeros((n, n), dtype=bool)
    for action in range(n):
        targets[[action, (action + 1) % n], action] = True
    rng = np.random.default_rng(seed)
    frequency, phase = rng.uniform(*_FREQUENCIES, (2, n)), rng.uniform(0, 2 * np.pi, (2, n))
    factor = rng.choice([-1, 1], n) * rng.uniform(0.7, 1.4, n)

    def mean(_: Array | None, actions: Array | None) -> Array:
        assert actions is not None
        first, other = np.sin(frequency[:, None] * actions + phase[:, None])
        return np.asarray(first + np.roll(factor * (first + delta * other), 1, axis=1))

    return Mechanism(CausalGraph(Ga=targets), mean, _constant(variance))


def _constant(variance: float) -> Callable[[Array | None, Array | None], Array]:
    def value(_: Array | None, actions: Array | None) -> Array:
        assert actions is not None
        return np.full((len(actions), 1), variance)

    return value


@dataclass(frozen=True)
class LatentProblem:
    """Latents whose first action has effects on k of them that are dependent up to delta.

    Attributes:
        kind: One of ``KINDS``: which causes and noise there are.
        n_children: k, 2 or more; with delta 0 the k effects have rank k - 1.
        delta: Size of the independent part of the last effect; noise and effects have size 1.
        n_rows: Number of rows.
        seed: Seed of everything.
    """

    kind: str
    n_children: int
    delta: float
    n_rows: int
    seed: int

    def sample(self) -> tuple[Array, Array, Array | None, CausalGraph]:
        """Return latents, linearly mixed, with actions, past latents or None, and the graph of the mixed latents."""
        rng = np.random.default_rng([self.seed, self.n_children, KINDS.index(self.kind)])
        k, n = self.n_children, self.n_rows
        actions, past = self._causes(rng)
        effects = self._effects(rng, actions, past)
        combinations = np.linalg.qr(rng.normal(size=(k - 1, k - 1)))[0] if k > 1 else np.zeros((0, 0))
        last = effects[:, : k - 1] @ rng.choice([-1, 1], k - 1) / max(np.sqrt(k - 1), 1)
        means = np.column_stack([effects[:, : k - 1] @ combinations, last + self.delta * effects[:, k - 1]])
        for column in range(1, actions.shape[1]):
            frequency, phase = rng.uniform(*_FREQUENCIES, k), rng.uniform(0, 2 * np.pi, k)
            means += np.sin(np.outer(actions[:, column], frequency) + phase)
        if past is not None:
            means += past + np.sin(past) / 2
        noise = rng.laplace(size=(n, k)) / np.sqrt(2) if self.kind == "laplace" else rng.normal(size=(n, k))
        if self.kind == "heteroskedastic":
            # of another action: a variance that depends on the first one would be a second effect
            noise *= np.exp(actions[:, [1]] / 3)
        mixing = np.eye(k) + 0.3 * rng.normal(size=(k, k))
        graph = CausalGraph(
            Ga=np.ones((k, actions.shape[1])), Gz=None if past is None else np.ones((k, past.shape[1]))
        )
        return (means + noise) @ mixing, actions, None if past is None else past @ mixing, graph

    def _causes(self, rng: np.random.Generator) -> tuple[Array, Array | None]:
        n = self.n_rows
        actions = rng.uniform(-2, 2, (n, 3))
        if self.kind == "correlated":
            actions[:, 0] = 0.7 * actions[:, 0] + 0.5 * actions[:, 1] + 0.2 * actions[:, 2] ** 2
        if self.kind == "on_off_past":
            actions = np.eye(4)[rng.integers(0, 4, n)][:, 1:]
        if self.kind == "skewed":
            actions = rng.lognormal(0, 0.5, (n, 3))
        past = rng.normal(size=(n, self.n_children)) if self.kind.endswith("past") else None
        return actions, past

    def _effects(self, rng: np.random.Generator, actions: Array, past: Array | None) -> Array:
        k = self.n_children
        frequency, phase = 1 + np.arange(k), rng.uniform(0, 2 * np.pi, k)
        if self.kind == "on_off_past":
            assert past is not None
            return np.asarray(np.sqrt(2) * actions[:, [0]] * (np.sin(past + phase) + 0.5))
        return np.asarray(np.sqrt(2) * np.sin(np.outer(actions[:, 0], frequency) + phase))


#: Independent uniform actions; dependent ones; a past; on/off actions whose effect depends on the past; noise that is
#: not normal; noise whose variance depends on another action; lognormal doses, few of which are large.
KINDS = ("independent", "correlated", "past", "on_off_past", "laplace", "heteroskedastic", "skewed")
