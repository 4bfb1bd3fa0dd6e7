"""Named graphs with their sources: the published synthetic ones, textbook cases, and real networks.

Small entries have an expected answer that was derived by hand from the criterion, never computed by this package; the
tests compare the package with it. The real networks are published Boolean models of gene regulation and signalling, and
the interventions of Sachs et al.
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
# a folder next to this file, not a package resource: see the note on the name in identify/__init__.py
_FOLDER = Path(__file__).with_name("data")


@dataclass(frozen=True)
class Expected:
    """The hand-derived answer for everything that the graph has (actions and past).

    Attributes:
        complete: Whether complete disentanglement is guaranteed.
        blocks: The blocks as tuples of names, ordered by their first latent.
        entangled: For each latent that is not disentangled, the names of the latents with which it stays entangled.
    """

    complete: bool
    blocks: tuple[tuple[str, ...], ...]
    entangled: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True)
class Entry:
    """A graph of the catalogue.

    Attributes:
        name: Name of the graph, unique in the catalogue.
        group: ``"published"``, ``"textbook"`` or ``"real"``.
        graph: The causal graph.
        description: What the graph illustrates; may be empty.
        source: Citation of the source.
        licence: Licence of the graph.
        note: A caveat for those who cite the graph; may be empty.
        expected: The hand-derived answer; None for the larger real networks.
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
    """Return the graph with the given name.

    Args:
        name: A name from `names`; case, spaces and punctuation are ignored.

    Raises:
        UnknownNameError: If there is no such graph; the text suggests the closest names.

    Example:
        >>> load("ActionBlockDiag")
        CausalGraph(10 latents, 5 actions, 10 edges: 10 from actions, 0 from the past)
    """
    return entry(name).graph


def names(group: str | None = None) -> tuple[str, ...]:
    """Return the names of all entries, or of one group: ``"published"``, ``"textbook"`` or ``"real"``.

    Raises:
        RequestError: If there is no such group.

    Example:
        >>> names("published")[:2]
        ('ActionDiag', 'ActionNonDiag')
    """
    if group is not None and group not in GROUPS:
        raise RequestError(f"there is no catalogue group {group!r}; groups are {', '.join(GROUPS)}")
    return tuple(entry.name for entry in _entries().values() if group in (None, entry.group))


def entry(name: str) -> Entry:
    """Return the whole entry with the given name: graph, source, licence and expected answer.

    Raises:
        UnknownNameError: If there is no such entry; the text suggests the closest names.

    Example:
        >>> entry("identical twins").expected.blocks
        (('left', 'right'), ('other',))
    """
    match = _entries().get(_key(name))
    if match is None:
        raise UnknownNameError(f"the catalogue has no graph {name!r}; {_suggestion(name)}")
    return match


@cache
def _entries() -> Mapping[str, Entry]:
    entries = [entry for file in _FILES for entry in _read(_FOLDER / file)]
    return MappingProxyType({_key(entry.name): entry for entry in entries})


def _read(path: Path) -> list[Entry]:
    content = json.loads(path.read_text(encoding="utf-8"))
    return [_parse(record, content) for record in content["entries"]]


def _parse(record: dict[str, Any], header: dict[str, Any]) -> Entry:
    if "edges" in record:
        graph = CausalGraph.from_edges(record["edges"], record["latents"], record["actions"])
    else:
        graph = CausalGraph(record.get("Gz"), record.get("Ga"), record.get("latents"))
    return Entry(
        name=record["name"],
        group=header["group"],
        graph=graph,
        description=record.get("description", ""),
        source=header["source"],
        licence=header["licence"],
        note=header["note"],
        expected=_parse_expected(record["expected"]) if "expected" in record else None,
    )


def _parse_expected(record: dict[str, Any]) -> Expected:
    entangled = {name: tuple(others) for name, others in record["entangled"].items()}
    blocks = tuple(tuple(block) for block in record["blocks"])
    return Expected(record["complete"], blocks, MappingProxyType(entangled))


def _key(name: str) -> str:
    return "".join(character for character in name.casefold() if character.isalnum())


def _suggestion(name: str) -> str:
    from difflib import get_close_matches

    by_key = {_key(known_name): known_name for known_name in names()}
    matches = get_close_matches(_key(name), by_key, n=3)
    if matches:
        return f"did you mean {' or '.join(repr(by_key[key]) for key in matches)}?"
    return "'mechsparse catalog' lists them"
