"""Training of a `SparseVAE`: dense, sparse and frozen stages, and rounds of unmixing."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from estimation.config.training import TrainingConfig
from estimation.dataset.dataset import Dataset
from estimation.diagnostics import Diagnostics
from estimation.history import Record
from estimation.models.elbo import training_loss
from estimation.models.held_out import held_out_terms
from estimation.models.representation import Shape
from estimation.models.sparse_vae import SparseVAE
from estimation.training.batches import generator_for
from estimation.training.completion import Completion
from estimation.training.distributional_change import distributional_change
from estimation.training.finish import Finish
from estimation.training.optimisers import build
from estimation.training.plan import Plan
from estimation.training.procedure import Initialisation, Procedure, StepLoss, prepare
from estimation.training.requirements import require_budgets, require_sparse_columns, require_trainable
from estimation.training.sparsity import EdgeConstraints, budget_at, budgets
from estimation.training.starts import weights_of
from estimation.training.unmixing_round import unmixing_round_

__all__ = ["SparseVAEProcedure"]

# learning rate of the masks' logits, which move faster than weights
_MASK_RATE = 0.02
# rate of the exponential moving average by which the model's profiled variances follow those of the batches
_EMA_RATE = 0.05
# the first of several rounds of unmixing keeps the edges of the budget times this factor
_FIRST_BUDGET_FACTOR = 1.5


class SparseVAEProcedure(Procedure):
    """Trains a `SparseVAE`.

    Args:
        config: Settings of the run.
        initialisation: Data, user-supplied networks and the number of the random start.
    """

    model: SparseVAE
    constraints: EdgeConstraints
    # what has followed the last step
    completion: Completion

    def __init__(self, config: TrainingConfig, initialisation: Initialisation) -> None:
        require_budgets(Shape.of(initialisation.dataset, config.n_latents), config)
        self.model, self.batches = prepare(
            config, initialisation, weights_of(config.seed, initialisation.start)
        )
        self.kurtosis = initialisation.kurtosis
        if initialisation.varying_variances:
            self.model.vary_variances_()
        names = initialisation.dataset.action_names
        self.columns = config.sparse_columns(names, self.model.shape.past)
        self.model.set_sparse_columns_(self.columns.positions(names), config.sparse_past)
        require_sparse_columns(self.model.edges, config)
        self.config, self.plan, self.held_out = config, Plan.of(config), initialisation.held_out
        self.n_steps, self.n_dense_steps = self.plan.steps, self.plan.dense_end
        # starts with the same user-supplied networks would differ in little
        supplied = initialisation.encoder is not None or initialisation.decoder is not None
        self.n_starts = 1 if supplied else config.starts
        self.constraints = EdgeConstraints(sorted(budgets(config))).to(self.batches.device)
        self.optimisers = self._new_optimisers()

    @staticmethod
    def require_data(dataset: Dataset, config: TrainingConfig) -> None:
        require_trainable(dataset, config)

    def stage(self, step: int) -> str:
        return self.plan.stage(step)

    @property
    def can_vary_variances(self) -> bool:
        constant = self.config.variance == "profiled" and not self.model.state_dependent
        return (
            constant
            and self.config.unmixing
            and bool(self.model.shape.n_actions)
            and not self.model.shape.past
        )

    def variances_change(self, step: int) -> bool:
        change = distributional_change(self.model, self.batches, self.config.seed, step)
        return change == "variance"

    def renew_optimisers(self) -> None:
        self.optimisers = self._new_optimisers()

    def before_step(self, step: int) -> list[str]:
        first = [] if step else [*self.transform_notes(), *self.columns.notes()]
        notes = [*first, *self._begin_stage(step)]
        if self.model.noise is not None and self.config.noise == "flow" and step == self.plan.frozen_start:
            self.model.noise.activate_()
            self.optimisers = self._new_optimisers()
        return notes

    def _begin_stage(self, step: int) -> list[str]:
        if step in self.plan.unmixing_steps:
            note = self._round(step)
            self.optimisers = self._new_optimisers()
            return [note]
        if step == self.plan.dense_end and self.plan.dense_end < self.plan.steps:
            for name, masks in self.model.edges.items():
                is_limited = name in budgets(self.config) or self.config.sparsity == "penalty"
                if masks.dense and masks.n_sparse and is_limited:
                    masks.start_sampling_()
            self.optimisers = self._new_optimisers()
        elif step == self.plan.frozen_start and self.plan.frozen_start < self.plan.steps:
            self._freeze()
        return []

    def _round(self, step: int, first: NDArray[np.float64] | None = None) -> str:
        """Unmix the latents, from a given basis if there is one; return a note for the history."""
        limits = self._round_limits(step)
        factor = self._budget_factor(step) if self.config.sparsity in ("adaptive", "penalty") else None
        # later steps would change the latents until effects without an edge disappear
        is_last = step >= self.plan.unmixing_steps[-1]
        keep_clear = is_last and self.config.sparsity in ("budget", "adaptive")
        inputs = self.model, self.batches, self.config, step
        return unmixing_round_(*inputs, limits, factor, keep_clear, first)

    def set_rates(self, step: int) -> None:
        rate = self.config.learning_rate * self.plan.rate(step)
        for optimiser, value in zip(self.optimisers, (rate, _MASK_RATE), strict=True):
            for group in optimiser.param_groups:
                group["lr"] = value

    def loss(self, step: int) -> StepLoss:
        batch = self.batches.at(step)
        noise = generator_for(self.config.seed, step, self.batches.device)
        masks = self.model.sample_masks(len(batch.observations), noise)
        terms = training_loss(self.model, batch, masks, noise, self.config.profiled)
        return StepLoss(self._with_sparsity(terms.total, step), terms.total, terms)

    def after_step(self, step: int, loss: StepLoss) -> None:
        if self.config.profiled and loss.terms is not None:
            with torch.no_grad():
                weight = 1.0 if step == 0 else _EMA_RATE
                if self.model.counts is None:
                    self.model.log_variance_x.lerp_(loss.terms.variance_x.log(), weight)
                self.model.log_variance_z.lerp_(loss.terms.variance_z.log(), weight)
        limits = self._limits(step)
        if self.config.sparsity == "constraint":
            self.constraints.ascend_(self.model.edges, limits)
        elif self.config.sparsity == "budget":
            for name, limit in limits.items():
                if self.model.edges[name].sampled:
                    self.model.edges[name].project_(limit)

    def record(self, step: int, loss: StepLoss, seconds: float) -> Record:
        terms = self._held_out_terms()
        stage = self.stage(step - 1)
        return Record(
            step=step,
            stage=stage,
            loss=float(loss.reported.detach()),
            reconstruction=terms["reconstruction"],
            divergence=terms["divergence"],
            budget=self._limits(step) if stage != "dense" else {},
            seconds=seconds,
            **self.edge_record(),
        )

    def edge_record(self) -> dict[str, Any]:
        masks = self.model.edges
        return {
            "edges": {name: float(each.expected_edges().detach()) for name, each in masks.items()},
            "probabilities": {
                name: each.probabilities().detach().double().tolist() for name, each in masks.items()
            },
        }

    def patience_at(self, step: int) -> int | None:
        return self.config.patience if self.stage(step - 1) == "frozen" else None

    def held_out_loss(self) -> float:
        """Return the negative ELBO of the held-out data per observed dimension."""
        return self._held_out_terms()["total"]

    def finish(self, step: int, report: Callable[[str], None]) -> tuple[list[str], dict[str, float] | None]:
        self._freeze()
        self.model.eval()
        unmix = partial(self._round, step) if self.plan.unmixing_steps else None
        inputs = self.model, self.batches, self.held_out, self.config, step
        self.completion = Finish(*inputs, report, unmix).run()
        return self.completion.notes, self.completion.terms if self.completion.is_changed else None

    def diagnose(self, step: int) -> tuple[Diagnostics | None, list[str]]:
        return self.completion.diagnostics, self.completion.remarks

    def _held_out_terms(self) -> dict[str, float]:
        training = self.model.training
        self.model.eval()
        terms = held_out_terms(self.model, self.held_out, self.config.seed)
        self.model.train(training)
        return terms

    def _freeze(self) -> None:
        for name, masks in self.model.edges.items():
            if masks.sampled:
                masks.freeze_(budgets(self.config).get(name) if self.config.sparsity == "budget" else None)

    def _with_sparsity(self, loss: Tensor, step: int) -> Tensor:
        if self.config.sparsity == "penalty":
            sampled = [masks.expected_edges() for masks in self.model.edges.values() if masks.sampled]
            return loss + self.config.penalty * sum(sampled, start=torch.zeros_like(loss))
        if self.config.sparsity == "constraint":
            return self.constraints.lagrangian(loss, self.model.edges, self._limits(step))
        return loss

    def _budget_factor(self, step: int) -> float:
        """Return the multiple of the budget that the round of unmixing at this step keeps."""
        rounds = self.plan.unmixing_steps
        progress = rounds.index(step) / (len(rounds) - 1) if step in rounds and len(rounds) > 1 else 1.0
        return budget_at(_FIRST_BUDGET_FACTOR, 1.0, progress)

    def _round_limits(self, step: int) -> dict[str, int]:
        """Return the number of edges that the round of unmixing at this step keeps, by mask."""
        edges = self.model.edges
        return {
            name: min(round(self._budget_factor(step) * limit), edges[name].n_sparse)
            for name, limit in budgets(self.config).items()
            if name in edges
        }

    def _limits(self, step: int) -> dict[str, float]:
        """Return the budget of every mask at a step."""
        edges = self.model.edges
        rounds = [start for start in self.plan.unmixing_steps if start < step]
        if rounds:
            return dict(self._round_limits(rounds[-1]))
        limits = {name: limit for name, limit in budgets(self.config).items() if name in edges}
        return {
            name: budget_at(edges[name].n_sparse, limit, self.plan.progress(step))
            for name, limit in limits.items()
        }

    def _new_optimisers(self) -> list[torch.optim.Optimizer]:
        logits = [masks.logits for masks in self.model.edges.values()]
        separate = {id(parameter) for parameter in logits}
        weights = [p for p in self.model.parameters() if id(p) not in separate and p.requires_grad]
        optimiser = build(weights, self.config.optimizer, self.config.learning_rate)
        return [optimiser, torch.optim.Adam(logits, lr=_MASK_RATE)]
