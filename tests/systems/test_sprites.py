"""Sprites: what is drawn follows the latents, and the stored runs are of the predicted problem."""

from __future__ import annotations

import json

import numpy as np
import pytest

from identify.criterion import check
from identify.graph import CausalGraph
from tests.benchmarks.systems.sprites import LATENTS, SIDE, TARGETS, render, sprites
from tests.documentation import DOCS
from tests.seeds import training_seed


def test_the_criterion_promises_all_properties() -> None:
    assert TARGETS.sum(0).tolist() == TARGETS.sum(1).tolist() == [2] * 6
    assert check(CausalGraph(Ga=TARGETS, latents=LATENTS))


def test_the_stored_runs_have_scores_and_a_picture() -> None:
    stored = json.loads((DOCS / "results" / "sprites.json").read_text(encoding="utf-8"))
    methods = [run["method"] for run in stored["runs"]]
    assert set(methods) == {"sparse_vae", "ivae"}
    assert all(0 <= run["mcc"] <= run["r"] <= 1 for run in stored["runs"])
    assert (DOCS / "results" / "sprites.png").read_bytes().startswith(b"\x89PNG")


def test_images_follow_one_property_at_a_time() -> None:
    pytest.importorskip("spriteworld", reason="not in the extra: see tests/benchmarks/systems/sprites.py")
    pytest.importorskip("dm_env", reason="needed by spriteworld")
    still = render(np.zeros((1, 6)))[0].astype(float)
    assert still.shape == (3, SIDE, SIDE)
    for k, name in enumerate(LATENTS):
        moved = render(np.eye(6)[[k]])[0].astype(float)
        changed = np.flatnonzero(np.abs(moved - still).max((0, 1)) > 20)
        # the columns that the sprite covers before or after
        assert len(changed), name
        low, high = (0, 10) if name.startswith("square") else (7, SIDE)
        assert changed.min() >= low, name
        assert changed.max() < high, name
    # the origin of Spriteworld is at the bottom left
    up = render(np.array([[0, 2, 0, 0, 0, 0]]))[0].astype(float)
    assert up[:, : SIDE // 2].sum() > still[:, : SIDE // 2].sum()


def test_rows_are_images_with_their_truth() -> None:
    pytest.importorskip("spriteworld", reason="not in the extra: see tests/benchmarks/systems/sprites.py")
    pytest.importorskip("dm_env", reason="needed by spriteworld")
    data = sprites(30, process=training_seed(0))
    assert (data.n_samples, data.n_latents, data.n_actions) == (30, 6, 6)
    assert data.observation_shape == (3, SIDE, SIDE)
    assert data.observations.min() >= 0
    assert data.observations.max() <= 1
    assert data.graph is not None
    assert np.array_equal(data.graph.Ga.toarray(), TARGETS)
    noise = sprites(30, process=training_seed(0), pixel_noise=0.05).observations - data.observations
    assert noise.std() == pytest.approx(0.05, rel=0.05)
    assert not np.array_equal(sprites(30, "test").latents, sprites(30).latents)
