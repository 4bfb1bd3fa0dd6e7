"""Result of a design of on/off interventions: a `Design` whose joint influence was decided."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from identify.design.result import Design
from identify.influence.joint import JointInfluence

__all__ = ["ScreenDesign"]


@dataclass(frozen=True, eq=False, repr=False)
class ScreenDesign(Design):
    """On/off interventions to add to a graph; ``bool(design)`` is true if joint influence holds with them.

    The attributes of `Design` refer to joint influence. A latent counts as disentangled if row i of the entanglement of
    the new graph is {i}; where that entanglement was not determined, no latent counts.

    Attributes:
        joint_before: Joint influence of the graph without the interventions.
        joint: Joint influence of the graph with them, for generic effects, with its certificate.
    """

    joint_before: JointInfluence | None = None
    joint: JointInfluence | None = None

    @property
    def effects(self) -> str:
        """Kind of the effects: ``"shifts"``, which are on/off."""
        return "shifts"

    @property
    def complete(self) -> bool:
        """Whether joint influence holds for the graph with the interventions."""
        return bool(self.joint)

    @property
    def disentangled_before(self) -> NDArray[np.bool_]:
        """Which latents are disentangled without the interventions, shape (n,)."""
        return _disentangled(self.joint_before, self.before.n_latents)

    @property
    def disentangled(self) -> NDArray[np.bool_]:
        """Which latents are disentangled with the interventions, shape (n,)."""
        return _disentangled(self.joint, self.before.n_latents)

    @property
    def n_pairs(self) -> int:
        """Number of entangled ordered pairs without the interventions; all pairs if no latent is promised."""
        return _n_pairs(self.joint_before, self.before.n_latents)

    @property
    def n_separated(self) -> int:
        """Number of these pairs less the number of entangled pairs with the interventions."""
        return self.n_pairs - _n_pairs(self.joint, self.before.n_latents)

    @property
    def gap(self) -> float:
        """Relative optimality gap: of the cost, or of the number of latents if some are left out."""
        if self.n_secured < self.before.n_latents:
            return (self.most_disentangled - self.n_secured) / max(self.most_disentangled, 1)
        return super().gap

    @property
    def influence_note(self) -> str:
        """What was decided about influence, in words."""
        if self.joint is None or self.joint.status == "undecided":
            return "Joint influence of the new graph was not decided within the time limit."
        if not self.joint:
            return f"Joint influence of the new graph fails: {self.joint.reason}."
        return (
            "Joint influence of the new graph was verified, for generic effects of on/off interventions: no action "
            "needs influence of its own. Effects that satisfy an exact relation may still fail."
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the design as JSON-ready values: those of `Design`, and ``effects`` and ``joint_influence``."""
        joint = None if self.joint is None else self.joint.to_dict()
        return {**super().to_dict(), "effects": self.effects, "joint_influence": joint}


def _disentangled(joint: JointInfluence | None, n: int) -> NDArray[np.bool_]:
    return np.zeros(n, dtype=bool) if joint is None else joint.disentangled


def _n_pairs(joint: JointInfluence | None, n: int) -> int:
    if joint is None or joint.entanglement is None:
        return n * (n - 1)
    return int(joint.entanglement.sum()) - n
