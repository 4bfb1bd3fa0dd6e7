"""The history of a training run: one record per evaluation on held-out data, and notes."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from estimation.latent_count import LATENT_COUNT, LatentCount
from estimation.storage.schema import Fields, Flag, Many, Maybe, Real, Table, Text, Whole

__all__ = ["HISTORY", "History", "Record"]

# numbers that are not finite are stored as null
_NUMBER = Maybe(Real())
#: The schema of a stored history.
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
                {"has_bound": Flag(), "restart": Whole(0)},
            )
        ),
        "notes": Many(Text()),
    },
    {"latent_count": Maybe(LATENT_COUNT)},
)
_FLOATS = ("loss", "reconstruction", "divergence")


@dataclass(frozen=True)
class Record:
    """The state of training after some steps.

    Attributes:
        step: Number of steps taken.
        stage: ``"dense"``, ``"sparse"`` or ``"frozen"``; ``"baseline"`` for a baseline.
        loss: Training loss on the last batch.
        reconstruction: Reconstruction term of the negative ELBO on held-out data.
        divergence: Divergence term of the negative ELBO on held-out data.
        edges: Expected number of edges, by mask.
        budget: Budget at this step, by mask.
        probabilities: Probability of every edge, by mask, as nested lists (rows are children).
        seconds: Time spent so far, which a seed does not reproduce.
        has_bound: False for a method without an ELBO, whose held-out loss is then stored as ``reconstruction``.
        restart: Number of the restart, from 0.
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
    restart: int = 0

    @property
    def negative_elbo(self) -> float:
        """The negative ELBO on held-out data, per observed dimension."""
        return self.reconstruction + self.divergence


@dataclass
class History:
    """The records of a run, and notes on what training did apart from taking steps.

    Attributes:
        records: Records in order.
        notes: One line each, for instance on a round of unmixing.
        latent_count: How the number of latents was found, with ``n_latents="auto"``; otherwise None.
    """

    records: list[Record] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    latent_count: LatentCount | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the history ready for JSON, with None for numbers that are not finite."""
        content = asdict(self)
        for record in content["records"]:
            _map_numbers(record, lambda value: value if math.isfinite(value) else None)
        content["latent_count"] = None if self.latent_count is None else self.latent_count.to_dict()
        return content

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> History:
        """Return the history of content that follows ``HISTORY``, with nan for None: the inverse of `to_dict`."""
        names = {field.name for field in fields(Record)}
        records = []
        for stored in content["records"]:
            record = {name: value for name, value in stored.items() if name in names}
            _map_numbers(record, lambda value: math.nan if value is None else value)
            records.append(Record(**record))
        count = content.get("latent_count")
        return cls(records, list(content["notes"]), None if count is None else LatentCount.from_dict(count))


def _map_numbers(record: dict[str, Any], change: Callable[[Any], Any]) -> None:
    for name in _FLOATS:
        record[name] = change(record[name])
    for name in ("edges", "budget"):
        record[name] = {key: change(value) for key, value in record[name].items()}
