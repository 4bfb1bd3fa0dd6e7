"""Folders of tensors and JSON are replaced atomically: old and new content are never mixed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import estimation.storage.folders
from estimation.exceptions import CheckpointError
from estimation.storage.companions import list_companions, remove_companions, write_companions
from estimation.storage.folders import flatten, forget_folder, read_folder, restore, write_folder
from estimation.storage.schema import Fields, Whole

FORM = Fields({"k": Whole()})


def write(folder: Path, k: int, companions: dict[str, bytes] | None = None, *announced: str) -> None:
    write_folder(folder, "test", {"k": k}, {"x": torch.full((3,), float(k))}, companions, announced)


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if not path.name.startswith("tensors-")}


def test_companions_of_the_previous_content_are_removed(tmp_path: Path) -> None:
    write(tmp_path, 1, {"graph.json": b"1", "kept.json": b"1"}, "report.html")
    for name in ("report.html", "notes.txt", "own.json"):
        (tmp_path / name).write_text("by hand")
    write(tmp_path, 2, {"kept.json": b"2"})
    assert names(tmp_path) == {"manifest.json", "kept.json", "notes.txt", "own.json"}
    assert (tmp_path / "kept.json").read_bytes() == b"2"
    assert len(list(tmp_path.glob("tensors-*"))) == 1


def test_companions_that_the_user_changed_stay(tmp_path: Path) -> None:
    write(tmp_path, 1, {"graph.json": b"1"})
    (tmp_path / "graph.json").write_bytes(b"the user's own")
    write(tmp_path, 2)
    assert (tmp_path / "graph.json").read_bytes() == b"the user's own"


def test_a_manifest_does_not_affect_files_outside_its_folder(tmp_path: Path) -> None:
    folder, other = tmp_path / "a", tmp_path / "other.json"
    other.write_bytes(b"1")
    folder.mkdir()
    (folder / "link.json").symlink_to(other)
    write(folder, 1, {}, "../other.json", str(other), "link.json", ".", "")
    write(folder, 2)
    assert other.read_bytes() == b"1"
    assert (folder / "link.json").is_symlink()


@pytest.mark.parametrize("writes", range(4))
def test_an_interrupted_write_never_mixes_old_and_new_content(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, writes: int
) -> None:
    write(tmp_path, 1, {"a": b"1", "old": b"1"})
    done = []

    def some(path: Path, data: str | bytes) -> None:
        if len(done) == writes:
            raise KeyboardInterrupt
        done.append(path)
        path.write_bytes(data.encode() if isinstance(data, str) else data)

    with monkeypatch.context() as patched:
        patched.setattr(estimation.storage.folders, "write_whole", some)
        with pytest.raises(KeyboardInterrupt):
            write(tmp_path, 2, {"a": b"2", "new": b"2"})
    content, tensors = read_folder(tmp_path, "test", FORM)
    assert tensors["x"][0] == content["k"]
    for name in ("a", "old", "new"):
        path = tmp_path / name
        assert not path.exists() or path.read_text() == str(content["k"])
    write(tmp_path, 3)
    assert names(tmp_path) == {"manifest.json"}
    assert len(list(tmp_path.glob("tensors-*"))) == 1


def test_forgetting_a_folder_leaves_files_of_the_user(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    write(folder, 1, {"a": b"1"})
    (folder / ".0123456789abcdef.partial").write_bytes(b"half of it")
    forget_folder(folder)
    assert not folder.exists()
    forget_folder(folder)
    write(folder, 1)
    for name in ("tensors-mine.safetensors", "notes.txt"):
        (folder / name).write_text("by hand")
    forget_folder(folder)
    assert {path.name for path in folder.iterdir()} == {"tensors-mine.safetensors", "notes.txt"}


def test_files_of_a_set_are_replaced_with_the_set(tmp_path: Path) -> None:
    write_companions(tmp_path, {"a.csv": b"1", "a.svg": b"1"})
    (tmp_path / "b.svg").write_text("by hand")
    assert write_companions(tmp_path, {"a.csv": b"2"}) == [tmp_path / "a.csv"]
    assert names(tmp_path) == {"a.csv", "b.svg", "written.json"}
    for damage in ("{", "[3]", '[{"name": 3, "sha256": null}]', "[" * 1000):
        (tmp_path / "written.json").write_text(damage)
        write_companions(tmp_path, {"c.csv": b"2"})
        assert (tmp_path / "a.csv").read_bytes() == b"2"
    remove_companions(tmp_path, list_companions({"a.csv": b"2", "c.csv": b"2"}), ["a.csv"])
    assert names(tmp_path) == {"a.csv", "b.svg", "written.json"}


@given(shape=st.lists(st.integers(0, 3), max_size=3), order=st.randoms(use_true_random=False))
def test_tensors_keep_their_memory_layout(shape: list[int], order: Any) -> None:
    dimensions = list(range(len(shape)))
    order.shuffle(dimensions)
    tensors: dict[str, torch.Tensor] = {}
    value = torch.arange(float(torch.Size(shape).numel())).reshape(shape).permute(dimensions)
    restored = restore(json.loads(json.dumps(flatten({0: [value, "a", 1]}, tensors, "x"))), tensors)
    assert torch.equal(restored[0][0], value)
    assert restored[0][0].stride() == value.stride()
    part = torch.zeros(4, 4)[:, :2]
    assert restore(flatten(part, tensors, "y"), tensors).shape == (4, 2)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"__tensor__": "z", "strides": [1]}, "the tensor 'z' is missing from the checkpoint"),
        ({"__tensor__": [], "strides": [1]}, r"the tensor \[\] is missing from the checkpoint"),
        ({"__tensor__": "x"}, r"strides of x is \[\]; it must be a list of 2"),
        ({"__tensor__": "x", "strides": 3}, "strides of x is 3; it must be a list of 2"),
        ({"__tensor__": "x", "strides": ["a", 1]}, r"strides of x\[0\] is 'a'; it must be a whole number"),
        (
            {"__tensor__": "x", "strides": [-3, 1]},
            r"strides of x\[0\] is -3; it must be a whole number from 0",
        ),
        (
            {"__tensor__": "x", "strides": [10**12, 1]},
            r"strides of x are \[1000000000000, 1\], which don't fit",
        ),
        ({"__tensor__": "x", "strides": [0, 0]}, r"strides of x are \[0, 0\], which don't fit \[2, 3\]"),
        ({"a": 1}, "the nesting.dict is missing; it must be a list"),
        ({"dict": [1]}, r"the nesting.dict\[0\] is 1; it must be a list of 2"),
        ({"dict": [[[], 1]]}, "the nesting has a key that is neither text nor a number"),
    ],
)
def test_nesting_that_was_never_written_is_refused(value: Any, message: str) -> None:
    with pytest.raises(CheckpointError, match=message):
        restore(value, {"x": torch.zeros(2, 3)})
