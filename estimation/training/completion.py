"""`Completion`: what has followed the last step of a run, and whether a change of edges or basis there is kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from torch import Tensor

from estimation.diagnostics import Diagnostics, Margin

__all__ = ["Completion", "judged"]


@dataclass(frozen=True, eq=False)
class Completion:
    """What has followed the last step, and the model that it ended with.

    Attributes:
        notes: Notes for the history.
        terms: Held-out terms of the negative ELBO per observed dimension, with their sum as ``"total"``.
        is_changed: Whether the model is another one than after the last step.
        edges: Edges of the trained model by mask, before those beyond the budget were removed.
        diagnostics: Margin and warnings; None if the model was not examined.
        remarks: Notes on the examination.
    """

    notes: list[str]
    terms: dict[str, float]
    is_changed: bool
    edges: Mapping[str, Tensor]
    diagnostics: Diagnostics | None
    remarks: list[str]

    @property
    def margin(self) -> Margin | None:
        """The margin of the basis; None if there is none."""
        return None if self.diagnostics is None else self.diagnostics.margin

    def doubt(self, kind: str) -> str:
        """Return the text of the warning of a kind; empty if there is none."""
        warnings = () if self.diagnostics is None else self.diagnostics.warnings
        return next((warning.text for warning in warnings if warning.kind == kind), "")

    def with_note(self, note: str, first: bool = False) -> Completion:
        """Return the same with one more note, at the end or at the beginning."""
        return replace(self, notes=[note, *self.notes] if first else [*self.notes, note])


def judged(before: Completion, after: Completion, step: int, what: str, found: str) -> tuple[bool, str]:
    """Return whether a change of edges or of the basis is kept, and a note for the history.

    It is kept if the run has fewer serious warnings then. The held-out ELBO doesn't decide: with a budget that is too
    small, it was lower by 0.1 per dimension in wrong bases.

    Args:
        before: The run as it was.
        after: The run with other edges, or in the other basis.
        step: Number of steps of training.
        what: What was changed: ``"edges"`` or ``"basis"``.
        found: Why.
    """
    assert before.diagnostics is not None
    is_kept = after.diagnostics is not None and after.diagnostics.n_doubts < before.diagnostics.n_doubts
    losses = (each.terms["total"] for each in (before, after))
    change = "the held-out negative ELBO went from {:.4g} to {:.4g}".format(*losses)
    if is_kept:
        return True, f"{what} changed after {step} steps, since {found}; {change}"
    doubts = "the run was not examined" if after.diagnostics is None else after.diagnostics.headline
    return False, f"{what} not changed after {step} steps: {found}, but with the change {change}; {doubts}"
