"""Sprites of Spriteworld, moved and coloured by actions: ``python -m tests.benchmarks.systems.sprites``.

spriteworld 1.0.2 (Apache licence 2.0; Watters et al., arXiv 1905.09275) requires packages that Python 3 has no use for,
and calls a constant that Pillow has removed. So it is installed without what it requires::

    pip install six dm-env
    pip install --no-deps spriteworld

and `render` smooths with the constant that replaced the removed one. How actions move the sprites is ours, and so is
the noise of the pixels: runs without it and with it are stored. Runs that are in the file are not repeated.
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
from estimation.models.convolutional import ConvDecoder, ConvEncoder
from estimation.trained import TrainedModel
from estimation.training import fit
from identify.files import write_whole
from identify.graph import CausalGraph

__all__ = ["LATENTS", "PIXEL_NOISE", "SIDE", "TARGETS", "main", "render", "sprites"]

Array = NDArray[np.float64]

LATENTS = ("square x", "square y", "square hue", "triangle x", "triangle y", "triangle hue")
#: Rows are latents; every action moves two neighbours in a ring.
TARGETS = np.eye(6, dtype=bool) | np.roll(np.eye(6, dtype=bool), 1, axis=0)
SIDE = 16
#: Standard deviations of the noise of a pixel in the stored runs.
PIXEL_NOISE = (0.0, 0.03)
# where the latents are at 0, and how far 1 is from it; within 2.3 of 0 the sprites don't overlap
_CENTRES, _SCALES, _LIMIT = (0.27, 0.5, 0.15, 0.73, 0.5, 0.65), (0.05, 0.12, 0.05, 0.05, 0.12, 0.05), 2.3
_FREQUENCIES, _NOISE = (1.0, 2.5), 0.1
_SMOOTHING = 8
_N_TRAIN, _N_TEST, _N_SHOWN, _DIGITS = 10_000, 2_000, 8, 4


def render(latents: Array) -> NDArray[np.uint8]:
    """Draw a square and a triangle for each row of latents.

    Args:
        latents: Shape (N, 6), in the order of `LATENTS`.

    Returns:
        The images, shape (N, 3, 16, 16).
    """
    from PIL import Image
    from spriteworld.renderers import PILRenderer, color_maps
    from spriteworld.sprite import Sprite

    class Renderer(PILRenderer):  # type: ignore[misc]
        """The renderer of the package; only its last line differs, which Pillow can't run."""

        def render(self, sprites: Sequence[Any] = (), global_state: Any = None) -> Any:
            self._canvas.paste(self._canvas_bg)
            for each in sprites:
                corners = [tuple(corner) for corner in self._canvas_size * each.vertices]
                self._draw.polygon(corners, fill=self._color_to_rgb(each.color))
            small = self._canvas.resize(self._image_size, resample=Image.Resampling.LANCZOS)
            return np.flipud(np.array(small))

    renderer = Renderer((SIDE, SIDE), anti_aliasing=_SMOOTHING, color_to_rgb=color_maps.hsv_to_rgb)
    images = []
    for x, y, hue, x2, y2, hue2 in _CENTRES + _SCALES * latents.clip(-_LIMIT, _LIMIT):
        drawn = [
            Sprite(x, y, "square", scale=0.25, c0=hue, c1=1, c2=1),
            Sprite(x2, y2, "triangle", scale=0.25, c0=hue2, c1=1, c2=1),
        ]
        images.append(renderer.render(drawn))
    return np.moveaxis(np.stack(images), 3, 1)


def sprites(
    n_rows: int, split: Literal["train", "test"] = "train", process: int = 0, pixel_noise: float = 0.0
) -> Dataset:
    """Sample actions and latents, and draw them.

    Args:
        n_rows: Number of images.
        split: Which rows of the process.
        process: Seed of the frequencies and phases with which actions move latents.
        pixel_noise: Standard deviation of the noise of a pixel, from 0 (black) to 1.
    """
    rng = np.random.default_rng([process, 7])
    frequency, phase = rng.uniform(*_FREQUENCIES, (6, 6)), rng.uniform(0, 2 * np.pi, (6, 6))
    rng = np.random.default_rng([("train", "test").index(split), 11])
    actions = rng.uniform(-2, 2, (n_rows, 6))
    latents = (np.sin(frequency * actions[:, None] + phase) * TARGETS).sum(2)
    latents += _NOISE * rng.normal(size=latents.shape)
    images = render(latents).reshape(n_rows, -1) / 255
    return Dataset.from_arrays(
        images + pixel_noise * rng.normal(size=images.shape),
        actions=actions,
        latents=latents,
        graph=CausalGraph(Ga=TARGETS, latents=LATENTS),
        observation_shape=(3, SIDE, SIDE),
        name="sprites",
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Train on the images, and write scores, what the runs say about themselves, and a picture.

    Args:
        arguments: Arguments of the command line; None for those of the process.
    """
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.systems.sprites", description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("docs/results/sprites.json"), metavar="FILE")
    parser.add_argument("--steps", type=int, default=1_600, help="steps of each run")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1], help="seeds of the models")
    options = parser.parse_args(arguments)
    stored = json.loads(options.out.read_text(encoding="utf-8"))["runs"] if options.out.exists() else []
    sizes: dict[str, Any] = {"steps": options.steps, "batch_size": 128, "learning_rate": 5e-3}
    configs: list[TrainingConfig | BaselineConfig] = [
        TrainingConfig(
            max_edges_actions=int(TARGETS.sum()), seed=seed, dense_share=0.5, validate_every=100, **sizes
        )
        for seed in options.seeds
    ]
    for pixel_noise in PIXEL_NOISE:
        train = sprites(_N_TRAIN, pixel_noise=pixel_noise)
        test = sprites(_N_TEST, "test", pixel_noise=pixel_noise)
        for config in (*configs, BaselineConfig("ivae", **sizes)):
            run = {"pixel_noise": pixel_noise, "method": config.method, "seed": config.seed}
            if any(run.items() <= each.items() for each in stored):
                continue
            model, record = _measure(train, test, config)
            if config is configs[0] and not pixel_noise:
                _draw(model, test, options.out.with_suffix(".png"))
            stored.append(run | record)
            content = {"rows": _N_TRAIN, "steps": options.steps, "runs": stored}
            write_whole(options.out, json.dumps(content, indent=1) + "\n")
    return 0


def _measure(
    train: Dataset, test: Dataset, config: TrainingConfig | BaselineConfig
) -> tuple[TrainedModel, dict[str, Any]]:
    started = time.process_time()
    shape, n = (3, SIDE, SIDE), len(LATENTS)
    model = fit(
        train,
        config,
        encoder=ConvEncoder(shape, n, seed=config.seed),
        decoder=ConvDecoder(n, shape, seed=config.seed),
        progress=False,
    )
    seconds = round(time.process_time() - started)
    outcome = evaluate(model, test)
    confidence = model.latent_confidence
    scores = {"mcc": outcome.mcc, "r": outcome.r, "r_con": outcome.r_con}
    return model, {
        **{name: None if value is None else round(value, _DIGITS) for name, value in scores.items()},
        "shd": outcome.shd,
        "confirmed": None if outcome.comparison is None else bool(outcome.comparison),
        "margin": None if model.margin is None else model.margin.summary,
        "warnings": [str(warning) for warning in model.warnings],
        "confidence": None if confidence is None else np.round(confidence, 2).tolist(),
        "seconds": seconds,
    }


def _draw(model: TrainedModel, test: Dataset, path: Path) -> None:
    """Draw images, their reconstructions, and a line for each latent that moves it alone."""
    from matplotlib.figure import Figure

    latents = model.encode(test.observations)[:, 0]
    lines = {"images": test.observations[:_N_SHOWN, 0], "decoded": model.decode(latents[:_N_SHOWN])}
    order = evaluate(model, test).permutation
    assert order is not None
    for name, k in zip(LATENTS, order.tolist(), strict=True):
        moved = np.tile(np.median(latents, axis=0), (_N_SHOWN, 1))
        moved[:, k] = np.linspace(*np.quantile(latents[:, k], [0.02, 0.98]), _N_SHOWN)
        lines[f"matched to\n{name}"] = model.decode(moved)
    figure = Figure(figsize=(7, 0.85 * len(lines)), layout="constrained")
    for row, (name, images) in zip(figure.subplots(len(lines), _N_SHOWN), lines.items(), strict=True):
        row[0].set_ylabel(name, rotation=0, ha="right", va="center", fontsize=8)
        for ax, image in zip(row, images, strict=True):
            ax.imshow(np.moveaxis(image.reshape(3, SIDE, SIDE), 0, 2).clip(0, 1))
            ax.set(xticks=[], yticks=[])
    figure.savefig(path, dpi=90, metadata={"Software": None})


if __name__ == "__main__":
    sys.exit(main())
