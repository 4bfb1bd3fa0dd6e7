"""`latex_table`: rows of text as a LaTeX table (package ``booktabs``)."""

from __future__ import annotations

from collections.abc import Sequence

from identify.terminal import printable

__all__ = ["latex_table"]

_SPECIAL = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    **{letter: f"\\{letter}" for letter in "&%$#_{}"},
}


def latex_table(caption: str, align: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    r"""Write rows of text as a ``table`` environment.

    Args:
        caption: The caption.
        align: Column specification of ``tabular``.
        columns: Headers of the columns.
        rows: Rows of as many cells.

    Returns:
        LaTeX source that requires ``\usepackage{booktabs}``. Caption and cells are escaped.

    Example:
        >>> print(latex_table("Scores.", "lr", ["score", "value"], [["R & MCC", "0.98"]]))
        \begin{table}
          \centering\small\setlength{\tabcolsep}{4pt}
          \caption{Scores.}
          \begin{tabular}{lr}
            \toprule
            score & value \\
            \midrule
            R \& MCC & 0.98 \\
            \bottomrule
          \end{tabular}
        \end{table}
        <BLANKLINE>
    """
    body = "\n".join(f"    {_row(row)}" for row in rows)
    return (
        "\\begin{table}\n  \\centering\\small\\setlength{\\tabcolsep}{4pt}\n"
        f"  \\caption{{{_escape(caption)}}}\n  \\begin{{tabular}}{{{align}}}\n"
        f"    \\toprule\n    {_row(columns)}\n    \\midrule\n{body}\n    \\bottomrule\n"
        "  \\end{tabular}\n\\end{table}\n"
    )


def _row(cells: Sequence[str]) -> str:
    text = " & ".join(_escape(cell) for cell in cells)
    # after the end of a row or a rule, LaTeX reads [ and * as the beginning of an argument
    return f"{'{}' * text.startswith(('[', '*'))}{text} \\\\"


def _escape(text: str) -> str:
    return "".join(_SPECIAL.get(letter, letter) for letter in printable(text))
