"""A light tunnel: red, green, blue and two polarisers, seen by nine sensors and, if wanted, three colours of a camera.

Formulas and calibrated parameters are those of the public package causalchamber 0.2.8 (MIT licence; Gamella et al.,
"Causal chambers as a real-world physical testbed for AI methodology", arXiv 2404.11341, and "Sanity checking causal
representation learning on a simple real-world system", 2025): the simulator of the sensors with the parameters of its
tutorial, and model F3 of the image, at exposure 2.5. How knobs move the actuators is ours.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from estimation.dataset import Dataset
from identify.graph import CausalGraph

__all__ = ["TARGETS", "camera", "sensors", "tunnel"]

Array = NDArray[np.float64]

#: Rows are the actuators red, green, blue and the two polarisers; columns are the knobs.
TARGETS = np.array(
    [[1, 0, 0, 0, 1], [1, 1, 0, 0, 0], [0, 1, 1, 0, 0], [0, 0, 1, 1, 0], [0, 0, 0, 1, 1]], dtype=bool
)
_FREQUENCIES, _NOISE, _SENSOR_NOISE = (1.0, 3.5), 0.1, 0.002
_LIMIT, _DEGREES = 3.0, 30.0

# sensitivities of the infrared and the visible photodiodes to red, green and blue
_PHOTODIODES = np.array([[4.34165202, 2.8594438, 1.91565691], [0.89410569, 1.58679242, 2.68477163]])
_DISTANCES = (0.1, 0.17, 0.25)
_FIRST_POLARISER = np.array([0.42685688, 0.41231782, 0.46652526])
_PARALLEL = np.array([0.2909342, 0.29624314, 0.30526271])
_CROSSED = np.array([0.00431032, 0.01447611, 0.02041075])
_CURRENT, _DARK_CURRENT = np.array([0.12834946, 0.12870338, 0.13078523]), 58.13307318503893
_ANGLE, _ZERO_ANGLES, _MAX_ANGLE = 1.42261211, (506.8049747171294, 510.98343062774353), 1023
# photodiodes and exposure times of the package's tutorial
_GAINS = np.array([2.0**5, 2.0**4])
_CAMERA = np.array(
    [[0.2995802, 0.06920322, 0.028159], [0.04017132, 0.9209918, 0.31265], [0.00217392, 0.2071558, 0.75763]]
)
_WHITE_BALANCE, _EXPOSURE = np.array([2.65625, 1.0, 1.77344]), 2.5
_CAMERA_PARALLEL, _CAMERA_CROSSED = np.array([0.29, 0.35, 0.33]), np.array([0.02, 0.08, 0.18])


def sensors(colours: Array, angles: Array) -> Array:
    """Return the readings of the nine sensors.

    Args:
        colours: Brightness of red, green and blue from 0 to 255, shape (N, 3).
        angles: Positions of the polarisers in degrees, shape (N, 2).

    Returns:
        Infrared and visible light at three places, the current, and two angles, shape (N, 9).
    """
    aligned = _aligned(angles)
    second = (_DISTANCES[0] / _DISTANCES[1]) ** 2 * colours * _FIRST_POLARISER
    third = (_DISTANCES[0] / _DISTANCES[2]) ** 2 * colours * ((_PARALLEL - _CROSSED) * aligned + _CROSSED)
    light = [(each @ _PHOTODIODES.T) * _GAINS for each in (colours, second, third)]
    read = [np.minimum(_ANGLE * angles[:, k] + _ZERO_ANGLES[k], _MAX_ANGLE) for k in (0, 1)]
    return np.column_stack([*light, colours @ _CURRENT + _DARK_CURRENT, *read])


def camera(colours: Array, angles: Array) -> Array:
    """Return the colours of the image, which clip at white, shape (N, 3); arguments as for `sensors`."""
    transmitted = (_CAMERA_PARALLEL - _CAMERA_CROSSED) * _aligned(angles) + _CAMERA_CROSSED
    raw = _EXPOSURE * (colours / 255 @ _CAMERA.T) * _WHITE_BALANCE * transmitted
    return np.clip(raw, 0, 1)


def tunnel(
    n_rows: int, process: int = 0, split: Literal["train", "test"] = "train", with_camera: bool = True
) -> Dataset:
    """Sample observations of the tunnel.

    Args:
        n_rows: Number of rows.
        process: Seed of the frequencies and phases with which knobs move actuators.
        split: Which rows of the process.
        with_camera: Whether the three colours of the camera are observed as well.
    """
    rng = np.random.default_rng([process, 7])
    frequency, phase = rng.uniform(*_FREQUENCIES, TARGETS.shape), rng.uniform(0, 2 * np.pi, TARGETS.shape)
    rng = np.random.default_rng([("train", "test").index(split), 11])
    knobs = rng.uniform(-2, 2, (n_rows, TARGETS.shape[1]))
    actuators = (np.sin(frequency * knobs[:, None, :] + phase) * TARGETS).sum(2)
    actuators += _NOISE * rng.normal(size=actuators.shape)
    colours = (np.clip(actuators[:, :3], -_LIMIT, _LIMIT) + _LIMIT) / (2 * _LIMIT) * 255
    angles = _DEGREES * actuators[:, 3:]
    readings = sensors(colours, angles)
    if with_camera:
        readings = np.column_stack([readings, camera(colours, angles)])
    readings += _SENSOR_NOISE * readings.std(0) * rng.normal(size=readings.shape)
    graph = CausalGraph(Ga=TARGETS, latents=["red", "green", "blue", "polariser_1", "polariser_2"])
    return Dataset.from_arrays(readings, actions=knobs, latents=actuators, graph=graph, name="light tunnel")


def _aligned(angles: Array) -> Array:
    """Return how far the polarisers are aligned by the law of Malus, from 0 to 1, shape (N, 1)."""
    return np.asarray(np.cos(np.deg2rad(angles[:, :1] - angles[:, 1:])) ** 2)
