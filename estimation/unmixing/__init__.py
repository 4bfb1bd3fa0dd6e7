"""The linear map of the latents that makes the learned mechanisms sparse.

A dense model finds the latents up to a nearly linear mixing (linear identifiability). What the theory says about the
rest is that the mechanisms are sparse in the right basis only: so look for that basis directly.
"""

from estimation.unmixing.likelihood import edges_at_elbow, edges_at_penalty, likelihood_curve
from estimation.unmixing.search import Unmixing, unmix

__all__ = ["Unmixing", "edges_at_elbow", "edges_at_penalty", "likelihood_curve", "unmix"]
