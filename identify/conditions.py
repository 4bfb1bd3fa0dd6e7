"""The conditions of the theorems and their status: proved, refuted, or assumed."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from identify.exceptions import RequestError
from identify.graph import CausalGraph
from identify.neighbourhoods import ACTIONS, PAST
from identify.wording import listed

if TYPE_CHECKING:
    from identify.influence import Influence, InfluenceReport

__all__ = ["PAST_CAUSE", "Condition", "conditions_of", "decided_causes", "unproved_conditions"]

#: Name of the past as a cause, in reports on influence.
PAST_CAUSE = "the past"

_ASSUMED = ("the decoder is a diffeomorphism onto its image", "the model fits the data distribution")
_NO_DENSER = "the learned graph is no denser than the true one"
_STATUS = {"holds": "proved", "fails": "refuted", "undecided": "assumed"}
_VERBS = {"fails": "fails", "undecided": "is undecided"}


@dataclass(frozen=True)
class Condition:
    """A condition of the theorem and its status.

    Attributes:
        name: The condition as a sentence.
        status: ``"proved"``, ``"refuted"``, or ``"assumed"``, which means neither.
        reason: The reason for the status; empty if sufficient influence was not decided.
        repairs: Changes that would make the condition hold, if it is refuted.
    """

    name: str
    status: str
    reason: str = ""
    repairs: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.name}: {self.status}" + (f" ({self.reason})" if self.reason else "")


def unproved_conditions() -> tuple[Condition, ...]:
    """Return the conditions that neither a causal graph nor mechanisms can show."""
    return tuple(Condition(name, "assumed") for name in (*_ASSUMED, _NO_DENSER))


def conditions_of(
    influence: InfluenceReport | None, graph: CausalGraph, using: Collection[str]
) -> tuple[Condition, ...]:
    """Return the conditions under which a verdict is a guarantee.

    Args:
        influence: The report on sufficient influence, if there is one.
        graph: The causal graph.
        using: The parts of the graph that the verdict uses.
    """
    if influence is None:
        return (*unproved_conditions(), Condition("sufficient influence of every cause", "assumed"))
    causes = decided_causes(influence, graph, using)
    # a budget for all edges guarantees nothing if a cause without sufficient influence can give away some of its own
    where = "" if all(causes) else " in the edges of the causes with sufficient influence"
    assumed = tuple(Condition(name, "assumed") for name in (*_ASSUMED, _NO_DENSER + where))
    return (*assumed, *map(_influence_condition, causes))


def decided_causes(
    influence: InfluenceReport, graph: CausalGraph, using: Collection[str]
) -> tuple[Influence, ...]:
    """Return the answers for the causes that are in use: actions in the order of the graph, then the past.

    In an exponential family, combining past values requires linear identifiability, which follows from sufficient
    variability (paper: the theorem for one sufficient statistic per latent). If that is not proved, the answer for the
    past is the one for the natural parameters.

    Args:
        influence: The report on sufficient influence.
        graph: The causal graph.
        using: The parts of the graph in use.

    Raises:
        RequestError: If the report is about other causes, or an action and the past share a name.
    """
    actions = graph.actions if ACTIONS in using else ()
    if ACTIONS in using and set(influence.actions) != set(actions):
        raise RequestError(
            f"the influence report is about the actions {listed(sorted(influence.actions), rest='others') or 'none'}, "
            f"the graph has {listed(sorted(actions), rest='others') or 'none'}"
        )
    if PAST in using and graph.Gz.nnz and influence.past is None:
        raise RequestError("the influence report has no past, but the graph has one")
    answers = [influence.actions[name] for name in actions]
    if PAST not in using or influence.past is None:
        return tuple(answers)
    if PAST_CAUSE in actions:
        raise RequestError(f"an action is named {PAST_CAUSE!r}, as the past is in reports; rename it")
    return (*answers, _past(influence.past, influence))


def _past(past: Influence, influence: InfluenceReport) -> Influence:
    if influence.family == "nonparametric" or not past:
        return past
    variability = influence.sufficient_variability
    if variability is None:
        reason = "sufficient variability of the natural parameters, which it requires, is not decided"
        return replace(past, status="undecided", reason=reason, certificate=None, certificate_text=None)
    if variability:
        return past
    reason = f"sufficient variability of {variability.cause}, which it requires, {_VERBS[variability.status]}"
    return replace(variability, cause=past.cause, reason=f"{reason}: {variability.reason}")


def _influence_condition(influence: Influence) -> Condition:
    return Condition(
        f"sufficient influence of {influence.cause}",
        _STATUS[influence.status],
        influence.reason,
        influence.repairs,
    )
