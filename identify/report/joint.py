"""What a sparse model finds from on/off actions, in sentences and as a table of competing directions."""

from __future__ import annotations

from identify.criterion import Verdict
from identify.screens import fewer_edges
from identify.wording import listed, plural

__all__ = [
    "DIRECTION_COLUMNS",
    "direction_cells",
    "directions_title",
    "joint_reason",
    "joint_remedy",
    "joint_summary",
]

DIRECTION_COLUMNS = ("combination of", "in the place of", "moved by", "cancels")


def joint_summary(verdict: Verdict) -> str:
    """Return in two or three sentences what joint influence means for a model; empty without on/off actions."""
    joint, n = verdict.joint, verdict.n_disentangled
    if joint is None:
        return ""
    if joint.status == "undecided":
        return f"Joint influence is undecided: {joint.reason}. Nothing is promised."
    if joint:
        return (
            "The true latents are the one sparsest basis: every combination of several latents is moved by more "
            "actions than each latent in it. For generic effects, a model that fits the data with a graph as sparse as "
            "this one recovers each latent up to an invertible transformation of that latent alone, and up to their "
            "order."
        )
    entangled = plural(verdict.graph.n_latents - n, "latent")
    stay = "stays" if verdict.graph.n_latents - n == 1 else "stay"
    rest = "the rest are recovered one by one" if n else "no latent is recovered alone"
    if joint.n_fewer:
        return (
            f"The true latents are not a sparsest basis: a basis with {fewer_edges(joint)} has combinations of them as "
            f"latents, so a sparse model finds wrong latents. {entangled} {stay} entangled; {rest}."
        )
    return (
        "The true latents are a sparsest basis, but others have as few edges, and a sparse model may find any of them: "
        f"{entangled} {stay} entangled; {rest}."
    )


def directions_title(verdict: Verdict) -> str:
    """Return the heading of the table of directions."""
    wrong = verdict.joint is not None and verdict.joint.n_fewer
    return "Wrong latents of a sparser basis" if wrong else "Combinations as sparse as a latent"


def direction_cells(verdict: Verdict, n_max: int | None = None) -> list[tuple[str, ...]]:
    """Return the rows of a table of competing directions, `DIRECTION_COLUMNS`, for the first of them."""
    if verdict.joint is None:
        return []
    return [
        (
            listed(direction.latents),
            listed(direction.beside),
            plural(direction.weight, "action"),
            listed(direction.cancelled) or "none",
        )
        for direction in verdict.joint.directions[:n_max]
    ]


def joint_reason(verdict: Verdict, latents: tuple[str, ...]) -> str:
    """Return why the latents of a block stay entangled, for on/off actions."""
    joint = verdict.joint
    if joint is None or joint.entanglement is None:
        return "joint influence is undecided"
    if not joint.weights[verdict.graph.index(latents[0])]:
        return "no action moves it" if len(latents) == 1 else "no action moves them"
    may_be = "may be" if joint.n_fewer else "are"
    return f"combinations with them {may_be} moved by no more actions than the latents that they replace"


def joint_remedy(verdict: Verdict, latents: tuple[str, ...]) -> str:
    """Return what would separate the latents of a block from all others, for on/off actions."""
    joint = verdict.joint
    if joint is None or joint.status == "undecided":
        return "a longer time limit"
    what = "actions" if joint.n_fewer else "an action"
    if len(latents) == 1:
        return f"{what} on {latents[0]} alone"
    return f"for each of {listed(latents)}: {what} on it alone"
