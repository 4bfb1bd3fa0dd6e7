"""``mechsparse train --influence`` and ``--mechanisms``: only causes with sufficient influence get sparse columns."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from estimation.exceptions import ConfigError, DataError
from identify.commands.check import Family
from identify.commands.options import progress
from identify.names import shown
from identify.wording import listed

if TYPE_CHECKING:
    from collections.abc import Callable

    from estimation.config.training import TrainingConfig
    from estimation.dataset.dataset import Dataset
    from identify.graph import CausalGraph
    from identify.influence import Influence, InfluenceReport

__all__ = ["FamilyOption", "InfluenceFile", "MechanismsFile", "TimeLimit", "sparse_by_influence"]

_PANEL = "Causes without influence"
_MAX_LISTED = 20

MechanismsFile = Annotated[
    Path | None,
    typer.Option(
        "--mechanisms",
        metavar="FILE",
        help="Densities of the latents, a .toml or .py file (which is executed): decide sufficient influence, and "
        "leave the columns of a cause dense unless it is proved.",
        show_default=False,
        rich_help_panel=_PANEL,
    ),
]
InfluenceFile = Annotated[
    Path | None,
    typer.Option(
        "--influence",
        metavar="REPORT.json",
        help="The same from a report of 'mechsparse check --mechanisms FILE --json'.",
        show_default=False,
        rich_help_panel=_PANEL,
    ),
]
FamilyOption = Annotated[
    Family, typer.Option("--family", help="Family of the densities in --mechanisms.", rich_help_panel=_PANEL)
]
TimeLimit = Annotated[
    float,
    typer.Option(
        "--time-limit",
        metavar="SECONDS",
        help="For all causes in --mechanisms; the rest stays undecided.",
        rich_help_panel=_PANEL,
    ),
]


@dataclass(frozen=True)
class _Answers:
    """The answers of a report, in words.

    Attributes:
        source: Name of the file.
        report: The report.
    """

    source: str
    report: InfluenceReport

    def require_actions(self, names: tuple[str, ...]) -> None:
        unshared = sorted(set(names) ^ set(self.report.actions))
        if unshared:
            raise DataError(
                f"{self.source}: is about other actions than the data: {listed(map(shown, unshared), _MAX_LISTED)} on "
                f"one side only; the data have {listed(names, _MAX_LISTED) or 'none'}"
            )

    def line(self, config: TrainingConfig, past: bool) -> str:
        """Return which columns are sparse, and why the others are dense, in one line."""
        actions = self.report.actions
        held = [name for name, influence in actions.items() if influence]
        dense = [f"{shown(name)} ({_why(influence)})" for name, influence in actions.items() if not influence]
        parts = []
        if actions:
            parts.append(f"sparse columns of G^a: {listed(held, _MAX_LISTED) or 'none'}")
            parts += [f"left dense: {listed(dense, _MAX_LISTED)}"] * bool(dense)
        if past:
            parts.append(
                "G^z sparse"
                if config.sparse_past
                else f"G^z left dense ({_why(self.report.past)} for the past)"
            )
        return f"influence by {shown(self.source)}: {'; '.join(parts)}"


def sparse_by_influence(
    config: TrainingConfig,
    dataset: Dataset,
    mechanisms: Path | None,
    influence: Path | None,
    family: Family,
    time_limit: float,
) -> tuple[TrainingConfig, str]:
    """Return the settings with sparse columns for those causes whose influence is sufficient, and a line that says so.

    Args:
        config: Settings that say nothing about sparse columns.
        dataset: Training data, with the actions and the past that the report is about.
        mechanisms: File of densities, or None.
        influence: File of a report, or None; one of the two is given.
        family: Family of the densities.
        time_limit: Seconds for all causes of the densities.

    Raises:
        ConfigError: If both files or other settings determine the columns, if a budget is set for columns that are left
            dense, or if no column would be sparse.
        DataError: If the report is about other actions than the data.
        IdentifyError: If a file can't be read.
    """
    option = "--influence" if mechanisms is None else "--mechanisms"
    if mechanisms is not None and influence is not None:
        raise ConfigError("--mechanisms and --influence both determine the sparse columns; keep one")
    if config.sparse_actions is not None or not config.sparse_past:
        name = "sparse_actions" if config.sparse_actions is not None else "sparse_past"
        raise ConfigError(f"{name} is set, and {option} determines it too; keep one")
    file = influence if mechanisms is None else mechanisms
    assert file is not None
    answers = _Answers(f"{file}", _report(mechanisms, file, family, time_limit))
    answers.require_actions(dataset.action_names)
    past = dataset.n_steps > 1
    actions = [name for name, held in answers.report.actions.items() if held]
    sparse_past = bool(answers.report.past)
    _require_budgets_of_causes(config, answers, bool(actions), not past or sparse_past)
    if not actions and not (past and sparse_past):
        raise ConfigError(
            f"by {answers.source} influence is sufficient for no cause, so that no column can be sparse; set "
            "sparsity=none, or choose columns with --sparse-actions"
        )
    chosen = config.replace(
        # all of them is the default, and stays it
        sparse_actions=None if len(actions) == dataset.n_actions else actions,
        sparse_past=not past or sparse_past,
    )
    return chosen, answers.line(chosen, past)


def _report(mechanisms: Path | None, file: Path, family: Family, time_limit: float) -> InfluenceReport:
    if mechanisms is None:
        from identify.influence.files import read_influence

        return read_influence(file)
    from contextlib import ExitStack

    from identify.influence.isolated import decide_file

    with ExitStack() as stack:
        steps: list[Callable[[], None]] = []

        def begin(graph: CausalGraph) -> None:
            steps.append(stack.enter_context(progress("Deciding sufficient influence", graph.n_actions)))

        def step() -> None:
            steps[0]()

        return decide_file(file, family.value, time_limit, begin, step)[1]


def _require_budgets_of_causes(config: TrainingConfig, answers: _Answers, actions: bool, past: bool) -> None:
    """Refuse a budget for a matrix without sparse columns, by the name of the report."""
    for name, is_sparse, matrix, cause in (
        ("max_edges_actions", actions, "G^a", "no action"),
        ("max_edges_past", past, "G^z", "the past"),
    ):
        if getattr(config, name) is not None and not is_sparse:
            verb = "is" if cause == "no action" else "is not"
            raise ConfigError(
                f"{name} is set, but by {answers.source} influence {verb} sufficient for {cause}, so that {matrix} is "
                "left dense; leave the budget out"
            )


def _why(influence: Influence | None) -> str:
    if influence is None:
        return "no answer"
    return "influence fails" if influence.status == "fails" else "influence undecided"
