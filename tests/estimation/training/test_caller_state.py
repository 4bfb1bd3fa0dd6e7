"""Global settings of torch and numpy in the caller don't change the results."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch
from torch import nn

from estimation.checkpoint import load
from estimation.config import TrainingConfig
from estimation.config.baselines import BaselineConfig
from estimation.device import default_modes
from estimation.evaluation import evaluate
from estimation.exceptions import TrainingError
from estimation.models.convolutional import ConvDecoder, ConvEncoder
from estimation.simulate import simulate
from estimation.trained import TrainedModel
from estimation.training import fit
from identify.graph import CausalGraph
from tests.seeds import training_seed

TINY = {
    "steps": 8,
    "width": 8,
    "transition_width": 4,
    "batch_size": 64,
    "max_edges_past": 3,
    "flow_blocks": 1,
}


@contextlib.contextmanager
def defaults(dtype: torch.dtype, device: str | None) -> Iterator[None]:
    torch.set_default_dtype(dtype)
    torch.set_default_device(device)
    try:
        yield
    finally:
        torch.set_default_device(None)
        torch.set_default_dtype(torch.float32)


@contextlib.contextmanager
def modes() -> Iterator[None]:
    autocast, raising = torch.autocast("cpu", torch.bfloat16), np.errstate(all="raise")
    with torch.inference_mode(), autocast, raising, defaults(torch.float64, None):
        yield


def results(folder: str) -> list[object]:
    """Simulate, train, save, load, encode and evaluate, and return all results."""
    data = simulate(CausalGraph(Gz=np.eye(3)), 150, seed=training_seed(1))
    sparse_vae = fit(data, TrainingConfig(**TINY, seed=training_seed()))
    sparse_vae.save(folder)
    slowvae = fit(data, BaselineConfig("slowvae", steps=9, width=8, batch_size=64, seed=training_seed()))
    loaded = load(folder)

    def results_of(model: TrainedModel) -> list[object]:
        tensors = {name: tensor.tolist() for name, tensor in model.model.state_dict().items()}
        scores = evaluate(model, data, n_samples=20).to_dict()
        return [tensors, model.history.notes, model.encode(data.observations).tolist(), json.dumps(scores)]

    return [results_of(sparse_vae), results_of(slowvae), loaded.encode(data.observations).tolist()]


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> list[object]:
    return results(str(tmp_path_factory.mktemp("expected")))


@pytest.mark.parametrize(
    "state",
    [
        modes,
        lambda: defaults(torch.float16, "meta"),
    ],
    ids=["modes and float64", "float16 on another device"],
)
def test_modes_and_defaults_do_not_change_the_results(
    expected: list[object],
    state: Callable[[], contextlib.AbstractContextManager[None]],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    folder = str(tmp_path_factory.mktemp("other"))
    with state():
        assert results(folder) == expected


def test_the_initial_weights_of_networks_do_not_depend_on_defaults() -> None:
    with defaults(torch.float64, "meta"):
        networks = [
            ConvEncoder((1, 8, 8), 2, width=2, seed=training_seed()),
            ConvDecoder(2, (1, 8, 8), width=2, seed=training_seed()),
        ]
    expected = [
        ConvEncoder((1, 8, 8), 2, width=2, seed=training_seed()),
        ConvDecoder(2, (1, 8, 8), width=2, seed=training_seed()),
    ]
    for network, reference in zip(networks, expected, strict=True):
        for name, tensor in reference.state_dict().items():
            assert torch.equal(network.state_dict()[name], tensor), name


def test_user_supplied_networks_are_converted_to_the_dtype_of_the_run() -> None:
    data = simulate("ActionBlockDiag", 100, seed=training_seed())
    config = TrainingConfig(
        steps=3,
        width=8,
        transition_width=4,
        batch_size=64,
        max_edges_actions=10,
        unmixing=False,
        flow_blocks=0,
        seed=training_seed(),
    )
    for dtype in ("float32", "float64"):
        encoder = nn.Linear(data.n_observed, 10, dtype=torch.float64)
        model = fit(data, config.replace(dtype=dtype), encoder=encoder)
        assert {p.dtype for p in model.model.parameters()} == {getattr(torch, dtype)}


@pytest.mark.parametrize("role", ["encoder", "decoder"])
@pytest.mark.parametrize("method", ["sparse_vae", "vae"])
def test_networks_created_in_inference_mode_are_refused(role: str, method: str) -> None:
    data = simulate("ActionBlockDiag", 100, seed=training_seed())
    sizes = (data.n_observed, 10) if role == "encoder" else (10, data.n_observed)
    with torch.inference_mode():
        network = nn.Linear(*sizes)
    message = (
        f"weight of the {role} was created under torch.inference_mode and can't be trained; create it outside"
    )
    config = (
        BaselineConfig("vae", steps=1, seed=training_seed())
        if method == "vae"
        else TrainingConfig(steps=1, max_edges_actions=10, seed=training_seed())
    )
    with pytest.raises(TrainingError, match=message):
        fit(data, config, **{role: network})


def test_modes_are_restored_on_return() -> None:
    with torch.no_grad(), np.errstate(all="raise"), torch.device("meta"):
        inside = default_modes(lambda: (torch.is_grad_enabled(), torch.zeros(1).device.type, np.geterr()))()
        assert not torch.is_grad_enabled()
        assert torch.zeros(1).device.type == "meta"
        assert np.geterr()["under"] == "raise"
    assert inside == (True, "cpu", {"divide": "warn", "over": "warn", "under": "ignore", "invalid": "warn"})
