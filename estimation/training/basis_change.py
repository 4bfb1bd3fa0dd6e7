"""A change of the basis after the last step, if the examination of the run finds a better one.

The last round of unmixing works with latents that later steps, refined encodings and the flow improve. So the search of
the examination may find a basis that the round has missed. The run is then taken back to its last step, the linear map
to this basis is folded into encoder and decoder as in a round of unmixing, and what follows the last step is repeated.
Encoder and decoder stay as they are otherwise: the space of the latents was found, and a wrong basis in it. (Ours.)
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from estimation.diagnostics import Diagnostics, Margin
from estimation.models.noise import NoiseNetworks
from estimation.models.sparse_vae import SparseVAE
from estimation.models.transitions import TransitionNetworks

__all__ = ["Completion", "Snapshot", "judged"]


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


@dataclass(frozen=True, eq=False)
class Completion:
    """What has followed the last step, and the model that it ended with.

    Attributes:
        notes: Notes for the history.
        terms: Held-out terms of the negative ELBO; None if the model has not changed.
        loss: Held-out negative ELBO per observed dimension.
        edges: Edges of the trained model by mask, before those beyond the budget were removed.
        diagnostics: Margin and warnings; None if the model was not examined.
        remarks: Notes on the examination.
    """

    notes: list[str]
    terms: dict[str, float] | None
    loss: float
    edges: Mapping[str, Tensor]
    diagnostics: Diagnostics | None
    remarks: list[str]

    @property
    def margin(self) -> Margin | None:
        """The margin of the basis; None if there is none."""
        return None if self.diagnostics is None else self.diagnostics.margin

    @property
    def n_doubts(self) -> int:
        """The number of serious warnings, where a basis that is worse than another counts twice."""
        n_serious = 0 if self.diagnostics is None else len(self.diagnostics.serious)
        return n_serious + (self.margin is not None and self.margin.verdict == "worse")

    def with_note(self, note: str, first: bool = False) -> Completion:
        """Return the same with one more note, at the end or at the beginning."""
        return replace(self, notes=[note, *self.notes] if first else [*self.notes, note])


def judged(before: Completion, after: Completion, step: int) -> tuple[bool, str]:
    """Return whether a change of the basis is kept, and a note for the history.

    It is kept if the run has fewer serious warnings then. The held-out ELBO doesn't decide: with a budget that is too
    small, it was lower by 0.1 per dimension in wrong bases.

    Args:
        before: The run with its own basis, than which another one is better.
        after: The run with that basis.
        step: Number of steps of training.
    """
    assert before.margin is not None
    is_kept = after.diagnostics is not None and after.n_doubts < before.n_doubts
    found = before.margin.summary
    losses = f"the held-out negative ELBO went from {before.loss:.4g} to {after.loss:.4g}"
    if is_kept:
        return True, f"basis changed after {step} steps, since {found}; {losses}"
    doubts = "the run was not examined" if after.diagnostics is None else after.diagnostics.headline
    return False, f"basis not changed after {step} steps: {found}, but with it {losses}; {doubts}"
