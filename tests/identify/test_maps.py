"""Maps: what they depend on, and the group of those that preserve a graph."""

from __future__ import annotations

import numpy as np
import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st

from identify.entanglement import predict_entanglement
from identify.exceptions import RequestError, UndecidedError
from identify.graph import CausalGraph
from identify.maps import (
    compose,
    dependencies,
    dependency_graph,
    inverse,
    is_consistent,
    is_preserving,
)
from tests.builders import graphs

x, y, z, k = sympy.symbols("x y z k")
CHAIN = CausalGraph(Ga=[[1, 0], [1, 1]])


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        (sympy.sin(x) ** 2 + sympy.cos(x) ** 2, [0, 0]),
        (sympy.log(sympy.exp(x) * sympy.exp(y)) - x, [0, 1]),
        (sympy.log((1 + x**2) ** 3) / sympy.log(1 + x**2) * y, [0, 1]),
        ((x**2 - y**2) / (x - y) - y, [1, 0]),
        (sympy.Piecewise((x, x > 0), (-x, True)) - sympy.Abs(x), [0, 0]),
        (sympy.sign(x), [1, 0]),
        (sympy.Heaviside(y) + k, [0, 1]),
        (sympy.Abs(x) + k * y, [1, 1]),
        (sympy.Piecewise((x, y > 0), (x + y, True)), [1, 1]),
        (sympy.tan(x) - sympy.sin(x) / sympy.cos(x) + sympy.pi, [0, 0]),
        (sympy.Integer(3), [0, 0]),
    ],
    ids=str,
)
def test_dependence_is_decided(expression: sympy.Expr, expected: list[int]) -> None:
    assert dependency_graph([expression], [x, y]).astype(int).tolist() == [expected]


def test_undecided_entries_are_named() -> None:
    unknown = sympy.Function("f")(x) + y
    with pytest.raises(
        UndecidedError, match=r"whether component 0 \(y \+ f\(x\)\) depends on x is undecided"
    ):
        dependency_graph([unknown], [x, y])
    result = dependencies([unknown], [x, y])
    assert result.undecided.tolist() == [[True, False]]
    assert result.matrix.tolist() == [[False, True]]
    assert "neither a point nor" in result.decisions[0][0].reason


@pytest.mark.parametrize(
    ("expressions", "variables", "message"),
    [
        (["x"], [x], "component 0 \\('x'\\) is not a sympy expression"),
        ([sympy.Eq(x, y)], [x], "is not a sympy expression"),
        ([x], ["x"], "'x' is not a sympy symbol"),
        ([x], [x, x], "the variables x, x repeat"),
        ([sympy.I * x], [x], "is not real"),
        ([sympy.Symbol("u", imaginary=True)], [x], "the symbol u is declared not to be real"),
    ],
    ids=str,
)
def test_invalid_input_is_refused(expressions: list[object], variables: list[object], message: str) -> None:
    with pytest.raises(RequestError, match=message):
        dependency_graph(expressions, variables)  # type: ignore[arg-type]


def test_violations_are_named() -> None:
    result = is_preserving([x, y + x**3], [x, y], CHAIN)
    assert not result
    assert (result.status, result.violations) == ("fails", (("z1", "z0"),))
    assert is_preserving([x + sympy.exp(y), y], [x, y], CHAIN)
    undecided = is_preserving([x, y + sympy.Function("f")(x)], [x, y], CHAIN)
    assert not undecided
    assert undecided.status == "undecided"
    assert undecided.undecided[0][:2] == ("z1", "z0")
    with pytest.raises(RequestError, match="1 components in 2 variables for a graph with 2 latents"):
        is_preserving([x], [x, y], CHAIN)


def test_consistency_up_to_a_permutation() -> None:
    swapped = CausalGraph(Ga=[[1, 1], [1, 0]])
    result = is_consistent([y + x**3, x], [x, y], CHAIN, swapped)
    assert result
    assert result.permutation is not None
    assert result.permutation.tolist() == [1, 0]
    assert not is_consistent([y, x + y], [x, y], CHAIN, swapped)


@st.composite
def preserving_maps(draw: st.DrawFn) -> tuple[CausalGraph, list[sympy.Symbol], list[list[sympy.Expr]]]:
    """Draw a graph and two invertible maps that preserve it; each component depends only on what V allows."""
    graph = draw(graphs(max_latents=4, max_actions=3))
    n = graph.n_latents
    symbols = list(sympy.symbols(f"v0:{n}", real=True))
    allowed = predict_entanglement(graph).matrix.toarray()
    kinds = st.sampled_from([sympy.sin, sympy.exp, lambda s: s**3, sympy.atan])
    maps = []
    for _ in range(2):
        order = draw(st.permutations(range(n)))
        rank = {latent: position for position, latent in enumerate(order)}
        components = []
        for i in range(n):
            # a component depends on later twins only, so that the map can be inverted step by step
            others = [
                j for j in range(n) if j != i and allowed[i, j] and (rank[j] > rank[i] or not allowed[j, i])
            ]
            parents = [j for j in others if draw(st.booleans())]
            components.append(
                symbols[i] * draw(st.integers(1, 3)) + sum(draw(kinds)(symbols[j]) for j in parents)
            )
        maps.append(components)
    return graph, symbols, maps


@settings(max_examples=25, deadline=None)
@given(preserving_maps())
def test_the_group_is_closed(drawn: tuple[CausalGraph, list[sympy.Symbol], list[list[sympy.Expr]]]) -> None:
    graph, symbols, (first, second) = drawn
    assert is_preserving(first, symbols, graph)
    assert is_preserving(compose(first, second, symbols), symbols, graph)
    try:
        inverse_map = inverse(second, symbols)
    except UndecidedError:
        return
    assert is_preserving(inverse_map, symbols, graph)
    identity = compose(second, inverse_map, symbols)
    for component, symbol in zip(identity, symbols, strict=True):
        assert sympy.simplify(component - symbol) == 0


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**12 - 1))
def test_the_graph_of_a_sum_is_its_pattern(bits: int) -> None:
    pattern = np.array([(bits >> k) & 1 for k in range(12)]).reshape(3, 4)
    symbols = sympy.symbols("u0:4")
    expressions = [
        sympy.Add(*(sympy.sin((i + 1) * symbols[j] + j) for j in range(4) if pattern[i, j])) for i in range(3)
    ]
    np.testing.assert_array_equal(dependency_graph(expressions, symbols), pattern)


def test_maps_without_an_inverse_or_a_composition_are_refused() -> None:
    assert inverse([x + sympy.exp(y), 2 * y + 1], [x, y]) == [
        x - sympy.exp(y / 2 - sympy.Rational(1, 2)),
        y / 2 - sympy.Rational(1, 2),
    ]
    with pytest.raises(UndecidedError, match="sympy finds no inverse of the map"):
        inverse([x + sympy.sin(x) / 2], [x])
    with pytest.raises(UndecidedError, match="solutions for the inverse"):
        inverse([x**2], [x])
    with pytest.raises(RequestError, match="1 components in 2 variables have no inverse"):
        inverse([x], [x, y])
    with pytest.raises(RequestError, match="maps with 1 and 2 components in 2 variables can't be composed"):
        compose([x], [x, y], [x, y])
