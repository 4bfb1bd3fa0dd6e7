"""Variants of an examined run: its latents in a wrong basis, or with a wrong number of edges.

Few runs fail, so a calibration has few of them to learn from. These are failures without training: two latents are
rotated, or a fifth of the edges is left out or added, and as many of the strongest effects as the budget allows become
edges.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from estimation.diagnostics import Evidence, Margin
from estimation.diagnostics.basis import margin_of
from estimation.unmixing.moments import effect_sizes
from identify.entanglement import predict_entanglement
from identify.graph import CausalGraph
from tests.benchmarks.promise.truth import MIN_SHARE

__all__ = ["Variant", "variants"]

Array = NDArray[np.float64]
Truth = Mapping[str, NDArray[np.bool_]]

_ANGLES = (20.0, 70.0)
_OFF_BUDGETS = (0.8, 1.2)
_N_RESAMPLES = 10


@dataclass(frozen=True, eq=False)
class Variant:
    """A variant with its margin, and the truth about its latents.

    Attributes:
        name: What the variant is.
        evidence: The evidence about it.
        margin: Its margin.
        truth: True edges of its latents by ``"actions"`` and ``"past"``.
        right: Whether each latent depends on no other true latents than its graph allows, shape (n,). None if training
            would have ended in other latents, as with another budget.
    """

    name: str
    evidence: Evidence
    margin: Margin | None
    truth: Truth
    right: NDArray[np.bool_] | None


def variants(evidence: Evidence, truth: Truth, right: NDArray[np.bool_], seed: int) -> Iterator[Variant]:
    """Yield two variants in wrong bases, and one with a wrong number of edges.

    Args:
        evidence: Evidence about a run whose latents are the true ones up to order and scale.
        truth: True edges of its latents.
        right: Which of its latents depend on no other true latents than its graph allows.
        seed: Seed of pairs of latents, angles and budgets.
    """
    rng = np.random.default_rng(seed)
    n, deviations = len(evidence.covariance), np.sqrt(np.diag(evidence.covariance))
    for _ in range(2 if n > 1 else 0):
        i, j = rng.choice(n, 2, replace=False)
        angle = np.deg2rad(rng.uniform(*_ANGLES)) * rng.choice([-1, 1])
        rotation = np.eye(n)
        rotation[[i, j], [i, j]] = np.cos(angle)
        rotation[[i, j], [j, i]] = np.sin(angle), -np.sin(angle)
        matrix = rotation * deviations[:, None] / deviations
        rotated = _variant("wrong basis", evidence, truth, matrix, 1.0, rng)
        yield replace(rotated, right=_still_right(rotated.evidence, evidence, matrix, right))
    yield _variant("wrong budget", evidence, truth, np.eye(n), float(rng.choice(_OFF_BUDGETS)), rng)


def _variant(
    name: str, evidence: Evidence, truth: Truth, matrix: Array, factor: float, rng: np.random.Generator
) -> Variant:
    covariance = matrix @ evidence.covariance @ matrix.T
    effects = None if evidence.action_effects is None else matrix @ evidence.action_effects
    jacobians = evidence.past_jacobians
    if jacobians is not None:
        jacobians = matrix @ jacobians @ np.linalg.inv(matrix)
    sizes = effect_sizes(np.eye(len(matrix)), covariance, effects, jacobians)
    measured = {kind: size for kind, size in zip(("actions", "past"), sizes, strict=True) if size is not None}
    match = _matched(matrix, evidence.covariance)
    new_truth = {
        kind: edges[match] if kind == "actions" else edges[np.ix_(match, match)]
        for kind, edges in truth.items()
    }
    edges = {kind: _strongest(size, round(factor * new_truth[kind].sum())) for kind, size in measured.items()}
    # standardised latents as rows of the standardised ones of the run
    units = matrix * np.sqrt(np.diag(evidence.covariance)) / np.sqrt(np.diag(covariance))[:, None]
    changed = replace(
        evidence,
        graph=_graph(evidence, edges),
        latents=evidence.latents @ matrix.T,
        action_effects=effects,
        past_jacobians=jacobians,
        covariance=covariance,
        residual=matrix @ evidence.residual @ matrix.T,
        posterior=matrix @ evidence.posterior @ matrix.T,
        # the effects on means alone choose its basis
        samples=None,  # type: ignore[arg-type]
        resampled_sizes={
            kind: _resampled(size, evidence.resampled_sizes[kind], units, kind, rng)
            for kind, size in measured.items()
        },
    )
    return Variant(name, changed, margin_of(changed), new_truth, None)


def _still_right(
    changed: Evidence, evidence: Evidence, matrix: Array, right: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Return which latents of another basis depend only on what their graph allows, shape (n,).

    A latent of the run stands for all true latents that its own graph lets it mix with.
    """
    allowed = predict_entanglement(changed.graph).matrix.toarray().astype(bool)
    stands_for = predict_entanglement(evidence.graph).matrix.toarray().astype(bool)
    match, covariance = _matched(matrix, evidence.covariance), evidence.covariance
    result = np.zeros(len(matrix), dtype=bool)
    for i, row in enumerate(matrix):
        columns = match[allowed[i]]
        # latents of the run that may be mixed with what this graph forbids are not allowed either
        columns = columns[~(stands_for[columns] & ~np.isin(np.arange(len(row)), columns)).any(axis=1)]
        with_allowed = covariance[columns] @ row
        explained = with_allowed @ np.linalg.solve(covariance[np.ix_(columns, columns)], with_allowed)
        share = np.sqrt(explained / (row @ covariance @ row))
        used = np.intersect1d(columns, np.flatnonzero(np.abs(row) > 0))
        result[i] = share >= MIN_SHARE and right[used].all()
    return result


def _matched(matrix: Array, covariance: Array) -> NDArray[np.intp]:
    """Return for each latent of the basis the latent of the run that it has most of."""
    weights = np.abs(matrix * np.sqrt(np.diag(covariance)))
    return np.asarray(linear_sum_assignment(-weights / np.linalg.norm(weights, axis=1, keepdims=True))[1])


def _strongest(sizes: Array, count: int) -> NDArray[np.bool_]:
    edges = np.zeros(sizes.size, dtype=bool)
    edges[np.argsort(-sizes, axis=None, kind="stable")[: max(count, 1)]] = True
    return edges.reshape(sizes.shape)


def _graph(evidence: Evidence, edges: Truth) -> CausalGraph:
    actions = None
    if "actions" in edges:
        actions = np.zeros((evidence.graph.n_latents, evidence.graph.n_actions), dtype=bool)
        actions[:, list(evidence.action_columns)] = edges["actions"]
    names = None if actions is None else evidence.graph.actions
    return CausalGraph(Gz=edges.get("past"), Ga=actions, latents=evidence.names, actions=names)


def _resampled(sizes: Array, before: Array, units: Array, kind: str, rng: np.random.Generator) -> Array:
    """Return resampled sizes with the variances that a change of basis leaves if errors are independent."""
    variances = units**2 @ before.var(0, ddof=1)
    if kind == "past":
        variances = variances @ np.linalg.inv(units) ** 2
    noise = rng.normal(size=(_N_RESAMPLES, *sizes.shape))
    noise = (noise - noise.mean(0)) / noise.std(0, ddof=1)
    return np.asarray(np.abs(sizes + noise * np.sqrt(variances)))
