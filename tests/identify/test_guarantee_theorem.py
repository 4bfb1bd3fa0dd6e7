"""The theorem on partial influence, by enumerating all linear maps over a small finite field.

Let M be the Jacobian of the entanglement map at a point and S_l the span of the vectors of action l. The learned graph
has an edge from l to learned latent k iff row k of M^T S_l is not zero. The past has an edge (a, b) iff (M^T H M)[a, b]
is not zero for some H on G^z.
"""

from __future__ import annotations

import itertools
from functools import cache

import numpy as np
import pytest

from identify.criterion import check
from identify.graph import CausalGraph
from tests.identify.influence_reports import report_with


@cache
def invertible_matrices(n: int, p: int) -> np.ndarray:
    """Return all invertible n x n matrices over the field of p elements, shape (number, n, n)."""
    everything = np.array(list(itertools.product(range(p), repeat=n * n)), dtype=np.int64).reshape(-1, n, n)
    determinants = np.round(np.linalg.det(everything)).astype(np.int64) % p
    return everything[determinants != 0]


def learned_columns(matrices: np.ndarray, spans: list[np.ndarray], p: int) -> np.ndarray:
    """Return the learned edges of every action, shape (number of matrices, latents, actions)."""
    learned = [(np.einsum("mik,ir->mkr", matrices, span) % p).any(axis=2) for span in spans]
    return np.stack(learned, axis=2)


def learned_past(matrices: np.ndarray, Gz: np.ndarray) -> np.ndarray:
    """Return the learned edges of the past if its influence is sufficient, shape (number of matrices, n, n)."""
    pattern = (matrices != 0).astype(np.int64)
    return np.einsum("mia,ij,mjb->mab", pattern, Gz.astype(np.int64), pattern) > 0


def inside_up_to_order(matrices: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Return for each matrix whether some order of its columns puts its support inside V."""
    n = len(v)
    result = np.zeros(len(matrices), dtype=bool)
    for order in itertools.permutations(range(n)):
        result |= ((matrices[:, :, order] != 0) <= v).all(axis=(1, 2))
    return result


def random_problem(
    n: int, p: int, rng: np.random.Generator
) -> tuple[CausalGraph, list[np.ndarray], list[bool]]:
    """Draw G^a, a span for every action, and whether the span is full on the targets of the action."""
    m = int(rng.integers(1, 4))
    Ga = rng.random((n, m)) < 0.6
    spans, full = [], []
    for column in Ga.T:
        targets = np.flatnonzero(column)
        is_full = bool(rng.integers(2)) or len(targets) < 2
        span = np.zeros((n, len(targets)), dtype=np.int64)
        span[targets, range(len(targets))] = 1
        if not is_full:
            # one vector that moves all targets at once
            weights = rng.integers(1, p, size=(len(targets), 1))
            span = np.zeros((n, 1), dtype=np.int64)
            span[targets] = weights
        spans.append(span)
        full.append(is_full)
    return CausalGraph(Ga=Ga), spans, full


@pytest.mark.parametrize(("n", "p", "n_problems"), [(2, 5, 25), (3, 2, 40), (3, 3, 12)])
def test_a_budget_on_the_columns_of_the_proved_causes_is_enough(n: int, p: int, n_problems: int) -> None:
    matrices = invertible_matrices(n, p)
    for seed in range(n_problems):
        graph, spans, full = random_problem(n, p, np.random.default_rng(seed))
        statuses = {
            name: "holds" if holds else "fails" for name, holds in zip(graph.actions, full, strict=True)
        }
        guarantee = check(graph, "actions", report_with(statuses)).guarantee
        assert guarantee is not None
        v = guarantee.entanglement.matrix.toarray()
        n_edges = learned_columns(matrices, spans, p)[:, :, full].sum(axis=(1, 2))
        allowed = n_edges <= (guarantee.budget.actions or 0)
        assert inside_up_to_order(matrices[allowed], v).all()
        # and V can't be smaller: every map inside V keeps the budget
        inside = ((matrices != 0) <= v).all(axis=(1, 2))
        assert (n_edges[inside] == (guarantee.budget.actions or 0)).all()


@pytest.mark.parametrize(("n", "p"), [(2, 5), (3, 2)])
@pytest.mark.parametrize("past_holds", [False, True])
def test_the_past_has_a_budget_of_its_own(n: int, p: int, past_holds: bool) -> None:
    matrices = invertible_matrices(n, p)
    for seed in range(20):
        rng = np.random.default_rng(seed)
        drawn, spans, full = random_problem(n, p, rng)
        Gz = rng.random((n, n)) < 0.5
        graph = CausalGraph(Gz, drawn.Ga)
        statuses = {
            name: "holds" if holds else "fails" for name, holds in zip(graph.actions, full, strict=True)
        }
        guarantee = check(graph, "both", report_with(statuses, "holds" if past_holds else "fails")).guarantee
        assert guarantee is not None
        allowed = learned_columns(matrices, spans, p)[:, :, full].sum(axis=(1, 2)) <= (
            guarantee.budget.actions or 0
        )
        if past_holds:
            allowed &= learned_past(matrices, Gz).sum(axis=(1, 2)) <= Gz.sum()
        assert inside_up_to_order(matrices[allowed], guarantee.entanglement.matrix.toarray()).all()


def test_a_budget_on_all_columns_is_not_enough() -> None:
    """Action 1 moves both latents by one and the same effect, action 2 moves latent 2; p is any field."""
    graph = CausalGraph(Ga=[[1, 0], [1, 1]])
    spans = [np.array([[1], [1]]), np.array([[0], [1]])]
    guarantee = check(graph, None, report_with({"a0": "fails", "a1": "holds"})).guarantee
    assert guarantee is not None
    assert guarantee.entanglement.matrix.toarray().tolist() == [[True, True], [False, True]]
    assert guarantee.budget.actions == 1
    matrices = invertible_matrices(2, 5)
    learned = learned_columns(matrices, spans, 5)
    within_total = matrices[learned.sum(axis=(1, 2)) <= graph.Ga.nnz]
    within_column = matrices[learned[:, :, 1].sum(axis=1) <= 1]
    mixing = (within_total != 0).all(axis=(1, 2))
    # some maps within the total budget mix both latents, in either order of the columns
    assert mixing.any()
    assert not inside_up_to_order(within_total[mixing], guarantee.entanglement.matrix.toarray()).any()
    assert inside_up_to_order(within_column, guarantee.entanglement.matrix.toarray()).all()


def test_the_mixture_of_the_counterexample_is_a_model_of_the_same_data() -> None:
    """Rotating independent noise of equal variance leaves it independent, so both models have the same distribution."""
    effects = np.array([[1.0, 0.0], [1.0, 1.0]])
    unmixing = np.array([[-0.5, 0.5], [0.5, 0.5]])
    np.testing.assert_allclose(unmixing @ effects, [[0.0, 0.5], [1.0, 0.5]])
    noise = unmixing @ unmixing.T
    np.testing.assert_allclose(noise, np.diag(np.diag(noise)))
