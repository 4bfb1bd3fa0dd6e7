"""What separates two latents, and what would."""

from __future__ import annotations

from dataclasses import dataclass

from identify.neighbourhoods import Kind
from identify.wording import listed

__all__ = ["Remedy", "Witness"]

_EXPLANATIONS = {
    "action": "the action {name} targets {i} and not {j}",
    "parent": "past {name} acts on {i} and not on {j}",
    "child": "past {i} acts on {name} and past {j} does not",
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
    kind: Kind
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
