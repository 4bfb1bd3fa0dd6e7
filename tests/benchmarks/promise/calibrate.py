"""Fit and judge the confidence in edges and latents on saved models of problems with other seeds than the benchmark's.

``python -m tests.benchmarks.promise.run --seed 92 --short --save FOLDER --out FILE`` trains and saves models.
``python -m tests.benchmarks.promise.calibrate measure --seed 92 --models FOLDER --out FILE`` examines them, and appends
a line of JSON for each: the features of all pairs of a cause and a latent, and whether the true graph has the edge;
those of all latents, and whether they depend on no other true latents than their graph allows. ``... fit FILE`` fits
the coefficients to all models but those of the seed that is judged, and to variants of them (`variants`), and compares
the confidence with the truth on the others.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from estimation.checkpoint import load
from estimation.config.training import TrainingConfig
from estimation.dataset import Dataset
from estimation.dataset.fingerprint import fingerprint
from estimation.dataset.holdout import hold_out
from estimation.diagnostics import Evidence, judge
from estimation.diagnostics.confidence import COEFFICIENTS, confidence_of, pair_features
from estimation.diagnostics.latent_confidence import LATENT_COEFFICIENTS, latent_features, probabilities_of
from estimation.exceptions import DataError
from estimation.models.sparse_vae import SparseVAE
from estimation.trained import TrainedModel
from estimation.training.batches import Batches
from estimation.training.examination import gather_evidence
from tests.benchmarks.promise.problems import Problem, problem
from tests.benchmarks.promise.run import training_data
from tests.benchmarks.promise.truth import MIN_SHARE, latent_shares, matching, true_edges
from tests.benchmarks.promise.variants import Variant, variants

__all__ = ["fit_coefficients", "fit_latent_coefficients", "main", "measure"]

Array = NDArray[np.float64]
Record = dict[str, Any]

_N_TEST = 10_000
_DIGITS = 4
# the confidence is judged on runs of this seed; the coefficients are fitted to runs of others
_JUDGED_SEED = 91
_MAX_WRONG = 2
_EFFECT_ROWS, _LATENT_ROWS = 1_000, 2_000
# strength of the penalty on squared coefficients, with which few models determine them
_PENALTY = 1.0


def measure(model: TrainedModel, case: Problem, data: Dataset, model_seed: int = 0) -> list[Record]:
    """Examine a model once more, and return features beside the truth: of the run, and of variants.

    Runs that the confidence is judged on have no variants, and neither have runs whose graph has more than two errors.

    Args:
        model: Model that was trained on the data.
        case: The problem.
        data: The training data.
        model_seed: Seed of the model.
    """
    evidence = _evidence(model, data)
    diagnostics = judge(evidence)
    test = case.data(_N_TEST, "test")
    truth = true_edges(case.graph, matching(model, test), len(evidence.names))
    truth = {
        kind: edges[:, evidence.action_columns] if kind == "actions" else edges
        for kind, edges in truth.items()
        if kind in evidence.resampled_sizes
    }
    right = latent_shares(model, test) >= MIN_SHARE
    small = _with_few_rows(evidence)
    is_judged = case.seed == _JUDGED_SEED
    found = [Variant("as trained", evidence, diagnostics.margin, truth, right)]
    learned = {"actions": evidence.action_edges, "past": evidence.past_edges}
    n_wrong = sum(int((learned[kind] != edges).sum()) for kind, edges in truth.items())
    if not is_judged and n_wrong <= _MAX_WRONG:
        found += variants(small, truth, right, case.seed * 1_000 + case.number)
    return [
        {
            "problem": {"seed": case.seed, **case.summary()},
            "model_seed": model_seed,
            "steps": model.history.records[-1].step,
            "variant": each.name,
            "judged": is_judged,
            "verdict": None if each.margin is None else each.margin.verdict,
            "pairs": _pairs(each),
            "latents": _latents(each),
        }
        for each in found
    ]


def _evidence(model: TrainedModel, data: Dataset) -> Evidence:
    if fingerprint(data) != model.data_fingerprint:
        raise DataError("the model was trained on other rows; --short is for the models of short runs")
    network, config = model.model, model.config
    assert isinstance(network, SparseVAE)
    assert isinstance(config, TrainingConfig)
    parts = [part.pairs() for part in hold_out(data, config.seed)]
    like = network.x_mean
    training, held_out = (
        Batches(part, config.batch_size, config.seed, like.device, like.dtype, model=network)
        for part in parts
    )
    step = model.history.records[-1].step
    edges = {name: masks.support() for name, masks in network.edges.items()}
    return gather_evidence(network, training, held_out, config, step, data.action_names, edges)


def _with_few_rows(evidence: Evidence) -> Evidence:
    """Return the evidence with effects on fewer rows, with which variants take less time."""
    effects, jacobians = evidence.action_effects, evidence.past_jacobians
    return replace(
        evidence,
        latents=evidence.latents[:_LATENT_ROWS],
        actions=None if evidence.actions is None else evidence.actions[:_LATENT_ROWS],
        action_effects=None if effects is None else effects[:_EFFECT_ROWS],
        past_jacobians=None if jacobians is None else jacobians[:_EFFECT_ROWS],
    )


def _pairs(variant: Variant) -> list[list[float]]:
    """Return the features of each pair that is measured, and after them 1 if the pair has a true edge, otherwise 0."""
    active, pairs = ~variant.evidence.collapsed, []
    for kind, values in (pair_features(variant.evidence, variant.margin) or {}).items():
        kept = np.outer(active, active if kind == "past" else np.ones(values.shape[1], dtype=bool))
        rows = np.column_stack([values[kept].round(_DIGITS), variant.truth[kind][kept]])
        pairs += [[*features, int(edge)] for *features, edge in rows.tolist()]
    return pairs


def _latents(variant: Variant) -> list[list[float]]:
    """Return the features of each latent that has not collapsed, and after them 1 if it is right, otherwise 0."""
    features = latent_features(variant.evidence, variant.margin)
    if features is None or variant.right is None:
        return []
    kept = ~variant.evidence.collapsed
    rows = np.column_stack([features[kept].round(_DIGITS), variant.right[kept]])
    return [[*values, int(is_right)] for *values, is_right in rows.tolist()]


def fit_coefficients(records: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Fit the logistic regression for edges by penalised maximum likelihood.

    Args:
        records: Records of `measure`.
    """
    pairs = np.array([pair for record in records for pair in record["pairs"]])
    found = _fitted(pairs[:, : len(COEFFICIENTS)], pairs[:, -1])
    return dict(zip(COEFFICIENTS, found, strict=True))


def fit_latent_coefficients(records: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Fit the logistic regression for latents by penalised maximum likelihood. Doubts never raise the probability.

    Args:
        records: Records of `measure`.
    """
    latents = np.array([latent for record in records for latent in record["latents"]])
    return dict(zip(LATENT_COEFFICIENTS, _fitted(latents[:, :-1], latents[:, -1], falling=True), strict=True))


def _fitted(features: Array, truth: Array, falling: bool = False) -> list[float]:
    """Return the coefficients; all but the first are at most 0 if the probability falls with the features."""
    signs = 2 * truth - 1

    def loss(values: Array) -> tuple[float, Array]:
        margins = signs * (features @ values)
        penalty = _PENALTY / 2 * float(values[1:] @ values[1:])
        slopes = -signs / (1 + np.exp(margins.clip(-500, 500)))
        gradient = features.T @ slopes
        gradient[1:] += _PENALTY * values[1:]
        return float(np.logaddexp(0, -margins).sum()) + penalty, gradient

    n = features.shape[1]
    bounds = [(None, None), *[(None, 0.0 if falling else None)] * (n - 1)]
    found = minimize(loss, np.zeros(n), jac=True, method="L-BFGS-B", bounds=bounds, options={"ftol": 1e-14})
    return [round(float(value), 2) for value in found.x]


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure models, or fit the coefficients.

    Args:
        arguments: Arguments of the command line; None for those of the process.
    """
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.promise.calibrate")
    commands = parser.add_subparsers(dest="command", required=True)
    measuring = commands.add_parser("measure", help="examine saved models")
    measuring.add_argument("--seed", type=int, required=True, help="seed of the problems")
    measuring.add_argument(
        "--models",
        type=Path,
        required=True,
        metavar="FOLDER",
        help="folder of the models, whose names are numbers of problems",
    )
    measuring.add_argument("--model-seed", type=int, default=0, help="seed of the models")
    measuring.add_argument("--short", action="store_true", help="the models are of short runs")
    measuring.add_argument("--out", type=Path, required=True, metavar="FILE", help="file of JSON lines")
    fitting = commands.add_parser("fit", help="fit and judge")
    fitting.add_argument("file", type=Path, metavar="FILE", help="file of JSON lines")
    options = parser.parse_args(arguments)
    return _fit(options.file) if options.command == "fit" else _measure(options)


def _measure(options: argparse.Namespace) -> int:
    finished = [
        (record["problem"]["seed"], record["problem"]["number"], record["model_seed"], record["short"])
        for record in _read(options.out)
    ]
    for folder in sorted(options.models.iterdir()):
        run = options.seed, int(folder.name), options.model_seed, options.short
        if run not in finished:
            case = problem(options.seed, int(folder.name))
            found = measure(load(folder), case, training_data(case, options.short), options.model_seed)
            lines = [json.dumps({**record, "short": options.short}) for record in found]
            with options.out.open("a", encoding="utf-8") as file:
                file.write("\n".join(lines) + "\n")
    return 0


def _fit(file: Path) -> int:
    records = _read(file)
    fitted = [record for record in records if not record["judged"]]
    print(json.dumps(fit_coefficients(fitted), indent=4))
    print(json.dumps(fit_latent_coefficients(fitted), indent=4))
    print("with the coefficients that the package has, of the runs to judge by:")
    for what, probability in (
        ("pairs", confidence_of),
        ("latents", probabilities_of),
    ):
        rows = np.array([row for record in records if record["judged"] for row in record[what]])
        confidence = probability(rows[:, :-1])
        for low, high in pairwise((0, 0.05, 0.5, 0.85, 0.95, 0.99, 1.01)):
            inside = (confidence >= low) & (confidence < high)
            print(f"{what}, {low:.2f} to {high:.2f}: {int(rows[inside, -1].sum())} of {int(inside.sum())}")
    return 0


def _read(path: Path) -> list[Record]:
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return [json.loads(line) for line in lines]


if __name__ == "__main__":
    sys.exit(main())
