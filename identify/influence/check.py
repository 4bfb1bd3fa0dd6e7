"""`check_influence`: every cause in turn."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from math import inf

from identify.exceptions import RequestError, UndecidedError
from identify.influence.actions import of_action
from identify.influence.past import NATURAL_PARAMETERS, PAST, of_past, variability
from identify.influence.report import FAMILIES, Family, Influence, InfluenceReport, Influences
from identify.mechanisms import Mechanisms, NaturalForm, natural_form
from identify.names import quoted
from identify.proof.deadline import OutOfTimeError, checked_seconds, within
from identify.proof.substitution import TooLargeError
from identify.proof.words import FAILURES

__all__ = ["OUT_OF_TIME", "answers", "check_influence", "collected"]

#: Why a cause is undecided for which no time was left.
OUT_OF_TIME = "the time for all causes was over before it was decided"
_SECONDS = 30.0


def check_influence(
    mechanisms: Mechanisms,
    family: Family = "nonparametric",
    seconds: float = _SECONDS,
    after_each: Callable[[], None] = lambda: None,
    time_limit: float = inf,
) -> InfluenceReport:
    """Decide sufficient influence, cause by cause.

    Args:
        mechanisms: The conditional densities.
        family: ``"nonparametric"``; or ``"exponential"``, which asks less of the past, and also decides sufficient
            variability.
        seconds: For each cause, after which it is undecided.
        after_each: Called after each action, for a progress bar.
        time_limit: Seconds for all causes together; those that are not decided by then are undecided.

    Raises:
        RequestError: If an unknown family, a time limit that is no positive number, or an exponential family asked for
            where a latent is none (the text names it).
        UndecidedError: If whether it is one was not found out in time.

    Example:
        >>> import sympy
        >>> from identify.mechanisms import gaussian
        >>> z0, z1, a = sympy.symbols("z0 z1 a")
        >>> line = Mechanisms([z0, z1], [gaussian(z0, 2 * a), gaussian(z1, 3 * a)], actions=[a])
        >>> print(check_influence(line).actions[a].certificate)
        (-1) * [z0] + (2/3) * [z1] = 0
        >>> waves = Mechanisms([z0, z1], [gaussian(z0, sympy.sin(a)), gaussian(z1, sympy.sin(2 * a))], actions=[a])
        >>> bool(check_influence(waves))
        True
    """
    found = []
    for answer in answers(mechanisms, family, seconds, time_limit):
        found.append(answer)
        if len(found) <= len(mechanisms.actions):
            after_each()
    return collected(family, found, len(mechanisms.actions))


def answers(
    mechanisms: Mechanisms, family: Family, seconds: float = inf, time_limit: float = inf
) -> Iterator[Influence]:
    """The answers as they are found: of the actions, of the past if there is one, of the natural parameters if asked.

    Args:
        mechanisms: As for `check_influence`, like all that follow.
        family: Of the densities.
        seconds: For each cause.
        time_limit: Seconds for all causes together.
    """
    if family not in FAMILIES:
        raise RequestError(f"the family is {quoted(family)}; it is one of {', '.join(FAMILIES)}")
    seconds = checked_seconds(seconds)
    clock = _Clock(time.monotonic() + checked_seconds(time_limit))
    forms = _natural_forms(mechanisms, clock) if family == "exponential" else None
    for action in mechanisms.actions:
        yield clock.decide(action.name, partial(of_action, mechanisms, action, seconds))
    if mechanisms.past:
        yield clock.decide(PAST, partial(of_past, mechanisms, forms, seconds))
    if forms is not None:
        yield clock.decide(NATURAL_PARAMETERS, partial(variability, mechanisms, forms, seconds))


def collected(family: Family, found: Iterable[Influence], n_actions: int) -> InfluenceReport:
    """The report with answers in the order in which `answers` gives them."""
    listed = list(found)
    others = {each.cause: each for each in listed[n_actions:]}
    actions = Influences({each.cause: each for each in listed[:n_actions]})
    return InfluenceReport(family, actions, others.get(PAST), others.get(NATURAL_PARAMETERS))


@dataclass(frozen=True)
class _Clock:
    """When all has to be decided."""

    end: float

    def left(self) -> float:
        return max(self.end - time.monotonic(), 0.0)

    def decide(self, cause: str, work: Callable[[], Influence]) -> Influence:
        try:
            return within(self.left(), work)
        except OutOfTimeError:
            reason = OUT_OF_TIME
        except TooLargeError as error:
            reason = str(error)
        except FAILURES as error:
            reason = f"sympy fails on the densities ({type(error).__name__})"
        return Influence(cause, "undecided", None, reason)


def _natural_forms(mechanisms: Mechanisms, clock: _Clock) -> tuple[NaturalForm, ...]:
    forms = []
    for number, latent in enumerate(mechanisms.latents):
        split = partial(_natural_form, mechanisms, number)
        try:
            form = within(min(mechanisms.seconds, clock.left()), split)
        except OutOfTimeError as error:
            raise UndecidedError(
                f"whether the density of {latent} is of an exponential family is undecided: "
                "its score was not expanded in time"
            ) from error
        except FAILURES:
            form = None
        if form is None:
            raise RequestError(
                f"the density of {latent} is not seen to be of an exponential family; "
                "its score must expand into terms T'(z) lambda(c); take family='nonparametric'"
            )
        forms.append(form)
    return tuple(forms)


def _natural_form(mechanisms: Mechanisms, number: int) -> NaturalForm | None:
    return natural_form(mechanisms.scores[number], mechanisms.latents[number], mechanisms.seconds)
