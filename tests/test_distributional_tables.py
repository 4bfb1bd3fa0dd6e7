"""The page on causes that change variance or shape: its table is from stored runs of the benchmark."""

from __future__ import annotations

import json

import numpy as np
import pytest

from tests.benchmarks.distributional_runs import KINDS, SAMPLERS, data_of, runs
from tests.documentation import docs_module, page
from tests.seeds import training_seed

TABLES = docs_module("distributional_tables")
RECORDS = [json.loads(line) for line in TABLES.FILE.read_text(encoding="utf-8").splitlines()]


def test_the_stored_runs_are_those_of_the_benchmark() -> None:
    stored = [record["run"] for record in RECORDS]
    known = list(runs())
    assert all(run in known for run in stored)
    assert len({json.dumps(run) for run in stored}) == len(stored)
    assert {run["kind"] for run in stored} == set(KINDS)


def test_the_page_has_the_table() -> None:
    text = TABLES.fill_page(page("variance_and_shape"))
    assert "<!--" not in text
    assert "| variance exp(1.5 E), mean 0 | 301 | 5 | 0.9" in text
    with pytest.raises(ValueError, match="the page has no <!-- runs -->"):
        TABLES.fill_page("# A page")


@pytest.mark.parametrize("kind", SAMPLERS)
def test_kinds_change_what_they_say(kind: str) -> None:
    """In rows of equal effects, means move or stay at 0, and the variance stays or moves."""
    rng = np.random.default_rng(training_seed())
    samples = [SAMPLERS[kind](np.full(200_000, effect), rng) for effect in (-1.0, 1.0)]
    means, variances = [sample.mean() for sample in samples], [sample.var() for sample in samples]
    moves_mean, moves_variance = kind not in ("variance", "separation", "skewness"), kind == "variance"
    assert np.allclose(means, (-1, 1) if moves_mean else 0, atol=0.02)
    assert np.isclose(variances[1] / variances[0], np.exp(3) if moves_variance else 1, rtol=0.03)


def test_processes_have_the_graphs_that_the_page_names() -> None:
    graph = data_of("variance", 301, 500).graph
    assert graph is not None
    assert graph.n_edges == 7
    for kind in ("past_variance", "past_mean"):
        with_past = data_of(kind, 301, 500).graph
        assert with_past is not None
        assert with_past.Gz.toarray().sum() == 7
        assert with_past.Ga.toarray().sum() == (7 if kind == "past_mean" else 0)
    screen = data_of("screen", 404, 500)
    assert screen.graph is not None
    assert screen.actions is not None
    assert (screen.graph.Ga.toarray().sum(0) == 2).all()
    assert set(np.unique(screen.actions)) == {0, 1}
