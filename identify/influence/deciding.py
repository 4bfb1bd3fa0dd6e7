"""`check_influence`: every cause in turn."""

from __future__ import annotations

from collections.abc import Callable

from identify.exceptions import RequestError
from identify.influence.actions import of_action
from identify.influence.past import of_past, variability
from identify.influence.report import FAMILIES, Family, InfluenceReport, Influences
from identify.mechanisms import Mechanisms, NaturalForm, natural_form
from identify.proof.deadline import checked_seconds

__all__ = ["check_influence"]

_SECONDS = 30.0


def check_influence(
    mechanisms: Mechanisms,
    family: Family = "nonparametric",
    seconds: float = _SECONDS,
    after_each: Callable[[], None] = lambda: None,
) -> InfluenceReport:
    """Decide sufficient influence, cause by cause.

    Args:
        mechanisms: the conditional densities.
        family: ``"nonparametric"``; or ``"exponential"``, which asks less of the past, and also decides sufficient
            variability.
        seconds: for each cause, after which it is undecided.
        after_each: called after each action, for a progress bar.

    Raises:
        RequestError: an unknown family, a time limit that is no positive number, or an exponential family asked for
            where a latent is none (the text names it).

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
    if family not in FAMILIES:
        raise RequestError(f"the family is {family!r}; it is one of {', '.join(FAMILIES)}")
    seconds = checked_seconds(seconds)
    forms = _natural_forms(mechanisms) if family == "exponential" else None
    actions = {}
    for action in mechanisms.actions:
        actions[action.name] = of_action(mechanisms, action, seconds)
        after_each()
    past = of_past(mechanisms, forms, seconds) if mechanisms.past else None
    movable = None if forms is None else variability(mechanisms, forms, seconds)
    return InfluenceReport(family, Influences(actions), past, movable)


def _natural_forms(mechanisms: Mechanisms) -> tuple[NaturalForm, ...]:
    forms = []
    for latent, score in zip(mechanisms.latents, mechanisms.scores, strict=True):
        form = natural_form(score, latent, mechanisms.seconds)
        if form is None:
            raise RequestError(
                f"the density of {latent} is not seen to be of an exponential family; "
                "its score must expand into terms T'(z) lambda(c); take family='nonparametric'"
            )
        forms.append(form)
    return tuple(forms)
