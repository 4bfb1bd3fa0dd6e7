"""The folder of a run. Its files determine the status of the run: done, failed or pending.

::

    trial.json          the trial: data, method, setting and seed
    data.json           fingerprints of the training data and the test data
    configuration.json  all settings, including those left at their defaults
    result.json         written last: the run is done
    failed.json         the run ended with an error
    encodings.npy       latents of some held-out rows, for the stability across seeds
    model/              the trained model
    state/              checkpoint of a run in progress, from which it resumes
    lock                owner of a run in progress; the owner's process refreshes the modification time
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

from estimation.exceptions import CheckpointError, ConfigError
from estimation.storage.schema import Fields, Flag, Form, Maybe, Real, Text, Whole, check
from estimation.sweep.specification import Trial
from identify.exceptions import FileAccessError, FormatError
from identify.files import make_folder, read_bytes, write_whole
from identify.json_files import parse_json

__all__ = [
    "DATA",
    "FAILED",
    "RESULT",
    "RESULT_SCHEMA",
    "STATE",
    "TRIAL",
    "Status",
    "read_record",
    "read_trial",
    "require_same_settings",
    "status_of",
    "try_lock",
    "write_record",
    "write_trial",
]

Status = Literal["done", "failed", "pending"]

RESULT, FAILED, TRIAL, LOCK = "result.json", "failed.json", "trial.json", "lock"
DATA, STATE = "data.json", "state"
_CONFIGURATION = "configuration.json"
_MAX_BYTES = 1 << 24
_ANY_OBJECT = Fields({})
_OWNER_SCHEMA = Fields({"host": Text(), "process": Whole(1, 2**31)})
_TRIAL_SCHEMA = Fields(
    {
        "data": Fields({"name": Text(), "source": Text()}),
        "method": Text(),
        "kind": Text(),
        "setting": Fields({}),
        "settings": Fields({}),
        "seed": Whole(0),
    }
)
#: The contents of ``result.json``.
RESULT_SCHEMA = Fields(
    {"steps": Whole(0), "minutes": Real(0)},
    {
        "edges": Maybe(Whole(0)),
        **dict.fromkeys(("negative_elbo", "mcc", "r_con", "r"), Maybe(Real())),
        **dict.fromkeys(("shd", "missing", "extra"), Maybe(Whole(0))),
        "confirmed": Maybe(Flag()),
        "machine": Fields({"cpu": Text(), "cores": Maybe(Whole(1))}),
        "versions": Fields({"torch": Text()}),
    },
)
# the owner of a lock that was not refreshed for this long is taken to be dead
_STALE_SECONDS = 60.0
_REFRESH_SECONDS = 10.0


def status_of(folder: Path) -> Status:
    """Return the status of the run in a folder."""
    if (folder / RESULT).is_file():
        return "done"
    return "failed" if (folder / FAILED).is_file() else "pending"


def write_record(folder: Path, name: str, record: Mapping[str, Any]) -> None:
    """Write one of the JSON files atomically."""
    make_folder(folder)
    write_whole(folder / name, json.dumps(record, indent=1))


def read_record(path: Path, form: Form = _ANY_OBJECT) -> dict[str, Any]:
    """Read one of the JSON files.

    Args:
        path: Path of the file.
        form: Schema of its contents.

    Returns:
        The contents.

    Raises:
        CheckpointError: If the file is damaged.
    """
    try:
        content = parse_json(read_bytes(path, _MAX_BYTES))
        check(content, form)
    except FormatError as error:
        raise CheckpointError(f"{path}: is damaged (it {error}); remove it to run the trial again") from error
    except CheckpointError as error:
        raise CheckpointError(f"{path}: is damaged ({error}); remove it to run the trial again") from error
    record: dict[str, Any] = content
    return record


def read_trial(folder: Path) -> Trial | None:
    """Read the trial of a folder.

    Args:
        folder: The folder of a run.

    Returns:
        The trial, or None if the folder has none.

    Raises:
        CheckpointError: If the file is damaged.
    """
    path = folder / TRIAL
    if not path.is_file():
        return None
    try:
        return Trial.from_dict(read_record(path, _TRIAL_SCHEMA))
    except (TypeError, KeyError) as error:
        raise CheckpointError(f"{path}: is damaged ({error}); remove it to run the trial again") from error


def write_trial(folder: Path, trial: Trial) -> None:
    """Write the trial of a folder and all its settings."""
    write_record(folder, _CONFIGURATION, trial.config().to_dict())
    write_record(folder, TRIAL, trial.to_dict())


def require_same_settings(folder: Path, trial: Trial) -> None:
    """Check that the run in a folder used the same settings as a trial would use now.

    The name of the folder identifies the settings that were given. The other settings may have had different defaults
    in another version.

    Args:
        folder: The folder of the run.
        trial: The trial.

    Raises:
        ConfigError: If a setting differs.
    """
    if not (folder / _CONFIGURATION).is_file():
        return
    stored = read_record(folder / _CONFIGURATION)
    current = json.loads(json.dumps(trial.config().to_dict()))
    differences = [
        f"{name} was {stored.get(name)!r} and is now {current.get(name)!r}"
        for name in sorted(stored.keys() | current.keys())
        if stored.get(name) != current.get(name)
    ]
    if differences:
        raise ConfigError(
            f"{folder}: the run used other defaults ({', '.join(differences)}); remove the folder to run the trial "
            "again, or give another output folder"
        )


@contextlib.contextmanager
def try_lock(folder: Path) -> Iterator[bool]:
    """Lock the folder of a run for the duration of the block, unless another process has locked it.

    Args:
        folder: The folder of the run, which may be on a disk shared by several machines.

    Yields:
        True if this process has the lock; False if another process has it.
    """
    make_folder(folder)
    lock = folder / LOCK
    if not _acquire(lock):
        yield False
        return
    released = threading.Event()
    refresher = threading.Thread(target=_refresh_until, args=(released, lock), daemon=True)
    refresher.start()
    try:
        yield True
    finally:
        released.set()
        refresher.join()
        with contextlib.suppress(OSError):
            lock.unlink()


def _acquire(lock: Path) -> bool:
    for _ in range(2):
        try:
            handle = os.open(lock, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644)
        except FileExistsError:
            if not _is_stale(lock):
                return False
            # Windows does not remove an open file
            with contextlib.suppress(FileNotFoundError, PermissionError):
                lock.unlink()
            continue
        except PermissionError:
            # on Windows, the file is just being removed
            if os.name != "nt":
                raise
            return False
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump({"host": socket.gethostname(), "process": os.getpid()}, file)
        return True
    return False


def _is_stale(lock: Path) -> bool:
    try:
        age = time.time() - lock.stat().st_mtime
        owner = parse_json(read_bytes(lock, _MAX_BYTES))
        check(owner, _OWNER_SCHEMA)
    except FileNotFoundError:
        return True
    except (CheckpointError, FileAccessError, FormatError):
        # the file is being written, truncated, or just removed
        return age > _STALE_SECONDS
    if owner["host"] == socket.gethostname() and not _is_alive(owner["process"]):
        return True
    return age > _STALE_SECONDS


def _is_alive(pid: int) -> bool:
    if os.name == "nt":
        # on Windows, os.kill would end the process: rely on the age of the lock
        return True
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True


def _refresh_until(released: threading.Event, lock: Path) -> None:
    while not released.wait(_REFRESH_SECONDS):
        with contextlib.suppress(OSError):
            os.utime(lock)
