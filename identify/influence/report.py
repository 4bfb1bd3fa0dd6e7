"""The answers: one for each cause, with its certificate, and all of them together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from identify.exceptions import UnknownNameError
from identify.proof.independence import Dependent, Independent, Undecided

if TYPE_CHECKING:
    import sympy

__all__ = ["FAMILIES", "Family", "Influence", "InfluenceReport", "Influences", "Status", "answer"]

Status = Literal["holds", "fails", "undecided"]
Family = Literal["nonparametric", "exponential"]
FAMILIES: tuple[Family, ...] = ("nonparametric", "exponential")


@dataclass(frozen=True)
class Influence:
    """The answer for one cause.

    Attributes:
        cause: Name of the action, ``"the past"``, or ``"the natural parameters"``.
        status: ``"holds"``, ``"fails"`` or ``"undecided"``.
        certificate: `Independent` where it holds, `Dependent` where it fails, else None; ``certificate.verify()``
            recomputes it. A cause without children needs none.
        reason: The answer in words.
        repairs: Where it fails, what would mend it.
        written: The certificate as text, where another process holds it.
    """

    cause: str
    status: Status
    certificate: Independent | Dependent | None
    reason: str
    repairs: tuple[str, ...] = ()
    written: str | None = None

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
            "certificate": self.written if self.certificate is None else str(self.certificate),
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
        actions: By symbol or name.
        past: None without a past.
        sufficient_variability: For exponential families, whether linear identifiability is given: the natural
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


def answer(
    cause: str,
    found: Independent | Dependent | Undecided,
    what: str,
    repairs: tuple[str, ...],
) -> Influence:
    """The answer for a cause, in words.

    Args:
        cause: Its name.
        found: What was proved of its functions.
        what: The beginning of the sentence.
        repairs: What would mend a failure.
    """
    if isinstance(found, Independent):
        if not found.analytic:
            reason = (
                f"{what} in independent ways near one value of the latents, but the densities are not seen to be "
                "analytic in them, so that others stay open"
            )
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
