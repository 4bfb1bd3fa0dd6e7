"""``mechsparse impute``: missing entries of observations, filled from the other entries of their row."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from estimation.commands.data_options import DataOptions, takes_data_options
from estimation.commands.options import Data, Model, Split
from estimation.commands.sources import aligned, read_data, require_folder_of
from identify.commands.options import AsJson, print_json, say
from identify.exceptions import RequestError
from identify.names import shown
from identify.wording import plural

if TYPE_CHECKING:
    from estimation.dataset.dataset import Dataset
    from estimation.prediction.imputation import Imputation

__all__ = ["impute"]


@takes_data_options(Split.test)
def impute(
    model: Model,
    data: Data,
    out: Annotated[
        Path,
        typer.Option(
            "--out",
            "-o",
            metavar="FILE",
            help="Where to write: .csv, the observed columns with their gaps filled; or .npz, with intervals and "
            "latents as well (observations, low, high, latents, missing).",
        ),
    ],
    level: Annotated[float, typer.Option(help="Probability that an interval holds a missing entry.")] = 0.9,
    ignore_actions: Annotated[
        bool,
        typer.Option(
            "--ignore-actions", help="Fill from the observed entries only, also where there are actions."
        ),
    ] = False,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the posterior samples.")] = 0,
    *,
    options: DataOptions,
    as_json: AsJson = False,
) -> int:
    """Fill missing entries (empty cells, NaN) from the posterior of the latents given the other entries of the row.

    For data in sequences, a row is a window of consecutive steps, as in training.

    \b
    Examples:
      mechsparse impute model measured.csv -o filled.csv
      mechsparse impute model measured.csv -o filled.npz --level 0.5
    """
    from estimation.checkpoint import load

    if out.suffix.lower() not in (".csv", ".npz"):
        raise RequestError(f"{shown(str(out))}: the suffix must be .csv or .npz")
    require_folder_of(out)
    trained = load(model)
    dataset = aligned(read_data(data, options, trained), trained, model)
    if out.suffix.lower() == ".csv" and dataset.n_steps > 1:
        raise RequestError(
            f"{shown(str(out))}: rows are sequences of {dataset.n_steps} steps; write them to .npz"
        )
    actions = None if ignore_actions else dataset.actions
    rows = dataset.observations[:, 0] if dataset.n_steps == 1 else dataset.observations
    imputation = trained.impute(rows, actions, covariates=dataset.covariates, level=level, seed=seed)
    _write(out, dataset, imputation)
    n_missing = int(imputation.missing.sum())
    facts = {"model": str(model), "data": data, "rows": len(dataset), "filled": n_missing, "out": str(out)}
    if as_json:
        print_json({**facts, "rough_rows": imputation.n_rough})
        return 0
    share = f"{n_missing / imputation.missing.size:.2%} of all"
    say(f"{shown(str(out))}: {plural(n_missing, 'entry')} filled ({share}) in {plural(len(dataset), 'row')}")
    if imputation.n_rough:
        say(f"{plural(imputation.n_rough, 'row')} with rough intervals: their latents are hardly determined")
    return 0


def _write(out: Path, dataset: Dataset, imputation: Imputation) -> None:
    import csv
    import io

    import numpy as np

    from identify.files import write_whole

    if out.suffix.lower() == ".csv":
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(dataset.observation_names or [f"x{k}" for k in range(dataset.n_observed)])
        # observed entries of single precision in their own digits
        kind = dataset.observations.dtype
        writer.writerows([str(kind.type(value)) for value in row] for row in imputation.observations)
        write_whole(out, text.getvalue())
        return
    content = io.BytesIO()
    arrays = {
        name: getattr(imputation, name) for name in ("observations", "low", "high", "latents", "missing")
    }
    np.savez_compressed(content, **arrays)
    write_whole(out, content.getvalue())
