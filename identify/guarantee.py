"""What is guaranteed if influence is sufficient for some causes only, and what is lost.

Let A* be the actions whose influence is sufficient. Suppose that the learned graph is no denser than the true one on
the columns of A* in G^a: these columns have no more edges in total, and all other columns are free. Then V, computed
from the columns of A* alone, contains the entanglement graph, up to a permutation of the learned latents. The past is
one cause, with a budget of its own for G^z; without sufficient influence of the past, G^z is free. A budget for all
columns together does not suffice.

(Ours: docs/theory.md, "When influence fails for some causes", with the proof and the counterexample.)
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, overload

import numpy as np
import scipy
from numpy.typing import NDArray

from identify.conditions import PAST_CAUSE, decided_causes
from identify.entanglement import Entanglement, predict_entanglement
from identify.graph import CausalGraph
from identify.neighbourhoods import ACTIONS, PAST
from identify.wording import listed, plural

if TYPE_CHECKING:
    from identify.influence import Influence, InfluenceReport

__all__ = ["EdgeBudget", "Guarantee", "Loss", "Losses", "Repair", "guarantee_from", "headline"]

# maximum total number of names in the lists of `to_dict`
_MAX_NAMES = 1_000_000


@dataclass(frozen=True)
class EdgeBudget:
    """The largest numbers of edges that a learned graph may have for a guarantee to hold.

    Attributes:
        actions: Number of edges in the columns of G^a that belong to the causes of the guarantee; the other columns may
            be dense. None if no action is among the causes, so that all of G^a may be dense.
        past: Number of edges in G^z; None if the past is not among the causes, so that G^z may be dense.
    """

    actions: int | None
    past: int | None


@dataclass(frozen=True)
class Repair:
    """What is won back if one more cause has sufficient influence.

    Attributes:
        cause: The action, or ``"the past"``.
        status: ``"fails"`` or ``"undecided"``, the status of its influence.
        n_entries: Number of entries of V that disappear.
        latents: Latents that stay entangled with fewer others.
        disentangled: Latents among them that become disentangled.
        suggestions: Changes of the mechanisms that restore sufficient influence, from the report on influence.
    """

    cause: str
    status: str
    n_entries: int
    latents: tuple[str, ...]
    disentangled: tuple[str, ...]
    suggestions: tuple[str, ...]

    def __str__(self) -> str:
        text = f"sufficient influence of {self.cause} would remove {plural(self.n_entries, 'entry')} of V"
        return f"{text} and disentangle {listed(self.disentangled)}" if self.disentangled else text


@dataclass(frozen=True)
class Loss:
    """The separation that one latent loses because influence is not proved for some causes.

    Attributes:
        latent: The latent.
        entangled_with: The latents from which only causes without proved influence separate it.
        won_back: For each such cause, the latents among them from which it alone would separate the latent.
    """

    latent: str
    entangled_with: tuple[str, ...]
    won_back: Mapping[str, tuple[str, ...]]

    @property
    def alone(self) -> tuple[str, ...]:
        """The causes that would each win back everything on their own."""
        return tuple(
            cause for cause, names in self.won_back.items() if len(names) == len(self.entangled_with)
        )

    @property
    def together(self) -> tuple[str, ...]:
        """Causes that win back everything only together, none of which can be left out; empty if one is enough."""
        if self.alone:
            return ()
        open_names, selected = set(self.entangled_with), []
        while open_names:
            best = max(self.won_back, key=lambda cause: len(open_names & set(self.won_back[cause])))
            selected.append(best)
            open_names -= set(self.won_back[best])
        for cause in tuple(selected):
            others = [self.won_back[other] for other in selected if other != cause]
            if set().union(*others) == set(self.entangled_with):
                selected.remove(cause)
        return tuple(cause for cause in self.won_back if cause in selected)

    @property
    def remedy(self) -> str:
        """The causes whose influence would win back everything, as text; empty if nothing is lost."""
        if not self.entangled_with:
            return ""
        if self.alone:
            return " or ".join(self.alone) if len(self.alone) <= 3 else f"any of {listed(self.alone)}"
        return f"{listed(self.together)} together"

    def __str__(self) -> str:
        return (
            f"{self.latent} is not separated from {listed(self.entangled_with, rest='others')}; "
            f"sufficient influence of {self.remedy} would separate it"
        )


class Losses(Sequence[Loss]):
    """The losses of all latents that lose separation, in the order of the latents; each is computed on access.

    An index counts only these latents; `of` takes the name or position of any latent.
    """

    def __init__(self, guarantee: Guarantee) -> None:
        self._guarantee = guarantee
        smaller = _row_sizes(guarantee.predicted) < _row_sizes(guarantee.entanglement)
        self._positions: list[int] = np.flatnonzero(smaller).tolist()

    def __len__(self) -> int:
        return len(self._positions)

    @overload
    def __getitem__(self, index: int) -> Loss: ...
    @overload
    def __getitem__(self, index: slice) -> list[Loss]: ...
    def __getitem__(self, index: int | slice) -> Loss | list[Loss]:
        if isinstance(index, slice):
            return [self.of(i) for i in self._positions[index]]
        return self.of(self._positions[index])

    def of(self, latent: int | str) -> Loss:
        """Return the loss of a latent; its ``entangled_with`` is empty if the latent loses nothing.

        Raises:
            UnknownNameError: If there is no such latent.
        """
        guarantee = self._guarantee
        names = guarantee.graph.latents
        i = guarantee.graph.index(latent)
        lost = np.setdiff1d(guarantee.entanglement.row(i), guarantee.predicted.row(i), assume_unique=True)
        won_back = {
            cause: tuple(names[j] for j in np.setdiff1d(lost, kept, assume_unique=True).tolist())
            for cause, kept in self._kept_by_unproved_causes_of(i)
        }
        won_back = {cause: others for cause, others in won_back.items() if others}
        return Loss(names[i], tuple(names[j] for j in lost.tolist()), won_back)

    def _kept_by_unproved_causes_of(self, i: int) -> Iterator[tuple[str, NDArray[np.integer]]]:
        """Yield the unproved causes of latent i, each with the latents from which it alone doesn't separate it."""
        graph = self._guarantee.graph
        unproved = {influence.cause for influence in self._guarantee.unproved}
        start = self._targets.indptr
        for column in graph.Ga.indices[graph.Ga.indptr[i] : graph.Ga.indptr[i + 1]].tolist():
            if graph.actions[column] in unproved:
                yield graph.actions[column], self._targets.indices[start[column] : start[column + 1]]
        if PAST_CAUSE in unproved:
            yield PAST_CAUSE, self._past.row(i)

    @cached_property
    def _targets(self) -> scipy.sparse.csc_array:
        return self._guarantee.graph.Ga.tocsc()

    @cached_property
    def _past(self) -> Entanglement:
        return predict_entanglement(self._guarantee.graph, PAST)


@dataclass(frozen=True, eq=False)
class Guarantee:
    """What the causes with proved influence guarantee, and what is lost without the others.

    Attributes:
        entanglement: V of those causes alone; its graph has only their edges. A latent without such an edge stays
            entangled with all others.
        predicted: V of all causes in use, which needs sufficient influence of each.
        actions: The actions among the causes, in the order of the graph: those whose columns need a budget.
        past: Whether the past is among the causes.
        unproved: The answers for the other causes: influence fails or is undecided.
    """

    entanglement: Entanglement
    predicted: Entanglement
    actions: tuple[str, ...]
    past: bool
    unproved: tuple[Influence, ...]

    @property
    def graph(self) -> CausalGraph:
        """The causal graph, with the edges of all causes."""
        return self.predicted.graph

    @property
    def causes(self) -> tuple[str, ...]:
        """The causes whose influence is proved: actions, and ``"the past"``."""
        return (*self.actions, PAST_CAUSE) if self.past else self.actions

    @property
    def budget(self) -> EdgeBudget:
        """The budget under which the guarantee holds: the numbers of edges of the true graph, for its causes only."""
        graph = self.entanglement.graph
        return EdgeBudget(graph.Ga.nnz if self.actions else None, graph.Gz.nnz if self.past else None)

    @property
    def complete(self) -> bool:
        """Whether every latent is guaranteed to be disentangled."""
        return self.entanglement.complete

    @property
    def n_disentangled(self) -> int:
        """Number of latents that are guaranteed to be disentangled."""
        return int(self.entanglement.disentangled.sum())

    @property
    def n_lost(self) -> int:
        """Number of entries of V that would be absent if influence were sufficient for every cause."""
        return self.entanglement.n_entries - self.predicted.n_entries

    @cached_property
    def lost(self) -> Losses:
        """The losses of the latents that lose separation."""
        return Losses(self)

    @cached_property
    def repairs(self) -> tuple[Repair, ...]:
        """What each unproved cause would win back on its own, the largest number of entries first."""
        names = self.graph.latents
        before = _row_sizes(self.entanglement)
        repairs = []
        for influence in self.unproved:
            others = [other for other in self.unproved if other is not influence]
            extended = _guarantee(self.predicted, others).entanglement
            smaller = np.flatnonzero(_row_sizes(extended) < before)
            isolated = np.flatnonzero(extended.disentangled & ~self.entanglement.disentangled)
            repairs.append(
                Repair(
                    influence.cause,
                    influence.status,
                    self.entanglement.n_entries - extended.n_entries,
                    tuple(names[i] for i in smaller.tolist()),
                    tuple(names[i] for i in isolated.tolist()),
                    influence.repairs,
                )
            )
        return tuple(sorted(repairs, key=lambda repair: -repair.n_entries))

    @cached_property
    def if_undecided_hold(self) -> Guarantee | None:
        """What would be guaranteed if the undecided causes had sufficient influence; None if no cause is undecided."""
        undecided = [influence for influence in self.unproved if influence.status == "undecided"]
        if not undecided:
            return None
        others = tuple(influence for influence in self.unproved if influence.status != "undecided")
        return _guarantee(self.predicted, others)

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-ready values.

        Returns:
            ``causes``, ``actions``, ``past``, ``budget``, ``complete``, counts, ``disentangled``, ``lost``, ``repairs``
            and ``if_undecided_hold`` (a shorter record, or None). ``lost`` is None if it would contain more than a
            million names.
        """
        names = self.graph.latents
        if_undecided_hold = self.if_undecided_hold
        lost = [
            {
                "latent": loss.latent,
                "entangled_with": list(loss.entangled_with),
                "won_back": {cause: list(won) for cause, won in loss.won_back.items()},
                "alone": list(loss.alone),
                "together": list(loss.together),
            }
            for loss in (self.lost if self.n_lost <= _MAX_NAMES else ())
        ]
        return self._summary() | {
            "disentangled": [names[i] for i in np.flatnonzero(self.entanglement.disentangled).tolist()],
            "lost": lost if self.n_lost <= _MAX_NAMES else None,
            "repairs": [asdict(repair) for repair in self.repairs],
            "if_undecided_hold": None if if_undecided_hold is None else if_undecided_hold._summary(),
        }

    def _summary(self) -> dict[str, Any]:
        return {
            "causes": list(self.causes),
            "actions": list(self.actions),
            "past": self.past,
            "budget": asdict(self.budget),
            "complete": self.complete,
            "n_disentangled": self.n_disentangled,
            "n_lost": self.n_lost,
        }

    def __repr__(self) -> str:
        return (
            f"Guarantee({self.n_disentangled} of {self.entanglement.n_latents} latents disentangled, "
            f"from {listed(self.causes) or 'no cause'})"
        )


def guarantee_from(predicted: Entanglement, influence: InfluenceReport) -> Guarantee:
    """Return what the causes whose influence is proved guarantee.

    Args:
        predicted: V of all causes in use.
        influence: The report on their influence. A cause that is undecided is treated as one that fails;
            `Guarantee.if_undecided_hold` says what would be guaranteed otherwise. In an exponential family the past
            also needs sufficient variability.

    Raises:
        RequestError: If the report is about other causes.

    Example:
        >>> from identify.influence import Influence, InfluenceReport, Influences
        >>> graph = CausalGraph(Ga=[[1, 0], [1, 1]], actions=["a1", "a2"])
        >>> report = InfluenceReport("nonparametric", Influences({
        ...     "a1": Influence("a1", "fails", None, "one direction"), "a2": Influence("a2", "holds", None, "")}), None)
        >>> guarantee = guarantee_from(predict_entanglement(graph), report)
        >>> guarantee
        Guarantee(1 of 2 latents disentangled, from a2)
        >>> guarantee.budget
        EdgeBudget(actions=1, past=None)
    """
    causes = decided_causes(influence, predicted.graph, predicted.using)
    return _guarantee(predicted, [cause for cause in causes if not cause])


def headline(guarantee: Guarantee, used: str) -> str:
    """Return in one line what is guaranteed.

    Args:
        guarantee: The guarantee.
        used: The edges in use, as text.
    """
    n, n_predicted = guarantee.entanglement.n_latents, int(guarantee.predicted.disentangled.sum())
    rest = f"{n_predicted:,}" if n_predicted > guarantee.n_disentangled else "fewer pairs stay entangled"
    return (
        f"Guaranteed: {guarantee.n_disentangled:,} of {plural(n, 'latent')} disentangled, using {used} "
        f"({rest} if every cause had sufficient influence)"
    )


def _guarantee(predicted: Entanglement, unproved: Sequence[Influence]) -> Guarantee:
    graph, using = predicted.graph, predicted.using
    names = {influence.cause for influence in unproved}
    actions = tuple(name for name in graph.actions if name not in names) if ACTIONS in using else ()
    past = PAST in using and PAST_CAUSE not in names
    entanglement = predict_entanglement(_with_edges_of(graph, actions, past), using) if names else predicted
    return Guarantee(entanglement, predicted, actions, past and graph.Gz.nnz > 0, tuple(unproved))


def _with_edges_of(graph: CausalGraph, actions: Sequence[str], past: bool) -> CausalGraph:
    """Return a graph with the same latents and actions and only the edges of some causes."""
    kept = set(actions)
    edges = graph.Ga.tocoo()
    children, columns = edges.coords
    is_kept = np.array([name in kept for name in graph.actions], dtype=bool)[columns]
    coordinates = (children[is_kept], columns[is_kept])
    Ga = scipy.sparse.csr_array((np.ones(int(is_kept.sum()), dtype=bool), coordinates), shape=graph.Ga.shape)
    return CausalGraph(Gz=graph.Gz if past else None, Ga=Ga, latents=graph.latents, actions=graph.actions)


def _row_sizes(entanglement: Entanglement) -> NDArray[np.int64]:
    """Return the number of entries in each row of V, without building V."""
    sizes = entanglement.sizes.astype(np.int64)
    per_block = sizes + entanglement.above.astype(np.int64) @ sizes
    result: NDArray[np.int64] = per_block[entanglement.labels]
    return result
