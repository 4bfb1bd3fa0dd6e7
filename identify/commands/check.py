"""``mechsparse check``: whether complete disentanglement is guaranteed, and if not, what stays entangled and why."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from identify.commands.options import (
    AsJson,
    Form,
    Graphs,
    UsingOption,
    print_json,
    progress,
    say,
    show,
    writes_to_stdout,
)
from identify.commands.sources import Source, print_readings, read_all, reading_of
from identify.commands.streams import print_error

if TYPE_CHECKING:
    from identify.criterion import Verdict
    from identify.exceptions import IdentifyError
    from identify.graph import CausalGraph
    from identify.influence import InfluenceReport

__all__ = ["Family", "check", "decide_influence"]

# names of devices on Windows, with any suffix
_DEVICES = {"con", "prn", "aux", "nul", *(f"{port}{k}" for port in ("com", "lpt") for k in range(1, 10))}


class Effects(StrEnum):
    """What actions do, as in `identify.criterion.check`."""

    shifts = "shifts"


class Family(StrEnum):
    """Family of the densities, as in `identify.influence.FAMILIES`."""

    nonparametric = "nonparametric"
    exponential = "exponential"


def check(
    graphs: Graphs = None,
    using: UsingOption = None,
    mechanisms: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Densities of the latents, a .toml or .py file (which is executed): also decide sufficient influence. "
            "Without GRAPH, the densities imply the graph.",
        ),
    ] = None,
    influence_report: Annotated[
        Path | None,
        typer.Option(
            "--influence",
            metavar="REPORT.json",
            help="Sufficient influence as decided before: JSON of 'mechsparse check --mechanisms FILE --json'.",
        ),
    ] = None,
    joint: Annotated[
        bool,
        typer.Option(
            "--joint",
            help="Also decide joint influence of all actions in --mechanisms, which may hold where influence fails for "
            "single actions.",
        ),
    ] = False,
    family: Annotated[
        Family, typer.Option(help="Family of the densities in --mechanisms.")
    ] = Family.nonparametric,
    effects: Annotated[
        Effects | None,
        typer.Option(
            help="shifts: every action is on or off and has one generic effect. Decide joint influence instead of the "
            "graphical criterion.",
            show_default=False,
        ),
    ] = None,
    time_limit: Annotated[
        float,
        typer.Option(
            metavar="SECONDS",
            help="For all causes in --mechanisms, or each graph with --effects; the rest stays undecided.",
        ),
    ] = 120.0,
    why: Annotated[
        tuple[str, str] | None,
        typer.Option(
            metavar="A B", help="Explain what separates latent A from B, or what would.", show_default=False
        ),
    ] = None,
    report: Annotated[
        Path | None,
        typer.Option(metavar="FILE.html", help="Write a self-contained page with figures."),
    ] = None,
    markdown: Annotated[
        Path | None, typer.Option(metavar="FILE.md", help="Write the verdict as markdown.")
    ] = None,
    latex: Annotated[
        Path | None, typer.Option(metavar="FILE.tex", help="Write a LaTeX table (booktabs).")
    ] = None,
    figures: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Write one figure per graph (PNG) into a folder.")
    ] = None,
    strict: Annotated[
        bool,
        typer.Option(
            "--strict",
            help="Exit with 1 unless every graph is completely disentangled; if influence is decided, by the causes "
            "for which it is proved; with --effects, unless joint influence holds.",
        ),
    ] = False,
    as_json: AsJson = False,
    form: Form = None,
) -> int:
    """Check which latents a model with sparse mechanisms can disentangle.

    For one graph, prints the verdict, which latents stay entangled with which, why, and what would separate them. For
    several graphs, prints a table. If sufficient influence is decided and fails for some causes, also prints what the
    others guarantee, under which edge budget, what is lost, and what would win it back. With --effects shifts, says
    what a sparse model finds from on/off actions: all latents, mixtures of some, or wrong latents.

    \b
    Examples:
      mechsparse check graph.json
      mechsparse check ActionBlockDiag --why z0 z1
      mechsparse check experiments/ --using actions --strict
      mechsparse check catalog:real --report networks.html
      cat graph.dot | mechsparse check - --from dot --json
      mechsparse check --mechanisms model.toml --joint
      mechsparse check graph.json --influence report.json
      mechsparse check panel.json --effects shifts
    """
    from identify.criterion import check as check_graph

    _require_compatible(graphs, mechanisms, influence_report, effects)
    if joint and mechanisms is None:
        raise typer.BadParameter("--joint is about the densities in --mechanisms; give a file of them")
    sources, errors = read_all(graphs or (), form)
    influence = None
    if mechanisms is not None or influence_report is not None:
        _require_single_graph(sources, errors, graphs, mechanisms, influence_report)
    if mechanisms is not None:
        source, influence = decide_influence(mechanisms, sources, family, time_limit, joint)
        sources = [source]
    if influence_report is not None:
        from identify.influence import read_influence

        influence = read_influence(influence_report)
    if effects is None:
        verdicts = {source.name: check_graph(source.graph, using, influence) for source in sources}
    else:
        verdicts = _with_effects(sources, using, effects, time_limit)
    single = len(verdicts) == 1 and not errors and len(graphs or ()) <= 1
    stdout_taken = writes_to_stdout(report, markdown, latex)
    writes_files = any(path is not None for path in (report, markdown, latex, figures))
    if not as_json:
        print_readings(sources, stdout_taken=stdout_taken, optional=writes_files)
    if why is not None:
        _explain(_single_verdict(verdicts, errors), why, as_json)
    elif not stdout_taken:
        readings = {source.name: reading_of(source) for source in sources} if as_json else None
        _print(verdicts, errors, single, readings, optional=writes_files)
    _write(verdicts, {source.name: source.note for source in sources}, report, markdown, latex, figures)
    for error in errors:
        print_error(str(error))
    if errors:
        return 2
    return int(strict and not all(verdict.guaranteed for verdict in verdicts.values()))


def _require_compatible(
    graphs: Sequence[str] | None,
    mechanisms: Path | None,
    influence_report: Path | None,
    effects: Effects | None,
) -> None:
    if not graphs and influence_report is not None and mechanisms is None:
        raise typer.BadParameter("--influence gives no graph; name one as GRAPH")
    if not graphs and mechanisms is None:
        raise typer.BadParameter("Missing argument 'GRAPH'; give one, or --mechanisms FILE")
    if effects is not None and (mechanisms is not None or influence_report is not None):
        option = "--influence" if mechanisms is None else "--mechanisms"
        raise typer.BadParameter(
            f"--effects replaces sufficient influence, which {option} gives; use one of them"
        )


def _require_single_graph(
    sources: Sequence[Source],
    errors: Sequence[IdentifyError],
    graphs: Sequence[str] | None,
    mechanisms: Path | None,
    influence_report: Path | None,
) -> None:
    if errors:
        raise errors[0]
    if mechanisms is not None and influence_report is not None:
        raise typer.BadParameter(
            "--mechanisms and --influence both give sufficient influence; use one of them"
        )
    option = "--influence" if mechanisms is None else "--mechanisms"
    if len(graphs or ()) > 1 or len(sources) > 1:
        raise typer.BadParameter(f"{option} requires a single graph")


def decide_influence(
    file: Path, sources: Sequence[Source], family: Family, time_limit: float, joint: bool = False
) -> tuple[Source, InfluenceReport]:
    """Decide sufficient influence of the mechanisms in a file, with a progress bar.

    Args:
        file: File of densities.
        sources: The graph that they must imply; none for any graph.
        family: Family of the densities.
        time_limit: Seconds for all causes.
        joint: Whether to decide joint influence of all actions as well.

    Returns:
        The graph, and the report.

    Raises:
        RequestError: If the densities imply another graph.
        IdentifyError: If the file can't be read.
    """
    from identify.influence.isolated import decide_file

    source = sources[0] if sources else None
    with ExitStack() as stack:
        steps: list[Callable[[], None]] = []

        def step() -> None:
            steps[0]()

        def begin(implied: CausalGraph) -> None:
            if source is not None:
                _require_same_edges(source, implied, file)
            steps.append(stack.enter_context(progress("Deciding sufficient influence", implied.n_actions)))

        implied, report = decide_file(file, family.value, time_limit, begin, step, joint)
    return source or Source(str(file), implied), report


def _with_effects(
    sources: Sequence[Source], using: str | None, effects: Effects, time_limit: float
) -> dict[str, Verdict]:
    from identify.criterion import check as check_graph
    from identify.exceptions import RequestError

    verdicts = {}
    for source in sources:
        try:
            verdicts[source.name] = check_graph(
                source.graph, using, effects=effects.value, time_limit=time_limit
            )
        except RequestError as error:
            raise RequestError(f"{source.name}: {error}") from error
    return verdicts


def _require_same_edges(source: Source, implied: CausalGraph, file: Path) -> None:
    from identify.exceptions import RequestError

    for edge in sorted(set(source.graph.edges()) ^ set(implied.edges())):
        lacking = file if edge in source.graph.edges() else source.name
        raise RequestError(
            f"{source.name} and {file} differ: the edge {edge[0]} -> {edge[1]} is not in {lacking}"
        )


def _print(
    verdicts: Mapping[str, Verdict],
    errors: list[IdentifyError],
    single: bool,
    readings: Mapping[str, dict[str, str]] | None,
    optional: bool,
) -> None:
    """Print JSON if readings are passed, and text otherwise."""
    if readings is not None:
        records = [
            {"graph": name, **readings[name], **verdict.to_dict()} for name, verdict in verdicts.items()
        ]
        print_json(records[0] if single else {"graphs": records, "errors": [str(error) for error in errors]})
        return
    from identify.report.terminal import show_many, show_one

    if single:
        name, verdict = next(iter(verdicts.items()))
        show(show_one(name, verdict), optional)
    elif verdicts:
        show(show_many(verdicts), optional)


def _single_verdict(verdicts: Mapping[str, Verdict], errors: list[IdentifyError]) -> Verdict:
    if errors:
        raise errors[0]
    if len(verdicts) != 1:
        raise typer.BadParameter("--why requires a single graph")
    return next(iter(verdicts.values()))


def _explain(verdict: Verdict, pair: tuple[str, str], as_json: bool) -> None:
    records: list[dict[str, Any]] = []
    for i, j in (pair, pair[::-1]):
        witnesses, remedy = verdict.witnesses(i, j), verdict.remedy(i, j)
        records.append(
            {
                "latent": i,
                "other": j,
                "separated": remedy is None,
                "witnesses": [{"kind": w.kind, "name": w.name, "text": str(w)} for w in witnesses],
                "remedy": None if remedy is None else str(remedy),
            }
        )
    if as_json:
        print_json(records)
        return
    for record in records:
        if record["separated"]:
            say(*(witness["text"] for witness in record["witnesses"]))
        else:
            say(
                f"{record['latent']} stays entangled with {record['other']}: nothing separates them; "
                f"{record['remedy']}"
            )


def _write(
    verdicts: Mapping[str, Verdict],
    notes: Mapping[str, str],
    report: Path | None,
    markdown: Path | None,
    latex: Path | None,
    figures: Path | None,
) -> None:
    reported = next(iter(verdicts.values())) if len(verdicts) == 1 else verdicts
    if markdown is not None or latex is not None or report is not None:
        from identify.files import write_whole
        from identify.report import to_html, to_latex, to_markdown
    if markdown is not None:
        write_whole(markdown, to_markdown(reported))
    if latex is not None:
        write_whole(latex, to_latex(reported))
    if report is not None:
        with progress("Drawing the report", len(verdicts)) as step:
            page = to_html(dict(verdicts), notes=notes, after_each=step)
        write_whole(report, page)
    if figures is not None:
        _draw_all(verdicts, figures)


def _draw_all(verdicts: Mapping[str, Verdict], folder: Path) -> None:
    from identify.files import make_folder
    from identify.plot import plot_verdict, save_figure

    make_folder(folder)
    with progress("Drawing the figures", len(verdicts)) as step:
        for name, verdict in _file_names(verdicts.items()):
            save_figure(plot_verdict(verdict), folder / f"{name}.png")
            step()


def _file_names(named: Iterable[tuple[str, Verdict]]) -> Iterable[tuple[str, Verdict]]:
    """Yield file names of letters, digits, dots and hyphens, numbered if several graphs would share one."""
    counts: dict[str, int] = {}
    for name, verdict in named:
        stem = "".join(letter if letter.isalnum() or letter in ".-" else "_" for letter in Path(name).name)
        if stem.partition(".")[0].casefold() in _DEVICES:
            stem = f"_{stem}"
        counts[stem] = counts.get(stem, 0) + 1
        yield stem if counts[stem] == 1 else f"{stem}-{counts[stem]}", verdict
