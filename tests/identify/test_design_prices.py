"""Designs with prices agree with brute force, exactly for decimals, fractions and prices of very different size."""

from __future__ import annotations

import itertools
import json
import math
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from estimation.commands import main
from identify.design import design_interventions, read_candidates, subsets
from identify.design.prices import exact, in_whole_numbers, total
from identify.exceptions import FormatError, RequestError
from identify.graph import CausalGraph
from tests.builders import graph_without_edges

PRICES = {
    "cents": st.integers(0, 2000).map(lambda k: k / 100),
    "thirds": st.integers(0, 60).map(lambda k: k / 3),
    "irrational": st.integers(1, 60).map(lambda k: math.pi * k**0.5),
    "orders of magnitude": st.integers(0, 12).map(lambda k: 10.0**k),
    "tiny": st.integers(0, 9).map(lambda k: k * 1e-9),
    "equal": st.just(0.1 + 0.2),
    "almost equal": st.integers(0, 9).map(lambda k: 1e6 + k / 10),
    "huge and denormal": st.sampled_from([5e-324, 1e-300, 1.0, 1e300]),
}


def brute_force(
    n: int, candidates: list[list[int]], costs: list[float], margin: int, budget: float
) -> tuple[Fraction, int]:
    """Return the minimum cost of a cover, and the maximum number of separated latents within a budget."""
    pairs = list(itertools.permutations(range(n), 2))
    indices = range(len(candidates))

    def count(chosen: Any, i: int, j: int) -> int:
        return sum(i in candidates[c] and j not in candidates[c] for c in chosen)

    needs = {pair: min(margin, count(indices, *pair)) for pair in pairs}
    unseparable = {i for i, j in pairs if not needs[i, j]}
    min_cost, max_separated = sum(map(exact, costs), Fraction(0)), 0
    for size in range(len(candidates) + 1):
        for chosen in itertools.combinations(indices, size):
            price = sum((exact(costs[c]) for c in chosen), Fraction(0))
            unmet = {i for i, j in pairs if count(chosen, i, j) < needs[i, j]}
            if not unmet:
                min_cost = min(min_cost, price)
            if price <= exact(budget):
                max_separated = max(max_separated, n - len(unmet | unseparable))
    return min_cost, max_separated


@pytest.mark.parametrize("enumerated", [True, False], ids=["enumeration", "solver"])
@pytest.mark.parametrize("kind", PRICES)
@settings(max_examples=6, deadline=None)
@given(data=st.data())
def test_designs_with_prices_agree_with_brute_force(kind: str, enumerated: bool, data: st.DataObject) -> None:
    n = data.draw(st.integers(2, 4))
    targets = st.lists(st.integers(0, n - 1), min_size=1, max_size=n, unique=True)
    candidates = data.draw(st.lists(targets, min_size=1, max_size=6))
    costs = data.draw(st.lists(PRICES[kind], min_size=len(candidates), max_size=len(candidates)))
    budget = data.draw(st.sampled_from([0.0, 0.3, 0.5, 0.8])) * sum(costs)
    robust = data.draw(st.booleans())
    min_cost, max_separated = brute_force(n, candidates, costs, 1 + robust, budget)
    with pytest.MonkeyPatch.context() as patch:
        if not enumerated:
            patch.setattr(subsets, "_MAX_CANDIDATES", -1)
        design = design_interventions(graph_without_edges(n), candidates, costs=costs, robust=robust)
        limited = design_interventions(
            graph_without_edges(n), candidates, costs=costs, robust=robust, budget=budget
        )
    assert design.optimal
    assert design.lower_bound <= float(min_cost)
    if enumerated:
        assert design.cost == float(min_cost)
    else:
        assert design.cost <= float(min_cost) * (1 + 1e-6)
    assert limited.cost <= budget
    if limited.limited:
        assert limited.n_secured == limited.most_disentangled == max_separated
    else:
        # rounded once, as the cost of a design
        assert float(min_cost) <= budget


def test_one_candidate_for_56_cents_is_proved() -> None:
    design = design_interventions(
        CausalGraph(latents=["raf", "mek", "erk"]), {"k1": ["raf"]}, costs={"k1": 0.56}
    )
    assert (design.cost, design.lower_bound, design.gap, design.optimal) == (0.56, 0.56, 0.0, True)


def test_random_designs_priced_in_cents_are_proved_optimal() -> None:
    rng = np.random.default_rng(5)
    for _ in range(60):
        candidates = [np.flatnonzero(rng.random(5) < 0.4).tolist() or [k % 5] for k in range(8)]
        costs = rng.uniform(1, 20, 8).round(2)
        design = design_interventions(graph_without_edges(5), candidates, costs=costs)
        assert design.gap == 0
        assert design.lower_bound == design.cost


def test_many_priced_candidates_are_proved_by_the_solver() -> None:
    rng = np.random.default_rng(0)
    candidates = [np.flatnonzero(rng.random(8) < 0.4).tolist() or [k % 8] for k in range(24)]
    cents = rng.uniform(1, 20, 24).round(2)
    design = design_interventions(graph_without_edges(8), candidates, costs=cents)
    assert design.gap == 0
    other = design_interventions(graph_without_edges(8), candidates, costs=cents * math.pi)
    assert other.optimal
    assert other.gap <= 1e-6
    assert other.lower_bound <= design.cost * math.pi * (1 + 1e-12)
    assert other.cost == pytest.approx(design.cost * math.pi, rel=1e-6)


@pytest.mark.parametrize("number", [13, 60])
def test_only_the_price_decides_between_candidates_with_the_same_targets(number: int) -> None:
    candidates, costs = [["q0"]] * number, [10.0 ** (k % 13) for k in range(number)]
    design = design_interventions(graph_without_edges(3), candidates, costs=costs, max_actions=1)
    assert (design.cost, design.optimal, design.limited) == (1.0, True, False)
    robust = design_interventions(graph_without_edges(3), candidates, costs=costs, robust=True)
    assert robust.cost == (11.0 if number == 13 else 2.0)


def test_prices_are_summed_as_decimals() -> None:
    design = design_interventions(graph_without_edges(3), [[0], [1], [2]], costs=[0.1, 0.1, 0.1], budget=0.3)
    assert design.complete
    assert design.cost == 0.3
    assert total([0.1] * 10) == 1.0
    assert in_whole_numbers([0.0, 0.0]) == ([0, 0], 1)


def test_fractions_and_decimals_are_prices() -> None:
    design = design_interventions(graph_without_edges(2), [[0], [1]], costs=[Fraction(1, 4), Decimal("0.05")])
    assert design.cost == 0.3


@pytest.mark.parametrize(
    "cost", [10**400, 10**5000, -(10**5000), Fraction(10**400), Decimal("NaN")], ids=lambda _: ""
)
def test_prices_beyond_the_range_of_floats_are_rejected(cost: Any) -> None:
    with pytest.raises(RequestError, match="it must be a finite number, zero or more"):
        design_interventions(graph_without_edges(2), [[0]], costs=[cost])
    with pytest.raises(RequestError, match="the sum of the costs exceeds the floating-point range"):
        design_interventions(graph_without_edges(2), [[0], [1]], costs=[1.7e308, 1.7e308])


@pytest.mark.parametrize("content", ["\ufeff", "\ufeff\n\n", "", " \n"])
def test_an_empty_file_of_candidates_gives_one_line(
    content: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "c.csv"
    path.write_text(content, encoding="utf-8")
    assert main(["design", "identical-twins", "--candidates", str(path), "--robust"]) == 2
    assert capsys.readouterr().err.endswith("c.csv: the file is empty\n")


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ('{"version": ' + "1" * 5000 + "}", "contains a number of thousands of digits"),
        (json.dumps({"format": "mechsparse-candidates", "version": "x" * 50_000}), "key 'version': is 'xxx"),
        ('{"a":' * 100_000, "is nested too deeply"),
    ],
    ids=["digits", "long", "nested"],
)
def test_huge_invalid_files_of_candidates_give_a_short_line(
    record: str, message: str, tmp_path: Path
) -> None:
    path = tmp_path / "c.json"
    path.write_text(record, encoding="utf-8")
    with pytest.raises(FormatError, match=message) as caught:
        read_candidates(path)
    assert len(str(caught.value)) <= 300
