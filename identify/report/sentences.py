"""Sentences of a verdict, shared by terminal, markdown and HTML."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from identify.criterion import Verdict
from identify.guarantee import Guarantee
from identify.report.joint import joint_summary
from identify.wording import listed, plural

if TYPE_CHECKING:
    from identify.influence import InfluenceReport

__all__ = [
    "CONDITION_COLUMNS",
    "CONVENTION",
    "assumptions",
    "condition_cells",
    "guarantee_sentences",
    "influence_sentence",
    "summary",
]

CONVENTION = (
    "Rows are children: row i of G^z and G^a lists the parents of latent i. A latent stays entangled with "
    "another if the learned latent that matches it may be a function of both."
)

# (assumption, purpose), in the words of the paper's conditions
_ASSUMPTIONS = (
    (
        "The decoder is a diffeomorphism onto its image",
        "so that learned and true latents are functions of each other",
    ),
    ("The model fits the data distribution", "so that the learned latents follow the same mechanisms"),
    ("The learned graph is no denser than the true one", "as a sparsity penalty or an edge budget ensures"),
)
_INFLUENCE = (
    "Sufficient influence: each cause moves its children in enough different ways",
    "without which a cause need not separate anything; an action with several targets needs more than one setting",
)
_TOGETHER = {"holds": "holds", "fails": "fails", "undecided": "is undecided"}
_JOINT = {"holds": "holds for generic effects", "fails": "fails", "undecided": "is undecided"}
_GENERIC = (
    "Generic effects: every action is on or off, and what the actions do satisfies no exact relation",
    "without which other latents may be as sparse as the true ones",
)


def assumptions(verdicts: Iterable[Verdict]) -> tuple[tuple[str, str], ...]:
    """Return the assumptions of verdicts, each with its purpose."""
    kinds = {verdict.joint is None for verdict in verdicts}
    return (
        *_ASSUMPTIONS,
        *((_INFLUENCE,) if True in kinds else ()),
        *((_GENERIC,) if False in kinds else ()),
    )


def summary(verdict: Verdict) -> str:
    """Return in two or three sentences what the verdict means."""
    if verdict.joint is not None:
        return joint_summary(verdict)
    if verdict.complete:
        return (
            "The graph separates every latent from every other. With sufficient influence, a model that fits the "
            "data with a graph as sparse as this one recovers each latent up to an invertible transformation of "
            "that latent alone, and up to their order."
        )
    n_entangled = verdict.graph.n_latents - verdict.n_disentangled
    n_unconstrained = len(verdict.unconstrained)
    text = (
        f"Nothing in the graph separates {plural(n_entangled, 'latent')} from some others, so they may stay "
        "entangled; the rest can be recovered one by one, with sufficient influence."
        if verdict.n_disentangled
        else "Nothing in the graph separates any latent from all others, so all of them may stay entangled."
    )
    if n_unconstrained:
        text += f" Nothing constrains {plural(n_unconstrained, 'latent')}: no parent, no child."
    return text


CONDITION_COLUMNS = ("condition", "status", "because", "remedy")


def condition_cells(verdict: Verdict) -> list[tuple[str, ...]]:
    """Return the rows of a table of conditions, `CONDITION_COLUMNS`; none if influence was not decided."""
    if verdict.influence is None and verdict.joint is None:
        return []
    return [(c.name, c.status, c.reason, "; or ".join(c.repairs)) for c in verdict.conditions]


def influence_sentence(verdict: Verdict) -> str:
    """Return in a sentence or two what the decision on influence means; empty if there is none."""
    if verdict.joint is not None:
        return f"Joint influence {_JOINT[verdict.joint.status]}."
    if verdict.influence is None:
        return ""
    joint = verdict.influence.joint
    together = (
        ""
        if joint is None
        else f" Joint influence of {joint.cause} {_TOGETHER[joint.status]}: {joint.reason}."
    )
    return f"{_single_causes_sentence(verdict)}{together}"


def _single_causes_sentence(verdict: Verdict) -> str:
    if verdict.refuted:
        causes = ", ".join(
            condition.name.removeprefix("sufficient influence of ") for condition in verdict.refuted
        )
        return f"Sufficient influence is refuted for {causes}."
    assumed = [c for c in verdict.conditions if c.name.startswith("sufficient") and c.status == "assumed"]
    if assumed:
        return f"Sufficient influence is proved for all but {plural(len(assumed), 'cause')}, where it is undecided."
    return "Sufficient influence is proved for every cause that is used."


def guarantee_sentences(verdict: Verdict) -> list[str]:
    """Return what is guaranteed if influence is not proved for every cause; empty if it is, or was not decided."""
    guarantee = verdict.guarantee
    if guarantee is None or not guarantee.unproved:
        return []
    sentences = [_what_is_guaranteed(guarantee)]
    if guarantee.causes:
        sentences.append(_budget_sentence(guarantee, verdict.influence))
    if guarantee.n_lost:
        won = [
            f"{repair.cause} {plural(repair.n_entries, 'pair')}"
            + (f" (disentangles {listed(repair.disentangled, 3)})" if repair.disentangled else "")
            for repair in guarantee.repairs
            if repair.n_entries
        ]
        if won:
            sentences.append(f"Sufficient influence of one more cause would win back: {listed(won, 4)}.")
    if guarantee.if_undecided_hold is not None:
        undecided = [influence.cause for influence in guarantee.unproved if influence.status == "undecided"]
        n = guarantee.if_undecided_hold.n_disentangled
        sentences.append(
            f"If influence, which is undecided for {listed(undecided)}, were sufficient there, "
            f"{n:,} of {plural(guarantee.entanglement.n_latents, 'latent')} would be disentangled."
        )
    return sentences


def _what_is_guaranteed(guarantee: Guarantee) -> str:
    latents = plural(guarantee.entanglement.n_latents, "latent")
    if not guarantee.causes:
        return f"No cause has proved influence, so nothing is guaranteed to separate the {latents}."
    text = f"Guaranteed from {listed(guarantee.causes)} alone: {guarantee.n_disentangled:,} of {latents} disentangled"
    if not guarantee.n_lost:
        return f"{text}, as from all causes."
    return f"{text}; {plural(guarantee.n_lost, 'ordered pair')} of latents that the graph separates may stay entangled."


def _budget_sentence(guarantee: Guarantee, influence: InfluenceReport | None) -> str:
    budget = guarantee.budget
    parts = []
    if budget.actions is not None:
        columns = "column" if len(guarantee.actions) == 1 else "columns"
        parts.append(
            f"{plural(budget.actions, 'edge')} in the {columns} of {listed(guarantee.actions)} in G^a"
        )
    if budget.past is not None:
        parts.append(f"{plural(budget.past, 'edge')} in G^z")
    # joint influence is about the sparsest graph of all actions
    suffices = influence is not None and influence.joint is not None and bool(influence.joint)
    total = (
        "With joint influence, a budget for all edges of actions together is enough as well."
        if suffices
        else "A budget for all edges together is not enough."
    )
    return f"The budget for it: at most {' and '.join(parts)}; all other edges are free. {total}"
