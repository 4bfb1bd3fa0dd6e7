"""What separates two latents, and what would."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from identify.neighbourhoods import Kind
from identify.wording import listed

__all__ = ["JOINT_CAUSE", "Remedy", "SingleTargetRemedy", "Witness"]

#: Name of all actions together as a cause of separation.
JOINT_CAUSE = "all actions"

_EXPLANATIONS = {
    "action": "the action {name} targets {i} and not {j}",
    "parent": "past {name} acts on {i} and not on {j}",
    "child": "past {i} acts on {name} and past {j} does not",
    "joint": "in no sparsest basis does a combination of both take the place of {j}",
}


@dataclass(frozen=True)
class Witness:
    """The reason why latent i does not stay entangled with latent j (V[i, j] = 0).

    Attributes:
        i, j: Names of the latents.
        kind: ``"action"``: ``name`` is an action that targets i and not j; ``"parent"``: a past latent that acts on i
            and not on j; ``"child"``: a latent on which past i acts and past j does not.
        name: The separating neighbour.
    """

    i: str
    j: str
    kind: Kind | Literal["joint"]
    name: str

    def __str__(self) -> str:
        explanation = _EXPLANATIONS[self.kind].format(name=self.name, i=self.i, j=self.j)
        return f"{self.i} is separated from {self.j}: {explanation}"


@dataclass(frozen=True)
class Remedy:
    """A new action that would separate latent i from latents with which it stays entangled.

    Attributes:
        target: The latent that the new action must target.
        avoid: The latents that it must not target.
    """

    target: str
    avoid: tuple[str, ...]

    def __str__(self) -> str:
        return f"add an action that targets {self.target} and not {listed(self.avoid, rest='others')}"


@dataclass(frozen=True)
class SingleTargetRemedy(Remedy):
    """New on/off actions that would separate a latent from latents with which it stays entangled.

    One action on the latent alone moves every combination with it and leaves the other latents as they are, so each
    such combination weighs one action more, and competes with no other latent of the same weight.

    Attributes:
        n_actions: Number of such actions; None if it is not known.
    """

    n_actions: int | None = 1

    def __str__(self) -> str:
        what = "an action" if self.n_actions == 1 else "actions"
        return f"add {what} on {self.target} alone, or see design_interventions(..., effects='shifts')"
