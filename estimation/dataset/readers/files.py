"""Access to files with one-line errors: paths as messages show them, size limits, errors of parsing libraries."""

from __future__ import annotations

import contextlib
import importlib
import os
from collections.abc import Iterator
from typing import Any

from estimation.exceptions import DataError
from identify.exceptions import FileAccessError, IdentifyError, one_line

__all__ = [
    "import_optional",
    "parsing",
    "require_plausible_size",
    "require_readable",
    "shortened",
    "shown_path",
]

_MAX_PATH_LENGTH = 160
# bytes in memory that a file of any size may expand to, and the largest expansion factor of larger ones
_PLAUSIBLE_BYTES, _MAX_EXPANSION = 1 << 26, 100


def shortened(value: Any, max_length: int = 40) -> str:
    """Return a value as error messages show it: on one line, truncated, and quoted if it is text.

    Example:
        >>> shortened("a\\tb"), shortened("x" * 50, 10)
        ("'a\\\\tb'", "'xxxxxxxxxx...'")
    """
    if isinstance(value, str):
        text = value[:max_length] + "..." * (len(value) > max_length)
        return repr(text) if text.isprintable() else ascii(text)
    text = " ".join(str(value).split())
    return text[:max_length] + "..." * (len(text) > max_length)


def shown_path(path: str | os.PathLike[str]) -> str:
    """Return a path as error messages show it: on one line, and only the end of a long path."""
    text = os.fspath(path)
    text = text if len(text) <= _MAX_PATH_LENGTH else f"...{text[3 - _MAX_PATH_LENGTH :]}"
    return text if text.isprintable() else ascii(text)


def require_readable(path: str | os.PathLike[str]) -> None:
    """Require that a file can be opened, so that later errors of a parser concern its content.

    Raises:
        FileAccessError: If the file is missing or can't be opened.
    """
    try:
        with open(path, "rb"):
            return
    except FileNotFoundError as error:
        raise FileAccessError(f"{shown_path(path)}: no such file") from error
    except OSError as error:
        raise FileAccessError(f"{shown_path(path)}: {error.strerror or 'cannot be read'}") from error
    except ValueError as error:
        raise FileAccessError(f"{shown_path(path)}: is not a valid path ({one_line(error, 200)})") from error


def require_plausible_size(unpacked: int, size: int) -> None:
    """Refuse a file whose declared content is far larger than the file, before memory is allocated for it.

    Args:
        unpacked: Bytes that the content takes in memory, as the file declares them.
        size: Bytes of the file.

    Raises:
        DataError: If the file is damaged, or a decompression bomb.
    """
    if unpacked > _PLAUSIBLE_BYTES and unpacked > _MAX_EXPANSION * size:
        raise DataError(
            f"declares {unpacked / 1e6:.0f} MB of content in {size / 1e6:.3g} MB; it is damaged, or its compression "
            "ratio is too high: save it without compression"
        )


@contextlib.contextmanager
def parsing(path: str | os.PathLike[str], what: str, errors: tuple[type[Exception], ...]) -> Iterator[None]:
    """Turn the errors that a library raises on a damaged file into one line that names the file.

    Args:
        path: The file.
        what: What it should be, with an article, for instance ``"a Parquet table"``.
        errors: Exceptions that the library raises on damaged files. Any other one is a bug and passes through.

    Raises:
        DataError: If the file is damaged, or the block itself raised an error of this package; the message begins
            with the path.
    """
    try:
        yield
    except IdentifyError as error:
        raise DataError(f"{shown_path(path)}: {error}") from error
    except MemoryError as error:
        raise DataError(
            f"{shown_path(path)}: doesn't fit in memory; save the array as NPY and use memory_map"
        ) from error
    except errors as error:
        raise DataError(f"{shown_path(path)}: is not {what}: {one_line(error, 200)}") from error


def import_optional(module: str, package: str, what: str, extra: str = "estimation") -> Any:
    """Import a module that only some kinds of files need.

    Args:
        module: Name of the module.
        package: Name of the distribution to install.
        what: What needs it, for the error message.
        extra: The extra of this distribution that installs it.

    Raises:
        DataError: If the package isn't installed.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise DataError(f"{what} needs the package {package}; install mechsparse[{extra}]") from error
