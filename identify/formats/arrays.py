"""NPZ: numpy arrays in a zip file, a compact format for large graphs.

A small file can unpack to gigabytes, and a header of a hundred bytes can declare any shape. Every size is therefore
checked in the headers before an array is read.
"""

from __future__ import annotations

import io
import math
import zipfile
from typing import Any

import numpy as np
from scipy import sparse

from identify.exceptions import FormatError, GraphError
from identify.formats.base import MIB, Format, Reading
from identify.graph import CausalGraph
from identify.names import default_names, quoted

__all__ = ["NPZ"]

_VERSION = 1
_LIMIT = 4096 * MIB
# a file may unpack to this size plus fifty times its own: a million latents with six million edges unpack to four times
# their size, ten thousand latents as a dense matrix of bytes to 95 MiB
_MAX_UNPACKED, _MAX_RATIO = 128 * MIB, 50
_MAX_NODES = 20_000_000
_MATRICES = ("Gz", "Ga")
_PARTS = tuple(f"{key}_{part}" for key in _MATRICES for part in ("shape", "indptr", "indices"))
_KEYS = (*_MATRICES, *_PARTS, "latents", "actions", "version")

Arrays = dict[str, np.ndarray[Any, Any]]


def _read(content: bytes) -> Reading:
    arrays = _unpack(content)
    try:
        Gz, Ga = (_matrix(arrays, key) for key in _MATRICES)
        latents, actions = (_names(arrays, key) for key in ("latents", "actions"))
        # check shapes and names first: the conversion of a dense matrix takes many times its memory
        CausalGraph(_without_entries(Gz), _without_entries(Ga), latents, actions)
        graph = CausalGraph(Gz, Ga, latents, actions)
    except (FormatError, GraphError):
        raise
    except Exception as error:
        # numpy and scipy raise various errors for inconsistent arrays
        raise FormatError(f"the arrays don't form a graph: {error}") from error
    is_dense = any(key in arrays for key in _MATRICES)
    return Reading(graph, ("rows are children, columns their parents",) if is_dense else ())


def _write(graph: CausalGraph) -> bytes:
    arrays: Arrays = {"version": np.array(_VERSION)}
    for key, matrix in (("Gz", graph.Gz), ("Ga", graph.Ga)):
        arrays |= {
            f"{key}_shape": np.array(matrix.shape),
            f"{key}_indptr": matrix.indptr,
            f"{key}_indices": matrix.indices,
        }
    # default names need not be stored
    if graph.latents != default_names("z", graph.n_latents):
        arrays["latents"] = np.array(graph.latents)
    if graph.actions != default_names("a", graph.n_actions):
        arrays["actions"] = np.array(graph.actions)
    out = io.BytesIO()
    np.savez_compressed(out, allow_pickle=False, **arrays)
    return out.getvalue()


def _unpack(content: bytes) -> Arrays:
    if not content:
        raise FormatError("the file is empty")
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as file:
            members = {info.filename.removesuffix(".npy"): info for info in file.infolist()}
            members = {key: info for key, info in members.items() if key in _KEYS}
            _check_sizes(members, len(content))
            for key, info in members.items():
                _check_header(file, key, info)
        # unknown keys are not read
        with np.load(io.BytesIO(content), allow_pickle=False) as archive:
            arrays = {key: archive[key] for key in members}
    except FormatError:
        raise
    except Exception as error:
        # zipfile, zlib and numpy raise various errors for a damaged file
        raise FormatError(f"is not an NPZ file of plain arrays: {error}") from error
    version = arrays.get("version")
    if version is not None and (version.shape != () or version.dtype.kind not in "iu" or version > _VERSION):
        raise FormatError(
            f"key 'version': is {quoted(version.tolist())}; this version of mechsparse reads {_VERSION}"
        )
    return arrays


def _check_sizes(members: dict[str, zipfile.ZipInfo], size: int) -> None:
    declared = sum(info.file_size for info in members.values())
    if declared > _LIMIT:
        raise FormatError(f"unpacks to {declared:,} bytes, more than the limit of {_LIMIT:,}")
    if declared > _MAX_UNPACKED + _MAX_RATIO * size:
        raise FormatError(
            f"unpacks from {size:,} to {declared:,} bytes; write a dense matrix as bool, or the parts of a CSR matrix"
        )


def _check_header(archive: zipfile.ZipFile, key: str, info: zipfile.ZipInfo) -> None:
    """Raise FormatError unless the header declares the size of the member and a shape that a graph can have."""
    with archive.open(info) as member:
        if member.read(6) != np.lib.format.MAGIC_PREFIX:
            raise FormatError(f"key '{key}': is not a numpy array")
        version = tuple(member.read(2))
        readers = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
        if version not in readers:
            raise FormatError(f"key '{key}': has version {version} of numpy's format; 1 and 2 are read")
        shape, _, dtype = readers[version](member)
        start = member.tell()
    if dtype.hasobject:
        raise FormatError(f"is not an NPZ file of plain arrays: object arrays can't be read (key '{key}')")
    if max(shape, default=0) > _MAX_NODES and key in (*_MATRICES, "latents", "actions"):
        raise FormatError(f"key '{key}': has shape {quoted(shape)}; a graph has at most {_MAX_NODES:,} nodes")
    declared = math.prod(shape) * dtype.itemsize
    if declared != info.file_size - start:
        raise FormatError(
            f"is not an NPZ file of plain arrays: key '{key}' declares {declared:,} bytes and has "
            f"{info.file_size - start:,}"
        )


def _matrix(arrays: Arrays, key: str) -> Any:
    if key in arrays:
        return arrays[key]
    if not any(name.startswith(f"{key}_") for name in arrays):
        return None
    shape, indptr, indices = (_integers(arrays, f"{key}_{part}") for part in ("shape", "indptr", "indices"))
    if len(shape) != 2 or (shape < 0).any():
        raise FormatError(
            f"key '{key}_shape': is {quoted(shape.tolist())}; it must be two numbers, rows and columns"
        )
    if (shape > _MAX_NODES).any():
        raise FormatError(f"key '{key}_shape': is {shape.tolist()}; a graph has at most {_MAX_NODES:,} nodes")
    if len(indptr) != shape[0] + 1:
        raise FormatError(
            f"key '{key}_indptr': has {len(indptr)} entries; {shape[0]} rows need {shape[0] + 1}"
        )
    matrix = sparse.csr_array(
        (np.ones(len(indices), dtype=bool), indices, indptr), shape=(int(shape[0]), int(shape[1]))
    )
    matrix.check_format(full_check=True)
    return matrix


def _without_entries(matrix: Any) -> Any:
    if matrix is None or matrix.ndim != 2:
        return matrix
    return sparse.csr_array(matrix.shape, dtype=bool)


def _integers(arrays: Arrays, key: str) -> np.ndarray[Any, Any]:
    if key not in arrays:
        raise FormatError(f"key '{key}': is missing; a matrix has shape, indptr and indices")
    if arrays[key].ndim != 1 or arrays[key].dtype.kind not in "iu":
        raise FormatError(f"key '{key}': must be a one-dimensional array of integers")
    return arrays[key]


def _names(arrays: Arrays, key: str) -> list[str] | None:
    names = arrays.get(key)
    if names is None:
        return None
    if names.ndim != 1 or (names.dtype.kind != "U" and names.size):
        raise FormatError(f"key '{key}': must be a one-dimensional array of strings")
    return [str(name) for name in names]


NPZ = Format("npz", "NPZ", (".npz",), "numpy arrays, compressed; for large graphs", _LIMIT, _read, _write)
