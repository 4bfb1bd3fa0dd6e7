"""Arguments and options that several of the training commands share."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

__all__ = [
    "Actions",
    "AllowConstant",
    "Categorical",
    "Data",
    "Density",
    "Episode",
    "GraphSeed",
    "Images",
    "Latents",
    "Model",
    "Observations",
    "Report",
    "Samples",
    "Split",
    "SplitOf",
    "Strict",
    "Threshold",
    "Time",
]

_TABLES = "Your own data"
_PUBLISHED = "A published process as DATA"


class Split(StrEnum):
    """The samples of one process; named as `estimation.simulate.simulate` wants it."""

    train = "train"
    valid = "valid"
    test = "test"


Data = Annotated[
    str,
    typer.Argument(
        metavar="DATA",
        help="An NPZ, NPY, CSV or Parquet file, a folder of images with a table, or a published process (with -n).",
    ),
]
Model = Annotated[Path, typer.Argument(metavar="MODEL", help="A folder that 'mechsparse train' wrote.")]

Samples = Annotated[
    int | None,
    typer.Option(
        "--samples",
        "-n",
        metavar="N",
        min=1,
        help="How many samples.",
        show_default=False,
        rich_help_panel=_PUBLISHED,
    ),
]
SplitOf = Annotated[Split, typer.Option("--split", help="Which samples.", rich_help_panel=_PUBLISHED)]
Density = Annotated[
    float | None,
    typer.Option(help="Of the random graph of ActionRandom and TimeRandom.", rich_help_panel=_PUBLISHED),
]
GraphSeed = Annotated[int | None, typer.Option(min=0, help="Likewise.", rich_help_panel=_PUBLISHED)]

_NAMES = "names or patterns like 'x*'; may be repeated"
Observations = Annotated[
    list[str] | None,
    typer.Option(
        metavar="COLUMN", help=f"Observed columns: {_NAMES}.", show_default="x[0-9]*", rich_help_panel=_TABLES
    ),
]
Actions = Annotated[
    list[str] | None,
    typer.Option(metavar="COLUMN", help="Action columns.", show_default="a[0-9]*", rich_help_panel=_TABLES),
]
Latents = Annotated[
    list[str] | None,
    typer.Option(
        metavar="COLUMN", help="Columns of true latents.", show_default="z[0-9]*", rich_help_panel=_TABLES
    ),
]
Categorical = Annotated[
    list[str] | None,
    typer.Option(
        metavar="COLUMN",
        help="Action columns with categories; each value becomes an action.",
        show_default=False,
        rich_help_panel=_TABLES,
    ),
]
Episode = Annotated[
    str | None,
    typer.Option(
        metavar="COLUMN",
        help="Tells sequences apart.",
        show_default=False,
        rich_help_panel=_TABLES,
    ),
]
Time = Annotated[
    str | None,
    typer.Option(
        metavar="COLUMN",
        help="Orders the rows of a sequence.",
        show_default=False,
        rich_help_panel=_TABLES,
    ),
]
Images = Annotated[
    str | None,
    typer.Option(
        metavar="COLUMN",
        help="Names files of images to observe.",
        show_default=False,
        rich_help_panel=_TABLES,
    ),
]
AllowConstant = Annotated[
    bool,
    typer.Option("--allow-constant", help="Accept columns that never change.", rich_help_panel=_TABLES),
]

Threshold = Annotated[
    float,
    typer.Option(help="From which share of a latent's strongest entry another one counts as entanglement."),
]
Report = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE.html", help="Write a self-contained page with the figures inside.", show_default=False
    ),
]
Strict = Annotated[
    bool, typer.Option("--strict", help="Exit with 1 when what was learned contradicts the prediction.")
]
