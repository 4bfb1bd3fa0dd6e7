"""The DATA argument of a command -> a dataset: a file, or samples of a published process."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from estimation.commands.data_options import FILE_OPTIONS, PROCESS_OPTIONS, DataOptions
from identify.exceptions import FileAccessError, RequestError
from identify.names import shown
from identify.wording import listed

if TYPE_CHECKING:
    from estimation.dataset.dataset import Dataset
    from estimation.dataset.readers.roles import HasRoles, Roles
    from estimation.dataset.readers.single_cell.options import AnnDataOptions
    from estimation.trained import TrainedModel

__all__ = ["aligned", "is_file", "published_name", "read_data", "read_for_models", "require_folder_of"]

# how the perturbations and the matrix of AnnData are read
_ANNDATA_OPTIONS = ("perturbation", "control", "separator", "dose", "layer")


def read_data(data: str, options: DataOptions, like: HasRoles | None = None) -> Dataset:
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


def read_for_models(data: str, options: DataOptions, models: Mapping[str, TrainedModel]) -> Dataset:
    """Return the dataset that an argument names, with the covariates that any of several models needs.

    Columns have the roles that they had for the first model. The order of the models does not matter for covariates.

    Args:
        data: The argument.
        options: Options of the command.
        models: The models, by their folders.

    Raises:
        IdentifyError: If the data can't be read, an option doesn't apply to them, or the models were trained on
            different layers, perturbations or doses of AnnData.
    """
    if is_file(data) and Path(data).suffix.lower() == ".h5ad":
        _require_same_anndata(options, models)
    return read_data(data, options, _joint_roles(list(models.values())))


@dataclass(frozen=True)
class _JointRoles:
    """Roles of the columns of a model, with the covariates of several models."""

    roles: Roles | None
    observation_names: tuple[str, ...]
    action_names: tuple[str, ...]
    actions_named: bool
    covariate_names: tuple[str, ...]
    covariate_categories: Mapping[str, tuple[str, ...]] | None


def _joint_roles(models: list[TrainedModel]) -> HasRoles:
    from estimation.dataset.covariate_categories import categories_of, indicator_columns

    first = models[0]
    if all(model.covariate_names == first.covariate_names for model in models):
        return first
    columns: dict[str, tuple[str, ...] | None] = {}
    for model in models:
        known = categories_of(model.covariate_names, model.covariate_categories)
        column_of = indicator_columns(known)
        for name in model.covariate_names:
            column = column_of.get(name)
            if column is None:
                # what is a number for one model can be matched with the categories of another
                columns[name] = None
            elif (earlier := columns.get(column, ())) is not None:
                columns[column] = tuple(dict.fromkeys((*earlier, *known[column])))
    categories = {column: known for column, known in columns.items() if known is not None}
    names = [
        name
        for column, known in columns.items()
        for name in ([column] if known is None else [f"{column}={category}" for category in known])
    ]
    given = (first.roles, first.observation_names, first.action_names, first.actions_named)
    return _JointRoles(*given, tuple(names), categories)


def _require_same_anndata(options: DataOptions, models: Mapping[str, TrainedModel]) -> None:
    """Refuse models that read other parts of AnnData, unless an option says which part to read."""
    from estimation.exceptions import DataError

    stored = {
        name: model.roles.anndata
        for name, model in models.items()
        if model.roles is not None and model.roles.anndata is not None
    }
    for option in _ANNDATA_OPTIONS:
        if getattr(options, option) is not None:
            continue
        values = {name: _anndata_value(held, option) for name, held in stored.items()}
        first = next(iter(values), "")
        other = next((name for name in values if values[name] != values[first]), None)
        if other is not None:
            raise DataError(
                f"{shown(first)} was trained with {option} {_shown_value(values[first])}, and {shown(other)} with "
                f"{_shown_value(values[other])}; compare models of the same data, or give --{option}"
            )


def _anndata_value(held: AnnDataOptions, option: str) -> tuple[str, ...]:
    """Return a stored option in one form: nothing, one text and several are tuples; the separator has its default."""
    if option == "separator":
        return (held.joint,)
    if option == "layer":
        return (held.layer or "X",)
    value = getattr(held, option)
    return () if value is None else (value,) if isinstance(value, str) else tuple(value)


def _shown_value(value: tuple[str, ...]) -> str:
    return listed([repr(text) for text in value], 6) if value else "none"


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
