"""What a person types for DATA -> a dataset: a file of their own, or a published process."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING

from identify.exceptions import FileAccessError, RequestError
from identify.names import shown

if TYPE_CHECKING:
    from estimation.dataset.dataset import Dataset
    from estimation.trained import TrainedModel

__all__ = ["Columns", "Draw", "fitting", "is_file", "published_name", "read_data", "require_place"]

Names = Sequence[str] | None


@dataclass(frozen=True)
class Draw:
    """Which samples of a published process."""

    samples: int | None
    split: str
    density: float | None
    graph_seed: int | None


@dataclass(frozen=True)
class Columns:
    """Which columns of a table, or arrays of a file, play which part; None: by their usual names."""

    observations: Names = None
    actions: Names = None
    latents: Names = None
    categorical: Names = None
    episode: str | None = None
    time: str | None = None
    images: str | None = None
    allow_constant: bool = False


def read_data(data: str, draw: Draw, columns: Columns, like: Dataset | TrainedModel | None = None) -> Dataset:
    """The dataset behind an argument. A file wins over a published process of the same name.

    Args:
        data: the argument.
        draw: what to draw of a published process.
        columns: what to read of a file.
        like: the training data or the model, so that columns play the same parts and categories are the same.

    Raises:
        IdentifyError: it can't be read, or an option doesn't go with it.

    Example:
        >>> read_data("actiondiag", Draw(50, "test", None, None), Columns())
        Dataset('ActionDiag', 50 samples, 1 step, 20 observed, 10 actions, 10 latents)
    """
    if is_file(data):
        if draw.samples is not None or draw.density is not None or draw.graph_seed is not None:
            raise RequestError(
                f"{shown(data)}: is a file; --samples, --density and --graph-seed are for published data"
            )
        return _read_file(data, columns, like)
    name = published_name(data)
    if name is None:
        from estimation.simulate.published_processes import NAMES

        raise FileAccessError(f"{shown(data)}: no such file; published processes are {', '.join(NAMES)}")
    for field in fields(columns):
        if getattr(columns, field.name):
            raise RequestError(
                f"{name} is a published process; --{field.name.replace('_', '-')} is for files"
            )
    if draw.samples is None:
        raise RequestError(f"{name} is a published process; say how many samples, for instance -n 10000")
    from estimation.simulate.sampling import published

    return published(name, draw.samples, draw.split, draw.density, draw.graph_seed)  # type: ignore[arg-type]


def is_file(data: str) -> bool:
    """Whether it is one, or looks like one that is missing: no process has a suffix.

    Example:
        >>> is_file("data.npz"), is_file("TimeDiag")
        (True, False)
    """
    return Path(data).exists() or bool(Path(data).suffix)


def published_name(text: str) -> str | None:
    """The published process of that name, whatever its case; None when there is none.

    Example:
        >>> published_name("timediag"), published_name("TimeDig")
        ('TimeDiag', None)
    """
    from estimation.simulate.published_processes import NAMES

    return next((name for name in NAMES if name.casefold() == text.casefold()), None)


def require_place(path: Path | None) -> None:
    """Fail before hours of training, not after them.

    Raises:
        FileAccessError: the folder of a file that is to be written doesn't exist.

    Example:
        >>> require_place(Path("no such folder/report.html"))
        Traceback (most recent call last):
        identify.exceptions.FileAccessError: no such folder/report.html: no such folder no such folder
    """
    if path is not None and not path.parent.is_dir():
        raise FileAccessError(f"{shown(str(path))}: no such folder {shown(str(path.parent))}")


def fitting(dataset: Dataset, model: TrainedModel, folder: Path) -> Dataset:
    """The data with the columns that the model was trained on, in their order.

    Raises:
        DataError: other observed columns, or other actions.
    """
    from estimation.dataset.alignment import align

    return align(dataset, model, f"{folder}")


def _read_file(data: str, columns: Columns, like: Dataset | TrainedModel | None) -> Dataset:
    from estimation.dataset.dataset import Dataset

    return Dataset.read(
        data,
        observations=_single(columns.observations),
        actions=_single(columns.actions),
        latents=_single(columns.latents),
        categorical=_categories(columns.categorical or (), like),
        like=like,
        episode=columns.episode,
        time=columns.time,
        images=columns.images,
        allow_constant=columns.allow_constant,
    )


def _single(names: Names) -> str | Sequence[str] | None:
    # arrays of an NPZ file are asked for by one name
    return names[0] if names and len(names) == 1 else (names or None)


def _categories(
    patterns: Sequence[str], like: Dataset | TrainedModel | None
) -> Sequence[str] | dict[str, list[str]]:
    """The categories that training had, by column, where only names of actions tell; else the patterns themselves."""
    found: dict[str, list[str]] = {}
    # models of earlier releases don't know the parts of the columns
    for name in () if like is None or like.roles is not None else like.action_names:
        column, separator, value = name.partition("=")
        if separator and any(fnmatchcase(column, pattern) for pattern in patterns):
            found.setdefault(column, []).append(value)
    return found or patterns
