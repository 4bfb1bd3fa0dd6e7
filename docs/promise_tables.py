"""The tables of `kept_promises.md`, from stored results of `tests/benchmarks/promise/run.py`."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from itertools import groupby, pairwise
from typing import Any

from scipy.stats import binomtest
from stored_runs import FOLDER, fill_markers, markdown_table

from estimation.config import TrainingConfig
from estimation.diagnostics.judgement import MIN_GAP, MIN_RATIO
from estimation.diagnostics.result import SERIOUS, Margin
from estimation.unmixing.moments import NEGLIGIBLE_EFFECT

__all__ = ["BINS", "FILE", "MANY_ROWS", "fill_page", "in_bin", "rate_of", "read_records"]

Record = dict[str, Any]

FILE = FOLDER / "promise.jsonl"
#: Runs of TimeNonDiag with a budget below the number of edges, before and after bases are compared by all clear edges.
SMALL_BUDGETS = (FOLDER / "too_small_budget_before.jsonl", FOLDER / "too_small_budget.jsonl")
#: Runs of development problems with columns as they are and through arcsinh.
HEAVY_TAILS = FOLDER / "heavy_tails.jsonl"
#: First runs that were replaced, since columns of their problems are transformed now.
BEFORE = FOLDER / "promise_before.jsonl"
#: Whole trainings, as they are by default, of problems in which two of the runs that follow each other have no doubts:
#: only they know whether these disagree.
WHOLE = FOLDER / "promise_whole.jsonl"
#: From this number of training rows on, the rate is that of many rows.
MANY_ROWS = 50_000
#: Limits of the bins of numbers of rows, noise variances, and numbers of latents.
BINS: dict[str, tuple[float, ...]] = {
    "n_samples": (2_000, 10_000, MANY_ROWS, 100_000, 200_001),
    "variance": (1e-4, 1e-3, 1e-2, 0.1, 0.501),
    "n_latents": (3, 6, 9, 13),
}
_NAMES = {"n_samples": "rows", "variance": "noise variance", "n_latents": "latents"}
_CONFIDENCE = (0, 0.05, 0.5, 0.85, 0.95, 0.99, 1)
# a latent is right if the true latents that it may depend on explain this share of what all of them explain
_MIN_SHARE = 0.97
_GROUPS = {
    "causes": "causes",
    "values": "actions",
    "budget": "budget",
    "family": "mechanisms",
    "decoder": "decoder",
}


def read_records(first: bool = False) -> list[Record]:
    """Read the stored runs, in the order of the problems, of each the restart that is kept.

    The benchmark's runs are single ones. Those that a first run with doubts is followed by were trained on their own;
    where two of them have no doubts, what counts is a whole training, which compares the latents of both.

    Args:
        first: Whether to return the first run of each problem instead.
    """
    lines = FILE.read_text(encoding="utf-8").splitlines() if FILE.exists() else []
    records = [json.loads(line) for line in lines]
    records.sort(key=lambda each: (each["run"]["seed"], each["run"]["number"], each["run"].get("restart", 0)))
    groups = {key: list(group) for key, group in groupby(records, key=_problem)}
    if first:
        return [group[0] for group in groups.values()]
    stored = WHOLE.read_text(encoding="utf-8").splitlines() if WHOLE.exists() else []
    whole = {_problem(record): record for record in map(json.loads, stored)}
    return [
        whole[key] if key in whole else _best(group if _doubtful(group[0]) else group[:1])
        for key, group in groups.items()
    ]


def _problem(record: Record) -> tuple[int, int]:
    """Return seed and number of the problem."""
    return record["run"]["seed"], record["run"]["number"]


def _best(records: Sequence[Record]) -> Record:
    """Return the run that `estimation.training.restarts.choose` keeps of a problem's runs, in order."""
    fewest = min(map(_n_serious, records))
    rivals = [record for record in records if _n_serious(record) == fewest]
    # the ELBO of some first runs was not stored
    return min(rivals, key=_score) if all("negative_elbo" in record for record in rivals) else rivals[0]


def _score(record: Record) -> float:
    """Return the held-out negative ELBO, in nats per observed dimension, with the penalty of the learned edges."""
    n_edges = record["problem"]["n_edges"] - record["missing"] + record["extra"]
    return float(record["negative_elbo"] + TrainingConfig().penalty * n_edges)


def _n_serious(record: Record) -> int:
    """Return the number of serious warnings, of which `estimation.training.restarts.choose` wants the fewest.

    A basis that is worse than another counts twice.
    """
    margin = (record["diagnostics"] or {}).get("margin")
    is_worse = margin is not None and Margin(**{**margin, "latents": ()}).verdict == "worse"
    return sum(kind in SERIOUS for kind in _kinds(record)) + is_worse


def _kinds(record: Record) -> list[str]:
    """Return the kinds of warnings; "missing edges" also where later reasons for it apply to the stored effects."""
    kinds = [each["kind"] for each in (record["diagnostics"] or {"warnings": []})["warnings"]]
    if "missing edges" not in kinds and _has_larger_effect_without_edge(record):
        kinds.insert(0, "missing edges")
    return kinds


def fill_page(page: str) -> str:
    """Fill the markers of the page: runs, rates, warnings, confidence and failures."""
    first, kept = read_records(first=True), read_records()
    return fill_markers(
        page,
        {
            "promise-runs": _runs(first, kept),
            "promise-rates": _rates(first),
            "promise-warnings": _warnings(first, kept),
            "promise-failures": _failures(first, kept),
            "promise-confidence": _confidence(first),
            "promise-small-budgets": _small_budgets(),
            "promise-heavy-tails": _heavy_tails(first),
        },
    )


def in_bin(records: Sequence[Record], name: str, low: float, high: float) -> list[Record]:
    """Return the records whose problem has a value of at least ``low`` and below ``high``."""
    return [record for record in records if low <= record["problem"][name] < high]


def rate_of(records: Sequence[Record], is_it: Callable[[Record], bool]) -> tuple[float, float, float]:
    """Return the share of the records for which something is true, and its 95 % interval (Wilson).

    Args:
        records: At least one record.
        is_it: What is counted.
    """
    count = sum(map(is_it, records))
    interval = binomtest(count, len(records)).proportion_ci(method="wilson")
    return count / len(records), float(interval.low), float(interval.high)


def _kept(record: Record) -> bool:
    return bool(record["kept"])


def _flagged(record: Record) -> bool:
    return any(kind in (*SERIOUS, "disagreeing restarts") for kind in _kinds(record))


def _doubtful(record: Record) -> bool:
    """Return whether a run is followed by a restart: settings that don't overlap are those of every run."""
    return any(kind in SERIOUS and kind != "overlap" for kind in _kinds(record))


def _has_larger_effect_without_edge(record: Record) -> bool:
    """Return whether an effect without an edge is clearly larger than that of an edge, or nearly as large if counted.

    This reason for the warning "missing edges" was added after most runs, and is applied to the effects they stored.
    """
    values = (record["diagnostics"] or {"values": {}})["values"]
    weakest = values.get("smallest effect of an edge", 0.0)
    ratio = 1 / MIN_GAP if record["problem"]["budget"] == "adaptive" else MIN_RATIO
    return weakest >= NEGLIGIBLE_EFFECT and values["largest effect without an edge"] > ratio * weakest


def _shown(records: Sequence[Record], is_it: Callable[[Record], bool]) -> str:
    if not records:
        return "none"
    _, low, high = rate_of(records, is_it)
    return f"{sum(map(is_it, records))} of {len(records)} ({low:.0%} to {high:.0%})"


def _many(records: Sequence[Record]) -> list[Record]:
    return [record for record in records if record["problem"]["n_samples"] >= MANY_ROWS]


def _runs(first: Sequence[Record], kept: Sequence[Record]) -> str:
    seeds = sorted({record["run"]["seed"] for record in first})
    of = " and ".join(str(seed) for seed in seeds)
    many = _many(first)
    return (
        f"{len(first)} problems of seed {of} were run, {len(many)} of them with {MANY_ROWS:,} rows and more. Of the "
        f"latter, the promise was kept in **{_shown(_many(kept), _kept)}**. The first run alone kept "
        f"{_shown(many, _kept)}; {sum(map(_doubtful, many))} first runs had doubts, and were followed by "
        f"[restarts](reading_a_run.md#restarts). Of all problems, the first run alone kept {_shown(first, _kept)}."
    )


def _rates(records: Sequence[Record]) -> str:
    rows = []
    for name, limits in BINS.items():
        for low, high in pairwise(limits):
            inside = in_bin(records if name == "n_samples" else _many(records), name, low, high)
            rows.append([_NAMES[name], _limits(name, low, high), _shown(inside, _kept)])
    for name, label in _GROUPS.items():
        for value in sorted({_value(record, name) for record in records}):
            inside = [each for each in _many(records) if _value(each, name) == value]
            rows.append([label, value, _shown(inside, _kept)])
    for complete, value in ((True, "all latents"), (False, "up to a block")):
        inside = [each for each in _many(records) if each["problem"]["complete"] == complete]
        rows.append(["promised", value, _shown(inside, _kept)])
    return markdown_table(["", "", "kept (95 % interval)"], rows)


def _value(record: Record, name: str) -> str:
    """Return a property of the problem. On/off actions without a past shift latents, whatever the mechanisms are."""
    case = record["problem"]
    if name == "family" and case["causes"] == "actions" and case["values"] == "on/off":
        return "shifts"
    return str(case[name] or "none")


def _limits(name: str, low: float, high: float) -> str:
    if name == "n_latents":
        return f"{low:g} to {high - 1:g}"
    if name == "n_samples":
        return f"{low:,.0f} to {round(high, -3):,.0f}"
    return f"{low:g} to {high:.1g}"


def _warnings(first: Sequence[Record], kept: Sequence[Record]) -> str:
    """Return the shares of failures and successes that the run's own warnings name, in both halves of the problems."""
    few = [record for record in first if record["problem"]["n_samples"] < MANY_ROWS]
    groups = [
        ("50,000 rows and more, first run", _many(first)),
        ("50,000 rows and more, with restarts", _many(kept)),
        ("fewer rows, first run", few),
        ("fewer rows, with restarts", [each for each in kept if each["problem"]["n_samples"] < MANY_ROWS]),
        ("all, first run", first),
        ("all, with restarts", kept),
    ]
    rows = []
    for label, records in groups:
        for half, numbers in ((0, "even numbers"), (1, "odd numbers")):
            part = [record for record in records if record["run"]["number"] % 2 == half]
            lost = [record for record in part if not record["kept"]]
            right = [record for record in part if record["kept"]]
            rows.append([label, numbers, _shown(lost, _flagged), _shown(right, _flagged)])
    head = ["runs", "problems", "failures with a serious warning", "successes with one"]
    return markdown_table(head, rows)


def _confidence(records: Sequence[Record]) -> str:
    """Return, for bins of confidence, how many edges are true and how many latents right, of the runs on many rows."""
    rows = []
    pairs = [pair for record in _many(records) for pair in record["confidence"]["edges"]]
    latents = [latent for record in _many(records) for latent in record["confidence"]["latents"]]
    for low, high in pairwise(_CONFIDENCE):
        true, right = (
            [
                is_it(truth)
                for confidence, truth in values
                if low <= confidence < high or confidence == high == 1
            ]
            for values, is_it in ((pairs, bool), (latents, _is_right))
        )
        rows.append([f"{low:g} to {high:g}", _counted(true), _counted(right)])
    return markdown_table(["confidence", "edges that are true", "latents that are right"], rows)


def _is_right(share: float) -> bool:
    return share >= _MIN_SHARE


def _counted(found: Sequence[bool]) -> str:
    return f"{sum(found):,} of {len(found):,} ({sum(found) / len(found):.3f})" if found else "none"


def _failures(first: Sequence[Record], kept: Sequence[Record]) -> str:
    rows = []
    of_problem = {_problem(each): each for each in kept}
    for record in first:
        final = of_problem[_problem(record)]
        if record["kept"] and final["kept"]:
            continue
        case = record["problem"]
        kinds = _kinds(record)
        rows.append(
            [
                f"{record['run']['seed']}/{record['run']['number']}",
                ", ".join(_value(record, name) for name in ("causes", "values", "family", "decoder")),
                f"{case['n_latents']}, {case['n_observed']}",
                f"{case['variance']:.1g}",
                f"{case['n_samples']:,}",
                case["budget"],
                f"{record['mcc']:.3f}, {record['r_con']:.3f}, {record['r']:.3f}",
                f"{record['missing']}, {record['extra']}",
                ", ".join(dict.fromkeys(kinds)) or "none",
                _outcome(record, final),
            ]
        )
    head = [
        "problem",
        "causes, actions, mechanisms, decoder",
        "latents, observed",
        "noise",
        "rows",
        "budget",
        "MCC, R_con, R",
        "missing, extra",
        "warnings",
        "restarts",
    ]
    return markdown_table(head, rows) if rows else "None."


def _small_budgets() -> str:
    """Return a row for each seed and budget, with scores, mistakes and serious warnings before and after the change."""
    columns = []
    for path in SMALL_BUDGETS:
        runs = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        columns.append(
            {(each["settings"]["max_edges_past"], each["model_seed"]): _small_budget(each) for each in runs}
        )
    keys = sorted({key for column in columns for key in column})
    rows = [[*map(str, key), *(column.get(key, "not run") for column in columns)] for key in keys]
    return markdown_table(["budget", "model seed", "before", "now"], rows)


def _small_budget(run: Record) -> str:
    flagged = ", flagged" if run["flagged"] else ""
    mistakes = f"{run['missing']} missing, {run['extra']} superfluous"
    return f"MCC {run['mcc']:.3f} of R {run['r']:.3f}; {mistakes}{flagged}"


def _heavy_tails(first: Sequence[Record]) -> str:
    """Return a row for each problem with heavy tails: for development, and of the benchmark before and now."""
    stored = [
        json.loads(line) for path in (HEAVY_TAILS, BEFORE) for line in path.read_text("utf-8").splitlines()
    ]
    runs: dict[str, dict[tuple[int, int], Record]] = {"none": {}, "arcsinh": {}}
    for run in (*stored, *first):
        key = (run["run"]["seed"], run["run"]["number"])
        asked = run["run"].get("settings", {}).get("observation_transform")
        transform = asked or ("arcsinh" if _kurtosis(run) else "none")
        runs[transform].setdefault(key, run)
    rows = []
    for key, run in sorted(runs["arcsinh"].items()):
        if key in runs["none"]:
            both = [runs[transform][key] for transform in ("none", "arcsinh")]
            rows.append(
                [
                    f"{key[0]}/{key[1]}",
                    f"{run['problem']['n_samples']:,}",
                    _kurtosis(run),
                    *map(_scores, both),
                ]
            )
    return markdown_table(["problem", "rows", "excess kurtosis", "as they are", "through arcsinh"], rows)


def _kurtosis(run: Record) -> str:
    """Return the excess kurtosis of the median column, as the notes of a run with transformed columns say it."""
    found = [
        re.search(r"excess kurtosis is ([\d.e+]+)", note)
        for note in run.get("notes", ())
        if "arcsinh" in note
    ]
    return next((match[1] for match in found if match), "")


def _scores(run: Record) -> str:
    kept = "kept" if run["kept"] else f"{run['missing']} missing, {run['extra']} superfluous"
    return f"MCC {run['mcc']:.3f}, R {run['r']:.3f}; {kept}"


def _outcome(first: Record, final: Record) -> str:
    """Return what the restarts ended with, if one of them is kept instead of the first run."""
    if final["run"] == first["run"]:
        return ""
    outcome = f"MCC {final['mcc']:.3f}, {'kept' if final['kept'] else 'not kept'}"
    return f"{outcome}, flagged" if _flagged(final) else outcome
