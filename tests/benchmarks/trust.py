"""What `verify` says of runs whose truth is known: ``python -m tests.benchmarks.trust --runs FOLDER --out FILE``.

The runs are those of a sweep over simulated data. The seeds of every setting judge each other, as on data without a
truth; beside it stands what the truth says of the reference: which of its latents mix as theory allows.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from estimation.checkpoint import load
from estimation.evaluation import Evaluation, evaluate
from estimation.evaluation.verification import verify
from estimation.sweep import collect
from estimation.sweep.data import datasets
from estimation.sweep.environment import surroundings
from estimation.sweep.folders import known_trial
from identify.files import write_whole
from tests.benchmarks.published_run import commit

__all__ = ["judged", "main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Judge every setting of a sweep and write what came of it.

    Args:
        arguments: of the command line.
    """
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.trust", description=__doc__)
    parser.add_argument("--runs", type=Path, nargs="+", required=True, metavar="FOLDER", help="of sweeps")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="JSON")
    options = parser.parse_args(arguments)
    records = [record for folder in options.runs for record in judged(folder)]
    write_whole(
        options.out, json.dumps({"settings": records, **surroundings(), "commit": commit()}, indent=1) + "\n"
    )
    return 0


def judged(folder: Path) -> list[dict[str, Any]]:
    """For every data set, method and setting with two seeds or more: what the seeds say, and what the truth says.

    Beside it stands whether `select` would choose this setting, which nobody needs the truth for either.
    """
    groups: dict[str, list[str]] = {}
    results = collect(folder)
    for row in results.rows:
        if row["status"] == "done":
            key = json.dumps([row["data"], row["method"], row["setting"]], sort_keys=True)
            groups.setdefault(key, []).append(row["folder"])
    found = []
    for key, names in groups.items():
        if len(names) > 1:
            data, method, setting = json.loads(key)
            choice = results.chosen(data, method)
            record = _judged(data, method, setting, [folder / name for name in names])
            found.append({**record, "chosen": choice is None or choice.setting == setting})
    return found


def _judged(data: str, method: str, setting: dict[str, Any], places: list[Path]) -> dict[str, Any]:
    trial = known_trial(places[0])
    assert trial is not None
    _, test = datasets(trial.data)
    models = {place.name: load(place / "model") for place in places}
    found = verify(models, test)
    # local derivatives of a short training are rough; a regression sees what a latent depends on as a whole
    truth = evaluate(models[found.reference], test, method="regression")
    right = _right(truth)
    latents = [
        {
            "latent": each.latent,
            "verdict": each.verdict,
            "trusted": each.trusted,
            "right": right.get(each.latent),
        }
        for each in found.latents
    ]
    scores = {"mcc": truth.mcc, "r_con": truth.r_con, "r": truth.r, "shd": truth.shd}
    return {
        "data": data,
        "method": method,
        "setting": setting,
        "runs": len(models),
        "latents": latents,
        **scores,
    }


def _right(truth: Evaluation) -> dict[str, bool]:
    """For each learned latent with a match, whether the block that it is matched to is as theory predicts."""
    assert truth.comparison is not None
    confirmed = {name: block.confirmed for block in truth.comparison.blocks for name in block.latents}
    return {
        column: confirmed[latent]
        for latent, column in zip(truth.comparison.latents, truth.comparison.columns, strict=True)
        if column
    }


if __name__ == "__main__":
    sys.exit(main())
