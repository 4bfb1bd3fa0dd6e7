"""The margin of a basis, on effects that are known."""

from __future__ import annotations

import numpy as np
import pytest

from estimation.diagnostics import basis
from estimation.diagnostics.basis import better_basis, margin_of
from estimation.unmixing import TOGETHER, Basis, Rivals
from identify.graph import CausalGraph
from tests.estimation.diagnostics.evidence import TARGETS, evidence_of
from tests.seeds import training_seed

ROTATION = np.array([[0.8, 0.6], [-0.6, 0.8]])


@pytest.mark.parametrize("seed", range(2))
def test_the_true_basis_is_clear(seed: int) -> None:
    margin = margin_of(evidence_of(seed=seed))
    assert better_basis(evidence_of(seed=seed)) is None
    assert margin is not None
    assert margin.verdict == "clear"
    assert margin.n_same > margin.n_starts / 2


@pytest.mark.parametrize("seed", range(2))
def test_in_a_wrong_basis_the_true_one_is_sparser_and_likelier(seed: int) -> None:
    mixing = np.eye(4)
    mixing[1:3, 1:3] = ROTATION
    margin = margin_of(evidence_of(mixing=mixing, seed=seed))
    assert margin is not None
    assert margin.verdict == "worse"
    assert margin.latents == ("v1", "v2")
    assert margin.sparsity is not None
    assert margin.likelihood is not None
    assert margin.sparsity < -0.1
    assert margin.likelihood < -0.5
    assert margin.summary.startswith("another basis, in v1, v2, is sparser by")
    assert margin.is_beaten
    basis = better_basis(evidence_of(mixing=mixing, seed=seed))
    assert basis is not None
    recovered = np.abs(basis @ mixing)
    # up to order and signs, these are the true latents
    shares = recovered.max(1) / recovered.sum(1)
    assert sorted(recovered.argmax(1)) == [0, 1, 2, 3]
    assert shares.min() > 0.9


def test_bases_that_the_graph_leaves_open_are_the_same() -> None:
    twins = np.array([[1, 0], [0, 1], [0, 1]], dtype=bool)
    mixing = np.eye(3)
    mixing[1:, 1:] = ROTATION
    for matrix in (np.eye(3), mixing):
        margin = margin_of(evidence_of(twins, matrix))
        assert margin is not None
        assert margin.verdict == "clear"


def test_an_edge_without_an_effect_separates_no_latents() -> None:
    """A budget that is too large gives one of two twins an edge that the other one lacks."""
    twins = np.array([[1, 0, 0], [0, 1, 0], [0, 1, 0]], dtype=bool)
    mixing = np.eye(3)
    mixing[1:, 1:] = ROTATION
    learned = twins.copy()
    learned[2, 2] = True
    graph = CausalGraph(Ga=learned, latents=["v0", "v1", "v2"])
    margin = margin_of(evidence_of(twins, mixing, graph))
    assert margin is not None
    assert margin.verdict == "clear"
    # with an effect it does
    margin = margin_of(evidence_of(learned, mixing, graph))
    assert margin is not None
    assert margin.verdict == "worse"
    assert margin.latents == ("v1", "v2")


def test_order_signs_and_scales_do_not_matter() -> None:
    order, scales = [2, 0, 3, 1], np.diag([1.0, -2.0, 0.5, 3.0])
    graph = CausalGraph(Ga=TARGETS[order], latents=["v0", "v1", "v2", "v3"])
    first, second = margin_of(evidence_of()), margin_of(evidence_of(mixing=scales[order], graph=graph))
    assert first is not None
    assert second is not None
    assert second.verdict == first.verdict == "clear"
    assert second.sparsity == pytest.approx(first.sparsity, abs=0.02)
    assert second.likelihood == pytest.approx(first.likelihood, abs=0.1)


def test_a_single_latent_has_no_margin() -> None:
    assert margin_of(evidence_of(np.ones((1, 2), dtype=bool))) is None


def test_without_sparse_causes_there_is_no_margin() -> None:
    assert margin_of(evidence_of(action_effects=None, action_columns=())) is None


def test_where_the_graph_leaves_all_mixing_open_there_is_no_margin() -> None:
    full = CausalGraph(Ga=np.ones((4, 4)), latents=["v0", "v1", "v2", "v3"])
    assert margin_of(evidence_of(graph=full)) is None


def test_without_two_active_latents_there_is_no_margin() -> None:
    assert margin_of(evidence_of(posterior=100 * np.eye(4))) is None


@pytest.mark.parametrize("seed", range(2))
def test_a_basis_that_the_graph_leaves_open_and_that_needs_fewer_edges_is_a_rival(seed: int) -> None:
    mixing = np.array([[1.0, 1.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
    graph = CausalGraph(Ga=[[1, 1, 0], [0, 1, 0], [0, 0, 1]], latents=["v0", "v1", "v2"])
    margin = margin_of(evidence_of(np.eye(3, dtype=bool), mixing, graph, seed))
    assert margin is not None
    assert margin.verdict == "worse"
    assert margin.latents == ("v0",)


def test_a_latent_with_more_parents_may_contain_one_with_fewer() -> None:
    targets = np.array([[1, 0, 0], [1, 1, 0], [0, 0, 1]], dtype=bool)
    mixing = np.array([[1.0, 0.0, 0.0], [0.5, 1.0, 0.0], [0.0, 0.0, 1.0]])
    for matrix in (np.eye(3), mixing):
        margin = margin_of(evidence_of(targets, matrix))
        assert margin is not None
        assert margin.verdict == "clear"


def basis_with(penalty: float, negative_log_likelihood: float | None) -> Basis:
    return Basis(np.eye(4), penalty, negative_log_likelihood, 1, (0, 1))


@pytest.mark.parametrize(
    ("others", "margin"),
    [
        ([], None),
        # the one that says most against the basis, whatever the sparsest one says
        ([(-0.4, 9.0), (0.0, -9.0)], (0.0, -9.0)),
        ([(-0.4, 0.4), (0.09, 0.3)], (-0.4, 0.4)),
        ([(-0.05, 2.0), (0.05, -1.0), (0.09, 3.0)], (0.05, -1.0)),
        # of equally serious ones the sparsest; those that are less sparse don't count
        ([(-0.05, 2.0), (0.05, 3.0), (0.2, -1.0)], (-0.05, 2.0)),
        ([(0.3, 2.0), (0.4, -1.0)], (0.3, 2.0)),
        # without likelihoods
        ([(-0.05, None), (0.05, None)], (-0.05, None)),
    ],
)
def test_the_margin_is_against_the_most_serious_rival(
    others: list[tuple[float, float | None]],
    margin: tuple[float, float | None] | None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    own = basis_with(0.0, 0.0)
    found = Rivals(own, own, tuple(basis_with(*other) for other in others))
    monkeypatch.setattr(basis, "rival_bases", lambda *_, **__: found)
    judged = margin_of(evidence_of())
    assert judged is not None
    assert (judged.sparsity, judged.likelihood) == (margin or (None, None))


def test_bases_of_counted_edges_are_compared_by_one_number(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another basis may have fewer edges of one kind for more of the other; budgets are those of each kind."""
    asked = []

    def record(*_: object, edges: dict[str, int], **__: object) -> Rivals:
        asked.append(edges)
        own = Basis(np.eye(4), 1.0, -1.0, 64, ())
        return Rivals(own, own, ())

    monkeypatch.setattr(basis, "rival_bases", record)
    graph = CausalGraph(Ga=TARGETS, Gz=np.eye(4), latents=["v0", "v1", "v2", "v3"])
    jacobians = np.eye(4) * np.random.default_rng(training_seed(0)).normal(size=(2_000, 1, 4))
    for together in (True, False):
        margin_of(evidence_of(graph=graph, past_jacobians=jacobians, counts_together=together))
    margin_of(evidence_of(counts_together=True))
    assert asked == [{TOGETHER: 12}, {"actions": 8, "past": 4}, {"actions": 8}]
