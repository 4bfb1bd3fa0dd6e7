"""The guarantee for each latent, and what would separate it from the latents with which it stays entangled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, overload

from identify.entanglement import Entanglement
from identify.witnesses import Remedy, SingleTargetRemedy
from identify.wording import listed

if TYPE_CHECKING:
    from identify.influence import JointInfluence

__all__ = ["LatentVerdict", "LatentVerdicts", "remedy_for"]


@dataclass(frozen=True)
class LatentVerdict:
    """The guarantee for one latent.

    Attributes:
        name: The latent.
        position: Its row.
        block: Number of its block.
        constrained: Whether the latent has a parent or child among the edges in use; if not, nothing limits its
            entanglement.
        entangled_with: Names of the other latents in row i of V. The learned latent matched to this one is a function
            of this latent and those.
        twins: The latents among them that also stay entangled with this one: the rest of its block.
        remedy: What would separate the latent from all others: one new action, or for on/off actions those of
            ``SingleTargetRemedy``; None if it is disentangled.
    """

    name: str
    position: int
    block: int
    constrained: bool
    entangled_with: tuple[str, ...]
    twins: tuple[str, ...]
    remedy: Remedy | None

    @property
    def disentangled(self) -> bool:
        """Whether row i of V is {i}."""
        return not self.entangled_with

    def __str__(self) -> str:
        if self.disentangled:
            return f"{self.name} is disentangled"
        reason = "" if self.constrained else " (no edge in use constrains it)"
        return f"{self.name} stays entangled with {listed(self.entangled_with, rest='others')}{reason}"


class LatentVerdicts(Sequence[LatentVerdict]):
    """The verdicts of all latents, by position or by name; each is computed on access."""

    def __init__(self, entanglement: Entanglement, joint: JointInfluence | None = None) -> None:
        self._entanglement = entanglement
        self._joint = joint

    def __len__(self) -> int:
        return self._entanglement.n_latents

    @overload
    def __getitem__(self, latent: int | str) -> LatentVerdict: ...
    @overload
    def __getitem__(self, latent: slice) -> list[LatentVerdict]: ...
    def __getitem__(self, latent: int | str | slice) -> LatentVerdict | list[LatentVerdict]:
        if isinstance(latent, slice):
            return [self[i] for i in range(*latent.indices(len(self)))]
        if not isinstance(latent, str):
            latent = range(len(self))[latent]
        return self._verdict(self._entanglement.graph.index(latent))

    def _verdict(self, i: int) -> LatentVerdict:
        v, names = self._entanglement, self._entanglement.graph.latents
        others = [j for j in v.row(i).tolist() if j != i]
        entangled_with = tuple(names[j] for j in others)
        return LatentVerdict(
            name=names[i],
            position=i,
            block=int(v.labels[i]),
            constrained=bool(v.constrained[i]),
            entangled_with=entangled_with,
            twins=tuple(names[j] for j in others if v.labels[j] == v.labels[i]),
            remedy=remedy_for(names[i], entangled_with, self._joint),
        )


def remedy_for(target: str, avoid: tuple[str, ...], joint: JointInfluence | None) -> Remedy | None:
    """Return what would separate a latent from others with which it stays entangled; None if there are none.

    Args:
        target: The latent.
        avoid: The others.
        joint: Joint influence, if the actions are on or off.
    """
    if not avoid:
        return None
    if joint is None:
        return Remedy(target, avoid)
    is_sparsest = joint.status == "fails" and not joint.n_fewer
    return SingleTargetRemedy(target, avoid, 1 if is_sparsest else None)
