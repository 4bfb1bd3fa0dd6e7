"""Design of interventions: which actions to add so that every latent can be recovered alone.

An action separates latent i from latent j if it targets i and not j. The new actions must separate the pairs that the
graph leaves entangled, that is, the ordered pairs (i, j), i != j, with V[i, j] = 1. There are two problems:

- With a list of candidates, choose the cheapest candidates that separate all pairs. This is a set cover (``cover.py``).
- With free choice of targets, use the fewest actions. Each latent gets a code, the set of actions that target it, and
  the code of i must not be contained in the code of j (``codes.py``). If the graph separates nothing, the codes form an
  antichain, and Sperner's theorem gives the number of actions.

Separation is necessary, not sufficient: an action with several targets must also move them in enough different ways.
Interventions that are on or off don't. For them the design asks for joint influence (``screens.py``), for which
separation is necessary as well: if the code of i is contained in that of j, some combination of i and j moves no more
actions than j.

===================  =============================================================
module               contents
===================  =============================================================
``prices``           exact prices
``candidates``       `Candidate`: candidates, checked against the graph
``candidate_files``  candidates from files
``demand``           the pairs to separate, and how often candidates separate them
``greedy``           greedy covers
``subsets``          enumeration of few candidates
``cover``            set covers by integer programming
``partial``          the best choice within a budget
``blocks``           the latents that need codes
``bounds``           bounds on the number of actions
``codes``            codes by construction
``exact_codes``      codes by integer programming
``free``             the search for codes
``result``           `Design` and its interventions
``screens``          on/off interventions: what joint influence lacks, and lower bounds
``shift_search``     on/off interventions by greedy search
``shift_cover``      on/off candidates by integer programming
``shifts``           on/off interventions, assembled into a design
``screen_result``    `ScreenDesign`
``interventions``    `design_interventions`
===================  =============================================================
"""

from __future__ import annotations

from identify.design.candidate_files import read_candidates
from identify.design.candidates import Candidate
from identify.design.interventions import design_interventions
from identify.design.result import INFLUENCE, Design, Intervention
from identify.design.screen_result import ScreenDesign

__all__ = [
    "INFLUENCE",
    "Candidate",
    "Design",
    "Intervention",
    "ScreenDesign",
    "design_interventions",
    "read_candidates",
]
