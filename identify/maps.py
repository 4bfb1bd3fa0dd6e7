"""Decide what a map written in sympy depends on, and whether it preserves a causal graph.

The entanglement map v maps the learned latents to the true ones; its functional dependency graph is V[i, j] = 1 iff
dv_i / dz_j is not identically zero. A map is G-preserving iff its component i depends on z_j only if row i of G is
contained in row j; with actions and a past, this must hold for G^a, G^z and the transpose of G^z (Lachapelle et al.,
arXiv 2401.04890, the definitions of the entanglement graph and of G-preserving functions).

Every entry is decided by a proof, or reported as undecided.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from identify.consistency import consistent
from identify.entanglement import predict_entanglement
from identify.exceptions import RequestError, UndecidedError
from identify.graph import CausalGraph
from identify.names import quoted
from identify.proof.deadline import TimeLimitError, check_seconds, run_within
from identify.proof.expressions import SYMPY_ERRORS, expression_text
from identify.proof.vanishing import DEFAULT_SECONDS, Decision, real_symbols, vanishes

if TYPE_CHECKING:
    import sympy

    from identify.consistency import Consistency

__all__ = [
    "Dependencies",
    "Preserving",
    "compose",
    "dependencies",
    "dependency_graph",
    "depends",
    "inverse",
    "is_consistent",
    "is_preserving",
]


@dataclass(frozen=True, eq=False)
class Dependencies:
    """The dependencies of all components of a map.

    Attributes:
        matrix: Bool, shape (components, variables); true where dependence is proved.
        undecided: Bool, same shape; true where neither dependence nor independence is proved.
        decisions: The decision for every component and variable; the answer True means "does not depend".
    """

    matrix: NDArray[np.bool_]
    undecided: NDArray[np.bool_]
    decisions: tuple[tuple[Decision, ...], ...]


@dataclass(frozen=True)
class Preserving:
    """Whether a map preserves a graph; ``bool(result)`` is true only if that is proved.

    Attributes:
        status: ``"holds"``, ``"fails"`` or ``"undecided"``.
        violations: Pairs of names (i, j) such that component i depends on z_j although V[i, j] = 0.
        undecided: Pairs of names with V[i, j] = 0 for which dependence is undecided, each with the reason.
    """

    status: str
    violations: tuple[tuple[str, str], ...]
    undecided: tuple[tuple[str, str, str], ...] = ()

    def __bool__(self) -> bool:
        return self.status == "holds"


def dependency_graph(
    expressions: Sequence[sympy.Expr], variables: Sequence[sympy.Symbol], seconds: float = DEFAULT_SECONDS
) -> NDArray[np.bool_]:
    """Return the functional dependency graph of a map.

    Args:
        expressions: The components of the map, sympy expressions; symbols that are not variables are parameters.
        variables: The variables of the map.
        seconds: Time limit for the decision on one entry.

    Returns:
        Bool, shape (components, variables).

    Raises:
        RequestError: If a component is not a sympy expression, a variable repeats or is not a symbol, or a symbol is
            declared not to be real.
        UndecidedError: If an entry can't be decided; the text names it. `dependencies` returns the other entries.

    Source:
        Lachapelle et al., arXiv 2401.04890, the definition of the functional dependency graph.

    Example:
        >>> import sympy
        >>> x, y = sympy.symbols("x y")
        >>> dependency_graph([sympy.sin(x) ** 2 + sympy.cos(x) ** 2 + y, x * y], [x, y]).astype(int).tolist()
        [[0, 1], [1, 1]]
    """
    result = dependencies(expressions, variables, seconds)
    for i, j in np.argwhere(result.undecided).tolist():
        raise UndecidedError(
            f"whether component {i} ({expression_text(expressions[i])}) depends on {variables[j]} is undecided: "
            f"{result.decisions[i][j].reason}"
        )
    return result.matrix


def dependencies(
    expressions: Sequence[sympy.Expr], variables: Sequence[sympy.Symbol], seconds: float = DEFAULT_SECONDS
) -> Dependencies:
    """Return the functional dependency graph of a map, with the undecided entries and the reasons.

    Args:
        expressions: See `dependency_graph`, as for the remaining arguments.
        variables: The variables of the map.
        seconds: Time limit for the decision on one entry.

    Raises:
        RequestError: If an argument is invalid, as in `dependency_graph`.
    """
    seconds = check_seconds(seconds)
    components, symbols = _validate(expressions, variables)
    decisions = tuple(
        tuple(depends(component, symbol, seconds) for symbol in symbols) for component in components
    )
    answers = [[decision.answer for decision in row] for row in decisions]
    shape = (len(components), len(symbols))
    return Dependencies(
        np.array([[answer is False for answer in row] for row in answers]).reshape(shape),
        np.array([[answer is None for answer in row] for row in answers]).reshape(shape),
        decisions,
    )


def depends(expression: sympy.Expr, symbol: sympy.Symbol, seconds: float = DEFAULT_SECONDS) -> Decision:
    """Decide whether an expression is the same for all values of a symbol (the answer True).

    A smooth expression is differentiated; one with kinks or steps is compared with itself at another value.

    Args:
        expression: A real expression.
        symbol: A real symbol.
        seconds: Time limit, after which the answer is None.
    """
    import sympy

    if symbol not in expression.free_symbols:
        return Decision(True, f"{symbol} does not occur")
    is_smooth = not expression.has(
        *(sympy.Abs, sympy.sign, sympy.Piecewise, sympy.Max, sympy.Min, sympy.Heaviside),
        *(sympy.floor, sympy.ceiling),
    )
    other = sympy.Symbol(f"{symbol.name}'", **symbol.assumptions0)
    try:
        change = run_within(
            seconds,
            lambda: (
                sympy.diff(expression, symbol) if is_smooth else expression - expression.subs(symbol, other)
            ),
        )
    except TimeLimitError:
        return Decision(None, f"no derivative in {symbol} within {seconds:.3g} s")
    except SYMPY_ERRORS as error:
        return Decision(None, f"sympy fails on the derivative in {symbol} ({type(error).__name__})")
    return vanishes(change, seconds)


def is_preserving(
    expressions: Sequence[sympy.Expr],
    variables: Sequence[sympy.Symbol],
    graph: CausalGraph,
    using: str | Iterable[str] | None = None,
    seconds: float = DEFAULT_SECONDS,
) -> Preserving:
    """Decide whether a map preserves a graph: it may depend only on what the predicted entanglement allows.

    Args:
        expressions: The n components, in the order of the graph's latents.
        variables: The n symbols, in the same order.
        graph: The causal graph.
        using: ``"actions"``, ``"past"``, both, or None for what the graph has.
        seconds: Time limit for the decision on one entry.

    Raises:
        RequestError: If the numbers of components, variables and latents differ, or for the reasons of
            `dependency_graph`.

    Source:
        Lachapelle et al., arXiv 2401.04890, the definition of G-preserving functions.

    Example:
        >>> import sympy
        >>> x, y = sympy.symbols("x y")
        >>> graph = CausalGraph(Ga=[[1, 0], [1, 1]])
        >>> bool(is_preserving([x + sympy.exp(y), y], [x, y], graph))
        True
        >>> is_preserving([x, y + x**3], [x, y], graph).violations
        (('z1', 'z0'),)
    """
    n = graph.n_latents
    if not len(expressions) == len(variables) == n:
        raise RequestError(
            f"{len(expressions)} components in {len(variables)} variables for a graph with {n} latents; "
            "give one component and one variable for each latent"
        )
    allowed = predict_entanglement(graph, using).matrix.toarray()
    result, names = dependencies(expressions, variables, seconds), graph.latents
    violations = tuple((names[i], names[j]) for i, j in np.argwhere(result.matrix & ~allowed).tolist())
    undecided = tuple(
        (names[i], names[j], result.decisions[i][j].reason)
        for i, j in np.argwhere(result.undecided & ~allowed).tolist()
    )
    status = "fails" if violations else "undecided" if undecided else "holds"
    return Preserving(status, violations, undecided)


def is_consistent(
    expressions: Sequence[sympy.Expr],
    variables: Sequence[sympy.Symbol],
    graph: CausalGraph,
    learned_graph: CausalGraph,
    using: str | Iterable[str] | None = None,
    seconds: float = DEFAULT_SECONDS,
) -> Consistency:
    """Decide whether an entanglement map and a learned graph are consistent with the true graph, up to a permutation.

    Args:
        expressions: The true latents, in the graph's order, as functions of the learned latents.
        variables: The learned latents, in the learned graph's order.
        graph: The true graph.
        learned_graph: The learned graph.
        using: See `is_preserving`.
        seconds: Time limit for the decision on one entry.

    Returns:
        The result of `identify.consistency.consistent`.

    Raises:
        RequestError: If sizes differ, or for the reasons of `dependency_graph`.
        UndecidedError: If an entry can't be decided.

    Source:
        Lachapelle et al., arXiv 2401.04890, the definitions of a-consistency and z-consistency.
    """
    return consistent(graph, learned_graph, dependency_graph(expressions, variables, seconds), using)


def compose(
    outer: Sequence[sympy.Expr], inner: Sequence[sympy.Expr], variables: Sequence[sympy.Symbol]
) -> list[sympy.Expr]:
    """Return the map outer(inner(z)), where both maps have n components in the same n variables.

    Raises:
        RequestError: If the numbers of components and variables differ.

    Example:
        >>> import sympy
        >>> x, y = sympy.symbols("x y")
        >>> compose([x + y, y], [x**3, y], [x, y])
        [x**3 + y, y]
    """
    if not len(outer) == len(inner) == len(variables):
        raise RequestError(
            f"maps with {len(outer)} and {len(inner)} components in {len(variables)} variables can't be composed; "
            "give as many components as variables"
        )
    replacements = dict(zip(variables, inner, strict=True))
    return [expression.subs(replacements, simultaneous=True) for expression in outer]


def inverse(
    expressions: Sequence[sympy.Expr], variables: Sequence[sympy.Symbol], seconds: float = DEFAULT_SECONDS
) -> list[sympy.Expr]:
    """Return the inverse map, if sympy finds one that is real and unique.

    Args:
        expressions: The n components of the map.
        variables: The n variables.
        seconds: Time limit.

    Returns:
        The n components of the inverse, in the same variables.

    Raises:
        RequestError: If the numbers differ, or for the reasons of `dependency_graph`.
        UndecidedError: If sympy finds no inverse, or several.

    Example:
        >>> import sympy
        >>> x, y = sympy.symbols("x y")
        >>> inverse([x + y**2, y], [x, y])
        [x - y**2, y]
    """
    import sympy

    components, symbols = _validate(expressions, variables)
    if len(components) != len(symbols):
        raise RequestError(
            f"{len(components)} components in {len(symbols)} variables have no inverse; give equally many of both"
        )
    values = [sympy.Dummy(f"v{i}", real=True) for i in range(len(symbols))]
    equations = [component - value for component, value in zip(components, values, strict=True)]
    try:
        solutions = run_within(check_seconds(seconds), lambda: sympy.solve(equations, symbols, dict=True))
    except (TimeLimitError, NotImplementedError) as error:
        raise UndecidedError(
            f"sympy finds no inverse of the map ({error or 'time limit exceeded'})"
        ) from error
    if len(solutions) != 1 or set(solutions[0]) != set(symbols):
        raise UndecidedError(f"sympy finds {len(solutions)} solutions for the inverse of the map, not one")
    renaming = dict(zip(values, variables, strict=True))
    return [solutions[0][symbol].subs(renaming) for symbol in symbols]


def _validate(
    expressions: Sequence[Any], variables: Sequence[Any]
) -> tuple[list[sympy.Expr], list[sympy.Symbol]]:
    """Return the components and variables with all their symbols declared real."""
    import sympy

    for variable in variables:
        if not isinstance(variable, sympy.Symbol):
            raise RequestError(f"{quoted(variable)} is not a sympy symbol; variables are symbols")
    if len(set(variables)) < len(variables):
        raise RequestError(f"the variables {', '.join(map(str, variables))} repeat; name each once")
    components = []
    for position, expression in enumerate(expressions):
        try:
            component = sympy.sympify(expression, strict=True)
        except sympy.SympifyError as error:
            raise RequestError(
                f"component {position} ({quoted(expression)}) is not a sympy expression"
            ) from error
        if not isinstance(component, sympy.Expr):
            raise RequestError(f"component {position} ({quoted(expression)}) is not a sympy expression")
        components.append(component)
    symbols = {symbol for component in components for symbol in component.free_symbols} | set(variables)
    real = real_symbols(sorted(symbols, key=str))
    components = [component.xreplace(real) for component in components]
    for position, component in enumerate(components):
        if component.is_real is False or component.has(sympy.I):
            raise RequestError(f"component {position} ({expression_text(component)}) is not real")
    return components, [real.get(variable, variable) for variable in variables]
