"""`DataOptions`: the options of a command that reads data, and a decorator that adds all of them to the command."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Annotated, Any, TypeVar, get_type_hints

import typer

from estimation.commands.options import Split
from estimation.exceptions import ConfigError
from identify.exceptions import RequestError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from estimation.dataset.readers.options import Names, ReadOptions
    from estimation.dataset.readers.roles import HasRoles
    from estimation.dataset.readers.single_cell.options import AnnDataOptions

__all__ = ["FILE_OPTIONS", "PROCESS_OPTIONS", "DataOptions", "takes_data_options"]

Result = TypeVar("Result")

_FILES = "Your own data"
_CELLS = "Your own AnnData (.h5ad)"
_PROCESSES = "A published process as DATA"
_AUTO = "auto"
_COLUMN: dict[str, Any] = {"metavar": "COLUMN", "rich_help_panel": _FILES}
_CELL_COLUMN: dict[str, Any] = {"metavar": "COLUMN", "show_default": False, "rich_help_panel": _CELLS}


@dataclass(frozen=True)
class DataOptions:
    """Options that select samples of a published process, or columns of a file.

    Each annotation is the option of the command line. None, or an option that isn't set, means the default of
    `estimation.simulate.published`, or of `estimation.dataset.readers.ReadOptions`.

    Attributes:
        samples: Number of samples.
        split: Split of the samples.
        density: Density of a random graph.
        graph_seed: Seed of a random graph.
        observations: Observed columns.
        actions: Action columns.
        latents: Columns of true latents.
        categorical: Action columns with categories.
        episode: Column that identifies sequences.
        time: Column that orders the rows of a sequence.
        covariates: Columns of covariates, also of ``.obs``; each text may name several, with commas.
        images: Column of image file names.
        allow_constant: Whether columns may be constant.
        perturbation: Columns of ``.obs`` with the perturbations.
        control: Labels of the control.
        separator: Text between the perturbations of one cell.
        dose: Columns of ``.obs`` with the doses.
        layer: Layer to read instead of ``X``.
        genes: Boolean column of ``.var`` that selects genes.
        memory_map: NPY file to keep the matrix in.
        shuffle_seed: Seed of a random order of the cells.
    """

    samples: Annotated[
        int | None,
        typer.Option(
            "--samples",
            "-n",
            metavar="N",
            min=1,
            help="Number of samples.",
            show_default=False,
            rich_help_panel=_PROCESSES,
        ),
    ] = None
    split: Annotated[Split, typer.Option(help="Split of the samples.", rich_help_panel=_PROCESSES)] = (
        Split.test
    )
    density: Annotated[
        float | None,
        typer.Option(
            help="Density of the random graph of ActionRandom and TimeRandom.", rich_help_panel=_PROCESSES
        ),
    ] = None
    graph_seed: Annotated[
        int | None, typer.Option(min=0, help="Seed of that random graph.", rich_help_panel=_PROCESSES)
    ] = None
    observations: Annotated[
        list[str] | None,
        typer.Option(
            help="Observed columns: names or patterns like 'x*'; may be repeated.",
            show_default="x[0-9]*",
            **_COLUMN,
        ),
    ] = None
    actions: Annotated[
        list[str] | None, typer.Option(help="Action columns.", show_default="a[0-9]*", **_COLUMN)
    ] = None
    latents: Annotated[
        list[str] | None,
        typer.Option(
            help="Columns of true latents; auto, in train, finds the number of latents instead.",
            show_default="z[0-9]*",
            **_COLUMN,
        ),
    ] = None
    categorical: Annotated[
        list[str] | None,
        typer.Option(
            help="Action columns with categories, each of which becomes an action; also covariates whose categories "
            "are numbers.",
            show_default=False,
            **_COLUMN,
        ),
    ] = None
    episode: Annotated[
        str | None, typer.Option(help="Column that identifies sequences.", show_default=False, **_COLUMN)
    ] = None
    time: Annotated[
        str | None,
        typer.Option(help="Column that orders the rows of a sequence.", show_default=False, **_COLUMN),
    ] = None
    covariates: Annotated[
        list[str] | None,
        typer.Option(
            help="Columns of covariates, also of .obs, with commas between them: encoder and decoder get them, latents "
            "don't. Text becomes one column per category; may be repeated.",
            show_default=False,
            **_COLUMN,
        ),
    ] = None
    images: Annotated[
        str | None,
        typer.Option(
            help="Column of image file names, to observe the images.", show_default=False, **_COLUMN
        ),
    ] = None
    allow_constant: Annotated[
        bool, typer.Option("--allow-constant", help="Accept constant columns.", rich_help_panel=_FILES)
    ] = False
    perturbation: Annotated[
        list[str] | None,
        typer.Option(
            help="Column of .obs with the perturbation of each cell; may be repeated.", **_CELL_COLUMN
        ),
    ] = None
    control: Annotated[
        list[str] | None,
        typer.Option(
            metavar="LABEL",
            help="Label of control cells, also as a part of a joined label; may be repeated.",
            show_default=False,
            rich_help_panel=_CELLS,
        ),
    ] = None
    separator: Annotated[
        str | None,
        typer.Option(
            metavar="TEXT",
            help="Text between the perturbations of one cell; '' if they are never joined.",
            show_default="+",
            rich_help_panel=_CELLS,
        ),
    ] = None
    dose: Annotated[
        list[str] | None,
        typer.Option(help="Column of .obs with doses; one per column of perturbations.", **_CELL_COLUMN),
    ] = None
    layer: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Layer to read.", show_default="X", rich_help_panel=_CELLS),
    ] = None
    genes: Annotated[
        str | None,
        typer.Option(help="Boolean column of .var that selects genes, like highly_variable.", **_CELL_COLUMN),
    ] = None
    memory_map: Annotated[
        str | None,
        typer.Option(
            metavar="FILE.npy",
            help="Write the matrix to this file, and keep it on disk.",
            show_default=False,
            rich_help_panel=_CELLS,
        ),
    ] = None
    shuffle_seed: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=0,
            help="Shuffle the cells with this seed.",
            show_default=False,
            rich_help_panel=_CELLS,
        ),
    ] = None

    def with_latent_count(self, n_latents: str | None) -> tuple[DataOptions, str | None]:
        """Understand ``--latents auto`` as ``--n-latents auto``; return the options of the data, and the number.

        Args:
            n_latents: Number of latents that was given, if any.

        Raises:
            ConfigError: If both are given, and differ.
        """
        if self.latents != [_AUTO]:
            return self, n_latents
        if n_latents not in (None, _AUTO):
            raise ConfigError(
                f"--latents {_AUTO} finds the number of latents, and --n-latents says it is {n_latents}; leave one "
                f"out. A column named {_AUTO!r} is given as --latents 'aut[o]'"
            )
        return replace(self, latents=None), _AUTO

    def read_options(self, like: HasRoles | None = None) -> ReadOptions:
        """Return the options of reading a file.

        Args:
            like: The training data or a model; a model of an earlier release gives categories by action names only.
        """
        from estimation.dataset.readers.column_matching import categories_in_names
        from estimation.dataset.readers.options import ReadOptions

        patterns = self.categorical or ()
        inherited = {}
        if like is not None and like.roles is None:
            inherited = categories_in_names(like.action_names, patterns)
        return ReadOptions(
            observations=_one_or_many(self.observations),
            actions=_one_or_many(self.actions),
            latents=_one_or_many(self.latents),
            categorical=inherited or patterns,
            episode=self.episode,
            time=self.time,
            images=self.images,
            memory_map=self.memory_map or False,
            allow_constant=self.allow_constant,
            covariates=_one_or_many(_split_at_commas(self.covariates)),
            anndata=self._anndata_options(),
        )

    def _anndata_options(self) -> AnnDataOptions | None:
        """Return the options of AnnData; None if none is given."""
        from estimation.dataset.readers.single_cell.options import AnnDataOptions

        given: dict[str, Any] = {
            name: getattr(self, name)
            for name in ("perturbation", "control", "separator", "dose", "layer", "genes", "shuffle_seed")
            if getattr(self, name) is not None
        }
        return AnnDataOptions(**given) if given else None


#: Options that apply to published processes only; a split has a default and applies to both.
PROCESS_OPTIONS = ("samples", "density", "graph_seed")
#: Options that apply to files only.
FILE_OPTIONS = tuple(
    field.name for field in fields(DataOptions) if field.name not in (*PROCESS_OPTIONS, "split")
)


def takes_data_options(split: Split) -> Callable[[Callable[..., Result]], Callable[..., Result]]:
    """Return a decorator for a command with a keyword-only parameter ``options: DataOptions``.

    The decorated command has one parameter for each field of `DataOptions` instead, so that typer makes an option of
    each.

    Args:
        split: Default split of a published process.
    """

    def decorate(command: Callable[..., Result]) -> Callable[..., Result]:
        @functools.wraps(command)
        def with_options(**arguments: Any) -> Result:
            options = {field.name: arguments.pop(field.name) for field in fields(DataOptions)}
            return command(**arguments, options=DataOptions(**options))

        parameters: list[inspect.Parameter] = []
        signature = inspect.signature(command, eval_str=True)
        for parameter in signature.parameters.values():
            parameters += _option_parameters(split) if parameter.name == "options" else [parameter]
        with_options.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
        return with_options

    return decorate


def _option_parameters(split: Split) -> list[inspect.Parameter]:
    annotations = get_type_hints(DataOptions, include_extras=True)
    return [
        inspect.Parameter(
            field.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=split if field.name == "split" else field.default,
            annotation=annotations[field.name],
        )
        for field in fields(DataOptions)
    ]


def _split_at_commas(texts: Sequence[str] | None) -> list[str] | None:
    if texts is None:
        return None
    names = [name.strip() for text in texts for name in text.split(",")]
    if not all(names):
        raise RequestError(f"--covariates {','.join(texts)}: a name is empty; give names between commas")
    return names


def _one_or_many(names: Sequence[str] | None) -> Names | None:
    # arrays of an NPZ file are selected by one name
    return names[0] if names and len(names) == 1 else (names or None)
