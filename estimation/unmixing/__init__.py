"""Unmixing: find the basis of the latents in which the learned mechanisms are sparsest.

A dense model identifies the latents up to a nearly linear mixing (linear identifiability). According to the theory, the
mechanisms are sparse only in the right basis, so unmixing searches for that basis directly.

=======================  ===============================================================================
module                   contents
=======================  ===============================================================================
``moments``              second and fourth moments of the effects, from which all bases are scored
``likelihood``           the likelihood of a basis and of its number of edges
``effects``              the checked input: effects in some basis, and covariances
``action_basis``         functions of the actions, for regressions on them
``distributional``       what actions change in the distribution of a direction, beyond its mean
``past_distributional``  what past latents change in it
``significance``         whether causes change distributions at all
``information``          the information of actions about directions: means and distributions together
``informed``             the same with a past, whose latents carry information as well
``directions``           the directions in which a basis is sought, and those set aside
``descent``              gradient descent from many bases on a sparsity penalty
``search``               `unmix`, the search over bases
``rivals``               `rival_bases`: a given basis against the others that a search finds
=======================  ===============================================================================
"""

from estimation.unmixing.information import Samples
from estimation.unmixing.likelihood import TOGETHER, edges_at_elbow, edges_at_penalty, likelihood_curve
from estimation.unmixing.rivals import Basis, Rivals, left_open, mixed_latents, rival_bases
from estimation.unmixing.search import Unmixing, moves_all_means, unmix

__all__ = [
    "TOGETHER",
    "Basis",
    "Rivals",
    "Samples",
    "Unmixing",
    "edges_at_elbow",
    "edges_at_penalty",
    "left_open",
    "likelihood_curve",
    "mixed_latents",
    "moves_all_means",
    "rival_bases",
    "unmix",
]
