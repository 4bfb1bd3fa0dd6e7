"""Which latents can be trusted, when nobody knows the true ones? Several seeds held against the prediction.

By the theorem, two models that both found a graph as sparse as the true one have latents that are functions of each
other within the entanglement that their graph predicts: v = encoder_A o decoder_B is consistent with the graph of A
(Lachapelle et al., arXiv 2401.04890, the composition of two maps that preserve a graph). So take the best run and hold
every other one against what its graph predicts. Where all agree, the latent is what the theory promises; where one
does not, that run or the best one is wrong there, or the assumptions are.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from estimation.dataset.alignment import align_observed, with_actions_of
from estimation.device import default_modes
from estimation.evaluation.comparison import Comparison, compare
from estimation.exceptions import DataError
from estimation.learned import LearnedEntanglement, learned_entanglement
from estimation.metrics import GraphDistance, mean_correlation, structural_hamming
from identify.entanglement import Entanglement, predict_entanglement

if TYPE_CHECKING:
    from estimation.dataset.dataset import Dataset
    from estimation.trained import TrainedModel

__all__ = ["LatentTrust", "Verification", "verify"]

_ROWS = 10_000
ALONE, WITHIN, PARTLY, NOT = "trusted", "trusted within its block", "trusted by most runs", "not trusted"


@dataclass(frozen=True)
class LatentTrust:
    """What the other runs say of one latent of the best run.

    Attributes:
        latent: its name.
        may_mix_with: other latents that the prediction lets it mix with.
        confirmed_by: how many of the other runs have nothing in it that is not allowed.
        runs: how many others there are.
        correlation: the median over the other runs of its absolute correlation with its match.
        strongest: the largest relative strength, over the other runs, of a latent that may not enter it.
        intruders: latents that enter it in some run and may not.
    """

    latent: str
    may_mix_with: tuple[str, ...]
    confirmed_by: int
    runs: int
    correlation: float
    strongest: float
    intruders: tuple[str, ...]

    @property
    def verdict(self) -> str:
        """In words: trusted, trusted within its block, trusted by most runs, or not trusted."""
        if self.confirmed_by == self.runs:
            return WITHIN if self.may_mix_with else ALONE
        return PARTLY if 2 * self.confirmed_by > self.runs else NOT

    @property
    def trusted(self) -> bool:
        """Whether every other run confirms it."""
        return self.confirmed_by == self.runs


@dataclass(frozen=True, eq=False, repr=False)
class Verification:
    """Several runs held against the prediction of the best one.

    Attributes:
        reference: name of the run with the lowest negative ELBO.
        negative_elbo: of every run on the data, by name.
        comparisons: of the reference with every other run, by name.
        distances: between their graphs, by name.
        correlations: absolute correlation of each of the reference's latents with its match, by name, shape (n,).
    """

    reference: str
    negative_elbo: Mapping[str, float]
    comparisons: Mapping[str, Comparison]
    distances: Mapping[str, GraphDistance]
    correlations: Mapping[str, NDArray[np.float64]]

    @property
    def predicted(self) -> Entanglement:
        """What the reference's graph predicts."""
        return next(iter(self.comparisons.values())).predicted

    @cached_property
    def extra_strengths(self) -> NDArray[np.float64]:
        """The largest relative strength of what may not enter a latent, for each other run; shape (n, others)."""
        return np.stack([_extra(each).max(axis=1) for each in self.comparisons.values()], axis=1)

    @cached_property
    def latents(self) -> tuple[LatentTrust, ...]:
        """Every latent of the reference, in its order."""
        names = self.predicted.graph.latents
        threshold = next(iter(self.comparisons.values())).learned.threshold
        return tuple(self._trust(i, name, threshold) for i, name in enumerate(names))

    def _trust(self, i: int, name: str, threshold: float) -> LatentTrust:
        names = self.predicted.graph.latents
        allowed = next(iter(self.comparisons.values())).allowed[i]
        intruders: dict[str, None] = {}
        confirmed = 0
        for each in self.comparisons.values():
            entering = [names[j] for j in np.flatnonzero(each.matched[i] & ~allowed).tolist()]
            entering += [s for s in each.surplus if each.learned.matrix[i, each.learned.learned.index(s)]]
            intruders.update(dict.fromkeys(entering))
            confirmed += not entering and bool(each.learned.matrix[i].any())
        return LatentTrust(
            latent=name,
            may_mix_with=tuple(names[j] for j in np.flatnonzero(allowed).tolist() if j != i),
            confirmed_by=confirmed,
            runs=len(self.comparisons),
            correlation=float(np.median([each[i] for each in self.correlations.values()])),
            strongest=float(self.extra_strengths[i].max()),
            intruders=tuple(intruders),
        )

    @cached_property
    def combined(self) -> Comparison:
        """The median over the other runs of all relative strengths, beside the prediction."""
        names = self.predicted.graph.latents
        aligned = []
        for each in self.comparisons.values():
            present = each.permutation >= 0
            aligned.append(np.where(present, each.learned.relative[:, each.permutation], 0.0))
        threshold = next(iter(self.comparisons.values())).learned.threshold
        median = np.median(np.stack(aligned), axis=0)
        return compare(self.predicted, LearnedEntanglement(median, threshold, "models", names, names))

    @property
    def confirmed(self) -> bool:
        """Whether every other run confirms every latent."""
        return all(each.trusted for each in self.latents)

    def __bool__(self) -> bool:
        return self.confirmed

    @property
    def summary(self) -> str:
        """The outcome in a sentence."""
        n, trusted = len(self.latents), sum(each.trusted for each in self.latents)
        alone = sum(each.trusted and not each.may_mix_with for each in self.latents)
        runs = len(self.comparisons)
        others = "the other run confirms" if runs == 1 else f"all {runs} other runs confirm"
        if trusted == 0:
            return f"No latent of {self.reference} is confirmed by {'the other run' if runs == 1 else 'all runs'}."
        within = (
            f", {trusted - alone} of them up to the mixing that the graph allows" if trusted > alone else ""
        )
        return f"Of {n} latents of {self.reference}, {others} {trusted}{within}."

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        return {
            "format": "mechsparse-verification",
            "version": 1,
            "reference": self.reference,
            "confirmed": self.confirmed,
            "summary": self.summary,
            "negative_elbo": dict(self.negative_elbo),
            "latents": [
                {**asdict(each), "verdict": each.verdict, "trusted": each.trusted} for each in self.latents
            ],
            "runs": {
                name: {
                    "confirmed": each.confirmed,
                    "shd": self.distances[name].distance,
                    "mcc": float(self.correlations[name].mean()),
                    "permutation": each.permutation.tolist(),
                    "relative_strengths": each.learned.relative.tolist(),
                }
                for name, each in self.comparisons.items()
            },
        }

    def __repr__(self) -> str:
        trusted = sum(each.trusted for each in self.latents)
        return f"Verification({len(self.comparisons) + 1} runs, {trusted} of {len(self.latents)} latents trusted)"


@default_modes
def verify(
    models: Mapping[str, TrainedModel], dataset: Dataset, threshold: float = 0.1, seed: int = 0
) -> Verification:
    """Hold several runs against the prediction of the best one, without any truth.

    Args:
        models: two or more, by name; for instance the same settings with other seeds.
        dataset: data that none of them was trained on, of the same kind.
        threshold: from which share of the strongest entry of its row an entry counts as an edge.
        seed: of the points at which derivatives are taken.

    Raises:
        DataError: fewer than two models, one without a graph, or data that don't fit them.

    Example:
        >>> from estimation.config.training import TrainingConfig
        >>> from estimation.simulate.sampling import simulate
        >>> from estimation.training import fit
        >>> data = simulate("ActionBlockDiag", 200)
        >>> tiny = {"steps": 2, "width": 8, "transition_width": 4, "unmixing": False}
        >>> models = {f"seed {k}": fit(data, TrainingConfig(max_edges_actions=10, seed=k, **tiny)) for k in (0, 1)}
        >>> found = verify(models, data)
        >>> len(found.latents), found.latents[0].runs
        (10, 1)
    """
    if len(models) < 2:
        raise DataError(f"verifying takes two runs or more; {len(models)} given")
    elbo = {name: _elbo(name, model, dataset, seed) for name, model in models.items()}
    reference = min(elbo, key=lambda name: (not np.isfinite(elbo[name]), elbo[name]))
    best = models[reference]
    predicted = predict_entanglement(best.graph)
    ours = _encoded(best, dataset)
    comparisons, distances, correlations = {}, {}, {}
    for name, other in models.items():
        if name == reference:
            continue
        learned = learned_entanglement(best, dataset, other=other, threshold=threshold, seed=seed)
        comparisons[name] = compare(predicted, learned)
        theirs = with_actions_of(other.graph, best.graph, name)
        distances[name] = structural_hamming(best.graph, theirs, learned.permutation)
        correlations[name] = mean_correlation(ours, _encoded(other, dataset)).per_latent
    return Verification(reference, elbo, comparisons, distances, correlations)


def _encoded(model: TrainedModel, dataset: Dataset) -> NDArray[np.floating]:
    return model.encode(align_observed(dataset, model).observations[:_ROWS])


def _elbo(name: str, model: TrainedModel, dataset: Dataset, seed: int) -> float:
    model.require_graph(name)
    found = model.negative_elbo(dataset, seed)
    assert found is not None
    return found["total"]


def _extra(comparison: Comparison) -> NDArray[np.float64]:
    """Relative strengths of what is not allowed, shape (n, n_learned), 0 elsewhere."""
    relative = comparison.learned.relative
    allowed = np.zeros(relative.shape, dtype=bool)
    present = comparison.permutation >= 0
    allowed[:, comparison.permutation[present]] = comparison.allowed[:, present]
    return np.where(allowed, 0.0, relative)
