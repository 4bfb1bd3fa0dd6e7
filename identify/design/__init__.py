"""Which interventions to add, so that every latent can be recovered alone.

Latent i is separated from latent j by an action that targets i and not j. What a graph leaves entangled, the
ordered pairs (i, j), i != j, with V[i, j] = 1, is what new actions must separate:

- from a list of candidates, the cheapest of them that do: a set cover, solved exactly (``cover.py``);
- with free choice, the fewest actions: latents get codes, sets of actions, none of which lies inside
  that of a latent to be told apart (``codes.py``); for latents that nothing separates these are the
  antichains of Sperner's theorem.

Separation is necessary, not sufficient: an action with several targets must also move them in enough different ways.
"""

from __future__ import annotations

from identify.design.candidate_files import read_candidates
from identify.design.candidates import Candidate
from identify.design.interventions import design_interventions
from identify.design.result import INFLUENCE, Design, Intervention

__all__ = ["INFLUENCE", "Candidate", "Design", "Intervention", "design_interventions", "read_candidates"]
