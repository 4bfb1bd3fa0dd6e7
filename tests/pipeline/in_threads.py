"""Run all computations in several threads at once, and print the differences from a single thread as JSON.

This is a separate program, so that a crash doesn't end the tests.
"""

from __future__ import annotations

import hashlib
import json
import sys
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from estimation.config import TrainingConfig
from estimation.config.baselines import BaselineConfig
from estimation.evaluation import evaluate
from estimation.simulate import simulate
from estimation.trained import TrainedModel
from estimation.training import fit
from identify.graph import CausalGraph
from tests.seeds import training_seed

TINY = {
    "steps": 9,
    "width": 8,
    "transition_width": 4,
    "batch_size": 64,
    "max_edges_actions": 3,
    "flow_blocks": 2,
}
ROUNDS = 6


def digest(*arrays: NDArray[np.generic]) -> str:
    return hashlib.sha256(b"".join(np.ascontiguousarray(array).tobytes() for array in arrays)).hexdigest()


def weights(model: TrainedModel) -> str:
    """Return a digest of the weights and of the notes of training, which say whether the model was refined."""
    notes = " ".join(model.history.notes).encode()
    tensors = [tensor.numpy() for tensor in model.model.state_dict().values()]
    return digest(*tensors, np.frombuffer(notes, dtype=np.uint8))


def tasks() -> tuple[dict[str, Callable[[], str]], dict[str, str]]:
    """Return all tasks by name, and the results that are already known."""
    data = simulate(CausalGraph(Ga=np.eye(3)), 150, seed=training_seed())
    configs = [TrainingConfig(seed=training_seed(seed), **TINY) for seed in (0, 1)]
    first, second = (fit(data, config) for config in configs)
    latents = first.encode(data.observations)
    quick = configs[0].replace(unmixing=False, flow_blocks=0)

    def fit_with_network() -> str:
        """Train with a decoder whose derivative is not coded in the package."""
        draw = torch.Generator().manual_seed(training_seed())
        decoder = nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, data.n_observed))
        for parameter in decoder.parameters():
            nn.init.normal_(parameter, std=0.3, generator=draw)
        return weights(fit(data, quick, decoder=decoder))

    rotated = BaselineConfig("tcvae", steps=8, width=8, batch_size=64, seed=training_seed())
    all_tasks = {
        "encode": lambda: digest(first.encode(data.observations)),
        "encode the other": lambda: digest(second.encode(data.observations)),
        "decode": lambda: digest(first.decode(latents)),
        "fit": lambda: weights(fit(data, configs[0])),
        "fit the other": lambda: weights(fit(data, configs[1])),
        "fit with a network": fit_with_network,
        "fit a baseline": lambda: weights(fit(data, rotated)),
        "evaluate": lambda: json.dumps(evaluate(first, data, n_samples=40).to_dict()),
        "evaluate by regression": lambda: json.dumps(
            evaluate(second, data, method="regression", n_samples=60).to_dict()
        ),
    }
    return all_tasks, {"fit": weights(first), "fit the other": weights(second)}


def main() -> None:
    # with more threads than cores, threads would wait for each other
    torch.set_num_threads(1)
    all_tasks, known = tasks()
    expected = {name: known.get(name) or task() for name, task in all_tasks.items()}
    filters = list(warnings.filters)

    def difference(name: str) -> str | None:
        try:
            return None if all_tasks[name]() == expected[name] else f"{name}: other numbers"
        except Exception as error:  # any error is reported
            return f"{name}: {type(error).__name__}: {error}"

    names = [name for name in all_tasks for _ in range(1 if name.startswith(("fit", "evaluate")) else ROUNDS)]
    with ThreadPoolExecutor(4) as pool:
        differences = [text for text in pool.map(difference, names) if text]
    if list(warnings.filters) != filters:
        differences.append("the warning filters have changed")
    json.dump(differences, sys.stdout)


if __name__ == "__main__":
    main()
