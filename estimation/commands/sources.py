"""The DATA argument of a command -> a dataset: a file, or samples of a published process."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from estimation.commands.data_options import FILE_OPTIONS, PROCESS_OPTIONS, DataOptions
from identify.exceptions import FileAccessError, RequestError
from identify.names import shown

if TYPE_CHECKING:
    from estimation.dataset.dataset import Dataset
    from estimation.trained import TrainedModel

__all__ = ["aligned", "is_file", "published_name", "read_data", "require_folder_of"]


def read_data(data: str, options: DataOptions, like: Dataset | TrainedModel | None = None) -> Dataset:
    """Return the dataset that an argument names. A file takes precedence over a published process of the same name.

    Args:
        data: The argument.
        options: Options of the command.
        like: The training data or the model, which give columns their roles and categories.

    Raises:
        IdentifyError: If the data can't be read, or an option doesn't apply to them.

    Example:
        >>> read_data("actiondiag", DataOptions(samples=50))
        Dataset('ActionDiag', 50 samples, 1 step, 20 observed, 10 actions, 10 latents)
    """
    if is_file(data):
        if any(getattr(options, name) is not None for name in PROCESS_OPTIONS):
            raise RequestError(
                f"{shown(data)}: is a file; --samples, --density and --graph-seed are for published processes"
            )
        from estimation.dataset.dataset import Dataset

        return Dataset.read_with(data, options.read_options(like), like)
    name = published_name(data)
    if name is None:
        from estimation.simulate.published_processes import NAMES

        raise FileAccessError(f"{shown(data)}: no such file; published processes are {', '.join(NAMES)}")
    for option in FILE_OPTIONS:
        value = getattr(options, option)
        if value is not None and value is not False:
            raise RequestError(f"{name} is a published process; --{option.replace('_', '-')} is for files")
    if options.samples is None:
        raise RequestError(f"{name} is a published process; set the number of samples, for instance -n 10000")
    from estimation.simulate.sampling import published

    return published(name, options.samples, options.split.value, options.density, options.graph_seed)


def is_file(data: str) -> bool:
    """Return whether an argument is a file, or has a suffix like a missing file: no process has one.

    Example:
        >>> is_file("data.npz"), is_file("TimeDiag")
        (True, False)
    """
    return Path(data).exists() or bool(Path(data).suffix)


def published_name(text: str) -> str | None:
    """Return the published process of a name in any case; None if there is none.

    Example:
        >>> published_name("timediag"), published_name("TimeDig")
        ('TimeDiag', None)
    """
    from estimation.simulate.published_processes import NAMES

    return next((name for name in NAMES if name.casefold() == text.casefold()), None)


def require_folder_of(path: Path | None) -> None:
    """Require that the folder of an output file exists, before hours of training and not after them.

    Raises:
        FileAccessError: If the folder doesn't exist.

    Example:
        >>> require_folder_of(Path("no such folder/report.html"))
        Traceback (most recent call last):
        identify.exceptions.FileAccessError: no such folder/report.html: no such folder no such folder
    """
    if path is not None and not path.parent.is_dir():
        raise FileAccessError(f"{shown(str(path))}: no such folder {shown(str(path.parent))}")


def aligned(dataset: Dataset, model: TrainedModel, folder: Path) -> Dataset:
    """Return a dataset with the columns that a model was trained on, in their order.

    Args:
        dataset: Data to align.
        model: The model.
        folder: Its folder, for error messages.

    Raises:
        DataError: If observed columns or actions differ.
    """
    from estimation.dataset.alignment import align

    return align(dataset, model, f"{folder}")
