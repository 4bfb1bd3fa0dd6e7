"""Sachs et al.'s cells: made-up cells with known blocks, the stored result, and what the known targets predict."""

from __future__ import annotations

import csv
import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest

from identify.catalog import load
from identify.criterion import check
from tests.benchmarks.systems.sachs import (
    CONDITIONS,
    PROTEINS,
    boundaries,
    cells,
    change_points,
    read_cells,
)
from tests.documentation import DOCS
from tests.seeds import training_seed

STORED = DOCS / "results" / "sachs.json"


def made_up(tmp_path: Path) -> Path:
    """Write positive numbers with the columns and numbers of rows of the package."""
    rng = np.random.default_rng(training_seed(0))
    columns = ["praf", "pmek", "plcg", "PIP2", "PIP3", "p44/42", "pakts473", "PKA", "PKC", "P38", "pjnk"]
    path = tmp_path / "cyto_full_data.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(np.exp(rng.normal(size=(7466, 11))))
    return path


def test_cells_are_read_and_split_by_condition(tmp_path: Path) -> None:
    values = read_cells(made_up(tmp_path))
    train, held_out = cells(values), cells(values, held_out=True)
    assert train.observation_names == PROTEINS
    assert train.action_names == tuple(CONDITIONS)[1:]
    assert train.actions is not None
    assert held_out.actions is not None
    assert train.n_samples + held_out.n_samples == 7466
    counts = train.actions.sum(0) + held_out.actions.sum(0)
    assert counts.tolist() == list(CONDITIONS.values())[1:]
    assert train.actions.sum(1).max() == 1
    assert train.observations[0, 0] == pytest.approx(np.log(values[1]), rel=1e-6)


def test_other_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.csv"
    path.write_text("a,b\n1,2\n", encoding="utf-8")
    with pytest.raises(
        ValueError, match=r"other.csv has the columns a, b and 1 rows; is it that of cdt 0.6.0\?"
    ):
        read_cells(path)


def test_change_points_find_the_limits_of_blocks() -> None:
    rng = np.random.default_rng(training_seed(1))
    sizes, shifts = [500, 700, 400, 600], rng.normal(size=(4, 6)) * 2
    values = np.concatenate([rng.normal(size=(n, 6)) + shift for n, shift in zip(sizes, shifts, strict=True)])
    assert change_points(values, 3) == pytest.approx(np.cumsum(sizes)[:-1], abs=15)


def test_the_known_targets_separate_five_of_the_eleven_molecules() -> None:
    graph = load("Sachs interventions")
    verdict = check(graph)
    assert not verdict
    assert verdict.n_disentangled == 5
    assert set(graph.latents) == set(PROTEINS)


def test_the_stored_changes_are_at_the_published_limits() -> None:
    stored = json.loads(STORED.read_text(encoding="utf-8"))
    assert stored["change points"] == pytest.approx(boundaries(), abs=10)


@pytest.mark.skipif(importlib.util.find_spec("cdt") is None, reason="needs the file of cdt: see the module")
def test_the_rows_of_the_package_change_at_the_published_limits() -> None:
    spec = importlib.util.find_spec("cdt")
    assert spec is not None
    assert spec.origin is not None
    values = read_cells(Path(spec.origin).parent / "data" / "resources" / "cyto_full_data.csv")
    assert change_points(values, len(CONDITIONS) - 1) == pytest.approx(boundaries(), abs=10)
