"""What happened during training: one record per look at the held-out data."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from estimation.storage.schema import Fields, Flag, Many, Maybe, Real, Table, Text, Whole

__all__ = ["HISTORY", "History", "Record"]

# what was not finite is written as null
_NUMBER = Maybe(Real())
#: What `History.from_dict` reads.
HISTORY = Fields(
    {
        "records": Many(
            Fields(
                {
                    "step": Whole(0),
                    "stage": Text(),
                    "loss": _NUMBER,
                    "reconstruction": _NUMBER,
                    "divergence": _NUMBER,
                    "edges": Table(_NUMBER),
                    "budget": Table(_NUMBER),
                    "probabilities": Table(Many(Many(Real(0, 1)))),
                    "seconds": Real(0, 1e12),
                },
                {"has_bound": Flag()},
            )
        ),
        "notes": Many(Text()),
    }
)
_FLOATS = ("loss", "reconstruction", "divergence")


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
        """Ready for JSON, which has no number that is not finite: None stands for it."""
        content = asdict(self)
        for record in content["records"]:
            _map_numbers(record, lambda value: value if math.isfinite(value) else None)
        return content

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> History:
        """The inverse of `to_dict`, of content that has the form ``HISTORY``; nan stands for what was not finite."""
        known = {each.name for each in fields(Record)}
        records = []
        for each in content["records"]:
            record = {name: value for name, value in each.items() if name in known}
            _map_numbers(record, lambda value: math.nan if value is None else value)
            records.append(Record(**record))
        return cls(records, list(content["notes"]))


def _map_numbers(record: dict[str, Any], change: Callable[[Any], Any]) -> None:
    for name in _FLOATS:
        record[name] = change(record[name])
    for name in ("edges", "budget"):
        record[name] = {key: change(value) for key, value in record[name].items()}
