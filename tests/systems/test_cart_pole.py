"""CartPole: the data follow Gymnasium's equations, and the page's equations imply the graph and the prediction."""

from __future__ import annotations

import json

import numpy as np
import pytest

from identify.criterion import check
from identify.influence import check_influence
from identify.mechanisms import Mechanisms
from tests.benchmarks.systems.cart_pole import (
    GRAPH,
    IMAGE_SHAPE,
    NOISE,
    RANGES,
    TIME_STEP,
    cart_pole,
)
from tests.documentation import DOCS, page_namespace


@pytest.fixture(scope="module")
def mechanisms() -> Mechanisms:
    """Return the mechanisms that the page writes in sympy."""
    found = page_namespace("plot_22_cart_pole", until="verdict = check(graph)")["mechanisms"]
    assert isinstance(found, Mechanisms)
    return found


def test_the_equations_imply_the_graph_and_guarantee_nothing(mechanisms: Mechanisms) -> None:
    assert np.array_equal(mechanisms.graph.Gz.toarray(), GRAPH.Gz.toarray())
    assert np.array_equal(mechanisms.graph.Ga.toarray(), GRAPH.Ga.toarray())
    assert check(GRAPH).n_disentangled == 3
    influence = check_influence(mechanisms)
    verdict = check(mechanisms.graph, influence=influence)
    assert [cause.status for cause in influence.actions.values()] == ["holds"]
    assert influence.past is not None
    assert influence.past.status == "fails"
    assert not verdict.guaranteed
    assert verdict.guarantee is not None
    assert verdict.guarantee.entanglement.disentangled.sum() == 0


def test_the_stored_runs_have_scores_and_images() -> None:
    stored = json.loads((DOCS / "results" / "cart_pole.json").read_text(encoding="utf-8"))
    assert {run["method"] for run in stored["runs"]} == {"sparse_vae", "ivae", "pcl"}
    assert all(0 <= run["mcc"] <= run["r"] <= 1 for run in stored["runs"])
    assert np.shape(stored["images"]) == (6, np.prod(IMAGE_SHAPE))


def test_steps_follow_the_equations_up_to_the_noise(mechanisms: Mechanisms) -> None:
    pytest.importorskip("gymnasium", reason="needs the extra: pip install 'mechsparse[systems]'")
    pytest.importorskip("pygame", reason="needs the extra: pip install 'mechsparse[systems]'")
    import sympy

    data = cart_pole(60)
    assert data.latents is not None
    assert data.actions is not None
    before, after = np.moveaxis(data.latents, 1, 0).astype(float) * RANGES
    # the mean of a Gaussian is where the score of its density is zero
    namespace = page_namespace("plot_22_cart_pole", until="verdict = check(graph)")
    means = sympy.lambdify([*namespace["before"], namespace["force"]], namespace["means"])
    expected = np.array(
        [means(*state, force) for state, force in zip(before, 10 * data.actions[:, 0], strict=True)]
    )
    residuals = (after - expected) / RANGES
    assert residuals.std(0) == pytest.approx([NOISE] * 4, rel=0.4)
    assert np.abs(residuals).max() < 5 * NOISE


def test_frames_show_positions_and_one_step_later() -> None:
    pytest.importorskip("gymnasium", reason="needs the extra: pip install 'mechsparse[systems]'")
    pytest.importorskip("pygame", reason="needs the extra: pip install 'mechsparse[systems]'")
    data = cart_pole(80, "test")
    assert data.observations.shape == (80, 2, np.prod(IMAGE_SHAPE))
    assert data.latents is not None
    images = data.observations.reshape(160, *IMAGE_SHAPE)
    latents = data.latents.reshape(160, 4)
    # the cart is the darkest part of the lowest two rows
    weights = np.clip(images[:, :, -2:].sum(2) - 0.5, 0, None)
    centres = (weights * np.arange(IMAGE_SHAPE[2])).sum(2) / weights.sum(2)
    assert np.corrcoef(centres[:, 0], latents[:, 0])[0, 1] > 0.99
    moved = centres[:, 1] - centres[:, 0]
    assert np.corrcoef(moved, TIME_STEP * latents[:, 1])[0, 1] > 0.9
