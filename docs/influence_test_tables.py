"""The tables of `influence_test.md`, from stored results of `tests/benchmarks/influence_calibration.py`."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from scipy.stats import binom, binomtest
from stored_runs import FOLDER, fill_markers, markdown_table

__all__ = ["FILES", "fill_page"]

Record = dict[str, Any]
FILES = (
    FOLDER / "influence_latents.jsonl",
    FOLDER / "influence_models.jsonl",
    FOLDER / "influence_joint.jsonl",
)
_LEVELS = (0.01, 0.05, 0.1)
_KINDS = {
    "independent": "independent actions",
    "correlated": "dependent actions",
    "past": "a past",
    "on_off_past": "on/off actions whose effect depends on the past",
    "laplace": "Laplace noise",
    "heteroskedastic": "noise whose variance depends on another action",
    "skewed": "lognormal doses",
}
_FAINT = {
    "all effects strong": "none",
    "half of the actions faint": "half",
    "one action faint, without which joint influence would hold": "worst",
}
_PANELS = {
    ("screen", "all"): "one on/off action per row",
    ("combined", "all"): "on/off actions that occur together",
    ("doses", "one"): "doses, one action with proportional effects",
    ("doses", "all"): "doses, all effects proportional",
    ("doses", "none"): "doses, no effects proportional",
}


def fill_page(page: str) -> str:
    """Fill the markers of a page with tables.

    Args:
        page: Markdown with the markers ``<!-- alarms -->``, ``<!-- power -->``, ``<!-- models-summary -->``,
            ``<!-- models-alarms -->``, ``<!-- models -->``, ``<!-- curve -->``, ``<!-- joint-alarms -->`` and
            ``<!-- joint-power -->``.

    Returns:
        The page with the tables.

    Raises:
        ValueError: If a marker is missing.
    """
    latents, models, joint = (_read(path) for path in FILES)
    pairs = [record for record in models if record["problem"]["process"] == "pair"]
    rings = [record for record in models if record["problem"]["process"] == "ring"]
    tables = {
        "alarms": _alarms([record for record in latents if record["problem"]["delta"] == 0]),
        "power": _power([record for record in latents if record["problem"]["delta"] > 0]),
        "models-summary": _summary(pairs, rings),
        "models-alarms": _model_alarms(pairs),
        "models": _pairs(pairs),
        "curve": _curve(rings),
        "joint-alarms": _joint_alarms([record for record in joint if record["problem"]["truth"] == "fails"]),
        "joint-power": _joint_power([record for record in joint if record["problem"]["truth"] == "holds"]),
    }
    return fill_markers(page, tables)


def _read(path: Path) -> list[Record]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def _grouped(records: Sequence[Record], *names: str) -> Mapping[tuple[Any, ...], list[Record]]:
    groups: dict[tuple[Any, ...], list[Record]] = defaultdict(list)
    for record in records:
        groups[tuple(record["problem"][name] for name in names)].append(record)
    return groups


def _alarms(records: Sequence[Record]) -> str:
    rows = []
    for (n_rows, kind), group in _grouped(records, "n_rows", "kind").items():
        rows.append([_KINDS[kind], f"{n_rows:,}", f"{len(group)}", *_shares(group)])
    for n_rows in sorted({record["problem"]["n_rows"] for record in records}):
        group = [record for record in records if record["problem"]["n_rows"] == n_rows]
        rows.append(["all", f"{n_rows:,}", f"{len(group)}", *_shares(group)])
    limits = [f"at most {binom.ppf(0.975, 120, level) / 120:.3f}" for level in _LEVELS]
    rows.append(["95 % limits for 120 problems", "", "", *limits])
    return markdown_table(["problems", "rows", "number", *(f"p <= {level:g}" for level in _LEVELS)], rows)


def _shares(group: Sequence[Record]) -> list[str]:
    values = [record["test"]["p_value"] for record in group]
    return [f"{sum(value <= level for value in values) / len(values):.3f}" for level in _LEVELS]


def _power(records: Sequence[Record]) -> str:
    by_delta = _grouped(records, "delta", "n_rows")
    sizes = sorted({n_rows for _, n_rows in by_delta})
    rows = []
    for delta in sorted({delta for delta, _ in by_delta}):
        cells = [_shares(by_delta[delta, n_rows])[1] for n_rows in sizes]
        margin = sum(r["test"]["margin"] for r in by_delta[delta, sizes[-1]]) / len(
            by_delta[delta, sizes[-1]]
        )
        rows.append([f"{delta:g}", f"{margin:.3f}", *cells])
    return markdown_table(["delta", "mean margin", *(f"{n_rows:,} rows" for n_rows in sizes)], rows)


def _summary(pairs: Sequence[Record], rings: Sequence[Record]) -> str:
    single = [test for record in pairs for test in _tests(record, 1)]
    short = [record for record in pairs if record["problem"]["steps"] < 1000]
    holds = sum(test["verdict"] == "holds" for test in single)
    undecided = sum(test["verdict"] == "undecided" for test in single)
    return (
        f"{len(pairs) + len(rings)} models were trained: {len(pairs)} on three latents with seven actions (two for "
        f"each latent, and one on two latents) and 20,000 rows, and the {len(rings)} of the next section. "
        f"{len(short)} of them have 300 steps only, so that most of their graphs are wrong; the others have 1,000. "
        f"The table has the actions whose true effects have rank one, and that have two or more learned children, "
        f"with 5,000 held-out rows; alarms are p-values at the level or below. Of {len(single)} tests of actions with "
        f"one learned child, {holds} said that influence holds, and {undecided} were undecided."
    )


def _null_tests(record: Record) -> list[Record]:
    """Return the tests of actions with several learned children and true effects of rank one."""
    # without the seventh action's other effect, and for the other actions always, effects have rank one
    return [
        test
        for n_children in (2, 3)
        for test in _tests(record, n_children)
        if record["problem"]["delta"] == 0 or test["action"] != "a6"
    ]


def _model_alarms(pairs: Sequence[Record]) -> str:
    groups: dict[str, list[Record]] = {
        "right": [],
        "all edges and two more": [],
        "an edge is missing, not contradicted by the data": [],
        "an edge is missing, contradicted by the data": [],
    }
    names = list(groups)
    for record in pairs:
        extra = record["problem"]["extra_edges"]
        if record["scores"]["shd"] > extra:
            name = names[3] if record["contradictions"] else names[2]
        else:
            name = names[1] if extra else names[0]
        groups[name].append(record)
    rows = [_alarm_row(name, group) for name, group in groups.items()]
    return markdown_table(
        [
            "learned graph",
            "models",
            "contradicted",
            "median leakage",
            "tests",
            *(f"p <= {level:g}" for level in _LEVELS),
            "fails",
        ],
        [*rows, _alarm_row("all", pairs)],
    )


def _alarm_row(name: str, group: Sequence[Record]) -> list[str]:
    tests = [test for record in group for test in _null_tests(record)]
    contradicted = sum(record["contradictions"] > 0 for record in group)
    row = [name, f"{len(group)}", f"{contradicted}"]
    row.append(f"{median(record['leakage'] for record in group):.2f}" if group else "")
    row.append(f"{len(tests)}")
    for level in _LEVELS:
        count = sum(test["p_value"] <= level for test in tests)
        interval = ""
        if tests:
            wilson = binomtest(count, len(tests)).proportion_ci(0.95, "wilson")
            interval = f" ({wilson.low:.3f} to {wilson.high:.3f})"
        row.append(f"{count}{interval}")
    return [*row, f"{sum(test['verdict'] == 'fails' for test in tests)}"]


def _tests(record: Record, n_children: int, n_rows: int = 5_000) -> list[Record]:
    (tests,) = (tests for tests in record["tests"] if tests["n_rows"] == n_rows)
    actions = {name: test for name, test in tests.items() if name != "n_rows"}
    return [{"action": name, **test} for name, test in actions.items() if len(test["children"]) == n_children]


def _pairs(records: Sequence[Record]) -> str:
    rows = []
    long = [r for r in records if r["problem"]["steps"] >= 1000 and not r["problem"]["extra_edges"]]
    for (delta, variance), group in sorted(_grouped(long, "delta", "variance").items()):
        for n_rows in (5_000, 50_000):
            tests = [test for record in group for test in _tests(record, 2, n_rows) if test["action"] == "a6"]
            if not tests:
                continue
            counts = [
                sum(test["verdict"] == verdict for test in tests)
                for verdict in ("holds", "undecided", "fails")
            ]
            relative = f"{min(t['relative'] for t in tests):.3f} to {max(t['relative'] for t in tests):.3f}"
            mcc = sum(record["scores"]["mcc"] for record in group) / len(group)
            rows.append(
                [f"{delta:g}", f"{variance:g}", f"{n_rows:,}", f"{mcc:.3f}", relative, *map(str, counts)]
            )
    head = ["delta", "variance", "held-out rows", "mean MCC", "relative margin"]
    return markdown_table([*head, "holds", "undecided", "fails"], rows)


def _curve(records: Sequence[Record]) -> str:
    rows = []
    for record in sorted(records, key=lambda record: (record["problem"]["delta"], record["problem"]["seed"])):
        tests = [test for n_children in range(5) for test in _tests(record, n_children)]
        scores, problem = record["scores"], record["problem"]
        n_holds = sum(test["verdict"] == "holds" for test in tests)
        rows.append(
            [
                f"{problem['delta']:g}",
                f"{problem['seed']}",
                f"{record['true_margin']:.2f}",
                f"{n_holds} of {len(tests)}",
                f"{scores['mcc']:.3f}",
                f"{scores['r']:.3f}",
                f"{scores['shd']}",
            ]
        )
    head = [
        "delta",
        "seed",
        "smallest true margin",
        "influence holds in the learned graph",
        "MCC",
        "R",
        "SHD",
    ]
    return markdown_table(head, rows)


def _joint_alarms(records: Sequence[Record]) -> str:
    rows = []
    for (n_rows, design, proportional), group in _grouped(
        records, "n_rows", "design", "proportional"
    ).items():
        shares = [f"{_n_joint(group, level, 'holds') / len(group):.3f}" for level in _LEVELS]
        rows.append([_PANELS[design, proportional], f"{n_rows:,}", f"{len(group)}", *shares])
    for name, faint in _FAINT.items():
        group = [record for record in records if record["problem"]["faint"] == faint]
        rows.append([name, "both", f"{len(group)}", *_with_interval(group)])
    rows.append(["all", "both", f"{len(records)}", *_with_interval(records)])
    return markdown_table(["panels", "rows", "number", *(f"level {level:g}" for level in _LEVELS)], rows)


def _with_interval(group: Sequence[Record]) -> list[str]:
    """Return the share of false alarms at each level, with Wilson's interval."""
    cells = []
    for level in _LEVELS:
        count = _n_joint(group, level, "holds")
        interval = binomtest(count, len(group)).proportion_ci(0.95, "wilson")
        cells.append(f"{count / len(group):.3f} ({interval.low:.3f} to {interval.high:.3f})")
    return cells


def _joint_power(records: Sequence[Record]) -> str:
    kinds = list(_grouped(records, "design", "proportional"))
    rows = []
    for (n_rows, size), group in sorted(_grouped(records, "n_rows", "size").items()):
        by_kind = _grouped(group, "design", "proportional")
        shares = [_count(by_kind.get(kind, []), "holds") for kind in kinds]
        with_tolerance = _count(group, "holds", tolerance=0.05)
        rows.append([f"{n_rows:,}", f"{size:g}", *shares, with_tolerance, _count(group, "fails")])
    head = [*(_PANELS[kind] for kind in kinds), "all, with tolerance 0.05", "all, verdict fails"]
    return markdown_table(["rows", "size", *head], rows)


def _count(records: Sequence[Record], status: str, tolerance: float = 0.0) -> str:
    return f"{_n_joint(records, 0.05, status, tolerance)} of {len(records)}"


def _n_joint(records: Sequence[Record], level: float, status: str, tolerance: float = 0.0) -> int:
    """Return for how many panels the verdict has this status."""
    return sum(
        verdict["status"] == status
        for record in records
        for verdict in record["joint"]
        if (verdict["level"], verdict["tolerance"]) == (level, tolerance)
    )
