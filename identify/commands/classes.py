"""``mechsparse classes``: the consistency class of a graph, and whether another graph belongs to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from identify.commands.options import AsJson, Form, Graph, UsingOption, print_json, say
from identify.commands.sources import Source, complete_graph, print_readings, read_one, reading_of

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
            help="Graph to look up in the class.",
            autocompletion=complete_graph,
            show_default=False,
        ),
    ] = None,
    using: UsingOption = None,
    as_json: AsJson = False,
    form: Form = None,
) -> int:
    """Describe the consistency class of a graph: all graphs that differ only by a permutation of the latents.

    Prints the size of the class and which latents are interchangeable. With OTHER, prints whether that graph is in the
    class and which latents match (exit code 1 if it is not).

    \b
    Examples:
      mechsparse classes TimeBlockDiag
      mechsparse classes true.json learned.json
    """
    from identify.consistency import consistency_class
    from identify.neighbourhoods import restricted

    source = read_one(graph, form)
    first_graph = restricted(source.graph, using)
    graph_class = consistency_class(first_graph)
    if not as_json:
        print_readings([source])
    if other is None:
        _describe(source, graph_class, as_json)
        return 0
    second = read_one(other, form)
    if not as_json:
        print_readings([second])
    second_graph = second.graph if using is None else restricted(second.graph, using)
    order = graph_class.permutation_to(second_graph)
    matches = None if order is None else _matches(first_graph, second_graph, order.tolist())
    _compare(source, second, matches, graph_class.n_automorphisms, as_json)
    return int(matches is None)


def _describe(source: Source, graph_class: ConsistencyClass, as_json: bool) -> None:
    if as_json:
        print_json({"graph": source.name, **reading_of(source), **graph_class.to_dict()})
        return
    latents = graph_class.graph.latents
    n_graphs, n_automorphisms = _count(graph_class.n_graphs), _count(graph_class.n_automorphisms)
    say(f"{source.name}: {graph_class.graph!r}")
    say(f"{n_graphs} in the class; {n_automorphisms} permutations keep the graph")
    groups = [", ".join(latents[i] for i in orbit) for orbit in graph_class.orbits if len(orbit) > 1]
    if groups:
        say("Interchangeable latents:")
        say(*(f"  {group}" for group in groups))
    else:
        say("No two latents are interchangeable.")


def _count(number: int) -> str:
    digits = str(number) if number < 10**18 else ""
    return f"{number:,}" if digits else f"about 10^{_log10(number)}"


def _log10(number: int) -> str:
    # floats overflow beyond 10^308, so scale by the number of bits first
    from math import log10

    shift = max(0, number.bit_length() - 60)
    return f"{log10(number >> shift) + shift * log10(2):.1f}"


def _matches(graph: CausalGraph, other: CausalGraph, order: list[int]) -> list[tuple[str, str]]:
    # graph.permute(order) == other, so latent i of the other graph is latent order[i] of this graph
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
        say(f"{other} is not in the class of {name}: no permutation of the latents turns one into the other")
    else:
        say(
            f"{other} is in the class of {name}; matching permutations of the latents: {_count(count)}, for instance"
        )
        say(*(f"  {latent} = {other_latent}" for latent, other_latent in matches))
