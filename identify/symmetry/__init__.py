"""Symmetries of a causal graph: the permutations of its latents that preserve both matrices, and a canonical order.

Actions keep their identity, so a causal graph is a directed graph on the latents alone, in which the colour of a latent
stands for its actions and its self-loop.

============  =====================================================================
module        contents
============  =====================================================================
``coloured``  causal graphs as coloured directed graphs; colour refinement
``folding``   interchangeable vertices ("twins") and pendants, merged before the search
``engines``   igraph's BLISS, or the search in Python if igraph is not installed
``search``    individualisation and refinement in Python
``chain``     stabiliser chains, which enumerate a group
``group``     `SymmetryGroup`: order, generators, orbits, elements, canonical order
``matching``  isomorphisms under constraints on the images of latents
============  =====================================================================
"""

from __future__ import annotations

from identify.symmetry.coloured import Colour, ColouredGraph
from identify.symmetry.engines import ENGINES, Engine, default_engine
from identify.symmetry.group import SymmetryGroup
from identify.symmetry.matching import find_isomorphism

__all__ = [
    "ENGINES",
    "Colour",
    "ColouredGraph",
    "Engine",
    "SymmetryGroup",
    "default_engine",
    "find_isomorphism",
]
