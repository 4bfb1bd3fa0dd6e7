"""NPZ: numpy arrays in a zip file; compact, and the format for large graphs."""

from __future__ import annotations

import io
import zipfile
from typing import Any

import numpy as np
from scipy import sparse

from identify.exceptions import FormatError, GraphError
from identify.formats.base import MIB, Format
from identify.graph import CausalGraph
from identify.names import default_names

__all__ = ["NPZ"]

_VERSION = 1
_LIMIT = 4096 * MIB

Arrays = dict[str, np.ndarray[Any, Any]]


def _read(content: bytes) -> CausalGraph:
    arrays = _unpack(content)
    try:
        past, acted = (_matrix(arrays, key) for key in ("Gz", "Ga"))
        return CausalGraph(past, acted, latents=_names(arrays, "latents"), actions=_names(arrays, "actions"))
    except (FormatError, GraphError):
        raise
    except Exception as error:
        # whatever numpy and scipy make of inconsistent arrays
        raise FormatError(f"the arrays don't make a graph: {error}") from error


def _write(graph: CausalGraph) -> bytes:
    arrays: Arrays = {"version": np.array(_VERSION)}
    for key, matrix in (("Gz", graph.Gz), ("Ga", graph.Ga)):
        arrays |= {
            f"{key}_shape": np.array(matrix.shape),
            f"{key}_indptr": matrix.indptr,
            f"{key}_indices": matrix.indices,
        }
    # the names that a graph makes up itself need no room
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
        declared = sum(info.file_size for info in zipfile.ZipFile(io.BytesIO(content)).infolist())
        if declared > _LIMIT:
            raise FormatError(f"unpacks to {declared:,} bytes, more than the limit of {_LIMIT:,}")
        with np.load(io.BytesIO(content), allow_pickle=False) as file:
            arrays = {key: file[key] for key in file.files}
    except FormatError:
        raise
    except Exception as error:
        # a damaged zip file raises whatever zipfile, zlib or numpy meet first
        raise FormatError(f"is no NPZ file of plain arrays: {error}") from error
    for key, array in arrays.items():
        if not isinstance(array, np.ndarray):
            raise FormatError(f"key '{key}': is no numpy array")
    version = arrays.get("version")
    if version is not None and (version.shape != () or version.dtype.kind not in "iu" or version > _VERSION):
        raise FormatError(f"key 'version': is {version}; this version of mechsparse reads {_VERSION}")
    return arrays


def _matrix(arrays: Arrays, key: str) -> Any:
    if key in arrays:
        return arrays[key]
    if not any(name.startswith(f"{key}_") for name in arrays):
        return None
    shape, indptr, indices = (_integers(arrays, f"{key}_{part}") for part in ("shape", "indptr", "indices"))
    if len(shape) != 2 or (shape < 0).any():
        raise FormatError(f"key '{key}_shape': is {shape.tolist()}; it must be rows and columns")
    if len(indptr) != shape[0] + 1:
        raise FormatError(
            f"key '{key}_indptr': has {len(indptr)} entries; {shape[0]} rows need {shape[0] + 1}"
        )
    matrix = sparse.csr_array(
        (np.ones(len(indices), dtype=bool), indices, indptr), shape=(int(shape[0]), int(shape[1]))
    )
    matrix.check_format(full_check=True)
    return matrix


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


NPZ = Format("npz", (".npz",), "numpy arrays, compressed; for large graphs", _LIMIT, _read, _write)
