"""The conditions of the theorems, and what is known of each: proved, refuted, or assumed."""

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
_KNOWN = {"holds": "proved", "fails": "refuted", "undecided": "assumed"}


@dataclass(frozen=True)
class Condition:
    """A condition of the theorem, and what is known of it.

    Attributes:
        name: In words.
        status: ``"proved"``, ``"refuted"``, or ``"assumed"``: nothing shows it either way.
        reason: Why; empty where nobody asked.
        repairs: Where it is refuted, what would mend it.
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
    """The conditions under which a verdict is a promise.

    Args:
        influence: What was decided of sufficient influence, if anybody did.
        actions: Names of those that the verdict uses.
        past: Whether it uses the past.
    """
    given = tuple(Condition(name, "assumed") for name in _ASSUMED)
    if influence is None:
        return (*given, Condition("sufficient influence of every cause", "assumed"))
    used = [influence.actions[name] for name in actions]
    if past and influence.past is not None:
        used.append(influence.past)
    return (*given, *map(_condition, used))


def _condition(found: Influence) -> Condition:
    return Condition(
        f"sufficient influence of {found.cause}", _KNOWN[found.status], found.reason, found.repairs
    )
