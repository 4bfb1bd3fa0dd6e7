"""Synthetic data: the published processes, and processes with any causal graph.

=======================  ============================================================
module                   contents
=======================  ============================================================
``mechanisms``           transition functions of the latents
``decoders``             maps from latents to observations
``published_processes``  graphs and mechanisms of Lachapelle et al.
``sampling``             `simulate` and `published`, which sample a dataset
=======================  ============================================================
"""

from estimation.simulate.sampling import SPLITS, published, simulate

__all__ = ["SPLITS", "published", "simulate"]
