"""Runs of baselines: interruption, losses that are not finite, precision, held-out data of another kind."""

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


# the optimiser updates its eigenbases at step 41
@pytest.mark.parametrize("stop", [20, 45])
@pytest.mark.parametrize("method", ["slowvae", "pcl"])
def test_a_run_stopped_before_or_after_an_update_of_the_eigenbases_resumes(
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
    expected = undisturbed.model.state_dict()
    assert all(torch.equal(value, expected[name]) for name, value in resumed.model.state_dict().items())
    # a finished run is not repeated
    repeated = fit(time, config, checkpoint=tmp_path, on_record=lambda record: pytest.fail("trained again"))
    assert numbers(repeated) == numbers(resumed)


def test_the_number_of_threads_is_restored(actions: Dataset) -> None:
    threads = torch.get_num_threads()
    fit(actions, tiny("random", threads=threads + 1))
    assert torch.get_num_threads() == threads


class DivergingEncoder(nn.Module):
    """Returns NaN from its fourth training batch on."""

    def __init__(self) -> None:
        super().__init__()
        self.linear, self.batches = nn.Linear(20, 10), 0

    def forward(self, x: Tensor) -> Tensor:
        self.batches += self.training
        return self.linear(x) if self.batches < 4 else self.linear(x) * torch.nan


@pytest.mark.parametrize("method", ["vae", "supervised", "ivae"])
def test_the_step_with_a_loss_that_is_not_finite_is_reported(actions: Dataset, method: str) -> None:
    threads = torch.get_num_threads()
    with pytest.raises(
        TrainingError,
        match=r"^the loss is nan at step 3 \(baseline\); likely .*: try learning_rate=0\.0023, or look",
    ):
        fit(actions, tiny(method), encoder=DivergingEncoder())
    assert torch.get_num_threads() == threads


@pytest.mark.parametrize("method", ["tcvae", "supervised"])
def test_saved_models_keep_double_precision(actions: Dataset, tmp_path: Path, method: str) -> None:
    model = fit(actions, tiny(method, dtype="float64"))
    model.save(tmp_path)
    state, loaded = model.model.state_dict(), load(tmp_path).model.state_dict()
    assert {value.dtype for value in loaded.values()} == {torch.float64}
    assert all(torch.equal(loaded[name], value) for name, value in state.items())
    assert model.encode(actions.observations).dtype == np.float32


@pytest.mark.parametrize(
    ("method", "validation"),
    [("supervised", "no latents"), ("ivae", "no actions"), ("vae", "fewer observed"), ("vae", "two steps")],
)
def test_held_out_data_of_another_kind_are_refused(
    actions: Dataset, time: Dataset, method: str, validation: str
) -> None:
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
