"""A folder of tensors and JSON, replaced atomically: a reader finds either the old content or all of the new one.

The manifest (`manifest.json`) names the tensor file and its SHA-256. It is written after the tensors, by rename, so
that a reader never finds a mixture. Tensors are safetensors; nothing is ever unpickled.
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
from typing import Any, Protocol, runtime_checkable

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
_MAX_JSON_BYTES = 1 << 28
# 2: another flow, and the setting flow_blocks for couplings; 3: the flow stores the latents that it transforms;
# 4: fingerprints of data, and the names of the companions of a model
_VERSION, _OLDEST_VERSION = 4, 3
_TENSOR_KEY = "__tensor__"
_NETWORKS_DIFFER = "the tensors don't fit the model: give the encoder and decoder it was trained with"
_FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
_MANIFEST = Fields(
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
    """Write content, tensors and companions to a folder, and remove its previous content.

    If the process is killed at any time, the folder holds the old manifest or the new one, without companions of the
    other: old companions are removed first, and new ones are written last. Files of the user stay, and so do
    companions that the user changed.

    Args:
        folder: Created if missing.
        kind: Kind of the content; `read_folder` requires the same.
        content: Content of the manifest, for JSON.
        tensors: Tensors by name, on any device.
        companions: Further files, by name.
        announced: Names of files in the folder that the caller writes later, to be removed with this content.

    Raises:
        FileAccessError: If the folder can't be written.
    """
    target = make_folder(folder)
    data = save({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()})
    digest = hashlib.sha256(data).hexdigest()
    name = f"{_PREFIX}{digest[:16]}.safetensors"
    further_files = companions or {}
    manifest = {
        "kind": kind,
        "version": _VERSION,
        "tensors": name,
        "sha256": digest,
        "companions": list_companions(further_files, announced),
        "content": content,
    }
    text = json.dumps(manifest, indent=1, allow_nan=False)
    _forget_companions(target)
    write_whole(target / name, data)
    write_whole(target / MANIFEST, text)
    for companion, companion_data in further_files.items():
        write_whole(target / companion, companion_data)
    for path in target.iterdir():
        if path.name != name and _TENSORS.fullmatch(path.name):
            with contextlib.suppress(OSError):
                path.unlink()


def forget_folder(folder: Path) -> None:
    """Remove the files that `write_folder` wrote, and the folder if nothing else is in it."""
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
    """Read a folder that `write_folder` wrote, after checking that its content has a form and its tensors are finite.

    Args:
        folder: The folder.
        kind: Required kind of its content.
        form: Required form of its content.

    Returns:
        The content and the tensors, on the CPU.

    Raises:
        CheckpointError: If a file is missing, damaged, of another kind, or of another version.
    """
    place = Path(folder)
    path = place / MANIFEST
    manifest = _read_manifest(path)
    actual_kind = manifest.get("kind")
    if actual_kind is None:
        raise CheckpointError(
            f"{place}: is not a checkpoint; its {MANIFEST} does not state the kind {kind!r}"
        )
    if actual_kind != kind:
        raise CheckpointError(f"{place}: holds {quoted(actual_kind)}, not {kind!r}")
    version = manifest.get("version")
    if version not in range(_OLDEST_VERSION, _VERSION + 1) or isinstance(version, bool | float):
        raise CheckpointError(
            f"{place}: is version {quoted(version)} of this format; this release reads {_OLDEST_VERSION} to {_VERSION}"
        )
    try:
        check(manifest, _MANIFEST, "the manifest")
        check(manifest["content"], form, "content")
    except CheckpointError as error:
        raise CheckpointError(f"{path}: is damaged ({error})") from error
    name = manifest["tensors"]
    if not _TENSORS.fullmatch(name):
        raise CheckpointError(
            f"{path}: is damaged (tensors is {quoted(name)}; it must be the name of a file)"
        )
    return manifest["content"], _read_tensors(place / name, manifest["sha256"])


@runtime_checkable
class _Adaptable(Protocol):
    """A model whose tensors can take other shapes in training."""

    def adapt_to_(self, tensors: Mapping[str, Tensor]) -> None:
        """Take the shapes of stored tensors, in place, as far as training could have given them to the model."""


def load_state(model: nn.Module, tensors: Mapping[str, Tensor], where: str) -> None:
    """Load tensors into a model.

    Args:
        model: The model.
        tensors: Tensors by name.
        where: Name of the file of the tensors in error messages.

    Raises:
        CheckpointError: If a tensor is missing, superfluous, or of another shape or type; the message names it.
    """
    if isinstance(model, _Adaptable):
        model.adapt_to_(tensors)
    own = model.state_dict()
    for name in sorted(own.keys() ^ tensors.keys()):
        problem = "is missing" if name in own else "is not one of the model's"
        raise CheckpointError(f"{where}: the tensor {quoted(name)} {problem}; {_NETWORKS_DIFFER}")
    for name, tensor in own.items():
        if tensor.shape != tensors[name].shape:
            raise CheckpointError(
                f"{where}: the tensor {quoted(name)} has shape {tuple(tensors[name].shape)}, the model's has "
                f"{tuple(tensor.shape)}; {_NETWORKS_DIFFER}"
            )
        if tensor.dtype != tensors[name].dtype:
            raise CheckpointError(
                f"{where}: is damaged (the tensor {quoted(name)} is of {tensors[name].dtype}, not {tensor.dtype})"
            )
    model.load_state_dict(dict(tensors))


def flatten(value: Any, tensors: dict[str, Tensor], prefix: str) -> Any:
    """Replace the tensors in nested dicts and lists by their names.

    Args:
        value: Nested dicts, lists, tuples, tensors and plain values.
        tensors: Dictionary that the tensors are added to, by name.
        prefix: Prefix of their names.

    Returns:
        The same nesting, for JSON. `restore` returns keys of dicts that aren't text, too.

    Example:
        >>> import torch
        >>> tensors = {}
        >>> flatten({"a": [torch.zeros(1), 2]}, tensors, "x")
        {'dict': [['a', [{'__tensor__': 'x.a.0', 'strides': [1]}, 2]]]}
        >>> restore(flatten({"a": [torch.zeros(1), 2]}, tensors, "x"), tensors)
        {'a': [tensor([0.]), 2]}
    """
    if isinstance(value, Tensor):
        tensors[prefix] = value
        # the rounding of a matrix product depends on the memory layout, which safetensors doesn't store
        strides = value.stride() if _is_dense(value.shape, value.stride()) else value.contiguous().stride()
        return {_TENSOR_KEY: prefix, "strides": list(strides)}
    if isinstance(value, Mapping):
        return {"dict": [[key, flatten(item, tensors, f"{prefix}.{key}")] for key, item in value.items()]}
    if isinstance(value, list | tuple):
        return [flatten(item, tensors, f"{prefix}.{k}") for k, item in enumerate(value)]
    return value


def restore(value: Any, tensors: Mapping[str, Tensor]) -> Any:
    """Return the nesting that `flatten` was given; tuples become lists.

    Args:
        value: Nesting that `flatten` returned.
        tensors: Tensors by name.

    Raises:
        CheckpointError: If a tensor is missing, or `flatten` can't have returned the nesting.
    """
    if isinstance(value, dict) and _TENSOR_KEY in value:
        return _restore_tensor(value, tensors)
    if isinstance(value, dict):
        check(value, Fields({"dict": Many(Many(Anything(), length=2))}), "the nesting")
        if not all(isinstance(key, str | int) for key, _ in value["dict"]):
            raise CheckpointError("the nesting has a key that is neither text nor a number")
        return {key: restore(item, tensors) for key, item in value["dict"]}
    if isinstance(value, list):
        return [restore(item, tensors) for item in value]
    return value


def _restore_tensor(value: dict[str, Any], tensors: Mapping[str, Tensor]) -> Tensor:
    name, strides = value[_TENSOR_KEY], value.get("strides", [])
    if not isinstance(name, str) or name not in tensors:
        raise CheckpointError(f"the tensor {quoted(name)} is missing from the checkpoint")
    tensor = tensors[name]
    check(strides, Many(Whole(0, 1 << 48), length=tensor.dim()), f"strides of {shown(name)}")
    if not _is_dense(tensor.shape, strides):
        raise CheckpointError(f"strides of {shown(name)} are {strides}, which don't fit {list(tensor.shape)}")
    return tensor.new_empty(0).new_empty_strided(tensor.shape, strides).copy_(tensor)


def _is_dense(shape: Sequence[int], strides: Sequence[int]) -> bool:
    """Return whether entries are adjacent in memory, in any order of the dimensions."""
    dimensions = sorted((stride, size) for stride, size in zip(strides, shape, strict=True) if size != 1)
    dense_strides = itertools.accumulate((size for _, size in dimensions), operator.mul, initial=1)
    pairs = zip(dimensions, dense_strides, strict=False)
    return 0 in shape or all(stride == dense_stride for (stride, _), dense_stride in pairs)


def _read_manifest(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise CheckpointError(f"{path.parent}: is not a checkpoint; it has no {MANIFEST}")
    try:
        manifest = parse_json(read_bytes(path, _MAX_JSON_BYTES))
    except FormatError as error:
        raise CheckpointError(f"{path}: is damaged (it {error})") from error
    if not isinstance(manifest, dict):
        raise CheckpointError(f"{path}: is damaged (not an object)")
    return manifest


def _read_tensors(path: Path, digest: str) -> dict[str, Tensor]:
    if not path.is_file():
        raise CheckpointError(f"{path}: is missing; the manifest names this file")
    # read_bytes allocates as much as its limit
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
    """Remove the companions that the manifest of a folder names."""
    try:
        manifest = _read_manifest(folder / MANIFEST)
        check(manifest, _MANIFEST, "the manifest")
    except (CheckpointError, FileAccessError):
        # without a valid manifest, no file is known to be ours
        return
    remove_companions(folder, manifest.get("companions", []))
