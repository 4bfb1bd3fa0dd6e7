"""`evaluate`: all scores of a trained model on a dataset, with or without ground truth.

Source: Lachapelle et al., arXiv 2401.04890, the section on evaluation (MCC, R, R_con, SHD).
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from estimation.config.sparse_columns import SparseColumns
from estimation.dataset.alignment import align
from estimation.dataset.dataset import Dataset
from estimation.device import default_modes
from estimation.evaluation.comparison import Comparison, compare
from estimation.exceptions import DataError
from estimation.learned import LearnedEntanglement, Method, learned_entanglement
from estimation.metrics import (
    GraphDistance,
    mean_correlation,
    multiple_correlation,
    structural_hamming,
)
from identify.criterion import Verdict, check
from identify.graph import CausalGraph
from identify.markup import MAX_ROWS, card, paragraph, rest, table

if TYPE_CHECKING:
    from estimation.trained import TrainedModel

__all__ = ["Evaluation", "Scores", "evaluate"]


@dataclass(frozen=True)
class Scores:
    """Scores of the learned latents, by how well they recover the true ones.

    Attributes:
        mcc: Mean correlation coefficient.
        r: Multiple correlation of each true latent with all learned latents.
        r_con: Multiple correlation of each true latent with the learned latents that the prediction allows; None
            without a true graph.
    """

    mcc: float
    r: float
    r_con: float | None


@dataclass(frozen=True, eq=False, repr=False)
class Evaluation:
    """The result of `evaluate`. An attribute that needs ground truth is None where that is not known.

    Attributes:
        negative_elbo: The terms ``total``, ``reconstruction`` and ``divergence``, per observed dimension; None for a
            method without an ELBO.
        learned_graph: The learned graph with its latents in the order and under the names of the true latents, followed
            by the unmatched learned latents (``"learned v7"``). Without true latents, the model's own graph.
        graph: The true graph.
        scores: Scores with matching and regression fitted on the same rows that they are scored on, as published.
        held_out: Scores with matching and regression fitted on one half of the rows and scored on the other half.
        permutation: Index of the learned latent matched to each true latent by correlation; -1 for a true latent
            without a match.
        errors: Missing and extra edges of the learned graph.
        prediction: The verdict on the true graph.
        learned: The measured entanglement.
        comparison: The measured entanglement against the prediction. Its matching is that of the measured entanglement.
        sparse_columns: The columns of the graphs that prediction and errors are about: those that are sparse in the
            model. Dense columns are not learned, and count neither in the prediction nor as errors.
    """

    negative_elbo: dict[str, float] | None
    learned_graph: CausalGraph
    graph: CausalGraph | None = None
    scores: Scores | None = None
    held_out: Scores | None = None
    permutation: NDArray[np.int64] | None = None
    errors: GraphDistance | None = None
    prediction: Verdict | None = None
    learned: LearnedEntanglement | None = None
    comparison: Comparison | None = None
    sparse_columns: SparseColumns = field(default_factory=SparseColumns)

    @property
    def mcc(self) -> float | None:
        """Mean correlation coefficient."""
        return None if self.scores is None else self.scores.mcc

    @property
    def r(self) -> float | None:
        """Multiple correlation with all learned latents."""
        return None if self.scores is None else self.scores.r

    @property
    def r_con(self) -> float | None:
        """Multiple correlation with the learned latents that the prediction allows."""
        return None if self.scores is None else self.scores.r_con

    @property
    def shd(self) -> int | None:
        """Structural Hamming distance: the number of missing and extra edges of the learned graph."""
        return None if self.errors is None else self.errors.distance

    @property
    def missing(self) -> int | None:
        """Number of true edges that were not learned."""
        return None if self.errors is None else self.errors.missing

    @property
    def extra(self) -> int | None:
        """Number of learned edges that are not true."""
        return None if self.errors is None else self.errors.extra

    def to_dict(self) -> dict[str, Any]:
        """Return everything as a dictionary that JSON can hold."""
        return {
            "negative_elbo": None if self.negative_elbo is None else dict(self.negative_elbo),
            "mcc": self.mcc,
            "r_con": self.r_con,
            "r": self.r,
            "shd": self.shd,
            "missing": self.missing,
            "extra": self.extra,
            "missing_edges": None if self.errors is None else _reversed(self.errors.missing_edges),
            "extra_edges": None if self.errors is None else _reversed(self.errors.extra_edges),
            "held_out": None if self.held_out is None else asdict(self.held_out),
            "permutation": None if self.permutation is None else self.permutation.tolist(),
            "learned_graph": {
                "latents": list(self.learned_graph.latents),
                "actions": list(self.learned_graph.actions),
                "edges": _pairs(self.learned_graph.edges()),
            },
            "prediction": None if self.prediction is None else self.prediction.to_dict(),
            "learned": None if self.learned is None else self.learned.to_dict(),
            "comparison": None if self.comparison is None else self.comparison.to_dict(),
            **self.sparse_columns.to_dict(),
        }

    def __repr__(self) -> str:
        parts = [] if self.negative_elbo is None else [f"negative ELBO {self.negative_elbo['total']:.3f}"]
        for name, value in (("MCC", self.mcc), ("R_con", self.r_con), ("R", self.r)):
            parts += [] if value is None else [f"{name} {value:.3f}"]
        parts += [] if self.shd is None else [f"SHD {self.shd}"]
        parts += [] if self.sparse_columns.complete else [f"{self.sparse_columns}"]
        if self.comparison is not None:
            parts.append("confirmed" if self.comparison else "not confirmed")
        return f"Evaluation({', '.join(parts)})"

    def _repr_html_(self) -> str:
        """Return the evaluation for notebooks: scores, wrong edges, and the verdict on the entanglement."""
        comparison, errors = self.comparison, self.errors
        wrong = [] if errors is None else [("missing", edge) for edge in _reversed(errors.missing_edges)]
        wrong += [] if errors is None else [("extra", edge) for edge in _reversed(errors.extra_edges)]
        counted = "" if self.shd is None else f"SHD {self.shd}: {self.missing} missing, {self.extra} extra."
        left_out = "" if self.sparse_columns.complete else f"Left out: {self.sparse_columns}."
        return card(
            repr(self),
            paragraph("" if comparison is None else comparison.verdict, bool(comparison)),
            table("Scores", ("score", "all rows", "held out"), self._score_rows()),
            paragraph(counted or "Without true latents there are no scores." * (self.scores is None)),
            table(
                "Wrong edges of the learned graph",
                ("edge", "error"),
                [(" → ".join(edge), error) for error, edge in wrong[:MAX_ROWS]],
            ),
            rest(len(wrong), "edge"),
            paragraph(left_out),
        )

    def _score_rows(self) -> list[tuple[str, str, str]]:
        if self.scores is None or self.held_out is None:
            return []
        values = [
            (name, getattr(self.scores, field), getattr(self.held_out, field))
            for name, field in (("MCC", "mcc"), ("R_con", "r_con"), ("R", "r"))
        ]
        return [
            (name, f"{all_rows:.3f}", f"{held:.3f}") for name, all_rows, held in values if held is not None
        ]


@default_modes
def evaluate(
    model: TrainedModel,
    dataset: Dataset,
    threshold: float = 0.1,
    *,
    using: str | Iterable[str] | None = None,
    method: Method | None = None,
    n_samples: int | None = None,
    seed: int = 0,
) -> Evaluation:
    """Score a trained model and compare its learned entanglement with the prediction.

    Every time step of every row counts as one point.

    Args:
        model: The trained model.
        dataset: Data of the same kind as the training data; unseen rows measure generalisation. Without ground truth,
            the result holds the negative ELBO and the learned graph. True latents add the scores and the learned
            entanglement; the true graph adds the prediction, R_con and SHD.
        threshold: Threshold on the relative strengths of the learned entanglement.
            If some columns are dense in the model, prediction and SHD are about the others only.
        using: Part of the true graph that the prediction uses: ``"actions"``, ``"past"``, or both; None for whatever
            the graph contains.
        method: How to measure the entanglement; see `estimation.learned.learned_entanglement`.
        n_samples: Number of points at which to measure the entanglement.
        seed: Seed of the posterior's samples, the held-out split and the points.

    Returns:
        The scores, graphs and comparison.

    Raises:
        DataError: If the dataset does not fit the model, or a score is not finite.
        ConfigError: If the threshold, the method or the number of points is out of range.
        RequestError: If ``using`` is not one of the allowed values.
    """
    dataset = align(dataset, model)
    _require_fit(model, dataset)
    pairs = dataset.pairs()
    negative_elbo = model.negative_elbo(pairs, seed)
    graph, columns = dataset.graph, model.sparse_columns
    prediction = None if graph is None else check(columns.part_of(graph), using)
    if dataset.latents is None:
        return Evaluation(negative_elbo, model.graph, graph, prediction=prediction, sparse_columns=columns)
    z_hat = model.encode_dataset(dataset)
    permutation = mean_correlation(dataset.latents, z_hat).permutation
    learned = learned_entanglement(
        model, dataset, method=method, threshold=threshold, n_samples=n_samples, seed=seed
    )
    names = learned.latents
    return Evaluation(
        negative_elbo,
        _in_true_order(model.graph, permutation, names),
        graph,
        scores=_scores(dataset.latents, z_hat, prediction, held_out=False, seed=seed),
        held_out=_scores(dataset.latents, z_hat, prediction, held_out=True, seed=seed),
        permutation=permutation,
        # a baseline learns no graph
        errors=None
        if graph is None or not model.model.edges
        else structural_hamming(columns.part_of(graph), model.sparse_graph, permutation),
        prediction=prediction,
        learned=learned,
        comparison=None if prediction is None else compare(prediction.entanglement, learned),
        sparse_columns=columns,
    )


def _scores(
    z: NDArray[np.floating],
    z_hat: NDArray[np.floating],
    prediction: Verdict | None,
    held_out: bool,
    seed: int,
) -> Scores:
    r_con = None
    if prediction is not None:
        allowed = prediction.entanglement
        r_con = multiple_correlation(z, z_hat, allowed, held_out=held_out, seed=seed).score
    scores = Scores(
        mean_correlation(z, z_hat, held_out=held_out, seed=seed).score,
        multiple_correlation(z, z_hat, held_out=held_out, seed=seed).score,
        r_con,
    )
    for name, value in asdict(scores).items():
        if value is not None and not math.isfinite(value):
            raise DataError(
                f"the score {name} is {value}; the true or the learned latents have no finite variance"
            )
    return scores


def _in_true_order(graph: CausalGraph, permutation: NDArray[np.int64], names: tuple[str, ...]) -> CausalGraph:
    """Reorder the learned graph: the match of each true latent first, then the unmatched learned latents."""
    unmatched = np.setdiff1d(np.arange(graph.n_latents), permutation)
    order = np.concatenate([permutation, unmatched]).astype(int)
    has_match = order >= 0
    Gz = np.zeros((len(order), len(order)), dtype=bool)
    Gz[np.ix_(has_match, has_match)] = graph.Gz.toarray()[np.ix_(order[has_match], order[has_match])]
    Ga = np.zeros((len(order), graph.n_actions), dtype=bool)
    Ga[has_match] = graph.Ga.toarray()[order[has_match]]
    # the same names as in `structural_hamming`
    unmatched_names = [f"learned {graph.latents[k]}" for k in unmatched.tolist()]
    return CausalGraph(Gz=Gz, Ga=Ga, latents=[*names, *unmatched_names], actions=graph.actions)


def _pairs(edges: Iterable[tuple[str, str]]) -> list[list[str]]:
    return [list(edge) for edge in edges]


def _reversed(errors: Iterable[tuple[str, str]]) -> list[list[str]]:
    """Return pairs (child, parent) as (parent, child), the order of the edges of a graph."""
    return [[parent, child] for child, parent in errors]


def _require_fit(model: TrainedModel, dataset: Dataset) -> None:
    shape = model.model.shape
    if shape.past and dataset.n_steps == 1:
        raise DataError(
            "the model was trained on sequences, but the data have one step per row; give sequences of 2 steps or more"
        )
    if not shape.past and dataset.n_steps > 1:
        raise DataError(
            f"the model was trained on single steps, but the data have {dataset.n_steps} steps per row; give rows of "
            "one step"
        )
