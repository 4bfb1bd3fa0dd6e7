"""`certify`: the learned entanglement beside what is proved to be guaranteed for known mechanisms.

The prediction of `estimation.evaluation.evaluate` assumes sufficient influence. With mechanisms, sufficient influence
is decided, and only the causes where it is proved guarantee anything (ours, docs/theory.md, "When influence fails for
some causes").
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from estimation.evaluation.comparison import Comparison, compare
from estimation.evaluation.scores import Evaluation
from estimation.exceptions import DataError
from identify.criterion import Verdict, check

if TYPE_CHECKING:
    from identify.influence import InfluenceReport

__all__ = ["CertifiedEntanglement", "certify"]


@dataclass(frozen=True, eq=False)
class CertifiedEntanglement:
    """The verdict for mechanisms whose influence was decided, and the learned entanglement against its guarantee.

    Attributes:
        verdict: The verdict, with its conditions and its guarantee.
        comparison: The learned entanglement against the guarantee; None without true latents.
    """

    verdict: Verdict
    comparison: Comparison | None

    def to_dict(self) -> dict[str, Any]:
        """Return both as a dictionary that JSON can hold."""
        comparison = None if self.comparison is None else self.comparison.to_dict()
        return {"verdict": self.verdict.to_dict(), "comparison": comparison}


def certify(evaluation: Evaluation, influence: InfluenceReport) -> CertifiedEntanglement:
    """Compare the learned entanglement of an evaluation with what the decided influence guarantees.

    A model that was trained with a budget for all columns need not respect the guarantee: that needs a budget for the
    columns of the causes with proved influence (`Guarantee.budget`).

    Args:
        evaluation: The evaluation of a model on data with the true graph.
        influence: The report of `identify.influence.check_influence` on the mechanisms of these data.

    Raises:
        DataError: If the data have no true graph.
        RequestError: If the report is about other causes than the graph.

    Example:
        >>> import numpy as np
        >>> from estimation.learned import LearnedEntanglement
        >>> from identify.graph import CausalGraph
        >>> from identify.influence import Influence, InfluenceReport, Influences
        >>> graph = CausalGraph(Ga=[[1, 0], [0, 1]], latents=["speed", "mass"], actions=["push", "load"])
        >>> learned = LearnedEntanglement(np.eye(2), 0.1, "jacobian", graph.latents, ("v0", "v1"))
        >>> answers = {name: Influence(name, "holds", None, "") for name in graph.actions}
        >>> report = InfluenceReport("nonparametric", Influences(answers), None)
        >>> certified = certify(Evaluation(None, graph, graph, learned=learned), report)
        >>> certified.verdict.guaranteed, bool(certified.comparison)
        (True, True)
    """
    if evaluation.graph is None:
        raise DataError("the data have no true graph, so that nothing can be certified for it")
    verdict = check(evaluation.graph, influence=influence)
    guarantee = verdict.guarantee
    assert guarantee is not None
    learned = evaluation.learned
    return CertifiedEntanglement(
        verdict, None if learned is None else compare(guarantee.entanglement, learned)
    )
