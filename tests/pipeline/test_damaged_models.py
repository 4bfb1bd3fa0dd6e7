"""Saved models with a damaged manifest or tensors are refused in one line, before memory or time is spent."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors

from estimation.checkpoint import load
from estimation.config import TrainingConfig
from estimation.evaluation import evaluate
from estimation.exceptions import CheckpointError, DataError
from estimation.metrics.regression import MultipleCorrelation
from estimation.simulate import simulate
from estimation.training import fit
from identify.graph import CausalGraph
from tests.seeds import training_seed

Tensors = dict[str, torch.Tensor]

BAND = CausalGraph(Ga=[[1, 0, 0], [1, 1, 0], [0, 1, 1]])
CONFIG = TrainingConfig(
    seed=training_seed(),
    width=8,
    depth=1,
    transition_width=4,
    batch_size=32,
    max_edges_actions=5,
    steps=2,
    unmixing=False,
)
HUGE = 10**30
NESTED: Any = json.loads("[" * 90 + "]" * 90)
VALUES = (None, "x", "\x1b[31m", -1, 0, 0.5, True, HUGE, 1e300, [], {}, [[]], [-1], NESTED)


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    fit(simulate(BAND, 100, seed=training_seed(1)), CONFIG).save(folder)
    return folder


@pytest.fixture
def folder(saved: Path, tmp_path: Path) -> Path:
    shutil.copytree(saved, tmp_path / "model")
    return tmp_path / "model"


def manifest(folder: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((folder / "manifest.json").read_text())
    return content


def write_manifest(folder: Path, content: Any) -> None:
    (folder / "manifest.json").write_text(json.dumps(content))


def damage_tensors(folder: Path, change: Callable[[Tensors], Any]) -> None:
    """Change the tensors, and the digest in the manifest."""
    content = manifest(folder)
    path = folder / content["tensors"]
    tensors = load_tensors(path.read_bytes())
    change(tensors)
    data = save_tensors(tensors)
    path.write_bytes(data)
    write_manifest(folder, {**content, "sha256": hashlib.sha256(data).hexdigest()})


def damage(folder: Path, how: str) -> None:
    content = manifest(folder)
    path = folder / "manifest.json"
    tensors = folder / content["tensors"]
    texts = {
        "no json": "{",
        "a list": "[]",
        "nested": '{"kind": ' + "[" * 1_000_000,
        "nested objects": '{"a": ' * 1_000_000,
        "digits": '{"kind": ' + "9" * 5000 + "}",
        "nan": '{"kind": NaN}',
        "latin": '{"kind": "\xff"}',
    }
    changes = {
        "another kind": {"kind": "something else"},
        "a number for a kind": {"kind": 10**400},
        "a terminal's kind": {"kind": "\x1b[31m"},
        "no kind": {"kind": None},
        "another version": {"version": 99},
        "a wrong version": {"version": 4.0},
        "a path": {"tensors": "../model"},
        "no content": {"content": {}},
        "content of a list": {"content": []},
    }
    if how == "no manifest":
        path.unlink()
    elif how == "no tensors":
        tensors.unlink()
    elif how == "cut tensors":
        tensors.write_bytes(tensors.read_bytes()[:-10])
    elif how in texts:
        path.write_text(texts[how], encoding="latin-1")
    else:
        write_manifest(folder, content | changes[how])


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("no manifest", "is not a checkpoint; it has no manifest.json"),
        ("no tensors", "is missing; the manifest names this file"),
        ("cut tensors", "is damaged .its SHA-256 is not the one in the manifest"),
        ("no json", r"manifest.json: is damaged \(it is not valid JSON \(line 1, column 2"),
        ("a list", r"manifest.json: is damaged \(not an object\)"),
        ("nested", r"manifest.json: is damaged \(it nests brackets 1000001 deep; the limit is 100\)"),
        ("nested objects", r"manifest.json: is damaged \(it nests brackets 1000000 deep"),
        ("digits", r"manifest.json: is damaged \(it has an integer of thousands of digits\)"),
        ("nan", r"manifest.json: is damaged \(it is not valid JSON \(it contains NaN\)\)"),
        ("latin", r"manifest.json: is damaged \(it is not valid JSON \(invalid UTF-8 at byte 10\)\)"),
        ("another kind", "holds 'something else', not 'mechsparse model'"),
        ("a number for a kind", r"holds 1000000.* \[...\] 0.*, not 'mechsparse model'"),
        ("a terminal's kind", r"holds '\\x1b\[31m', not 'mechsparse model'"),
        ("no kind", "is not a checkpoint; its manifest.json does not state the kind 'mechsparse model'"),
        ("another version", "is version 99 of this format; this release reads 3 to 4"),
        ("a wrong version", r"is version 4\.0 of this format; this release reads 3 to 4"),
        ("a path", r"is damaged \(tensors is '../model'; it must be the name of a file\)"),
        ("no content", r"is damaged \(content.config is missing; it must be an object\)"),
        ("content of a list", r"is damaged \(the manifest.content is \[\]; it must be an object\)"),
    ],
)
def test_damaged_models_are_refused(folder: Path, how: str, message: str) -> None:
    damage(folder, how)
    with pytest.raises(CheckpointError, match=message):
        load(folder)


def leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the path of every value of a manifest, nested ones included."""
    yield path
    if isinstance(value, dict | list):
        keys = value if isinstance(value, dict) else range(min(len(value), 1))
        for key in keys:
            yield from leaves(value[key], (*path, key))


def test_every_value_of_a_manifest_is_checked(folder: Path) -> None:
    """Replace every value by two of the invalid ones: the model is refused in one line, or encodes the same."""
    valid = manifest(folder)
    data = simulate(BAND, 10, seed=training_seed(1))
    expected = load(folder).encode(data.observations)
    outcomes = set()
    for k, path in enumerate(leaves(valid)):
        for value in (VALUES[k % len(VALUES)], VALUES[(5 * k + 3) % len(VALUES)]):
            damaged = json.loads(json.dumps({"": valid}))
            inner = damaged
            for key in ("", *path)[:-1]:
                inner = inner[key]
            inner[("", *path)[-1]] = value
            write_manifest(folder, damaged[""])
            try:
                model = load(folder)
            except CheckpointError:
                outcomes.add("refused")
            else:
                np.testing.assert_array_equal(model.encode(data.observations), expected)
                outcomes.add("read")
    assert outcomes == {"refused", "read"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.pop("x_mean"), "the tensor 'x_mean' is missing; by the description it has"),
        (
            lambda t: t.update(x_mean=torch.zeros(7)),
            r"'x_mean' has shape \(7,\); by the description it has \(6,\)",
        ),
        (
            lambda t: t.update(x_mean=torch.zeros(0)),
            r"'x_mean' has shape \(0,\); by the description it has \(6,\)",
        ),
        (lambda t: t.update(x_scale=torch.zeros(6)), "'x_scale' holds a scale that is not positive"),
        (lambda t: t.update(more=torch.zeros(2)), "the tensor 'more' is not one of the model's"),
        (lambda t: t.pop("refinement.steps"), "the tensor 'refinement.steps' is missing"),
        (
            lambda t: t.update({"refinement.centre": torch.zeros(2, 2)}),
            r"the tensor 'refinement.centre' has shape \(2, 2\), the model's has \(3,\)",
        ),
        (
            lambda t: t.update({"refinement.centre": torch.zeros(3).double()}),
            "the tensor 'refinement.centre' is of torch.float64, not torch.float32",
        ),
        (
            lambda t: t.update({"refinement.centre": torch.zeros(3, dtype=torch.complex64)}),
            "the tensor 'refinement.centre' is of torch.complex64",
        ),
        (
            lambda t: (
                t["flow.blocks.0.inner.bias"].fill_(float("nan"))
                if "flow.blocks.0.inner.bias" in t
                else t["refinement.centre"].fill_(float("nan"))
            ),
            "holds a number that is not finite",
        ),
        (lambda t: t["x_mean"].fill_(float("-inf")), "the tensor 'x_mean' holds a number that is not finite"),
        # every encoding takes this many steps
        (
            lambda t: t["refinement.steps"].fill_(10**15),
            "refinement.steps is 10{15}; by the settings at most 2",
        ),
        (lambda t: t["action_masks.state"].fill_(7), "the masks of actions are in state 7"),
    ],
)
def test_damaged_tensors_are_refused(folder: Path, change: Callable[[Tensors], Any], message: str) -> None:
    damage_tensors(folder, change)
    with pytest.raises(CheckpointError, match=message):
        load(folder)


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        (("config", "width"), 8192, "by its settings the model has 1.* weights or more, and the file has"),
        (("shape", "n_latents"), 150, r"the tensor 'posterior_noise.frame' has shape \(3, 3\)"),
        (("shape", "n_observed"), 10**9, r"the tensor 'x_mean' has shape \(6,\); by the description"),
        (("action_names",), ["a", "a", "b"], "content.action_names is .* its entries must be distinct"),
        (("action_names",), ["a", "b"], "action_names are 2, and shape.n_actions is 3"),
        (("action_names",), ["v0", "b", "c"], "is damaged .*'v0'"),
        (("observation_shape",), [1, 1, 7], r"observation_shape is \[1, 1, 7\], and shape.n_observed is 6"),
        (("config", "width"), 10**9, "width is 1000000000; it must be from 1 to 100000"),
        (
            ("networks", "encoder"),
            {
                "name": "ConvEncoder",
                "options": {"image_shape": [1, 1, 6], "n_latents": 9, "seed": 0, "width": 1},
            },
            "networks.encoder is of other sizes than the model",
        ),
        (
            ("networks", "encoder"),
            {
                "name": "ConvEncoder",
                "options": {"image_shape": [1, 1, 6], "n_latents": 3, "seed": 0, "width": HUGE},
            },
            "networks.encoder.options.width is 1.*, more than the tensors have",
        ),
        (
            ("centring",),
            {"x": {"shift": [10**400] * 6, "unit": [1.0] * 6}, "a": None},
            r"content.centring.x.shift\[0\] is 1000.*; it must be a finite number",
        ),
        (("networks",), 3, "content.networks is 3; it must be an object"),
        (
            ("history", "records", 0, "loss"),
            "x",
            r"content.history.records\[0\].loss is 'x'; it must be a finite",
        ),
    ],
)
def test_no_memory_is_allocated_for_sizes_that_a_manifest_declares(
    folder: Path, place: tuple[Any, ...], value: Any, message: str
) -> None:
    content = manifest(folder)
    inner = content["content"]
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = value
    write_manifest(folder, content)
    with pytest.raises(CheckpointError, match=message):
        load(folder)


def test_extreme_weights_are_reported_in_one_line(folder: Path) -> None:
    data = simulate(BAND, 10, seed=training_seed(1))

    def fill_with_extremes(tensors: Tensors) -> None:
        for name, tensor in tensors.items():
            if name.startswith("encoder"):
                tensor.fill_(3e38)

    damage_tensors(folder, fill_with_extremes)
    model = load(folder)
    message = "not finite; its weights are damaged, or the data are far from those that it was trained on"
    with pytest.raises(DataError, match=message):
        model.encode(data.observations)
    with pytest.raises(DataError, match=r"the negative ELBO is .*; its weights are damaged"):
        model.negative_elbo(data)


def test_singular_equations_are_reported_in_one_line(tmp_path: Path) -> None:
    data = simulate(BAND, 100, seed=training_seed(1))
    fit(data, CONFIG.replace(steps=30, refinements=1)).save(tmp_path)

    def make_singular(tensors: Tensors) -> None:
        tensors["refinement.steps"].fill_(1)
        tensors["refinement.precision"].fill_(1e30)

    damage_tensors(tmp_path, make_singular)
    with pytest.raises(
        DataError, match="equations of the model have no solution; its weights are damaged, or"
    ):
        load(tmp_path).encode(data.observations)


def test_a_score_that_is_not_finite_is_an_error(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data, model = simulate(BAND, 60, seed=training_seed(1)), load(folder)
    assert evaluate(model, data).scores is not None
    score = MultipleCorrelation(float("nan"), np.zeros(3), np.ones((3, 3), dtype=bool), held_out=False)
    monkeypatch.setattr("estimation.evaluation.scores.multiple_correlation", lambda *_, **__: score)
    with pytest.raises(
        DataError, match="the score r is nan; the true or the learned latents have no finite variance"
    ):
        evaluate(model, dataclasses.replace(data, graph=None))


def test_models_of_version_3_are_read(folder: Path) -> None:
    """A manifest of version 3 lacks only the fingerprint and the companions."""
    content = manifest(folder)
    encoded = load(folder).encode(np.ones((2, 6)))
    del content["companions"], content["content"]["data_fingerprint"]
    write_manifest(folder, {**content, "version": 3})
    loaded = load(folder)
    assert loaded.data_fingerprint is None
    np.testing.assert_array_equal(loaded.encode(np.ones((2, 6))), encoded)
