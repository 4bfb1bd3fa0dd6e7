"""Sufficient influence of one action."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from identify.exceptions import UndecidedError
from identify.influence.functions import decided
from identify.influence.report import Influence, answer
from identify.mechanisms import Mechanisms
from identify.proof.independence import Dependent
from identify.proof.substitution import substituted

if TYPE_CHECKING:
    import sympy

__all__ = ["of_action"]


def of_action(mechanisms: Mechanisms, action: sympy.Symbol, seconds: float) -> Influence:
    """Decide it from the derivatives, or differences, of the children's scores.

    Args:
        mechanisms: Of all latents.
        action: One of theirs.
        seconds: After which it is undecided.
    """
    import sympy

    try:
        children = mechanisms.children(action)
    except UndecidedError as error:
        return Influence(action.name, "undecided", None, str(error))
    names = [mechanisms.latents[i].name for i in children]
    if not children:
        return Influence(action.name, "holds", None, "it has no children, so nothing is asked of it")
    scores = [mechanisms.scores[i] for i in children]
    values = mechanisms.action_values.get(action)
    if values is None:
        branches = [tuple(sympy.diff(score, action) for score in scores)]
    else:
        first = [substituted(score, {action: values[0]}) for score in scores]
        branches = [
            tuple(
                substituted(score, {action: value}) - base for score, base in zip(scores, first, strict=True)
            )
            for value in values[1:]
        ]
    found = decided(mechanisms, names, branches, seconds)
    repairs = _action_repairs(mechanisms, action, found) if isinstance(found, Dependent) else ()
    return answer(action.name, found, _action_words(names, values), repairs)


def _action_words(names: Sequence[str], values: Sequence[Any] | None) -> str:
    ways = "its derivatives" if values is None else f"differences between its {len(values)} values"
    return f"{ways} move {' and '.join(names) if len(names) < 4 else f'{len(names)} latents'}"


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
