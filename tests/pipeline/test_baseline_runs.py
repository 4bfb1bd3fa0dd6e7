"""Baselines, what a run does beside the usual: stopped after SOAP has renewed its basis, broken midway, looked at."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from estimation.checkpoint import load
from estimation.config.baselines import BaselineConfig
from estimation.dataset import Dataset
from estimation.exceptions import ConfigError, DataError, TrainingError
from estimation.history import Record
from estimation.report.rows import training_record
from estimation.simulate import simulate
from estimation.trained import TrainedModel
from estimation.training import fit
from tests.seeds import training_seed

TINY = {"width": 6, "depth": 1, "head_width": 4, "head_depth": 1, "batch_size": 32, "warmup": 5}


def tiny(method: str, steps: int = 12, **changes: object) -> BaselineConfig:
    return BaselineConfig.from_dict(
        {"method": method, "seed": training_seed(), "steps": steps, "validate_every": 5} | TINY | changes
    )


@pytest.fixture(scope="module")
def actions() -> Dataset:
    return simulate("ActionBlockDiag", 300, seed=training_seed(1))


@pytest.fixture(scope="module")
def time() -> Dataset:
    return simulate("TimeBlockDiag", 300, seed=training_seed(1))


def numbers(model: TrainedModel) -> list[float]:
    return [value for r in model.history.records for value in (r.loss, r.reconstruction, r.divergence)]


# the optimiser renews, at step 41, what it keeps beside the weights
@pytest.mark.parametrize("stop", [20, 45])
@pytest.mark.parametrize("method", ["slowvae", "pcl"])
def test_stopped_before_and_after_the_optimiser_renews(
    time: Dataset, tmp_path: Path, method: str, stop: int
) -> None:
    config, steps = tiny(method, 60), []

    def interrupt(record: Record) -> None:
        if record.step > stop:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit(time, config, checkpoint=tmp_path, checkpoint_every=3, on_record=interrupt)
    resumed = fit(time, config, checkpoint=tmp_path, on_record=lambda record: steps.append(record.step))
    assert steps[0] == stop + 5
    undisturbed = fit(time, config)
    assert numbers(resumed) == numbers(undisturbed)
    theirs = undisturbed.model.state_dict()
    assert all(torch.equal(value, theirs[name]) for name, value in resumed.model.state_dict().items())
    # what is done is not done again
    again = fit(time, config, checkpoint=tmp_path, on_record=lambda record: pytest.fail("trained again"))
    assert numbers(again) == numbers(resumed)


def test_threads_are_given_back(actions: Dataset) -> None:
    threads = torch.get_num_threads()
    fit(actions, tiny("random", threads=threads + 1))
    assert torch.get_num_threads() == threads


class Breaking(nn.Module):
    """Gives no number from its fourth batch on."""

    def __init__(self) -> None:
        super().__init__()
        self.linear, self.batches = nn.Linear(20, 10), 0

    def forward(self, x: Tensor) -> Tensor:
        self.batches += self.training
        return self.linear(x) if self.batches < 4 else self.linear(x) * torch.nan


@pytest.mark.parametrize("method", ["vae", "supervised", "ivae"])
def test_the_step_that_breaks_is_named(actions: Dataset, method: str) -> None:
    threads = torch.get_num_threads()
    with pytest.raises(
        TrainingError, match=r"^the loss is nan at step 3; try learning_rate=0\.0023, or look"
    ):
        fit(actions, tiny(method), encoder=Breaking())
    assert torch.get_num_threads() == threads


@pytest.mark.parametrize("method", ["tcvae", "supervised"])
def test_double_precision_to_the_file_and_back(actions: Dataset, tmp_path: Path, method: str) -> None:
    model = fit(actions, tiny(method, dtype="float64"))
    model.save(tmp_path)
    state, read = model.model.state_dict(), load(tmp_path).model.state_dict()
    assert {value.dtype for value in read.values()} == {torch.float64}
    assert all(torch.equal(read[name], value) for name, value in state.items())
    assert model.encode(actions.observations).dtype == np.float32


@pytest.mark.parametrize(
    ("method", "validation"),
    [("supervised", "no latents"), ("ivae", "no actions"), ("vae", "fewer observed"), ("vae", "two steps")],
)
def test_held_out_data_of_another_kind(actions: Dataset, time: Dataset, method: str, validation: str) -> None:
    x, a = actions.observations, actions.actions
    data = {
        "no latents": lambda: Dataset.from_arrays(x, a),
        "no actions": lambda: Dataset.from_arrays(x, latents=actions.latents),
        "fewer observed": lambda: Dataset.from_arrays(x[..., :15], a),
        "two steps": lambda: time,
    }
    with pytest.raises((ConfigError, DataError)):
        fit(actions, tiny(method), validation=data[validation]())


def test_a_method_without_an_elbo_reports_none(time: Dataset) -> None:
    assert training_record(fit(time, tiny("pcl")))["negative_elbo"] is None
