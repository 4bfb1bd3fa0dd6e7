"""Restarts: whole runs with other weights, batches and noise, of which the best is kept.

A wrong basis can't be trained away, but other initial weights may lead to the right one. Restarts share the held-out
rows, the scales of the data and the digests that identify them. The one that is kept has the fewest serious warnings
(`estimation.diagnostics`), and among those the lowest held-out negative ELBO. All restarts are trained, even if the
first has no warning: a run and its twin that end in different latents can't both be right, and no run can notice this
alone. With ``restarts="auto"`` only a run that doubts itself is followed by others. One of them without doubts does not
settle it: it may have found another wrong basis, and the next one can contradict it. (Prompted by problem 21 of the
benchmark of promises: its second run is wrong without doubts, its third right and likelier.)
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from estimation.config.training import TrainingConfig
from estimation.dataset.dataset import Dataset
from estimation.diagnostics.result import Diagnostics
from estimation.exceptions import DataError, TrainingError
from estimation.history import History
from estimation.trained import TrainedModel
from estimation.training.agreement import MAX_DIFFERENCE, agreement, agreement_notes, with_agreement
from identify.wording import listed, plural

__all__ = [
    "MAX_ROWS",
    "FinishedRestart",
    "Restarts",
    "choose",
    "is_doubtful",
    "most_restarts",
    "restart_seed",
]

#: Held-out rows on which the latents of restarts are compared.
MAX_ROWS = 2_000
# largest number of restarts that doubts lead to; a shorter run is doubtful because it is short
_MOST_FOR_DOUBTS, _MIN_STEPS = 3, 1_000
# why a restart is kept, by the first entry of the rank in which it is alone
_DECIDED_BY = (
    "the others failed",
    "the others could not be examined",
    "it has the fewest serious warnings",
)


def restart_seed(seed: int, restart: int) -> int:
    """Return the seed of a restart, from that of the run; restart 0 has the run's own.

    Example:
        >>> restart_seed(3, 0), restart_seed(3, 1) != restart_seed(4, 1)
        (3, True)
    """
    if not restart:
        return seed
    return int(np.random.SeedSequence(seed, spawn_key=(restart,)).generate_state(1, np.uint32)[0] >> 1)


def most_restarts(config: TrainingConfig, has_own_networks: bool = False) -> int:
    """Return the largest number of restarts that a run can have.

    Args:
        config: Settings of the run.
        has_own_networks: Whether networks are user-supplied. Without a number of restarts they are trained in place,
            which can't be done again from their first weights.

    Example:
        >>> [most_restarts(TrainingConfig(**each)) for each in ({"restarts": 2}, {"restarts": "auto"}, {"steps": 500})]
        [2, 3, 1]
    """
    if config.restarts != "auto":
        return config.restarts
    can_doubt = config.unmixing and config.sparsity != "none" and config.steps >= _MIN_STEPS
    return _MOST_FOR_DOUBTS if can_doubt and not has_own_networks else 1


def is_doubtful(diagnostics: Diagnostics | None) -> bool:
    """Return whether a run was examined, and has serious warnings that another run may not have.

    Settings of the actions that don't overlap are those of every run.
    """
    return diagnostics is not None and any(warning.kind != "overlap" for warning in diagnostics.serious)


@dataclass(frozen=True, eq=False)
class FinishedRestart:
    """What a restart ended with.

    Attributes:
        negative_elbo: Negative ELBO of the held-out rows, per observed dimension, with the same posterior samples for
            all restarts.
        n_edges: Number of learned edges.
        diagnostics: Margin and warnings; None if the restart was not examined.
        latents: Encodings of the first held-out rows, shape (min(N, `MAX_ROWS`), n); None if it was not examined, or is
            doubtful and was stored by an earlier version.
        failure: Why the restart failed; empty if it didn't. A failed one has no edges and an infinite negative ELBO.
    """

    negative_elbo: float
    n_edges: int
    diagnostics: Diagnostics | None = None
    latents: NDArray[np.floating] | None = None
    failure: str = ""

    @classmethod
    def of(cls, model: TrainedModel, held_out: Dataset, seed: int) -> FinishedRestart:
        """Return what a trained model ended with.

        Args:
            model: The model.
            held_out: Held-out rows, of one or two steps.
            seed: Seed of the posterior samples.

        Raises:
            DataError: If the model maps held-out rows to numbers that are not finite.
        """
        terms = model.negative_elbo(held_out, seed)
        assert terms is not None
        finished = cls(terms["total"], model.sparse_graph.n_edges, model.diagnostics)
        if model.diagnostics is None:
            return finished
        return replace(finished, latents=model.encode_dataset(held_out.take(slice(0, MAX_ROWS)))[:, -1])

    @classmethod
    def failed(cls, error: Exception) -> FinishedRestart:
        """Return the record of a restart that an error ended."""
        return cls(math.inf, 0, failure=str(error))

    @property
    def is_without_doubts(self) -> bool:
        """Whether it was examined, and has no serious warnings that are its own. Settings that don't overlap are those
        of all restarts, which may disagree because of them.
        """
        return self.diagnostics is not None and not is_doubtful(self.diagnostics)

    def rank(self, penalty: float) -> tuple[bool, bool, int, float]:
        """Return the sort key by which restarts are compared: the smallest is kept.

        Args:
            penalty: Weight of an edge, in units of the negative ELBO per observed dimension.
        """
        n_doubts = 0 if self.diagnostics is None else self.diagnostics.n_doubts
        score = self.negative_elbo + penalty * self.n_edges
        return bool(self.failure), self.diagnostics is None, n_doubts, score

    @property
    def summary(self) -> str:
        """The result in words.

        Example:
            >>> FinishedRestart(-1.5, 10).summary
            'held-out negative ELBO -1.5, 10 edges, not examined'
            >>> FinishedRestart.failed(TrainingError("the loss is nan")).summary
            'failed: the loss is nan'
        """
        if self.failure:
            return f"failed: {self.failure}"
        parts = [f"held-out negative ELBO {self.negative_elbo:.4g}", plural(self.n_edges, "edge")]
        if self.diagnostics is None:
            return ", ".join([*parts, "not examined"])
        if self.diagnostics.margin is not None:
            parts.append(f"the basis is {self.diagnostics.margin.verdict}")
        kinds = dict.fromkeys(warning.kind for warning in self.diagnostics.warnings)
        return ", ".join([*parts, f"warnings: {listed(kinds)}" if kinds else "no warnings"])


def choose(finished: Sequence[FinishedRestart], penalty: float) -> int:
    """Return the number of the restart to keep, the first of equal ones.

    It is the one with the fewest serious warnings, where a basis that is worse than another counts twice, and among
    those the one with the lowest held-out negative ELBO plus ``penalty`` per edge: more edges fit better without being
    right. With equal numbers of edges, as with a budget, the ELBO alone decides. Restarts that were not examined come
    after those that were, and failed ones last.

    Args:
        finished: What the restarts ended with.
        penalty: Weight of an edge, in units of the negative ELBO per observed dimension.

    Example:
        >>> choose([FinishedRestart(-1.5, 10), FinishedRestart(-1.6, 10), FinishedRestart(-1.61, 12)], penalty=0.01)
        1
    """
    return min(range(len(finished)), key=lambda number: finished[number].rank(penalty))


class Restarts:
    """The finished restarts of a run, and the model of the best.

    Args:
        count: Number of restarts of the run.
        penalty: Weight of an edge where restarts with different numbers of edges are compared; see `choose`.
        finished: What the finished ones ended with, in order.
        kept: Model of the best of them; None if none has succeeded.
        only_if_doubtful: Whether there are restarts only if the first run is doubtful.
    """

    def __init__(
        self,
        count: int,
        penalty: float,
        finished: Sequence[FinishedRestart] = (),
        kept: TrainedModel | None = None,
        only_if_doubtful: bool = False,
    ) -> None:
        self.count, self.penalty, self.only_if_doubtful = count, penalty, only_if_doubtful
        self.finished, self.kept = list(finished), kept

    @classmethod
    def of(cls, config: TrainingConfig, has_own_networks: bool) -> Restarts:
        """Return the restarts of a run before the first one; the arguments are those of `most_restarts`."""
        count = most_restarts(config, has_own_networks)
        return cls(count, config.penalty, only_if_doubtful=config.restarts == "auto")

    @property
    def next(self) -> int | None:
        """Number of the restart that is trained next; None if there is none."""
        number = len(self.finished)
        return None if number == self.count else number

    def title(self, number: int) -> str:
        """Return the name of a restart for the progress line.

        Example:
            >>> Restarts(3, 0.01).title(1), Restarts(3, 0.01, only_if_doubtful=True).title(1)
            ('restart 2 of 3: ', 'restart 2 of 3, since the first run is doubtful: ')
        """
        if not self.only_if_doubtful:
            return f"restart {number + 1} of {self.count}: "
        return f"restart {number + 1} of {self.count}, since the first run is doubtful: " if number else ""

    @property
    def best(self) -> int | None:
        """Number of the best finished restart; None if none has succeeded."""
        number = choose(self.finished, self.penalty) if self.finished else None
        return None if number is None or self.finished[number].failure else number

    def add(self, model: TrainedModel, held_out: Dataset, seed: int) -> None:
        """Add the model of the next restart, which is kept if it is the best so far.

        Args:
            model: The trained model.
            held_out: Held-out rows, the same for all restarts.
            seed: Seed of the posterior samples, the same for all restarts.
        """
        try:
            self.finished.append(FinishedRestart.of(model, held_out, seed))
        except DataError as error:
            self.add_failure(error)
            return
        if self.best == len(self.finished) - 1:
            self.kept = model

    def add_failure(self, error: TrainingError | DataError) -> None:
        """Add the next restart, which an error ended."""
        self.finished.append(FinishedRestart.failed(error))

    def conclude(self) -> TrainedModel:
        """Return the model of the best restart, with notes on all of them.

        If the restart that is kept has no serious warnings of its own, and another one has other latents, the model
        gets a warning: if the other one has none either and fits about as well, or if it fits clearly better.

        Raises:
            TrainingError: If all restarts failed.
        """
        best = self.best
        if best is None or self.kept is None:
            raise TrainingError(
                f"all {self.count} restarts failed; the first of them: {self.finished[0].failure}"
            )
        notes = [
            f"restart {number + 1} of {len(self.finished)}: {each.summary}"
            for number, each in enumerate(self.finished)
        ]
        correlations, losses = self._agreements(best), [each.negative_elbo for each in self.finished]
        notes += [self._reason(best), *agreement_notes(best, correlations, losses)]
        history = self.kept.history
        rivals = {
            number: values
            for number, values in correlations.items()
            if losses[number] <= losses[best] + MAX_DIFFERENCE
        }
        better = {
            number: losses[best] - losses[number]
            for number in rivals
            if losses[number] < losses[best] - MAX_DIFFERENCE
        }
        diagnostics = with_agreement(self.kept.diagnostics, best, rivals, better)
        return replace(
            self.kept, history=History(history.records, [*history.notes, *notes]), diagnostics=diagnostics
        )

    def _agreements(self, best: int) -> dict[int, dict[str, float]]:
        """Return the agreement of the best restart with each of the others that can be compared, by their number."""
        own, kept = self.finished[best], self.kept
        latents = own.latents
        if latents is None or kept is None or not own.is_without_doubts:
            return {}
        others = {
            number: each.latents
            for number, each in enumerate(self.finished)
            # one with warnings is wrong where they disagree, unless it explains the data better
            if number != best
            and (each.is_without_doubts or each.negative_elbo < own.negative_elbo - MAX_DIFFERENCE)
        }
        return {
            number: agreement(kept, latents, other) for number, other in others.items() if other is not None
        }

    def _reason(self, best: int) -> str:
        """Return why the best restart is kept."""
        ranks = [each.rank(self.penalty)[:-1] for each in self.finished]
        rivals = [each for each, rank in zip(self.finished, ranks, strict=True) if rank == ranks[best]]
        kept = f"restart {best + 1} of {len(self.finished)} kept: "
        if len(rivals) == 1:
            second = min(rank for number, rank in enumerate(ranks) if number != best)
            differs = [a != b for a, b in zip(ranks[best], second, strict=True)].index(True)
            counted = ", of which a basis that is worse than another is two"
            has_worse = differs == 2 and any(
                each.diagnostics is not None and each.diagnostics.has_worse_basis for each in self.finished
            )
            return kept + _DECIDED_BY[differs] + counted * has_worse
        scored = "the lowest held-out negative ELBO"
        if len({each.n_edges for each in rivals}) > 1:
            scored += f" plus {self.penalty:g} per edge"
        among = "" if len(rivals) == len(ranks) else f" of the {len(rivals)} with the fewest serious warnings"
        return f"{kept}it has {scored}{among}"
