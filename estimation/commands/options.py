"""Arguments and options that several training commands share."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

__all__ = ["Data", "Latex", "Model", "Report", "Split", "Strict", "Threshold"]


class Split(StrEnum):
    """Splits of the samples of a process, as in `estimation.simulate.simulate`."""

    train = "train"
    valid = "valid"
    test = "test"


Data = Annotated[
    str,
    typer.Argument(
        metavar="DATA",
        help="A file (NPZ, NPY, CSV, Parquet, .h5ad), a folder of images with a table, or a published process (-n).",
    ),
]
Model = Annotated[Path, typer.Argument(metavar="MODEL", help="A folder that 'mechsparse train' wrote.")]
Threshold = Annotated[
    float,
    typer.Option(
        help="Smallest entry that counts as entanglement, as a fraction of the latent's strongest entry."
    ),
]
Report = Annotated[
    Path | None,
    typer.Option(metavar="FILE.html", help="Write a self-contained page with figures.", show_default=False),
]
Latex = Annotated[
    Path | None,
    typer.Option(metavar="FILE.tex", help="Write a LaTeX table (booktabs).", show_default=False),
]
Strict = Annotated[
    bool, typer.Option("--strict", help="Exit with code 1 if what was learned contradicts the prediction.")
]
