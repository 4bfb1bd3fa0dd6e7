"""Read files with a size limit, and write files atomically: to a temporary name first, then by a rename.

Errors of the operating system (no such file, no permission, a full disk) become one line that names the file and what
would be right.
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

__all__ = ["PARTIAL", "STANDARD", "folder_if_successful", "make_folder", "read_bytes", "write_whole"]

STANDARD = "-"
# pattern of the temporary files that a process leaves next to the target if it is killed while writing
PARTIAL = ".*.partial"

_ADVICE = {
    errno.ENOENT: "no such file or folder",
    errno.EISDIR: "is a folder; give a file",
    errno.ENOTDIR: "a part of the path is not a folder",
    errno.EACCES: "permission denied",
    errno.EPERM: "permission denied",
    errno.EROFS: "the file system is read-only",
    errno.ENOSPC: "no space left on the disk; nothing was written",
    errno.EDQUOT: "the disk quota is used up; nothing was written",
    errno.EFBIG: "the file would be too large for the file system; nothing was written",
    errno.ENAMETOOLONG: "the name is too long",
    errno.ELOOP: "the symbolic links form a loop",
}


def read_bytes(path: str | os.PathLike[str], limit: int) -> bytes:
    """Read a whole file, or standard input for ``-``.

    Args:
        path: The file.
        limit: Maximum number of bytes; hardly more is ever held in memory.

    Raises:
        FileAccessError: If the file can't be read or is larger than the limit.
    """
    name = _display_name(path)
    with _one_line_errors(name):
        if os.fspath(path) == STANDARD:
            return _check_size(_read_standard(limit + 1), limit, name)
        with open(path, "rb") as file:
            if os.fstat(file.fileno()).st_size > limit:
                raise _too_large(limit, name)
            # the size of a device or a pipe is unknown
            return _check_size(file.read(limit + 1), limit, name)


def write_whole(path: str | os.PathLike[str], content: str | bytes) -> None:
    """Write a file atomically: readers see the old content or the whole new content, never a part.

    Symbolic links are followed; devices and pipes are written directly; ``-`` is standard output. Text is UTF-8.

    Args:
        path: The file.
        content: The new content.

    Raises:
        FileAccessError: If the file can't be written. The temporary file is then removed.
    """
    data = content.encode("utf-8") if isinstance(content, str) else content
    with _one_line_errors(_display_name(path)):
        if os.fspath(path) == STANDARD:
            _write_standard(data)
            return
        target = Path(os.path.realpath(path))
        mode = _mode(target)
        if mode is not None and not stat.S_ISREG(mode):
            target.write_bytes(data)
        else:
            _replace_file(target, data, mode)


def make_folder(path: str | os.PathLike[str]) -> Path:
    """Create a folder and its parents, unless it exists.

    Raises:
        FileAccessError: If the folder can't be created, or a file has that name.
    """
    with _one_line_errors(_display_name(path)):
        try:
            Path(path).mkdir(parents=True, exist_ok=True)
        except FileExistsError as error:
            raise FileAccessError(f"{_display_name(path)}: is a file; give a folder") from error
    return Path(path)


@contextlib.contextmanager
def folder_if_successful(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Create a folder for what a block writes; if the block fails before it writes anything, remove it again.

    Args:
        path: The folder. Its parents are created too, and those that existed before stay.

    Raises:
        FileAccessError: As `make_folder`.
    """
    chain = (Path(path), *Path(path).parents)
    created = [folder for folder in chain if not folder.exists()]
    folder = make_folder(path)
    try:
        yield folder
    except BaseException:
        for each in created:
            # a folder with files stays, and so do its parents
            with contextlib.suppress(OSError):
                each.rmdir()
        raise


def _read_standard(limit: int) -> bytes:
    # standard input is missing in a service, or after <&-
    if sys.stdin is None or sys.stdin.closed:
        raise FileAccessError("standard input: is closed; give the name of a file, or pipe one in")
    binary = getattr(sys.stdin, "buffer", None)
    # the standard input of a notebook returns text only
    return sys.stdin.read(limit).encode("utf-8") if binary is None else binary.read(limit)


def _write_standard(data: bytes) -> None:
    if sys.stdout is None:
        raise FileAccessError("standard output: is closed; give the name of a file")
    binary = getattr(sys.stdout, "buffer", None)
    if binary is None:
        # the standard output of a notebook accepts text only
        sys.stdout.write(data.decode("utf-8"))
    else:
        sys.stdout.flush()
        binary.write(data)
    sys.stdout.flush()


def _check_size(content: bytes, limit: int, name: str) -> bytes:
    if len(content) > limit:
        raise _too_large(limit, name)
    return content


def _too_large(limit: int, name: str) -> FileAccessError:
    return FileAccessError(f"{name}: is larger than {_size_text(limit)}, the limit for this format")


def _replace_file(target: Path, data: bytes, mode: int | None) -> None:
    # in the folder of the target, because a rename is atomic only within one file system
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
        # Python refuses a NUL byte in a name before it calls the operating system
        raise FileAccessError(f"{name}: is not a valid file name ({error})") from error


def _display_name(path: str | os.PathLike[str]) -> str:
    text = os.fspath(path)
    if text == STANDARD:
        return "standard input or output"
    return text if text.isprintable() else ascii(text)


def _size_text(number: int) -> str:
    for unit, size in (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)):
        if number >= size:
            return f"{number / size:.3g} {unit}"
    return f"{number} bytes"
