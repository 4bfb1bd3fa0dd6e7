"""NPZ and NPY: arrays as numpy writes them; the NPZ form in which a dataset is written."""

from __future__ import annotations

import contextlib
import json
import math
import os
import secrets
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from estimation.dataset.readers.episodes import cut_episodes
from estimation.dataset.readers.frames import coded
from estimation.dataset.readers.raw_data import Parts, parsing, require_file, require_plausible, shown_path
from estimation.dataset.readers.roles import Roles
from estimation.exceptions import DataError
from identify.exceptions import FileAccessError
from identify.graph import CausalGraph

__all__ = ["read_npy", "read_npz", "write_npz"]

Arrays = Mapping[str, NDArray[Any]]

_FORMAT = "mechsparse dataset"
_VERSION = 1
_ZIP = b"PK"
# what a plain file may call its arrays
_CALLED = {
    "observations": ("observations", "x"),
    "actions": ("actions", "a"),
    "latents": ("latents", "z"),
}


def write_npz(path: str | os.PathLike[str], parts: Parts) -> None:
    """Write the parts of a dataset to an NPZ file: all of it, or what was there before.

    The arrays go to the disk one after the other, uncompressed, so that data on disk are never in memory whole.

    Raises:
        DataError: the file's name doesn't end in ``.npz``.
        FileAccessError: the file can't be written.
    """
    if Path(path).suffix.lower() != ".npz":
        raise DataError(f"{shown_path(path)}: a dataset is written as NPZ; end the name in .npz")
    target = Path(os.path.realpath(path))
    temporary = target.with_name(f".{secrets.token_hex(8)}.partial")
    try:
        with open(temporary, "xb") as file:
            np.savez(file, allow_pickle=False, **_as_arrays(parts))
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, target)
    except OSError as error:
        reason = error.strerror or "cannot be written"
        raise FileAccessError(f"{shown_path(path)}: {reason}; nothing was written") from error
    finally:
        with contextlib.suppress(OSError):
            os.unlink(temporary)


def read_npz(
    path: str | os.PathLike[str],
    observations: str | None = None,
    actions: str | None = None,
    latents: str | None = None,
    episode: str | None = None,
    time: str | None = None,
    window: int = 2,
) -> Parts:
    """Read what `write_npz` wrote, or any NPZ file of arrays.

    Args:
        path: the file.
        observations: the array of observations; ``observations`` or ``x`` when left out.
        actions: that of actions; ``actions`` or ``a``, if there, when left out.
        latents: that of latents; ``latents`` or ``z``, if there, when left out.
        episode: an array, shape (rows,), that tells sequences apart, which are then cut into windows.
        time: an array, shape (rows,), that orders the rows of a sequence.
        window: steps per window.

    Raises:
        DataError: the file is no NPZ file, or has no such array.
        FileAccessError: it can't be read.
    """
    require_file(path)
    # opened here, because numpy leaves a damaged file open
    with parsing(path, "NPZ file of plain arrays"), open(path, "rb") as handle:
        # numpy takes whatever it doesn't know for pickled data, and says how to load that unsafely
        start = handle.peek(1)
        if start and not start.startswith((_ZIP, np.lib.format.MAGIC_PREFIX)):
            raise DataError("is no NPZ file of plain arrays: it is damaged, or another kind of file")
        if start.startswith(np.lib.format.MAGIC_PREFIX):
            raise DataError("is one array; name the file .npy")
        if start:
            _require_honest_archive(handle, os.path.getsize(path))
        opened = np.load(handle, allow_pickle=False)
        with opened as file:
            ours = _is_ours(file)
            chosen = {"observations": observations, "actions": actions, "latents": latents}
            found: dict[str, Any] = {what: _array(file, what, name) for what, name in chosen.items()}
            if found["observations"] is None:
                raise DataError(f"has no array 'observations' or 'x'; it has {_names(file)}")
            parts = Parts(**found, **(_extras(file) if ours else {"name": Path(path).stem}))
            if episode is None and time is None:
                return parts
            return _cut(file, parts, episode, time, window)


def read_npy(
    path: str | os.PathLike[str],
    actions: str | None = None,
    latents: str | None = None,
    memory_map: bool = False,
) -> Parts:
    """Read observations from an NPY file; actions and latents from others beside it.

    Args:
        path: the file of observations, shape (N, T, d_x) or (N, d_x).
        actions: the file of actions, from the folder of the first.
        latents: the file of latents, from the folder of the first.
        memory_map: leave the observations on disk. They must be float32, else they would be copied to memory.

    Raises:
        DataError: a file is no NPY file, or can't be mapped.
        FileAccessError: a file can't be read.
    """
    folder = Path(path).parent
    return Parts(
        _load(Path(path), memory_map),
        actions=None if actions is None else _load(folder / actions, False),
        latents=None if latents is None else _load(folder / latents, False),
        name=Path(path).stem,
    )


def _cut(file: Arrays, parts: Parts, episode: str | None, time: str | None, window: int) -> Parts:
    if parts.observations.ndim != 2:
        raise DataError(
            f"observations have shape {parts.observations.shape}; episodes are cut from (rows, d_x)"
        )
    n_rows = len(parts.observations)
    for what in ("actions", "latents"):
        array = getattr(parts, what)
        if array is not None and array.shape[:1] != (n_rows,):
            raise DataError(f"{what} have shape {array.shape}; there are {n_rows} rows of observations")
    labels = np.zeros(n_rows, dtype=np.int64) if episode is None else _per_row(file, episode, n_rows)
    times = None if time is None else _per_row(file, time, n_rows)
    if times is not None:
        _require_times(times)
    if labels.dtype.kind in "UST":
        codes, names = coded(labels.astype(str).tolist(), f"array {episode!r}")
        order = np.argsort(np.argsort(names))
        codes, names = order[codes], sorted(names)
    else:
        unique, codes = np.unique(labels, return_inverse=True)
        names = unique.tolist()
    return cut_episodes(parts, codes, names, times, window, lambda row: f"row {row}")


def _per_row(file: Arrays, name: str, n_rows: int) -> NDArray[Any]:
    array = file[_found(file, name)]
    if array.shape != (n_rows,):
        raise DataError(f"array {name!r} has shape {array.shape}; one value per row is ({n_rows},)")
    return array


def _require_times(times: NDArray[Any]) -> None:
    if times.dtype.kind not in "iufMm":
        raise DataError(f"time is of type {times.dtype}; it must be numbers or dates")
    missing = np.flatnonzero(np.isnat(times) if times.dtype.kind in "Mm" else ~np.isfinite(times))
    if missing.size:
        raise DataError(f"time[{missing[0]}] is {times[missing[0]]}; every row needs a time")


def _as_arrays(parts: Parts) -> dict[str, Any]:
    arrays = {"format": _FORMAT, "version": _VERSION, "observations": parts.observations, "name": parts.name}
    arrays |= {"action_names": _texts(parts.action_names or ()), "notes": _texts(parts.notes)}
    if not parts.actions_named:
        arrays["actions_named"] = False
    if parts.observation_names:
        arrays["observation_names"] = _texts(parts.observation_names)
    if parts.roles is not None:
        arrays["roles"] = json.dumps(parts.roles.to_dict())
    for key in ("actions", "latents", "episodes", "observation_shape"):
        value = getattr(parts, key)
        if value is not None:
            arrays[key] = value
    if parts.graph is not None:
        graph = parts.graph
        arrays |= {"Gz": graph.Gz.toarray(), "Ga": graph.Ga.toarray()}
        arrays |= {"graph_latents": _texts(graph.latents), "graph_actions": _texts(graph.actions)}
    return arrays


def _texts(names: tuple[str, ...]) -> NDArray[np.str_]:
    # without the type an empty tuple would be an array of numbers
    return np.array(names, dtype=np.str_)


def _is_ours(file: Arrays) -> bool:
    if "format" not in file:
        return False
    if str(file["format"]) != _FORMAT:
        raise DataError(f"key 'format' is {str(file['format'])!r}; a dataset has {_FORMAT!r}")
    version = file.get("version")
    if version is None or version.shape != () or version.dtype.kind not in "iu" or version != _VERSION:
        raise DataError(f"key 'version' is {version}; this version of mechsparse reads {_VERSION}")
    return True


def _extras(file: Arrays) -> dict[str, Any]:
    extras: dict[str, Any] = {"name": str(file["name"]), "checked": True}
    extras |= {key: tuple(str(text) for text in file[key]) for key in ("action_names", "notes")}
    # files of earlier releases have none of these
    if "actions_named" in file:
        extras["actions_named"] = bool(file["actions_named"])
    if "observation_names" in file:
        extras["observation_names"] = tuple(str(text) for text in file["observation_names"])
    if "roles" in file:
        extras["roles"] = Roles.from_dict(json.loads(str(file["roles"])))
    if "episodes" in file:
        extras["episodes"] = file["episodes"]
    if "observation_shape" in file:
        extras["observation_shape"] = tuple(int(size) for size in file["observation_shape"])
    if "Gz" in file:
        names = [[str(name) for name in file[key]] for key in ("graph_latents", "graph_actions")]
        extras["graph"] = CausalGraph(file["Gz"], file["Ga"], latents=names[0], actions=names[1])
    return extras


def _array(file: Arrays, what: str, name: str | None) -> NDArray[Any] | None:
    if name is not None:
        return file[_found(file, name)]
    return next((file[called] for called in _CALLED[what] if called in file), None)


def _found(file: Arrays, name: str) -> str:
    if name not in file:
        raise DataError(f"has no array {name!r}; it has {_names(file)}")
    return name


def _names(file: Arrays) -> str:
    return ", ".join(repr(name) for name in sorted(file)) or "none"


def _load(path: Path, memory_map: bool) -> NDArray[Any]:
    require_file(path)
    with parsing(path, "NPY file"):
        if memory_map:
            return _mapped(path)
        with open(path, "rb") as handle:
            _require_honest(handle, os.path.getsize(path))
            handle.seek(0)
            array = np.load(handle, allow_pickle=False)
        if not isinstance(array, np.ndarray):
            raise DataError("holds several arrays; name the file .npz")
        return array


def _require_honest_archive(handle: BinaryIO, size: int) -> None:
    """Check what the arrays of an NPZ file claim to be before room is made for them."""
    with zipfile.ZipFile(handle) as archive:
        members = archive.infolist()
        require_plausible(sum(member.file_size for member in members), size)
        for member in members:
            if member.filename.endswith(".npy"):
                with archive.open(member) as file:
                    _require_honest(file, member.file_size)
    handle.seek(0)


def _require_honest(file: Any, size: int) -> None:
    """Check that an array in NPY format has as many numbers as its header says.

    Raises:
        DataError: it hasn't.
    """
    if file.read(len(np.lib.format.MAGIC_PREFIX)) != np.lib.format.MAGIC_PREFIX:
        # numpy says what is wrong
        return
    major, _ = file.read(2)
    read = np.lib.format.read_array_header_1_0 if major == 1 else np.lib.format.read_array_header_2_0
    shape, _, dtype = read(file)
    claimed = math.prod(shape) * dtype.itemsize
    there = max(size - file.tell(), 0)
    if not dtype.hasobject and claimed > there:
        raise DataError(
            f"an array says that it has shape {_shortened_shape(shape)}, but the file holds {there} bytes of it; it is "
            "damaged or cut off"
        )


def _shortened_shape(shape: tuple[int, ...]) -> str:
    text = str(shape)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _mapped(path: Path) -> NDArray[Any]:
    # "c": what is changed stays in memory, and torch doesn't warn of an array that can't be written
    array: NDArray[Any] = np.lib.format.open_memmap(path, mode="c")
    if array.dtype != np.float32 or not array.dtype.isnative:
        raise DataError(f"holds {array.dtype}; only float32 can be left on disk")
    return array
