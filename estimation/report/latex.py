"""Tables of results in LaTeX (package ``booktabs``)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from estimation.exceptions import DataError
from estimation.report.rows import (
    INFLUENCE_COLUMNS,
    LATENT_COLUMNS,
    TRUST_COLUMNS,
    influence_rows,
    latent_rows,
    trust_rows,
)
from identify.report.latex_table import latex_table
from identify.wording import plural

if TYPE_CHECKING:
    from estimation.evaluation.comparison import Comparison
    from estimation.evaluation.scores import Evaluation
    from estimation.evaluation.verification import Verification
    from estimation.influence.result import InfluenceTest

__all__ = ["comparison_latex", "evaluation_latex", "influence_latex", "verification_latex"]

_LATENTS = r"ll" + 2 * r"p{0.24\linewidth}" + "l"
_TRUST = r"lp{0.2\linewidth}llllp{0.25\linewidth}"
_INFLUENCE = r"lp{0.2\linewidth}lllp{0.25\linewidth}"


def evaluation_latex(outcome: Evaluation) -> str:
    r"""Write the predicted and the learned mixing of every latent, with the scores in the caption.

    Args:
        outcome: Result of `estimation.evaluation.evaluate`, with true latents and a true graph.

    Returns:
        LaTeX source that requires ``\usepackage{booktabs}``.

    Raises:
        DataError: If the data had no true latents or no true graph.
    """
    if outcome.comparison is None or outcome.scores is None:
        raise DataError(
            "the LaTeX table compares with the truth, and the data lack true latents or a true graph"
        )
    scores = outcome.scores
    values = [("MCC", scores.mcc), ("R_con", scores.r_con), ("R", scores.r)]
    texts = [f"{name} {value:.3f}" for name, value in values if value is not None]
    texts += [] if outcome.shd is None else [f"SHD {outcome.shd}"]
    return comparison_latex(outcome.comparison, f"{outcome.comparison.verdict} {', '.join(texts)}.")


def comparison_latex(comparison: Comparison, caption: str = "") -> str:
    r"""Write the predicted and the learned mixing of every latent.

    Args:
        comparison: Predicted and learned entanglement.
        caption: The caption; by default the verdict.

    Returns:
        LaTeX source that requires ``\usepackage{booktabs}``.

    Example:
        >>> import numpy as np
        >>> from estimation.evaluation.comparison import compare
        >>> from estimation.learned import LearnedEntanglement
        >>> from identify.entanglement import predict_entanglement
        >>> from identify.graph import CausalGraph
        >>> predicted = predict_entanglement(CausalGraph(Ga=[[1, 0], [1, 1]], latents=["speed", "mass"]))
        >>> strengths = np.array([[0.2, 1.0], [0.9, 0.0]])
        >>> learned = LearnedEntanglement(strengths, 0.1, "jacobian", ("speed", "mass"), ("v0", "v1"))
        >>> print(comparison_latex(compare(predicted, learned)).splitlines()[7].strip())
        speed & v1 & mass & mass & as predicted \\
    """
    rows = [row.cells() for row in latent_rows(comparison)]
    return latex_table(caption or comparison.verdict, _LATENTS, LATENT_COLUMNS, rows)


def verification_latex(verification: Verification) -> str:
    r"""Write how far the other runs confirm each latent of the best one.

    Args:
        verification: Result of `estimation.evaluation.verification.verify`.

    Returns:
        LaTeX source that requires ``\usepackage{booktabs}``.
    """
    return latex_table(verification.summary, _TRUST, TRUST_COLUMNS, trust_rows(verification))


def influence_latex(test: InfluenceTest) -> str:
    r"""Write the verdict on every action.

    Args:
        test: Result of `estimation.influence.test_influence`.

    Returns:
        LaTeX source that requires ``\usepackage{booktabs}``.
    """
    caption = f"{test.summary} Tested on {plural(test.n_rows, 'held-out row')}, level {test.level:g}."
    return latex_table(caption, _INFLUENCE, INFLUENCE_COLUMNS, influence_rows(test))
