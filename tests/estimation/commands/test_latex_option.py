"""``--latex`` of the commands that compare and test: the rows of the table on the terminal, in LaTeX."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from estimation.checkpoint import load
from estimation.dataset import Dataset
from estimation.evaluation import evaluate
from estimation.evaluation.comparison import compare
from estimation.evaluation.verification import verify
from estimation.exceptions import DataError
from estimation.influence import test_influence as assess_influence
from estimation.learned import learned_entanglement
from estimation.report.latex import (
    comparison_latex,
    evaluation_latex,
    influence_latex,
    verification_latex,
)
from estimation.report.rows import influence_rows, latent_rows, trust_rows
from identify.entanglement import predict_entanglement
from tests.estimation.command_line import Captured, error_of, output_of

LATEX = Path("table.tex")


def cells_of(source: str) -> list[list[str]]:
    """Return the cells of the rows below the header."""
    body = source.split("\\midrule\n")[1].split("    \\bottomrule", maxsplit=1)[0]
    return [line.strip().removesuffix(r" \\").split(" & ") for line in body.splitlines()]


def plain(cells: list[tuple[str, ...]]) -> list[list[str]]:
    return [
        [cell.replace("_", r"\_").replace("%", r"\%").replace("&", r"\&") for cell in row] for row in cells
    ]


@pytest.mark.usefixtures("working_directory")
def test_evaluate_and_compare_write_their_latents(capsys: Captured) -> None:
    output_of(capsys, "evaluate", "a", "test.npz", "--latex", LATEX)
    outcome = evaluate(load("a"), Dataset.read("test.npz"))
    assert outcome.comparison is not None
    text = LATEX.read_text(encoding="utf-8")
    assert text == evaluation_latex(outcome)
    assert cells_of(text) == plain([row.cells() for row in latent_rows(outcome.comparison)])
    assert (
        f"MCC {outcome.mcc:.3f}, R\\_con {outcome.r_con:.3f}, R {outcome.r:.3f}, SHD {outcome.shd}." in text
    )
    output_of(capsys, "compare", "a", "b", "test.npz", "--latex", LATEX)
    first, second = load("a"), load("b")
    learned = learned_entanglement(first, Dataset.read("test.npz"), other=second)
    expected = comparison_latex(compare(predict_entanglement(first.graph), learned))
    assert LATEX.read_text(encoding="utf-8") == expected


@pytest.mark.usefixtures("working_directory")
def test_verify_writes_how_far_latents_are_confirmed(capsys: Captured) -> None:
    output_of(capsys, "verify", "a", "b", "--data", "test.npz", "--latex", LATEX)
    verification = verify({"a": load("a"), "b": load("b")}, Dataset.read("test.npz"))
    text = LATEX.read_text(encoding="utf-8")
    assert text == verification_latex(verification)
    assert cells_of(text) == plain(trust_rows(verification))


@pytest.mark.usefixtures("working_directory")
def test_influence_writes_its_actions(capsys: Captured) -> None:
    output_of(capsys, "influence", "a", "test.npz", "--latex", LATEX)
    tested = assess_influence(load("a"), Dataset.read("test.npz"))
    text = LATEX.read_text(encoding="utf-8")
    assert text == influence_latex(tested)
    assert cells_of(text) == plain(influence_rows(tested))
    assert "held-out rows, level 0.05." in text


@pytest.mark.usefixtures("working_directory")
def test_without_truth_or_folder_there_is_no_table(capsys: Captured) -> None:
    data = Dataset.read("test.npz")
    np.savez("unknown.npz", x=data.observations, a=data.actions)
    message = error_of(capsys, "evaluate", "a", "unknown.npz", "--latex", LATEX)
    assert "unknown.npz: lacks true latents or the true graph, which --latex needs; leave it out" in message
    assert not LATEX.exists()
    with pytest.raises(
        DataError, match="the LaTeX table compares with the truth, and the data lack true latents"
    ):
        evaluation_latex(evaluate(load("a"), Dataset.read("unknown.npz")))
    for command in (
        ("evaluate", "a", "test.npz"),
        ("compare", "a", "b", "test.npz"),
        ("verify", "a", "b", "--data", "test.npz"),
        ("influence", "a", "test.npz"),
    ):
        message = error_of(capsys, *command, "--latex", "nowhere/table.tex")
        assert "nowhere/table.tex: no such folder nowhere" in message
