"""Mechanisms: the conditional mean and variance of every latent, given the past latents and the actions.

A mechanism is Gaussian: latent i of the next step is N(mean_i, variance_i), both functions of the past latents and
of the actions. Indices of latents start at 0 in the formulas, as in the published code.
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
# range of the published frequencies (latents 0 to 9)
_FREQUENCY_RANGE = (3 / math.pi, 12 / math.pi)


@dataclass(frozen=True)
class Mechanism:
    """The conditional distribution of the latents at one step.

    Attributes:
        graph: Parents of each latent.
        mean: Function of past latents (N, n) and actions (N, m), either of which may be None, to means (N, n).
        variance: Function of the same arguments to variances (N, n), all of them positive.
    """

    graph: CausalGraph
    mean: Effect
    variance: Effect

    def sample(self, past: Array | None, actions: Array | None, generator: np.random.Generator) -> Array:
        """Sample the latents of one step.

        Args:
            past: Shape (N, n), or None without a past.
            actions: Shape (N, m), or None without actions.
            generator: Random generator of the noise.

        Returns:
            Latents, shape (N, n).

        Raises:
            ConfigError: If the mechanism returns another shape, or a variance that is not positive.
        """
        mean = _broadcast(self.mean(past, actions), past, actions, self.graph, "mean")
        variance = _broadcast(self.variance(past, actions), past, actions, self.graph, "variance")
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
    """Return a mechanism whose means are sums of sines of the parents, as in the published experiments.

    With actions, the mean of latent i is sum_l G^a[i, l] sin((i + 3) / pi a_l + i). With a past, it is
    z_i + sum_j G^z[i, j] sin((i + 3) / pi z_j + i) / 2. With both, the two effects add up.

    Args:
        graph: Parents of each latent.
        variance: Variance of the noise: a number, or a function like a mean.
        generator: Random generator of other frequencies, from 3/pi to 12/pi, and phases for every latent; None: the
            published ones.
        diagonal: Whether to use the means of the published ActionDiag and TimeDiag: sin(a_i), and z_i + sin(z_i) / 2.

    Example:
        >>> from identify.catalog import load
        >>> mechanism = sines(load("ActionBlockDiag"))
        >>> mechanism.sample(None, np.zeros((4, 5)), np.random.default_rng(0)).shape
        (4, 10)
    """
    n = graph.n_latents
    index = np.arange(n, dtype=float)
    frequency, phase = (index + 3) / np.pi, index
    if diagonal:
        frequency, phase = np.ones(n), np.zeros(n)
    if generator is not None:
        frequency, phase = generator.uniform(*_FREQUENCY_RANGE, n), generator.uniform(0, 2 * np.pi, n)

    def effect(parents: Any, values: Array) -> Array:
        return _sum_over_parents(parents, values, frequency, phase, np.sin)

    return Mechanism(graph, _means(graph, effect), _variance(variance))


def linear(graph: CausalGraph, coefficients: Array, variance: float = _VARIANCE) -> Mechanism:
    """Return a mechanism with linear means, A a for actions and z + A z / 2 for the past.

    Linear effects violate sufficient influence.

    Args:
        graph: Parents of each latent, either actions or past latents.
        coefficients: A, shape (n, m) or (n, n); entries outside the graph are ignored.
        variance: Variance of the noise.

    Raises:
        ConfigError: If the coefficients and the matrix of the graph have different shapes.
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
    """Return the published variance that depends on the parents u: scale exp(sum_j G[i, j] cos((i + 3) / pi u_j + i)).

    Args:
        graph: Parents of each latent, either actions or past latents.
        scale: Factor of the variance.
    """
    index = np.arange(graph.n_latents, dtype=float)
    support = (graph.Ga if graph.n_actions else graph.Gz).toarray()

    def variance(past: Array | None, actions: Array | None) -> Array:
        values = actions if graph.n_actions else past
        assert values is not None
        return scale * np.exp(_sum_over_parents(support, values, (index + 3) / np.pi, index, np.cos))

    return variance


def interventions(
    graph: CausalGraph,
    generator: np.random.Generator,
    size: float = 2.0,
    variance: float = 1.0,
) -> Mechanism:
    """Return a mechanism with indicator actions that shift their targets, as in perturbation experiments.

    Without an action a latent is N(past effect, variance), where the past effect is that of `sines` with random
    frequencies. Action l = 1 shifts target i by ``size`` times a random sign and a factor from 0.5 to 1.5. With a past,
    the shift also depends on the target's own past value, so that an intervention on several targets has sufficient
    influence (see the theory page).

    Args:
        graph: Targets of each action, and past parents of each latent.
        generator: Random generator of signs, factors and frequencies.
        size: Typical size of a shift, in standard deviations of the latent if ``variance`` is 1.
        variance: Variance of the noise.
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
        state_shift = shift * (1 + np.sin(past[:, :, None] + phase))
        unshifted = past if base is None else base.mean(past, None)
        return np.asarray(unshifted + np.einsum("bil,bl->bi", state_shift, actions))

    return Mechanism(graph, mean, _variance(variance))


def from_sympy(
    graph: CausalGraph,
    means: Sequence[Any],
    past: Sequence[Any] = (),
    actions: Sequence[Any] = (),
    variances: Sequence[Any] | float = _VARIANCE,
) -> Mechanism:
    """Return a mechanism written in sympy, with one expression for the mean of every latent.

    Args:
        graph: Parents of each latent. An expression may only use the symbols of its latent's parents.
        means: Expressions of the n means.
        past: Symbols of the n past latents, if the expressions use them.
        actions: Symbols of the m actions, if the expressions use them.
        variances: Expressions of the n variances, or a number.

    Raises:
        ConfigError: If the number of expressions or symbols doesn't fit the graph, or an expression uses a symbol that
            is not a parent.

    Example:
        >>> import sympy
        >>> a = sympy.symbols("a0:2")
        >>> graph = CausalGraph(Ga=[[1, 0], [1, 1]])
        >>> mechanism = from_sympy(graph, [sympy.sin(a[0]), a[0] * a[1]], actions=a)
        >>> mechanism.mean(None, np.array([[0.0, 3.0]]))
        array([[0., 0.]])
    """
    symbols = (*past, *actions)
    for what, count, allowed_counts in (
        ("means", len(means), {graph.n_latents}),
        ("past symbols", len(past), {0, graph.n_latents}),
        ("action symbols", len(actions), {0, graph.n_actions}),
    ):
        if count not in allowed_counts:
            raise ConfigError(f"{count} {what} given; this graph needs {max(allowed_counts)}")
    _require_parents(graph, means, past, actions)
    if isinstance(variances, int | float):
        variance = _variance(float(variances))
    else:
        _require_parents(graph, variances, past, actions)
        variance = _compile(variances, symbols, bool(past))
    return Mechanism(graph, _compile(means, symbols, bool(past)), variance)


def _compile(expressions: Any, symbols: Sequence[Any], uses_past: bool) -> Effect:
    import sympy

    functions = [sympy.lambdify(symbols, sympy.sympify(expression), "numpy") for expression in expressions]

    def effect(past: Array | None, actions: Array | None) -> Array:
        inputs = [values for values in (past if uses_past else None, actions) if values is not None]
        columns = np.concatenate(inputs, axis=1).T
        outputs = [np.broadcast_to(function(*columns), columns.shape[1]) for function in functions]
        return np.stack(outputs, axis=1)

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
                f"the expression of {graph.latents[i]} uses {', '.join(foreign)}, which is not a parent of it; "
                "add the edge to the graph or leave the symbol out"
            )


def _means(graph: CausalGraph, effect: Callable[[Any, Array], Array]) -> Effect:
    past_parents, action_parents = graph.Gz.toarray(), graph.Ga.toarray()

    def mean(past: Array | None, actions: Array | None) -> Array:
        rows = past if past is not None else actions
        assert rows is not None
        total = np.zeros((len(rows), graph.n_latents))
        if past is not None:
            total = past + _STEP * effect(past_parents, past)
        if actions is not None and graph.n_actions:
            total = total + effect(action_parents, actions)
        return total

    return mean


def _sum_over_parents(
    support: Any, values: Array, frequency: Array, phase: Array, wave: Callable[[Array], Array]
) -> Array:
    total = np.zeros((len(values), len(support)))
    for parent in range(values.shape[1]):
        children = np.flatnonzero(support[:, parent])
        total[:, children] += wave(frequency[children] * values[:, [parent]] + phase[children])
    return total


def _variance(value: float | Effect) -> Effect:
    if callable(value):
        return value
    if not value > 0:
        raise ConfigError(f"the variance is {value}; it must be positive")
    number = float(value)

    def constant(past: Array | None, actions: Array | None) -> Array:
        rows = past if past is not None else actions
        assert rows is not None
        return np.full((len(rows), 1), number)

    return constant


def _broadcast(
    values: Array, past: Array | None, actions: Array | None, graph: CausalGraph, what: str
) -> Array:
    n_rows = len(past if past is not None else actions if actions is not None else ())
    try:
        return np.broadcast_to(np.asarray(values, dtype=float), (n_rows, graph.n_latents))
    except (TypeError, ValueError) as error:
        raise ConfigError(
            f"a mechanism's {what} has shape {np.shape(values)}; it must be ({n_rows}, {graph.n_latents})"
        ) from error
