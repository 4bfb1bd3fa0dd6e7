"""Verification without ground truth: several runs against the prediction from the best run's graph.

Suppose that two models both learned a graph as sparse as the true one. By the identifiability theorem, their latents
are functions of each other within the entanglement that the graph predicts: v = encoder_A o decoder_B is consistent
with the graph of A (Lachapelle et al., arXiv 2401.04890, the composition of two maps that preserve a graph). We
therefore compare every other run with the prediction from the graph of the best run. A latent that all runs confirm
satisfies what the theorem guarantees. A contradiction means that one of the two runs is wrong about this latent, or
that an assumption fails.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from estimation.config.sparse_columns import SparseColumns
from estimation.dataset.alignment import with_actions_of
from estimation.device import default_modes
from estimation.diagnostics.result import Diagnostics
from estimation.evaluation.comparison import Comparison, compare
from estimation.evaluation.confidence import confidence_from_runs
from estimation.exceptions import DataError
from estimation.learned import LearnedEntanglement, learned_entanglement
from estimation.metrics import GraphDistance, mean_correlation, structural_hamming
from identify.entanglement import Entanglement, predict_entanglement
from identify.markup import MAX_ROWS, card, paragraph, rest, table
from identify.wording import listed

if TYPE_CHECKING:
    from estimation.dataset.dataset import Dataset
    from estimation.trained import TrainedModel

__all__ = ["LatentTrust", "Verification", "distance_between", "verify"]

_MAX_ROWS = 10_000
_DIGITS = 4
TRUSTED, TRUSTED_WITHIN_BLOCK = "trusted", "trusted within its block"
TRUSTED_BY_MOST, NOT_TRUSTED = "trusted by most runs", "not trusted"


@dataclass(frozen=True)
class LatentTrust:
    """Confirmation of one latent of the best run by the other runs.

    Attributes:
        latent: Name of the latent.
        may_mix_with: Names of the other latents that the prediction allows it to mix with.
        confirmed_by: Number of other runs in which the latent has no extra dependency.
        runs: Number of other runs.
        correlation: Median over the other runs of the absolute correlation with its match.
        strongest: Largest relative strength, over the other runs, of a dependency that is not allowed.
        extra: Names of the latents that it depends on in some run although the prediction excludes them.
        confidence: Probability that it depends on no other true latents than the graph of the best run allows, from
            the diagnostics of all runs; None without them, and for a collapsed latent.
    """

    latent: str
    may_mix_with: tuple[str, ...]
    confirmed_by: int
    runs: int
    correlation: float
    strongest: float
    extra: tuple[str, ...]
    confidence: float | None = None

    @property
    def verdict(self) -> str:
        """The verdict: trusted, trusted within its block, trusted by most runs, or not trusted."""
        if self.confirmed_by == self.runs:
            return TRUSTED_WITHIN_BLOCK if self.may_mix_with else TRUSTED
        return TRUSTED_BY_MOST if 2 * self.confirmed_by > self.runs else NOT_TRUSTED

    @property
    def trusted(self) -> bool:
        """Whether every other run confirms the latent."""
        return self.confirmed_by == self.runs


@dataclass(frozen=True, eq=False, repr=False)
class Verification:
    """Several runs compared with the prediction of the best run.

    Attributes:
        reference: Name of the best run, which has the lowest negative ELBO.
        negative_elbo: Negative ELBO of every run on the data, by run.
        comparisons: Comparison of the reference with every other run, by run.
        distances: Distance between the learned graphs of the reference and every other run, by run; on the columns
            that are sparse in both.
        correlations: Absolute correlation of each of the reference's latents with its match in every other run, by
            run, shape (n,).
        sparse_columns: The columns of the graph that are sparse in each run and those that are dense, by run.
        diagnostics: Margin and warnings of each run, by run; None for runs that were not examined.
        latent_confidence: Probability that each latent of the best run depends on no other true latents than its graph
            allows, from the diagnostics of all runs and from whether they agree, shape (n,); nan for collapsed latents.
            None if the best run has none.
        edge_confidence: Probability that the true graph has each edge of these latents, from the runs that agree about
            them, by ``"actions"`` and ``"past"``; nan where the best run has none. None if it has none at all.
    """

    reference: str
    negative_elbo: Mapping[str, float]
    comparisons: Mapping[str, Comparison]
    distances: Mapping[str, GraphDistance]
    correlations: Mapping[str, NDArray[np.float64]]
    sparse_columns: Mapping[str, SparseColumns] = field(default_factory=dict)
    diagnostics: Mapping[str, Diagnostics | None] = field(default_factory=dict)
    latent_confidence: NDArray[np.float64] | None = None
    edge_confidence: Mapping[str, NDArray[np.float64]] | None = None

    @property
    def predicted(self) -> Entanglement:
        """The entanglement that the reference's graph predicts."""
        return next(iter(self.comparisons.values())).predicted

    @cached_property
    def extra_strengths(self) -> NDArray[np.float64]:
        """Largest relative strength of a dependency that is not allowed, per latent and other run; shape (n, runs)."""
        return np.stack(
            [_extra_strengths(comparison).max(axis=1) for comparison in self.comparisons.values()], axis=1
        )

    @cached_property
    def latents(self) -> tuple[LatentTrust, ...]:
        """Confirmation of every latent of the reference by the other runs, in its order."""
        return tuple(self._assess_latent(i) for i in range(self.predicted.n_latents))

    def _assess_latent(self, i: int) -> LatentTrust:
        names = self.predicted.graph.latents
        allowed = next(iter(self.comparisons.values())).allowed[i]
        extra: dict[str, None] = {}
        confidence = np.nan if self.latent_confidence is None else self.latent_confidence[i]
        for comparison in self.comparisons.values():
            learned = comparison.learned
            run_extra = [names[j] for j in np.flatnonzero(comparison.matched[i] & ~allowed).tolist()]
            run_extra += [
                name for name in comparison.unmatched if learned.matrix[i, learned.learned.index(name)]
            ]
            extra.update(dict.fromkeys(run_extra))
        return LatentTrust(
            latent=names[i],
            may_mix_with=tuple(names[j] for j in np.flatnonzero(allowed).tolist() if j != i),
            confirmed_by=sum(
                bool(comparison.confirmed_latents[i]) for comparison in self.comparisons.values()
            ),
            runs=len(self.comparisons),
            correlation=float(np.median([correlation[i] for correlation in self.correlations.values()])),
            strongest=float(self.extra_strengths[i].max()),
            extra=tuple(extra),
            confidence=None if np.isnan(confidence) else round(float(confidence), _DIGITS),
        )

    @cached_property
    def combined(self) -> Comparison:
        """The prediction against the median of the relative strengths over the other runs."""
        names = self.predicted.graph.latents
        aligned = []
        for comparison in self.comparisons.values():
            has_match = comparison.permutation >= 0
            aligned.append(np.where(has_match, comparison.learned.relative[:, comparison.permutation], 0.0))
        threshold = next(iter(self.comparisons.values())).learned.threshold
        median = np.median(np.stack(aligned), axis=0)
        return compare(self.predicted, LearnedEntanglement(median, threshold, "models", names, names))

    @property
    def confirmed(self) -> bool:
        """Whether every other run confirms every latent."""
        return all(latent.trusted for latent in self.latents)

    def __bool__(self) -> bool:
        return self.confirmed

    @property
    def summary(self) -> str:
        """The outcome in a sentence."""
        n, n_trusted = len(self.latents), sum(latent.trusted for latent in self.latents)
        n_within_block = sum(latent.trusted and bool(latent.may_mix_with) for latent in self.latents)
        runs = len(self.comparisons)
        if n_trusted == 0:
            return f"No latent of {self.reference} is confirmed by {'the other run' if runs == 1 else 'all runs'}."
        subject = "the other run confirms" if runs == 1 else f"all {runs} other runs confirm"
        within = (
            f", {n_within_block} of them up to the mixing that the graph allows" if n_within_block else ""
        )
        return f"Of {n} latents of {self.reference}, {subject} {n_trusted}{within}."

    def to_dict(self) -> dict[str, Any]:
        """Return everything as a dictionary that JSON can hold."""
        return {
            "format": "mechsparse-verification",
            "version": 2,
            "reference": self.reference,
            "confirmed": self.confirmed,
            "summary": self.summary,
            "negative_elbo": dict(self.negative_elbo),
            "diagnostics": {
                name: None if each is None else each.record() for name, each in self.diagnostics.items()
            },
            "sparse_columns": {name: columns.to_dict() for name, columns in self.sparse_columns.items()},
            "latents": [
                {**asdict(latent), "verdict": latent.verdict, "trusted": latent.trusted}
                for latent in self.latents
            ],
            "edge_confidence": _rows(self.edge_confidence),
            "runs": {
                name: {
                    "confirmed": comparison.confirmed,
                    "shd": self.distances[name].distance,
                    "mcc": float(self.correlations[name].mean()),
                    "permutation": comparison.permutation.tolist(),
                    "relative_strengths": comparison.learned.relative.tolist(),
                }
                for name, comparison in self.comparisons.items()
            },
        }

    def __repr__(self) -> str:
        n_trusted = sum(latent.trusted for latent in self.latents)
        return f"Verification({len(self.comparisons) + 1} runs, {n_trusted} of {len(self.latents)} latents trusted)"

    def _repr_html_(self) -> str:
        """Return the verification for notebooks: the verdict on the first latents."""
        rows = [
            (each.latent, each.verdict, f"{each.confirmed_by} of {each.runs}", listed(each.extra) or "none")
            for each in self.latents[:MAX_ROWS]
        ]
        columns = ("latent", "verdict", "confirmed by", "extra dependencies")
        return card(
            repr(self),
            paragraph(self.summary, self.confirmed),
            table(f"Latents of {self.reference}", columns, rows),
            rest(len(self.latents), "latent"),
        )


@default_modes
def verify(
    models: Mapping[str, TrainedModel], dataset: Dataset, threshold: float = 0.1, seed: int = 0
) -> Verification:
    """Compare several runs with the prediction of the best run, without ground truth.

    Args:
        models: Two models or more, by name; for instance, the same settings with different seeds.
        dataset: Data of the same kind that none of the models was trained on.
        threshold: Threshold on the relative strengths: an entry above this fraction of the largest entry of its row
            counts as an edge.
        seed: Seed of the posterior's samples and of the points at which derivatives are evaluated.

    Returns:
        The comparisons of the best run with every other run.

    Raises:
        DataError: If there are fewer than two models, a model has no graph, or the data do not fit the models.

    Example:
        >>> from estimation.config.training import TrainingConfig
        >>> from estimation.simulate.sampling import simulate
        >>> from estimation.training import fit
        >>> data = simulate("ActionBlockDiag", 200)
        >>> tiny = {"steps": 2, "width": 8, "transition_width": 4, "unmixing": False}
        >>> models = {f"seed {k}": fit(data, TrainingConfig(max_edges_actions=10, seed=k, **tiny)) for k in (0, 1)}
        >>> verification = verify(models, data)
        >>> len(verification.latents), verification.latents[0].runs
        (10, 1)
    """
    if len(models) < 2:
        raise DataError(f"verification needs two runs or more; got {len(models)}")
    elbo = {name: _negative_elbo(name, model, dataset, seed) for name, model in models.items()}
    reference = min(elbo, key=lambda name: (not np.isfinite(elbo[name]), elbo[name]))
    best = models[reference]
    predicted = predict_entanglement(best.graph)
    reference_latents = _encode(best, dataset)
    comparisons, distances, correlations = {}, {}, {}
    for name, other in models.items():
        if name == reference:
            continue
        learned = learned_entanglement(best, dataset, other=other, threshold=threshold, seed=seed)
        comparisons[name] = compare(predicted, learned)
        distances[name] = distance_between(best, other, learned.permutation, name)
        correlations[name] = mean_correlation(reference_latents, _encode(other, dataset)).per_latent
    columns = {name: model.sparse_columns for name, model in models.items()}
    diagnostics = {name: model.diagnostics for name, model in models.items()}
    confidence = confidence_from_runs(best, {name: models[name] for name in comparisons}, comparisons)
    return Verification(
        reference, elbo, comparisons, distances, correlations, columns, diagnostics, *confidence
    )


def distance_between(
    model: TrainedModel, other: TrainedModel, permutation: NDArray[np.int64], name: str = "the other model"
) -> GraphDistance:
    """Return the distance between the learned graphs of two models, on the columns that are sparse in both.

    Args:
        model: The first model.
        other: The second model.
        permutation: Latent of the second model matched to each latent of the first, -1 for none.
        name: Name of the second model in error messages.

    Raises:
        DataError: If the models have different actions.
    """
    other_graph = with_actions_of(other.graph, model.graph, name)
    first, second = (
        model.sparse_columns.part_of(other.sparse_columns.part_of(graph))
        for graph in (model.graph, other_graph)
    )
    return structural_hamming(first, second, permutation)


def _encode(model: TrainedModel, dataset: Dataset) -> NDArray[np.floating]:
    return model.encode_dataset(dataset.take(slice(0, _MAX_ROWS)))


def _negative_elbo(name: str, model: TrainedModel, dataset: Dataset, seed: int) -> float:
    model.require_graph(name)
    terms = model.negative_elbo(dataset, seed)
    assert terms is not None
    return terms["total"]


def _rows(confidence: Mapping[str, NDArray[np.float64]] | None) -> dict[str, list[list[float | None]]] | None:
    if confidence is None:
        return None
    return {
        kind: [[None if np.isnan(value) else round(value, _DIGITS) for value in row] for row in rows.tolist()]
        for kind, rows in confidence.items()
    }


def _extra_strengths(comparison: Comparison) -> NDArray[np.float64]:
    """Return the relative strengths of the pairs that are not allowed, shape (n, n_learned), 0 elsewhere."""
    relative = comparison.learned.relative
    allowed = np.zeros(relative.shape, dtype=bool)
    has_match = comparison.permutation >= 0
    allowed[:, comparison.permutation[has_match]] = comparison.allowed[:, has_match]
    return np.where(allowed, 0.0, relative)
