"""One run of the published table: train on a published data set, evaluate on its test split, say where and how."""

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
from estimation.sweep.environment import surroundings

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
# every published split is standardised by its own samples: of 10,000, means and scales are off by as much as the noise
SAMPLES, TEST_SAMPLES = 200_000, 100_000


@dataclass(frozen=True)
class Case:
    """What to train on.

    Attributes:
        data: a published process.
        density, graph_seed: of a random graph, else None.
        model_seed: `TrainingConfig.seed`.
        samples: to train on.
        test_samples: to evaluate on.
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
    """The runs of the table: every data set with the first model seed, the random graphs, then the other seeds.

    Args:
        names: which data sets, ``"ActionRandom"`` and ``"TimeRandom"`` among them; None for all.
        seeds: model seeds of the data sets; random graphs have the first one.
        sizes: ``samples`` and ``test_samples``.

    Raises:
        ValueError: a name is none of the table.
    """
    chosen = (*DATA_SETS, *RANDOM) if names is None else names
    unknown = sorted(set(chosen) - {*DATA_SETS, *RANDOM})
    if unknown:
        raise ValueError(f"the table has no {unknown[0]!r}; it has {', '.join((*DATA_SETS, *RANDOM))}")
    fixed = [name for name in DATA_SETS if name in chosen]
    yield from (Case(name, model_seed=seeds[0], **sizes) for name in fixed)
    for density in DENSITIES:
        for graph_seed in GRAPH_SEEDS:
            for name in RANDOM:
                if name in chosen:
                    yield Case(name, density, graph_seed, seeds[0], **sizes)
    yield from (Case(name, model_seed=seed, **sizes) for seed in seeds[1:] for name in fixed)


def config_of(case: Case, changes: Mapping[str, Any]) -> TrainingConfig:
    """The default settings with the true number of edges as the budget, and these changes."""
    import numpy as np

    assert case.data in NAMES
    generator = np.random.default_rng(PROCESS_SEED)
    graph = build(case.data, generator, case.density, case.graph_seed).graph
    budget = {"max_edges_actions": graph.Ga.nnz} if graph.n_actions else {"max_edges_past": graph.Gz.nnz}
    return TrainingConfig.from_dict({"seed": case.model_seed, **budget, **changes})


def measure(case: Case, changes: Mapping[str, Any]) -> dict[str, Any]:
    """Train and evaluate; everything that the table needs to know, ready for JSON."""
    from estimation.evaluation import evaluate
    from estimation.simulate import published
    from estimation.training import fit

    config = config_of(case, changes)
    began = datetime.now(UTC).isoformat(timespec="seconds")
    train = published(case.data, case.samples, "train", case.density, case.graph_seed)
    start = time.monotonic()
    model = fit(train, config)
    minutes = (time.monotonic() - start) / 60
    test = published(case.data, case.test_samples, "test", case.density, case.graph_seed)
    found = evaluate(model, test)
    assert found.scores is not None
    assert found.held_out is not None
    return {
        **asdict(case),
        "mcc": found.mcc,
        "r_con": found.r_con,
        "r": found.r,
        "shd": found.shd,
        "missing": found.missing,
        "extra": found.extra,
        "held_out": asdict(found.held_out),
        "negative_elbo": found.negative_elbo,
        "confirmed": bool(found.comparison),
        "minutes": round(minutes, 3),
        "steps": model.history.records[-1].step,
        "notes": model.history.notes,
        "began": began,
        "changes": dict(changes),
        "settings": config.to_dict(),
        **surroundings(),
        "commit": commit(),
    }


def commit() -> str | None:
    """The commit, with a plus where the packages differ from it; None outside a repository."""

    def git(*words: str) -> str:
        done = subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    try:
        changed = git("status", "--porcelain", "--", "identify", "estimation")
        return git("rev-parse", "HEAD") + ("+" if changed else "")
    except (OSError, subprocess.CalledProcessError):
        return None


if __name__ == "__main__":
    # what is printed beside the result, for instance by a library, is not taken for it
    asked = json.loads(sys.argv[1])
    print(json.dumps(measure(Case(**asked["case"]), asked["changes"])))
