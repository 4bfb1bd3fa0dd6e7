"""Engines that find automorphisms and a canonical order of a coloured directed graph.

igraph's BLISS (Junttila and Kaski 2007) is fast, keeps edge directions, takes colours (so loops and actions go into
those), counts exactly, and has wheels for CPython on Linux, macOS and Windows. nauty, through pynauty, does all that
too but has fewer wheels (none for Windows) and counts in floating point; the tests hold BLISS against it. Where it is
not installed the search in `identify.symmetry.search` answers, more slowly. Both are exact. Their canonical
orders differ, so canonical forms are comparable only when made by the same engine (and the same version of it).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, cached_property
from importlib.util import find_spec
from typing import Any, Protocol

from identify.exceptions import RequestError
from identify.symmetry.coloured import Coloured, number_colours
from identify.symmetry.search import Search

__all__ = ["ENGINES", "Answer", "Engine", "default_engine"]


class Answer(Protocol):
    """What an engine knows of one graph."""

    @property
    def order(self) -> list[int]:
        """Canonical order: position -> vertex; colours come in sorted order."""
        ...

    @property
    def generators(self) -> list[list[int]]:
        """Generators of the automorphism group, as images of 0, 1, ..."""
        ...

    @property
    def n_automorphisms(self) -> int | None:
        """Exact; None when the engine can't say it."""
        ...


class Engine(Protocol):
    """Makes answers."""

    def __call__(self, graph: Coloured) -> Answer: ...


@dataclass(frozen=True)
class Bliss:
    """igraph's BLISS."""

    graph: Coloured

    @cached_property
    def order(self) -> list[int]:
        found: list[int] = self._igraph.canonical_permutation(color=self._colours)
        if _answers_with_places():
            return sorted(range(len(found)), key=found.__getitem__)
        return found

    @cached_property
    def generators(self) -> list[list[int]]:
        found: list[list[int]] = self._igraph.automorphism_group(color=self._colours)
        return found

    @cached_property
    def n_automorphisms(self) -> int | None:
        try:
            return int(self._igraph.count_automorphisms(color=self._colours))
        except ValueError:
            # igraph hands the number over as decimal digits, and Python reads at most some thousands
            return None

    @cached_property
    def _igraph(self) -> Any:
        import igraph

        return igraph.Graph(self.graph.n, self.graph.edges(), directed=True)

    @cached_property
    def _colours(self) -> list[int]:
        (numbers,) = number_colours(self.graph)
        return numbers.tolist()  # type: ignore[no-any-return]


@cache
def _answers_with_places() -> bool:
    """Whether igraph answers with the place of each vertex, or with the vertex at each place.

    Its documentation says the first, version 1.0 does the second. Three colours in a cycle tell.
    """
    import igraph

    found: list[int] = igraph.Graph(3, directed=True).canonical_permutation(color=[1, 2, 0])
    return found == [1, 2, 0]


#: The engines by name.
ENGINES: dict[str, Engine] = {"igraph": Bliss, "python": Search}


def default_engine() -> str:
    """``"igraph"`` where it is installed, else ``"python"``."""
    return "igraph" if find_spec("igraph") else "python"


def engine(name: str | None) -> Engine:
    """The engine of that name, or the default one.

    Raises:
        RequestError: If there is no such engine.
    """
    chosen = name or default_engine()
    if chosen not in ENGINES:
        raise RequestError(f"there is no engine {chosen!r}; engines are {', '.join(ENGINES)}")
    return ENGINES[chosen]
