"""``mechsparse train --influence`` and ``--mechanisms``: only causes with sufficient influence get sparse columns."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from estimation.exceptions import ConfigError, DataError
from identify.commands.check import Family
from identify.names import shown
from identify.wording import listed

if TYPE_CHECKING:
    from estimation.config.training import TrainingConfig
    from estimation.dataset.dataset import Dataset
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
    """The answers of a report for the causes of a dataset.

    Attributes:
        source: Name of the file.
        actions: The answers for the actions, in the order of the data.
        past: The answer for the past; None without one.
    """

    source: str
    actions: tuple[Influence, ...]
    past: Influence | None

    @classmethod
    def of(cls, source: str, report: InfluenceReport, dataset: Dataset) -> _Answers:
        """Return the answers that are about the actions and the past of a dataset.

        Raises:
            DataError: If the report is about other actions.
        """
        from identify.conditions import decided_causes
        from identify.graph import CausalGraph
        from identify.neighbourhoods import ACTIONS, PAST

        names = dataset.action_names
        unshared = sorted(set(names) ^ set(report.actions))
        if unshared:
            raise DataError(
                f"{source}: is about other actions than the data: {listed(map(shown, unshared), _MAX_LISTED)} on "
                f"one side only; the data have {listed(names, _MAX_LISTED) or 'none'}"
            )
        # one latent with all causes stands for the graph, which is unknown
        causes = CausalGraph(Ga=[[True] * len(names)], latents=["latent"], actions=names)
        used = (ACTIONS, PAST) if dataset.n_steps > 1 else (ACTIONS,)
        answers = decided_causes(report, causes, used)
        return cls(source, answers[: len(names)], next(iter(answers[len(names) :]), None))

    @property
    def proved(self) -> tuple[str, ...]:
        """Names of the actions whose influence is proved."""
        return tuple(influence.cause for influence in self.actions if influence)

    def line(self, config: TrainingConfig, past: bool) -> str:
        """Return which columns are sparse, and why the others are dense, in one line."""
        dense = [
            f"{shown(influence.cause)} ({_why(influence)})" for influence in self.actions if not influence
        ]
        parts = []
        if self.actions:
            proved = listed(map(shown, self.proved), _MAX_LISTED)
            parts.append(f"sparse columns of G^a: {proved or 'none'}")
            parts += [f"left dense: {listed(dense, _MAX_LISTED)}"] * bool(dense)
        if past:
            parts.append("G^z sparse" if config.sparse_past else f"G^z left dense ({_why(self.past)})")
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
    answers = _Answers.of(f"{file}", _report(mechanisms, file, family, time_limit), dataset)
    past = dataset.n_steps > 1
    sparse_past = bool(answers.past)
    _require_budgets_of_causes(config, answers, not past or sparse_past)
    if not answers.proved and not (past and sparse_past):
        raise ConfigError(
            f"by {answers.source} influence is sufficient for no cause, so that no column can be sparse; set "
            "sparsity=none, or choose columns with --sparse-actions"
        )
    chosen = config.replace(
        # all of them is the default, and stays it
        sparse_actions=None if len(answers.proved) == dataset.n_actions else answers.proved,
        sparse_past=not past or sparse_past,
    )
    return chosen, answers.line(chosen, past)


def _report(mechanisms: Path | None, file: Path, family: Family, time_limit: float) -> InfluenceReport:
    if mechanisms is None:
        from identify.influence.files import read_influence

        return read_influence(file)
    from identify.commands.check import decide_influence

    return decide_influence(file, (), family, time_limit)[1]


def _require_budgets_of_causes(config: TrainingConfig, answers: _Answers, past: bool) -> None:
    """Refuse a budget for a matrix without sparse columns, by the name of the report."""
    for name, is_sparse, matrix, cause in (
        ("max_edges_actions", bool(answers.proved), "G^a", "is sufficient for no action"),
        ("max_edges_past", past, "G^z", "is not sufficient for the past"),
    ):
        if getattr(config, name) is not None and not is_sparse:
            raise ConfigError(
                f"{name} is set, but by {answers.source} influence {cause}, so that {matrix} is left dense; leave the "
                "budget out"
            )


def _why(influence: Influence | None) -> str:
    if influence is None:
        return "no answer"
    return "influence fails" if influence.status == "fails" else "influence undecided"
