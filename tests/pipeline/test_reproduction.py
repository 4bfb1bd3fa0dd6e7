"""Reproduction of the published table: its runs, and our scores next to the published ones."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from matplotlib import pyplot as plt

from estimation.commands import main
from estimation.exceptions import ConfigError, DataError
from estimation.plot import plot_reproduction
from estimation.reproduction import (
    DATA_SETS,
    published_scores,
    reproduction_plan,
    side_by_side,
)
from estimation.reproduction.published import PUBLISHED
from estimation.sweep import collect
from tests.estimation.published_runs import published_scores as mean_of_runs

TINY = [
    "-n",
    "300",
    "--test-samples",
    "200",
    "--set",
    "steps=12",
    "--set",
    "width=8",
    "--set",
    "batch_size=64",
]
ARGUMENTS = [
    "reproduce",
    "--quick",
    "--only",
    "ActionBlockDiag",
    "--method",
    "sparse_vae",
    "--method",
    "ivae",
]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("table")
    assert main([*ARGUMENTS, *TINY, "-o", str(folder)]) == 0
    return folder


# plan -----------------------------------------------------------------------------------------------


def test_the_table_has_eight_data_sets_with_five_seeds() -> None:
    trials = reproduction_plan().trials
    assert {(trial.data.name, trial.seed) for trial in trials} == {
        (name, seed) for name in DATA_SETS for seed in range(5)
    }
    for trial in trials:
        key = "max_edges_actions" if trial.data.source.startswith("Action") else "max_edges_past"
        assert trial.settings == {key: (published_scores(trial.data.source) or {})["budget"]}
        # the process exactly as published
        assert trial.data.seed is None
        assert (trial.data.samples, trial.data.test_samples) == (200_000, 100_000)


def test_the_true_number_of_edges_differs_from_the_published_budget_on_three_sets() -> None:
    def budgets(**options: Any) -> dict[str, int]:
        trials = reproduction_plan(seeds=1, **options).trials
        return {trial.data.name: next(iter(trial.settings.values())) for trial in trials}

    published, true = budgets(), budgets(true_edges=True)
    different = {name: (published[name], true[name]) for name in DATA_SETS if published[name] != true[name]}
    assert different == {
        "TimeNonDiag": (50, 55),
        "ActionBlockNonDiag": (15, 12),
        "TimeBlockNonDiag": (30, 32),
    }


def test_baselines_run_only_on_data_with_what_they_need() -> None:
    methods = ["random", "supervised", "vae", "tcvae", "ivae", "slowvae", "pcl"]
    trials = reproduction_plan(["ActionDiag", "TimeDiag"], methods, seeds=1).trials
    runs = {(trial.data.name, trial.kind) for trial in trials}
    on_all_data = {(name, kind) for name in ("ActionDiag", "TimeDiag") for kind in methods[:4]}
    assert runs == on_all_data | {("ActionDiag", "ivae"), ("TimeDiag", "slowvae"), ("TimeDiag", "pcl")}
    assert all("max_edges_actions" not in trial.settings for trial in trials)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"names": ["ActionDiagonal"]}, "the table has no data set 'ActionDiagonal'; it has ActionDiag, "),
        ({"methods": ["gan"]}, "the table has no method 'gan'; it has sparse_vae, random, "),
        ({"seeds": 0}, "seeds is 0; it must be a number of seeds from 1 to"),
        ({"settings": {"stepps": 3}}, "no setting is called 'stepps'; did you mean steps"),
    ],
)
def test_invalid_arguments_of_the_plan(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        reproduction_plan(**options)


# published numbers ----------------------------------------------------------------------------------


def test_published_means_are_those_of_the_published_runs() -> None:
    for name, by_budget in mean_of_runs().items():
        scores = published_scores(name)
        assert scores is not None
        assert scores["r_con"] == pytest.approx(by_budget[float(scores["budget"])], abs=6e-5)


def test_published_scores_of_baselines() -> None:
    assert (published_scores("TimeBlockDiag", "pcl") or {})["mcc"] == 0.74
    assert published_scores("TimeBlockDiag", "ivae") is None
    assert published_scores("nowhere") is None
    # published as a range over all data sets
    assert published_scores("TimeDiag", "supervised") == {"method": "supervised", "mcc": 0.999}
    assert "arXiv 2401.04890" in json.loads(PUBLISHED.read_text(encoding="utf-8"))["source"]


# side by side ---------------------------------------------------------------------------------------


def test_a_line_holds_our_mean_and_the_published_one(finished: Path) -> None:
    results = collect(finished)
    lines = {line.method: line for line in side_by_side(results)}
    assert set(lines) == {"sparse_vae", "ivae"}
    row = next(row for row in results.rows if row["method"] == "sparse_vae")
    ours = lines["sparse_vae"]
    assert ours.ours == {key: row[key] for key in ("mcc", "r_con", "r", "shd")}
    assert ours.published["r_con"] == 0.9879
    assert (ours.runs, ours.edges) == (1, 10)
    assert (lines["ivae"].edges, lines["ivae"].ours["shd"], lines["ivae"].published["mcc"]) == (
        None,
        None,
        0.59,
    )


def test_a_second_call_of_the_command_repeats_no_run_and_prints_the_table(
    finished: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = {path: path.stat().st_mtime_ns for path in finished.glob("*/result.json")}
    assert main([*ARGUMENTS, *TINY, "-o", str(finished)]) == 0
    text = capsys.readouterr().out
    for part in ("ActionBlockDiag", "0.988", "published", "0.690", "reproduction.svg"):
        assert part in text
    assert {path: path.stat().st_mtime_ns for path in finished.glob("*/result.json")} == before
    assert main([*ARGUMENTS, *TINY, "-o", str(finished), "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert [line["method"] for line in record["table"]] == ["ivae", "sparse_vae"]
    assert record["table"][1]["ranges"]["mcc"] == [record["table"][1]["ours"]["mcc"]] * 2
    assert record["failed"] == []
    assert all(Path(path).is_file() for path in record["written"])


def test_invalid_arguments_are_reported_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "table"
    for arguments, message in (
        (["--only", "Nowhere"], "the table has no data set 'Nowhere'"),
        (["--set", "steps"], "'steps' is not a setting"),
        (["--quick", "--seeds", "2"], "--quick and --seeds 2 are both given; --quick is --seeds 1"),
        (["--scheduler", "tcp://a", "--slurm", "2"], "--scheduler and --slurm are both given"),
    ):
        assert main(["reproduce", "-o", str(out), *arguments]) == 2
        err = capsys.readouterr().err
        assert message in err
        assert err.count("\n") == 1
    assert not out.exists()


def test_the_figure_shows_our_scores_and_the_published_ones(finished: Path) -> None:
    lines = side_by_side(collect(finished))
    ax = plot_reproduction(lines)
    markers = {
        artist.get_label(): artist for artist in ax.get_lines() if not str(artist.get_label()).startswith("_")
    }
    assert list(markers) == ["MCC, ours", "MCC, published", "R_con, ours", "R_con, published"]
    assert list(markers["MCC, ours"].get_xdata()) == [line.ours["mcc"] for line in lines]
    assert list(markers["R_con, published"].get_xdata()) == [0.69, 0.9879]
    names = [label.get_text() for label in ax.get_yticklabels()]
    assert names == ["ActionBlockDiag, ivae", "ActionBlockDiag, sparse_vae"]
    plt.close(ax.figure)
    with pytest.raises(DataError, match="no run of the table is done"):
        plot_reproduction([])
