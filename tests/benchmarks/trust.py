"""Compare `verify` with ground truth: ``python -m tests.benchmarks.trust --runs FOLDER --out FILE``.

The runs are those of a sweep over simulated data. `verify` compares the seeds of every setting, as on data without
ground truth. The ground truth then shows which latents of the reference mix only as the theory allows.
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
from estimation.sweep.data import load_data
from estimation.sweep.environment import describe_environment
from estimation.sweep.folders import read_trial
from identify.files import write_whole
from tests.benchmarks.published_run import commit

__all__ = ["compare_settings", "main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Compare `verify` with ground truth for every setting of some sweeps, and write the results.

    Args:
        arguments: Arguments of the command line; None for those of the process.
    """
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.trust", description=__doc__)
    parser.add_argument(
        "--runs", type=Path, nargs="+", required=True, metavar="FOLDER", help="folders of sweeps"
    )
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="JSON file to write")
    options = parser.parse_args(arguments)
    records = [record for folder in options.runs for record in compare_settings(folder)]
    content = {"settings": records, **describe_environment(), "commit": commit()}
    write_whole(options.out, json.dumps(content, indent=1) + "\n")
    return 0


def compare_settings(folder: Path) -> list[dict[str, Any]]:
    """Compare `verify` with ground truth for every data set, method and setting with two seeds or more.

    Args:
        folder: The folder of a sweep.

    Returns:
        One record per setting, which also says whether `select` chooses the setting.
    """
    groups: dict[str, list[str]] = {}
    results = collect(folder)
    for row in results.rows:
        if row["status"] == "done":
            key = json.dumps([row["data"], row["method"], row["setting"]], sort_keys=True)
            groups.setdefault(key, []).append(row["folder"])
    records = []
    for key, names in groups.items():
        if len(names) > 1:
            data, method, setting = json.loads(key)
            choice = results.select(data, method)
            record = _compare_setting(data, method, setting, [folder / name for name in names])
            records.append({**record, "chosen": choice is None or choice.setting == setting})
    return records


def _compare_setting(data: str, method: str, setting: dict[str, Any], folders: list[Path]) -> dict[str, Any]:
    trial = read_trial(folders[0])
    assert trial is not None
    _, test = load_data(trial.data)
    models = {folder.name: load(folder / "model") for folder in folders}
    verification = verify(models, test)
    # after a short training the derivatives are rough; a regression measures the dependence over all points
    evaluation = evaluate(models[verification.reference], test, method="regression")
    right = _right_by_latent(evaluation)
    latents = [
        {
            "latent": latent.latent,
            "verdict": latent.verdict,
            "trusted": latent.trusted,
            "right": right.get(latent.latent),
        }
        for latent in verification.latents
    ]
    scores = {name: getattr(evaluation, name) for name in ("mcc", "r_con", "r", "shd")}
    return {
        "data": data,
        "method": method,
        "setting": setting,
        "runs": len(models),
        "latents": latents,
        **scores,
    }


def _right_by_latent(evaluation: Evaluation) -> dict[str, bool]:
    """Return, for each matched learned latent, whether the prediction is confirmed for the block of its match."""
    comparison = evaluation.comparison
    assert comparison is not None
    confirmed = {name: block.confirmed for block in comparison.blocks for name in block.latents}
    return {
        learned: confirmed[latent]
        for latent, learned in zip(comparison.latents, comparison.matched_names, strict=True)
        if learned
    }


if __name__ == "__main__":
    sys.exit(main())
