"""Engines that compute automorphisms and a canonical order of a coloured directed graph.

igraph's BLISS (Junttila and Kaski 2007) is fast, respects edge directions and colours (which encode loops and actions),
counts exactly, and has wheels for CPython on Linux, macOS and Windows. nauty, through pynauty, offers the same but has
fewer wheels (none for Windows) and counts in floating point; the tests compare BLISS with it. If igraph is not
installed, the slower search in `identify.symmetry.search` takes its place. Both are exact. Their canonical orders
differ, so canonical forms are comparable only if the same version of the same engine computes them.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, cached_property
from importlib.util import find_spec
from typing import Any, Protocol

from identify.exceptions import RequestError
from identify.symmetry.coloured import ColouredGraph, number_colours
from identify.symmetry.search import Search

__all__ = ["ENGINES", "Engine", "EngineResult", "default_engine"]


class EngineResult(Protocol):
    """The result of an engine for one graph."""

    @property
    def order(self) -> list[int]:
        """Canonical order: position -> vertex, with colours in sorted order."""
        ...

    @property
    def generators(self) -> list[list[int]]:
        """Generators of the automorphism group, as images of 0, 1, ...."""
        ...

    @property
    def n_automorphisms(self) -> int | None:
        """The exact number of automorphisms; None if the engine can't report it."""
        ...


class Engine(Protocol):
    """A function that returns the result for a graph."""

    def __call__(self, graph: ColouredGraph) -> EngineResult: ...


@dataclass(frozen=True)
class Bliss:
    """The result of BLISS, through igraph."""

    graph: ColouredGraph

    @cached_property
    def order(self) -> list[int]:
        permutation: list[int] = self._igraph.canonical_permutation(color=self._colours)
        if _returns_positions():
            return sorted(range(len(permutation)), key=permutation.__getitem__)
        return permutation

    @cached_property
    def generators(self) -> list[list[int]]:
        generators: list[list[int]] = self._igraph.automorphism_group(color=self._colours)
        return generators

    @cached_property
    def n_automorphisms(self) -> int | None:
        try:
            return int(self._igraph.count_automorphisms(color=self._colours))
        except ValueError:
            # igraph passes the number as decimal digits, of which Python parses at most some thousand
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
def _returns_positions() -> bool:
    """Return whether igraph returns the position of each vertex rather than the vertex at each position.

    The documentation says the former; version 1.0 does the latter. Three colours in a cycle distinguish the two.
    """
    import igraph

    permutation: list[int] = igraph.Graph(3, directed=True).canonical_permutation(color=[1, 2, 0])
    return permutation == [1, 2, 0]


#: The engines by name.
ENGINES: dict[str, Engine] = {"igraph": Bliss, "python": Search}


def default_engine() -> str:
    """Return ``"igraph"`` if it is installed, otherwise ``"python"``."""
    return "igraph" if find_spec("igraph") else "python"


def get_engine(name: str | None) -> Engine:
    """Return the engine with the given name, or the default engine.

    Raises:
        RequestError: If there is no such engine.
    """
    name = name or default_engine()
    if name not in ENGINES:
        raise RequestError(f"there is no engine {name!r}; engines are {', '.join(ENGINES)}")
    return ENGINES[name]
