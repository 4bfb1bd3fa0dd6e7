"""``mechsparse annotate``: what a model has learned, written into a copy of an AnnData file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from estimation.commands.options import Model
from estimation.commands.sources import require_folder_of
from identify.commands.options import AsJson, print_json, say
from identify.names import shown
from identify.wording import plural

__all__ = ["annotate"]

_KEY = "mechsparse"


def annotate(
    model: Model,
    cells: Annotated[Path, typer.Argument(metavar="CELLS.h5ad", help="A file of anndata.")],
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="FILE.h5ad", help="Where to write the annotated copy.")
    ],
    layer: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="The layer to read; X for X.", show_default="as in training"),
    ] = None,
    key: Annotated[str, typer.Option(metavar="NAME", help="Key of the results in .varm and .uns.")] = _KEY,
    as_json: AsJson = False,
) -> int:
    """Write the latents of cells, their effects on genes, and the learned graph into a copy of an AnnData file.

    Genes are matched by name. The file need not fit in memory.

    \b
    Examples:
      mechsparse annotate model cells.h5ad -o annotated.h5ad
      mechsparse annotate model cells.h5ad -o annotated.h5ad --layer log1p
    """
    from estimation.annotation import annotate_file
    from estimation.checkpoint import load

    require_folder_of(out)
    annotation = annotate_file(cells, load(model), out, layer=layer, key=key)
    n_cells, n_latents = annotation.latents.shape
    if as_json:
        facts = {"model": str(model), "data": str(cells), "out": str(out), "key": key}
        print_json(
            {**facts, "cells": n_cells, "latents": n_latents, "effects": annotation.effects is not None}
        )
        return 0
    what = f"{plural(n_latents, 'latent')} of {plural(n_cells, 'cell')} in .obsm['X_{key}']"
    effects = "" if annotation.effects is None else f", effects on genes in .varm['{key}']"
    say(f"{shown(str(out))}: {what}{effects}, the learned graph in .uns['{key}']")
    return 0
