"""The table of baselines in `published_table.md`: stored results of `mechsparse reproduce`, and the chance level."""

from __future__ import annotations

from stored_runs import FOLDER, fill_markers, markdown_table, read_rows

from estimation.metrics import chance_level
from estimation.reproduction import SideBySide, side_by_side
from estimation.simulate import published
from estimation.sweep.results import Results
from identify.entanglement import predict_entanglement

__all__ = ["FILE", "RANDOM_ROTATION", "fill_page"]

FILE = FOLDER / "baselines.csv"
#: Name of the chance level in the table.
RANDOM_ROTATION = "random rotation of the true latents"
_CHANCE_SAMPLES = 20_000
_SCORES = (("MCC", "mcc"), ("R_con", "r_con"), ("R", "r"))


def fill_page(page: str) -> str:
    """Fill the marker ``<!-- baselines -->`` of a page."""
    if not FILE.exists():
        return fill_markers(page, {"baselines": "not run"})
    results = Results(tuple(read_rows(FILE)))
    lines = side_by_side(results)
    score_columns = [f"{label}, ours / published" for label, _ in _SCORES]
    head = ["data set", "method", "runs", *score_columns, "minutes per run"]
    rows = [_row(line) for line in lines]
    rows += [_chance_row(data) for data in dict.fromkeys(line.data for line in lines)]
    machines = "; ".join(dict.fromkeys(f"{row['machine']}, torch {row['torch']}" for row in results.rows))
    return fill_markers(page, {"baselines": f"{markdown_table(head, rows)}\n\nMachine: {machines}."})


def _row(line: SideBySide) -> list[str]:
    scores = [f"{_format(line.ours[key])} / {_format(line.published[key])}" for _, key in _SCORES]
    return [line.data, line.method, str(line.runs), *scores, f"{line.minutes:.1f}"]


def _chance_row(data: str) -> list[str]:
    """Mean and standard deviation of the scores of 100 random rotations of the true latents."""
    test = published(data, _CHANCE_SAMPLES, "test")
    assert test.latents is not None
    assert test.graph is not None
    chance = chance_level(test.latents, predict_entanglement(test.graph))
    assert chance.r_con is not None
    scores = [f"{score.mean():.3f} (sd {score.std():.3f})" for score in (chance.mcc, chance.r_con)]
    return [data, RANDOM_ROTATION, "100", *scores, "1", "-"]


def _format(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
