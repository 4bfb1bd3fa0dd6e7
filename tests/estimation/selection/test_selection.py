"""Selection of the sparsity: laws, the published runs, and our own runs."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, replace
from statistics import mean
from typing import Any

import matplotlib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib import pyplot as plt

from estimation.exceptions import ConfigError, DataError
from estimation.plot import plot_selection
from estimation.selection import RULES, Run, select
from estimation.selection.rules import Rule
from estimation.selection.runs import SettingSummary
from tests.documentation import docs_module
from tests.estimation.published_runs import published_runs, published_scores

matplotlib.use("Agg")

RUNS, MEAN_R_CON = published_runs(), published_scores()
OWN_RUNS, STORED = docs_module("own_run_tables"), docs_module("stored_runs")


def selected_r_con(rule: str | Rule) -> list[float]:
    """The mean R_con of the budget that a rule selects, for each published data set."""
    return [MEAN_R_CON[name][select(runs, rule).setting] for name, runs in RUNS.items()]


# published runs -------------------------------------------------------------------------------------


def test_the_published_runs_are_complete() -> None:
    assert len(RUNS) == 8
    assert all(len(runs) == 40 for runs in RUNS.values())
    assert mean(max(scores.values()) for scores in MEAN_R_CON.values()) == pytest.approx(0.968, abs=5e-4)


def test_the_default_rule_is_close_to_the_oracle() -> None:
    """Stability alone reaches 0.947, the best budget of each data set 0.968; the target is 0.965."""
    assert mean(selected_r_con("udr")) == pytest.approx(0.947, abs=5e-4)
    scores = selected_r_con("elbow_and_stability")
    assert mean(scores) > 0.967
    best = [max(by_budget.values()) for by_budget in MEAN_R_CON.values()]
    assert max(b - s for b, s in zip(best, scores, strict=True)) < 0.003
    # on this data set with 55 edges, stability alone selects five
    assert select(RUNS["TimeNonDiag"], "udr").setting == 5
    assert select(RUNS["TimeNonDiag"]).setting == 50


@pytest.mark.parametrize("excluded", range(5))
def test_the_result_does_not_depend_on_a_single_seed(excluded: int) -> None:
    scores = []
    for name, runs in RUNS.items():
        seeds = sorted({run["seed"] for run in runs})
        selection = select([run for run in runs if run["seed"] != seeds[excluded]])
        scores.append(MEAN_R_CON[name][selection.setting])
    assert mean(scores) > 0.96


def rule_with_power(power: float) -> Rule:
    """The default rule with stability raised to a power."""

    def rule(summaries: Any) -> np.ndarray:
        heights = RULES["elbow"](summaries)
        stability = np.array([summary.udr for summary in summaries])
        return np.where(heights > 0, heights * stability**power, heights)

    rule.__name__ = f"power {power}"
    return rule


def select_by(rank: int, power: float, runs: list[dict[str, Any]]) -> float:
    """The setting that the rule selects if the seed of this rank, not the best, represents each setting."""
    by_setting: dict[float, list[dict[str, Any]]] = {}
    for run in runs:
        by_setting.setdefault(run["setting"], []).append(run)
    ranked = [sorted(group, key=lambda run: run["negative_elbo"])[rank] for group in by_setting.values()]
    return float(select(ranked, rule_with_power(power)).setting)


def test_cross_validation_over_data_sets() -> None:
    """The rule reaches the target even if its two choices are made on seven data sets and tested on the eighth."""
    choices = [(rank, power) for rank in range(5) for power in (0.0, 0.5, 1.0, 2.0, 4.0)]
    table = {
        choice: {name: MEAN_R_CON[name][select_by(*choice, runs)] for name, runs in RUNS.items()}
        for choice in choices
    }
    test_scores = []
    for held_out in RUNS:
        best = max(
            choices,
            key=lambda choice: mean(score for name, score in table[choice].items() if name != held_out),
        )
        test_scores.append(table[best][held_out])
    assert mean(test_scores) > 0.965


@pytest.mark.parametrize(("former", "name"), [("bend", "elbow_and_stability"), ("knee", "elbow")])
def test_former_names_of_rules_are_read(former: str, name: str) -> None:
    for runs in RUNS.values():
        old, new = select(runs, former), select(runs, name)
        assert old.to_dict() == new.to_dict()
        assert old.rule == name


# laws -----------------------------------------------------------------------------------------------


@st.composite
def some_runs(draw: st.DrawFn) -> list[Run]:
    count = draw(st.integers(2, 8))
    edges = draw(st.lists(st.integers(1, 200), min_size=count, max_size=count, unique=True))
    seeds = draw(st.integers(1, 3))
    finite = st.floats(-5, 5).map(lambda v: round(v, 3))
    # all seeds of a setting share its stability
    stability = [round(draw(st.floats(0, 1)), 3) for _ in range(count)]
    return [
        Run(f"s{k}", seed, edges[k], draw(finite), stability[k])
        for k in range(count)
        for seed in range(seeds)
    ]


@settings(max_examples=100, deadline=None)
@given(some_runs(), st.sampled_from(sorted(RULES)), st.randoms())
def test_the_order_of_runs_does_not_matter(runs: list[Run], rule: str, random: Any) -> None:
    shuffled = list(runs)
    random.shuffle(shuffled)
    first, second = select(runs, rule), select(shuffled, rule)
    assert first.settings == second.settings
    assert first.setting == second.setting
    np.testing.assert_allclose(first.scores, second.scores)


@settings(max_examples=100, deadline=None)
@given(some_runs(), st.sampled_from(sorted(RULES)), st.integers(-3, 3), st.sampled_from([0.25, 4.0]))
def test_units_do_not_matter(runs: list[Run], rule: str, offset: int, scale: float) -> None:
    """Neither the unit of the ELBO (nats or bits, per dimension or total) nor the kind of setting matters."""
    rescaled = [
        replace(run, setting=f"lambda {run.setting}", negative_elbo=offset + scale * run.negative_elbo)
        for run in runs
    ]
    assert f"lambda {select(runs, rule).setting}" == select(rescaled, rule).setting


@settings(max_examples=50, deadline=None)
@given(some_runs())
def test_a_failed_seed_does_not_change_the_selection(runs: list[Run]) -> None:
    """A seed with a poor or a non-finite ELBO is no evidence about its setting."""
    failed = [
        replace(runs[0], seed=99, negative_elbo=1e3),
        replace(runs[0], seed=100, negative_elbo=math.nan),
    ]
    before, after = select(runs), select([*runs, *failed])
    assert before.setting == after.setting
    assert "Runs without a finite ELBO were left out: 1" in after.reason


def test_the_elbow_of_a_known_curve() -> None:
    """If every true edge improves the ELBO equally and others do not, the elbow is at the true number."""
    for true in (10, 20, 30):
        grid = [5, 10, 20, 30, 50, 100]
        runs = [
            Run(k, 0, k, -min(k, true) / true - 0.001 * k / 100, 0.95 if k <= true else 0.85) for k in grid
        ]
        assert select(runs).setting == true


def test_without_any_gain_the_sparsest_setting_is_selected() -> None:
    assert select([Run(k, 0, k, -1.0, 0.9) for k in (5, 10, 20)]).setting == 5


def test_if_the_gain_never_ends_the_densest_setting_is_selected_with_a_warning() -> None:
    selection = select([Run(k, 0, k, -(float(k) ** 2), 0.9) for k in (1, 2, 3, 4)])
    assert selection.setting == 4
    assert "The ELBO improves up to the densest setting: add denser settings" in selection.reason


def test_warnings() -> None:
    two = select([Run(1, 0, 1, 0.0, 0.9), Run(2, 0, 2, -1.0, 0.9)])
    assert two.warnings == ("Two settings show no elbow: add settings between and beyond them",)
    one_seed = select([Run(k, 0, k, e) for k, e in ((1, 0.0), (2, -1.0), (9, -1.1))])
    assert one_seed.setting == 2
    assert any("Some settings have only one seed" in warning for warning in one_seed.warnings)
    stable = select(
        [Run(k, 0, k, e, u) for k, e, u in ((1, 0.0, 0.9), (5, -0.1, 0.9), (9, -1.0, 0.9))], "udr"
    )
    assert stable.warnings == ()
    sparse = select([Run(k, 0, k, e, 0.9) for k, e in ((1, -1.0), (5, -0.5), (9, 0.0))])
    assert sparse.setting == 1
    assert any("add sparser settings" in warning for warning in sparse.warnings)


def test_the_reason_and_the_json_record() -> None:
    selection = select(RUNS["ActionDiag"])
    assert selection.reason.startswith(
        "setting 10.0 (10 edges) has the highest score of the rule 'elbow_and_stability', "
    )
    assert (
        "of the gain in held-out ELBO; stability across seeds 1.00; the next best setting is 15.0 with"
        in selection.reason
    )
    record = json.loads(json.dumps(selection.to_dict()))
    assert record["setting"] == 10
    assert record["rule"] == "elbow_and_stability"
    edges = [summary["edges"] for summary in record["settings"]]
    assert edges == sorted(edges)
    assert repr(selection) == "Selection(10.0 of 8 settings, by 'elbow_and_stability')"


@dataclass
class CustomRun:
    setting: dict[str, int]
    seed: int
    edges: int
    negative_elbo: float
    udr: float = 0.9


def test_settings_may_be_mappings_and_runs_any_object() -> None:
    grid = {4: -1.0, 8: -1.9, 16: -2.0}
    runs = [
        CustomRun({"max_edges_past": k, "max_edges_actions": 3}, s, k, e)
        for k, e in grid.items()
        for s in (0, 1)
    ]
    assert select(runs).setting == {"max_edges_past": 8, "max_edges_actions": 3}


def test_a_custom_rule() -> None:
    def fewest(summaries: Any) -> list[float]:
        return [-summary.edges for summary in summaries]

    selection = select(RUNS["TimeDiag"], fewest)
    assert (selection.setting, selection.rule) == (5, "fewest")


# errors ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("runs", "rule", "error", "message"),
    [
        ([], "elbow", DataError, "there are no runs; selection compares runs with several settings"),
        ([{"setting": 1}], "elbow", DataError, "run 0 has no 'seed'; a run has setting, seed, edges"),
        (
            [Run(1, 0, 1, 0), Run(1, 0, 2, 0)],
            "elbow",
            DataError,
            "two runs with setting 1 and seed 0; keep one",
        ),
        (
            [Run(1, 0, 1, 0), Run(1, 1, 2, 0)],
            "elbow",
            DataError,
            "all runs have the setting 1; selection needs two settings or more",
        ),
        (
            [Run(1, 0, -1, 0)],
            "elbow",
            DataError,
            "run 0 has -1.0 edges; the number must be finite and at least 0",
        ),
        ([Run(1, 0, 1, 0, 2.0)], "elbow", DataError, "run 0 has a udr of 2.0; it must be between 0 and 1"),
        ([Run(1, 0, 1, "x")], "elbow", DataError, "run 0 has negative_elbo 'x', which is not a number"),
        ([Run([object()], 0, 1, 0.0)], "elbow", DataError, "can't be compared with others"),
        (
            [Run(1, 0, 1, math.nan), Run(2, 0, 2, 0.0)],
            "elbow",
            DataError,
            "no run with setting 1 has a finite negative ELBO; leave the setting out",
        ),
        (
            [Run(1, 0, 1, 0), Run(2, 0, 2, 0)],
            "best",
            ConfigError,
            "the rule is 'best'; it must be one of elbow_and_stability, elbow",
        ),
        (
            [Run(1, 0, 1, 0), Run(2, 0, 2, 0)],
            3,
            ConfigError,
            "the rule is 3; it must be one of elbow_and_stability",
        ),
        (
            [Run(1, 0, 1, 0), Run(2, 0, 2, 0)],
            "udr",
            DataError,
            "setting 1 has no udr; train two seeds or more",
        ),
        (
            [Run(1, 0, 1, 0), Run(2, 0, 2, 0)],
            lambda _: [1.0],
            ConfigError,
            "must return a finite score for each of the 2 settings",
        ),
    ],
)
def test_invalid_arguments_of_select(
    runs: list[Any], rule: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error) as caught:
        select(runs, rule)
    assert message in str(caught.value)


# figure ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("known", [True, False])
def test_the_figure(known: bool) -> None:
    runs = [{**run, "udr": run["udr"] if known else None} for run in RUNS["ActionDiag"]]
    selection = select(runs)
    top, bottom = plot_selection(selection, runs)
    labels = {text.get_text() for ax in (top, bottom) for text in ax.get_legend().get_texts()}
    assert ("stability across seeds" in labels) == known
    assert {"each seed", "best seed", "score"} <= labels
    assert "selected: 10.0" in top.get_title(loc="left")
    points = next(line for line in top.lines if line.get_label() == "each seed")
    assert len(points.get_xdata()) == 40
    with pytest.raises(DataError, match="got 1 axes; the ELBO and the stability need two"):
        plot_selection(selection, axes=[top])
    plt.close("all")


def test_the_summary_of_a_setting() -> None:
    selection = select(
        [Run("a", 0, 3, 1.0, 0.5), Run("a", 1, 5, 0.0, 0.7), Run("b", 0, 9, -1.0, 0.9)], "elbo"
    )
    assert selection.settings[0] == SettingSummary("a", 4.0, 0.0, 0.6, 2, 0)


# our own runs ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("axis", "n_data_sets"), [("budgets", 3), ("penalties", 2)])
def test_the_rule_on_our_own_runs(axis: str, n_data_sets: int) -> None:
    """With budgets and with penalties, the selected setting is the best one or close to it."""
    loss = {}
    for data, rows in OWN_RUNS.group_by_data(STORED.read_rows(OWN_RUNS.SWEEPS[axis])).items():
        r_con = {
            k: mean(row["r_con"] for row in rows if row["setting"] == k) for k in {r["setting"] for r in rows}
        }
        loss[data] = max(r_con.values()) - r_con[select(rows).setting]
    assert len(loss) == n_data_sets
    assert max(loss.values()) < 0.05
    assert mean(loss.values()) < 0.02
