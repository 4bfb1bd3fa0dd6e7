"""Symmetries of a causal graph: the permutations of its latents that change neither matrix, and a canonical order.

Because actions keep their identity, a causal graph is a directed graph on the latents alone, coloured by what
acts on each latent from outside and by its self-loop. Interchangeable latents are folded first
(`identify.symmetry.folding`); what is left goes to an engine: igraph's BLISS, or a search in Python where igraph
is not installed.
"""

from __future__ import annotations

from identify.symmetry.coloured import Colour, Coloured
from identify.symmetry.engines import ENGINES, Engine, default_engine
from identify.symmetry.group import Symmetry
from identify.symmetry.matching import find_isomorphism

__all__ = ["ENGINES", "Colour", "Coloured", "Engine", "Symmetry", "default_engine", "find_isomorphism"]
