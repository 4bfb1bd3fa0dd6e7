"""``mechsparse predict`` and ``mechsparse impute``."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from estimation.checkpoint import load
from estimation.commands import main
from tests.estimation.command_line import TINY, Captured, error_of, json_of, output_of, write_table


@pytest.fixture(scope="module")
def screen(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a table of a dose and a categorical drug, and with a model of it."""
    folder = tmp_path_factory.mktemp("screen")
    write_table(f"{folder}/data.csv")
    columns = ["--observations", "gene*", "--actions", "dose", "--categorical", "drug"]
    train = ["train", f"{folder}/data.csv", "-o", f"{folder}/model", *columns, "--n-latents", "2", *TINY]
    assert main(train) == 0
    return folder


@pytest.fixture
def here(screen: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for path in screen.iterdir():
        Path(path.name).symlink_to(path)
    return tmp_path


def test_actions_by_name(here: Path, capsys: Captured) -> None:
    printed = output_of(capsys, "predict", "model", "dose=0.5", "drug=A=1", "drug=none=0")
    assert "gene1: " in printed
    assert "action 'drug=A' affects" in printed
    report = json_of(capsys, "predict", "model", "dose=0.5", "drug=A=1", "drug=none=0", "--level", 0.5)
    assert [entry["column"] for entry in report["predictions"]] == ["gene1", "gene2", "gene3"]
    forecast = load("model").predict({"dose": 0.5, "drug=A": 1, "drug=none": 0})
    low, high = forecast.interval(0.5)
    assert [entry["low"] for entry in report["predictions"]] == low[0].tolist()
    assert [entry["high"] for entry in report["predictions"]] == high[0].tolist()
    assert forecast.coverage is not None
    assert report["coverage"] == {
        "complete": forecast.coverage.complete.tolist(),
        "explained": [list(forecast.coverage.explain())],
    }


def test_a_table_of_actions(here: Path, capsys: Captured) -> None:
    frame = pd.DataFrame({"drug": ["A", "B", "none"], "dose": [0.0, 0.5, -0.5], "note": ["x", "y", "z"]})
    frame.to_csv("planned.csv", index=False)
    output_of(capsys, "predict", "model", "--actions", "planned.csv", "-o", "predicted.csv")
    written = pd.read_csv("predicted.csv", float_precision="round_trip")
    forecast = load("model").predict(frame)
    assert list(written.columns) == ["row", "column", "mean", "standard_deviation", "low", "high"]
    assert written["mean"].tolist() == forecast.mean.ravel().tolist()
    assert written["row"].tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2]


def test_wrong_predictions_are_refused(here: Path, capsys: Captured) -> None:
    assert "an action is given as NAME=VALUE, with a number for its value" in error_of(
        capsys, "predict", "model", "dose=high"
    )
    assert "an action is given as NAME=VALUE" in error_of(capsys, "predict", "model", "7")
    assert "no action is called 'heat'" in error_of(capsys, "predict", "model", "heat=1")
    assert "actions are given by name and by --actions; leave one out" in error_of(
        capsys, "predict", "model", "dose=1", "--actions", "data.csv"
    )
    assert "action 'dose' is 99 in row 0" in error_of(capsys, "predict", "model", "dose=99")
    assert "actions are missing; the model was trained on dose" in error_of(capsys, "predict", "model")
    assert output_of(capsys, "predict", "model", "dose=99", "--extrapolate")
    assert "no such folder" in error_of(capsys, "predict", "model", "dose=1", "-o", "missing/out.csv")


def test_gaps_of_a_table_are_filled(here: Path, capsys: Captured) -> None:
    frame = pd.read_csv("data.csv")[:20]
    frame.loc[[3, 7], "gene2"] = np.nan
    frame.to_csv("gaps.csv", index=False)
    printed = output_of(capsys, "impute", "model", "gaps.csv", "-o", "filled.csv")
    assert "filled.csv: 2 entries filled (3.33% of all) in 20 rows" in printed
    filled = pd.read_csv("filled.csv", float_precision="round_trip")
    assert list(filled.columns) == ["gene1", "gene2", "gene3"]
    assert not filled.isna().any().any()
    known = frame["gene2"].notna()
    np.testing.assert_allclose(filled.loc[known, "gene2"], frame.loc[known, "gene2"], atol=1e-6)
    report = json_of(capsys, "impute", "model", "gaps.csv", "-o", "filled.npz", "--ignore-actions")
    assert report["filled"] == 2
    with np.load("filled.npz") as content:
        assert content["latents"].shape == (20, 2)
        assert (content["low"] <= content["high"]).all()
        assert content["missing"].sum() == 2


def test_wrong_imputations_are_refused(here: Path, capsys: Captured) -> None:
    assert "filled.txt: the suffix must be .csv or .npz" in error_of(
        capsys, "impute", "model", "data.csv", "-o", "filled.txt"
    )
    assert not Path("filled.txt").exists()
    assert "level is 2.0; it must be between 0 and 1" in error_of(
        capsys, "impute", "model", "data.csv", "-o", "filled.csv", "--level", 2
    )
    assert not Path("filled.csv").exists()
