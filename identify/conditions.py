"""The conditions of the theorems and their status: proved, refuted, or assumed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from identify.influence import Influence, InfluenceReport

__all__ = ["Condition", "conditions_of"]

_ASSUMED = (
    "the decoder is a diffeomorphism onto its image",
    "the model fits the data distribution",
    "the learned graph is no denser than the true one",
)
_STATUS = {"holds": "proved", "fails": "refuted", "undecided": "assumed"}


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


def conditions_of(
    influence: InfluenceReport | None, actions: Iterable[str], past: bool
) -> tuple[Condition, ...]:
    """Return the conditions under which a verdict is a guarantee.

    Args:
        influence: The report on sufficient influence, if there is one.
        actions: Names of the actions that the verdict uses.
        past: Whether the verdict uses the past.
    """
    assumed = tuple(Condition(name, "assumed") for name in _ASSUMED)
    if influence is None:
        return (*assumed, Condition("sufficient influence of every cause", "assumed"))
    causes = [influence.actions[name] for name in actions]
    if past and influence.past is not None:
        causes.append(influence.past)
    return (*assumed, *map(_influence_condition, causes))


def _influence_condition(influence: Influence) -> Condition:
    return Condition(
        f"sufficient influence of {influence.cause}",
        _STATUS[influence.status],
        influence.reason,
        influence.repairs,
    )
