"""A folder of tensors and JSON, replaced as a whole: either what was there before, or all of the new.

The description (`manifest.json`) names the tensor file and its SHA-256. It is written last, by rename: a reader never
sees a mixture. Tensors are safetensors; nothing is ever unpickled.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import json
import operator
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor, nn

from estimation.exceptions import CheckpointError
from estimation.storage.companions import COMPANIONS, list_companions, remove_companions
from estimation.storage.schema import Anything, Fields, Form, Many, Text, Whole, check
from identify.exceptions import FileAccessError, FormatError
from identify.files import PARTIAL, make_folder, read_bytes, write_whole
from identify.json_files import parse_json
from identify.names import quoted, shown

__all__ = ["MANIFEST", "flatten", "forget_folder", "load_state", "read_folder", "restore", "write_folder"]

MANIFEST = "manifest.json"
_PREFIX = "tensors-"
_TENSORS = re.compile(r"tensors-[0-9a-f]{16}\.safetensors")
_MOST_JSON = 1 << 28
# 2: another flow, and the setting flow_blocks for couplings; 3: the flow knows which latents go through it;
# 4: fingerprints of data, and the names of the files beside the model
_VERSION, _OLDEST = 4, 3
_TENSOR = "__tensor__"
_OWN_NETWORKS = "the tensors don't fit the model: give the encoder and decoder it was trained with"
_FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
_HEAD = Fields(
    {
        "kind": Text(),
        "version": Whole(),
        "tensors": Text(),
        "sha256": Text(),
        "content": Fields({}),
    },
    {"companions": COMPANIONS},
)


def write_folder(
    folder: str | os.PathLike[str],
    kind: str,
    content: Mapping[str, Any],
    tensors: Mapping[str, Tensor],
    companions: Mapping[str, bytes] | None = None,
    announced: tuple[str, ...] = (),
) -> None:
    """Write a description and tensors, and files that go with them. Nothing stays of what the folder held before.

    Whenever the process is killed, the folder holds the old description or the new one, and beside it no companion
    of the other: old companions go first, new ones come last. A file that somebody else put there, or changed, stays.

    Args:
        folder: made when missing.
        kind: what the folder holds; `read_folder` asks for the same.
        content: ready for JSON.
        tensors: by name, on any device.
        companions: more files, by name.
        announced: names of files in the folder that the caller writes later, to be removed with the next description.

    Raises:
        FileAccessError: it can't be written.
    """
    target = make_folder(folder)
    data = save({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()})
    digest = hashlib.sha256(data).hexdigest()
    name = f"{_PREFIX}{digest[:16]}.safetensors"
    beside = companions or {}
    manifest = {
        "kind": kind,
        "version": _VERSION,
        "tensors": name,
        "sha256": digest,
        "companions": list_companions(beside, announced),
        "content": content,
    }
    text = json.dumps(manifest, indent=1, allow_nan=False)
    _forget_companions(target)
    write_whole(target / name, data)
    write_whole(target / MANIFEST, text)
    for each, written in beside.items():
        write_whole(target / each, written)
    for old in target.iterdir():
        if old.name != name and _TENSORS.fullmatch(old.name):
            with contextlib.suppress(OSError):
                old.unlink()


def forget_folder(folder: Path) -> None:
    """Remove what `write_folder` wrote, and nothing else that may lie there; the folder too when it is empty then."""
    _forget_companions(folder)
    (folder / MANIFEST).unlink(missing_ok=True)
    for path in folder.iterdir() if folder.is_dir() else ():
        if _TENSORS.fullmatch(path.name) or path.match(PARTIAL):
            path.unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        folder.rmdir()


def read_folder(
    folder: str | os.PathLike[str], kind: str, form: Form
) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Read what `write_folder` wrote, and check all of it: the description against a form, tensors for finiteness.

    Args:
        folder: the folder.
        kind: what it should hold.
        form: of the description.

    Returns:
        the description and the tensors, on the CPU.

    Raises:
        CheckpointError: a file is missing, damaged, foreign, or of another version.
    """
    place = Path(folder)
    path = place / MANIFEST
    manifest = _manifest(path)
    found = manifest.get("kind")
    if found is None:
        raise CheckpointError(f"{place}: is no checkpoint; its {MANIFEST} does not say {kind!r}")
    if found != kind:
        raise CheckpointError(f"{place}: holds {quoted(found)}, not {kind!r}")
    version = manifest.get("version")
    if version not in range(_OLDEST, _VERSION + 1) or isinstance(version, bool | float):
        raise CheckpointError(
            f"{place}: is version {quoted(version)} of this format; this release reads {_OLDEST} to {_VERSION}"
        )
    try:
        check(manifest, _HEAD, "the manifest")
        check(manifest["content"], form, "content")
    except CheckpointError as error:
        raise CheckpointError(f"{path}: is damaged ({error})") from error
    name = manifest["tensors"]
    if not _TENSORS.fullmatch(name):
        raise CheckpointError(
            f"{path}: is damaged (tensors is {quoted(name)}; it must be the name of a file)"
        )
    return manifest["content"], _tensors(place / name, manifest["sha256"])


def load_state(model: nn.Module, tensors: Mapping[str, Tensor], where: str) -> None:
    """Put tensors into a model.

    Raises:
        CheckpointError: one is missing, too many, or of another shape or type; the text says which.
    """
    own = model.state_dict()
    for name in sorted(own.keys() ^ tensors.keys()):
        state = "is missing" if name in own else "is not one of the model's"
        raise CheckpointError(f"{where}: the tensor {quoted(name)} {state}; {_OWN_NETWORKS}")
    for name, tensor in own.items():
        if tensor.shape != tensors[name].shape:
            raise CheckpointError(
                f"{where}: the tensor {quoted(name)} has shape {tuple(tensors[name].shape)}, the model's has "
                f"{tuple(tensor.shape)}; {_OWN_NETWORKS}"
            )
        if tensor.dtype != tensors[name].dtype:
            raise CheckpointError(
                f"{where}: is damaged (the tensor {quoted(name)} is of {tensors[name].dtype}, not {tensor.dtype})"
            )
    model.load_state_dict(dict(tensors))


def flatten(value: Any, tensors: dict[str, Tensor], prefix: str) -> Any:
    """Take the tensors out of nested dicts and lists, leaving their names in place.

    Args:
        value: nested dicts, lists, tuples, tensors and plain values.
        tensors: receives the tensors.
        prefix: of their names.

    Returns:
        the same nesting, ready for JSON. Keys of dicts that are no text are kept by `restore`.

    Example:
        >>> import torch
        >>> found = {}
        >>> flatten({"a": [torch.zeros(1), 2]}, found, "x")
        {'dict': [['a', [{'__tensor__': 'x.a.0', 'strides': [1]}, 2]]]}
        >>> restore(flatten({"a": [torch.zeros(1), 2]}, found, "x"), found)
        {'a': [tensor([0.]), 2]}
    """
    if isinstance(value, Tensor):
        tensors[prefix] = value
        # a product of matrices rounds by how they lie in memory, which the file of tensors doesn't keep
        strides = value.stride() if _is_dense(value.shape, value.stride()) else value.contiguous().stride()
        return {_TENSOR: prefix, "strides": list(strides)}
    if isinstance(value, Mapping):
        return {"dict": [[key, flatten(item, tensors, f"{prefix}.{key}")] for key, item in value.items()]}
    if isinstance(value, list | tuple):
        return [flatten(item, tensors, f"{prefix}.{k}") for k, item in enumerate(value)]
    return value


def restore(value: Any, tensors: Mapping[str, Tensor]) -> Any:
    """The inverse of `flatten`; tuples come back as lists.

    Raises:
        CheckpointError: a tensor is missing, or the nesting is not one that `flatten` makes.
    """
    if isinstance(value, dict) and _TENSOR in value:
        return _restored_tensor(value, tensors)
    if isinstance(value, dict):
        check(value, Fields({"dict": Many(Many(Anything(), length=2))}), "what is nested")
        if not all(isinstance(key, str | int) for key, _ in value["dict"]):
            raise CheckpointError("what is nested has a key that is neither text nor number")
        return {key: restore(item, tensors) for key, item in value["dict"]}
    if isinstance(value, list):
        return [restore(item, tensors) for item in value]
    return value


def _restored_tensor(value: dict[str, Any], tensors: Mapping[str, Tensor]) -> Tensor:
    name, strides = value[_TENSOR], value.get("strides", [])
    if not isinstance(name, str) or name not in tensors:
        raise CheckpointError(f"the tensor {quoted(name)} is missing from the checkpoint")
    kept = tensors[name]
    check(strides, Many(Whole(0, 1 << 48), length=kept.dim()), f"strides of {shown(name)}")
    if not _is_dense(kept.shape, strides):
        raise CheckpointError(f"strides of {shown(name)} are {strides}, which don't fit {list(kept.shape)}")
    return kept.new_empty(0).new_empty_strided(kept.shape, strides).copy_(kept)


def _is_dense(shape: Sequence[int], strides: Sequence[int]) -> bool:
    """Whether entries lie side by side, in any order of the dimensions."""
    steps = sorted((stride, size) for stride, size in zip(strides, shape, strict=True) if size != 1)
    wanted = itertools.accumulate((size for _, size in steps), operator.mul, initial=1)
    return 0 in shape or all(stride == want for (stride, _), want in zip(steps, wanted, strict=False))


def _manifest(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise CheckpointError(f"{path.parent}: is no checkpoint; it has no {MANIFEST}")
    try:
        manifest = parse_json(read_bytes(path, _MOST_JSON))
    except FormatError as error:
        raise CheckpointError(f"{path}: is damaged (it {error})") from error
    if not isinstance(manifest, dict):
        raise CheckpointError(f"{path}: is damaged (not an object)")
    return manifest


def _tensors(path: Path, digest: str) -> dict[str, Tensor]:
    if not path.is_file():
        raise CheckpointError(f"{path}: is missing; the manifest beside it names this file")
    # read_bytes makes room for its limit
    data = read_bytes(path, path.stat().st_size)
    if hashlib.sha256(data).hexdigest() != digest:
        raise CheckpointError(f"{path}: is damaged (its SHA-256 is not the one in the manifest)")
    try:
        tensors = dict(load(data))
    except (SafetensorError, KeyError, ValueError) as error:
        raise CheckpointError(f"{path}: is damaged ({error})") from error
    for name, tensor in tensors.items():
        if tensor.is_complex() or (tensor.is_floating_point() and tensor.dtype not in _FLOATS):
            raise CheckpointError(f"{path}: is damaged (the tensor {quoted(name)} is of {tensor.dtype})")
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            raise CheckpointError(
                f"{path}: is damaged (the tensor {quoted(name)} holds a number that is not finite)"
            )
    return tensors


def _forget_companions(folder: Path) -> None:
    """Remove the files that the folder's description names."""
    try:
        manifest = _manifest(folder / MANIFEST)
        check(manifest, _HEAD, "the manifest")
    except (CheckpointError, FileAccessError):
        # nothing is known of what was there
        return
    remove_companions(folder, manifest.get("companions", []))
