"""``mechsparse predict``: the distribution of observations under actions, and what the training data cover of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from estimation.commands.options import Model
from estimation.commands.sources import require_folder_of
from identify.commands.options import AsJson, print_json, show
from identify.exceptions import RequestError
from identify.names import shown
from identify.wording import listed

if TYPE_CHECKING:
    from estimation.prediction.forecast import Forecast
    from estimation.trained import TrainedModel

__all__ = ["predict"]


def predict(
    model: Model,
    actions: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="ACTION=VALUE",
            help="Actions of one row; the others stay at their reference.",
            show_default=False,
        ),
    ] = None,
    table: Annotated[
        Path | None,
        typer.Option(
            "--actions",
            metavar="FILE",
            help="A CSV or Parquet table of actions, and of covariates, one row per prediction; columns are matched by "
            "name.",
            show_default=False,
        ),
    ] = None,
    past: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="A table of the observations of the step before, for a model with a past: one row, or one per row of "
            "actions.",
            show_default=False,
        ),
    ] = None,
    covariates: Annotated[
        list[str] | None,
        typer.Option(
            "--covariate",
            metavar="NAME=VALUE",
            help="A covariate of all rows, like batch=b1 or age=30, for a model that was trained with covariates; may "
            "be repeated.",
            show_default=False,
        ),
    ] = None,
    level: Annotated[float, typer.Option(help="Probability that an interval holds an observation.")] = 0.9,
    extrapolate: Annotated[
        bool, typer.Option("--extrapolate", help="Allow actions outside of the range of the training data.")
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            metavar="FILE.csv",
            help="Write mean, standard deviation and interval of every row and column.",
            show_default=False,
        ),
    ] = None,
    as_json: AsJson = False,
) -> int:
    """Predict observations under actions, also under actions that were never applied together.

    The learned graph says what the training data cover: a latent's mechanism is known where the joint values of its
    parents were seen. Effects of actions that were never seen together are added in the latents that combine them.

    \b
    Examples:
      mechsparse predict model "drug A=1" "drug B=1"
      mechsparse predict model --actions planned.csv -o predicted.csv
      mechsparse predict model --past today.csv push=0.5 --level 0.5 --json
    """
    from estimation.checkpoint import load

    require_folder_of(out)
    trained = load(model)
    given = _covariates(trained, covariates, table is not None)
    if table is not None:
        _require_given_once(table, given)
    forecast = trained.predict(
        _requested(trained, actions, table, has_covariates=given is not None),
        None if past is None else _frame(past, trained.observation_names),
        covariates=_covariates_in(trained, table) if table is not None and given is None else given,
        extrapolate=extrapolate,
    )
    rows = _rows(trained, forecast, level)
    if out is not None:
        from identify.files import write_whole

        write_whole(out, _csv(rows))
    _print(model, trained, forecast, rows, as_json, optional=out is not None)
    return 0


def _requested(
    trained: TrainedModel, actions: list[str] | None, table: Path | None, has_covariates: bool
) -> Any:
    """Return the actions of a request: a data frame, a mapping of names to values, or None."""
    if table is not None and actions:
        raise RequestError("actions are given by name and by --actions; leave one out")
    if table is not None:
        return _actions_in(trained, table, has_covariates)
    if not actions:
        return None
    values = {}
    for text in actions:
        # a category has a name like drug=ibuprofen
        name, separator, value = text.rpartition("=")
        try:
            values[name.strip()] = float(value)
        except ValueError as error:
            raise RequestError(
                f"{shown(text)}: an action is given as NAME=VALUE, with a number for its value"
            ) from error
        if not separator:
            raise RequestError(f"{shown(text)}: an action is given as NAME=VALUE")
    return values


def _actions_in(trained: TrainedModel, path: Path, has_covariates: bool) -> Any:
    """Return the actions in a table; None for a model without actions if the table is that of its covariates.

    Args:
        trained: The model.
        path: The table.
        has_covariates: Whether the covariates are given otherwise.

    Raises:
        RequestError: If the table has covariates only, and the model has actions.
    """
    from estimation.dataset.covariate_categories import covariate_columns_of
    from estimation.dataset.readers.table import open_table

    covariates = covariate_columns_of(trained.covariate_names, trained.covariate_categories)
    if not trained.action_names and covariates and not has_covariates:
        return None
    known = [name.partition("=")[0] for name in trained.action_names]
    table = open_table(path)
    names = [name for name in table.names if name in known]
    names = names or [name for name in table.names if name not in covariates]
    if not names:
        raise RequestError(
            f"{shown(str(path))}: has covariates and no actions; the model was trained on "
            f"{listed(list(trained.action_names), 8)}"
        )
    return table.read(names)


def _require_given_once(path: Path, given: Mapping[str, Any] | None) -> None:
    """Refuse covariates that are options and columns of the table."""
    from estimation.dataset.readers.table import open_table

    if not given:
        return
    names = open_table(path).names
    twice = [name for name in given if name in names]
    if twice:
        raise RequestError(
            f"{shown(str(path))}: has the covariates {listed(twice, 8)}, which --covariate gives too; leave one out"
        )


def _covariates(
    trained: TrainedModel, texts: list[str] | None, has_table: bool
) -> dict[str, float | str] | None:
    """Return the covariates of all rows by name, categories as text; None without them, or if the table has them."""
    from estimation.dataset.covariate_categories import categories_of, covariate_columns_of, indicator_columns
    from estimation.dataset.readers.cells import BadCellError, parse_number

    if not texts and trained.covariate_names and not has_table:
        columns = covariate_columns_of(trained.covariate_names, trained.covariate_categories)
        raise RequestError(
            f"the model was trained with the covariates {listed(list(columns), 8)}; give each with --covariate "
            "NAME=VALUE, or with --actions a table that has them too"
        )
    if not texts:
        return None

    known = categories_of(trained.covariate_names, trained.covariate_categories)
    numbers = set(trained.covariate_names) - set(indicator_columns(known))
    values: dict[str, float | str] = {}
    for text in (given.strip() for given in texts):
        # the name of a number may hold an equals sign, like dose=high
        named = [name for name in (*numbers, *known) if text.startswith(f"{name}=")]
        name = max(named, key=len, default=text.partition("=")[0].strip())
        value = text.removeprefix(name).strip().removeprefix("=").strip()
        if not value or "=" not in text:
            raise RequestError(f"{shown(text)}: a covariate is given as NAME=VALUE")
        if name in values:
            raise RequestError(f"{shown(text)}: the covariate {name} is given twice; leave one out")
        values[name] = value
        if name in numbers:
            try:
                # true and false are numbers, as in tables
                values[name] = parse_number(value)
            except BadCellError as error:
                raise RequestError(
                    f"{shown(text)}: the model was trained with {name} as a number; give NAME=NUMBER"
                ) from error
    return values


def _covariates_in(trained: TrainedModel, path: Path) -> Any:
    """Return the covariates in a table of actions, in the order of the training data; None for a model without."""
    from estimation.dataset.covariate_categories import categories_of, covariate_columns_of
    from estimation.dataset.covariates import aligned_covariates
    from estimation.dataset.readers.table import open_table
    from estimation.dataset.readers.table_files import encoded_columns

    names, categories = trained.covariate_names, trained.covariate_categories
    if not names:
        return None
    table, columns = open_table(path), covariate_columns_of(names, categories)
    missing = [column for column in columns if column not in table.names]
    if missing:
        raise RequestError(
            f"{shown(str(path))}: the model was trained with the covariates {listed(missing, 8)}, which the table "
            "lacks; give it these columns, or all covariates with --covariate NAME=VALUE"
        )
    values, found, _ = encoded_columns(table, table.read(columns), columns, categories_of(names, categories))
    return aligned_covariates(values, found or (), names, "the model", categories)


def _frame(path: Path, names: Sequence[str]) -> Any:
    """Return the columns of a table that a model knows; all if it knows none."""
    from estimation.dataset.readers.table import open_table

    table = open_table(path)
    return table.read([name for name in table.names if name in names] or table.names)


def _rows(trained: TrainedModel, forecast: Forecast, level: float) -> list[dict[str, Any]]:
    """Return mean, deviation and interval of every row and column."""
    low, high = forecast.interval(level)
    columns = trained.observation_names or tuple(f"x{k}" for k in range(trained.n_observed))
    return [
        {
            "row": row,
            "column": column,
            "mean": float(forecast.mean[row, k]),
            "standard_deviation": float(forecast.standard_deviation[row, k]),
            "low": float(low[row, k]),
            "high": float(high[row, k]),
        }
        for row in range(len(forecast))
        for k, column in enumerate(columns)
    ]


def _csv(rows: list[dict[str, Any]]) -> str:
    import csv
    import io

    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _print(
    folder: Path,
    trained: TrainedModel,
    forecast: Forecast,
    rows: list[dict[str, Any]],
    as_json: bool,
    optional: bool,
) -> None:
    explained = (
        [] if forecast.coverage is None else [forecast.coverage.explain(k) for k in range(len(forecast))]
    )
    if as_json:
        complete = None if forecast.coverage is None else forecast.coverage.complete.tolist()
        coverage = {"complete": complete, "explained": [list(sentences) for sentences in explained]}
        print_json({"model": str(folder), "coverage": coverage, "predictions": rows})
        return
    from estimation.report.predictions import show_forecast

    show(show_forecast(f"{folder}: {trained!r}", explained, rows), optional)
