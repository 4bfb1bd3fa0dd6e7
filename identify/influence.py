"""Sufficient influence: does each cause move its children in enough different ways? Decided with a certificate.

Write q for the conditional density of z^t and c for what it is conditional on.

ACTIONS. h_l(z, c) = d/da_l grad_z log q is supported on Ch(l). Sufficient influence asks that for almost every z the
values of c span all vectors supported there; that is, that the functions c -> h_{l,i}(z, c), i in Ch(l), are linearly
independent. For an action with finitely many values the derivative becomes the difference between two values, all
else equal.

PAST. H(z, c) = d/dz^t d/dz^s log q is supported on G^z; the matrices with z^t = z^s = z must span all matrices
supported there. In an exponential family with one sufficient statistic a latent, any past values may be combined, and
the derivatives of the natural parameters must be independent.

(Lachapelle et al., arXiv 2401.04890, the assumptions of sufficient influence of actions, continuous and discrete, and
of temporal dependencies; the exponential case with linear identifiability after Lachapelle et al. 2022, arXiv
2107.10098.)
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from identify.exceptions import RequestError, UnknownNameError
from identify.mechanisms import Mechanisms, NaturalForm, natural_form, sampled
from identify.proof.deadline import checked_seconds
from identify.proof.independence import Branch, Dependent, Independent, Undecided, linear_independence

if TYPE_CHECKING:
    import sympy

__all__ = ["FAMILIES", "Influence", "InfluenceReport", "Influences", "Status", "check_influence"]

Status = Literal["holds", "fails", "undecided"]
Family = Literal["nonparametric", "exponential"]
FAMILIES: tuple[Family, ...] = ("nonparametric", "exponential")

_SECONDS = 30.0
# combinations of values of discrete actions that are looked at one by one
_MOST_COMBINATIONS = 1024


@dataclass(frozen=True)
class Influence:
    """The answer for one cause.

    Attributes:
        cause: name of the action, ``"the past"``, or ``"the natural parameters"``.
        status: ``"holds"``, ``"fails"`` or ``"undecided"``.
        certificate: `Independent` where it holds, `Dependent` where it fails, else None; ``certificate.verify()``
            recomputes it. A cause without children needs none.
        reason: the answer in words.
        repairs: where it fails, what would mend it.
    """

    cause: str
    status: Status
    certificate: Independent | Dependent | None
    reason: str
    repairs: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return self.status == "holds"

    def __str__(self) -> str:
        return f"{self.cause}: {self.status}; {self.reason}"

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON; the certificate as text."""
        return {
            "cause": self.cause,
            "status": self.status,
            "reason": self.reason,
            "certificate": None if self.certificate is None else str(self.certificate),
            "repairs": list(self.repairs),
        }


class Influences(Mapping["sympy.Symbol | str", Influence]):
    """The answers for all actions, by symbol or by name."""

    def __init__(self, found: Mapping[str, Influence]) -> None:
        self._found = dict(found)

    def __getitem__(self, action: sympy.Symbol | str) -> Influence:
        name = str(action)
        if name not in self._found:
            raise UnknownNameError(
                f"there is no action {name!r}; there are {', '.join(self._found) or 'none'}"
            )
        return self._found[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._found)

    def __len__(self) -> int:
        return len(self._found)


@dataclass(frozen=True)
class InfluenceReport:
    """Sufficient influence of all causes; ``bool(report)`` is true when it is proved for each that there is.

    Attributes:
        family: ``"nonparametric"`` or ``"exponential"``.
        actions: by symbol or name.
        past: None without a past.
        sufficient_variability: for exponential families, whether linear identifiability is given: the natural
            parameters span everything. Else None.
    """

    family: Family
    actions: Influences
    past: Influence | None
    sufficient_variability: Influence | None = None

    @property
    def all(self) -> tuple[Influence, ...]:
        """Every answer: actions, the past, the natural parameters."""
        rest = (self.past, self.sufficient_variability)
        return (*self.actions.values(), *(found for found in rest if found is not None))

    def __bool__(self) -> bool:
        return all(self.all)

    def __str__(self) -> str:
        return "\n".join(map(str, self.all))

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        return {
            "family": self.family,
            "holds": bool(self),
            "actions": {name: found.to_dict() for name, found in self.actions.items()},
            "past": None if self.past is None else self.past.to_dict(),
            "sufficient_variability": None
            if self.sufficient_variability is None
            else self.sufficient_variability.to_dict(),
        }


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
        UndecidedError: the causal graph is not decided.

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
        actions[action.name] = _of_action(mechanisms, action, seconds)
        after_each()
    past = None
    if mechanisms.past:
        past = (
            _of_past(mechanisms, seconds)
            if forms is None
            else _of_past_exponential(mechanisms, forms, seconds)
        )
    variability = None if forms is None else _variability(mechanisms, forms, seconds)
    return InfluenceReport(family, Influences(actions), past, variability)


def _of_action(mechanisms: Mechanisms, action: sympy.Symbol, seconds: float) -> Influence:
    import sympy

    column = mechanisms.actions.index(action)
    children = mechanisms.graph.Ga.T.tocsr()[[column]].indices.tolist()
    names = [mechanisms.latents[i].name for i in children]
    if not children:
        return Influence(action.name, "holds", None, "it has no children, so nothing is asked of it")
    scores = [mechanisms.scores[i] for i in children]
    values = mechanisms.action_values.get(action)
    if values is None:
        branches = [tuple(sympy.diff(score, action) for score in scores)]
    else:
        first = [score.subs(action, values[0]) for score in scores]
        branches = [
            tuple(score.subs(action, value) - base for score, base in zip(scores, first, strict=True))
            for value in values[1:]
        ]
    found = _decided(mechanisms, names, branches, seconds)
    repairs = _action_repairs(mechanisms, action, found) if isinstance(found, Dependent) else ()
    return _influence(action.name, found, _action_words(names, values), repairs)


def _action_words(names: Sequence[str], values: Sequence[Any] | None) -> str:
    ways = "its derivatives" if values is None else f"differences between its {len(values)} values"
    return f"{ways} move {' and '.join(names) if len(names) < 4 else f'{len(names)} latents'}"


def _of_past(mechanisms: Mechanisms, seconds: float) -> Influence:
    """Nonparametric: the conditions have z^t = z^s, so only actions and other lags can vary."""
    import sympy

    names, pairs = _past_edges(mechanisms)
    if not names:
        return Influence("the past", "holds", None, "it has no children, so nothing is asked of it")
    branches = []
    for lag in mechanisms.past:
        equal = dict(zip(lag, mechanisms.latents, strict=True))
        branches.append(
            tuple(sympy.diff(mechanisms.scores[i], lag[j]).subs(equal, simultaneous=True) for i, j in pairs)
        )
    varying = {symbol for branch in branches for part in branch for symbol in part.free_symbols}
    if len(names) > 1 and not varying & set(mechanisms.conditions) and len(branches) == 1:
        # one matrix at every z: any two of its entries are related
        weights = (branches[0][1], -branches[0][0], *[sympy.Integer(0)] * (len(names) - 2))
        relation = Dependent(tuple(names), weights, tuple(branches), ("zero after expanding",))
        reason = (
            f"with one lag and nothing else that varies, there is one matrix of second derivatives at every z, and "
            f"{len(names)} edges need {len(names)} independent ones"
        )
        return Influence("the past", "fails", relation, reason, _PAST_REPAIRS)
    found = _decided(mechanisms, names, branches, seconds)
    repairs = _PAST_REPAIRS if isinstance(found, Dependent) else ()
    return _influence("the past", found, f"second derivatives in {len(names)} edges", repairs)


def _of_past_exponential(mechanisms: Mechanisms, forms: Sequence[NaturalForm], seconds: float) -> Influence:
    import sympy

    names, pairs = _past_edges(mechanisms)
    if not names:
        return Influence("the past", "holds", None, "it has no children, so nothing is asked of it")
    for latent, form in zip(mechanisms.latents, forms, strict=True):
        if len(form.parameters) > 1:
            return Influence(
                "the past",
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
    found = _decided(mechanisms, names, branches, seconds)
    repairs = _EXPONENTIAL_REPAIRS if isinstance(found, Dependent) else ()
    return _influence("the past", found, f"derivatives of natural parameters in {len(names)} edges", repairs)


def _variability(mechanisms: Mechanisms, forms: Sequence[NaturalForm], seconds: float) -> Influence:
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
    cause = "the natural parameters"
    if still:
        reason = f"nothing moves {still[0]}, so that its natural parameter is constant"
        relation = Dependent(
            (still[0],), (sympy.Integer(1),), ((sympy.Integer(0),),), ("it is zero as it stands",)
        )
        return Influence(cause, "fails", relation, reason, (f"let an action or the past act on {still[0]}",))
    branch = (sympy.Integer(1), *(parameter for form in forms for parameter in form.parameters))
    found = _decided(mechanisms, names, [branch], seconds)
    repairs = (
        ("more actions, or more values, that move them in other directions",)
        if isinstance(found, Dependent)
        else ()
    )
    return _influence(cause, found, f"{len(names) - 1} parameters take values", repairs)


def _past_edges(mechanisms: Mechanisms) -> tuple[list[str], list[tuple[int, int]]]:
    graph = mechanisms.graph
    pairs = [(int(i), int(j)) for i, j in zip(*graph.Gz.nonzero(), strict=True)]
    return [f"{graph.latents[j]} -> {graph.latents[i]}" for i, j in pairs], pairs


def _decided(
    mechanisms: Mechanisms, names: Sequence[str], branches: Sequence[Branch], seconds: float
) -> Independent | Dependent | Undecided:
    return linear_independence(
        names,
        list(_spelled_out(mechanisms, branches)),
        mechanisms.latents,
        seconds,
        lambda symbols, count: sampled(mechanisms, symbols, count),
    )


def _spelled_out(mechanisms: Mechanisms, branches: Iterable[Branch]) -> Iterator[Branch]:
    """Branches with every combination of the values of discrete actions in them put in."""
    for branch in branches:
        occurring = {symbol for part in branch for symbol in part.free_symbols}
        discrete = [action for action in mechanisms.action_values if action in occurring]
        choices = [mechanisms.action_values[action] for action in discrete]
        combinations = 1
        for values in choices:
            combinations *= len(values)
        if combinations > _MOST_COMBINATIONS:
            # a relation that vanishes for all numbers does so for these
            yield branch
            continue
        for chosen in itertools.product(*choices):
            replaced = dict(zip(discrete, chosen, strict=True))
            yield tuple(part.subs(replaced) for part in branch)


def _influence(
    cause: str,
    found: Independent | Dependent | Undecided,
    what: str,
    repairs: tuple[str, ...],
) -> Influence:
    if isinstance(found, Independent):
        if not found.analytic:
            reason = f"{what} in independent ways near one value of the latents, but kinks leave others open"
            return Influence(cause, "undecided", None, reason)
        return Influence(
            cause,
            "holds",
            found,
            f"{what} in independent ways: {found}. It is analytic in the latents, so not zero for almost every value",
        )
    if isinstance(found, Dependent):
        tied = " and ".join(found.related) if len(found.related) < 4 else f"{len(found.related)} of them"
        return Influence(cause, "fails", found, f"{what} dependently: {tied} are tied by {found}", repairs)
    return Influence(cause, "undecided", None, found.reason)


def _action_repairs(mechanisms: Mechanisms, action: sympy.Symbol, found: Dependent) -> tuple[str, ...]:
    related = found.related
    values = mechanisms.action_values.get(action)
    if len(related) == 1:
        return (
            f"{related[0]} hardly reacts to {action}: let its density change with it in more than a constant",
        )
    shared = " and ".join(related[:3]) + (f" and {len(related) - 3} more" if len(related) > 3 else "")
    others = [str(symbol) for symbol in mechanisms.conditions if symbol != action]
    varying = f"for instance {others[0]}" if others else "the past, or a second action"
    repairs = [f"a separate action for each of {shared}"]
    if values is not None:
        repairs.append(
            f"another value of {action}, at which {shared} are moved in another proportion (it has {len(values)})"
        )
    else:
        repairs.append(f"an effect of {action} on one of {shared} of another form, for instance nonlinear")
    repairs.append(f"an effect on one of {shared} that interacts with something that varies ({varying})")
    return tuple(repairs)


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


_VARIABILITY_REPAIRS = ("more actions, or more values, that move them in other directions",)
_PAST_REPAIRS = (
    "an action, or a longer memory, that changes how the past acts on the latents",
    "if the densities are of an exponential family with one sufficient statistic each: family='exponential', where any "
    "past values may be combined",
)
_EXPONENTIAL_REPAIRS = (
    "an effect of the past that is nonlinear, with another form for each parent",
    "an action that changes how the past acts on the latents",
)
