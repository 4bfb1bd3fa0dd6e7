"""Sufficient influence of the past, without assumptions on the densities and in exponential families."""

from __future__ import annotations

from collections.abc import Sequence

from identify.exceptions import UndecidedError
from identify.influence.functions import decided
from identify.influence.report import Influence, answer
from identify.mechanisms import Mechanisms, NaturalForm
from identify.proof.independence import Branch, Dependent
from identify.proof.vanishing import refute

__all__ = ["NATURAL_PARAMETERS", "PAST", "of_past", "variability"]

#: What the causes that are no actions are called.
PAST, NATURAL_PARAMETERS = "the past", "the natural parameters"

# positions of child and parent
Edge = tuple[int, int]

_PAST_REPAIRS = (
    "an action, or a longer memory, that changes how the past acts on the latents",
    "if the densities are of an exponential family with one sufficient statistic each: family='exponential', where any "
    "past values may be combined",
)
_EXPONENTIAL_REPAIRS = (
    "an effect of the past that is nonlinear, with another form for each parent",
    "an action that changes how the past acts on the latents",
)
_VARIABILITY_REPAIRS = ("more actions, or more values, that move them in other directions",)


def of_past(mechanisms: Mechanisms, forms: Sequence[NaturalForm] | None, seconds: float) -> Influence:
    """Decide it from second derivatives, or in exponential families from natural parameters.

    Args:
        mechanisms: Of all latents.
        forms: Natural forms of their scores, if the family is exponential.
        seconds: After which it is undecided.
    """
    try:
        names, pairs = _past_edges(mechanisms)
    except UndecidedError as error:
        return Influence(PAST, "undecided", None, str(error))
    if not names:
        return Influence(PAST, "holds", None, "it has no children, so nothing is asked of it")
    if forms is None:
        return _nonparametric(mechanisms, names, pairs, seconds)
    return _exponential(mechanisms, forms, names, pairs, seconds)


def _nonparametric(
    mechanisms: Mechanisms, names: Sequence[str], pairs: Sequence[Edge], seconds: float
) -> Influence:
    """The conditions have z^t = z^s, so only actions and other lags can vary."""
    import sympy

    branches = []
    for lag in mechanisms.past:
        equal = dict(zip(lag, mechanisms.latents, strict=True))
        branches.append(
            tuple(sympy.diff(mechanisms.scores[i], lag[j]).subs(equal, simultaneous=True) for i, j in pairs)
        )
    varying = {symbol for branch in branches for part in branch for symbol in part.free_symbols}
    if len(branches) == 1 and not varying & set(mechanisms.conditions):
        relation = _of_one_matrix(names, branches[0])
        if relation is not None:
            reason = (
                "with one lag and nothing else that varies, there is one matrix of second derivatives at every z, and "
                f"{len(names)} edges need {len(names)} independent ones"
            )
            return Influence(PAST, "fails", relation, reason, _PAST_REPAIRS)
    found = decided(mechanisms, names, branches, seconds)
    repairs = _PAST_REPAIRS if isinstance(found, Dependent) else ()
    edges = "1 edge" if len(names) == 1 else f"{len(names)} edges"
    return answer(PAST, found, f"second derivatives in {edges} vary", repairs)


def _of_one_matrix(names: Sequence[str], branch: Branch) -> Dependent | None:
    """Any two entries of a single matrix are related, each with the other as its weight."""
    import sympy

    weights = [sympy.Integer(0)] * len(names)
    moved = [k for k, part in enumerate(branch) if refute(part) is not None]
    if len(moved) < 2:
        return None
    first, second = moved[:2]
    weights[first], weights[second] = branch[second], -branch[first]
    return Dependent(tuple(names), tuple(weights), (branch,), ("zero after expanding",))


def _exponential(
    mechanisms: Mechanisms,
    forms: Sequence[NaturalForm],
    names: Sequence[str],
    pairs: Sequence[Edge],
    seconds: float,
) -> Influence:
    """Any past values may be combined: independent derivatives of natural parameters."""
    import sympy

    for latent, form in zip(mechanisms.latents, forms, strict=True):
        if len(form.parameters) > 1:
            return Influence(
                PAST,
                "undecided",
                None,
                f"{latent} has {len(form.parameters)} sufficient statistics; the theorem for the past needs one each",
            )
    branches = [
        tuple(
            sympy.diff(forms[i].parameters[0], lag[j]) if forms[i].parameters else sympy.Integer(0)
            for i, j in pairs
        )
        for lag in mechanisms.past
    ]
    found = decided(mechanisms, names, branches, seconds)
    repairs = _EXPONENTIAL_REPAIRS if isinstance(found, Dependent) else ()
    return answer(PAST, found, f"derivatives of natural parameters in {len(names)} edges", repairs)


def variability(mechanisms: Mechanisms, forms: Sequence[NaturalForm], seconds: float) -> Influence:
    """The natural parameters with the constant 1 are independent iff their differences span everything."""
    import sympy

    names = ["1"] + [
        latent.name if len(form.parameters) == 1 else f"{latent.name}, statistic {k + 1}"
        for latent, form in zip(mechanisms.latents, forms, strict=True)
        for k in range(len(form.parameters))
    ]
    still = [
        latent.name for latent, form in zip(mechanisms.latents, forms, strict=True) if not form.parameters
    ]
    if still:
        reason = f"nothing moves {still[0]}, so that its natural parameter is constant"
        relation = Dependent(
            (still[0],), (sympy.Integer(1),), ((sympy.Integer(0),),), ("it is zero as it stands",)
        )
        return Influence(
            NATURAL_PARAMETERS, "fails", relation, reason, (f"let an action or the past act on {still[0]}",)
        )
    branch = (sympy.Integer(1), *(parameter for form in forms for parameter in form.parameters))
    found = decided(mechanisms, names, [branch], seconds)
    repairs = (
        ("more actions, or more values, that move them in other directions",)
        if isinstance(found, Dependent)
        else ()
    )
    return answer(NATURAL_PARAMETERS, found, f"{len(names) - 1} parameters take values", repairs)


def _past_edges(mechanisms: Mechanisms) -> tuple[list[str], list[Edge]]:
    """Edges of G^z, of all lags together: names, and positions (child, parent)."""
    lags = range(1, len(mechanisms.past) + 1)
    pairs = sorted({pair for lag in lags for pair in mechanisms.lag_edges(lag)})
    names = [latent.name for latent in mechanisms.latents]
    return [f"{names[j]} -> {names[i]}" for i, j in pairs], pairs
