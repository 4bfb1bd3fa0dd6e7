"""`evaluate`: everything that can be said of a trained model on a dataset, with the truth or without.

Source: Lachapelle et al., arXiv 2401.04890, the section on evaluation (MCC, R, R_con, SHD).
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

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

if TYPE_CHECKING:
    from estimation.trained import TrainedModel

__all__ = ["Evaluation", "Scores", "evaluate"]


@dataclass(frozen=True)
class Scores:
    """How well the learned latents show the true ones.

    Attributes:
        mcc: mean correlation coefficient.
        r: multiple correlation, each true latent on all learned ones.
        r_con: the same on those that the prediction allows; None without a true graph.
    """

    mcc: float
    r: float
    r_con: float | None


@dataclass(frozen=True, eq=False, repr=False)
class Evaluation:
    """What `evaluate` found. Where the truth isn't known, what needs it is None.

    Attributes:
        negative_elbo: ``total``, ``reconstruction`` and ``divergence``, per observed dimension; None for a method
            without an ELBO.
        learned_graph: with its latents in the true order and under the true names, learned latents without a match
            (``"learned v7"``) behind them; the model's own graph when the true latents are not known.
        graph: the true graph.
        scores: on the rows that matching and regression have seen, as published.
        held_out: fitted on one half of the rows and scored on the other.
        permutation: the learned latent matched to each true one by correlation; -1 where none is left.
        errors: missing and extra edges of the learned graph.
        prediction: the verdict on the true graph.
        learned: the measured entanglement.
        comparison: the prediction beside it; its matching is that of the measured entanglement.
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

    @property
    def mcc(self) -> float | None:
        """Mean correlation coefficient."""
        return None if self.scores is None else self.scores.mcc

    @property
    def r(self) -> float | None:
        """Multiple correlation on all learned latents."""
        return None if self.scores is None else self.scores.r

    @property
    def r_con(self) -> float | None:
        """Multiple correlation on those that the prediction allows."""
        return None if self.scores is None else self.scores.r_con

    @property
    def shd(self) -> int | None:
        """Missing plus extra edges of the learned graph."""
        return None if self.errors is None else self.errors.distance

    @property
    def missing(self) -> int | None:
        """True edges that were not learned."""
        return None if self.errors is None else self.errors.missing

    @property
    def extra(self) -> int | None:
        """Learned edges that are not true."""
        return None if self.errors is None else self.errors.extra

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
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
        }

    def __repr__(self) -> str:
        parts = [] if self.negative_elbo is None else [f"negative ELBO {self.negative_elbo['total']:.3f}"]
        for name, value in (("MCC", self.mcc), ("R_con", self.r_con), ("R", self.r)):
            parts += [] if value is None else [f"{name} {value:.3f}"]
        parts += [] if self.shd is None else [f"SHD {self.shd}"]
        if self.comparison is not None:
            parts.append("confirmed" if self.comparison else "not confirmed")
        return f"Evaluation({', '.join(parts)})"


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
    """Score a trained model and hold it against the prediction.

    Every step of every row counts as one point.

    Args:
        model: the trained model.
        dataset: of the same kind as the training data, other rows if they are to show how well it generalises. What
            it knows of the truth decides what can be said: nothing gives the negative ELBO and the learned graph, true
            latents give scores and entanglement, and with the true graph everything follows.
        threshold: of the learned entanglement.
        using: what the prediction uses of the true graph: ``"actions"``, ``"past"``, or both; None for what it has.
        method: how to measure the entanglement; see `estimation.learned.learned_entanglement`.
        n_samples: points to measure it at.
        seed: of the posterior's sample, the halves and the points.

    Raises:
        DataError: the dataset doesn't fit the model, or a number is not finite.
        ConfigError: a threshold, method or number of points out of range.
        RequestError: ``using`` is none of the allowed values.
    """
    dataset = align(dataset, model)
    _require_fit(model, dataset)
    pairs = dataset.pairs()
    negative_elbo = model.negative_elbo(pairs, seed)
    graph = dataset.graph
    prediction = None if graph is None else check(graph, using)
    if dataset.latents is None:
        return Evaluation(negative_elbo, model.graph, graph, prediction=prediction)
    z_hat = model.encode(dataset.observations)
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
        # a baseline has no graph that could be wrong
        errors=None
        if graph is None or not model.model.edges
        else structural_hamming(graph, model.graph, permutation),
        prediction=prediction,
        learned=learned,
        comparison=None if prediction is None else compare(prediction.entanglement, learned),
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
    found = Scores(
        mean_correlation(z, z_hat, held_out=held_out, seed=seed).score,
        multiple_correlation(z, z_hat, held_out=held_out, seed=seed).score,
        r_con,
    )
    for name, value in asdict(found).items():
        if value is not None and not math.isfinite(value):
            raise DataError(f"the score {name} is {value}; latents, true or learned, have no finite variance")
    return found


def _in_true_order(graph: CausalGraph, permutation: NDArray[np.int64], names: tuple[str, ...]) -> CausalGraph:
    """The learned graph with true latents first, then the learned ones that nothing was matched to."""
    others = np.setdiff1d(np.arange(graph.n_latents), permutation)
    places = np.concatenate([permutation, others]).astype(int)
    there = places >= 0
    past = np.zeros((len(places), len(places)), dtype=bool)
    past[np.ix_(there, there)] = graph.Gz.toarray()[np.ix_(places[there], places[there])]
    acted = np.zeros((len(places), graph.n_actions), dtype=bool)
    acted[there] = graph.Ga.toarray()[places[there]]
    # as `structural_hamming` calls them
    surplus = [f"learned {graph.latents[k]}" for k in others.tolist()]
    return CausalGraph(Gz=past, Ga=acted, latents=[*names, *surplus], actions=graph.actions)


def _pairs(edges: Iterable[tuple[str, str]]) -> list[list[str]]:
    return [list(edge) for edge in edges]


def _reversed(errors: Iterable[tuple[str, str]]) -> list[list[str]]:
    """(child, parent) as (parent, child), the order of the edges of a graph."""
    return [[parent, child] for child, parent in errors]


def _require_fit(model: TrainedModel, dataset: Dataset) -> None:
    shape = model.model.shape
    if shape.past and dataset.n_steps == 1:
        raise DataError(
            "the model knows a past, but the data have one step per row; give sequences of 2 or more"
        )
    if not shape.past and dataset.n_steps > 1:
        raise DataError(
            f"the model knows no past, but the data have {dataset.n_steps} steps per row; give rows of 1"
        )
