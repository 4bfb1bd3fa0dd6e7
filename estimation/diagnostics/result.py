"""What the diagnostics of a run say: the margin of its basis, and warnings."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from estimation.diagnostics.edge_counts import count_interval
from estimation.storage.schema import Fields, Many, Maybe, Real, Table, Text, Whole
from identify.markup import card, paragraph, table
from identify.wording import listed, plural

__all__ = ["DIAGNOSTICS", "KINDS", "MIN_SPARSITY", "SERIOUS", "Diagnostics", "Margin", "Rows", "RunWarning"]

#: A matrix whose rows are children; None for pairs that were not measured.
Rows = tuple[tuple[float | None, ...], ...]

#: The kinds of warnings, by what is doubtful.
KINDS = (
    "basis",
    "missing edges",
    "overlap",
    "edges of collapsed latents",
    "disagreeing restarts",
    "superfluous edges",
    "budget",
    "influence",
    "collapsed latents",
    "no parents",
    "duplicate latents",
    "reconstruction",
    "residuals",
)
#: The kinds that say of a single run that its basis or its graph may well be wrong.
SERIOUS = ("basis", "missing edges", "overlap", "edges of collapsed latents")

#: The schema of stored diagnostics.
DIAGNOSTICS = Fields(
    {
        "margin": Maybe(
            Fields(
                {
                    "sparsity": Maybe(Real()),
                    "likelihood": Maybe(Real()),
                    "latents": Many(Text()),
                    "n_starts": Whole(0),
                    "n_same": Whole(0),
                }
            )
        ),
        "warnings": Many(Fields({"kind": Text(KINDS), "text": Text(), "latents": Many(Text())})),
        "values": Table(Real()),
    },
    {
        "edge_confidence": Maybe(
            Fields({}, {kind: Many(Many(Maybe(Real(0, 1)))) for kind in ("actions", "past")}, closed=True)
        ),
        "latent_confidence": Maybe(Many(Maybe(Real(0, 1)))),
    },
)

#: Bases that are less sparse than the run's by less than this are nearly as sparse.
MIN_SPARSITY = 0.1
# the run's basis is better if it is likelier by the first of these, or by the second one if the other is as sparse or
# sparser: the penalty stands in for the number of edges, with which likelihoods are compared (1.3 to 2.3 nats where the
# run's basis was right but less sparse by 0.03 to 0.13, -0.08 where it was wrong and slightly sparser)
_MIN_LIKELIHOOD, _DECISIVE_LIKELIHOOD = 0.05, 0.5
# against a basis that is sparser by more than this, no likelihood decides
_MAX_SPARSITY_LOST = 0.5


@dataclass(frozen=True)
class Margin:
    """How much better the basis of a run is than the best other basis that was found.

    Bases that differ only in what the learned graph leaves open count as the same.

    Attributes:
        sparsity: Penalty of `estimation.unmixing.unmix` of the other basis minus that of the run's; below 0 if the
            other basis is sparser. None if no other basis was found.
        likelihood: Log-likelihood of held-out latents in the run's basis minus that in the other one, with the same
            number of edges, in nats per row. None if no other basis was found, or if effects on distributions choose
            the basis.
        latents: Learned latents that differ between the two.
        n_starts: Number of starts of the search: random ones, and the run's own basis.
        n_same: Number of starts that ended in the run's basis.
    """

    sparsity: float | None
    likelihood: float | None
    latents: tuple[str, ...]
    n_starts: int
    n_same: int

    @property
    def verdict(self) -> str:
        """``"clear"``, ``"close"`` if another basis is about as good, or ``"worse"`` if another one is better.

        A basis that is sparser by no more than 0.5 is not better if the latents are less likely in it by 0.5 nats.
        """
        if self.sparsity is None:
            return "clear"
        if self.sparsity >= MIN_SPARSITY:
            is_likelier = self.likelihood is None or self.likelihood >= _MIN_LIKELIHOOD
            return "clear" if is_likelier else "close"
        is_likelier = self.likelihood is not None and self.likelihood >= _DECISIVE_LIKELIHOOD
        if is_likelier and self.sparsity >= -_MAX_SPARSITY_LOST:
            return "clear"
        return "worse" if self.sparsity < -MIN_SPARSITY else "close"

    @property
    def is_beaten(self) -> bool:
        """Whether another basis is better, and likelier as well as sparser."""
        return self.verdict == "worse" and self.likelihood is not None and self.likelihood < 0

    @property
    def summary(self) -> str:
        """The margin in words.

        Example:
            >>> Margin(0.5, 2.25, ("v0", "v2"), 64, 60).summary
            'the basis is clear: the best other one, in v0, v2, is less sparse by 0.5 and less likely by 2.25 nats'
        """
        if self.sparsity is None:
            return f"the basis is clear: no other one was found from {plural(self.n_starts, 'start')}"
        where, likely = f"in {listed(self.latents)}", ""
        if self.likelihood is not None:
            comparison = "less" if self.likelihood >= 0 else "more"
            likely = f"{comparison} likely by {abs(self.likelihood):.3g} nats"
        if self.verdict == "worse":
            return (
                f"another basis, {where}, is sparser by {-self.sparsity:.3g}{', and ' * bool(likely)}{likely}"
            )
        sparse = "less" if self.sparsity >= 0 else "more"
        differs = f"{sparse} sparse by {abs(self.sparsity):.3g}{' and ' * bool(likely)}{likely}"
        if self.verdict == "close":
            return f"two bases are nearly as good: the other one, {where}, is {differs}"
        return f"the basis is clear: the best other one, {where}, is {differs}"


@dataclass(frozen=True)
class RunWarning:
    """A reason to doubt a run.

    Attributes:
        kind: What is doubtful, one of ``KINDS``.
        text: The reason, with its figures.
        latents: The learned latents concerned.
    """

    kind: str
    text: str
    latents: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.kind}: {self.text}"


@dataclass(frozen=True)
class Diagnostics:
    """The diagnostics of a run.

    Attributes:
        margin: The margin of its basis; None if there is only one latent, or if nothing is sparse.
        warnings: Reasons to doubt the run, the most serious first.
        values: The figures behind the warnings, by name.
        edge_confidence: Probability that the true graph has each edge, by ``"actions"`` and ``"past"``, of all pairs of
            a latent (rows) and a cause; None in dense columns and for collapsed latents. None if nothing is sparse, and
            for runs of versions that measured none.
        latent_confidence: Probability that each latent depends on no other true latents than the learned graph allows;
            None for collapsed latents. None if no basis was compared with others, and for runs of versions that
            measured none.
    """

    margin: Margin | None
    warnings: tuple[RunWarning, ...] = ()
    values: Mapping[str, float] = field(default_factory=dict)
    edge_confidence: Mapping[str, Rows] | None = None
    latent_confidence: tuple[float | None, ...] | None = None

    @property
    def edge_interval(self) -> dict[str, tuple[int, int]]:
        """The numbers of true edges that the data can't tell apart, by ``"actions"`` and ``"past"``.

        The central 90 % of the Poisson binomial distribution of `edge_confidence`, which takes edges as independent.
        """
        confidence = self.edge_confidence or {}
        return {
            kind: count_interval(np.array(rows, dtype=float)) for kind, rows in confidence.items() if rows
        }

    @property
    def finite(self) -> bool:
        """Whether all figures are finite."""
        margin = () if self.margin is None else (self.margin.sparsity or 0.0, self.margin.likelihood or 0.0)
        return all(math.isfinite(value) for value in (*self.values.values(), *margin))

    @property
    def serious(self) -> tuple[RunWarning, ...]:
        """The warnings whose kind is in ``SERIOUS``."""
        return tuple(warning for warning in self.warnings if warning.kind in SERIOUS)

    @property
    def has_worse_basis(self) -> bool:
        """Whether another basis is better than the run's, which is more than a doubt."""
        return self.margin is not None and self.margin.verdict == "worse"

    @property
    def n_doubts(self) -> int:
        """The number of serious warnings, where a basis that is worse than another counts twice."""
        return len(self.serious) + self.has_worse_basis

    @property
    def headline(self) -> str:
        """Whether there is a reason to doubt the run, in a sentence.

        Example:
            >>> Diagnostics(Margin(None, None, (), 64, 64)).headline
            'No reason for doubt was found: the basis is clear, and there are no warnings.'
            >>> Diagnostics(None, (RunWarning("overlap", "2 groups"),)).headline
            'Doubtful: the latents or their graph may well be wrong (warning: overlap).'
        """
        kinds = list(dict.fromkeys(warning.kind for warning in self.serious or self.warnings))
        named = f"warning{'s' * (len(kinds) > 1)}: {listed(kinds, 12)}"
        if self.serious:
            return f"Doubtful: the latents or their graph may well be wrong ({named})."
        basis = "its basis could not be compared with others" if self.margin is None else "the basis is clear"
        if self.warnings:
            return f"Nothing says that the graph is wrong ({basis}), but read the {named}."
        return f"No reason for doubt was found: {basis}, and there are no warnings."

    def _repr_html_(self) -> str:
        """Return the diagnostics for notebooks: the answer, the margin, the warnings, and the numbers of edges."""
        matrices = {"actions": "G^a", "past": "G^z"}
        intervals = [(matrices[kind], f"{low} to {high}") for kind, (low, high) in self.edge_interval.items()]
        return card(
            "Diagnostics",
            paragraph(self.headline, not self.serious),
            paragraph("" if self.margin is None else f"Margin: {self.margin.summary}."),
            table("Warnings", ("warning", "reason"), [(each.kind, each.text) for each in self.warnings]),
            table("Numbers of edges that the data allow", ("matrix", "edges"), intervals),
        )

    def record(self) -> dict[str, Any]:
        """Return the diagnostics for JSON that people read: `to_dict`, words about the margin, and numbers of edges.

        Example:
            >>> Diagnostics(Margin(None, None, (), 64, 64)).record()["margin"]["verdict"]
            'clear'
        """
        record = self.to_dict()
        if self.margin is not None:
            record["margin"] |= {"verdict": self.margin.verdict, "summary": self.margin.summary}
        if self.edge_confidence is not None:
            record["edge_interval"] = {kind: list(each) for kind, each in self.edge_interval.items()}
        return record

    def to_dict(self) -> dict[str, Any]:
        """Return the diagnostics ready for JSON, as a saved model stores them."""
        return {
            "margin": None
            if self.margin is None
            else {**asdict(self.margin), "latents": list(self.margin.latents)},
            "warnings": [{**asdict(each), "latents": list(each.latents)} for each in self.warnings],
            "values": dict(self.values),
            "edge_confidence": None
            if self.edge_confidence is None
            else {kind: [list(row) for row in rows] for kind, rows in self.edge_confidence.items()},
            "latent_confidence": None if self.latent_confidence is None else list(self.latent_confidence),
        }

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Diagnostics:
        """Return the diagnostics of content that follows ``DIAGNOSTICS``: the inverse of `to_dict`."""
        margin, confidence = content["margin"], content.get("edge_confidence")
        of_latents = content.get("latent_confidence")
        return cls(
            None if margin is None else Margin(**{**margin, "latents": tuple(margin["latents"])}),
            tuple(
                RunWarning(each["kind"], each["text"], tuple(each["latents"])) for each in content["warnings"]
            ),
            dict(content["values"]),
            None
            if confidence is None
            else {kind: tuple(tuple(row) for row in rows) for kind, rows in confidence.items()},
            None if of_latents is None else tuple(of_latents),
        )
