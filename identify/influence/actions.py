"""Decide sufficient influence of one action."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from identify.exceptions import UndecidedError
from identify.influence.functions import decide_independence
from identify.influence.report import Influence, influence_from
from identify.mechanisms import Mechanisms
from identify.proof.independence import Dependent
from identify.proof.substitution import substitute

if TYPE_CHECKING:
    import sympy

__all__ = ["action_influence", "score_changes"]


def action_influence(mechanisms: Mechanisms, action: sympy.Symbol, seconds: float) -> Influence:
    """Decide sufficient influence of an action from derivatives, or differences, of its children's scores.

    Args:
        mechanisms: The mechanisms of all latents.
        action: One of their actions.
        seconds: Time limit, after which the answer is undecided.
    """
    try:
        children = mechanisms.children(action)
    except UndecidedError as error:
        return Influence(action.name, "undecided", None, str(error))
    names = [mechanisms.latents[i].name for i in children]
    if not children:
        return Influence(action.name, "holds", None, "it has no children, so there is nothing to satisfy")
    values = mechanisms.action_values.get(action)
    branches = score_changes(mechanisms, action, children)
    independence = decide_independence(mechanisms, names, branches, seconds)
    repairs = _action_repairs(mechanisms, action, independence) if isinstance(independence, Dependent) else ()
    return influence_from(action.name, independence, _summary(names, values), repairs)


def score_changes(
    mechanisms: Mechanisms, action: sympy.Symbol, children: Sequence[int]
) -> list[tuple[Any, ...]]:
    """Return how an action changes the scores of its children: a derivative, or differences to its first value.

    Args:
        mechanisms: The mechanisms of all latents.
        action: One of their actions.
        children: Its children.
    """
    import sympy

    scores = [mechanisms.scores[i] for i in children]
    values = mechanisms.action_values.get(action)
    if values is None:
        return [tuple(sympy.diff(score, action) for score in scores)]
    first = [substitute(score, {action: values[0]}) for score in scores]
    return [
        tuple(substitute(score, {action: value}) - base for score, base in zip(scores, first, strict=True))
        for value in values[1:]
    ]


def _summary(names: Sequence[str], values: Sequence[Any] | None) -> str:
    subject = "its derivatives" if values is None else f"differences between its {len(values)} values"
    return f"{subject} move {' and '.join(names) if len(names) < 4 else f'{len(names)} latents'}"


def _action_repairs(mechanisms: Mechanisms, action: sympy.Symbol, independence: Dependent) -> tuple[str, ...]:
    related = independence.related
    values = mechanisms.action_values.get(action)
    if len(related) == 1:
        return (
            f"{related[0]} hardly reacts to {action}: let more than the normaliser of its density depend on {action}",
        )
    shared = " and ".join(related[:3]) + (f" and {len(related) - 3} more" if len(related) > 3 else "")
    others = [str(symbol) for symbol in mechanisms.conditions if symbol != action]
    varying = f"for instance {others[0]}" if others else "the past, or a second action"
    repairs = [f"a separate action for each of {shared}"]
    if values is not None:
        repairs.append(
            f"another value of {action} that moves {shared} in another proportion (it has {len(values)})"
        )
    else:
        repairs.append(
            f"an effect of {action} of another form on one of {shared}, for instance a nonlinear one"
        )
    repairs.append(f"an effect on one of {shared} that interacts with something that varies ({varying})")
    return tuple(repairs)
