"""Conditional densities of the latents, written in sympy, and the causal graph that they imply.

::

    p(z^t | z^<t, a) = prod_i p(z_i^t | past, actions)

(Lachapelle et al., arXiv 2401.04890, the section on the model). Each latent has one log-density, up to terms that don't
contain the latent. The graph is read off the scores: the derivatives of the log-densities in their latents.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from identify.exceptions import IdentifyError, MechanismError, UndecidedError
from identify.graph import CausalGraph
from identify.maps import depends
from identify.names import quoted
from identify.proof.balls import NotEnclosedError, enclose
from identify.proof.deadline import TimeLimitError, check_seconds, run_within
from identify.proof.expressions import SYMPY_ERRORS, expression_text
from identify.proof.substitution import TooLargeError, require_small_powers, substitute
from identify.proof.vanishing import DEFAULT_SECONDS, Decision, rational_points, real_symbols, vanishes
from identify.wording import plural

if TYPE_CHECKING:
    import sympy

__all__ = ["Mechanisms", "sample_points"]

_MAX_POINTS = 12


class Mechanisms:
    """The mechanisms of all latents; immutable.

    Args:
        latents: The n symbols z^t.
        log_densities: The n log-densities: expressions in their own latent, actions and past latents;
            `identify.mechanisms.densities` has builders such as `gaussian`.
        actions: The m symbols of the actions.
        past: Symbols of the latents one step before, in the order of the latents; or a sequence of such sequences, one
            for each lag, the most recent first.
        action_values: The values of actions with finitely many values (interventions, environments). All other actions
            are continuous.
        seconds: Time limit for the decision on each edge.

    Raises:
        MechanismError: If a density uses another latent of the same step or an unknown symbol, is complex, or is not
            defined for a value of an action, or if numbers of symbols don't match; the text names the latent.
        RequestError: If a symbol is declared not to be real.

    Example:
        >>> import sympy
        >>> from identify.mechanisms.densities import gaussian
        >>> z0, z1, a0, a1 = sympy.symbols("z0 z1 a0 a1")
        >>> mechanisms = Mechanisms([z0, z1], [gaussian(z0, sympy.sin(a0)), gaussian(z1, a0 * a1)], [a0, a1])
        >>> mechanisms.graph.edges()
        [('a0', 'z0'), ('a0', 'z1'), ('a1', 'z1')]
    """

    def __init__(
        self,
        latents: Sequence[sympy.Symbol],
        log_densities: Sequence[Any],
        actions: Sequence[sympy.Symbol] = (),
        past: Sequence[Any] = (),
        action_values: Mapping[sympy.Symbol, Sequence[Any]] | None = None,
        seconds: float = DEFAULT_SECONDS,
    ) -> None:
        lags = _lags(past)
        _require_symbols(latents, actions, lags)
        real = real_symbols([*latents, *actions, *(symbol for lag in lags for symbol in lag)])

        def as_real(symbols: Iterable[Any]) -> tuple[Any, ...]:
            return tuple(real.get(symbol, symbol) for symbol in symbols)

        self.latents: tuple[sympy.Symbol, ...] = as_real(latents)
        self.actions: tuple[sympy.Symbol, ...] = as_real(actions)
        self.past: tuple[tuple[sympy.Symbol, ...], ...] = tuple(map(as_real, lags))
        if len(log_densities) != len(latents):
            raise MechanismError(
                f"{len(log_densities)} log-densities for {len(latents)} latents; give one for each"
            )
        self.log_densities: tuple[sympy.Expr, ...] = tuple(
            _expression(log_density, latent).xreplace(real)
            for log_density, latent in zip(log_densities, latents, strict=True)
        )
        self.action_values: dict[sympy.Symbol, tuple[sympy.Expr, ...]] = {
            real.get(action, action): tuple(_rational(action, value) for value in values)
            for action, values in (action_values or {}).items()
        }
        self.seconds = check_seconds(seconds)
        try:
            _require_valid(self)
        except IdentifyError:
            raise
        except SYMPY_ERRORS as error:
            raise MechanismError(f"sympy fails on a log-density ({type(error).__name__})") from error

    @property
    def conditions(self) -> tuple[sympy.Symbol, ...]:
        """The conditions of the densities: actions and all past latents."""
        return (*self.actions, *(symbol for lag in self.past for symbol in lag))

    @cached_property
    def scores(self) -> tuple[sympy.Expr, ...]:
        """The n scores d/dz_i log p(z_i | ...)."""
        return tuple(self._score(i) for i in range(len(self.latents)))

    def _score(self, i: int) -> sympy.Expr:
        import sympy

        if i not in self._derivatives:
            self._derivatives[i] = sympy.diff(self.log_densities[i], self.latents[i])
        return self._derivatives[i]

    @cached_property
    def _derivatives(self) -> dict[int, sympy.Expr]:
        return {}

    @cached_property
    def graph(self) -> CausalGraph:
        """The causal graph, with an edge where the score depends on the parent; several lags form one past.

        Raises:
            UndecidedError: If the existence of an edge is not decided; the text names the edge.
        """
        n = len(self.latents)
        from_actions = [[self._is_edge(i, action) for action in self.actions] for i in range(n)]
        past = [[any(self._is_edge(i, lag[j]) for lag in self.past) for j in range(n)] for i in range(n)]
        return CausalGraph(
            Gz=np.array(past, dtype=bool).reshape(n, n) if self.past else None,
            Ga=np.array(from_actions, dtype=bool).reshape(n, len(self.actions)),
            latents=[latent.name for latent in self.latents],
            actions=[action.name for action in self.actions],
        )

    def children(self, cause: sympy.Symbol) -> list[int]:
        """Return the positions of the latents on which an action or a past latent acts.

        Raises:
            UndecidedError: If this is not decided for some latent.
        """
        return [i for i in range(len(self.latents)) if self._is_edge(i, cause)]

    def lag_edges(self, lag: int) -> list[tuple[int, int]]:
        """Return the pairs (i, j) for which latent i depends on latent j ``lag`` steps before, counted from 1."""
        symbols = self.past[lag - 1]
        positions = range(len(self.latents))
        return [(i, j) for i in positions for j in positions if self._is_edge(i, symbols[j])]

    def _is_edge(self, i: int, parent: sympy.Symbol) -> bool:
        key = (i, parent)
        if key not in self._edges:
            self._edges[key] = self._decide_edge(i, parent)
        return self._edges[key]

    @cached_property
    def _edges(self) -> dict[tuple[int, sympy.Symbol], bool]:
        return {}

    def _decide_edge(self, i: int, parent: sympy.Symbol) -> bool:
        if parent not in self.log_densities[i].free_symbols:
            return False
        values = self.action_values.get(parent, ())
        try:
            decisions = run_within(
                self.seconds * max(1, len(values) - 1), lambda: self._edge_decisions(i, parent)
            )
        except TimeLimitError:
            reason = f"neither proof nor counterexample within {self.seconds:.3g} s"
        except TooLargeError as error:
            reason = str(error)
        except SYMPY_ERRORS as error:
            reason = f"sympy fails on its score ({type(error).__name__})"
        else:
            if any(decision.answer is False for decision in decisions):
                return True
            if all(decision.answer for decision in decisions):
                return False
            reason = next(decision.reason for decision in decisions if decision.answer is None)
        raise UndecidedError(f"whether {parent} acts on {self.latents[i]} is undecided: {reason}")

    def _edge_decisions(self, i: int, parent: sympy.Symbol) -> list[Decision]:
        score = self._score(i)
        values = self.action_values.get(parent)
        if parent not in score.free_symbols:
            return []
        if values is None:
            return [depends(score, parent, self.seconds)]
        first = substitute(score, {parent: values[0]})
        return [vanishes(substitute(score, {parent: value}) - first, self.seconds) for value in values[1:]]

    def __repr__(self) -> str:
        lags = "" if not self.past else f", {plural(len(self.past), 'lag')}"
        return f"Mechanisms({len(self.latents)} latents, {len(self.actions)} actions{lags})"


def _lags(past: Sequence[Any]) -> list[tuple[Any, ...]]:
    import sympy

    if not past:
        return []
    if all(isinstance(symbol, sympy.Symbol) for symbol in past):
        return [tuple(past)]
    return [tuple(lag) for lag in past]


def _require_symbols(latents: Sequence[Any], actions: Sequence[Any], lags: Sequence[Sequence[Any]]) -> None:
    import sympy

    if not latents:
        raise MechanismError("there are no latents; give at least one symbol")
    groups = {"latents": latents, "actions": actions} | {f"past {k + 1}": lag for k, lag in enumerate(lags)}
    for group, symbols in groups.items():
        for symbol in symbols:
            if not isinstance(symbol, sympy.Symbol):
                raise MechanismError(f"{quoted(symbol)} among the {group} is not a sympy symbol")
    for k, lag in enumerate(lags):
        if len(lag) != len(latents):
            raise MechanismError(
                f"lag {k + 1} has {len(lag)} symbols for {len(latents)} latents; give one for each"
            )
    names = [symbol.name for symbols in groups.values() for symbol in symbols]
    for name in names:
        if names.count(name) > 1:
            raise MechanismError(
                f"two symbols have the name {quoted(name)}; latents, actions and past need different names"
            )


def _rational(action: Any, value: Any) -> sympy.Expr:
    import sympy

    try:
        rational = sympy.nsimplify(value, rational=True)
    except SYMPY_ERRORS:
        rational = None
    if rational is None or not rational.is_rational:
        raise MechanismError(f"the values of {action} must be rational numbers, got {quoted(value)}")
    return rational


def _expression(log_density: Any, latent: Any) -> sympy.Expr:
    import sympy

    try:
        expression = sympy.sympify(log_density, strict=True)
    except sympy.SympifyError as error:
        raise MechanismError(
            f"the log-density of {latent} ({quoted(log_density)}) is not a sympy expression"
        ) from error
    if not isinstance(expression, sympy.Expr):
        raise MechanismError(f"the log-density of {latent} ({quoted(log_density)}) is not a sympy expression")
    return expression


def _require_valid(mechanisms: Mechanisms) -> None:
    for action, values in mechanisms.action_values.items():
        if action not in mechanisms.actions:
            raise MechanismError(f"action_values names {action}, which is not an action")
        if len(set(values)) < 2:
            raise MechanismError(
                f"{action} has {len(set(values))} distinct values; an action needs at least two"
            )
    for latent, density in zip(mechanisms.latents, mechanisms.log_densities, strict=True):
        try:
            require_small_powers(density)
        except TooLargeError as error:
            raise MechanismError(f"in the density of {latent}, {error}") from error
        _require_known_symbols(mechanisms, latent, density)
        _require_real(mechanisms, latent, density)


def _require_known_symbols(mechanisms: Mechanisms, latent: Any, density: Any) -> None:
    others = sorted((density.free_symbols & set(mechanisms.latents)) - {latent}, key=str)
    if others:
        raise MechanismError(
            f"the density of {latent} uses {others[0]}, another latent of the same step; "
            "latents may depend on past latents and actions"
        )
    unknown = sorted(density.free_symbols - {latent, *mechanisms.conditions}, key=str)
    if unknown:
        raise MechanismError(
            f"the density of {latent} uses the unknown symbol {unknown[0]}; "
            "declare it among actions or past, or replace it by a number"
        )
    if latent not in density.free_symbols:
        raise MechanismError(f"the log-density of {latent} does not contain {latent}, so it is not a density")


def _require_real(mechanisms: Mechanisms, latent: Any, density: Any) -> None:
    import sympy

    if density.is_real is False or density.has(sympy.I):
        raise MechanismError(f"the log-density of {latent} ({expression_text(density)}) is not real")
    for action, values in mechanisms.action_values.items():
        for value in values if action in density.free_symbols else ():
            try:
                at_value = substitute(density, {action: value})
            except TooLargeError as error:
                raise MechanismError(f"in the density of {latent}, {error}") from error
            if not _is_defined(at_value, mechanisms):
                raise MechanismError(
                    f"the density of {latent} is not defined where {action} is {expression_text(value)}, "
                    f"at any of {_MAX_POINTS} points"
                )
    if not _is_defined(density, mechanisms):
        raise MechanismError(
            f"the log-density of {latent} ({expression_text(density)}) is not real and finite at any of "
            f"{_MAX_POINTS} points"
        )


def _is_defined(density: Any, mechanisms: Mechanisms) -> bool:
    """Return whether the density is real and finite at one of a dozen points, or has a function without enclosure."""
    import sympy

    if density.has(sympy.nan, sympy.zoo, sympy.oo, -sympy.oo):
        return False
    for point in sample_points(mechanisms, density.free_symbols, _MAX_POINTS):
        try:
            enclose(density, point)
        except NotEnclosedError as error:
            if error.unsupported:
                return True
            continue
        return True
    return False


def sample_points(
    mechanisms: Mechanisms, symbols: Iterable[Any], count: int, offset: int = 0
) -> Iterable[dict[Any, Any]]:
    """Yield rational points for symbols of the mechanisms; actions with finitely many values take these in turn."""
    unique = set(symbols)
    discrete = sorted(unique & set(mechanisms.action_values), key=str)
    for k, point in enumerate(rational_points(unique, count, offset), offset):
        for position, action in enumerate(discrete):
            values = mechanisms.action_values[action]
            # every combination occurs for some k
            point[action] = values[(k // max(1, position * 2) + position) % len(values)]
        yield point
