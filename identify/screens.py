"""What a sparse model finds if every action is on or off, with one generic effect: the verdict on a screen.

Sufficient influence, decided one action at a time, fails for every on/off action on two latents or more. A learned
latent needs one edge for each action that moves it, so a model with the sparsest graph is a basis of the latent space
that few actions move. The predicted entanglement V is that of joint influence, not the one that the neighbourhoods of
the graph imply. (Ours: docs/screens.md, docs/theory.md.)
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import scipy

from identify.conditions import Condition, unproved_conditions
from identify.entanglement import Entanglement
from identify.exceptions import RequestError
from identify.graph import CausalGraph
from identify.names import quoted
from identify.neighbourhoods import ACTIONS, neighbourhoods, resolve_using
from identify.preorder import row_inclusion
from identify.wording import plural

if TYPE_CHECKING:
    from identify.influence import JointInfluence

__all__ = [
    "fewer_edges",
    "joint_conditions",
    "joint_influence_of",
    "predict_joint_entanglement",
    "require_effects",
]

# latents and actions are dense here
_MAX_LATENTS = 1_000
_STATUS = {"holds": "proved", "fails": "refuted", "undecided": "assumed"}


def require_effects(effects: str | None) -> None:
    """Check the value of ``effects``.

    Raises:
        RequestError: If it is neither ``"shifts"`` nor None.
    """
    if effects not in (None, "shifts"):
        raise RequestError(f"effects is {quoted(str(effects))}; it must be 'shifts' or None")


def joint_influence_of(
    graph: CausalGraph, using: str | Iterable[str] | None = None, time_limit: float = 60
) -> JointInfluence:
    """Decide joint influence of the actions of a graph, each with one generic effect.

    Args:
        graph: The causal graph.
        using: See `identify.criterion.check`; only actions count here.
        time_limit: Time limit in seconds.

    Raises:
        RequestError: If the past is in use, or the graph has more than 1,000 latents.
    """
    from identify.influence.joint import check_joint_generic

    if graph.Gz.nnz if using is None else resolve_using(graph, using) != {ACTIONS}:
        raise RequestError(
            "effects='shifts' uses the actions of a graph and not its past; using='actions' leaves the past out"
        )
    if graph.n_latents > _MAX_LATENTS:
        raise RequestError(
            f"the graph has {graph.n_latents:,} latents; effects='shifts' is supported for at most {_MAX_LATENTS:,}"
        )
    return check_joint_generic(graph, time_limit=time_limit)


def predict_joint_entanglement(graph: CausalGraph, joint: JointInfluence) -> Entanglement:
    """Return V of joint influence; every latent stays entangled with all others if V was not determined.

    V of on/off actions with generic effects is reflexive and transitive (docs/theory.md), so its blocks and their order
    determine it, as they do V of the graphical criterion.

    Args:
        graph: The causal graph.
        joint: Joint influence of its actions.

    Example:
        >>> graph = CausalGraph(Ga=[[1, 1, 0, 0], [1, 0, 1, 0], [0, 0, 0, 1]])
        >>> predict_joint_entanglement(graph, joint_influence_of(graph)).blocks
        ((0, 1), (2,))
    """
    neighbours = neighbourhoods(graph, ACTIONS)
    n = graph.n_latents
    # i stays entangled with j iff everything that stays entangled with i also stays entangled with j
    columns = (
        scipy.sparse.csr_array((n, 0), dtype=bool)
        if joint.entanglement is None
        else scipy.sparse.csr_array(joint.entanglement.T)
    )
    order = row_inclusion(columns)
    return Entanglement(neighbours, order.labels, order.above)


def joint_conditions(joint: JointInfluence) -> tuple[Condition, ...]:
    """Return the conditions under which a verdict on on/off actions is a guarantee."""
    return (
        *unproved_conditions(),
        Condition("the effects of the actions are generic: they satisfy no exact relation", "assumed"),
        Condition(
            "joint influence of the actions",
            _STATUS[joint.status],
            joint.reason,
            ("more interventions; design_interventions(..., effects='shifts') finds few",)
            if joint.status == "fails"
            else (),
        ),
    )


def fewer_edges(joint: JointInfluence) -> str:
    """Return in words how many edges fewer than the true latents a sparser basis needs.

    Example:
        >>> fewer_edges(joint_influence_of(CausalGraph(Ga=[[1, 1, 0], [1, 0, 1], [0, 1, 1]])))
        '3 edges fewer'
    """
    at_least = "" if joint.sparsest_weights is not None else "at least "
    return f"{at_least}{plural(joint.n_fewer, 'edge')} fewer"
