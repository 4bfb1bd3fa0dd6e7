"""The sentences of a verdict, said once for the terminal, markdown, HTML and figures."""

from __future__ import annotations

from identify.criterion import Verdict
from identify.wording import plural

__all__ = [
    "ASSUMPTIONS",
    "CONDITION_COLUMNS",
    "CONVENTION",
    "condition_cells",
    "promise",
    "summary",
]

CONVENTION = (
    "Rows are children: row i of G^z and G^a lists the parents of latent i. A latent stays entangled with "
    "another when the learned latent that matches it may be a function of both."
)

# (what is assumed, what for), in the words of the paper's conditions
ASSUMPTIONS = (
    (
        "The decoder is a diffeomorphism onto its image",
        "so that learned and true latents are functions of each other",
    ),
    ("The model fits the data distribution", "so that the learned latents follow the same mechanisms"),
    ("The learned graph is no denser than the true one", "which a sparsity penalty or an edge budget is for"),
    (
        "Sufficient influence: each cause moves its children in enough different ways",
        "without it the graph promises nothing; an action with several targets needs more than one setting",
    ),
)


def summary(verdict: Verdict) -> str:
    """What the answer means, in two or three sentences."""
    if verdict.complete:
        return (
            "Every latent is separated from every other. With sufficient influence, a model that fits the "
            "data with a graph as sparse as this one recovers each latent up to its own invertible "
            "rescaling, in some order."
        )
    tangled = verdict.graph.n_latents - verdict.n_disentangled
    free = len(verdict.unconstrained)
    text = (
        f"Nothing in the graph separates {plural(tangled, 'latent')} from some others, so they may stay "
        "entangled; the rest can be recovered one by one, with sufficient influence."
        if verdict.n_disentangled
        else "Every latent has others that nothing in the graph separates it from."
    )
    if free:
        text += f" Nothing that is used constrains {plural(free, 'latent')}: no parent, no child."
    return text


CONDITION_COLUMNS = ("condition", "status", "because", "what would mend it")


def condition_cells(verdict: Verdict) -> list[tuple[str, ...]]:
    """The rows of a table of the conditions, `CONDITION_COLUMNS`; none when influence was not decided."""
    if verdict.influence is None:
        return []
    return [(c.name, c.status, c.reason, "; or ".join(c.repairs)) for c in verdict.conditions]


def promise(verdict: Verdict) -> str:
    """What is left of the promise once sufficient influence is decided; empty when it was not."""
    if verdict.influence is None:
        return ""
    if verdict.refuted:
        broken = ", ".join(
            condition.name.removeprefix("sufficient influence of ") for condition in verdict.refuted
        )
        return f"Sufficient influence is refuted for {broken}: what the graph says is no promise for these mechanisms."
    open_ones = [c for c in verdict.conditions if c.name.startswith("sufficient") and c.status == "assumed"]
    if open_ones:
        return f"Sufficient influence is proved for all but {plural(len(open_ones), 'cause')}, where it is assumed."
    return "Sufficient influence is proved for every cause that is used."
