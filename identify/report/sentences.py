"""Sentences of a verdict, shared by terminal, markdown and HTML."""

from __future__ import annotations

from identify.criterion import Verdict
from identify.wording import plural

__all__ = [
    "ASSUMPTIONS",
    "CONDITION_COLUMNS",
    "CONVENTION",
    "condition_cells",
    "influence_sentence",
    "summary",
]

CONVENTION = (
    "Rows are children: row i of G^z and G^a lists the parents of latent i. A latent stays entangled with "
    "another if the learned latent that matches it may be a function of both."
)

# (assumption, purpose), in the words of the paper's conditions
ASSUMPTIONS = (
    (
        "The decoder is a diffeomorphism onto its image",
        "so that learned and true latents are functions of each other",
    ),
    ("The model fits the data distribution", "so that the learned latents follow the same mechanisms"),
    ("The learned graph is no denser than the true one", "as a sparsity penalty or an edge budget ensures"),
    (
        "Sufficient influence: each cause moves its children in enough different ways",
        "without which the graph guarantees nothing; an action with several targets needs more than one setting",
    ),
)


def summary(verdict: Verdict) -> str:
    """Return in two or three sentences what the verdict means."""
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
    if verdict.influence is None:
        return []
    return [(c.name, c.status, c.reason, "; or ".join(c.repairs)) for c in verdict.conditions]


def influence_sentence(verdict: Verdict) -> str:
    """Return in a sentence what the decision on sufficient influence means; empty if there is none."""
    if verdict.influence is None:
        return ""
    if verdict.refuted:
        causes = ", ".join(
            condition.name.removeprefix("sufficient influence of ") for condition in verdict.refuted
        )
        return f"Sufficient influence is refuted for {causes}: the graph guarantees nothing for these mechanisms."
    assumed = [c for c in verdict.conditions if c.name.startswith("sufficient") and c.status == "assumed"]
    if assumed:
        return f"Sufficient influence is proved for all but {plural(len(assumed), 'cause')}, where it is assumed."
    return "Sufficient influence is proved for every cause that is used."
