"""`check_influence`: decide sufficient influence of all causes in turn."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from math import inf

from identify.exceptions import RequestError, UndecidedError
from identify.influence.actions import action_influence
from identify.influence.joint.mechanisms import check_joint_mechanisms
from identify.influence.past import NATURAL_PARAMETERS, PAST, past_influence, sufficient_variability
from identify.influence.report import ALL_ACTIONS, FAMILIES, Family, Influence, InfluenceReport, Influences
from identify.mechanisms import Mechanisms, NaturalForm, natural_form
from identify.names import quoted
from identify.proof.deadline import TimeLimitError, check_seconds, run_within
from identify.proof.expressions import SYMPY_ERRORS
from identify.proof.substitution import TooLargeError

__all__ = ["OUT_OF_TIME", "build_report", "check_influence", "iter_influences"]

#: The reason for a cause that is undecided because the time limit passed.
OUT_OF_TIME = "the time limit for all causes passed before this one was decided"
_DEFAULT_SECONDS = 30.0
_MAX_JOINT_SECONDS = 60.0


def check_influence(
    mechanisms: Mechanisms,
    family: Family = "nonparametric",
    seconds: float = _DEFAULT_SECONDS,
    after_each: Callable[[], None] = lambda: None,
    time_limit: float = inf,
    joint: bool = False,
) -> InfluenceReport:
    """Decide sufficient influence, cause by cause.

    Args:
        mechanisms: The conditional densities.
        family: ``"nonparametric"``; or ``"exponential"``, which requires less of the past and also decides sufficient
            variability.
        seconds: Time limit for each cause, after which it is undecided.
        after_each: Called after each action, for a progress bar.
        time_limit: Seconds for all causes together; the causes that are not decided by then are undecided.
        joint: Whether to decide joint influence of all actions as well, as `check_joint_mechanisms` does.

    Raises:
        RequestError: If the family is unknown, a time limit is not a positive number, or the family is
            ``"exponential"`` and the density of a latent is not recognised as one (the text names the latent).
        UndecidedError: If the time limit passes before the exponential families are recognised.

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
    influences = []
    for influence in iter_influences(mechanisms, family, seconds, time_limit, joint):
        influences.append(influence)
        if len(influences) <= len(mechanisms.actions):
            after_each()
    return build_report(family, influences, len(mechanisms.actions))


def iter_influences(
    mechanisms: Mechanisms,
    family: Family,
    seconds: float = inf,
    time_limit: float = inf,
    joint: bool = False,
) -> Iterator[Influence]:
    """Yield the answers one by one: for the actions, the past, and what is asked for beyond them.

    Args:
        mechanisms: The conditional densities.
        family: See `check_influence`, as for the remaining arguments.
        seconds: Time limit for each cause.
        time_limit: Seconds for all causes together.
        joint: Whether joint influence of all actions comes last.
    """
    if family not in FAMILIES:
        raise RequestError(f"the family is {quoted(family)}; it is one of {', '.join(FAMILIES)}")
    seconds = check_seconds(seconds)
    clock = _Clock(time.monotonic() + check_seconds(time_limit))
    forms = _natural_forms(mechanisms, clock) if family == "exponential" else None
    for action in mechanisms.actions:
        yield clock.decide(action.name, partial(action_influence, mechanisms, action, seconds))
    if mechanisms.past:
        yield clock.decide(PAST, partial(past_influence, mechanisms, forms, seconds))
    if forms is not None:
        yield clock.decide(NATURAL_PARAMETERS, partial(sufficient_variability, mechanisms, forms, seconds))
    if joint:
        yield clock.decide(ALL_ACTIONS, partial(_joint_influence, mechanisms, seconds))


def build_report(family: Family, influences: Iterable[Influence], n_actions: int) -> InfluenceReport:
    """Return the report on influences in the order of `iter_influences`."""
    ordered = list(influences)
    others = {influence.cause: influence for influence in ordered[n_actions:]}
    actions = Influences({influence.cause: influence for influence in ordered[:n_actions]})
    return InfluenceReport(
        family, actions, others.get(PAST), others.get(NATURAL_PARAMETERS), others.get(ALL_ACTIONS)
    )


def _joint_influence(mechanisms: Mechanisms, seconds: float) -> Influence:
    answer = check_joint_mechanisms(mechanisms, min(seconds, _MAX_JOINT_SECONDS))
    evidence = "" if answer.exact or answer.status == "undecided" else " (numerical evidence)"
    # certificates of joint influence are of other kinds than those of single causes
    certificate = None if answer.certificate is None else str(answer.certificate)
    reason = f"{answer.reason}{evidence}"
    return Influence(ALL_ACTIONS, answer.status, None, reason, certificate_text=certificate)


@dataclass(frozen=True)
class _Clock:
    """The time limit for all causes together."""

    end: float

    def remaining(self) -> float:
        """Return the seconds left."""
        return max(self.end - time.monotonic(), 0.0)

    def decide(self, cause: str, decide_cause: Callable[[], Influence]) -> Influence:
        try:
            return run_within(self.remaining(), decide_cause)
        except TimeLimitError:
            reason = OUT_OF_TIME
        except TooLargeError as error:
            reason = str(error)
        except SYMPY_ERRORS as error:
            reason = f"sympy fails on the densities ({type(error).__name__})"
        return Influence(cause, "undecided", None, reason)


def _natural_forms(mechanisms: Mechanisms, clock: _Clock) -> tuple[NaturalForm, ...]:
    forms = []
    for position, latent in enumerate(mechanisms.latents):
        find_form = partial(_natural_form, mechanisms, position)
        try:
            form = run_within(min(mechanisms.seconds, clock.remaining()), find_form)
        except TimeLimitError as error:
            raise UndecidedError(
                f"whether the density of {latent} belongs to an exponential family is undecided: "
                "expanding its score exceeded the time limit"
            ) from error
        except SYMPY_ERRORS:
            form = None
        if form is None:
            raise RequestError(
                f"the density of {latent} is not recognised as an exponential family, "
                "whose score expands into terms T'(z) lambda(c); use family='nonparametric'"
            )
        forms.append(form)
    return tuple(forms)


def _natural_form(mechanisms: Mechanisms, position: int) -> NaturalForm | None:
    return natural_form(mechanisms.scores[position], mechanisms.latents[position], mechanisms.seconds)
