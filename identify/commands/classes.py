"""``mechsparse classes``: the graphs that differ from a given one by the names of the latents only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from identify.commands.options import AsJson, Form, Graph, UseWhat, print_json, say
from identify.commands.sources import Source, complete_graph, read_one, reading_of, tell

if TYPE_CHECKING:
    from identify.consistency import ConsistencyClass
    from identify.graph import CausalGraph

__all__ = ["classes"]


def classes(
    graph: Graph,
    other: Annotated[
        str | None,
        typer.Argument(
            metavar="OTHER",
            help="Is this graph in the class?",
            autocompletion=complete_graph,
            show_default=False,
        ),
    ] = None,
    using: UseWhat = None,
    as_json: AsJson = False,
    form: Form = None,
) -> int:
    """Describe the consistency class of a graph: all graphs that differ by the names of the latents.

    Prints how many there are and which latents are interchangeable. With OTHER: whether it is one of them,
    and which of its latents match (exit code 1 when it is not).

    \b
    Examples:
      mechsparse classes TimeBlockDiag
      mechsparse classes true.json learned.json
    """
    from identify.consistency import consistency_class
    from identify.neighbourhoods import restricted

    source = read_one(graph, form)
    mine = restricted(source.graph, using)
    found = consistency_class(mine)
    if not as_json:
        tell([source])
    if other is None:
        _describe(source, found, as_json)
        return 0
    second = read_one(other, form)
    if not as_json:
        tell([second])
    theirs = second.graph if using is None else restricted(second.graph, using)
    order = found.permutation_to(theirs)
    matches = None if order is None else _matches(mine, theirs, order.tolist())
    _compare(source, second, matches, found.n_automorphisms, as_json)
    return int(matches is None)


def _describe(source: Source, found: ConsistencyClass, as_json: bool) -> None:
    if as_json:
        print_json({"graph": source.name, **reading_of(source), **found.to_dict()})
        return
    latents = found.graph.latents
    say(f"{source.name}: {found.graph!r}")
    say(f"{_count(found.n_graphs)} in the class; {_count(found.n_automorphisms)} permutations keep the graph")
    groups = [", ".join(latents[i] for i in orbit) for orbit in found.orbits if len(orbit) > 1]
    if groups:
        say("Interchangeable latents:")
        say(*(f"  {group}" for group in groups))
    else:
        say("No two latents are interchangeable.")


def _count(number: int) -> str:
    digits = str(number) if number < 10**18 else ""
    return f"{number:,}" if digits else f"about 10^{_log10(number)}"


def _log10(number: int) -> str:
    # a float would overflow past 10^308, so scale by the number of bits first
    from math import log10

    shift = max(0, number.bit_length() - 60)
    return f"{log10(number >> shift) + shift * log10(2):.1f}"


def _matches(graph: CausalGraph, other: CausalGraph, order: list[int]) -> list[tuple[str, str]]:
    # graph.permute(order) == other, so latent i of the other graph is latent order[i] of this one
    return [(graph.latents[old], other.latents[new]) for new, old in enumerate(order)]


def _compare(
    source: Source, second: Source, matches: list[tuple[str, str]] | None, count: int, as_json: bool
) -> None:
    name, other = source.name, second.name
    record: dict[str, Any] = {
        "graph": name,
        "other": other,
        **reading_of(source),
        **reading_of(second, "other_read_as"),
        "consistent": matches is not None,
        "matches": matches,
    }
    if as_json:
        print_json({**record, "n_permutations": count if matches is not None else 0})
    elif matches is None:
        say(f"{other} is not in the class of {name}: no relabelling of the latents turns one into the other")
    else:
        say(f"{other} is in the class of {name}; {_count(count)} relabellings do it, one of them:")
        say(*(f"  {mine} = {theirs}" for mine, theirs in matches))
