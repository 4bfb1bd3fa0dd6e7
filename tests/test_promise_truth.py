"""What the promise-kept benchmark calls true of a model's latents, on models whose latents are known maps."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from estimation.dataset import Dataset
from estimation.trained import TrainedModel
from identify.graph import CausalGraph
from tests.benchmarks.promise.truth import MIN_SHARE, latent_shares, matching, true_edges
from tests.benchmarks.promise.variants import _still_right, variants
from tests.estimation.diagnostics.evidence import TARGETS, evidence_of
from tests.estimation.fakes import Truth, linear_model
from tests.seeds import training_seed

# z0 and z1 share their only action, so they may mix; z2 is disentangled
GRAPH = CausalGraph(Ga=[[1, 0], [1, 0], [0, 1]])
TRUTH = Truth(3, 5)


def data() -> Dataset:
    z = np.random.default_rng(training_seed()).normal(size=(20_000, 3))
    return TRUTH.dataset(z, GRAPH)


def model(mixing: NDArray[np.float64], order: tuple[int, ...] = (0, 1, 2)) -> TrainedModel:
    """Return a model whose latents are these combinations of the true ones, in this order."""
    return linear_model(TRUTH, np.linalg.inv(mixing[list(order)]), GRAPH.permute(list(order)))


def rotation(i: int, j: int, degrees: float) -> NDArray[np.float64]:
    mixing, angle = np.eye(3), np.deg2rad(degrees)
    mixing[[i, j], [i, j]] = np.cos(angle)
    mixing[[i, j], [j, i]] = np.sin(angle), -np.sin(angle)
    return mixing


def test_mixing_within_a_block_is_right_and_beyond_it_is_not() -> None:
    order = (2, 0, 1)
    np.testing.assert_allclose(latent_shares(model(rotation(0, 1, 30), order), data()), 1, atol=0.01)
    shares = latent_shares(model(rotation(1, 2, 30), order), data())
    # v0 is mostly z2, v2 mostly z1, and the graph lets z0 and z1 mix
    assert shares == pytest.approx([np.cos(np.pi / 6), 1, np.cos(np.pi / 6)], abs=0.02)
    assert (shares >= MIN_SHARE).tolist() == [False, True, False]


def test_a_variant_is_wrong_where_its_graph_forbids_what_the_run_left_open() -> None:
    evidence = evidence_of()
    # v0 and v1 are a mixture of two latents, which this graph allows; the graph of the variant doesn't
    block = CausalGraph(Ga=[[1, 0], [1, 0], [0, 1], [0, 1]], latents=evidence.names)
    run_of_blocks = replace(evidence, graph=block)
    everything = np.ones(4, dtype=bool)
    assert _still_right(run_of_blocks, run_of_blocks, np.eye(4), everything).all()
    assert not _still_right(evidence, run_of_blocks, np.eye(4), everything).any()
    assert _still_right(evidence, evidence, np.eye(4), everything).all()


def test_the_matching_is_that_of_the_latents() -> None:
    assert matching(model(np.eye(3), (2, 0, 1)), data()).tolist() == [1, 2, 0]


@pytest.mark.parametrize("seed", range(3))
def test_a_variant_in_a_wrong_basis_is_right_where_it_hardly_mixes(seed: int) -> None:
    evidence = evidence_of()
    sizes = np.abs(np.random.default_rng(training_seed(seed)).normal(size=(10, *TARGETS.shape)))
    evidence = replace(evidence, resampled_sizes={"actions": sizes})
    right = np.array([True, True, True, False])
    *rotated, off = variants(evidence, {"actions": TARGETS}, right, training_seed(seed))
    assert off.name == "wrong budget"
    assert off.right is None
    for variant in rotated:
        assert variant.right is not None
        correlations = np.abs(np.corrcoef(variant.evidence.latents.T, evidence.latents.T)[:4, 4:])
        best = correlations.argmax(1)
        # the graph of four latents with two actions each lets none of them mix
        explained = correlations[np.arange(4), best] >= MIN_SHARE
        assert (variant.right <= explained).all()
        unchanged = correlations.max(1) > 1 - 1e-9
        assert (variant.right[unchanged] == right[best[unchanged]]).all()


def test_true_edges_follow_the_matching() -> None:
    graph = CausalGraph(Ga=[[1, 0], [0, 1]], Gz=[[1, 0], [1, 1]])
    truth = true_edges(graph, np.array([2, 0]), 3)
    assert truth["actions"].astype(int).tolist() == [[0, 1], [0, 0], [1, 0]]
    assert truth["past"].astype(int).tolist() == [[1, 0, 1], [0, 0, 0], [0, 0, 1]]
    assert true_edges(graph, np.array([1, -1]), 2)["actions"].astype(int).tolist() == [[0, 0], [1, 0]]
