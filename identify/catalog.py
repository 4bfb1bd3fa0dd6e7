"""Named graphs with their source: the published synthetic ones, textbook cases, and real networks.

Small entries carry an expected answer that was written by hand from the criterion, never computed by this
package; the tests hold the package against it. The real networks are published Boolean models of gene
regulation and signalling, and the interventions of Sachs et al.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from identify.exceptions import RequestError, UnknownNameError
from identify.graph import CausalGraph

__all__ = ["GROUPS", "Entry", "Expected", "entry", "load", "names"]

GROUPS = ("published", "textbook", "real")

_FILES = ("published.json", "textbook.json", "cell_collective.json", "sachs.json")
# beside this file rather than a package resource: see the note on the name in identify/__init__.py
_FOLDER = Path(__file__).with_name("data")


@dataclass(frozen=True)
class Expected:
    """The answer written by hand, with all that the graph has (actions and past).

    Attributes:
        complete: Whether complete disentanglement is guaranteed.
        blocks: The blocks as tuples of names, ordered by their first latent.
        entangled: For each latent that is not disentangled, the names that it stays entangled with.
    """

    complete: bool
    blocks: tuple[tuple[str, ...], ...]
    entangled: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True)
class Entry:
    """A graph of the catalogue.

    Attributes:
        name: Unique in the catalogue.
        group: ``"published"``, ``"textbook"`` or ``"real"``.
        graph: The causal graph.
        description: What it shows; may be empty.
        source: Where it comes from.
        licence: Under which terms.
        note: What a reader should know before citing it; may be empty.
        expected: The hand-written answer, None for the larger real networks.
    """

    name: str
    group: str
    graph: CausalGraph
    description: str
    source: str
    licence: str
    note: str
    expected: Expected | None


def load(name: str) -> CausalGraph:
    """The graph of that name.

    Args:
        name: As in `names`; case, spaces and punctuation don't count.

    Raises:
        UnknownNameError: If there is none; the text suggests the closest.

    Example:
        >>> load("ActionBlockDiag")
        CausalGraph(10 latents, 5 actions, 10 edges: 10 from actions, 0 from the past)
    """
    return entry(name).graph


def names(group: str | None = None) -> tuple[str, ...]:
    """Names of all entries, or of one group: ``"published"``, ``"textbook"`` or ``"real"``.

    Raises:
        RequestError: If there is no such group.

    Example:
        >>> names("published")[:2]
        ('ActionDiag', 'ActionNonDiag')
    """
    if group is not None and group not in GROUPS:
        raise RequestError(f"there is no catalogue group {group!r}; groups are {', '.join(GROUPS)}")
    return tuple(found.name for found in _entries().values() if group in (None, found.group))


def entry(name: str) -> Entry:
    """The whole entry of that name: graph, source, licence and expected answer.

    Raises:
        UnknownNameError: If there is none; the text suggests the closest.

    Example:
        >>> entry("identical twins").expected.blocks
        (('left', 'right'), ('other',))
    """
    found = _entries().get(_key(name))
    if found is None:
        raise UnknownNameError(f"the catalogue has no graph {name!r}; {_closest(name)}")
    return found


@cache
def _entries() -> Mapping[str, Entry]:
    found = [record for file in _FILES for record in _read(_FOLDER / file)]
    return MappingProxyType({_key(record.name): record for record in found})


def _read(path: Path) -> list[Entry]:
    content = json.loads(path.read_text(encoding="utf-8"))
    return [_parse(record, content) for record in content["entries"]]


def _parse(record: dict[str, Any], head: dict[str, Any]) -> Entry:
    if "edges" in record:
        graph = CausalGraph.from_edges(record["edges"], record["latents"], record["actions"])
    else:
        graph = CausalGraph(record.get("Gz"), record.get("Ga"), record.get("latents"))
    return Entry(
        name=record["name"],
        group=head["group"],
        graph=graph,
        description=record.get("description", ""),
        source=head["source"],
        licence=head["licence"],
        note=head["note"],
        expected=_parse_expected(record["expected"]) if "expected" in record else None,
    )


def _parse_expected(record: dict[str, Any]) -> Expected:
    entangled = {name: tuple(others) for name, others in record["entangled"].items()}
    blocks = tuple(tuple(block) for block in record["blocks"])
    return Expected(record["complete"], blocks, MappingProxyType(entangled))


def _key(name: str) -> str:
    return "".join(letter for letter in name.casefold() if letter.isalnum())


def _closest(name: str) -> str:
    from difflib import get_close_matches

    keys = {_key(known): known for known in names()}
    close = get_close_matches(_key(name), keys, n=3)
    if close:
        return f"did you mean {' or '.join(repr(keys[key]) for key in close)}?"
    return "'mechsparse catalog' lists them"
