"""Synthetic data: the published processes, processes with any causal graph, and any conditional densities.

=======================  ============================================================
module                   contents
=======================  ============================================================
``mechanisms``           means and variances of latents, as functions of arrays
``log_densities``        log-densities in sympy -> functions of arrays
``panels``               adaptive quadrature of many densities at once
``quantiles``            their inverse cumulative distribution functions
``densities``            latents sampled from any conditional densities
``decoders``             maps from latents to observations
``published_processes``  graphs and mechanisms of Lachapelle et al.
``actions``              actions of the samples
``sampling``             `simulate` and `published`, which sample a dataset
=======================  ============================================================
"""

from estimation.simulate.sampling import SPLITS, published, simulate

__all__ = ["SPLITS", "published", "simulate"]
