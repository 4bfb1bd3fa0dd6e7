"""Settings: defaults, configuration files, and the checks of their values."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from estimation.config import PRESETS, TrainingConfig, read_config
from estimation.config.baselines import BaselineConfig
from estimation.config.settings import read_changes
from estimation.config.size import require_affordable_batch, weight_count
from estimation.exceptions import ConfigError
from estimation.models.representation import Shape
from estimation.models.sparse_vae import SparseVAE
from estimation.training.plan import Plan
from estimation.training.sparsity import EdgeConstraints, budget_at
from tests.estimation.untrained import untrained


@pytest.mark.parametrize("preset", list(PRESETS))
def test_a_preset_determines_only_the_settings_that_are_not_given(preset: str) -> None:
    config = TrainingConfig(preset=preset, steps=77)  # type: ignore[arg-type]
    assert config.steps == 77
    for name, value in PRESETS[preset].items():
        if name != "steps":
            assert getattr(config, name) == value
    assert TrainingConfig.from_dict(config.to_dict()) == config
    assert config.replace(seed=3).seed == 3


def test_changes_override_the_file(tmp_path: Path) -> None:
    path = tmp_path / "run.toml"
    path.write_text("steps = 500\nmax_edges_past = 10\nlearning_rate = 1\n", encoding="utf-8")
    config = read_config(path, ["steps=20", "device=cpu", "unmixing=false", "restarts=3"])
    assert config.restarts == 3
    assert (config.steps, config.max_edges_past, config.device, config.unmixing) == (20, 10, "cpu", False)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"stepz": 3}, "no setting is called 'stepz'; did you mean steps?"),
        ({"xyzzy": 3}, "no setting is called 'xyzzy'; known are preset"),
        ({"steps": 0}, "steps is 0; it must be from 1 to 1e"),
        ({"steps": 1.5}, "steps is 1.5; it must be a whole number"),
        ({"steps": True}, "steps is True; it must be a whole number"),
        ({"learning_rate": "fast"}, "learning_rate is 'fast'; it must be a number"),
        ({"device": 3}, "device is 3; it must be text"),
        ({"skip": 1}, "skip is 1; it must be true or false"),
        ({"optimizer": "sgd"}, "optimizer is 'sgd'; it is one of soap, adam"),
        ({"dtype": "float16"}, "dtype is 'float16'; it is one of float32, float64"),
        (
            {"device": "mps"},
            "device is 'mps', which has no double precision, as unmixing needs; give 'cpu' or 'auto'",
        ),
        ({"preset": "slow"}, "the preset is 'slow'; it is one of fast, published"),
        ({"dense_share": 0.9}, "must follow each other: dense_share <= budget_share <= 1 - frozen_share"),
        ({"restarts": 0}, "restarts is 0; it must be from 1 to 100"),
        ({"restarts": 101}, "restarts is 101; it must be from 1 to 100"),
        ({"restarts": 2.0}, "restarts is 2.0; it must be a whole number"),
        ({"max_edges_past": -1}, "max_edges_past is -1; it must be from 0"),
        ({"noise": "laplace"}, "noise is 'laplace'; it is one of gaussian, flow, auto"),
        (
            {"noise": "flow", "variance": "fixed"},
            r"noise='flow' fits the scale of p\(z \| .\), and variance='fixed' fixes it; keep one of the two",
        ),
        (
            {"sparsity": "adaptive", "unmixing": False},
            "sparsity='adaptive' counts edges in rounds of unmixing, and unmixing is false; set it",
        ),
    ],
)
def test_invalid_settings_are_refused(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        TrainingConfig.from_dict(settings)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"width": 10**9}, "width is 1000000000; it must be from 1 to 100000"),
        ({"steps": 10**5000}, "steps is an integer of 16610 bits; it must be from 1 to 1e"),
        ({"device": ["x" * 10**6]}, r"device is \['xxx.* \[...\] .*; it must be text"),
        ({"x\x1b[31m": 1}, r"no setting is called 'x\\x1b\[31m'; known are"),
        ({"width": 100_000}, r"make a model of 4e\+10 numbers \(n_latents=1, width=100000, depth=3, "),
        ({"transition_depth": 100, "transition_width": 10_000}, r"make a model of 1e\+10 numbers"),
        # the weights of a full posterior grow with the square
        ({"n_latents": 4000}, "n_latents=4000.*; at most 3e.08 are held; posterior='diagonal' takes less"),
    ],
)
def test_excessive_sizes_are_refused_before_a_model_is_built(
    settings: dict[str, object], message: str
) -> None:
    with pytest.raises(ConfigError, match=message) as error:
        TrainingConfig.from_dict(settings)
    assert len(str(error.value)) <= 300


def test_the_weight_count_agrees_with_the_models() -> None:
    """The count omits biases and little else, and never exceeds the true number."""
    shape = Shape(20, 10, 5, past=True)
    for config in (
        TrainingConfig(),
        TrainingConfig(preset="published"),
        TrainingConfig(noise="flow"),
        TrainingConfig(width=64, depth=0, flow_blocks=0),
        *(BaselineConfig(method) for method in ("vae", "supervised", "ivae", "slowvae", "pcl")),  # type: ignore[arg-type]
    ):
        settings, inputs = config.to_dict(), shape.n_actions + shape.n_latents
        if isinstance(config, BaselineConfig):
            model: nn.Module = untrained(shape, config)
        else:
            model = SparseVAE(shape, config, torch.Generator())
        n_parameters = sum(parameter.numel() for parameter in model.parameters())
        n_weights = weight_count(settings, shape.n_observed, shape.n_latents, inputs)
        assert 0.8 * n_parameters < n_weights <= n_parameters, config


def test_the_weights_behind_a_covariance_of_many_latents_count() -> None:
    """They read all columns, so that they outnumber all others."""
    shape = Shape(60, 40, 5, past=False)
    config = TrainingConfig()
    noise = SparseVAE(shape, config, torch.Generator()).posterior_noise
    full, diagonal = (
        weight_count(TrainingConfig(posterior=kind).to_dict(), 60, 40, 5) for kind in ("full", "diagonal")
    )
    n_parameters = sum(parameter.numel() for parameter in noise.parameters())
    assert 0.9 * n_parameters < full - diagonal <= n_parameters
    with pytest.raises(ConfigError, match=r"n_latents=1000.*; posterior='diagonal' takes less"):
        SparseVAE(Shape(1_000, 1_000, 5, past=False), config, torch.Generator())


def test_a_model_too_large_for_its_data_is_refused() -> None:
    config = TrainingConfig(width=40_000, depth=1)
    with pytest.raises(ConfigError, match=r"make a model of 4e\+08 numbers \(n_latents=10, width=40000"):
        SparseVAE(Shape(10_000, 10, 5, past=False), config, torch.Generator())
    with pytest.raises(ConfigError, match=r"make a model of 2e\+09 numbers"):
        untrained(Shape(10_000, 10, 5, past=False), BaselineConfig("vae", width=100_000, depth=1))


@pytest.mark.parametrize(
    ("config", "rows", "message"),
    [
        (
            TrainingConfig(),
            3_000_000,
            r"a batch of 3000000 rows has 5e\+09 hidden units; .*: batch_size=\d+ or less",
        ),
        (BaselineConfig("pcl", depth=1), 100_000, "a batch of 100000 rows has 1e"),
        (BaselineConfig("vae", depth=1), 100_000_000, "a batch of 100000000 rows has 3e"),
    ],
)
def test_batches_that_exceed_the_memory_are_refused(
    config: TrainingConfig | BaselineConfig, rows: int, message: str
) -> None:
    require_affordable_batch(config.to_dict(), 20_000, 10)
    with pytest.raises(ConfigError, match=message):
        require_affordable_batch(config.to_dict(), rows, 10)


def test_values_on_the_command_line_are_toml_or_text(tmp_path: Path) -> None:
    assert read_changes(["a=1\nb=2", "c=[1]", "d=[", "e="]) == {"a": "1\nb=2", "c": [1], "d": "[", "e": ""}
    with pytest.raises(ConfigError, match="is not the value of a setting: it nests brackets 100000 deep"):
        read_changes(["steps=" + "[" * 100_000])
    with pytest.raises(ConfigError, match="it has an integer of thousands of digits"):
        read_changes(["steps=" + "9" * 5000])
    (tmp_path / "c.toml").write_bytes(b"\xef\xbb\xbfsteps = 7")
    assert read_config(tmp_path / "c.toml").steps == 7
    (tmp_path / "c.toml").write_bytes(b"steps = " + b"9" * 5000)
    with pytest.raises(ConfigError, match=r"c\.toml: has an integer of thousands of digits"):
        read_config(tmp_path / "c.toml")


def test_a_setting_without_a_default_is_required() -> None:
    with pytest.raises(ConfigError, match="the setting method is missing"):
        BaselineConfig.from_dict({"steps": 3})


def test_invalid_files_and_changes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="'steps' is not a setting; write key=value"):
        read_config(None, ["steps"])
    path = tmp_path / "run.toml"
    path.write_text("steps = ", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"run\.toml: is not valid TOML"):
        read_config(path)
    path.write_text("steps = 0", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"run\.toml: steps is 0"):
        read_config(path)


@pytest.mark.parametrize("unmixing", [True, False])
def test_every_step_belongs_to_one_stage_of_the_plan(unmixing: bool) -> None:
    plan = Plan.of(TrainingConfig(steps=200, warmup=10, unmixing=unmixing))
    stages = [plan.stage(step) for step in range(200)]
    assert stages == sorted(stages, key=["dense", "sparse", "frozen"].index)
    assert all(0 < plan.rate(step) <= 1 for step in range(200))
    assert plan.rate(199) < 0.01
    assert bool(plan.unmixing_steps) == unmixing
    for step in plan.unmixing_steps:
        assert plan.rate(step) < plan.rate(step + 9)


def test_budgets_decrease_linearly() -> None:
    assert [budget_at(10, 0, share) for share in (0, 0.5, 1)] == [10, 5, 0]
    assert budget_at(5, 10, 0.5) == 10


def test_multipliers_rise_while_violated_and_restart_when_met() -> None:
    from estimation.models.masks import EdgeMasks

    masks = {"past": EdgeMasks(2, 2)}
    masks["past"].start_sampling_(torch.zeros(2, 2))
    constraints = EdgeConstraints(["past"], rate=0.1)
    weight = constraints.multipliers["past"].weight
    for expected in (0.025, 0.05):
        constraints.ascend_(masks, {"past": 1.0})
        assert weight.item() == pytest.approx(expected)
    loss = constraints.lagrangian(torch.tensor(1.0), masks, {"past": 1.0})
    # 1 + multiplier * (2 - 1) / 4
    assert loss.item() == pytest.approx(1 + 0.05 / 4)
    loss.backward()
    assert (masks["past"].logits.grad > 0).all()
    constraints.ascend_(masks, {"past": 3.0})
    assert weight.item() == 0
