"""A folder of tensors and JSON, replaced as a whole: either what was there before, or all of the new.

The description (`manifest.json`) names the tensor file and its SHA-256. It is written last, by rename: a reader never
sees a mixture. Tensors are safetensors; nothing is ever unpickled.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from estimation.exceptions import CheckpointError
from identify.files import make_folder, read_bytes, write_whole

__all__ = ["flatten", "read_folder", "restore", "write_folder"]

_MANIFEST = "manifest.json"
_PREFIX = "tensors-"
_MOST_JSON = 1 << 28
# 2: another flow, and the setting flow_blocks for couplings; 3: the flow knows which latents go through it
_VERSION = 3
_TENSOR = "__tensor__"


def write_folder(
    folder: str | os.PathLike[str], kind: str, content: Mapping[str, Any], tensors: Mapping[str, Tensor]
) -> None:
    """Write a description and tensors.

    Args:
        folder: made when missing.
        kind: what the folder holds; `read_folder` asks for the same.
        content: ready for JSON.
        tensors: by name, on any device.

    Raises:
        FileAccessError: it can't be written.
    """
    target = make_folder(folder)
    data = save({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()})
    digest = hashlib.sha256(data).hexdigest()
    name = f"{_PREFIX}{digest[:16]}.safetensors"
    write_whole(target / name, data)
    manifest = {"kind": kind, "version": _VERSION, "tensors": name, "sha256": digest, "content": content}
    write_whole(target / _MANIFEST, json.dumps(manifest, indent=1, allow_nan=True))
    for old in target.glob(f"{_PREFIX}*.safetensors"):
        if old.name != name:
            with contextlib.suppress(OSError):
                old.unlink()


def read_folder(folder: str | os.PathLike[str], kind: str) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Read what `write_folder` wrote.

    Args:
        folder: the folder.
        kind: what it should hold.

    Returns:
        the description and the tensors, on the CPU.

    Raises:
        CheckpointError: a file is missing, damaged, foreign, or of another version.
    """
    place = Path(folder)
    manifest = _manifest(place)
    found = manifest.get("kind")
    if found is None:
        raise CheckpointError(f"{place}: is no checkpoint; its {_MANIFEST} does not say {kind!r}")
    if found != kind:
        raise CheckpointError(f"{place}: holds {found!r}, not {kind!r}")
    if manifest.get("version") != _VERSION:
        raise CheckpointError(
            f"{place}: is version {manifest.get('version')!r} of this format; this release reads version {_VERSION}"
        )
    name, content = manifest.get("tensors"), manifest.get("content")
    if not isinstance(name, str) or Path(name).name != name or not isinstance(content, dict):
        raise CheckpointError(f"{place / _MANIFEST}: is damaged (it names no tensors or has no content)")
    return content, _tensors(place / name, manifest.get("sha256"))


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
        return {_TENSOR: prefix, "strides": list(value.stride())}
    if isinstance(value, Mapping):
        return {"dict": [[key, flatten(item, tensors, f"{prefix}.{key}")] for key, item in value.items()]}
    if isinstance(value, list | tuple):
        return [flatten(item, tensors, f"{prefix}.{k}") for k, item in enumerate(value)]
    return value


def restore(value: Any, tensors: Mapping[str, Tensor]) -> Any:
    """The inverse of `flatten`; tuples come back as lists.

    Raises:
        CheckpointError: a tensor is missing.
    """
    if isinstance(value, dict) and _TENSOR in value:
        if value[_TENSOR] not in tensors:
            raise CheckpointError(f"the tensor {value[_TENSOR]!r} is missing from the checkpoint")
        kept = tensors[value[_TENSOR]]
        return kept.new_empty(0).new_empty_strided(kept.shape, value["strides"]).copy_(kept)
    if isinstance(value, dict):
        return {key: restore(item, tensors) for key, item in value["dict"]}
    if isinstance(value, list):
        return [restore(item, tensors) for item in value]
    return value


def _manifest(place: Path) -> dict[str, Any]:
    path = place / _MANIFEST
    if not path.is_file():
        raise CheckpointError(f"{place}: is no checkpoint; it has no {_MANIFEST}")
    try:
        manifest = json.loads(read_bytes(path, _MOST_JSON))
    except ValueError as error:
        raise CheckpointError(f"{path}: is damaged (no JSON)") from error
    if not isinstance(manifest, dict):
        raise CheckpointError(f"{path}: is damaged (not an object)")
    return manifest


def _tensors(path: Path, digest: object) -> dict[str, Tensor]:
    if not path.is_file():
        raise CheckpointError(f"{path}: is missing; the manifest beside it names this file")
    # read_bytes makes room for its limit
    data = read_bytes(path, path.stat().st_size)
    if hashlib.sha256(data).hexdigest() != digest:
        raise CheckpointError(f"{path}: is damaged (its SHA-256 is not the one in the manifest)")
    try:
        return dict(load(data))
    except (SafetensorError, ValueError) as error:
        raise CheckpointError(f"{path}: is damaged ({error})") from error
