"""`mechsparse report`: a page from a model, with or without data, and one-line errors."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.estimation.command_line import Captured, error_of, json_of, output_of
from tests.html_pages import checked

pytestmark = pytest.mark.usefixtures("working_directory")


def test_report_writes_one_page_without_data(capsys: Captured) -> None:
    printed = output_of(capsys, "report", "a", "-o", "results.html")
    assert "wrote results.html" in printed
    page = checked(Path("results.html").read_text(encoding="utf-8"))
    assert "Results of a" in page.text
    assert "what the model predicts" in page.text


def test_report_with_ground_truth_has_scores(capsys: Captured) -> None:
    output_of(capsys, "report", "a", "test.npz", "-o", "results.html")
    page = checked(Path("results.html").read_text(encoding="utf-8"))
    assert "MCC" in page.text
    assert "Predicted and learned entanglement" in page.text
    assert "encoded rows of the data" in page.text


def test_report_prints_json(capsys: Captured) -> None:
    content = json_of(capsys, "report", "a", "-o", "results.html")
    assert content["page"] == "results.html"
    assert content["diagnostics"] is None
    assert content["headline"] == "This run was not examined."


def test_report_writes_to_standard_output(capsys: Captured) -> None:
    checked(output_of(capsys, "report", "a", "-o", "-"))


def test_errors_are_one_line(capsys: Captured) -> None:
    assert "the file of the page is missing; give it as -o results.html" in error_of(capsys, "report", "a")
    assert "no such folder" in error_of(capsys, "report", "a", "-o", "missing/results.html")
    assert "nothing" in error_of(capsys, "report", "nothing", "-o", "results.html")
    assert "no such file" in error_of(capsys, "report", "a", "missing.csv", "-o", "results.html")
    Path("other.csv").write_text("x0,a0\n1,0\n2,1\n", encoding="utf-8")
    assert "the data have 1 observed dimensions" in error_of(
        capsys, "report", "a", "other.csv", "-o", "results.html"
    )
    assert not Path("results.html").exists()
