"""Examination of a trained model: evidence on held-out rows, from which the run's diagnostics are judged.

Transition networks with all edges are fitted to training rows, as in a round of unmixing, and measure the mechanisms of
the final latents on held-out rows. If training counts the edges, effects without an edge that may be errors of these
networks are told from missing edges by fitting the sparse transition with them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from estimation.config.training import TrainingConfig
from estimation.diagnostics import Diagnostics, Evidence, doubtful_edges, judge
from estimation.exceptions import DataError
from estimation.models.sparse_vae import SparseVAE
from estimation.training.batches import Batches
from estimation.training.edge_gains import MIN_GAIN, child_gains
from estimation.training.encodings import Encodings
from estimation.training.measured_effects import (
    MeasuredEffects,
    as_array,
    borrowed,
    fit_measuring_networks_,
    samples_of,
)
from estimation.training.resampling import resampled_sizes, resampling_units
from estimation.training.sparsity import budgets
from estimation.training.transition_fitting import TransitionFitter
from identify.graph import CausalGraph

__all__ = ["MIN_ROWS", "MIN_STEPS", "Examination", "examine", "gather_evidence"]

#: The arguments of `examine`.
Examination = tuple[SparseVAE, Batches, Batches, TrainingConfig, int, Sequence[str], Mapping[str, Tensor]]

#: Runs with fewer steps are not examined: nothing is found in so few.
MIN_STEPS = 200
#: Runs with fewer held-out rows per latent are not examined.
MIN_ROWS = 5
# rows that are encoded, which takes longer than fitting networks to them
_MAX_ROWS = 32_768
_CHUNK = 4_096
# with fewer rows, refits gain and lose by chance as much as edges are worth
_MIN_REFIT_ROWS = 1_000
# refits, each with one edge more of every latent; further edges stay in doubt
_MAX_REFITS = 6


def examine(
    model: SparseVAE,
    batches: Batches,
    held_out: Batches,
    config: TrainingConfig,
    step: int,
    action_names: Sequence[str],
    trained_edges: Mapping[str, Tensor],
) -> Diagnostics:
    """Return the diagnostics of a trained model, which stays as it is.

    Args:
        model: Model with frozen edges.
        batches: Batches of the training data, to which networks are fitted.
        held_out: Batches of the held-out data, on which they are judged.
        config: Settings of the run.
        step: Number of steps of training, which determines the rows.
        action_names: Names of the actions.
        trained_edges: The edges of the trained model, bool, by mask, with those that the budget has removed since.

    Raises:
        DataError: If the figures are not finite.
        numpy.linalg.LinAlgError: If latents or residuals don't vary at all.
    """
    evidence = gather_evidence(model, batches, held_out, config, step, action_names, trained_edges)
    if doubtful := doubtful_edges(evidence):
        evidence = replace(evidence, refuted=_refuted(evidence, model, batches, config, step, doubtful))
    diagnostics = judge(evidence)
    if not diagnostics.finite:
        raise DataError("its figures are not finite; latents or residuals don't vary")
    return diagnostics


def gather_evidence(
    model: SparseVAE,
    batches: Batches,
    held_out: Batches,
    config: TrainingConfig,
    step: int,
    action_names: Sequence[str],
    trained_edges: Mapping[str, Tensor],
) -> Evidence:
    """Return what the diagnostics of a trained model are computed from; the arguments are those of `examine`.

    Raises:
        numpy.linalg.LinAlgError: If latents or residuals don't vary at all.
    """
    training = Encodings.of(model, batches, step, _MAX_ROWS)
    judged = Encodings.of(model, held_out, step, _MAX_ROWS, with_inputs=True)
    learned, errors = _standardised_residuals(model, judged), _reconstruction_errors(model, judged)
    graph = _sparse_graph(model, trained_edges, action_names)
    removed = {
        name: (edges & ~model.edges[name].support()).cpu().numpy() for name, edges in trained_edges.items()
    }
    assert training.numbers is not None
    units = resampling_units(batches.episodes, batches.n_rows)[training.numbers]
    with borrowed(model):
        for masks in model.edges.values():
            masks.make_dense_()
        fitter = TransitionFitter(model, training, step)
        fit_measuring_networks_(fitter, training.latents, config)
        effects = MeasuredEffects.of(model, judged.latents, judged.actions)
        samples = samples_of(model, judged.latents, judged.actions)
        resampled = resampled_sizes(fitter, judged, effects.covariance, units, config)
    columns = model.action_masks.sparse_columns.tolist() if judged.actions is not None else []
    return Evidence(
        graph=graph,
        latents=as_array(judged.latents[:, -1]),
        actions=samples.actions,
        action_columns=tuple(columns),
        action_effects=effects.actions,
        past_jacobians=effects.past,
        covariance=effects.covariance,
        residual=effects.residual,
        posterior=judged.noise(),
        learned_residuals=learned,
        reconstruction_errors=errors,
        samples=samples,
        removed=removed,
        seed=config.seed,
        resampled_sizes=resampled,
        counts_edges=config.sparsity == "adaptive",
        counts_together=config.sparsity in ("adaptive", "penalty") and not budgets(config),
    )


def _refuted(
    evidence: Evidence,
    model: SparseVAE,
    batches: Batches,
    config: TrainingConfig,
    step: int,
    doubtful: Mapping[str, NDArray[np.bool_]],
) -> dict[str, NDArray[np.bool_]]:
    """Return those of the doubtful edges that make their child hardly likelier, each alone; none with too few rows."""
    if min(batches.n_rows, _MAX_ROWS) < _MIN_REFIT_ROWS:
        return {}
    edges = {"actions": evidence.action_edges, "past": evidence.past_edges}
    present = {name: edges[name] for name, masks in model.edges.items() if masks.n_sparse}
    tried = _one_by_one({name: doubtful[name] for name in present})[:_MAX_REFITS]
    refuted = {name: np.zeros_like(pairs) for name, pairs in present.items()}
    for pairs, gains in zip(tried, child_gains(model, batches, config, step, present, tried), strict=True):
        for name, each in pairs.items():
            refuted[name] |= each & (gains <= MIN_GAIN)[:, None]
    return refuted


def _one_by_one(pairs: dict[str, NDArray[np.bool_]]) -> list[dict[str, NDArray[np.bool_]]]:
    """Return pairs of causes and latents in parts, each of which has one of every latent at most."""
    joint = np.concatenate(list(pairs.values()), axis=1)
    numbers = np.where(joint, joint.cumsum(1), 0)
    limits = np.cumsum([values.shape[1] for values in pairs.values()])[:-1]
    return [
        dict(zip(pairs, np.split(numbers == k, limits, axis=1), strict=True))
        for k in range(1, int(numbers.max(initial=0)) + 1)
    ]


def _sparse_graph(model: SparseVAE, edges: Mapping[str, Tensor], action_names: Sequence[str]) -> CausalGraph:
    """Return the graph of these edges without those of dense columns."""
    matrices = {}
    for name, present in edges.items():
        support = np.zeros(tuple(present.shape), dtype=bool)
        columns = model.edges[name].sparse_columns.tolist()
        support[:, columns] = present[:, columns].cpu().numpy()
        matrices[name] = support
    latents = [f"v{i}" for i in range(model.shape.n_latents)]
    actions = list(action_names) if "actions" in matrices else None
    return CausalGraph(Gz=matrices.get("past"), Ga=matrices.get("actions"), latents=latents, actions=actions)


@torch.no_grad()
def _standardised_residuals(model: SparseVAE, encodings: Encodings) -> NDArray[np.float64]:
    parts = []
    for latents, actions in _chunks(encodings):
        residual = model.transition_residual(latents[:, -1], model.past_latents(latents), actions)
        parts.append(residual.value / residual.scale)
    return as_array(torch.cat(parts))


@torch.no_grad()
def _reconstruction_errors(model: SparseVAE, encodings: Encodings) -> NDArray[np.float64]:
    parts = [
        model.reconstruction_errors(
            encodings.latents[start : start + _CHUNK, -1], encodings.inputs[start : start + _CHUNK, -1]
        )
        for start in range(0, len(encodings.latents), _CHUNK)
    ]
    return as_array(torch.cat(parts))


def _chunks(encodings: Encodings) -> list[tuple[Tensor, Tensor | None]]:
    starts = range(0, len(encodings.latents), _CHUNK)
    return [
        (
            encodings.latents[start : start + _CHUNK],
            None if encodings.actions is None else encodings.actions[start : start + _CHUNK],
        )
        for start in starts
    ]
