"""The folder of a run: what is in it says whether the run is done, failed, under way, or yet to be begun.

::

    trial.json          what the run is
    data.json           fingerprints of what it is trained and scored on
    configuration.json  all its settings, those left at their defaults too
    result.json         written last: the run is done
    failed.json         the run ended with an error
    encodings.npy       latents of some held-out rows, for the agreement of seeds
    model/              the trained model
    state/              of a run under way: it goes on from there
    lock                of a run under way: who has it; its time is renewed as long as that process lives
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
from estimation.sweep.plan import Trial
from identify.exceptions import FileAccessError, FormatError
from identify.files import make_folder, read_bytes, write_whole
from identify.json_files import parse_json

__all__ = [
    "DATA",
    "FAILED",
    "OUTCOME",
    "RESULT",
    "STATE",
    "TRIAL",
    "Status",
    "holding",
    "known_trial",
    "read_record",
    "require_same_settings",
    "status_of",
    "write_record",
    "write_trial",
]

Status = Literal["done", "failed", "pending"]

RESULT, FAILED, TRIAL, LOCK = "result.json", "failed.json", "trial.json", "lock"
DATA, STATE = "data.json", "state"
_CONFIGURATION = "configuration.json"
_MOST_BYTES = 1 << 24
_RECORD = Fields({})
_OWNER = Fields({"host": Text(), "process": Whole(1, 2**31)})
_TRIAL = Fields(
    {
        "data": Fields({"name": Text(), "source": Text()}),
        "method": Text(),
        "kind": Text(),
        "setting": Fields({}),
        "settings": Fields({}),
        "seed": Whole(0),
    }
)
#: What ``result.json`` holds.
OUTCOME = Fields(
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
# a lock that was not renewed for so long belongs to nobody
_STALE_SECONDS = 60.0
_RENEWED_EVERY = 10.0


def status_of(folder: Path) -> Status:
    """What has become of a run."""
    if (folder / RESULT).is_file():
        return "done"
    return "failed" if (folder / FAILED).is_file() else "pending"


def write_record(folder: Path, name: str, record: Mapping[str, Any]) -> None:
    """Write one of the JSON files, whole."""
    make_folder(folder)
    write_whole(folder / name, json.dumps(record, indent=1))


def read_record(path: Path, form: Form = _RECORD) -> dict[str, Any]:
    """Read one of the JSON files.

    Args:
        path: the file.
        form: what it should hold.

    Raises:
        CheckpointError: it is damaged.
    """
    try:
        record = parse_json(read_bytes(path, _MOST_BYTES))
        check(record, form)
    except FormatError as error:
        raise CheckpointError(f"{path}: is damaged (it {error}); remove it to run the trial again") from error
    except CheckpointError as error:
        raise CheckpointError(f"{path}: is damaged ({error}); remove it to run the trial again") from error
    found: dict[str, Any] = record
    return found


def known_trial(folder: Path) -> Trial | None:
    """The trial of a folder, None when it is none."""
    path = folder / TRIAL
    if not path.is_file():
        return None
    try:
        return Trial.from_dict(read_record(path, _TRIAL))
    except (TypeError, KeyError) as error:
        raise CheckpointError(f"{path}: is damaged ({error}); remove it to run the trial again") from error


def write_trial(folder: Path, trial: Trial) -> None:
    """Write down what the run of a folder is, with all settings."""
    write_record(folder, _CONFIGURATION, trial.config().to_dict())
    write_record(folder, TRIAL, trial.to_dict())


def require_same_settings(folder: Path, trial: Trial) -> None:
    """A folder's name tells the settings that were given; those that were not are another version's, perhaps.

    Raises:
        ConfigError: the run in the folder was made with others.
    """
    if not (folder / _CONFIGURATION).is_file():
        return
    was = read_record(folder / _CONFIGURATION)
    now = json.loads(json.dumps(trial.config().to_dict()))
    different = [
        f"{name} was {was.get(name)!r} and is {now.get(name)!r}"
        for name in sorted(was.keys() | now.keys())
        if was.get(name) != now.get(name)
    ]
    if different:
        raise ConfigError(
            f"{folder}: is a run with other defaults ({', '.join(different)}); remove it to run the trial again, "
            "or give another folder"
        )


@contextlib.contextmanager
def holding(folder: Path) -> Iterator[bool]:
    """Hold a run's folder while the block runs, if nobody else does.

    Yields:
        whether it is held. Another process, here or on another machine of the same disk, gets False.
    """
    make_folder(folder)
    lock = folder / LOCK
    if not _acquired(lock):
        yield False
        return
    done = threading.Event()
    renewing = threading.Thread(target=_renew, args=(lock, done), daemon=True)
    renewing.start()
    try:
        yield True
    finally:
        done.set()
        renewing.join()
        with contextlib.suppress(OSError):
            lock.unlink()


def _acquired(lock: Path) -> bool:
    for _ in range(2):
        try:
            handle = os.open(lock, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644)
        except FileExistsError:
            if not _is_stale(lock):
                return False
            # Windows removes no file that somebody has open
            with contextlib.suppress(FileNotFoundError, PermissionError):
                lock.unlink()
            continue
        except PermissionError:
            # so Windows calls one that is just being removed
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
        owner = parse_json(read_bytes(lock, _MOST_BYTES))
        check(owner, _OWNER)
    except FileNotFoundError:
        return True
    except (CheckpointError, FileAccessError, FormatError):
        # being written, cut short, or just removed
        return age > _STALE_SECONDS
    if owner["host"] == socket.gethostname() and not _lives(owner["process"]):
        return True
    return age > _STALE_SECONDS


def _lives(process: int) -> bool:
    if os.name == "nt":
        # there, os.kill ends the process that it asks about; the age of the lock must do
        return True
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True


def _renew(lock: Path, done: threading.Event) -> None:
    while not done.wait(_RENEWED_EVERY):
        with contextlib.suppress(OSError):
            os.utime(lock)
