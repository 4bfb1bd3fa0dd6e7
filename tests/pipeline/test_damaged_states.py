"""Damaged states of training are refused in one line, before torch loads them, for every optimiser."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors

from estimation.config import TrainingConfig
from estimation.dataset import Dataset
from estimation.exceptions import CheckpointError
from estimation.simulate import simulate
from estimation.training import fit
from identify.graph import CausalGraph
from tests.pipeline.test_damaged_models import VALUES, leaves
from tests.seeds import training_seed

SETTINGS: dict[str, Any] = {
    "width": 8, "depth": 1, "transition_width": 4, "batch_size": 32, "max_edges_actions": 2, "steps": 4,
    "unmixing": False, "flow_blocks": 0, "refinements": 0, "warmup": 1,
}  # fmt: skip
CONFIGS = {
    name: TrainingConfig(optimizer=name, seed=training_seed(), **SETTINGS) for name in ("soap", "adam")
}  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def data() -> Dataset:
    return simulate(CausalGraph(Ga=[[1, 0], [1, 1]]), 60, seed=training_seed(1))


@pytest.fixture(scope="module")
def states(data: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """States after the last step, so that resuming takes no time."""
    root = tmp_path_factory.mktemp("states")
    for name, config in CONFIGS.items():
        fit(data, config, checkpoint=root / name, checkpoint_every=4)
    return root


@pytest.fixture
def folder(states: Path, tmp_path: Path) -> Path:
    shutil.copytree(states, tmp_path / "states")
    return tmp_path / "states"


def manifest(folder: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    return content


def write_manifest(folder: Path, content: Any) -> None:
    (folder / "manifest.json").write_text(json.dumps(content), encoding="utf-8")


def test_every_value_of_a_state_is_checked(folder: Path, data: Dataset) -> None:
    """Replace every value by one of the invalid ones: the state is refused in one line, or the run resumes."""
    valid = manifest(folder / "soap")
    outcomes = set()
    for k, path in enumerate(leaves(valid)):
        damaged = json.loads(json.dumps({"": valid}))
        inner = damaged
        for key in ("", *path)[:-1]:
            inner = inner[key]
        inner[("", *path)[-1]] = VALUES[k % len(VALUES)]
        write_manifest(folder / "soap", damaged[""])
        try:
            fit(data, CONFIGS["soap"], checkpoint=folder / "soap", progress=False)
        except CheckpointError:
            outcomes.add("refused")
        else:
            outcomes.add("read")
    assert "refused" in outcomes


@pytest.mark.parametrize(
    ("name", "tensor", "value", "message"),
    [
        ("adam", "step", torch.tensor(-1.0), "it must be a number of steps"),
        ("adam", "step", torch.tensor(True), "it must be a number of steps"),
        ("adam", "step", torch.zeros(2), "it must be a number of steps"),
        ("adam", "exp_avg", torch.zeros(2), r"exp_avg is not a tensor of shape \(8, 4\) and torch.float32"),
        ("adam", "exp_avg", torch.zeros(8, 4, dtype=torch.int64), "exp_avg is not a tensor of shape"),
        ("adam", "exp_avg", torch.full((8, 4), float("nan")), "holds a number that is not finite"),
        ("soap", "first", torch.zeros(0), r"first is not a tensor of shape \(.*\) and torch.float32"),
        ("soap", "left_basis", torch.zeros(3, 3), "left_basis is not a tensor of shape"),
    ],
)
def test_damaged_moments_are_refused(
    folder: Path, data: Dataset, name: str, tensor: str, value: torch.Tensor, message: str
) -> None:
    state = folder / name
    content = manifest(state)
    tensors = load_tensors((state / content["tensors"]).read_bytes())
    (key, *_) = sorted(
        key for key in tensors if key.startswith("optimisers.0") and key.endswith(f".{tensor}")
    )
    described = json.dumps(content).replace(f'"{key}", "strides": [', f'"{key}", "was": [')
    damaged = json.loads(described)
    _set_strides(damaged["content"]["optimisers"], key, list(value.stride()))
    tensors[key] = value
    written = save_tensors(tensors)
    (state / content["tensors"]).write_bytes(written)
    write_manifest(state, {**damaged, "sha256": hashlib.sha256(written).hexdigest()})
    with pytest.raises(CheckpointError, match=message):
        fit(data, CONFIGS[name], checkpoint=state)


def _set_strides(value: Any, key: str, strides: list[int]) -> None:
    if isinstance(value, dict) and value.get("__tensor__") == key:
        value["strides"] = strides
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        _set_strides(inner, key, strides)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"step": 5}, "is damaged .step is 5, and the run has 4."),
        ({"step": 10**30}, "content.step is 1.*; it must be a whole number from 0 to 100000000"),
        ({"seconds": -1}, "content.seconds is -1; it must be a number from 0 to 1e.12"),
        ({"stale": None}, "content.stale is None; it must be a whole number from 0"),
        ({"optimisers": []}, "has 0 optimisers, not 2"),
        ({"optimisers": [3, 3]}, r"optimisers\[0\] is 3; it must be an object"),
        ({"data": None}, "content.data is None; it must be an object"),
        ({"data": {"training": "", "validation": None}}, "holds a run on other training data"),
    ],
)
def test_damaged_descriptions_are_refused(
    folder: Path, data: Dataset, change: dict[str, Any], message: str
) -> None:
    content = manifest(folder / "soap")
    write_manifest(folder / "soap", {**content, "content": {**content["content"], **change}})
    with pytest.raises(CheckpointError, match=message):
        fit(data, CONFIGS["soap"], checkpoint=folder / "soap")


@pytest.mark.parametrize(
    ("entry", "value", "message"),
    [
        ("done", 0, "done is 0, and there are moments"),
        ("done", "x", "done is 'x'; it must be a whole number"),
        ("lr", -1, "lr is -1; it must be a number from 0"),
        ("betas", [2, 3], r"betas is \[2, 3\], not \(0.95, 0.95\)"),
        ("refresh", 0, "refresh is 0, not 40"),
        ("params", [0], r"params is \[0\], not"),
    ],
)
def test_settings_of_an_optimiser_must_match(
    folder: Path, data: Dataset, entry: str, value: Any, message: str
) -> None:
    content = manifest(folder / "soap")
    # the file stores this dict as a list of pairs
    groups = dict(content["content"]["optimisers"][0]["dict"])["param_groups"]
    pair = next(pair for pair in groups[0]["dict"] if pair[0] == entry)
    pair[1] = value
    write_manifest(folder / "soap", content)
    with pytest.raises(CheckpointError, match=message):
        fit(data, CONFIGS["soap"], checkpoint=folder / "soap")


def test_a_state_of_version_3_is_refused(folder: Path, data: Dataset) -> None:
    content = manifest(folder / "soap")
    del content["content"]["data"]
    write_manifest(folder / "soap", {**content, "version": 3})
    with pytest.raises(
        CheckpointError, match="a version that did not store a digest of its data; give another folder"
    ):
        fit(data, CONFIGS["soap"], checkpoint=folder / "soap")
