"""Fit and judge the confidence in edges on saved models of the benchmark's problems with other seeds than its own.

``python -m tests.benchmarks.promise.calibrate_edges measure --seed 90 --models FOLDER --out FILE`` examines the models
that ``TrainedModel.save`` wrote to ``FOLDER/NUMBER``, and appends a line of JSON for each: the features of all pairs of
a cause and a latent, and whether the true graph has the edge. ``... fit FILE`` fits the coefficients to all models but
most of seed 90, and to variants of them (`variants`), and compares the confidence with the truth on the others.
The stored models of seed 92 had 1,200 steps, one start and at most 60,000 rows (``--rows 60000``); those of seed 90 had
5,000 steps and the defaults. Both are problems as they were before on/off actions that are on one at a time had latents
that overlap, and models as they were trained before edges beyond the budget were kept until the last step.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from estimation.checkpoint import load
from estimation.config.training import TrainingConfig
from estimation.dataset import Dataset
from estimation.dataset.holdout import hold_out
from estimation.diagnostics import Diagnostics, Evidence, judge
from estimation.diagnostics.confidence import COEFFICIENTS, confidence_of, pair_features
from estimation.metrics import mean_correlation
from estimation.models.sparse_vae import SparseVAE
from estimation.trained import TrainedModel
from estimation.training.batches import Batches
from estimation.training.examination import gather_evidence
from identify.graph import CausalGraph
from tests.benchmarks.promise.problems import Problem, problem
from tests.benchmarks.promise.variants import Truth, Variant, variants

__all__ = ["fit_coefficients", "main", "measure", "records_of", "true_edges"]

Array = NDArray[np.float64]
Record = dict[str, Any]

_N_TEST = 10_000
_DIGITS = 4
# the confidence is judged on runs of this seed; the coefficients are fitted to runs of others
_JUDGED_SEED = 90
# except for these two, without which no run whose settings don't overlap would be fitted to
_FITTED_NUMBERS = (11, 92)
_MAX_WRONG = 2
_EFFECT_ROWS, _LATENT_ROWS = 1_000, 2_000
# strength of the penalty on squared coefficients, with which few models determine them
_PENALTY = 1.0


def measure(model: TrainedModel, case: Problem, data: Dataset) -> list[Record]:
    """Examine a model once more, and return the features of all pairs beside the truth: of the run, and of variants.

    Args:
        model: Model that was trained on the data.
        case: The problem.
        data: The training data.
    """
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
    evidence = gather_evidence(network, training, held_out, config, step, data.action_names, edges)
    test = case.data(_N_TEST, "test")
    assert test.latents is not None
    permutation = mean_correlation(test.latents, model.encode(test.observations)).permutation
    truth = true_edges(case.graph, permutation, network.shape.n_latents)
    return records_of(evidence, judge(evidence), truth, case, step)


def records_of(
    evidence: Evidence, diagnostics: Diagnostics, truth: Truth, case: Problem, step: int
) -> list[Record]:
    """Return the record of a run, and those of its variants if its graph has at most two errors.

    Runs that the confidence is judged on have no variants.

    Args:
        evidence: Evidence about the run.
        diagnostics: What was judged from it.
        truth: True edges of its latents, by ``"actions"`` and ``"past"``.
        case: The problem.
        step: Number of steps of the run.
    """
    small = _with_few_rows(evidence)
    truth = {
        kind: edges[:, evidence.action_columns] if kind == "actions" else edges
        for kind, edges in truth.items()
    }
    truth = {kind: truth[kind] for kind in evidence.resampled_sizes}
    is_judged = case.seed == _JUDGED_SEED and case.number not in _FITTED_NUMBERS
    found = [Variant("as trained", small, diagnostics.margin, truth)]
    learned = {"actions": evidence.action_edges, "past": evidence.past_edges}
    n_wrong = sum(int((learned[kind] != edges).sum()) for kind, edges in truth.items())
    if not is_judged and n_wrong <= _MAX_WRONG:
        found += variants(small, truth, case.seed * 1_000 + case.number)
    return [
        {
            "problem": {"seed": case.seed, **case.summary()},
            "steps": step,
            "variant": each.name,
            "judged": is_judged,
            "verdict": None if each.margin is None else each.margin.verdict,
            "pairs": _pairs(each),
        }
        for each in found
    ]


def _with_few_rows(evidence: Evidence) -> Evidence:
    """Return the evidence with effects on fewer rows, with which variants take less time."""
    effects, jacobians = evidence.action_effects, evidence.past_jacobians
    return replace(
        evidence,
        latents=evidence.latents[:_LATENT_ROWS],
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


def true_edges(
    graph: CausalGraph, permutation: NDArray[np.int64], n_learned: int
) -> dict[str, NDArray[np.bool_]]:
    """Return which pairs of learned latents and causes have an edge in the true graph, by ``"actions"`` and ``"past"``.

    Args:
        graph: The true graph.
        permutation: Learned latent matched to each true one, -1 for none.
        n_learned: Number of learned latents; those without a match have no true edges.
    """
    match = np.full(n_learned, graph.n_latents)
    has_match = permutation >= 0
    match[permutation[has_match]] = np.flatnonzero(has_match)
    actions = np.pad(graph.Ga.toarray(), ((0, 1), (0, 0)))
    past = np.pad(graph.Gz.toarray(), (0, 1))
    return {"actions": actions[match], "past": past[np.ix_(match, match)]}


def fit_coefficients(records: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Fit the logistic regression by penalised maximum likelihood.

    Args:
        records: Records of `measure`.
    """
    pairs = np.array([pair for record in records for pair in record["pairs"]])
    features, truth = pairs[:, : len(COEFFICIENTS)], pairs[:, -1]
    signs = 2 * truth - 1

    def loss(values: Array) -> tuple[float, Array]:
        margins = signs * (features @ values)
        penalty = _PENALTY / 2 * float(values[1:] @ values[1:])
        slopes = -signs / (1 + np.exp(margins.clip(-500, 500)))
        gradient = features.T @ slopes
        gradient[1:] += _PENALTY * values[1:]
        return float(np.logaddexp(0, -margins).sum()) + penalty, gradient

    found = minimize(loss, np.zeros(features.shape[1]), jac=True, method="BFGS")
    return {name: round(float(value), 2) for name, value in zip(COEFFICIENTS, found.x, strict=True)}


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure models, or fit the coefficients.

    Args:
        arguments: Arguments of the command line; None for those of the process.
    """
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.promise.calibrate_edges")
    commands = parser.add_subparsers(dest="command", required=True)
    measuring = commands.add_parser("measure", help="examine saved models")
    measuring.add_argument("--seed", type=int, required=True, help="seed of the problems")
    measuring.add_argument(
        "--models", type=Path, required=True, metavar="FOLDER", help="FOLDER/NUMBER are models"
    )
    measuring.add_argument(
        "--rows", type=int, default=None, help="largest number of training rows; default: all"
    )
    measuring.add_argument("--out", type=Path, required=True, metavar="FILE", help="file of JSON lines")
    fitting = commands.add_parser("fit", help="fit and judge")
    fitting.add_argument("file", type=Path, metavar="FILE", help="file of JSON lines")
    options = parser.parse_args(arguments)
    return _fit(options.file) if options.command == "fit" else _measure(options)


def _measure(options: argparse.Namespace) -> int:
    finished = [(record["problem"]["seed"], record["problem"]["number"]) for record in _read(options.out)]
    for folder in sorted(options.models.iterdir()):
        if not folder.name.isdigit() or (options.seed, int(folder.name)) in finished:
            continue
        case = problem(options.seed, int(folder.name))
        n_rows = case.n_samples if options.rows is None else min(case.n_samples, options.rows)
        found = measure(load(folder), case, case.data(n_rows))
        with options.out.open("a", encoding="utf-8") as file:
            file.writelines(json.dumps(record) + "\n" for record in found)
    return 0


def _fit(file: Path) -> int:
    records = _read(file)
    print(json.dumps(fit_coefficients([record for record in records if not record["judged"]]), indent=4))
    judged = np.array([pair for record in records if record["judged"] for pair in record["pairs"]])
    confidence = confidence_of(judged[:, :-1])
    print("with the coefficients that the package has, of the runs to judge by:")
    for low, high in ((0, 0.05), (0.05, 0.5), (0.5, 0.85), (0.85, 0.95), (0.95, 0.99), (0.99, 1.01)):
        inside = (confidence >= low) & (confidence < high)
        print(f"{low:.2f} to {high:.2f}: {int(judged[inside, -1].sum())} of {int(inside.sum())} are true")
    return 0


def _read(path: Path) -> list[Record]:
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return [json.loads(line) for line in lines]


if __name__ == "__main__":
    sys.exit(main())
