"""The finished restarts of an unfinished run, as the state of the run stores them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from estimation.config.settings import MOST_STEPS
from estimation.diagnostics.result import DIAGNOSTICS, Diagnostics
from estimation.exceptions import CheckpointError
from estimation.history import HISTORY, History
from estimation.models.representation import Representation
from estimation.storage.folders import load_state
from estimation.storage.schema import Fields, Many, Maybe, Real, Text, Whole
from estimation.training.restarts import FinishedRestart, Restarts

__all__ = ["RESTARTS", "StoredRestarts"]

#: The schema of stored restarts; their tensors are stored beside it.
RESTARTS = Fields(
    {
        "finished": Many(
            Fields(
                {
                    "negative_elbo": Maybe(Real()),
                    "n_edges": Whole(0, MOST_STEPS),
                    "diagnostics": Maybe(DIAGNOSTICS),
                    "failure": Text(),
                }
            )
        ),
        "history": Maybe(HISTORY),
    }
)

# names of the tensors: those of the best model, and the encodings of a restart, by its number
_KEPT, _LATENTS = "kept.", "latents."


@dataclass(frozen=True)
class StoredRestarts:
    """The finished restarts of a run.

    Attributes:
        finished: What they ended with, in order.
        history: History of the best of them; None if none has succeeded.
        tensors: Tensors of the model of the best of them, by name.
    """

    finished: tuple[FinishedRestart, ...]
    history: History | None
    tensors: Mapping[str, Tensor]

    @classmethod
    def of(cls, restarts: Restarts) -> StoredRestarts:
        """Return the restarts of a run, ready to be stored."""
        kept = restarts.kept
        tensors = {} if kept is None else kept.model.state_dict()
        return cls(tuple(restarts.finished), None if kept is None else kept.history, tensors)

    def to_dict(self, tensors: dict[str, Tensor]) -> dict[str, Any]:
        """Return the restarts ready for JSON, and add their tensors to a dictionary."""
        tensors.update({f"{_KEPT}{name}": tensor for name, tensor in self.tensors.items()})
        for number, each in enumerate(self.finished):
            if each.latents is not None:
                tensors[f"{_LATENTS}{number}"] = torch.from_numpy(np.array(each.latents))
        return {
            "finished": [
                {
                    "negative_elbo": each.negative_elbo if math.isfinite(each.negative_elbo) else None,
                    "n_edges": each.n_edges,
                    "diagnostics": None if each.diagnostics is None else each.diagnostics.to_dict(),
                    "failure": each.failure,
                }
                for each in self.finished
            ],
            "history": None if self.history is None else self.history.to_dict(),
        }

    @classmethod
    def from_dict(cls, content: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> StoredRestarts:
        """Return the restarts of content that follows ``RESTARTS``: the inverse of `to_dict`."""
        finished = []
        for number, each in enumerate(content["finished"]):
            diagnostics, latents = each["diagnostics"], tensors.get(f"{_LATENTS}{number}")
            finished.append(
                FinishedRestart(
                    math.inf if each["negative_elbo"] is None else float(each["negative_elbo"]),
                    each["n_edges"],
                    None if diagnostics is None else Diagnostics.from_dict(diagnostics),
                    None if latents is None else latents.numpy(),
                    each["failure"],
                )
            )
        history = None if content["history"] is None else History.from_dict(content["history"])
        kept = {
            name.removeprefix(_KEPT): tensor for name, tensor in tensors.items() if name.startswith(_KEPT)
        }
        return cls(tuple(finished), history, kept)

    def require_consistent(self, count: int, best: int | None, n_rows: int, n_latents: int) -> None:
        """Refuse restarts that can't have been stored by a run.

        Args:
            count: Number of restarts of the run.
            best: Number of the best finished restart; None if none has succeeded.
            n_rows: Number of held-out rows on which latents are compared.
            n_latents: Number of latents of the model.

        Raises:
            CheckpointError: If too many are finished, the best has no history, or encodings are missing or have
                another shape.
        """
        if len(self.finished) >= count:
            raise CheckpointError(
                f"the state of the run is damaged ({len(self.finished)} restarts are finished, and the run has {count})"
            )
        if (best is None) != (self.history is None):
            raise CheckpointError(
                "the state of the run is damaged (the history is not that of the best restart)"
            )
        for number, each in enumerate(self.finished):
            shape = None if each.latents is None else each.latents.shape
            expected = None if each.diagnostics is None else (n_rows, n_latents)
            # earlier versions stored no encodings of a doubtful one, which is not compared then
            if shape != expected and (shape is not None or each.is_without_doubts):
                raise CheckpointError(
                    f"the state of the run is damaged (the encodings of restart {number + 1} have shape {shape}, not "
                    f"{expected})"
                )

    def load_into(self, model: Representation) -> None:
        """Load the tensors of the best restart into an untrained model, which is then in evaluation mode.

        Raises:
            CheckpointError: If they don't fit it.
        """
        load_state(model, self.tensors, "the best restart in the state of the run")
        model.eval()
