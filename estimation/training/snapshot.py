"""A model as it was, where a change of it may be undone."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch

from estimation.models.noise import NoiseNetworks
from estimation.models.sparse_vae import SparseVAE
from estimation.models.transitions import TransitionNetworks

__all__ = ["Snapshot"]


@dataclass(frozen=True, eq=False)
class Snapshot:
    """A model as it is at one time, to which it can be restored.

    Attributes:
        state: Copies of its tensors.
        networks: Its transition networks.
        noise: Its noise networks.
        flow_sizes: Sizes of its flow.
    """

    state: Mapping[str, Any]
    networks: TransitionNetworks
    noise: NoiseNetworks | None
    flow_sizes: tuple[int, int]

    @classmethod
    def of(cls, model: SparseVAE) -> Snapshot:
        """Copy the tensors of a model."""
        return cls(copy.deepcopy(model.state_dict()), model.networks, model.noise, model.flow.sizes)

    def restore_(self, model: SparseVAE) -> None:
        """Restore the model, in place."""
        model.networks, model.noise = self.networks, self.noise
        if model.flow.sizes != self.flow_sizes:
            # the weights of the new blocks are overwritten
            model.flow.resize_(*self.flow_sizes, torch.Generator())
        model.load_state_dict(self.state)
