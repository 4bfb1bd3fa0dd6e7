"""Conditional densities of the latents, written in sympy, and the causal graph that they imply.

::

    p(z^t | z^<t, a) = prod_i p(z_i^t | past, actions)

(Lachapelle et al., arXiv 2401.04890, the section on the model). One log-density a latent, up to terms that don't
contain it. What matters of a log-density is its derivative in the latent, so that is what the graph is read off.
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
from identify.proof.deadline import OutOfTimeError, checked_seconds, within
from identify.proof.substitution import TooLargeError, require_small_powers, substituted
from identify.proof.vanishing import SECONDS, Decision, as_real, points, vanishes
from identify.proof.words import FAILURES, in_words
from identify.wording import plural

if TYPE_CHECKING:
    import sympy

__all__ = ["Mechanisms", "sampled"]

_TRIES = 12


class Mechanisms:
    """The mechanisms of all latents. Immutable.

    Args:
        latents: n symbols, z^t.
        log_densities: n expressions in their own latent, actions and past latents;
            `identify.mechanisms.densities.gaussian` and its like build them.
        actions: m symbols.
        past: Symbols of the latents one step before, in the order of the latents; or a sequence of such sequences, one
            for each lag, the most recent first.
        action_values: For actions with finitely many values (interventions, environments): the values. The others are
            continuous.
        seconds: For each decision on an edge.

    Raises:
        MechanismError: If the text names the latent and what is wrong: another latent of the same step, an unknown symbol,
            a complex expression, an action value for which the density is not defined, numbers that don't match.
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
        seconds: float = SECONDS,
    ) -> None:
        lags = _lags(past)
        _require_symbols(latents, actions, lags)
        real = as_real([*latents, *actions, *(symbol for lag in lags for symbol in lag)])

        def renamed(symbols: Iterable[Any]) -> tuple[Any, ...]:
            return tuple(real.get(symbol, symbol) for symbol in symbols)

        self.latents: tuple[sympy.Symbol, ...] = renamed(latents)
        self.actions: tuple[sympy.Symbol, ...] = renamed(actions)
        self.past: tuple[tuple[sympy.Symbol, ...], ...] = tuple(map(renamed, lags))
        if len(log_densities) != len(latents):
            raise MechanismError(
                f"{len(log_densities)} log-densities for {len(latents)} latents; give one for each"
            )
        self.log_densities: tuple[sympy.Expr, ...] = tuple(
            _expression(given, latent).xreplace(real)
            for given, latent in zip(log_densities, latents, strict=True)
        )
        self.action_values: dict[sympy.Symbol, tuple[sympy.Expr, ...]] = {
            real.get(action, action): tuple(_rational(action, value) for value in values)
            for action, values in (action_values or {}).items()
        }
        self.seconds = checked_seconds(seconds)
        try:
            _require_valid(self)
        except IdentifyError:
            raise
        except FAILURES as error:
            raise MechanismError(f"sympy fails on a log-density ({type(error).__name__})") from error

    @property
    def conditions(self) -> tuple[sympy.Symbol, ...]:
        """Actions and all past latents: what the densities are conditional on."""
        return (*self.actions, *(symbol for lag in self.past for symbol in lag))

    @cached_property
    def scores(self) -> tuple[sympy.Expr, ...]:
        """d/dz_i log p(z_i | ...), n expressions."""
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
        """The causal graph: an edge where the score depends on the parent. Several lags are one past.

        Raises:
            UndecidedError: If whether there is some edge is not decided; the text names it.
        """
        n = len(self.latents)
        acted = [[self._acts(i, action) for action in self.actions] for i in range(n)]
        past = [[any(self._acts(i, lag[j]) for lag in self.past) for j in range(n)] for i in range(n)]
        return CausalGraph(
            Gz=np.array(past, dtype=bool).reshape(n, n) if self.past else None,
            Ga=np.array(acted, dtype=bool).reshape(n, len(self.actions)),
            latents=[latent.name for latent in self.latents],
            actions=[action.name for action in self.actions],
        )

    def children(self, cause: sympy.Symbol) -> list[int]:
        """Positions of the latents that an action or a past latent acts on.

        Raises:
            UndecidedError: If for some latent that is not decided.
        """
        return [i for i in range(len(self.latents)) if self._acts(i, cause)]

    def lag_edges(self, lag: int) -> list[tuple[int, int]]:
        """Pairs (i, j) for which latent i depends on latent j that many steps (from 1) before."""
        symbols = self.past[lag - 1]
        every = range(len(self.latents))
        return [(i, j) for i in every for j in every if self._acts(i, symbols[j])]

    def _acts(self, i: int, parent: sympy.Symbol) -> bool:
        key = (i, parent)
        if key not in self._edges:
            self._edges[key] = self._decided(i, parent)
        return self._edges[key]

    @cached_property
    def _edges(self) -> dict[tuple[int, sympy.Symbol], bool]:
        return {}

    def _decided(self, i: int, parent: sympy.Symbol) -> bool:
        if parent not in self.log_densities[i].free_symbols:
            return False
        values = self.action_values.get(parent, ())
        try:
            decisions = within(self.seconds * max(1, len(values) - 1), lambda: self._decisions(i, parent))
        except OutOfTimeError:
            reason = f"neither proof nor counterexample within {self.seconds:.3g} s"
        except TooLargeError as error:
            reason = str(error)
        except FAILURES as error:
            reason = f"sympy fails on its score ({type(error).__name__})"
        else:
            if any(decision.answer is False for decision in decisions):
                return True
            if all(decision.answer for decision in decisions):
                return False
            reason = next(decision.reason for decision in decisions if decision.answer is None)
        raise UndecidedError(f"whether {parent} acts on {self.latents[i]} is undecided: {reason}")

    def _decisions(self, i: int, parent: sympy.Symbol) -> list[Decision]:
        score = self._score(i)
        values = self.action_values.get(parent)
        if parent not in score.free_symbols:
            return []
        if values is None:
            return [depends(score, parent, self.seconds)]
        first = substituted(score, {parent: values[0]})
        return [vanishes(substituted(score, {parent: value}) - first, self.seconds) for value in values[1:]]

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
        raise MechanismError("there are no latents; give one symbol at least")
    named = {"latents": latents, "actions": actions} | {f"past {k + 1}": lag for k, lag in enumerate(lags)}
    for what, symbols in named.items():
        for symbol in symbols:
            if not isinstance(symbol, sympy.Symbol):
                raise MechanismError(f"{quoted(symbol)} among the {what} is no sympy symbol")
    for k, lag in enumerate(lags):
        if len(lag) != len(latents):
            raise MechanismError(
                f"lag {k + 1} has {len(lag)} symbols for {len(latents)} latents; give one for each"
            )
    names = [symbol.name for symbols in named.values() for symbol in symbols]
    for name in names:
        if names.count(name) > 1:
            raise MechanismError(
                f"the name {quoted(name)} stands for two symbols; latents, actions and past need different names"
            )


def _rational(action: Any, value: Any) -> sympy.Expr:
    import sympy

    try:
        found = sympy.nsimplify(value, rational=True)
    except FAILURES:
        found = None
    if found is None or not found.is_rational:
        raise MechanismError(f"the values of {action} must be rational numbers, got {quoted(value)}")
    return found


def _expression(given: Any, latent: Any) -> sympy.Expr:
    import sympy

    try:
        found = sympy.sympify(given, strict=True)
    except sympy.SympifyError as error:
        raise MechanismError(
            f"the log-density of {latent} ({quoted(given)}) is no sympy expression"
        ) from error
    if not isinstance(found, sympy.Expr):
        raise MechanismError(f"the log-density of {latent} ({quoted(given)}) is no sympy expression")
    return found


def _require_valid(mechanisms: Mechanisms) -> None:
    for action, values in mechanisms.action_values.items():
        if action not in mechanisms.actions:
            raise MechanismError(f"action_values names {action}, which is no action")
        if len(set(values)) < 2:
            raise MechanismError(
                f"{action} has {len(set(values))} different values; an action needs two or more"
            )
    for latent, density in zip(mechanisms.latents, mechanisms.log_densities, strict=True):
        try:
            require_small_powers(density)
        except TooLargeError as error:
            raise MechanismError(f"in the density of {latent}, {error}") from error
        _require_known(mechanisms, latent, density)
        _require_real(mechanisms, latent, density)


def _require_known(mechanisms: Mechanisms, latent: Any, density: Any) -> None:
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
            "declare it among actions or past, or put a number in its place"
        )
    if latent not in density.free_symbols:
        raise MechanismError(f"the log-density of {latent} does not contain it; it is no density")


def _require_real(mechanisms: Mechanisms, latent: Any, density: Any) -> None:
    import sympy

    if density.is_real is False or density.has(sympy.I):
        raise MechanismError(f"the log-density of {latent} ({in_words(density)}) is not real")
    for action, values in mechanisms.action_values.items():
        for value in values if action in density.free_symbols else ():
            try:
                there = substituted(density, {action: value})
            except TooLargeError as error:
                raise MechanismError(f"in the density of {latent}, {error}") from error
            if not _defined(there, mechanisms):
                where = f"where {action} is {in_words(value)}"
                raise MechanismError(
                    f"the density of {latent} is not defined {where}, whatever else was tried"
                )
    if not _defined(density, mechanisms):
        raise MechanismError(
            f"the log-density of {latent} ({in_words(density)}) is real and finite nowhere that was tried"
        )


def _defined(density: Any, mechanisms: Mechanisms) -> bool:
    """Whether the density is real and finite at some of a dozen points, or holds a function that can't be enclosed."""
    import sympy

    if density.has(sympy.nan, sympy.zoo, sympy.oo, -sympy.oo):
        return False
    for point in sampled(mechanisms, density.free_symbols, _TRIES):
        try:
            enclose(density, point)
        except NotEnclosedError as error:
            if error.unknown:
                return True
            continue
        return True
    return False


def sampled(
    mechanisms: Mechanisms, symbols: Iterable[Any], count: int, offset: int = 0
) -> Iterable[dict[Any, Any]]:
    """Rational points for symbols of the mechanisms; actions with values take these in turn."""
    every = set(symbols)
    discrete = sorted(every & set(mechanisms.action_values), key=str)
    for k, point in enumerate(points(every, count, offset), offset):
        for number, action in enumerate(discrete):
            values = mechanisms.action_values[action]
            # every combination comes up sooner or later
            point[action] = values[(k // max(1, number * 2) + number) % len(values)]
        yield point
