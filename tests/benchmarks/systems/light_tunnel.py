"""Views of the light tunnel that hide something: ``python -m tests.benchmarks.systems.light_tunnel``.

Data and views are those of the page ``examples/plot_18_light_tunnel.py``; the extra ``systems`` has the package.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from estimation.config import TrainingConfig
from estimation.training import fit
from estimation.training.counting import count_latents
from identify.files import write_whole
from tests.documentation import example_definitions

__all__ = ["VISIBLE", "main"]

#: How many numbers determine what views of the page show that hide something.
VISIBLE = {"half_blind": 4, "image_only": 3}


def main(arguments: Sequence[str] | None = None) -> int:
    """Count the latents of each view, and train on the half-blind one with several seeds.

    Args:
        arguments: Arguments of the command line; None for those of the process.
    """
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks.systems.light_tunnel", description=__doc__
    )
    parser.add_argument(
        "--out", type=Path, default=Path("docs/results/light_tunnel_views.json"), metavar="FILE"
    )
    parser.add_argument("--seeds", type=int, nargs="*", default=[1], help="seeds of the models")
    options = parser.parse_args(arguments)
    page = example_definitions("plot_18_light_tunnel")
    content: dict[str, Any] = {"half_blind": [], "counts": {}}
    config = TrainingConfig(max_edges_actions=10, steps=page["N_STEPS"])
    for name, visible in VISIBLE.items():
        data = page["tunnel"](page["N_SAMPLES"], page[name])
        count = count_latents(data, config.replace(n_latents="auto"), progress=False)
        content["counts"][name] = {"visible": visible, "found": count.n_latents, "summary": count.summary}
        write_whole(options.out, json.dumps(content, indent=1) + "\n")
    data = page["tunnel"](page["N_SAMPLES"], page["half_blind"])
    for seed in options.seeds:
        model = fit(data, config.replace(seed=seed), progress=False)
        confidence = model.latent_confidence
        content["half_blind"].append(
            {
                "seed": seed,
                # collapsed latents have none
                "active": None if confidence is None else int(np.isfinite(confidence).sum()),
                "margin": None if model.margin is None else model.margin.summary,
                "warnings": [warning.kind for warning in model.warnings],
            }
        )
        write_whole(options.out, json.dumps(content, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
