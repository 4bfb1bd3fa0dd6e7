"""`reproduction_plan`: the runs of the published table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from estimation.config.baselines import BASELINES, NEEDS
from estimation.config.methods import METHODS
from estimation.config.training import SPARSE_VAE
from estimation.exceptions import ConfigError
from estimation.reproduction.published import published_scores
from estimation.simulate.published_processes import PLAIN, PROCESS_SEED, build
from estimation.sweep.plan import SweepPlan
from identify.names import quoted

__all__ = ["DATA_SETS", "SEEDS", "reproduction_plan"]

DATA_SETS = PLAIN
SEEDS = 5
# limit per method and data set, checked before the list of runs is built
MAX_SEEDS = 1000
# each split is standardised by its own samples: with a few thousand, mean and scale are off by more than the noise
SAMPLES, TEST_SAMPLES = 200_000, 100_000


def reproduction_plan(
    names: Sequence[str] | None = None,
    methods: Sequence[str] = (SPARSE_VAE,),
    seeds: int = SEEDS,
    *,
    true_edges: bool = False,
    samples: int = SAMPLES,
    test_samples: int = TEST_SAMPLES,
    settings: Mapping[str, Any] | None = None,
) -> SweepPlan:
    """Return the runs of the table, for `estimation.sweep.running.run_sweep`.

    Args:
        names: Names of some of the eight data sets; None for all.
        methods: The sparse VAE, baselines, or both. A baseline is left out on data that lack what it needs: iVAE needs
            actions, SlowVAE and PCL need time series.
        seeds: Number of model seeds, starting from 0. The published table has 5.
        true_edges: If true, use the true number of edges as the budget. The published budget differs from it on
            TimeNonDiag (50 instead of 55), ActionBlockNonDiag (15 instead of 12) and TimeBlockNonDiag (30 instead of
            32).
        samples: Number of training samples.
        test_samples: Number of test samples.
        settings: Settings that differ from the defaults. Baselines use those that they share with the sparse VAE.
            ``{"preset": "published"}`` trains with the authors' settings, which takes days.

    Returns:
        The plan of the sweep.

    Raises:
        ConfigError: If a name, a method or a setting is unknown.

    Example:
        >>> plan = reproduction_plan(["TimeNonDiag"], ["sparse_vae", "ivae", "pcl"], seeds=1)
        >>> [(trial.method, trial.settings) for trial in plan.trials]
        [('sparse_vae', {'max_edges_past': 50}), ('pcl', {})]
    """
    names = DATA_SETS if names is None else tuple(names)
    for noun, requested, known in (("data set", names, DATA_SETS), ("method", methods, METHODS)):
        unknown = next((name for name in requested if name not in known), None)
        if unknown is not None:
            raise ConfigError(f"the table has no {noun} {quoted(unknown)}; it has {', '.join(known)}")
    if not 1 <= seeds <= MAX_SEEDS:
        raise ConfigError(f"seeds is {quoted(seeds)}; it must be a number of seeds from 1 to {MAX_SEEDS}")
    content = {
        "seeds": list(range(seeds)),
        "data": {
            name: {
                "source": name,
                "samples": samples,
                "test_samples": test_samples,
                "settings": {**_budget(name, true_edges), **(settings or {})},
            }
            for name in names
        },
        "method": {name: {"kind": name} for name in methods},
    }
    plan = SweepPlan.from_dict(content)
    return SweepPlan(tuple(trial for trial in plan.trials if _is_applicable(trial.kind, trial.data.name)))


def _budget(name: str, true_edges: bool) -> dict[str, int]:
    key = "max_edges_actions" if name.startswith("Action") else "max_edges_past"
    if true_edges:
        return {key: build(name, np.random.default_rng(PROCESS_SEED), None, None).graph.n_edges}
    scores = published_scores(name)
    assert scores is not None
    return {key: int(scores["budget"])}


def _is_applicable(kind: str, name: str) -> bool:
    """Return whether a data set has the actions or the time series that a method needs."""
    if kind not in BASELINES or NEEDS.get(kind) in (None, "latents"):
        return True
    return (NEEDS[kind] == "actions") == name.startswith("Action")
