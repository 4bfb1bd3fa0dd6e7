"""Files, read with a limit and written whole: a temporary name first, then a rename.

What the operating system refuses (no such file, no permission, a full disk) becomes one line that names the
file and what would be right.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

from identify.exceptions import FileAccessError

__all__ = ["PARTIAL", "STANDARD", "make_folder", "read_bytes", "write_whole"]

STANDARD = "-"
# what a process that was killed while writing leaves beside the target
PARTIAL = ".*.partial"

_ADVICE = {
    errno.ENOENT: "no such file or folder",
    errno.EISDIR: "is a folder; give a file",
    errno.ENOTDIR: "a part of the path is no folder",
    errno.EACCES: "permission denied",
    errno.EPERM: "permission denied",
    errno.EROFS: "the file system is read-only",
    errno.ENOSPC: "no space left on the disk; nothing was written",
    errno.EDQUOT: "the disk quota is used up; nothing was written",
    errno.EFBIG: "the file would be too large for the file system; nothing was written",
    errno.ENAMETOOLONG: "the name is too long",
    errno.ELOOP: "the links go round in a circle",
}


def read_bytes(path: str | os.PathLike[str], limit: int) -> bytes:
    """Read a whole file, or standard input for ``-``.

    Args:
        path: The file.
        limit: The largest number of bytes to accept; nothing much larger is ever held in memory.

    Raises:
        FileAccessError: If it can't be read, or is larger than the limit.
    """
    name = _shown(path)
    with _one_line_errors(name):
        if os.fspath(path) == STANDARD:
            return _limited(_read_standard(limit + 1), limit, name)
        with open(path, "rb") as file:
            if os.fstat(file.fileno()).st_size > limit:
                raise _too_large(limit, name)
            # a device or a pipe has no size to ask for
            return _limited(file.read(limit + 1), limit, name)


def write_whole(path: str | os.PathLike[str], content: str | bytes) -> None:
    """Write a file so that it is never seen half-written: all of it, or what was there before.

    A link is followed; a device or a pipe is written to directly; ``-`` is standard output. Text is UTF-8.

    Args:
        path: The file.
        content: What it should hold.

    Raises:
        FileAccessError: If it can't be written. A temporary file is removed again.
    """
    data = content.encode("utf-8") if isinstance(content, str) else content
    with _one_line_errors(_shown(path)):
        if os.fspath(path) == STANDARD:
            _print(data)
            return
        target = Path(os.path.realpath(path))
        mode = _mode(target)
        if mode is not None and not stat.S_ISREG(mode):
            target.write_bytes(data)
        else:
            _replace(target, data, mode)


def make_folder(path: str | os.PathLike[str]) -> Path:
    """Make a folder, and those above it, unless it is there.

    Raises:
        FileAccessError: If it can't be made, or a file of that name is there.
    """
    with _one_line_errors(_shown(path)):
        try:
            Path(path).mkdir(parents=True, exist_ok=True)
        except FileExistsError as error:
            raise FileAccessError(f"{_shown(path)}: is a file; give a folder") from error
    return Path(path)


def _read_standard(limit: int) -> bytes:
    # there is none in a service, or after <&-
    if sys.stdin is None or sys.stdin.closed:
        raise FileAccessError("standard input: is closed; give the name of a file, or pipe one in")
    binary = getattr(sys.stdin, "buffer", None)
    # a notebook's input gives text only
    return sys.stdin.read(limit).encode("utf-8") if binary is None else binary.read(limit)


def _print(data: bytes) -> None:
    if sys.stdout is None:
        raise FileAccessError("standard output: is closed; give the name of a file")
    binary = getattr(sys.stdout, "buffer", None)
    if binary is None:
        # a notebook's output takes text only
        sys.stdout.write(data.decode("utf-8"))
    else:
        sys.stdout.flush()
        binary.write(data)
    sys.stdout.flush()


def _limited(content: bytes, limit: int, name: str) -> bytes:
    if len(content) > limit:
        raise _too_large(limit, name)
    return content


def _too_large(limit: int, name: str) -> FileAccessError:
    return FileAccessError(f"{name}: is larger than {_bytes(limit)}, the limit for this format")


def _replace(target: Path, data: bytes, mode: int | None) -> None:
    # beside the target, because a rename is atomic only within one file system
    temporary = target.with_name(f".{secrets.token_hex(8)}.partial")
    try:
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666)
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        if mode is not None:
            os.chmod(temporary, stat.S_IMODE(mode))
        os.replace(temporary, target)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise


def _mode(target: Path) -> int | None:
    try:
        return target.stat().st_mode
    except FileNotFoundError:
        return None


@contextlib.contextmanager
def _one_line_errors(name: str) -> Iterator[None]:
    try:
        yield
    except (FileAccessError, BrokenPipeError):
        raise
    except OSError as error:
        advice = _ADVICE.get(error.errno or 0, error.strerror or "can't be used")
        raise FileAccessError(f"{name}: {advice}") from error
    except ValueError as error:
        # a NUL byte in a name never reaches the operating system
        raise FileAccessError(f"{name}: is no file name ({error})") from error


def _shown(path: str | os.PathLike[str]) -> str:
    text = os.fspath(path)
    if text == STANDARD:
        return "standard input or output"
    return text if text.isprintable() else ascii(text)


def _bytes(number: int) -> str:
    for unit, size in (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)):
        if number >= size:
            return f"{number / size:.3g} {unit}"
    return f"{number} bytes"
