"""`Parts`: what a file holds of a dataset, before the parts are checked against each other."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from estimation.exceptions import DataError
from identify.exceptions import FileAccessError, IdentifyError, one_line
from identify.graph import CausalGraph

if TYPE_CHECKING:
    from estimation.dataset.readers.roles import Roles

__all__ = [
    "Parts",
    "need",
    "parsing",
    "require_file",
    "require_plausible",
    "shortened",
    "shown_path",
]


_LONGEST_PATH = 160
# bytes in memory that any file may ask for, and how many times its size a larger one may
_PLAUSIBLE, _MOST_UNPACKED = 1 << 26, 100


@dataclass(frozen=True, eq=False)
class Parts:
    """The arrays and names in a file; `estimation.dataset.dataset.Dataset` has the same attributes, and checks them.

    Attributes:
        observations: x, shape (N, T, d_x) or (N, d_x).
        actions: a, or None.
        latents: the true z, or None.
        graph: the true graph, or None.
        action_names: one name per column of the actions, or None to make them up.
        actions_named: whether these names were given, and not made up.
        observation_names: one name per observed column; empty when they have none.
        roles: which columns of a table all this was read from, or None.
        observation_shape: (C, H, W) of images, or None.
        name: what to call the data.
        episodes: shape (N,), or None.
        notes: what a person should know.
        checked: a dataset wrote the file, so that its constant columns were accepted before.
    """

    observations: Any
    actions: Any = None
    latents: Any = None
    graph: CausalGraph | None = None
    action_names: tuple[str, ...] | None = None
    observation_shape: tuple[int, ...] | None = None
    name: str = ""
    episodes: Any = None
    notes: tuple[str, ...] = ()
    checked: bool = False
    actions_named: bool = True
    observation_names: tuple[str, ...] = ()
    roles: Roles | None = None


def shortened(value: Any, longest: int = 40) -> str:
    """A value as an error message shows it: quoted if it is text, on one line, and not too long.

    Example:
        >>> shortened("a\\tb"), shortened("x" * 50, 10)
        ("'a\\\\tb'", "'xxxxxxxxxx...'")
    """
    if isinstance(value, str):
        return ascii_unless_printable(value[:longest] + "..." * (len(value) > longest))
    text = " ".join(str(value).split())
    return text[:longest] + "..." * (len(text) > longest)


def ascii_unless_printable(text: str) -> str:
    """The text in quotes; as escapes where it can't be printed."""
    return repr(text) if text.isprintable() else ascii(text)


def shown_path(path: str | os.PathLike[str]) -> str:
    """The file's name as an error message shows it, on one line, its end when it is long."""
    text = os.fspath(path)
    text = text if len(text) <= _LONGEST_PATH else f"...{text[3 - _LONGEST_PATH :]}"
    return text if text.isprintable() else ascii(text)


def require_file(path: str | os.PathLike[str]) -> None:
    """Check that a file can be opened, so that what a parser raises later is about its content.

    Raises:
        FileAccessError: it can't.
    """
    try:
        with open(path, "rb"):
            return
    except FileNotFoundError as error:
        raise FileAccessError(f"{shown_path(path)}: no such file") from error
    except OSError as error:
        raise FileAccessError(f"{shown_path(path)}: {error.strerror or 'cannot be read'}") from error
    except ValueError as error:
        raise FileAccessError(f"{shown_path(path)}: is no name of a file ({one_line(error, 200)})") from error


def require_plausible(unpacked: int, size: int) -> None:
    """Refuse a file that claims to hold much more than its size lets expect, before memory is spent on it.

    Args:
        unpacked: bytes that its content takes in memory, as the file says.
        size: bytes of the file.

    Raises:
        DataError: it is damaged, or made to fill the memory.
    """
    if unpacked > _PLAUSIBLE and unpacked > _MOST_UNPACKED * size:
        raise DataError(
            f"says that it holds {unpacked / 1e6:.0f} MB, in {size / 1e6:.3g} MB; it is damaged, or compressed too "
            "much: save it without compression"
        )


@contextlib.contextmanager
def parsing(path: str | os.PathLike[str], what: str) -> Iterator[None]:
    """Whatever a library raises on a broken file becomes one line with the file's name.

    Args:
        path: the file.
        what: what it should be, for instance ``"Parquet file"``.

    Raises:
        DataError: the file is not that, or what the block itself raised, with the file's name before it.
    """
    try:
        yield
    except DataError as error:
        raise DataError(f"{shown_path(path)}: {error}") from error
    except IdentifyError as error:
        raise DataError(f"{shown_path(path)}: {error}") from error
    except MemoryError as error:
        raise DataError(
            f"{shown_path(path)}: doesn't fit in memory; save an array as NPY and map it"
        ) from error
    except Exception as error:
        # parsers raise their own types, and built-in ones where the file surprises them
        raise DataError(f"{shown_path(path)}: is no {what}: {one_line(error, 200)}") from error


def need(module: str, package: str, what: str) -> Any:
    """Import a module that only some files need.

    Raises:
        DataError: it isn't installed.
    """
    import importlib

    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise DataError(f"{what} needs the package {package}; install mechsparse[estimation]") from error
