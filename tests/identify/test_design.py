"""Designs of interventions: agreement with brute force, and laws."""

from __future__ import annotations

import itertools
from math import comb
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from identify.catalog import load, names
from identify.criterion import check
from identify.design import design_interventions
from identify.design.bounds import capacity, fewest_actions
from identify.graph import CausalGraph
from tests.builders import graph_without_edges, graphs
from tests.oracles import matrix_form

quick = settings(max_examples=60, deadline=None)
Sets = list[list[int]]


@st.composite
def target_sets(draw: st.DrawFn, n: int, max_size: int = 6) -> Sets:
    targets = st.lists(st.integers(0, n - 1), min_size=1, max_size=n, unique=True)
    return draw(st.lists(targets, min_size=0, max_size=max_size))


# Brute force ----------------------------------------------------------------------------------------


def pairs_of(graph: CausalGraph) -> list[tuple[int, int]]:
    v = matrix_form(graph, None)
    return [(i, j) for i, j in itertools.permutations(range(len(v)), 2) if v[i, j]]


def count(chosen: Sets, i: int, j: int) -> int:
    return sum(i in targets and j not in targets for targets in chosen)


def secured(graph: CausalGraph, chosen: Sets, candidates: Sets, margin: int) -> int:
    """Count the latents whose pairs are separated as often as the margin requires, or as the candidates allow."""
    unmet = {
        (i, j)
        for i, j in pairs_of(graph)
        if count(chosen, i, j) < max(1, min(margin, count(candidates, i, j)))
    }
    return graph.n_latents - len({i for i, _ in unmet})


def subsets(n: int) -> list[tuple[int, ...]]:
    return [rows for size in range(n + 1) for rows in itertools.combinations(range(n), size)]


def cheapest(graph: CausalGraph, candidates: Sets, costs: list[int], margin: int) -> int:
    pairs = pairs_of(graph)
    required = {pair: min(margin, count(candidates, *pair)) for pair in pairs}
    best = sum(costs)
    for subset in subsets(len(candidates)):
        chosen = [candidates[c] for c in subset]
        if all(count(chosen, *pair) >= need for pair, need in required.items()):
            best = min(best, sum(costs[c] for c in subset))
    return best


def min_actions(graph: CausalGraph, max_targets: int, forbidden: set[int], margin: int) -> int | None:
    """Return the smallest number of actions for which codes exist, by trying all codes; None if more than three."""
    pairs = [(i, j) for i, j in pairs_of(graph) if i not in forbidden]
    latents = sorted({i for i, _ in pairs})
    for m in range(4):
        for rows in itertools.product(range(2**m), repeat=len(latents)):
            code = dict(zip(latents, rows, strict=True))
            if all((code[i] & ~code.get(j, 0)).bit_count() >= margin for i, j in pairs) and all(
                sum(row >> a & 1 for row in rows) <= max_targets for a in range(m)
            ):
                return m
    return None


@given(graphs(max_latents=5, max_actions=3), st.booleans(), st.data())
@quick
def test_the_cost_of_candidates_is_the_minimum_by_brute_force(
    graph: CausalGraph, robust: bool, data: st.DataObject
) -> None:
    candidates = data.draw(target_sets(graph.n_latents))
    costs = data.draw(st.lists(st.integers(0, 5), min_size=len(candidates), max_size=len(candidates)))
    design = design_interventions(graph, candidates, costs=costs, robust=robust)
    assert design.cost == pytest.approx(cheapest(graph, candidates, costs, 2 if robust else 1))
    assert design.optimal
    assert not design.limited
    unseparable = {
        (graph.latents[i], graph.latents[j]) for i, j in pairs_of(graph) if not count(candidates, i, j)
    }
    assert set(design.unseparable) == unseparable
    assert design.n_separated == design.n_pairs - len(unseparable)
    fragile = {
        (graph.latents[i], graph.latents[j]) for i, j in pairs_of(graph) if count(candidates, i, j) == 1
    }
    assert set(design.fragile) == (fragile if robust else set())


@given(graphs(max_latents=5, max_actions=3), st.booleans(), st.data())
@quick
def test_the_number_within_a_budget_is_the_maximum_by_brute_force(
    graph: CausalGraph, robust: bool, data: st.DataObject
) -> None:
    candidates = data.draw(target_sets(graph.n_latents, max_size=5))
    costs = data.draw(st.lists(st.integers(1, 4), min_size=len(candidates), max_size=len(candidates)))
    budget, max_actions = data.draw(st.integers(0, 8)), data.draw(st.integers(0, 5))
    design = design_interventions(
        graph, candidates, costs=costs, budget=budget, max_actions=max_actions, robust=robust
    )
    affordable = [
        [candidates[c] for c in chosen]
        for chosen in subsets(len(candidates))
        if sum(costs[c] for c in chosen) <= budget and len(chosen) <= max_actions
    ]
    best = max(secured(graph, chosen, candidates, 2 if robust else 1) for chosen in affordable)
    assert design.cost <= budget
    assert len(design.actions) <= max_actions
    assert design.n_secured == design.most_disentangled == best
    assert design.n_disentangled >= best
    assert robust or design.n_disentangled == best
    assert design.optimal


@given(
    graphs(max_latents=4, max_actions=2),
    st.integers(1, 4),
    st.sets(st.integers(0, 3), max_size=1),
    st.booleans(),
)
@settings(max_examples=80, deadline=None)
def test_the_number_of_actions_of_free_choice_is_the_minimum_by_brute_force(
    graph: CausalGraph, max_targets: int, forbidden: set[int], robust: bool
) -> None:
    forbidden = {i for i in forbidden if i < graph.n_latents}
    design = design_interventions(graph, max_targets=max_targets, forbidden=forbidden, robust=robust)
    minimum = min_actions(graph, max_targets, forbidden, 2 if robust else 1)
    assert design.optimal
    assert len(design.actions) == design.lower_bound
    assert len(design.actions) > 3 if minimum is None else len(design.actions) == minimum
    assert all(len(targets) <= max_targets for targets in design.targets)
    forbidden_names = {graph.latents[i] for i in forbidden}
    assert not any(targets & forbidden_names for targets in design.targets)
    assert set(design.unseparable) == {
        (graph.latents[i], graph.latents[j]) for i, j in pairs_of(graph) if i in forbidden
    }
    assert design.n_separated == design.n_pairs - len(design.unseparable)


@given(graphs(max_latents=4, max_actions=2), st.integers(0, 3), st.integers(1, 4), st.integers(0, 7))
@quick
def test_free_choice_within_a_budget(graph: CausalGraph, m: int, max_targets: int, latent: int) -> None:
    forbidden = [latent] if latent < graph.n_latents else []
    design = design_interventions(graph, budget=m, max_targets=max_targets, forbidden=forbidden)
    allowed = [rows for rows in subsets(graph.n_latents) if not set(rows) & set(forbidden)]
    candidates = [list(rows) for rows in allowed if 0 < len(rows) <= max_targets]
    best = max(
        secured(graph, list(chosen), [], 1)
        for chosen in itertools.combinations_with_replacement([[], *candidates], m)
    )
    assert design.n_disentangled == best
    assert design.most_disentangled == best
    assert design.optimal


# Free choice ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("n", "m"), [(1, 0), (2, 2), (3, 3), (6, 4), (10, 5), (20, 6), (70, 8), (252, 10)])
def test_sperner(n: int, m: int) -> None:
    design = design_interventions(graph_without_edges(n))
    assert len(design.targets) == design.lower_bound == fewest_actions(n) == m
    assert design.optimal
    assert check(design.graph)


def test_very_many_latents() -> None:
    n = 20_000
    design = design_interventions(graph_without_edges(n))
    assert len(design.actions) == fewest_actions(n)
    assert design.optimal
    assert design.complete
    assert design.n_pairs == design.n_separated == n * (n - 1)


@pytest.mark.parametrize(
    ("n", "options", "m"),
    [(5_000, {"max_targets": 20}, 500), (3_000, {"max_targets": 1}, 3_000), (4_000, {"robust": True}, 19)],
)
def test_very_many_latents_with_limits(n: int, options: dict[str, Any], m: int) -> None:
    design = design_interventions(graph_without_edges(n), time_limit=20, **options)
    assert len(design.actions) == m
    assert design.lower_bound <= m
    assert design.complete
    if "robust" in options:
        assert check(design.without(design.names[0]))


def test_latents_that_are_not_entangled_can_share_a_code() -> None:
    """Two actions suffice for three pairs of twins, because only the codes within a pair must differ."""
    graph = CausalGraph(Gz=np.kron(np.eye(3, dtype=int), [[1, 1], [1, 1]]))
    design = design_interventions(graph)
    assert len(design.actions) == 2
    assert design.optimal
    assert [len(targets) for targets in design.targets] == [3, 3]


def test_a_chain_needs_logarithmically_many_actions() -> None:
    """Latents that are entangled one way need different codes but no antichain: m actions suffice for 2^m latents."""
    graph = CausalGraph(Ga=np.tri(16, dtype=int))
    design = design_interventions(graph)
    assert len(design.actions) == 4
    assert design.optimal


@pytest.mark.parametrize(
    ("n", "max_targets", "m"),
    [(6, 1, 6), (6, 2, 6), (6, 3, 4), (10, 4, 5), (20, 5, 8), (70, 7, 20), (70, 25, 9)],
)
def test_the_number_of_actions_with_limited_targets_is_proved(n: int, max_targets: int, m: int) -> None:
    design = design_interventions(graph_without_edges(n), max_targets=max_targets)
    assert len(design.actions) == design.lower_bound == m
    assert max(len(targets) for targets in design.targets) <= max_targets
    assert design.complete


@pytest.mark.parametrize(("n", "m"), [(2, 4), (3, 6), (4, 6), (10, 8), (14, 8)])
def test_robust_free_choice(n: int, m: int) -> None:
    design = design_interventions(graph_without_edges(n), robust=True)
    assert len(design.actions) == design.lower_bound == m
    assert all(check(design.without(name)) for name in design.names)


@given(graphs(max_latents=7), st.integers(1, 4), st.booleans())
@quick
def test_free_choice_is_never_worse_than_one_action_per_latent(
    graph: CausalGraph, max_targets: int, robust: bool
) -> None:
    design = design_interventions(graph, max_targets=max_targets, robust=robust, time_limit=2)
    n_entangled = graph.n_latents - check(graph).n_disentangled
    assert design.complete
    assert design.lower_bound <= len(design.actions) <= n_entangled * (2 if robust else 1)
    assert design.gap == pytest.approx(
        (len(design.actions) - design.lower_bound) / max(len(design.actions), 1)
    )


def test_bounds_are_bounds() -> None:
    assert [capacity(m, 1) for m in range(6)] == [1, 1, 2, 3, 6, 10]
    # sizes of the best constant-weight codes of distance 4, from Brouwer's table
    sizes = {4: 2, 5: 2, 6: 4, 7: 7, 8: 14, 9: 18, 10: 36, 11: 66, 12: 132}
    assert all(capacity(m, 2) >= size for m, size in sizes.items())
    assert all(capacity(m, 2) <= comb(m, m // 2) for m in range(1, 13))


def test_the_distance_to_the_bound_is_reported_as_a_gap() -> None:
    design = design_interventions(graph_without_edges(70), robust=True, time_limit=0.01)
    assert design.complete
    assert not design.optimal
    assert 11 <= design.lower_bound < len(design.actions)
    assert 0 < design.gap < 1


def test_a_design_exists_even_without_time() -> None:
    design = design_interventions(graph_without_edges(40), max_targets=3, time_limit=1e-9)
    assert design.complete
    assert design.lower_bound <= len(design.actions) <= 40


def test_candidates_have_a_design_and_a_bound_when_time_runs_out() -> None:
    rng = np.random.default_rng(0)
    candidates = [rng.choice(60, rng.integers(1, 15), replace=False).tolist() for _ in range(200)]
    design = design_interventions(graph_without_edges(60), candidates, time_limit=1.5, seed=3)
    assert design.complete
    assert not design.optimal
    assert 11 <= design.lower_bound < design.cost < 40
    limited = design_interventions(graph_without_edges(60), candidates, max_actions=8, time_limit=1.5)
    assert limited.limited
    assert limited.n_disentangled <= limited.most_disentangled <= 60
    assert len(limited.actions) <= 8


# Laws -----------------------------------------------------------------------------------------------


@given(graphs(max_latents=6), st.data())
@quick
def test_more_candidates_never_cost_more(graph: CausalGraph, data: st.DataObject) -> None:
    singles: Sets = [[i] for i in range(graph.n_latents)]
    candidates, additions = (data.draw(target_sets(graph.n_latents)) for _ in range(2))
    design = design_interventions(graph, [*singles, *candidates])
    assert design_interventions(graph, [*singles, *candidates, *additions]).cost <= design.cost
    assert design_interventions(graph).cost <= design.cost
    assert design.complete


@given(graphs(max_latents=6), st.data())
@quick
def test_the_order_of_the_latents_does_not_change_the_cost(graph: CausalGraph, data: st.DataObject) -> None:
    order = data.draw(st.permutations(range(graph.n_latents)))
    candidates = [[graph.latents[i] for i in rows] for rows in data.draw(target_sets(graph.n_latents))]
    design = design_interventions(graph, candidates)
    permuted = design_interventions(graph.permute(order), candidates)
    assert design.cost == permuted.cost
    assert design.n_disentangled == permuted.n_disentangled
    assert set(design.unseparable) == set(permuted.unseparable)
    assert design_interventions(graph).cost == design_interventions(graph.permute(order)).cost


@given(graphs(max_latents=6), st.booleans(), st.data())
@quick
def test_a_robust_design_survives_the_loss_of_any_action(
    graph: CausalGraph, free: bool, data: st.DataObject
) -> None:
    n = graph.n_latents
    candidates = (
        None if free else [*([i] for i in range(n)), *([i] for i in range(n)), *data.draw(target_sets(n))]
    )
    design = design_interventions(graph, candidates, robust=True, time_limit=2)
    assert design.complete
    assert all(check(design.without(name)) for name in design.names)
    plain = design_interventions(graph, candidates)
    assert plain.cost <= design.cost
    assert bool(plain.actions) == bool(design.actions)


@given(graphs(max_latents=6), st.sampled_from(["actions", "past", "both"]))
@quick
def test_the_design_relies_only_on_the_parts_that_it_uses(graph: CausalGraph, using: str) -> None:
    design = design_interventions(graph, using=using)
    assert design.complete
    assert design.n_pairs == matrix_form(graph, using).sum() - graph.n_latents
    assert design.n_separated == design.n_pairs
    assert check(design.graph, "both").complete
    assert design_interventions(graph, [], using=using).n_separated == 0


@given(graphs(max_latents=6))
@quick
def test_every_separation_names_its_actions(graph: CausalGraph) -> None:
    design = design_interventions(graph)
    v = matrix_form(graph, None)
    for i, j in itertools.permutations(range(graph.n_latents), 2):
        separating = design.separated_by(i, j)
        assert separating or not v[i, j]
        for name in separating:
            witnesses = check(design.graph, "both").witnesses(i, j)
            assert name in [witness.name for witness in witnesses]
    for action in design.actions:
        rows = {graph.index(name) for name in action.targets}
        assert action.n_pairs == sum(i in rows and j not in rows for i, j in pairs_of(graph))


@pytest.mark.parametrize("name", names("real"))
def test_designs_for_real_networks_are_optimal(name: str) -> None:
    graph = load(name)
    design = design_interventions(graph)
    assert design.optimal
    assert check(design.graph)
    assert len(design.actions) <= graph.n_latents - check(graph).n_disentangled
