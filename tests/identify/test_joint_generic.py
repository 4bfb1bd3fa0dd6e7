"""Joint influence of generic effects: against effects drawn at random, minimum cuts, and laws."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from identify.entanglement import predict_entanglement
from identify.exceptions import RequestError, UnknownNameError
from identify.graph import CausalGraph
from identify.influence import check_joint, check_joint_generic
from identify.influence.joint.certificates import GenericDirection
from identify.influence.joint.expansion import shortfalls


def screen(n: int, m: int, k: int, seed: int) -> CausalGraph:
    """Return a graph with m actions on k random latents each."""
    rng = np.random.default_rng(seed)
    matrix = np.zeros((n, m), dtype=int)
    for action in range(m):
        matrix[rng.choice(n, k, replace=False), action] = 1
    return CausalGraph(Ga=matrix)


def drawn_effects(graph: CausalGraph, ranks: Sequence[int], seed: int = 0) -> list[np.ndarray]:
    """Return large random integers on the edges, which have no relation that generic effects lack."""
    rng = np.random.default_rng(seed)
    return [
        rng.integers(10**5, 10**6, size=(graph.n_latents, rank)) * column[:, None].astype(int)
        for rank, column in zip(ranks, graph.Ga.toarray().T, strict=True)
    ]


@st.composite
def graphs(draw: st.DrawFn, largest: int = 5) -> CausalGraph:
    n = draw(st.integers(1, largest))
    columns = draw(st.lists(st.lists(st.booleans(), min_size=n, max_size=n), max_size=7))
    return CausalGraph(Ga=np.array(columns, dtype=int).reshape(len(columns), n).T)


@settings(max_examples=10, deadline=None)
@given(graphs(), st.data())
def test_effects_drawn_at_random(graph: CausalGraph, data: st.DataObject) -> None:
    ranks = [data.draw(st.sampled_from([0, 1, 1, 1, 2, 3])) for _ in graph.actions]
    joint = check_joint_generic(graph, ranks)
    drawn = check_joint(drawn_effects(graph, ranks), n_latents=graph.n_latents)
    assert joint.status == drawn.status
    assert joint.n_fewer == drawn.n_fewer
    assert joint.weights == drawn.weights
    assert joint.sparsest_weights == drawn.sparsest_weights
    # where some basis has fewer edges, V is an upper bound, and another one for screens
    capped = np.minimum(ranks, graph.Ga.toarray().sum(axis=0)) if ranks else np.zeros(1)
    if not joint.n_fewer or capped.max() > 1:
        assert (joint.entanglement == drawn.entanglement).all()
    assert joint.certificate is not None
    assert joint.certificate.verify()


@settings(max_examples=32, deadline=None)
@given(graphs(7))
def test_minimum_cuts_give_the_same_answer(graph: CausalGraph) -> None:
    assert bool(check_joint_generic(graph, basis=False)) == (not shortfalls(graph.Ga.toarray().astype(bool)))


@settings(max_examples=8, deadline=None)
@given(graphs(6))
def test_effects_of_full_dimension_need_no_joint_influence(graph: CausalGraph) -> None:
    joint = check_joint_generic(graph, ranks=graph.n_latents)
    assert joint.n_fewer == 0
    assert (joint.entanglement == predict_entanglement(graph, "actions").matrix.toarray()).all()


@settings(max_examples=8, deadline=None)
@given(graphs(), st.randoms())
def test_order_of_latents_and_actions(graph: CausalGraph, random: Any) -> None:
    latents, actions = list(range(graph.n_latents)), list(range(graph.n_actions))
    random.shuffle(latents)
    random.shuffle(actions)
    matrix = graph.Ga.toarray()
    joint = check_joint_generic(graph)
    other = check_joint_generic(CausalGraph(Ga=matrix[np.ix_(latents, actions)]))
    assert (other.status, other.n_fewer) == (joint.status, joint.n_fewer)
    assert joint.entanglement is not None
    assert (other.entanglement == joint.entanglement[np.ix_(latents, latents)]).all()


@settings(max_examples=8, deadline=None)
@given(graphs(), st.data())
def test_actions_on_single_latents_never_break_it(graph: CausalGraph, data: st.DataObject) -> None:
    matrix = np.hstack([graph.Ga.toarray()] + 2 * [np.eye(graph.n_latents, dtype=int)])
    more = np.eye(graph.n_latents, dtype=int)[:, [data.draw(st.integers(0, graph.n_latents - 1))]]
    if check_joint_generic(CausalGraph(Ga=matrix)):
        assert check_joint_generic(CausalGraph(Ga=np.hstack([matrix, more])))


def test_screens_of_two_targets() -> None:
    """18 random interventions on two of six latents can identify them, 9 can't."""
    assert check_joint_generic(screen(6, 18, 2, 0))
    assert check_joint_generic(screen(6, 18, 2, 1))
    assert not any(check_joint_generic(screen(6, 9, 2, seed), basis=False) for seed in range(6))
    tie = check_joint_generic(screen(6, 18, 2, 2))
    assert tie.status == "fails"
    assert tie.n_fewer == 0
    assert tie.directions[0].latents == ("z4", "z5")
    assert tie.directions[0].beside == ("z4",)
    assert tie.entangled_with(5) == ("z4",)
    assert tie.disentangled.tolist() == [True] * 5 + [False]


def test_a_basis_with_fewer_edges() -> None:
    graph = CausalGraph(Ga=[[1, 1, 1], [1, 1, 1]], latents=["x", "y"], actions=["a", "b", "c"])
    joint = check_joint_generic(graph)
    assert (joint.status, joint.n_fewer, joint.sparsest_weights) == ("fails", 2, (2, 2))
    assert joint.basis is not None
    assert all(direction.latents == ("x", "y") for direction in joint.basis)
    assert joint.entanglement is not None
    assert joint.entanglement.all()
    one_exchange = check_joint_generic(graph, basis=False)
    assert (one_exchange.status, one_exchange.n_fewer) == ("fails", 1)
    assert "at least 1 edge fewer" in one_exchange.reason
    assert check_joint_generic(graph, {"a": 2, "b": 2}).status == "fails"
    assert check_joint_generic(graph, {"a": 2, "b": 2, "c": 2}).n_fewer == 0


def test_tampered_certificates_are_refused() -> None:
    certificate = check_joint_generic(screen(6, 9, 2, 0)).certificate
    assert isinstance(certificate, GenericDirection)
    assert certificate.verify()
    fields = {name: getattr(certificate, name) for name in GenericDirection.__dataclass_fields__}
    coefficients = list(certificate.coefficients)
    coefficients[0] += 1
    for change in (
        {"coefficients": tuple(coefficients)},
        {"coefficients": (0, *coefficients[1:])},
        {"cancelled": certificate.cancelled[1:]},
        {"cancelled": certificate.cancelled * 2},
        {"columns": certificate.columns[:, 1:]},
        {"columns": certificate.columns + 1},
        {"latent": next(i for i in range(6) if i not in certificate.support)},
    ):
        assert not GenericDirection(**(fields | change)).verify()


@pytest.mark.parametrize(("n", "m", "k"), [(10, 30, 3), (20, 60, 3), (50, 200, 3)])
def test_usual_screens_take_a_second(n: int, m: int, k: int) -> None:
    begin = time.process_time()
    joint = check_joint_generic(screen(n, m, k, 0))
    assert joint.status != "undecided"
    assert time.process_time() - begin < 10


# the interruption may come while hypothesis counts garbage collections, which only delays it
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_time_limit_holds() -> None:
    begin = time.monotonic()
    joint = check_joint_generic(screen(24, 26, 3, 0), time_limit=0.5)
    assert time.monotonic() - begin < 30
    assert joint.status in ("fails", "undecided")
    assert joint.sparsest_weights is None


@pytest.mark.parametrize(
    ("ranks", "error", "message"),
    [
        ([1], RequestError, "ranks has 1 numbers for 2 actions"),
        (
            [1, -1],
            RequestError,
            "a rank is -1; it is the dimension of what an action does, an integer from 0",
        ),
        (1.5, RequestError, "a rank is 1.5; it is the dimension"),
        (True, RequestError, "a rank is True; it is the dimension"),
        ("two", RequestError, "a rank is 'two'; it is the dimension"),
        ({"b": 1}, UnknownNameError, "ranks names 'b', which is not an action of the graph"),
    ],
)
def test_bad_ranks(ranks: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        check_joint_generic(CausalGraph(Ga=[[1, 1], [0, 1]]), ranks)


def test_graphs_without_actions() -> None:
    nothing = check_joint_generic(CausalGraph(Ga=np.zeros((3, 0), dtype=int)))
    assert nothing.status == "fails"
    assert nothing.entanglement is not None
    assert nothing.entanglement.all()
    assert check_joint_generic(CausalGraph(Ga=np.zeros((1, 0), dtype=int))).status == "holds"
    with pytest.raises(RequestError, match="seconds is 0"):
        check_joint_generic(CausalGraph(Ga=[[1]]), time_limit=0)
