"""The light tunnel: our formulas are those of its package, and the page of the gallery predicts what it shows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from identify.criterion import check
from tests.benchmarks.promise import light_tunnel
from tests.documentation import example_definitions
from tests.seeds import training_seed

pytest.importorskip("causalchamber", reason="needs the extra: pip install 'mechsparse[systems]'")


@pytest.fixture(scope="module")
def page() -> dict[str, Any]:
    return example_definitions("plot_18_light_tunnel")


@pytest.fixture
def settings() -> tuple[Any, Any]:
    rng = np.random.default_rng(training_seed(0))
    return rng.uniform(0, 255, (500, 3)), rng.uniform(-180, 180, (500, 2))


def test_our_sensors_are_those_of_the_package(page: dict[str, Any], settings: tuple[Any, Any]) -> None:
    expected = page["read_sensors"](*settings)
    names = ["ir_1", "vis_1", "ir_2", "vis_2", "ir_3", "vis_3", "current", "angle_1", "angle_2"]
    assert list(expected) == names
    assert light_tunnel.sensors(*settings) == pytest.approx(expected.to_numpy(), rel=1e-12)


def test_our_camera_is_that_of_the_package(page: dict[str, Any], settings: tuple[Any, Any]) -> None:
    camera = page["lt"].ModelF3(**page["CAMERA"], **page["PIXEL"])
    expected = page["photograph"](*settings, camera).to_numpy()
    assert 0.02 < np.mean(expected == 1) < 0.5
    assert light_tunnel.camera(*settings) == pytest.approx(expected, rel=1e-12)


def test_a_pixel_has_the_colour_of_the_whole_hexagon(page: dict[str, Any], settings: tuple[Any, Any]) -> None:
    # the geometry of the tutorial, in a small image
    tutorial = {"center_x": 0.5, "center_y": 0.5, "radius": 0.22, "offset": 0, "image_size": 12}
    colours, angles = settings[0][:5], settings[1][:5]
    inputs = dict(
        zip(("red", "green", "blue", "pol_1", "pol_2"), np.hstack([colours, angles]).T, strict=True)
    )
    simulator = page["lt"].ModelF1(**tutorial)
    with pytest.warns(DeprecationWarning, match="Arrays of 2-dimensional vectors"):
        images = simulator._simulate(**inputs, **simulator.parameters())
    pixels = page["photograph"](colours, angles, page["lt"].ModelF1(**page["PIXEL"]))
    assert images[:, 6, 6] == pytest.approx(pixels.to_numpy())
    assert {len(np.unique(image.reshape(-1, 3), axis=0)) for image in images} == {2}


def test_the_page_and_the_benchmark_draw_the_same_rows(page: dict[str, Any]) -> None:
    ours, theirs = light_tunnel.tunnel(200), page["tunnel"](200, page["sensors_and_camera"])
    assert theirs.actions == pytest.approx(ours.actions)
    assert theirs.latents == pytest.approx(ours.latents)
    assert theirs.observations == pytest.approx(ours.observations, rel=1e-5, abs=1e-3)
    assert np.array_equal(page["TARGETS"], light_tunnel.TARGETS)
    assert theirs.graph == ours.graph
    assert check(theirs.graph)


def test_ideal_polarisers_show_their_difference_only(page: dict[str, Any], settings: tuple[Any, Any]) -> None:
    colours, angles = settings
    seen, turned = (page["half_blind"](colours, each).to_numpy() for each in (angles, angles + 17))
    assert turned == pytest.approx(seen)
    assert page["half_blind"](colours, angles[:, ::-1]).to_numpy() == pytest.approx(seen)
    assert page["tunnel"](50, page["half_blind"]).n_observed == 6
