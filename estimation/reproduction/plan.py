"""Which runs the published table takes."""

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
# of each method on each data set: before a list of them is made
MOST_SEEDS = 1000
# means and scales of a split are those of its samples: of a few thousand they are off by more than the noise
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
    """The runs of the table, for `estimation.sweep.running.run_sweep`.

    Args:
        names: some of the eight data sets; None for all.
        methods: the sparse VAE, baselines, or both. A baseline that data can't serve (iVAE without actions, SlowVAE and
            PCL without a past) is left out there.
        seeds: how many model seeds, from 0; the published table has 5.
        true_edges: the true number of edges as the budget, where the published one differs (TimeNonDiag 50 for 55,
            the two block sets with more than one parent 15 for 12 and 30 for 32).
        samples: to train on.
        test_samples: to score on.
        settings: over the defaults, of the sparse VAE, and those that baselines know of them too. ``{"preset":
            "published"}`` trains the authors' way, for days.

    Raises:
        ConfigError: a name or method is unknown, or a setting is.

    Example:
        >>> plan = reproduction_plan(["TimeNonDiag"], ["sparse_vae", "ivae", "pcl"], seeds=1)
        >>> [(trial.method, trial.settings) for trial in plan.trials]
        [('sparse_vae', {'max_edges_past': 50}), ('pcl', {})]
    """
    chosen = DATA_SETS if names is None else tuple(names)
    for what, given, known in (("data set", chosen, DATA_SETS), ("method", methods, METHODS)):
        unknown = next((name for name in given if name not in known), None)
        if unknown is not None:
            raise ConfigError(f"the table has no {what} {quoted(unknown)}; it has {', '.join(known)}")
    if not 1 <= seeds <= MOST_SEEDS:
        raise ConfigError(f"seeds is {quoted(seeds)}; it is how many, 1 or more, at most {MOST_SEEDS}")
    content = {
        "seeds": list(range(seeds)),
        "data": {
            name: {
                "source": name,
                "samples": samples,
                "test_samples": test_samples,
                "settings": {**_budget(name, true_edges), **(settings or {})},
            }
            for name in chosen
        },
        "method": {name: {"kind": name} for name in methods},
    }
    plan = SweepPlan.from_dict(content)
    return SweepPlan(tuple(trial for trial in plan.trials if _serves(trial.data.name, trial.kind)))


def _budget(name: str, true_edges: bool) -> dict[str, int]:
    key = "max_edges_actions" if name.startswith("Action") else "max_edges_past"
    if true_edges:
        return {key: build(name, np.random.default_rng(PROCESS_SEED), None, None).graph.n_edges}
    found = published_scores(name)
    assert found is not None
    return {key: int(found["budget"])}


def _serves(name: str, kind: str) -> bool:
    """Whether the data have what the method needs."""
    if kind not in BASELINES or NEEDS.get(kind) in (None, "latents"):
        return True
    return (NEEDS[kind] == "actions") == name.startswith("Action")
