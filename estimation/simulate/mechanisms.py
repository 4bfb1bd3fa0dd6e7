"""How latents depend on the past and on actions: a conditional mean and variance for every latent.

A mechanism is Gaussian: latent i of the next step is N(mean_i, variance_i), both functions of the past latents and
of the actions. Latents count from 0 in the formulas, as in the published code.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from estimation.exceptions import ConfigError
from identify.graph import CausalGraph

__all__ = ["Mechanism", "from_sympy", "interventions", "linear", "sines", "state_dependent"]

Array = NDArray[np.float64]
# (past latents (N, n) or None, actions (N, m) or None) -> (N, n)
Effect = Callable[[Array | None, Array | None], Array]

_VARIANCE = 1e-4
_STEP = 0.5
# no two published frequencies lie outside this range (latents 0 to 9)
_FREQUENCIES = (3 / math.pi, 12 / math.pi)


@dataclass(frozen=True)
class Mechanism:
    """The conditional distribution of the latents at one step.

    Attributes:
        graph: the parents of each latent.
        mean: maps past latents (N, n) and actions (N, m), either of which may be None, to means (N, n).
        variance: the same for variances (N, n); every entry must be positive.
    """

    graph: CausalGraph
    mean: Effect
    variance: Effect

    def sample(self, past: Array | None, actions: Array | None, generator: np.random.Generator) -> Array:
        """Draw the latents of one step.

        Args:
            past: shape (N, n), or None without a past.
            actions: shape (N, m), or None without actions.
            generator: draws the noise.

        Returns:
            shape (N, n).

        Raises:
            ConfigError: the mechanism returns another shape, or a variance that is not positive.
        """
        mean = _checked(self.mean(past, actions), past, actions, self.graph, "mean")
        variance = _checked(self.variance(past, actions), past, actions, self.graph, "variance")
        if not (variance > 0).all():
            raise ConfigError(
                f"a mechanism's variance is {variance.min():.3g} somewhere; it must be positive"
            )
        return mean + np.sqrt(variance) * generator.normal(size=mean.shape)


def sines(
    graph: CausalGraph,
    variance: float | Effect = _VARIANCE,
    generator: np.random.Generator | None = None,
    diagonal: bool = False,
) -> Mechanism:
    """Sums of sines of the parents, as in the published experiments.

    From actions, latent i has the mean sum_l G^a[i, l] sin((i + 3) / pi a_l + i). From the past, it moves from z_i to
    z_i + sum_j G^z[i, j] sin((i + 3) / pi z_j + i) / 2. With both, the two effects add up.

    Args:
        graph: the parents.
        variance: of the noise: a number, or a function like a mean.
        generator: draws other frequencies, from 3/pi to 12/pi, and phases for every latent; None: the published ones.
        diagonal: the published ActionDiag and TimeDiag: sin(a_i), and z_i + sin(z_i) / 2.

    Example:
        >>> from identify.catalog import load
        >>> mechanism = sines(load("ActionBlockDiag"))
        >>> mechanism.sample(None, np.zeros((4, 5)), np.random.default_rng(0)).shape
        (4, 10)
    """
    n = graph.n_latents
    rate, phase = np.arange(n, dtype=float), np.arange(n, dtype=float)
    rate = (rate + 3) / np.pi
    if diagonal:
        rate, phase = np.ones(n), np.zeros(n)
    if generator is not None:
        rate, phase = generator.uniform(*_FREQUENCIES, n), generator.uniform(0, 2 * np.pi, n)

    def effect(parents: Any, values: Array) -> Array:
        return _sum_over_parents(parents, values, rate, phase, np.sin)

    return Mechanism(graph, _means(graph, effect), _variance(variance))


def linear(graph: CausalGraph, coefficients: Array, variance: float = _VARIANCE) -> Mechanism:
    """Linear effects, which violate sufficient influence: A a from actions, z + A z / 2 from the past.

    Args:
        graph: the parents, either of actions or of the past.
        coefficients: A, shape (n, m) or (n, n); entries outside the graph don't count.
        variance: of the noise.

    Raises:
        ConfigError: the coefficients have another shape than the graph's matrix.
    """
    support = graph.Ga if graph.n_actions else graph.Gz
    if np.shape(coefficients) != support.shape:
        raise ConfigError(
            f"coefficients have shape {np.shape(coefficients)}; this graph needs {support.shape}"
        )
    matrix = np.asarray(coefficients) * support.toarray()

    def effect(_: Any, values: Array) -> Array:
        return np.asarray(values @ matrix.T)

    return Mechanism(graph, _means(graph, effect), _variance(variance))


def state_dependent(graph: CausalGraph, scale: float = 0.01) -> Effect:
    """The published variance that depends on the parents u: scale exp(sum_j G[i, j] cos((i + 3) / pi u_j + i)).

    Args:
        graph: the parents, either of actions or of the past.
        scale: the factor in front.
    """
    count = np.arange(graph.n_latents, dtype=float)
    support = (graph.Ga if graph.n_actions else graph.Gz).toarray()

    def variance(past: Array | None, actions: Array | None) -> Array:
        values = actions if graph.n_actions else past
        assert values is not None
        return scale * np.exp(_sum_over_parents(support, values, (count + 3) / np.pi, count, np.cos))

    return variance


def interventions(
    graph: CausalGraph,
    generator: np.random.Generator,
    size: float = 2.0,
    variance: float = 1.0,
) -> Mechanism:
    """Indicator actions that shift their targets, for perturbation experiments with several targets.

    Without an action a latent is N(past effect, variance), the past effect being that of `sines` with frequencies of
    its own. Action l = 1 shifts target i by ``size`` times a random sign and a factor from 0.5 to 1.5; with a past,
    the shift also varies with the target's own past value, which is what gives an intervention on several targets
    sufficient influence (see the theory page).

    Args:
        graph: which actions target which latents, and the past parents.
        generator: draws signs, factors and frequencies.
        size: of a typical shift, in units of the latent's own standard deviation when ``variance`` is 1.
        variance: of the noise.
    """
    n, m = graph.n_latents, graph.n_actions
    signs = generator.choice([-1.0, 1.0], (n, m))
    shift = graph.Ga.toarray() * size * generator.uniform(0.5, 1.5, (n, m)) * signs
    phase = generator.uniform(0, 2 * np.pi, (n, m))
    base = sines(CausalGraph(Gz=graph.Gz), generator=generator) if graph.Gz.nnz else None

    def mean(past: Array | None, actions: Array | None) -> Array:
        assert actions is not None
        if past is None:
            return np.asarray(actions @ shift.T)
        varying = shift * (1 + np.sin(past[:, :, None] + phase))
        calm = past if base is None else base.mean(past, None)
        return np.asarray(calm + np.einsum("bil,bl->bi", varying, actions))

    return Mechanism(graph, mean, _variance(variance))


def from_sympy(
    graph: CausalGraph,
    means: Sequence[Any],
    past: Sequence[Any] = (),
    actions: Sequence[Any] = (),
    variances: Sequence[Any] | float = _VARIANCE,
) -> Mechanism:
    """A mechanism written in sympy: one expression for the mean of every latent.

    Args:
        graph: the parents. An expression may only use the symbols of its latent's parents.
        means: n expressions.
        past: n symbols for the past latents, when they are used.
        actions: m symbols for the actions, when they are used.
        variances: n expressions, or a number.

    Raises:
        ConfigError: a number of expressions or symbols doesn't fit the graph, or an expression uses a symbol that is
            no parent.

    Example:
        >>> import sympy
        >>> a = sympy.symbols("a0:2")
        >>> graph = CausalGraph(Ga=[[1, 0], [1, 1]])
        >>> mechanism = from_sympy(graph, [sympy.sin(a[0]), a[0] * a[1]], actions=a)
        >>> mechanism.mean(None, np.array([[0.0, 3.0]]))
        array([[0., 0.]])
    """
    symbols = (*past, *actions)
    for what, given, wanted in (
        ("means", len(means), {graph.n_latents}),
        ("past symbols", len(past), {0, graph.n_latents}),
        ("action symbols", len(actions), {0, graph.n_actions}),
    ):
        if given not in wanted:
            raise ConfigError(f"{given} {what} given; this graph needs {max(wanted)}")
    _require_parents(graph, means, past, actions)
    number = isinstance(variances, int | float)
    if not number:
        _require_parents(graph, variances, past, actions)  # type: ignore[arg-type]
    variance = _variance(float(variances)) if number else _compiled(variances, symbols, bool(past))  # type: ignore[arg-type]
    return Mechanism(graph, _compiled(means, symbols, bool(past)), variance)


def _compiled(expressions: Any, symbols: Sequence[Any], uses_past: bool) -> Effect:
    import sympy

    functions = [sympy.lambdify(symbols, sympy.sympify(expression), "numpy") for expression in expressions]

    def effect(past: Array | None, actions: Array | None) -> Array:
        given = [values for values in (past if uses_past else None, actions) if values is not None]
        columns = np.concatenate(given, axis=1).T
        return np.stack([np.broadcast_to(f(*columns), columns.shape[1]) for f in functions], axis=1)

    return effect


def _require_parents(
    graph: CausalGraph, expressions: Sequence[Any], past: Sequence[Any], actions: Sequence[Any]
) -> None:
    import sympy

    past_parents, action_parents = graph.Gz.toarray(), graph.Ga.toarray()
    for i, expression in enumerate(expressions):
        allowed = {past[j] for j in range(len(past)) if past_parents[i, j]}
        allowed |= {actions[k] for k in range(len(actions)) if action_parents[i, k]}
        foreign = sorted(str(symbol) for symbol in sympy.sympify(expression).free_symbols - allowed)
        if foreign:
            raise ConfigError(
                f"the expression of {graph.latents[i]} uses {', '.join(foreign)}, which is no parent of it; "
                "add the edge to the graph or leave the symbol out"
            )


def _means(graph: CausalGraph, effect: Callable[[Any, Array], Array]) -> Effect:
    past_parents, action_parents = graph.Gz.toarray(), graph.Ga.toarray()

    def mean(past: Array | None, actions: Array | None) -> Array:
        given = past if past is not None else actions
        assert given is not None
        total = np.zeros((len(given), graph.n_latents))
        if past is not None:
            total = past + _STEP * effect(past_parents, past)
        if actions is not None and graph.n_actions:
            total = total + effect(action_parents, actions)
        return total

    return mean


def _sum_over_parents(
    support: Any, values: Array, rate: Array, phase: Array, wave: Callable[[Array], Array]
) -> Array:
    total = np.zeros((len(values), len(support)))
    for parent in range(values.shape[1]):
        children = np.flatnonzero(support[:, parent])
        total[:, children] += wave(rate[children] * values[:, [parent]] + phase[children])
    return total


def _variance(value: float | Effect) -> Effect:
    if callable(value):
        return value
    if not value > 0:
        raise ConfigError(f"the variance is {value}; it must be positive")
    number = float(value)

    def constant(past: Array | None, actions: Array | None) -> Array:
        given = past if past is not None else actions
        assert given is not None
        return np.full((len(given), 1), number)

    return constant


def _checked(
    values: Array, past: Array | None, actions: Array | None, graph: CausalGraph, what: str
) -> Array:
    rows = len(past if past is not None else actions if actions is not None else ())
    try:
        return np.broadcast_to(np.asarray(values, dtype=float), (rows, graph.n_latents))
    except (TypeError, ValueError) as error:
        raise ConfigError(
            f"a mechanism's {what} has shape {np.shape(values)}; it must be ({rows}, {graph.n_latents})"
        ) from error
