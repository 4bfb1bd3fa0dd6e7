"""What follows the last step of a run: post-training refinement, the edges measured again, and an examination.

Two faults that the examination may see are mended. The last round of unmixing works with latents that later steps,
refined encodings and the flow improve, so it may have missed a better basis, or mistaken an edge. Flow and encodings
are then fitted to a wrong basis or edge, and exchanging it afterwards makes held-out data less likely. So the run is
taken back to its last step, edges or basis are changed there, and what follows the last step is repeated. The linear
map to another basis is folded into encoder and decoder as in a round of unmixing; they stay as they are otherwise. The
change is kept if the run has fewer serious warnings then. (Ours.)
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from estimation.config.training import TrainingConfig
from estimation.dataset.dataset import Dataset
from estimation.diagnostics import Diagnostics, better_basis
from estimation.exceptions import DataError, NotDifferentiableError
from estimation.models.held_out import held_out_terms
from estimation.models.sparse_vae import SparseVAE
from estimation.training.batches import Batches
from estimation.training.beyond_budget import remove_edges_beyond_budget_
from estimation.training.completion import Completion, judged
from estimation.training.deep_flow import apply_deep_flow_
from estimation.training.distributional_change import Change, distributional_change
from estimation.training.examination import MIN_ROWS, MIN_STEPS, Examination, examine, gather_evidence
from estimation.training.final_count import count_edges_again_
from estimation.training.final_edges import actions_have_few_values, measure_edges_again_, strongest_edges
from estimation.training.post_training import (
    SINGULAR,
    NoActiveLatentsError,
    Refinement,
    fit_transition_,
    refinements,
)
from estimation.training.snapshot import Snapshot
from estimation.training.sparsity import budgets
from identify.exceptions import one_line

__all__ = ["Finish"]

_MAX_REASON_LENGTH = 200


class Finish:
    """Finishes a run, in place.

    Args:
        model: The model after its last step, with frozen edges, in evaluation mode.
        batches: Batches of the training data.
        held_out: Held-out data.
        config: Settings of the run.
        step: Number of steps of training.
        report: Told what comes next.
        unmix: A round of unmixing from a given basis, which returns a note for the history; None if there are none.
    """

    def __init__(
        self,
        model: SparseVAE,
        batches: Batches,
        held_out: Dataset,
        config: TrainingConfig,
        step: int,
        report: Callable[[str], None],
        unmix: Callable[[NDArray[np.float64]], str] | None,
    ) -> None:
        self.model, self.batches, self.held_out, self.config = model, batches, held_out, config
        self.step, self.report = step, report
        is_sparse = config.unmixing and config.sparsity != "none"
        self.unmix = unmix if is_sparse else None

    def run(self) -> Completion:
        """Refine the model, measure its edges again, examine it, and mend what can be mended."""
        trained = Snapshot.of(self.model)
        completion, trained = self._with_better_bases(self._completed(), trained)
        edges = self._other_edges(completion)
        return completion if edges is None else self._with_other_edges(completion, trained, edges)

    def _with_better_bases(self, completion: Completion, trained: Snapshot) -> tuple[Completion, Snapshot]:
        """Change the basis as long as another one is better, and that brings clarity.

        Args:
            completion: What has followed the last step.
            trained: The model after its last step.

        Returns:
            Both after the changes.
        """
        while self.unmix is not None and (basis := self._other_basis(completion)) is not None:
            assert completion.margin is not None
            found = completion.margin.summary
            change = partial(self.unmix, basis)
            completion, changed = self._again(completion, trained, "basis", found, change)
            if changed is None:
                break
            trained = changed
        return completion, trained

    def _with_other_edges(
        self, completion: Completion, trained: Snapshot, edges: Mapping[str, NDArray[np.float64]]
    ) -> Completion:
        """Change the edges, and then the basis if another one is better, if all this brings clarity."""
        found = f"edges seemed to be missing ({completion.doubt('missing edges')})"
        return self._again(
            completion, trained, "edges", found, partial(self._keep_edges, edges), self._with_better_bases
        )[0]

    def _again(
        self,
        before: Completion,
        trained: Snapshot,
        what: str,
        found: str,
        change_: Callable[[], str | None],
        further: Callable[[Completion, Snapshot], tuple[Completion, Snapshot]] | None = None,
    ) -> tuple[Completion, Snapshot | None]:
        """Return to the last step, change the model, and repeat what follows.

        Args:
            before: What has followed the last step until now.
            trained: The model after its last step.
            what: What is changed, for the notes.
            found: Why, for the notes.
            change_: Changes the model, and returns a note if there is one.
            further: Other changes, before it is judged whether the model has become better.

        Returns:
            The better one of both, and the changed model after its last step, None if it is not kept.
        """
        self.report(f"{what} to be changed")
        final = Snapshot.of(self.model)
        trained.restore_(self.model)
        try:
            change_note = change_()
            changed = Snapshot.of(self.model)
            after = self._completed()
            if further is not None:
                after, changed = further(after, changed)
            after = replace(after, is_changed=True)
            is_kept, note = judged(before, after, self.step, what, found)
        except (DataError, np.linalg.LinAlgError, SINGULAR) as error:
            is_kept = False
            note = f"{what} not changed after {self.step} steps: {one_line(error, _MAX_REASON_LENGTH)}"
        if not is_kept:
            final.restore_(self.model)
            return before.with_note(note), None
        if change_note is not None:
            after = after.with_note(change_note, first=True)
        return after.with_note(note, first=True), changed

    def _completed(self) -> Completion:
        """Refine the model, measure its edges again, and examine it."""
        notes, terms = self._refined()
        if self.config.unmixing and self.config.sparsity != "none":
            self.report("edges to be measured")
            note = self._edges_again()
            if note is not None:
                notes, terms = [*notes, note], self._held_out_terms()
        edges = {name: masks.support() for name, masks in self.model.edges.items()}
        if self.config.sparsity == "budget":
            note = remove_edges_beyond_budget_(
                self.model, self.batches, self.config, self.step, budgets(self.config)
            )
            if note is not None:
                notes, terms = [*notes, note], self._held_out_terms()
        self.report("run to be examined")
        known = self._held_out_terms() if terms is None else terms
        return Completion(notes, known, terms is not None, edges, *self._examined(edges))

    def _edges_again(self) -> str | None:
        """Count or rank the edges on the final latents; return a note if something has changed, or could not."""
        inputs = self.model, self.batches, self.config, self.step
        if self.config.sparsity == "adaptive":
            return count_edges_again_(*inputs, budgets(self.config), self._held_out_loss)
        return measure_edges_again_(*inputs, self._held_out_loss)

    def _refined(self) -> tuple[list[str], dict[str, float] | None]:
        """Apply post-training refinement; return notes, and the held-out terms if there is any."""
        if not (steps := refinements(self.config)):
            return [], None
        notes: list[str] = []
        terms = self._held_out_terms()
        for refinement in steps:
            self.report(f"{refinement.noun} to be {refinement.participle}")
            if refinement.noun == "flow":
                notes, terms = [*notes, *self._apply_flow(refinement, terms)], self._held_out_terms()
            else:
                note, terms = self._refine(refinement, terms)
                notes.append(note)
        return notes, terms

    def _apply_flow(self, refinement: Refinement, before: dict[str, float]) -> list[str]:
        """Fit a flow, or a deep one where the usual one is known to fall short; return notes for the history."""
        model, change = self.model, self._distributional_change()
        few_values = actions_have_few_values(model, self.batches, self.step)
        if change is None and not few_values:
            return [self._refine(refinement, before)[0]]
        return [apply_deep_flow_(model, self.batches, self.held_out, self.config, self.step, change)]

    def _distributional_change(self) -> Change | None:
        """Return what actions change in the distributions of latents whose means they do not move."""
        shape = self.model.shape
        if shape.past or not shape.n_actions or not self.config.unmixing:
            return None
        return distributional_change(self.model, self.batches, self.config.seed, self.step)

    def _refine(self, refinement: Refinement, before: dict[str, float]) -> tuple[str, dict[str, float]]:
        """Apply a step of post-training refinement, unless it makes held-out data less likely.

        Args:
            refinement: The step.
            before: Held-out terms before the change.

        Returns:
            A note for the history, and the held-out terms of the model as it is then.
        """
        state, rival, after, reason = copy.deepcopy(self.model.state_dict()), before, None, ""
        inputs = (self.model, self.batches, self.config, self.step)
        try:
            if refinement.rival_ is not None:
                refinement.rival_(*inputs)
                rival = min(before, self._held_out_terms(), key=lambda terms: terms["total"])
                self.model.load_state_dict(state)
            refinement.apply_(*inputs)
            after = self._held_out_terms()
        # decoders and data may be unsuitable in these ways; any other error is a fault, and is raised
        except (NotDifferentiableError, NoActiveLatentsError, SINGULAR) as error:
            reason = one_line(error, _MAX_REASON_LENGTH)
        margin = refinement.margin * self.model.shape.n_latents / self.model.shape.n_observed
        kept = after is not None and after["total"] <= rival["total"] - margin
        total = None if after is None else after["total"]
        note = refinement.note(kept, self.step, rival["total"], total, reason)
        if after is None or not kept:
            self.model.load_state_dict(state)
            after = before
        return note, after

    def _examined(self, edges: Mapping[str, Tensor]) -> tuple[Diagnostics | None, list[str]]:
        """Return the diagnostics of the model, None if it can't be examined, and remarks on the examination."""
        if self.step < MIN_STEPS or not any(masks.n_sparse for masks in self.model.edges.values()):
            return None, []
        n_rows, n_needed = len(self.held_out), MIN_ROWS * self.model.shape.n_latents
        if n_rows < n_needed:
            return None, [f"the run was not examined: {n_rows} rows are held out, and {n_needed} are needed"]
        try:
            return examine(*self._examination(edges)), []
        except (DataError, np.linalg.LinAlgError, SINGULAR) as error:
            return None, [f"the run was not examined: {one_line(error, _MAX_REASON_LENGTH)}"]

    def _examination(self, edges: Mapping[str, Tensor]) -> Examination:
        """Return what an examination needs."""
        device, dtype = self.batches.device, self.batches.dtype
        rows = Batches(
            self.held_out, self.config.batch_size, self.config.seed, device, dtype, model=self.model
        )
        names = self.held_out.action_names
        return self.model, self.batches, rows, self.config, self.step, names, edges

    def _other_basis(self, completion: Completion) -> NDArray[np.float64] | None:
        """Return the basis that is sparser and likelier than that of the completed run, if there is one."""
        margin = completion.margin
        if self.unmix is None or margin is None or not margin.is_beaten:
            return None
        return better_basis(gather_evidence(*self._examination(completion.edges)))

    def _other_edges(self, completion: Completion) -> dict[str, NDArray[np.float64]] | None:
        """Return the strengths of as many edges as the completed run has, if it seems to miss some of them.

        They are those of the strongest effects, shapes (n, columns) and (n, n), and 0 elsewhere. It is None if these
        are the edges of the run, or if edges beyond the budget were removed from it.
        """
        if self.unmix is None or self.config.sparsity != "budget" or not completion.doubt("missing edges"):
            return None
        if any((self.model.edges[name].support() != edges).any() for name, edges in completion.edges.items()):
            return None
        try:
            return strongest_edges(self.model, self.batches, self.config, self.step)
        except (DataError, np.linalg.LinAlgError, SINGULAR):
            # the note on the edges that were measured again says why
            return None

    def _keep_edges(self, strengths: Mapping[str, NDArray[np.float64]]) -> None:
        for name, each in strengths.items():
            self.model.edges[name].keep_strongest_(torch.from_numpy(each), int((each > 0).sum()))
        fit_transition_(self.model, self.batches, self.config, self.step)

    def _held_out_loss(self) -> float:
        return self._held_out_terms()["total"]

    def _held_out_terms(self) -> dict[str, float]:
        return held_out_terms(self.model, self.held_out, self.config.seed)
