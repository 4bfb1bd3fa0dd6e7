"""The table of baselines in `published_table.md`: from the stored results of `mechsparse reproduce`, and chance."""

from __future__ import annotations

from stored_runs import FOLDER, read, replaced, table

from estimation.metrics import chance_level
from estimation.reproduction import SideBySide, side_by_side
from estimation.simulate import published
from estimation.sweep.results import Results
from identify.entanglement import predict_entanglement

__all__ = ["FILE", "filled"]

FILE = FOLDER / "baselines.csv"
_CHANCE_SAMPLES = 20_000
_SCORES = (("MCC", "mcc"), ("R_con", "r_con"), ("R", "r"))


def filled(page: str) -> str:
    """The page with its marker ``<!-- baselines -->`` replaced."""
    if not FILE.exists():
        return replaced(page, {"baselines": "not run"})
    results = Results(tuple(read(FILE)))
    lines = side_by_side(results)
    head = ["data set", "method", "runs", *(f"{name}, ours / published" for name, _ in _SCORES), "minutes"]
    machines = "; ".join(dict.fromkeys(f"{row['machine']}, torch {row['torch']}" for row in results.rows))
    rows = [_row(line) for line in lines]
    rows += [_chance(data) for data in dict.fromkeys(line.data for line in lines)]
    return replaced(page, {"baselines": f"{table(head, rows)}\n\nMade on: {machines}."})


def _row(line: SideBySide) -> list[str]:
    scores = [f"{_number(line.ours[key])} / {_number(line.published[key])}" for _, key in _SCORES]
    return [line.data, line.method, str(line.runs), *scores, f"{line.minutes:.1f}"]


def _chance(data: str) -> list[str]:
    """The true latents turned at random: mean and standard deviation of a hundred rotations."""
    test = published(data, _CHANCE_SAMPLES, "test")
    assert test.latents is not None
    assert test.graph is not None
    found = chance_level(test.latents, predict_entanglement(test.graph))
    assert found.r_con is not None
    scores = [f"{score.mean():.3f} (sd {score.std():.3f})" for score in (found.mcc, found.r_con)]
    return [data, "true latents turned at random", "100", *scores, "1", "-"]


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
