"""CartPole of Gymnasium from pixels: ``python -m tests.benchmarks.systems.cart_pole``.

gymnasium 1.4.0 (MIT licence) computes the dynamics and draws the cart. Five things are ours: the time step is 0.1 s
instead of 0.02 s, so that motion is visible in small images; forces are any from -10 to 10 N instead of one of the two;
a step starts from a random state; noise is added behind each step, since the theory is about densities; and pixels are
noisy as those of a camera. Each pixel has its own variance in the model, so that without noise the likelihood is
highest where a model explains pixels that hardly vary.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from estimation.baselines import BaselineConfig
from estimation.config import TrainingConfig
from estimation.dataset import Dataset
from estimation.evaluation import evaluate
from estimation.training import fit
from identify.files import write_whole
from identify.graph import CausalGraph

__all__ = [
    "GRAPH",
    "IMAGE_SHAPE",
    "LATENTS",
    "NOISE",
    "PIXEL_NOISE",
    "RANGES",
    "TIME_STEP",
    "cart_pole",
    "linear_readout",
    "main",
]

Array = NDArray[np.float64]

LATENTS = ("x", "v", "theta", "omega")
#: The edges of the equations with Euler's method: positions follow velocities, and the force moves the velocities.
GRAPH = CausalGraph(
    Gz=[[1, 1, 0, 0], [0, 1, 1, 1], [0, 0, 1, 1], [0, 0, 1, 1]],
    Ga=[[0], [1], [0], [1]],
    latents=LATENTS,
    actions=["force"],
)
#: Largest position, velocity, angle and angular velocity of the first state, in m, m/s, rad and rad/s.
RANGES = (1.2, 2.0, 0.7, 3.0)
TIME_STEP, MAX_FORCE = 0.1, 10.0
#: Standard deviation of the noise behind a step, as a share of these ranges.
NOISE = 0.05
#: Standard deviation of the noise of a pixel, from 0 (white) to 1 (black).
PIXEL_NOISE = 0.03
#: Two frames of 8 x 30 pixels, one time step apart, which show velocities.
IMAGE_SHAPE = (2, 8, 30)
# the rows of the frame of 400 x 600 pixels that the cart and its pole reach, and the side of a pixel of ours
_ROWS, _SIDE = slice(150, 310), 20
_N_TRAIN, _N_TEST, _DIGITS = 6_000, 1_500, 4


def cart_pole(n_rows: int, split: Literal["train", "test"] = "train") -> Dataset:
    """Sample steps of the cart from random states, and draw it before and after each.

    Args:
        n_rows: Number of steps.
        split: Which rows.
    """
    import gymnasium

    environment: Any = gymnasium.make("CartPole-v1", render_mode="rgb_array").unwrapped
    environment.tau = TIME_STEP
    environment.reset(seed=0)
    rng = np.random.default_rng([("train", "test").index(split), 11])
    states = np.empty((n_rows, 2, len(LATENTS)))
    states[:, 0] = rng.uniform(-1, 1, (n_rows, len(LATENTS))) * RANGES
    forces = rng.uniform(-MAX_FORCE, MAX_FORCE, n_rows)
    noise = NOISE * np.array(RANGES) * rng.normal(size=(n_rows, len(LATENTS)))
    images = np.empty((n_rows, 2, *IMAGE_SHAPE), dtype=np.float32)
    for row, force in enumerate(forces.tolist()):
        states[row, 1] = _step(environment, states[row, 0], force) + noise[row]
        for time_step in (0, 1):
            images[row, time_step] = _frames(environment, states[row, time_step])
    environment.close()
    images += PIXEL_NOISE * rng.normal(size=images.shape)
    return Dataset.from_arrays(
        images.reshape(n_rows, 2, -1),
        actions=forces[:, None] / MAX_FORCE,
        latents=states / RANGES,
        graph=GRAPH,
        observation_shape=IMAGE_SHAPE,
        name="CartPole",
    )


def _step(environment: Any, state: Array, force: float) -> Array:
    """Return the state one time step later."""
    environment.state, environment.force_mag = state, force
    environment.steps_beyond_terminated = None
    environment.step(1)  # pushes with the force, to either side
    return np.asarray(environment.state, dtype=float)


def _frames(environment: Any, state: Array) -> Array:
    """Return the picture of a state and that of one time step later, which no force has an effect on yet."""
    frames = []
    for each in (state, _step(environment, state, 0.0)):
        environment.state = each
        grey = environment.render()[_ROWS, :, 1] / 255
        frames.append(1 - grey.reshape(IMAGE_SHAPE[1], _SIDE, IMAGE_SHAPE[2], _SIDE).mean((1, 3)))
    return np.stack(frames)


def main(arguments: Sequence[str] | None = None) -> int:
    """Train on the images, and write scores and what the runs say about themselves.

    Args:
        arguments: Arguments of the command line; None for those of the process.
    """
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.systems.cart_pole", description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("docs/results/cart_pole.json"), metavar="FILE")
    parser.add_argument("--steps", type=int, default=2_000, help="steps of each run")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0], help="seeds of the models")
    options = parser.parse_args(arguments)
    train, test = cart_pole(_N_TRAIN), cart_pole(_N_TEST, "test")
    first, *others = [
        TrainingConfig(
            max_edges_actions=int(GRAPH.Ga.sum()),
            max_edges_past=int(GRAPH.Gz.sum()),
            seed=seed,
            steps=options.steps,
        )
        for seed in options.seeds
    ]
    baselines = [BaselineConfig(method, steps=options.steps) for method in ("ivae", "pcl")]
    content: dict[str, Any] = {
        "rows": _N_TRAIN,
        "steps": options.steps,
        "images": np.round(test.observations[:6, 0], 2).tolist(),
        "linear readout": linear_readout(train, test),
        "runs": [],
    }
    for config in (first, *baselines, *others):
        content["runs"].append(_measure(train, test, config))
        write_whole(options.out, json.dumps(content) + "\n")
    return 0


def linear_readout(train: Dataset, test: Dataset) -> list[float]:
    """Return how well a ridge regression on the pixels, which is told the truth, predicts each latent of other rows.

    Args:
        train: Rows to fit on.
        test: Rows whose latents are predicted.

    Returns:
        The correlation with each latent, shape (4,).
    """
    from sklearn.linear_model import Ridge

    n = len(LATENTS)
    assert train.latents is not None
    assert test.latents is not None
    pixels = [data.observations.reshape(-1, data.n_observed) for data in (train, test)]
    predicted = Ridge(1.0).fit(pixels[0], train.latents.reshape(-1, n)).predict(pixels[1])
    return np.round(np.corrcoef(predicted.T, test.latents.reshape(-1, n).T)[:n, n:].diagonal(), 3).tolist()


def _measure(train: Dataset, test: Dataset, config: TrainingConfig | BaselineConfig) -> dict[str, Any]:
    started = time.process_time()
    n = len(LATENTS)
    model = fit(train, config, progress=False)
    seconds = round(time.process_time() - started)
    outcome = evaluate(model, test)
    latents = model.encode(test.observations).reshape(-1, n)
    assert test.latents is not None
    correlations = np.corrcoef(test.latents.reshape(-1, n).T, latents.T)[:n, n:]
    confidence = model.latent_confidence
    scores = {"mcc": outcome.mcc, "r": outcome.r, "r_con": outcome.r_con}
    return {
        "method": config.method,
        "seed": config.seed,
        **{name: None if value is None else round(value, _DIGITS) for name, value in scores.items()},
        "missing": outcome.missing,
        "extra": outcome.extra,
        "correlations": np.round(np.abs(correlations), 2).tolist(),
        "margin": None if model.margin is None else model.margin.summary,
        "warnings": [str(warning) for warning in model.warnings],
        "confidence": None if confidence is None else np.round(confidence, 2).tolist(),
        "seconds": seconds,
    }


if __name__ == "__main__":
    sys.exit(main())
