"""What happened during training: one record per look at the held-out data."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

__all__ = ["History", "Record"]


@dataclass(frozen=True)
class Record:
    """The state of training after some steps.

    Attributes:
        step: steps done.
        stage: ``"dense"``, ``"sparse"`` or ``"frozen"``.
        loss: what was minimised, on the last batch.
        reconstruction, divergence: terms of the negative ELBO on held-out data.
        edges: expected number of edges, by mask.
        budget: the budget at this step, by mask.
        probabilities: of every edge, by mask, as nested lists (rows are children).
        seconds: of training so far; not part of what a seed reproduces.
        has_bound: False for a method without an ELBO: the reconstruction is its held-out loss then.
    """

    step: int
    stage: str
    loss: float
    reconstruction: float
    divergence: float
    edges: dict[str, float]
    budget: dict[str, float]
    probabilities: dict[str, list[list[float]]]
    seconds: float
    has_bound: bool = True

    @property
    def negative_elbo(self) -> float:
        """On held-out data, per observed dimension."""
        return self.reconstruction + self.divergence


@dataclass
class History:
    """All records, and notes on what training did beside taking steps.

    Attributes:
        records: in order.
        notes: one line each, for instance on unmixing.
    """

    records: list[Record] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> History:
        """The inverse of `to_dict`."""
        return cls([Record(**record) for record in content["records"]], list(content["notes"]))
