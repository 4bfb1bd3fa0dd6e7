"""Decide sufficient influence of the past, without assumptions on the densities or in exponential families."""

from __future__ import annotations

from collections.abc import Sequence

from identify.exceptions import UndecidedError
from identify.influence.functions import decide_independence
from identify.influence.report import Influence, influence_from
from identify.mechanisms import Mechanisms, NaturalForm
from identify.proof.independence import Branch, Dependent
from identify.proof.vanishing import refute

__all__ = ["NATURAL_PARAMETERS", "PAST", "past_influence", "sufficient_variability"]

#: Names of the causes that are not actions.
PAST, NATURAL_PARAMETERS = "the past", "the natural parameters"

# positions of child and parent
Edge = tuple[int, int]

_PAST_REPAIRS = (
    "an action, or a longer memory, that changes how the past acts on the latents",
    "family='exponential', if each density is an exponential family with one sufficient statistic: any past values may "
    "then be combined",
)
_EXPONENTIAL_REPAIRS = (
    "an effect of the past that is nonlinear, with another form for each parent",
    "an action that changes how the past acts on the latents",
)
_VARIABILITY_REPAIRS = ("more actions, or more values, that move them in other directions",)


def past_influence(mechanisms: Mechanisms, forms: Sequence[NaturalForm] | None, seconds: float) -> Influence:
    """Decide sufficient influence of the past from second derivatives or, in exponential families, natural parameters.

    Args:
        mechanisms: The mechanisms of all latents.
        forms: Natural forms of their scores, if the family is exponential.
        seconds: Time limit, after which the answer is undecided.
    """
    try:
        names, pairs = _past_edges(mechanisms)
    except UndecidedError as error:
        return Influence(PAST, "undecided", None, str(error))
    if not names:
        return Influence(PAST, "holds", None, "it has no children, so there is nothing to satisfy")
    if forms is None:
        return _nonparametric(mechanisms, names, pairs, seconds)
    return _exponential(mechanisms, forms, names, pairs, seconds)


def _nonparametric(
    mechanisms: Mechanisms, names: Sequence[str], pairs: Sequence[Edge], seconds: float
) -> Influence:
    """Decide the nonparametric case, in which z^t = z^s, so that only actions and other lags can vary."""
    import sympy

    branches = []
    for lag in mechanisms.past:
        equal = dict(zip(lag, mechanisms.latents, strict=True))
        branches.append(
            tuple(sympy.diff(mechanisms.scores[i], lag[j]).subs(equal, simultaneous=True) for i, j in pairs)
        )
    varying = {symbol for branch in branches for derivative in branch for symbol in derivative.free_symbols}
    if len(branches) == 1 and not varying & set(mechanisms.conditions):
        relation = _single_matrix_relation(names, branches[0])
        if relation is not None:
            reason = (
                "with one lag and no other varying condition, there is one matrix of second derivatives at every z, "
                f"and {len(names)} edges need {len(names)} independent ones"
            )
            return Influence(PAST, "fails", relation, reason, _PAST_REPAIRS)
    independence = decide_independence(mechanisms, names, branches, seconds)
    repairs = _PAST_REPAIRS if isinstance(independence, Dependent) else ()
    edges = "1 edge" if len(names) == 1 else f"{len(names)} edges"
    return influence_from(PAST, independence, f"second derivatives in {edges} vary", repairs)


def _single_matrix_relation(names: Sequence[str], branch: Branch) -> Dependent | None:
    """Return a relation between two nonzero entries of a single matrix: each has the other as its weight."""
    import sympy

    weights = [sympy.Integer(0)] * len(names)
    nonzero = [k for k, derivative in enumerate(branch) if refute(derivative) is not None]
    if len(nonzero) < 2:
        return None
    first, second = nonzero[:2]
    weights[first], weights[second] = branch[second], -branch[first]
    return Dependent(tuple(names), tuple(weights), (branch,), ("zero after expanding",))


def _exponential(
    mechanisms: Mechanisms,
    forms: Sequence[NaturalForm],
    names: Sequence[str],
    pairs: Sequence[Edge],
    seconds: float,
) -> Influence:
    """Decide the exponential case: any past values may be combined, so derivatives must be independent."""
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
    independence = decide_independence(mechanisms, names, branches, seconds)
    repairs = _EXPONENTIAL_REPAIRS if isinstance(independence, Dependent) else ()
    return influence_from(
        PAST, independence, f"derivatives of natural parameters in {len(names)} edges", repairs
    )


def sufficient_variability(mechanisms: Mechanisms, forms: Sequence[NaturalForm], seconds: float) -> Influence:
    """Decide sufficient variability: the natural parameters and the constant 1 must be linearly independent.

    This is equivalent to their differences spanning the whole space.

    Args:
        mechanisms: The mechanisms of all latents.
        forms: Natural forms of their scores.
        seconds: Time limit, after which the answer is undecided.
    """
    import sympy

    names = ["1"] + [
        latent.name if len(form.parameters) == 1 else f"{latent.name}, statistic {k + 1}"
        for latent, form in zip(mechanisms.latents, forms, strict=True)
        for k in range(len(form.parameters))
    ]
    constant = [
        latent.name for latent, form in zip(mechanisms.latents, forms, strict=True) if not form.parameters
    ]
    if constant:
        reason = f"nothing moves {constant[0]}, so its natural parameter is constant"
        relation = Dependent(
            (constant[0],), (sympy.Integer(1),), ((sympy.Integer(0),),), ("it is identically zero",)
        )
        return Influence(
            NATURAL_PARAMETERS,
            "fails",
            relation,
            reason,
            (f"let an action or the past act on {constant[0]}",),
        )
    branch = (sympy.Integer(1), *(parameter for form in forms for parameter in form.parameters))
    independence = decide_independence(mechanisms, names, [branch], seconds)
    repairs = _VARIABILITY_REPAIRS if isinstance(independence, Dependent) else ()
    return influence_from(
        NATURAL_PARAMETERS, independence, f"{len(names) - 1} parameters take values", repairs
    )


def _past_edges(mechanisms: Mechanisms) -> tuple[list[str], list[Edge]]:
    """Return the names and the positions (child, parent) of the edges of G^z, over all lags."""
    lags = range(1, len(mechanisms.past) + 1)
    pairs = sorted({pair for lag in lags for pair in mechanisms.lag_edges(lag)})
    names = [latent.name for latent in mechanisms.latents]
    return [f"{names[j]} -> {names[i]}" for i, j in pairs], pairs
