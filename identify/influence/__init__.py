"""Sufficient influence: does each cause move its children in enough different ways? Decided with a certificate.

Write q for the conditional density of z^t and c for what it is conditional on.

ACTIONS. h_l(z, c) = d/da_l grad_z log q is supported on Ch(l). Sufficient influence asks that for almost every z the
values of c span all vectors supported there; that is, that the functions c -> h_{l,i}(z, c), i in Ch(l), are linearly
independent. For an action with finitely many values the derivative becomes the difference between two values, all
else equal.

PAST. H(z, c) = d/dz^t d/dz^s log q is supported on G^z; the matrices with z^t = z^s = z must span all matrices
supported there. In an exponential family with one sufficient statistic a latent, any past values may be combined, and
the derivatives of the natural parameters must be independent.

(Lachapelle et al., arXiv 2401.04890, the assumptions of sufficient influence of actions, continuous and discrete, and
of temporal dependencies; the exponential case with linear identifiability after Lachapelle et al. 2022, arXiv
2107.10098.)
"""

from identify.influence.deciding import check_influence
from identify.influence.report import FAMILIES, Influence, InfluenceReport, Influences, Status

__all__ = ["FAMILIES", "Influence", "InfluenceReport", "Influences", "Status", "check_influence"]
