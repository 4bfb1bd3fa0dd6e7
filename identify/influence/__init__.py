"""Decide sufficient influence: whether each cause moves its children in enough different ways.

Write q for the conditional density of z^t and c for its conditions.

ACTIONS. h_l(z, c) = d/da_l grad_z log q is supported on Ch(l). Sufficient influence requires that, for almost every z,
the vectors h_l(z, c) for all values of c span all vectors supported there. Equivalently, the functions
c -> h_{l,i}(z, c), i in Ch(l), must be linearly independent. For an action with finitely many values, the difference
between two values, all else equal, takes the place of the derivative.

PAST. H(z, c) = d/dz^t d/dz^s log q is supported on G^z. The matrices with z^t = z^s = z must span all matrices
supported there. In an exponential family with one sufficient statistic per latent, any past values may be combined, and
the derivatives of the natural parameters must be independent.

Every answer carries a certificate that can be verified:

=============  =======================================================================================
module         contents
=============  =======================================================================================
``check``      `check_influence`: decide all causes in turn
``actions``    sufficient influence of one action
``past``       sufficient influence of the past, and sufficient variability
``functions``  linear independence with the values of discrete actions substituted
``report``     the answers and the report
``files``      `read_influence`: a report from JSON
``isolated``   `decide_file`: decide a file of mechanisms in a process of its own, within a time limit
``worker``     the code of that process
``messages``   the messages between the two processes
``joint``      joint influence: whether the true latents are the sparsest basis, all actions taken together
=============  =======================================================================================

(Lachapelle et al., arXiv 2401.04890, the assumptions of sufficient influence of actions, continuous and discrete, and
of temporal dependencies; the exponential case with linear identifiability after Lachapelle et al. 2022, arXiv
2107.10098.)
"""

from identify.influence.check import check_influence
from identify.influence.files import read_influence
from identify.influence.joint import (
    Direction,
    JointInfluence,
    check_joint,
    check_joint_generic,
    check_joint_mechanisms,
)
from identify.influence.report import FAMILIES, Influence, InfluenceReport, Influences, Status

__all__ = [
    "FAMILIES",
    "Direction",
    "Influence",
    "InfluenceReport",
    "Influences",
    "JointInfluence",
    "Status",
    "check_influence",
    "check_joint",
    "check_joint_generic",
    "check_joint_mechanisms",
    "read_influence",
]
