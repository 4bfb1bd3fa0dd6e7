"""The graphical criterion: whether complete disentanglement is guaranteed, and if not, what stays entangled and why.

Complete disentanglement is guaranteed iff for every latent i

    (intersection of Ch^a(l) over l in Pa^a(i))
    & (intersection of Ch^z(k) over k in Pa^z(i))
    & (intersection of Pa^z(k) over k in Ch^z(i))  =  {i}

(Lachapelle et al., arXiv 2401.04890, the graphical criterion for complete disentanglement; an empty intersection is the
set of all latents). The left side equals row i of V, the predicted entanglement graph, so the verdict is read off V.
The guarantee holds under the paper's assumptions, of which sufficient influence is the one that no graph can show.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from identify.conditions import Condition, conditions_of
from identify.entanglement import Entanglement, predict_entanglement
from identify.exceptions import RequestError
from identify.graph import CausalGraph
from identify.guarantee import Guarantee, guarantee_from, headline
from identify.latent_verdicts import LatentVerdict, LatentVerdicts, remedy_for
from identify.markup import MAX_ROWS, card, paragraph, rest, table
from identify.neighbourhoods import ACTIONS, PAST
from identify.screens import (
    fewer_edges,
    joint_conditions,
    joint_influence_of,
    predict_joint_entanglement,
    require_effects,
)
from identify.witnesses import JOINT_CAUSE, Remedy, Witness
from identify.wording import listed

if TYPE_CHECKING:
    from identify.influence import InfluenceReport, JointInfluence

__all__ = ["LatentVerdict", "LatentVerdicts", "Remedy", "Verdict", "Witness", "check"]

# maximum total number of names in the lists `entangled_with` of `to_dict`
_MAX_NAMES = 1_000_000


@dataclass(frozen=True, eq=False)
class Verdict:
    """The answer of the criterion with its evidence; ``bool(verdict)`` is whether disentanglement is complete.

    Attributes:
        entanglement: The predicted entanglement graph from which the verdict follows.
        influence: The report on sufficient influence; None if it was not decided.
        joint: Joint influence, if the actions are on or off (``effects="shifts"``), which then determines the
            entanglement; None otherwise.
    """

    entanglement: Entanglement
    influence: InfluenceReport | None = None
    joint: JointInfluence | None = None

    @property
    def graph(self) -> CausalGraph:
        """The causal graph of the verdict."""
        return self.entanglement.graph

    @property
    def using(self) -> frozenset[str]:
        """The parts of the graph that the verdict uses."""
        return self.entanglement.using

    @property
    def complete(self) -> bool:
        """Whether every latent is disentangled."""
        return self.entanglement.complete

    def __bool__(self) -> bool:
        return self.complete

    @property
    def guaranteed(self) -> bool:
        """Whether every latent is disentangled by the causes with proved influence, or by all if it was not decided."""
        return self.complete if self.guarantee is None else self.guarantee.complete

    @property
    def headline(self) -> str:
        """The answer in one line.

        Example:
            >>> check(CausalGraph(Ga=[[1, 0], [1, 0], [0, 1]])).headline
            'Not completely disentangled: 1 of 3 latents, using actions'
        """
        n = self.graph.n_latents
        if self.guarantee is not None and self.guarantee.n_lost:
            return headline(self.guarantee, self.used)
        if self.complete:
            subject = "the only latent" if n == 1 else f"all {n:,} latents"
            return f"Completely disentangled: {subject}, using {self.used}"
        latents = "latent" if n == 1 else "latents"
        if self.joint is not None and self.joint.status == "undecided":
            return f"Undecided: no promise for the {n:,} {latents}, using {self.used}"
        wrong = ""
        if self.joint is not None and self.joint.n_fewer:
            wrong = f"; wrong latents need {fewer_edges(self.joint)}"
        return f"Not completely disentangled: {self.n_disentangled:,} of {n:,} {latents}, using {self.used}{wrong}"

    @property
    def used(self) -> str:
        """The edges that the verdict uses, as text: "actions", "the past", or both; or "on/off actions"."""
        if self.joint is not None:
            return "on/off actions"
        texts = {ACTIONS: "actions", PAST: "the past"}
        return " and ".join(texts[kind] for kind in sorted(self.using))

    @property
    def n_disentangled(self) -> int:
        """Number of disentangled latents."""
        return int(self.entanglement.disentangled.sum())

    @cached_property
    def conditions(self) -> tuple[Condition, ...]:
        """The conditions under which the verdict is a guarantee, each proved, refuted or assumed.

        The first three are about the decoder, the fit and the learned graph; they don't follow from a causal graph or
        from mechanisms. Sufficient influence comes last: one condition per cause in use if it was decided, otherwise
        one condition for all causes. For on/off actions, joint influence takes its place.
        """
        if self.joint is not None:
            return joint_conditions(self.joint)
        return conditions_of(self.influence, self.graph, self.using)

    @property
    def refuted(self) -> tuple[Condition, ...]:
        """The conditions that are proved not to hold; what `guarantee` says still holds."""
        return tuple(condition for condition in self.conditions if condition.status == "refuted")

    @cached_property
    def guarantee(self) -> Guarantee | None:
        """What the causes with proved influence guarantee, and what is lost; None if influence was not decided.

        Example:
            >>> from identify.influence import Influence, InfluenceReport, Influences
            >>> answers = {"a0": Influence("a0", "fails", None, ""), "a1": Influence("a1", "holds", None, "")}
            >>> report = InfluenceReport("nonparametric", Influences(answers), None)
            >>> check(CausalGraph(Ga=[[1, 0], [1, 1]]), influence=report).guarantee
            Guarantee(1 of 2 latents disentangled, from a1)
        """
        return None if self.influence is None else guarantee_from(self.entanglement, self.influence)

    @cached_property
    def latents(self) -> LatentVerdicts:
        """The guarantee for each latent, by position or name."""
        return LatentVerdicts(self.entanglement, self.joint)

    @cached_property
    def unconstrained(self) -> tuple[str, ...]:
        """Names of the latents without a neighbour among the edges in use; each stays entangled with all others."""
        return tuple(self.graph.latents[i] for i in np.flatnonzero(~self.entanglement.constrained))

    def witness(self, i: int | str, j: int | str) -> Witness | None:
        """Return the reason why latent i does not stay entangled with latent j.

        The first witness is returned, in this order: an action that targets i and not j; a past latent that is a parent
        of i and not of j; a child of past i that is not a child of past j.

        Args:
            i: The latent to be distinguished, by name or position.
            j: A different latent, by name or position.

        Returns:
            The witness of V[i, j] = 0, or None if V[i, j] = 1; `remedy` then returns what would separate them.

        Raises:
            RequestError: If i and j are the same latent.
            UnknownNameError: If there is no such latent.

        Example:
            >>> print(check(CausalGraph(Ga=[[1, 0], [1, 1]])).witness("z1", "z0"))
            z1 is separated from z0: the action a1 targets z1 and not z0
        """
        return next(iter(self.witnesses(i, j)), None)

    def witnesses(self, i: int | str, j: int | str) -> tuple[Witness, ...]:
        """Return all witnesses of V[i, j] = 0, in the order of `witness`; none if V[i, j] = 1.

        For on/off actions there is one witness: all actions together.
        """
        a, b = self._pair(i, j)
        names, neighbours = self.graph.latents, self.entanglement.neighbourhoods
        if self.joint is not None:
            separated = not self.entanglement.entangled(a, b)
            return (Witness(names[a], names[b], "joint", JOINT_CAUSE),) if separated else ()
        separating = (neighbours.describe(column) for column in neighbours.missing(a, b).tolist())
        return tuple(Witness(names[a], names[b], kind, name) for kind, name in separating)

    def remedy(self, i: int | str, j: int | str) -> Remedy | None:
        """Return an action that would separate latent i from latent j, or None if they are separated already.

        Raises:
            RequestError: If i and j are the same latent.
            UnknownNameError: If there is no such latent.
        """
        a, b = self._pair(i, j)
        names = self.graph.latents
        return remedy_for(names[a], (names[b],) if self.entanglement.entangled(a, b) else (), self.joint)

    def to_dict(self) -> dict[str, Any]:
        """Return the verdict as JSON-ready values.

        Returns:
            ``complete``, ``using``, counts, ``latents`` (name, block, disentangled, constrained, entangled_with),
            ``blocks`` (latents, and ``entangled_with``: the blocks above). The latents' ``entangled_with`` is None if
            these lists would contain more than a million names in total; the blocks always have the answer. With an
            influence report also ``conditions``, ``influence`` and ``guarantee``; for on/off actions also
            ``conditions``, ``effects`` and ``joint_influence``.
        """
        entanglement, graph = self.entanglement, self.graph
        with_names = entanglement.n_entries - entanglement.n_latents <= _MAX_NAMES
        latents = [
            {
                "name": name,
                "block": block,
                "disentangled": disentangled,
                "constrained": constrained,
                "entangled_with": list(self.latents[i].entangled_with) if with_names else None,
            }
            for i, (name, block, disentangled, constrained) in enumerate(
                zip(
                    graph.latents,
                    entanglement.labels.tolist(),
                    entanglement.disentangled.tolist(),
                    entanglement.constrained.tolist(),
                    strict=True,
                )
            )
        ]
        influence: dict[str, Any] = {}
        if self.influence is not None:
            influence["conditions"] = [asdict(condition) for condition in self.conditions]
            influence["influence"] = self.influence.to_dict()
        if self.guarantee is not None:
            influence["guarantee"] = self.guarantee.to_dict()
        if self.joint is not None:
            influence["conditions"] = [asdict(condition) for condition in self.conditions]
            influence["effects"] = "shifts"
            influence["joint_influence"] = self.joint.to_dict()
        return influence | {
            "complete": self.complete,
            "using": sorted(self.using),
            "n_latents": graph.n_latents,
            "n_actions": graph.n_actions,
            "n_edges": graph.n_edges,
            "n_disentangled": self.n_disentangled,
            "n_blocks": entanglement.n_blocks,
            "latents": latents,
            "blocks": [
                {
                    "latents": [graph.latents[i] for i in block],
                    "entangled_with": entanglement.blocks_above(number).tolist(),
                }
                for number, block in enumerate(entanglement.blocks)
            ],
        }

    def _pair(self, i: int | str, j: int | str) -> tuple[int, int]:
        a, b = self.graph.index(i), self.graph.index(j)
        if a == b:
            raise RequestError(
                f"{self.graph.latents[a]} and itself can't be separated; name two different latents"
            )
        return a, b

    def __repr__(self) -> str:
        answer = "complete" if self.complete else "not complete"
        used = " and ".join(sorted(self.using)) if self.joint is None else self.used
        return (
            f"Verdict({answer}: {self.n_disentangled} of {self.graph.n_latents} latents disentangled, "
            f"using {used})"
        )

    def _repr_html_(self) -> str:
        """Return the verdict for notebooks: the answer, what stays entangled, and the conditions that were decided."""
        entangled = np.flatnonzero(~self.entanglement.disentangled).tolist()
        latents = (self.latents[i] for i in entangled[:MAX_ROWS])
        rows = [(each.name, listed(each.entangled_with), str(each.remedy)) for each in latents]
        columns = ("latent", "stays entangled with", "what would separate it")
        is_decided = self.influence is not None or self.joint is not None
        conditions = [(each.name, each.status, each.reason) for each in self.conditions if is_decided]
        return card(
            repr(self),
            paragraph(self.headline, self.guaranteed),
            table("Latents that stay entangled", columns, rows),
            rest(len(entangled), "latent"),
            table("Conditions of the guarantee", ("condition", "status", "because"), conditions[:MAX_ROWS]),
            rest(len(conditions), "condition"),
        )


def check(
    graph: CausalGraph,
    using: str | Iterable[str] | None = None,
    influence: InfluenceReport | None = None,
    effects: str | None = None,
    time_limit: float = 60,
) -> Verdict:
    """Decide the graphical criterion for complete disentanglement, or what on/off actions disentangle.

    Args:
        graph: The causal graph.
        using: ``"actions"``, ``"past"``, both, or None for what the graph has.
        influence: The report of `identify.influence.check_influence` or `read_influence`; the verdict then says which
            conditions are proved, refuted or only assumed, and what is guaranteed if influence fails for some causes.
        effects: ``"shifts"`` if every action is on or off and has one generic effect on its targets, as in most
            biological screens: joint influence then decides what is disentangled. Only actions count, so a graph with
            a past needs ``using="actions"``. None for actions with sufficient influence.
        time_limit: Time limit in seconds for joint influence.

    Returns:
        The verdict; its truth value is whether disentanglement is complete.

    Raises:
        RequestError: If ``using`` or ``effects`` is not one of these values, the influence report is about other
            causes, or ``effects`` comes with an influence report, a past in use or more than 1,000 latents.

    Source:
        Lachapelle et al., arXiv 2401.04890, the graphical criterion for complete disentanglement. Joint influence of
        on/off actions is ours (docs/screens.md).

    Example:
        >>> verdict = check(CausalGraph(Ga=[[1, 0], [1, 0], [0, 1]], latents=["raf", "mek", "erk"]))
        >>> verdict
        Verdict(not complete: 1 of 3 latents disentangled, using actions)
        >>> print(verdict.latents["raf"])
        raf stays entangled with mek
        >>> print(verdict.remedy("raf", "mek"))
        add an action that targets raf and not mek
        >>> check(CausalGraph(Ga=[[1, 1, 0], [1, 0, 1], [0, 1, 1]]), effects="shifts").headline
        'Not completely disentangled: 0 of 3 latents, using on/off actions; wrong latents need 3 edges fewer'
    """
    require_effects(effects)
    if effects is not None:
        if influence is not None:
            raise RequestError(
                "effects replaces sufficient influence by joint influence; leave out influence"
            )
        joint = joint_influence_of(graph, using, time_limit)
        return Verdict(predict_joint_entanglement(graph, joint), joint=joint)
    verdict = Verdict(predict_entanglement(graph, using), influence)
    # a report about other causes is refused here
    _ = verdict.conditions
    return verdict
