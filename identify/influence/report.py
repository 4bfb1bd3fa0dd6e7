"""The answers of sufficient influence: one for each cause, with its certificate, and the report on all of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from identify.exceptions import UnknownNameError
from identify.proof.independence import Dependent, Independent, Undecided

if TYPE_CHECKING:
    import sympy

__all__ = [
    "ALL_ACTIONS",
    "FAMILIES",
    "Family",
    "Influence",
    "InfluenceReport",
    "Influences",
    "Status",
    "influence_from",
]

Status = Literal["holds", "fails", "undecided"]
Family = Literal["nonparametric", "exponential"]
FAMILIES: tuple[Family, ...] = ("nonparametric", "exponential")
#: The cause to which joint influence belongs.
ALL_ACTIONS = "all actions together"


@dataclass(frozen=True)
class Influence:
    """The answer for one cause.

    Attributes:
        cause: Name of the action, ``"the past"``, ``"the natural parameters"``, or ``"all actions together"``.
        status: ``"holds"``, ``"fails"`` or ``"undecided"``.
        certificate: `Independent` if it holds, `Dependent` if it fails, otherwise None; ``certificate.verify()``
            recomputes it. A cause without children needs none.
        reason: The answer in a sentence.
        repairs: Changes that would restore sufficient influence, if it fails.
        certificate_text: The certificate as text, if only another process holds it.
    """

    cause: str
    status: Status
    certificate: Independent | Dependent | None
    reason: str
    repairs: tuple[str, ...] = ()
    certificate_text: str | None = None

    def __bool__(self) -> bool:
        return self.status == "holds"

    def __str__(self) -> str:
        return f"{self.cause}: {self.status}; {self.reason}"

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-ready values, with the certificate as text."""
        return {
            "cause": self.cause,
            "status": self.status,
            "reason": self.reason,
            "certificate": self.certificate_text if self.certificate is None else str(self.certificate),
            "repairs": list(self.repairs),
        }


class Influences(Mapping["sympy.Symbol | str", Influence]):
    """The answers for all actions, by symbol or by name."""

    def __init__(self, by_name: Mapping[str, Influence]) -> None:
        self._by_name = dict(by_name)

    def __getitem__(self, action: sympy.Symbol | str) -> Influence:
        name = str(action)
        if name not in self._by_name:
            raise UnknownNameError(
                f"there is no action {name!r}; there are {', '.join(self._by_name) or 'none'}"
            )
        return self._by_name[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._by_name)

    def __len__(self) -> int:
        return len(self._by_name)


@dataclass(frozen=True)
class InfluenceReport:
    """Sufficient influence of all causes; ``bool(report)`` is true if it is proved for every cause.

    Attributes:
        family: ``"nonparametric"`` or ``"exponential"``.
        actions: The answers for the actions, by symbol or by name.
        past: The answer for the past; None without a past.
        sufficient_variability: For exponential families, whether the natural parameters span the whole space, which
            gives linear identifiability; otherwise None.
        joint: Joint influence of all actions, if it was asked for. It may hold where influence fails for single
            actions; ``bool(report)`` and `all` leave it out.
    """

    family: Family
    actions: Influences
    past: Influence | None
    sufficient_variability: Influence | None = None
    joint: Influence | None = None

    @property
    def all(self) -> tuple[Influence, ...]:
        """The answers for single causes: actions, the past, the natural parameters."""
        others = (self.past, self.sufficient_variability)
        return (*self.actions.values(), *(influence for influence in others if influence is not None))

    def __bool__(self) -> bool:
        return all(self.all)

    def __str__(self) -> str:
        return "\n".join(map(str, [*self.all, *([] if self.joint is None else [self.joint])]))

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-ready values."""
        return {
            "family": self.family,
            "holds": bool(self),
            "actions": {name: influence.to_dict() for name, influence in self.actions.items()},
            "past": None if self.past is None else self.past.to_dict(),
            "sufficient_variability": None
            if self.sufficient_variability is None
            else self.sufficient_variability.to_dict(),
            "joint": None if self.joint is None else self.joint.to_dict(),
        }


def influence_from(
    cause: str,
    independence: Independent | Dependent | Undecided,
    subject: str,
    repairs: tuple[str, ...],
) -> Influence:
    """Return the answer for a cause from what was proved about its functions.

    Args:
        cause: Name of the cause.
        independence: The result for its functions.
        subject: Subject and verb of the sentence that gives the reason.
        repairs: Changes that would restore sufficient influence, if it fails.
    """
    if isinstance(independence, Independent):
        if not independence.analytic:
            reason = (
                f"{subject} in independent ways near one value of the latents, but the densities are not recognised as "
                "analytic in the latents, so other values remain open"
            )
            return Influence(cause, "undecided", None, reason)
        return Influence(
            cause,
            "holds",
            independence,
            f"{subject} in independent ways: {independence}. It is analytic in the latents, so it is nonzero for "
            "almost every value",
        )
    if isinstance(independence, Dependent):
        related = independence.related
        names = " and ".join(related) if len(related) < 4 else f"{len(related)} of them"
        reason = f"{subject} dependently: {names} satisfy {independence}"
        return Influence(cause, "fails", independence, reason, repairs)
    return Influence(cause, "undecided", None, independence.reason)
