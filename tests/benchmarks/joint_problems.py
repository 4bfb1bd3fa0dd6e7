"""Simulated panels of actions for which joint influence is known to hold or to fail, by construction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from identify.graph import CausalGraph
from identify.influence.joint import check_joint_generic

__all__ = ["DESIGNS", "FAINT", "FAINT_SIZE", "NOISES", "PROPORTIONAL", "TRUTHS", "JointProblem"]

Array = NDArray[np.float64]

#: One on/off action per row, or none; on/off actions that occur together; doses.
DESIGNS = ("screen", "combined", "doses")
#: Which actions with several targets have proportional effects; on/off actions always have.
PROPORTIONAL = ("all", "one", "none")
NOISES = ("normal", "laplace")
TRUTHS = ("holds", "fails")

#: Which actions have faint effects: none; about half of them; or one without which joint influence would hold.
FAINT = ("none", "half", "worst")
#: Size of faint effects, in standard deviations of the noise.
FAINT_SIZE = 0.05

_LATENTS = (4, 5, 6)
# so many actions more than latents; joint influence of on/off actions needs many of them
_FEW_MORE, _MANY_MORE = (0, 5), (5, 10)
_MORE_DOSES = (0, 3)
_SHARE_OF_ROWS = 0.3
_MAX_DRAWS = 5_000


@dataclass(frozen=True)
class JointProblem:
    """Latents that a random panel of actions moves, and whether joint influence holds.

    The latents are the true ones up to scale: another basis would have another graph.

    Attributes:
        design: One of ``DESIGNS``.
        n_targets: Number of targets of half of the actions, on average, or of a quarter if there is a worst one; the
            others have one.
        proportional: One of ``PROPORTIONAL``. Such an action moves one direction, the others all directions of their
            children.
        truth: Whether joint influence ``"holds"`` or ``"fails"`` for the numbers of directions that the actions move.
            If it fails, it would hold if every action moved all directions of its children, so that errors matter.
        noise: One of ``NOISES``, with variance 1.
        size: Size of the effects, in standard deviations of the noise.
        faint: One of ``FAINT``: which actions have effects of size ``FAINT_SIZE`` instead. ``"worst"`` needs panels for
            which joint influence fails.
        n_rows: Number of rows.
        seed: Seed of everything.
    """

    design: str
    n_targets: int
    proportional: str
    truth: str
    noise: str
    size: float
    faint: str
    n_rows: int
    seed: int

    @property
    def graph(self) -> CausalGraph:
        """The graph of the panel."""
        return self._panel[0]

    @property
    def ranks(self) -> tuple[int, ...]:
        """The number of directions that each action moves."""
        return self._panel[1]

    def sample(self) -> tuple[Array, Array]:
        """Return latents, shape (N, n), and actions, shape (N, m)."""
        options = (NOISES.index(self.noise), round(100 * self.size), FAINT.index(self.faint))
        rng = np.random.default_rng([*self._key, *options, self.n_rows])
        targets = self.graph.Ga.toarray()
        n, m = targets.shape
        actions = self._actions(rng, m)
        sizes = np.full(m, self.size)
        if self.faint == "half":
            sizes[rng.random(m) < 1 / 2] = FAINT_SIZE
        if self.faint == "worst":
            sizes[self._panel[2]] = FAINT_SIZE
        latents = rng.normal(size=(self.n_rows, n))
        if self.noise == "laplace":
            latents = rng.laplace(size=(self.n_rows, n)) / np.sqrt(2)
        for action, rank in enumerate(self.ranks):
            children = np.flatnonzero(targets[:, action])
            latents[:, children] += sizes[action] * self._effects(
                rng, actions[:, action], len(children), rank
            )
        return latents * rng.choice([-1, 1], n) * rng.uniform(0.5, 2, n), actions

    @property
    def _key(self) -> tuple[int, ...]:
        design, proportional = DESIGNS.index(self.design), PROPORTIONAL.index(self.proportional)
        worst = [1] if self.faint == "worst" else []
        return self.seed, design, self.n_targets, proportional, TRUTHS.index(self.truth), *worst

    @property
    def _panel(self) -> tuple[CausalGraph, tuple[int, ...], int]:
        worst = self.faint == "worst"
        return _random_panel(self.design, self.n_targets, self.proportional, self.truth, worst, self._key)

    def _actions(self, rng: np.random.Generator, m: int) -> Array:
        if self.design == "screen":
            return np.asarray(np.eye(m + 1)[rng.integers(m + 1, size=self.n_rows)][:, 1:])
        if self.design == "combined":
            return np.asarray(rng.random((self.n_rows, m)) < _SHARE_OF_ROWS, dtype=float)
        return rng.uniform(-2, 2, (self.n_rows, m))

    def _effects(self, rng: np.random.Generator, action: Array, n_children: int, rank: int) -> Array:
        """Return effects of about size 1 on the children that span so many directions."""
        functions = action[:, None]
        if self.design == "doses":
            frequency, phase = 1 + np.arange(rank), rng.uniform(0, 2 * np.pi, rank)
            functions = np.sqrt(2) * np.sin(np.outer(action, frequency) + phase)
        if rank == 1:
            return np.asarray(functions * rng.choice([-1, 1], n_children) * rng.uniform(0.5, 1.5, n_children))
        # all directions of the children: well-conditioned combinations
        assert rank == n_children
        return np.asarray(functions @ np.linalg.qr(rng.normal(size=(rank, n_children)))[0])


# the panel is the same for all sizes, noises and numbers of rows
@lru_cache(maxsize=1_000)
def _random_panel(
    design: str, n_targets: int, proportional: str, truth: str, worst: bool, key: tuple[int, ...]
) -> tuple[CausalGraph, tuple[int, ...], int]:
    """Return a random graph, numbers of directions for which the truth is as it should be, and the worst action or -1.

    Without the worst action, joint influence would hold.
    """
    rng = np.random.default_rng(key)
    on_off = _MANY_MORE if truth == "holds" else _FEW_MORE
    more = _MORE_DOSES if design == "doses" else on_off
    # with many single targets, the one action decides more often
    single = 3 / 4 if worst else 1 / 2
    for _ in range(_MAX_DRAWS):
        targets = _random_targets(rng, n_targets, single, more)
        n_children = targets.sum(0)
        several = np.flatnonzero(n_children > 1)
        if not len(several) or not targets.any(1).all():
            continue
        moved = n_children.copy()
        chosen = {"all": several, "one": several[rng.integers(len(several), size=1)], "none": several[:0]}
        moved[chosen[proportional]] = 1
        graph, ranks = CausalGraph(Ga=targets), tuple(moved.tolist())
        if _holds(graph, ranks) != (truth == "holds"):
            continue
        if truth == "fails" and not _holds(graph, n_children.tolist()):
            continue
        without = [a for a in several if worst and _holds(graph, [*ranks[:a], 0, *ranks[a + 1 :]])]
        if without or not worst:
            return graph, ranks, int(without[0]) if worst else -1
    raise RuntimeError(f"no panel of {design} found for which joint influence {truth}")


def _random_targets(
    rng: np.random.Generator, n_targets: int, single: float, more: tuple[int, int]
) -> NDArray[np.bool_]:
    n = int(rng.choice(_LATENTS))
    m = n + int(rng.integers(*more, endpoint=True))
    targets = np.zeros((n, m), dtype=bool)
    for action in range(m):
        size = 1 if rng.random() < single else n_targets
        targets[rng.choice(n, size, replace=False), action] = True
    return targets


def _holds(graph: CausalGraph, ranks: Sequence[int]) -> bool:
    return check_joint_generic(graph, ranks, basis=False).status == "holds"
