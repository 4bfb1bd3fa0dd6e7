"""Settings: defaults, files, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from estimation.config import PRESETS, TrainingConfig, read_config
from estimation.exceptions import ConfigError
from estimation.sparsity import EdgeConstraints, budget_at
from estimation.training.plan import Plan


@pytest.mark.parametrize("preset", list(PRESETS))
def test_a_preset_fills_what_is_left_out_and_nothing_else(preset: str) -> None:
    config = TrainingConfig(preset=preset, steps=77)  # type: ignore[arg-type]
    assert config.steps == 77
    for name, value in PRESETS[preset].items():
        if name != "steps":
            assert getattr(config, name) == value
    assert TrainingConfig.from_dict(config.to_dict()) == config
    assert config.replace(seed=3).seed == 3


def test_a_file_with_changes_on_top(tmp_path: Path) -> None:
    path = tmp_path / "run.toml"
    path.write_text("steps = 500\nmax_edges_past = 10\nlearning_rate = 1\n", encoding="utf-8")
    config = read_config(path, ["steps=20", "device=cpu", "unmixing=false"])
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
        ({"max_edges_past": -1}, "max_edges_past is -1; it must be from 0"),
        (
            {"sparsity": "adaptive", "unmixing": False},
            "sparsity='adaptive' counts edges in rounds of unmixing, and unmixing is false; set it",
        ),
    ],
)
def test_what_bad_settings_get(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        TrainingConfig.from_dict(settings)


def test_bad_files_and_changes(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="'steps' is no setting; write key=value"):
        read_config(None, ["steps"])
    path = tmp_path / "run.toml"
    path.write_text("steps = ", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"run\.toml: is no TOML"):
        read_config(path)
    path.write_text("steps = 0", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"run\.toml: steps is 0"):
        read_config(path)


@pytest.mark.parametrize("unmixing", [True, False])
def test_a_plan_has_every_step_in_one_part(unmixing: bool) -> None:
    plan = Plan.of(TrainingConfig(steps=200, warmup=10, unmixing=unmixing))
    stages = [plan.stage(step) for step in range(200)]
    assert stages == sorted(stages, key=["dense", "sparse", "frozen"].index)
    assert all(0 < plan.rate(step) <= 1 for step in range(200))
    assert plan.rate(199) < 0.01
    assert bool(plan.rebases) == unmixing
    for step in plan.rebases:
        assert plan.rate(step) < plan.rate(step + 9)


def test_budgets_come_down() -> None:
    assert [budget_at(10, 0, share) for share in (0, 0.5, 1)] == [10, 5, 0]
    assert budget_at(5, 10, 0.5) == 10


def test_multipliers_rise_while_violated_and_restart_when_met() -> None:
    import torch

    from estimation.masks import EdgeMasks

    masks = {"past": EdgeMasks(2, 2)}
    masks["past"].start_(torch.zeros(2, 2))
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
