"""Diagnostics of a run: whether its basis is clear, and what its own data say against it, all without ground truth.

R near 1 and MCC below it mean that the space of the latents was found, and a wrong basis in it. The theory says that
the true basis is the sparsest one. So a run can look for a sparser or likelier basis of its own latents, and for
effects that its graph leaves out.

=====================  =========================================================================
module                 contents
=====================  =========================================================================
``edge_counts``        how many edges are true, from the probability of each
``result``             `Diagnostics`, `Margin` and `RunWarning`, and their schema
``evidence``           `Evidence`: held-out latents, effects and residuals, measured with all edges
``basis``              the margin: how much sparser and likelier the basis is than any other, and a better one
``edges``              effects without an edge, edges without an effect, and weak influence
``overlap``            whether the latents of one setting of discrete actions reach those of another
``confidence``         the probability that the true graph has each edge
``latent_confidence``  the probability that a latent mixes with no others than the graph allows
``uncertain_edges``    pairs with their confidence, and those that are least certain
``latents``            collapsed latents, and latents that are nearly the same
``fit``                reconstructions far above the noise, and residuals unlike the noise assumed
``judgement``          `judge`: from the evidence to margin, warnings and confidence
=====================  =========================================================================
"""

from estimation.diagnostics.basis import better_basis
from estimation.diagnostics.evidence import Evidence
from estimation.diagnostics.judgement import doubtful_edges, judge
from estimation.diagnostics.result import DIAGNOSTICS, Diagnostics, Margin, RunWarning

__all__ = [
    "DIAGNOSTICS",
    "Diagnostics",
    "Evidence",
    "Margin",
    "RunWarning",
    "better_basis",
    "doubtful_edges",
    "judge",
]
