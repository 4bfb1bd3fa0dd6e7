"""NPZ and NPY files: arrays as numpy writes them, and the NPZ form in which a dataset is written."""

from __future__ import annotations

import contextlib
import json
import lzma
import math
import os
import secrets
import struct
import tokenize
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from estimation.dataset.covariate_categories import stored_categories
from estimation.dataset.readers.episodes import cut_episodes
from estimation.dataset.readers.files import parsing, require_plausible_size, require_readable, shown_path
from estimation.dataset.readers.frames import encode_labels
from estimation.dataset.readers.options import Categories, ReadOptions
from estimation.dataset.readers.raw_data import RawData
from estimation.dataset.readers.roles import Roles
from estimation.exceptions import DataError
from identify.exceptions import FileAccessError
from identify.graph import CausalGraph

__all__ = ["read_npy", "read_npz", "write_npz"]

Arrays = Mapping[str, NDArray[Any]]

_FORMAT = "mechsparse dataset"
_VERSION = 1
_ZIP_MAGIC = b"PK"
# default names of the arrays
_DEFAULT_NAMES = {
    "observations": ("observations", "x"),
    "actions": ("actions", "a"),
    "latents": ("latents", "z"),
}
_COVARIATES = "covariates"
# what numpy, zipfile and the parser of array headers raise on damaged files; an encrypted archive is a RuntimeError
_FORMAT_ERRORS = (
    OSError,
    EOFError,
    ValueError,
    TypeError,
    LookupError,
    SyntaxError,
    RuntimeError,
    struct.error,
    tokenize.TokenError,
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
)


def write_npz(path: str | os.PathLike[str], raw: RawData) -> None:
    """Write a dataset to an NPZ file, atomically: either all of it, or the file stays as it was.

    The arrays are written one after the other, uncompressed, so that data on disk are never in memory as a whole.

    Raises:
        DataError: If the name of the file doesn't end in ``.npz``.
        FileAccessError: If the file can't be written.
    """
    if Path(path).suffix.lower() != ".npz":
        raise DataError(f"{shown_path(path)}: a dataset is written as NPZ; end the name in .npz")
    target = Path(os.path.realpath(path))
    temporary = target.with_name(f".{secrets.token_hex(8)}.partial")
    try:
        with open(temporary, "xb") as file:
            np.savez(file, allow_pickle=False, **_as_arrays(raw))
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, target)
    except OSError as error:
        reason = error.strerror or "cannot be written"
        raise FileAccessError(f"{shown_path(path)}: {reason}; nothing was written") from error
    finally:
        with contextlib.suppress(OSError):
            os.unlink(temporary)


def read_npz(path: str | os.PathLike[str], options: ReadOptions) -> RawData:
    """Read an NPZ file: one that `write_npz` wrote, or any file of arrays.

    Args:
        path: The file.
        options: Names of the arrays of observations, actions, latents and covariates; names of the arrays, shape
            (rows,), that identify episodes and order their rows; steps per window.

    Raises:
        DataError: If the file is damaged, an array is missing, or an option isn't the name of one array.
        FileAccessError: If the file can't be opened.
    """
    episode, time = (_single_name(path, options, option) for option in ("episode", "time"))
    names = {role: _single_name(path, options, role) for role in _DEFAULT_NAMES}
    covariates = _single_name(path, options, _COVARIATES)
    require_readable(path)
    # opened here, because numpy leaves a damaged file open
    with parsing(path, "an NPZ file of plain arrays", _FORMAT_ERRORS), open(path, "rb") as handle:
        # numpy takes an unknown format for pickled data, and advises to load it unsafely
        magic = handle.peek(1)
        if magic and not magic.startswith((_ZIP_MAGIC, np.lib.format.MAGIC_PREFIX)):
            raise DataError("is not an NPZ file of plain arrays: it is damaged, or another kind of file")
        if magic.startswith(np.lib.format.MAGIC_PREFIX):
            raise DataError("is one array; name the file .npy")
        if magic:
            _check_archive_sizes(handle, os.path.getsize(path))
        with np.load(handle, allow_pickle=False) as file:
            is_dataset = _is_dataset(file)
            arrays: dict[str, Any] = {role: _array(file, role, name) for role, name in names.items()}
            if arrays["observations"] is None:
                raise DataError(f"has no array 'observations' or 'x'; it has {_quoted_keys(file)}")
            fields = _dataset_fields(file) if is_dataset else {"name": Path(path).stem}
            raw = RawData(**arrays, **fields, **_covariate_fields(file, covariates))
            if episode is None and time is None:
                return raw
            return _cut(file, raw, episode, time, options.window)


def read_npy(path: str | os.PathLike[str], options: ReadOptions) -> RawData:
    """Read observations from an NPY file, and actions, latents and covariates from other ones in the same folder.

    Args:
        path: The file of observations, shape (N, T, d_x) or (N, d_x).
        options: Names of the files of actions, latents and covariates; whether the observations stay on disk. For
            that they must be float32, because a conversion would copy them to memory.

    Raises:
        DataError: If a file is damaged or can't be mapped, or an option isn't the name of one file.
        FileAccessError: If a file can't be opened.
    """
    folder = Path(path).parent
    actions, latents, covariates = (
        _single_name(path, options, role) for role in ("actions", "latents", _COVARIATES)
    )
    return RawData(
        _load(Path(path), bool(options.memory_map)),
        actions=None if actions is None else _load(folder / actions, False),
        latents=None if latents is None else _load(folder / latents, False),
        covariates=None if covariates is None else _load(folder / covariates, False),
        name=Path(path).stem,
    )


def _single_name(path: str | os.PathLike[str], options: ReadOptions, option: str) -> str | None:
    value: Categories | None = getattr(options, option)
    if value is not None and not isinstance(value, str):
        raise DataError(f"{shown_path(path)}: {option} is {value!r}; it must be one name")
    return value


def _cut(file: Arrays, raw: RawData, episode: str | None, time: str | None, window: int) -> RawData:
    if raw.observations.ndim != 2:
        raise DataError(
            f"observations have shape {raw.observations.shape}; episodes are cut from (rows, d_x)"
        )
    n_rows = len(raw.observations)
    for role in ("actions", "latents", "covariates"):
        array = getattr(raw, role)
        if array is not None and array.shape[:1] != (n_rows,):
            raise DataError(f"{role} have shape {array.shape}; there are {n_rows} rows of observations")
    labels = np.zeros(n_rows, dtype=np.int64) if episode is None else _values_per_row(file, episode, n_rows)
    times = None if time is None else _values_per_row(file, time, n_rows)
    if times is not None:
        _require_times(times)
    if labels.dtype.kind in "UST":
        codes, names = encode_labels(labels.astype(str).tolist(), f"array {episode!r}")
        rank = np.argsort(np.argsort(names))
        codes, names = rank[codes], sorted(names)
    else:
        distinct, codes = np.unique(labels, return_inverse=True)
        names = distinct.tolist()
    return cut_episodes(raw, codes, names, times, window, lambda row: f"row {row}")


def _values_per_row(file: Arrays, name: str, n_rows: int) -> NDArray[Any]:
    array = file[_require_key(file, name)]
    if array.shape != (n_rows,):
        raise DataError(f"array {name!r} has shape {array.shape}; one value per row is ({n_rows},)")
    return array


def _require_times(times: NDArray[Any]) -> None:
    if times.dtype.kind not in "iufMm":
        raise DataError(f"time is of type {times.dtype}; it must be numbers or dates")
    missing = np.flatnonzero(np.isnat(times) if times.dtype.kind in "Mm" else ~np.isfinite(times))
    if missing.size:
        raise DataError(f"time[{missing[0]}] is {times[missing[0]]}; every row needs a time")


def _as_arrays(raw: RawData) -> dict[str, Any]:
    arrays = {"format": _FORMAT, "version": _VERSION, "observations": raw.observations, "name": raw.name}
    arrays |= {"action_names": _text_array(raw.action_names or ()), "notes": _text_array(raw.notes)}
    if not raw.actions_named:
        arrays["actions_named"] = False
    if raw.observation_names:
        arrays["observation_names"] = _text_array(raw.observation_names)
    if raw.roles is not None:
        arrays["roles"] = json.dumps(raw.roles.to_dict())
    if raw.covariates is not None:
        arrays["covariate_names"] = _text_array(raw.covariate_names or ())
        if raw.covariate_categories is not None:
            arrays["covariate_categories"] = json.dumps(raw.covariate_categories)
    for key in ("actions", "latents", "episodes", "observation_shape", "covariates"):
        value = getattr(raw, key)
        if value is not None:
            arrays[key] = value
    if raw.graph is not None:
        graph = raw.graph
        arrays |= {"Gz": graph.Gz.toarray(), "Ga": graph.Ga.toarray()}
        arrays |= {"graph_latents": _text_array(graph.latents), "graph_actions": _text_array(graph.actions)}
    return arrays


def _text_array(names: tuple[str, ...]) -> NDArray[np.str_]:
    # without the dtype, an empty tuple becomes an array of numbers
    return np.array(names, dtype=np.str_)


def _is_dataset(file: Arrays) -> bool:
    """Return whether `write_npz` wrote the file, in a version that can be read."""
    if "format" not in file:
        return False
    if str(file["format"]) != _FORMAT:
        raise DataError(f"key 'format' is {str(file['format'])!r}; a dataset has {_FORMAT!r}")
    version = file.get("version")
    if version is None or version.shape != () or version.dtype.kind not in "iu" or version != _VERSION:
        raise DataError(f"key 'version' is {version}; this version of mechsparse reads {_VERSION}")
    return True


def _dataset_fields(file: Arrays) -> dict[str, Any]:
    values: dict[str, Any] = {"name": str(file["name"]), "allow_constant": True}
    values |= {key: tuple(str(text) for text in file[key]) for key in ("action_names", "notes")}
    # files of earlier releases lack these keys
    if "actions_named" in file:
        values["actions_named"] = bool(file["actions_named"])
    if "observation_names" in file:
        values["observation_names"] = tuple(str(text) for text in file["observation_names"])
    if "roles" in file:
        values["roles"] = Roles.from_dict(json.loads(str(file["roles"])))
    if "episodes" in file:
        values["episodes"] = file["episodes"]
    if "observation_shape" in file:
        values["observation_shape"] = tuple(int(size) for size in file["observation_shape"])
    if "Gz" in file:
        latents, actions = ([str(name) for name in file[key]] for key in ("graph_latents", "graph_actions"))
        values["graph"] = CausalGraph(file["Gz"], file["Ga"], latents=latents, actions=actions)
    return values


def _covariate_fields(file: Arrays, name: str | None) -> dict[str, Any]:
    """Return the arrays of covariates and of their names and categories, as far as they are there.

    Args:
        file: The file.
        name: Name of an array of covariates, whose columns have no names; None for ``covariates``.
    """
    key = _COVARIATES if name is None else _require_key(file, name)
    if key not in file:
        return {}
    if key != _COVARIATES:
        return {"covariates": file[key]}
    fields: dict[str, Any] = {"covariates": file[key]}
    if "covariate_names" in file:
        fields["covariate_names"] = tuple(str(text) for text in file["covariate_names"])
    if "covariate_categories" in file:
        stored = json.loads(str(file["covariate_categories"]))
        fields["covariate_categories"] = stored_categories(stored)
    return fields


def _array(file: Arrays, role: str, name: str | None) -> NDArray[Any] | None:
    if name is not None:
        return file[_require_key(file, name)]
    return next((file[key] for key in _DEFAULT_NAMES[role] if key in file), None)


def _require_key(file: Arrays, name: str) -> str:
    if name not in file:
        raise DataError(f"has no array {name!r}; it has {_quoted_keys(file)}")
    return name


def _quoted_keys(file: Arrays) -> str:
    return ", ".join(repr(name) for name in sorted(file)) or "none"


def _load(path: Path, memory_map: bool) -> NDArray[Any]:
    require_readable(path)
    with parsing(path, "an NPY file", _FORMAT_ERRORS):
        if memory_map:
            return _memory_map(path)
        with open(path, "rb") as handle:
            _check_declared_size(handle, os.path.getsize(path))
            handle.seek(0)
            array = np.load(handle, allow_pickle=False)
        if not isinstance(array, np.ndarray):
            raise DataError("holds several arrays; name the file .npz")
        return array


def _check_archive_sizes(handle: BinaryIO, size: int) -> None:
    """Check the sizes that an NPZ file declares before memory is allocated for its arrays."""
    with zipfile.ZipFile(handle) as archive:
        members = archive.infolist()
        require_plausible_size(sum(member.file_size for member in members), size)
        for member in members:
            if member.filename.endswith(".npy"):
                with archive.open(member) as file:
                    _check_declared_size(file, member.file_size)
    handle.seek(0)


def _check_declared_size(file: Any, size: int) -> None:
    """Require that an array in NPY format is as large as its header declares.

    Raises:
        DataError: If the file is shorter.
    """
    if file.read(len(np.lib.format.MAGIC_PREFIX)) != np.lib.format.MAGIC_PREFIX:
        # numpy reports what is wrong
        return
    major, _ = file.read(2)
    read_header = np.lib.format.read_array_header_1_0 if major == 1 else np.lib.format.read_array_header_2_0
    shape, _, dtype = read_header(file)
    declared = math.prod(shape) * dtype.itemsize
    available = max(size - file.tell(), 0)
    if not dtype.hasobject and declared > available:
        raise DataError(
            f"an array declares the shape {_shortened_shape(shape)}, but the file holds {available} bytes of it; it is "
            "damaged or truncated"
        )


def _shortened_shape(shape: tuple[int, ...]) -> str:
    text = str(shape)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _memory_map(path: Path) -> NDArray[Any]:
    # mode "c" (copy on write): changes stay in memory, and torch doesn't warn about a read-only array
    array: NDArray[Any] = np.lib.format.open_memmap(path, mode="c")
    if array.dtype != np.float32 or not array.dtype.isnative:
        raise DataError(f"holds {array.dtype}; only float32 can stay on disk")
    return array
