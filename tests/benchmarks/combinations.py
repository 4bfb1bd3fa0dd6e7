"""Combinations of interventions that were never measured, predicted from single ones and other pairs.

``python -m tests.benchmarks.combinations --out FILE`` simulates screens of on/off interventions with one or two targets
each. Training rows are controls, single interventions, and a third of the pairs; the other pairs are predicted. One
line of JSON per screen compares, separately for pairs without and with a common target,

- the model's prediction, with added effects and with those of the transition network;
- *mean*: the rows of all seen pairs, whatever the pair;
- *additive*: control rows, shifted by the differences of both single interventions from the controls;
- *vae*: the same in the latents of a plain VAE, decoded (latent arithmetic, as scGen does; Lotfollahi et al. 2019).

The *error* is the squared distance of predicted and true means, summed over pairs, relative to the same sum for the
controls. The *distance* is the energy distance of 500 predicted and 500 measured rows (Székely and Rizzo 2013),
relative to that of the controls in the same way: where two effects cancel, a pair by itself is near the controls.
"""

from __future__ import annotations

import argparse
import itertools
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

from estimation.config import BaselineConfig, TrainingConfig
from estimation.dataset import Dataset
from estimation.evaluation import evaluate
from estimation.simulate import simulate
from estimation.simulate.mechanisms import Mechanism
from estimation.trained import TrainedModel
from estimation.training import fit
from identify.graph import CausalGraph
from identify.influence import check_joint_generic

__all__ = ["Screen", "main", "screen"]

Array = NDArray[np.float64]
Pair = tuple[int, int]
Predict = Callable[[Pair], Array]

_N_LATENTS, _N_ACTIONS, _N_OBSERVED = 6, 14, 60
_VARIANCE = 0.2
_SHIFTS = np.array([1.0, 3.0])
_SHARE_SEEN, _CONTROL, _SINGLE = 1 / 3, 0.2, 0.5
_ROWS, _TEST_ROWS, _COMPARED = 40_000, 2_000, 500
_STEPS = 4_000
# standard deviation of the observations' noise; repetitions of a seen pair among the settings
_NOISE, _REPEATS = 0.1, 20
# pairs of each kind that are predicted
_N_PAIRS = 12


@dataclass(frozen=True)
class Screen:
    """A screen of on/off interventions with a known truth.

    Attributes:
        seed: Seed of graph, effects and samples.
        saturating: Whether effects on the same latent saturate instead of adding up.
        graph: The true graph.
        seen: Pairs of interventions in the training rows.
    """

    seed: int
    saturating: bool
    graph: CausalGraph
    seen: tuple[Pair, ...]

    def data(self, n_rows: int, split: Literal["train", "test"]) -> Dataset:
        """Sample controls, single interventions and seen pairs, in their shares."""
        settings = self._settings()
        table = np.zeros((len(settings), self.graph.n_actions))
        for row, on in zip(table, settings, strict=True):
            row[list(on)] = 1
        return simulate(
            self.graph,
            n_rows,
            seed=self.seed,
            split=split,
            mechanism=self._mechanism(),
            decoder="mlp",
            n_observed=_N_OBSERVED,
            noise=_NOISE,
            actions=lambda n, rng: table[rng.integers(0, len(table), n)],
        )

    def rows_of(self, pair: Pair, train: Dataset, n_rows: int) -> Array:
        """Sample rows of a pair, observed and standardised as the training rows are."""
        actions = np.zeros((n_rows, self.graph.n_actions))
        actions[:, list(pair)] = 1
        rng = np.random.default_rng([self.seed, 5, *pair])
        latents = self._mechanism().sample(None, actions, rng)
        assert train.decoder is not None
        with torch.no_grad():
            clean = train.decoder(torch.as_tensor(latents, dtype=torch.float32)).double().numpy()
        return clean + _NOISE * rng.normal(size=clean.shape)

    def _settings(self) -> list[tuple[int, ...]]:
        """Return settings to draw from, each a tuple of the interventions that are on."""
        n_single = self.graph.n_actions
        pairs = [pair for pair in self.seen for _ in range(_REPEATS)]
        total = len(pairs) / (1 - _CONTROL - _SINGLE)
        singles = [(k,) for k in range(n_single) for _ in range(round(_SINGLE * total / n_single))]
        return [*pairs, *singles, *[()] * round(_CONTROL * total)]

    def held_out(self, shared: bool) -> list[Pair]:
        """Return pairs that were not seen, which share a target or not."""
        targets = self.graph.Ga.toarray()
        pairs = [
            pair
            for pair in itertools.combinations(range(self.graph.n_actions), 2)
            if pair not in self.seen and bool((targets[:, pair[0]] & targets[:, pair[1]]).any()) == shared
        ]
        order = np.random.default_rng([self.seed, 9]).permutation(len(pairs))
        return [pairs[k] for k in order[:_N_PAIRS]]

    def _mechanism(self) -> Mechanism:
        rng = np.random.default_rng([self.seed, 1])
        targets = self.graph.Ga.toarray()
        shifts = rng.uniform(*_SHIFTS, targets.shape) * rng.choice([-1, 1], targets.shape) * targets

        def mean(past: Array | None, actions: Array | None) -> Array:
            assert actions is not None
            total = actions @ shifts.T
            return 3 * np.tanh(total / 3) if self.saturating else total

        def variance(past: Array | None, actions: Array | None) -> Array:
            assert actions is not None
            return np.full((len(actions), self.graph.n_latents), _VARIANCE)

        return Mechanism(self.graph, mean, variance)


def screen(seed: int, saturating: bool) -> Screen:
    """Return a random screen whose joint influence holds for generic effects."""
    rng = np.random.default_rng([seed, 0])
    while True:
        targets = np.zeros((_N_LATENTS, _N_ACTIONS), dtype=bool)
        for column in targets.T:
            column[rng.choice(_N_LATENTS, rng.integers(1, 3), replace=False)] = True
        graph = CausalGraph(Ga=targets)
        if targets.any(1).all() and check_joint_generic(graph).status == "holds":
            break
    pairs = list(itertools.combinations(range(_N_ACTIONS), 2))
    seen = rng.permutation(len(pairs))[: round(_SHARE_SEEN * len(pairs))]
    return Screen(seed, saturating, graph, tuple(sorted(pairs[k] for k in seen)))


def predictions(
    model: TrainedModel, vae: TrainedModel, train: Dataset, case: Screen
) -> tuple[Array, dict[str, Predict]]:
    """Return control rows, and for each method a function from a pair to predicted rows."""
    assert train.actions is not None
    x, on = train.observations[:, 0].astype(float), train.actions > 0.5
    n_on = on.sum(1)
    controls = x[n_on == 0][:_TEST_ROWS]
    singles = [x[(n_on == 1) & on[:, k]] for k in range(case.graph.n_actions)]
    seen = x[n_on == 2][:_TEST_ROWS]
    latents = [vae.encode(rows) for rows in singles]
    centre = vae.encode(controls)

    def by(unseen: Any) -> Predict:
        def predict(pair: Pair) -> Array:
            names = {model.action_names[k]: 1.0 for k in pair}
            return model.sample(names, n_samples=_TEST_ROWS, unseen_combinations=unseen)[:, 0]

        return predict

    def latent_arithmetic(pair: Pair) -> Array:
        shift = sum(latents[k].mean(0) - centre.mean(0) for k in pair)
        return np.asarray(vae.decode(centre + shift), dtype=float)

    return controls, {
        "added": by("add"),
        "network": by("network"),
        "mean": lambda pair: seen,
        "additive": lambda pair: controls + sum(singles[k].mean(0) - controls.mean(0) for k in pair),
        "vae": latent_arithmetic,
    }


def energy_distance(first: Array, second: Array) -> float:
    """Return the energy distance of two samples, which is zero if they have the same distribution."""
    a, b = first[:_COMPARED], second[:_COMPARED]
    n_a, n_b = len(a), len(b)
    within_a = cdist(a, a).sum() / (n_a * (n_a - 1))
    within_b = cdist(b, b).sum() / (n_b * (n_b - 1))
    return float(2 * cdist(a, b).mean() - within_a - within_b)


def measured(case: Screen, steps: int, model_seed: int) -> dict[str, Any]:
    """Train the model and the VAE, and compare all predictions."""
    train = case.data(_ROWS, "train")
    config = TrainingConfig(max_edges_actions=case.graph.Ga.nnz, steps=steps, seed=model_seed)
    model = fit(train, config, progress=False)
    vae = fit(train, BaselineConfig("vae", steps=steps, seed=model_seed), progress=False)
    outcome = evaluate(model, case.data(5_000, "test"))
    controls, predicted = predictions(model, vae, train, case)
    result: dict[str, Any] = {
        "mcc": round(outcome.mcc or 0, 4),
        "shd": (outcome.missing or 0) + (outcome.extra or 0),
    }
    for label, shared in (("disjoint", False), ("shared", True)):
        rows: dict[str, list[tuple[float, float]]] = {name: [] for name in (*predicted, "controls")}
        for pair in case.held_out(shared):
            truth = case.rows_of(pair, train, _TEST_ROWS)
            for name, predict in [*predicted.items(), ("controls", lambda pair: controls)]:
                guess = predict(pair)
                error = float(np.sum((guess.mean(0) - truth.mean(0)) ** 2))
                rows[name].append((error, energy_distance(guess, truth)))
        totals = {name: np.sum(values, axis=0) for name, values in rows.items()}
        result[label] = {
            "pairs": len(case.held_out(shared)),
            **{
                name: {
                    kind: round(float(part), 4)
                    for kind, part in zip(
                        ("error", "distance"), totals[name] / totals["controls"], strict=True
                    )
                }
                for name in predicted
            },
        }
    return result


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure what is not in the file yet.

    Args:
        arguments: Arguments of the command line; None for those of the process.
    """
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.combinations", description=__doc__)
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="file of JSON lines")
    parser.add_argument("--seeds", type=int, nargs="*", default=list(range(5)), help="seeds of the screens")
    parser.add_argument("--steps", type=int, default=_STEPS, help="steps of training")
    options = parser.parse_args(arguments)
    lines = options.out.read_text(encoding="utf-8").splitlines() if options.out.exists() else []
    finished = [json.loads(line)["run"] for line in lines]
    for seed, saturating in itertools.product(options.seeds, (False, True)):
        run = {"seed": seed, "saturating": saturating, "steps": options.steps}
        if run not in finished:
            record = {"run": run, **measured(screen(seed, saturating), options.steps, 0)}
            with options.out.open("a", encoding="utf-8") as file:
                file.write(json.dumps(record) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
