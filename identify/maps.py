"""What a map written in sympy depends on, and whether it respects a causal graph.

The entanglement map v takes the learned latents to the true ones; its functional dependency graph is V[i, j] = 1 iff
dv_i / dz_j is not identically zero. A map is G-preserving iff its component i depends on z_j only where row i of G is
contained in row j; with actions and a past, it must be so for G^a, G^z and the transpose of G^z (Lachapelle et al.,
arXiv 2401.04890, the definitions of the entanglement graph and of G-preserving functions).

Every entry is decided by a proof, or not at all.
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
from identify.proof.deadline import OutOfTimeError, checked_seconds, within
from identify.proof.vanishing import SECONDS, Decision, as_real, vanishes
from identify.proof.words import FAILURES, in_words

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
    """What every component of a map depends on.

    Attributes:
        matrix: Bool, shape (components, variables): proved to depend.
        undecided: Bool, of the same shape: neither dependence nor independence is proved.
        decisions: For every component and variable how it was decided; the answer True says "does not depend".
    """

    matrix: NDArray[np.bool_]
    undecided: NDArray[np.bool_]
    decisions: tuple[tuple[Decision, ...], ...]


@dataclass(frozen=True)
class Preserving:
    """Whether a map preserves a graph; ``bool(result)`` is true only when that is proved.

    Attributes:
        status: ``"holds"``, ``"fails"`` or ``"undecided"``.
        violations: Pairs of names (i, j): component i depends on z_j, and V[i, j] = 0.
        undecided: Pairs of names with V[i, j] = 0 for which dependence is not decided, each with the reason.
    """

    status: str
    violations: tuple[tuple[str, str], ...]
    undecided: tuple[tuple[str, str, str], ...] = ()

    def __bool__(self) -> bool:
        return self.status == "holds"


def dependency_graph(
    expressions: Sequence[sympy.Expr], variables: Sequence[sympy.Symbol], seconds: float = SECONDS
) -> NDArray[np.bool_]:
    """The functional dependency graph of a map.

    Args:
        expressions: The components, sympy expressions; other symbols in them are parameters.
        variables: What they are functions of.
        seconds: For the decision on one entry.

    Returns:
        Bool, shape (components, variables).

    Raises:
        RequestError: If no sympy expressions, variables that repeat or are no symbols, or symbols declared not to be real.
        UndecidedError: If an entry can't be decided; the text names it. `dependencies` answers for the others.

    Source:
        Lachapelle et al., arXiv 2401.04890, the definition of the functional dependency graph.

    Example:
        >>> import sympy
        >>> x, y = sympy.symbols("x y")
        >>> dependency_graph([sympy.sin(x) ** 2 + sympy.cos(x) ** 2 + y, x * y], [x, y]).astype(int).tolist()
        [[0, 1], [1, 1]]
    """
    found = dependencies(expressions, variables, seconds)
    for i, j in np.argwhere(found.undecided).tolist():
        raise UndecidedError(
            f"whether component {i} ({in_words(expressions[i])}) depends on {variables[j]} is undecided: "
            f"{found.decisions[i][j].reason}"
        )
    return found.matrix


def dependencies(
    expressions: Sequence[sympy.Expr], variables: Sequence[sympy.Symbol], seconds: float = SECONDS
) -> Dependencies:
    """As `dependency_graph`, with what is undecided, and the reasons.

    Raises:
        RequestError: If as there.
    """
    seconds = checked_seconds(seconds)
    components, symbols = _checked(expressions, variables)
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


def depends(expression: sympy.Expr, symbol: sympy.Symbol, seconds: float = SECONDS) -> Decision:
    """Decide whether an expression is the same for all values of a symbol (the answer True).

    A smooth expression is differentiated; one with kinks or steps is compared with itself at another value.

    Args:
        expression: real.
        symbol: A real symbol.
        seconds: After which the answer is None.
    """
    import sympy

    if symbol not in expression.free_symbols:
        return Decision(True, f"{symbol} does not occur")
    kinked = expression.has(sympy.Abs, sympy.sign, sympy.Piecewise, sympy.Max, sympy.Min, sympy.Heaviside)
    kinked = kinked or expression.has(sympy.floor, sympy.ceiling)
    other = sympy.Symbol(f"{symbol.name}'", **symbol.assumptions0)
    try:
        change = within(
            seconds,
            lambda: expression - expression.subs(symbol, other) if kinked else sympy.diff(expression, symbol),
        )
    except OutOfTimeError:
        return Decision(None, f"no derivative in {symbol} within {seconds:.3g} s")
    except FAILURES as error:
        return Decision(None, f"sympy fails on the derivative in {symbol} ({type(error).__name__})")
    return vanishes(change, seconds)


def is_preserving(
    expressions: Sequence[sympy.Expr],
    variables: Sequence[sympy.Symbol],
    graph: CausalGraph,
    using: str | Iterable[str] | None = None,
    seconds: float = SECONDS,
) -> Preserving:
    """Whether a map preserves a graph: depends only on what the predicted entanglement allows.

    Args:
        expressions: n components, in the order of the graph's latents.
        variables: n symbols, in the same order.
        graph: The causal graph.
        using: ``"actions"``, ``"past"``, both, or None for what the graph has.
        seconds: For the decision on one entry.

    Raises:
        RequestError: If the numbers of components, variables and latents differ, or as `dependency_graph`.

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
            f"{len(expressions)} components of {len(variables)} variables, and a graph of {n} latents; "
            "give one of each for every latent"
        )
    allowed = predict_entanglement(graph, using).matrix.toarray()
    found, names = dependencies(expressions, variables, seconds), graph.latents
    violations = tuple((names[i], names[j]) for i, j in np.argwhere(found.matrix & ~allowed).tolist())
    undecided = tuple(
        (names[i], names[j], found.decisions[i][j].reason)
        for i, j in np.argwhere(found.undecided & ~allowed).tolist()
    )
    status = "fails" if violations else "undecided" if undecided else "holds"
    return Preserving(status, violations, undecided)


def is_consistent(
    expressions: Sequence[sympy.Expr],
    variables: Sequence[sympy.Symbol],
    graph: CausalGraph,
    learned_graph: CausalGraph,
    using: str | Iterable[str] | None = None,
    seconds: float = SECONDS,
) -> Consistency:
    """Whether an entanglement map and a learned graph are consistent with the true graph, up to a permutation.

    Args:
        expressions: The true latents, in the graph's order, as functions of the learned ones.
        variables: The learned latents, in the learned graph's order.
        graph: The true graph.
        learned_graph: The learned one.
        using: As for `is_preserving`.
        seconds: For the decision on one entry.

    Returns:
        As `identify.consistency.consistent`.

    Raises:
        RequestError: If sizes differ, or as `dependency_graph`.
        UndecidedError: If an entry can't be decided.

    Source:
        Lachapelle et al., arXiv 2401.04890, the definitions of a-consistency and z-consistency.
    """
    return consistent(graph, learned_graph, dependency_graph(expressions, variables, seconds), using)


def compose(
    outer: Sequence[sympy.Expr], inner: Sequence[sympy.Expr], variables: Sequence[sympy.Symbol]
) -> list[sympy.Expr]:
    """The map outer(inner(z)), both with n components in the same n variables.

    Raises:
        RequestError: If the numbers differ, or as `dependency_graph`.

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
    replaced = dict(zip(variables, inner, strict=True))
    return [expression.subs(replaced, simultaneous=True) for expression in outer]


def inverse(
    expressions: Sequence[sympy.Expr], variables: Sequence[sympy.Symbol], seconds: float = SECONDS
) -> list[sympy.Expr]:
    """The inverse map, where sympy finds one that is real and unique.

    Args:
        expressions: n components.
        variables: n symbols.
        seconds: That it may take.

    Returns:
        n expressions in the same variables.

    Raises:
        RequestError: If the numbers differ, or as `dependency_graph`.
        UndecidedError: If sympy finds none, or several.

    Example:
        >>> import sympy
        >>> x, y = sympy.symbols("x y")
        >>> inverse([x + y**2, y], [x, y])
        [x - y**2, y]
    """
    import sympy

    components, symbols = _checked(expressions, variables)
    if len(components) != len(symbols):
        raise RequestError(
            f"{len(components)} components in {len(symbols)} variables have no inverse; give as many of each"
        )
    values = [sympy.Dummy(f"v{i}", real=True) for i in range(len(symbols))]
    equations = [component - value for component, value in zip(components, values, strict=True)]
    try:
        found = within(checked_seconds(seconds), lambda: sympy.solve(equations, symbols, dict=True))
    except (OutOfTimeError, NotImplementedError) as error:
        raise UndecidedError(f"sympy finds no inverse of the map ({error or 'out of time'})") from error
    if len(found) != 1 or set(found[0]) != set(symbols):
        raise UndecidedError(f"sympy finds {len(found)} solutions for the inverse of the map; one is needed")
    back = dict(zip(values, variables, strict=True))
    return [found[0][symbol].subs(back) for symbol in symbols]


def _checked(
    expressions: Sequence[Any], variables: Sequence[Any]
) -> tuple[list[sympy.Expr], list[sympy.Symbol]]:
    """Components and variables with all their symbols real."""
    import sympy

    for variable in variables:
        if not isinstance(variable, sympy.Symbol):
            raise RequestError(f"{quoted(variable)} is no sympy symbol; variables are symbols")
    if len(set(variables)) < len(variables):
        raise RequestError(f"the variables {', '.join(map(str, variables))} repeat; name each once")
    components = []
    for number, given in enumerate(expressions):
        try:
            component = sympy.sympify(given, strict=True)
        except sympy.SympifyError as error:
            raise RequestError(f"component {number} ({quoted(given)}) is no sympy expression") from error
        if not isinstance(component, sympy.Expr):
            raise RequestError(f"component {number} ({quoted(given)}) is no sympy expression")
        components.append(component)
    known = {symbol for component in components for symbol in component.free_symbols} | set(variables)
    real = as_real(sorted(known, key=str))
    renamed = [component.xreplace(real) for component in components]
    for number, component in enumerate(renamed):
        if component.is_real is False or component.has(sympy.I):
            raise RequestError(f"component {number} ({in_words(component)}) is not real")
    return renamed, [real.get(variable, variable) for variable in variables]
