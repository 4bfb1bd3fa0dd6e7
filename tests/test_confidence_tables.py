"""The tables of the confidence in edges and latents, from stored results, and the script that measured them."""

from __future__ import annotations

import json

import numpy as np
import pytest

from estimation.diagnostics.confidence import COEFFICIENTS, FEATURES
from estimation.diagnostics.latent_confidence import LATENT_COEFFICIENTS
from tests.benchmarks.promise.calibrate import fit_coefficients, fit_latent_coefficients
from tests.benchmarks.promise.run import SEED
from tests.documentation import docs_module, page
from tests.seeds import training_seed

TABLES = docs_module("confidence_tables")
RECORDS = [json.loads(line) for line in TABLES.FILE.read_text(encoding="utf-8").splitlines()]


def test_no_run_is_one_of_the_benchmark_and_both_halves_have_runs() -> None:
    trained = [record["problem"] for record in RECORDS if record["variant"] == "as trained"]
    seeds = [record["model_seed"] for record in RECORDS if record["variant"] == "as trained"]
    problems = [(each["seed"], each["number"], seed) for each, seed in zip(trained, seeds, strict=True)]
    assert len(set(problems)) == len(problems)
    assert all(seed != SEED for seed, *_ in problems)
    assert all(record["variant"] == "as trained" for record in TABLES.judged_records())
    n_judged = len(TABLES.judged_records())
    assert 0 < n_judged < len(RECORDS)


def test_every_pair_has_all_features() -> None:
    for record in RECORDS:
        pairs = np.array(record["pairs"])
        assert pairs.shape[1] == len(FEATURES) + 1
        assert set(pairs[:, -1].tolist()) <= {0, 1}


def test_every_latent_has_all_features() -> None:
    for record in RECORDS:
        latents = np.array(record["latents"])
        if len(latents):
            assert latents.shape[1] == len(LATENT_COEFFICIENTS) + 1
            assert set(latents[:, -1].tolist()) <= {0, 1}
    assert any(record["latents"] for record in TABLES.judged_records())


def test_the_page_has_the_table_and_the_number_of_runs() -> None:
    text = TABLES.fill_page(page("reading_a_run"))
    assert "<!--" not in text
    assert "| 0.99 to 1 |" in text
    assert f"judged on {len(TABLES.judged_records())} others" in text


def test_the_coefficients_are_those_of_the_script() -> None:
    fitted = fit_coefficients([record for record in RECORDS if not record["judged"]])
    assert fitted == pytest.approx(COEFFICIENTS, abs=0.02)


def test_the_coefficients_of_latents_are_those_of_the_script() -> None:
    fitted = fit_latent_coefficients([record for record in RECORDS if not record["judged"]])
    assert fitted == pytest.approx(LATENT_COEFFICIENTS, abs=0.02)


def test_a_logistic_model_is_found_again() -> None:
    rng = np.random.default_rng(training_seed(0))
    features = np.column_stack([np.ones(20_000), rng.normal(size=(20_000, len(FEATURES) - 1))])
    weights = rng.uniform(-2, 2, len(COEFFICIENTS))
    truth = rng.random(20_000) < 1 / (1 + np.exp(-features[:, : len(weights)] @ weights))
    fitted = fit_coefficients([{"pairs": np.column_stack([features, truth]).tolist()}])
    assert list(fitted.values()) == pytest.approx(weights, abs=0.15)
