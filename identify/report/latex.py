"""A verdict as a LaTeX table (package ``booktabs``)."""

from __future__ import annotations

from collections.abc import Mapping

from identify.criterion import Verdict
from identify.guarantee import Guarantee
from identify.report.latex_table import latex_table
from identify.report.rows import GRAPH_COLUMNS, block_rows, graph_rows
from identify.wording import listed

__all__ = ["to_latex"]

# columns with line breaks for long lists of names
_WIDE = r"p{0.45\linewidth}p{0.45\linewidth}"
_NARROW = r"p{0.2\linewidth}" + 3 * r"p{0.24\linewidth}"
_LOSS_COLUMNS = (
    "latent",
    "stays entangled with",
    "of these, separated by the graph",
    "won back by influence of",
)


def to_latex(verdicts: Verdict | Mapping[str, Verdict]) -> str:
    r"""Write one or several verdicts as a ``table`` environment.

    Args:
        verdicts: Verdict (one row per block; if influence fails for some causes, one row per latent that stays
            entangled), or mapping from names of graphs to verdicts (one row per graph).

    Returns:
        LaTeX source that requires ``\usepackage{booktabs}``. Names are escaped.

    Example:
        >>> from identify.catalog import load
        >>> from identify.criterion import check
        >>> print(to_latex(check(load("identical-twins"))))
        \begin{table}
          \centering\small\setlength{\tabcolsep}{4pt}
          \caption{Not completely disentangled: 1 of 3 latents, using actions.}
          \begin{tabular}{p{0.45\linewidth}p{0.45\linewidth}}
            \toprule
            latents & stay entangled with \\
            \midrule
            other & none \\
            left, right & each other \\
            \bottomrule
          \end{tabular}
        \end{table}
        <BLANKLINE>
    """
    if isinstance(verdicts, Verdict) and verdicts.guarantee is not None and verdicts.guarantee.n_lost:
        return latex_table(f"{verdicts.headline}.", _NARROW, _LOSS_COLUMNS, _latents(verdicts.guarantee))
    if isinstance(verdicts, Verdict):
        return latex_table(
            f"{verdicts.headline}.", _WIDE, ("latents", "stay entangled with"), _blocks(verdicts)
        )
    rows = [row.cells() for row in graph_rows(verdicts)]
    return latex_table(
        "Disentanglement by mechanism sparsity.", r"p{0.4\linewidth}rrrrrl", GRAPH_COLUMNS, rows
    )


def _blocks(verdict: Verdict) -> list[tuple[str, str]]:
    disentangled = [
        name
        for name, is_disentangled in zip(
            verdict.graph.latents, verdict.entanglement.disentangled, strict=True
        )
        if is_disentangled
    ]
    rows = [(listed(row.latents, 12), row.entangled_with(12)) for row in block_rows(verdict)]
    return [(listed(disentangled, 12), "none"), *rows] if disentangled else rows


def _latents(guarantee: Guarantee) -> list[tuple[str, ...]]:
    entanglement, names = guarantee.entanglement, guarantee.graph.latents
    is_disentangled = entanglement.disentangled.tolist()
    disentangled = [name for name, found in zip(names, is_disentangled, strict=True) if found]
    rows: list[tuple[str, ...]] = [(listed(disentangled, 12), "none", "none", "")] if disentangled else []
    for i, name in enumerate(names):
        if not is_disentangled[i]:
            others = [names[j] for j in entanglement.row(i).tolist() if j != i]
            loss = guarantee.lost.of(i)
            rows.append((name, listed(others), listed(loss.entangled_with) or "none", loss.remedy))
    return rows
