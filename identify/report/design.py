"""Terminal report of a design: headline, proved bounds, table of the new actions, and pairs that stay entangled."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.table import Table

from identify.design import Design, ScreenDesign
from identify.report.line import Line
from identify.wording import listed, plural

__all__ = ["headline", "proof", "show_design"]

_MAX_ROWS = 60
_MAX_REASONS = 10


def headline(design: Design) -> str:
    """Return in one line what to add and what it achieves.

    Example:
        >>> from identify.design import design_interventions
        >>> from identify.graph import CausalGraph
        >>> headline(design_interventions(CausalGraph(latents=["raf", "mek", "erk"])))
        'Add 3 actions: 3 of 3 latents disentangled, 0 without them'
    """
    after = f"{design.n_disentangled:,} of {plural(design.before.n_latents, 'latent')} disentangled"
    if not design.actions:
        reason = "Nothing to add" if design.complete else "No allowed action helps"
        return f"{reason}: {after}"
    cost = "" if _by_count(design) else f" at a cost of {design.cost:g}"
    before = int(design.disentangled_before.sum())
    return f"Add {plural(len(design.actions), 'action')}{cost}: {after}, {before:,} without them"


def proof(design: Design) -> str:
    """Return in a sentence what is proved about the design."""
    if design.limited:
        goal = "disentangled, each pair by two actions" if design.robust else "disentangled"
        if design.optimal:
            count = f": {design.n_secured:,}" if design.robust else ""
            return f"Within the budget, no more latents can be {goal} (proved){count}."
        return (
            f"Within the budget, at most {plural(design.most_disentangled, 'latent')} can be {goal} (proved); "
            f"this design achieves {design.n_secured:,}."
        )
    if isinstance(design, ScreenDesign) and design.n_secured < design.before.n_latents:
        most = plural(design.most_disentangled, "latent")
        if design.optimal:
            return f"No allowed actions recover more than {most} (proved)."
        return f"Allowed actions recover at most {most} (proved); this design achieves {design.n_secured:,}."
    unit = "action" if _by_count(design) else ""
    bound = plural(round(design.lower_bound), unit) if unit else f"a cost of {design.lower_bound:g}"
    if design.optimal:
        return f"Any such design needs at least {bound} (proved), so this one is optimal."
    return f"Any such design needs at least {bound} (proved): the gap is {design.gap:.1%}."


def show_design(name: str, design: Design) -> RenderableType:
    """Return headline, proved bounds, new actions, pairs that stay entangled, and the note on influence."""
    style = "bold green" if design.complete else "bold yellow"
    mark = "✓" if design.complete else "◑"
    parts: list[RenderableType] = [
        Line(f"{name}: {design.before.graph!r}", style="dim"),
        Line(f"{mark} {headline(design)}", style=style),
    ]
    if design.n_pairs:
        parts.append(Line(proof(design)))
    if design.actions:
        parts += [Line(""), _table(design)]
    if len(design.actions) > _MAX_ROWS:
        parts.append(Line("More actions are not shown; --json lists all.", style="dim"))
    parts += [Line(line) for line in _reservations(design)]
    if design.actions:
        parts += [Line(""), Line(design.influence_note, style="italic")]
    return Group(*parts)


def _by_count(design: Design) -> bool:
    return design.free or all(action.cost == 1 for action in design.actions)


def _table(design: Design) -> Table:
    has_costs = not _by_count(design)
    table = Table(header_style="bold")
    for column, justify in (
        ("new action", "left"),
        ("targets", "left"),
        ("cost", "right"),
        ("pairs", "right"),
    ):
        if column != "cost" or has_costs:
            table.add_column(column, justify=justify, overflow="fold")  # type: ignore[arg-type]
    for action in design.actions[:_MAX_ROWS]:
        cells = [action.name, listed(action.targets, 12), f"{action.cost:g}", f"{action.n_pairs:,}"]
        # Line and not str, because square brackets in a name are not markup
        table.add_row(*(Line(cell) for k, cell in enumerate(cells) if k != 2 or has_costs))
    return table


def _reservations(design: Design) -> list[str]:
    lines: list[str] = []
    if design.excluded:
        name, reason = next(iter(design.excluded.items()))
        lines.append(
            f"{plural(len(design.excluded), 'candidate')} not allowed, for instance {name}: {reason}."
        )
    if design.unseparable:
        lines.append(f"No allowed action separates {plural(len(design.unseparable), 'pair')}:")
        groups = _by_reason(design)
        lines += [f"  {i} from {listed(others)}: {reason}" for i, reason, others in groups[:_MAX_REASONS]]
        if len(groups) > _MAX_REASONS:
            lines.append("  More pairs are not shown; --json lists all.")
    if isinstance(design, ScreenDesign):
        return lines + _losses(design)
    if design.fragile:
        i, j = design.fragile[0]
        lines.append(
            f"Only one candidate separates {plural(len(design.fragile), 'pair')}, for instance {i} from {j}: "
            "the design does not survive its loss."
        )
    elif design.robust and design.actions and not design.limited:
        lines.append(
            "Two new actions separate each separated pair, so the design survives the loss of any one."
        )
    return lines


def _losses(design: ScreenDesign) -> list[str]:
    """Return in a line what the loss of a new action does."""
    if design.fragile:
        i, j = design.fragile[0]
        n_pairs = plural(len(design.fragile), "pair")
        return [f"The loss of a new action may entangle {n_pairs}, for instance {i} with {j}."]
    if design.robust and design.actions and design.complete:
        return ["Joint influence survives the loss of any one new action."]
    return []


def _by_reason(design: Design) -> list[tuple[str, str, list[str]]]:
    """Group the unseparable pairs by latent and reason; return latent, reason and the other latents."""
    groups: dict[tuple[str, str], list[str]] = {}
    for (i, j), reason in zip(design.unseparable, design.reasons, strict=True):
        groups.setdefault((i, reason), []).append(j)
    return [(i, reason, others) for (i, reason), others in groups.items()]
