"""One run of the published table: train and evaluate on a published data set, and record scores and settings."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from estimation.config import TrainingConfig
from estimation.simulate.published_processes import NAMES, PROCESS_SEED, build
from estimation.sweep.environment import describe_environment

__all__ = ["Case", "cases", "commit", "config_of", "measure"]

ROOT = Path(__file__).parents[2]
DATA_SETS = (
    "ActionDiag",
    "ActionNonDiag",
    "TimeDiag",
    "TimeNonDiag",
    "ActionBlockDiag",
    "ActionBlockNonDiag",
    "TimeBlockDiag",
    "TimeBlockNonDiag",
)
RANDOM = ("ActionRandom", "TimeRandom")
DENSITIES = (0.1, 0.2, 0.4)
GRAPH_SEEDS = (11, 22, 33, 44, 55)
# each split is standardised by its own samples: with 10,000, mean and scale are off by as much as the noise
SAMPLES, TEST_SAMPLES = 200_000, 100_000


@dataclass(frozen=True)
class Case:
    """One run of the table.

    Attributes:
        data: Name of a published process.
        density: Density of a random graph, else None.
        graph_seed: Seed of a random graph, else None.
        model_seed: Seed of the training, `TrainingConfig.seed`.
        samples: Number of training samples.
        test_samples: Number of test samples.
    """

    data: str
    density: float | None = None
    graph_seed: int | None = None
    model_seed: int = 0
    samples: int = SAMPLES
    test_samples: int = TEST_SAMPLES

    def __str__(self) -> str:
        graph = "" if self.density is None else f" density {self.density:g} graph seed {self.graph_seed}"
        return f"{self.data}{graph} model seed {self.model_seed}"


def cases(
    names: Sequence[str] | None = None, seeds: Sequence[int] = (0, 1, 2), **sizes: int
) -> Iterator[Case]:
    """Yield the runs of the table: the data sets with the first model seed, the random graphs, then the other seeds.

    Args:
        names: Names of data sets, which may include ``"ActionRandom"`` and ``"TimeRandom"``; None for all.
        seeds: Model seeds of the data sets. The random graphs use only the first seed.
        sizes: Values of ``samples`` and ``test_samples``.

    Yields:
        One case per run.

    Raises:
        ValueError: If a name is not in the table.
    """
    names = (*DATA_SETS, *RANDOM) if names is None else names
    unknown = sorted(set(names) - {*DATA_SETS, *RANDOM})
    if unknown:
        raise ValueError(f"the table has no {unknown[0]!r}; it has {', '.join((*DATA_SETS, *RANDOM))}")
    data_sets = [name for name in DATA_SETS if name in names]
    yield from (Case(name, model_seed=seeds[0], **sizes) for name in data_sets)
    for density in DENSITIES:
        for graph_seed in GRAPH_SEEDS:
            for name in RANDOM:
                if name in names:
                    yield Case(name, density, graph_seed, seeds[0], **sizes)
    yield from (Case(name, model_seed=seed, **sizes) for seed in seeds[1:] for name in data_sets)


def config_of(case: Case, changes: Mapping[str, Any]) -> TrainingConfig:
    """Return the default settings with the true number of edges as the budget, and with some settings changed.

    A row of the table is a single run, whatever its warnings.
    """
    import numpy as np

    assert case.data in NAMES
    generator = np.random.default_rng(PROCESS_SEED)
    graph = build(case.data, generator, case.density, case.graph_seed).graph
    budget = {"max_edges_actions": graph.Ga.nnz} if graph.n_actions else {"max_edges_past": graph.Gz.nnz}
    return TrainingConfig.from_dict({"seed": case.model_seed, "restarts": 1, **budget, **changes})


def measure(case: Case, changes: Mapping[str, Any]) -> dict[str, Any]:
    """Train and evaluate a case.

    Args:
        case: The case.
        changes: Settings that differ from the defaults.

    Returns:
        Scores, settings and environment, as a dictionary that JSON can hold.
    """
    from estimation.evaluation import evaluate
    from estimation.simulate import published
    from estimation.training import fit

    config = config_of(case, changes)
    start_time = datetime.now(UTC).isoformat(timespec="seconds")
    train = published(case.data, case.samples, "train", case.density, case.graph_seed)
    start = time.monotonic()
    model = fit(train, config)
    minutes = (time.monotonic() - start) / 60
    test = published(case.data, case.test_samples, "test", case.density, case.graph_seed)
    evaluation = evaluate(model, test)
    assert evaluation.scores is not None
    assert evaluation.held_out is not None
    return {
        **asdict(case),
        **{name: getattr(evaluation, name) for name in ("mcc", "r_con", "r", "shd", "missing", "extra")},
        "held_out": asdict(evaluation.held_out),
        "negative_elbo": evaluation.negative_elbo,
        "confirmed": bool(evaluation.comparison),
        "minutes": round(minutes, 3),
        "steps": model.history.records[-1].step,
        "notes": model.history.notes,
        "warnings": [str(warning) for warning in model.warnings],
        "flagged": bool(model.diagnostics and model.diagnostics.serious),
        "began": start_time,
        "changes": dict(changes),
        "settings": config.to_dict(),
        **describe_environment(),
        "commit": commit(),
    }


def commit() -> str | None:
    """Return the commit, with a plus sign if the packages have uncommitted changes; None outside a repository."""

    def git(*arguments: str) -> str:
        process = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True)
        return process.stdout.strip()

    try:
        has_changes = git("status", "--porcelain", "--", "identify", "estimation")
        return git("rev-parse", "HEAD") + ("+" if has_changes else "")
    except (OSError, subprocess.CalledProcessError):
        return None


if __name__ == "__main__":
    request = json.loads(sys.argv[1])
    # the caller reads the last line only: libraries may print other lines before
    print(json.dumps(measure(Case(**request["case"]), request["changes"])))
