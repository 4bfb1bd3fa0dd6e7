"""Sufficient influence from data: numerical evidence from trained networks, and a test with calibrated errors.

============  ==================================================================================
module        contents
============  ==================================================================================
``learned``   `learned_influence`: singular values of the trained networks, without error rates
``rank``      the statistical core: a rank test of effects with estimated noise
``features``  features of an action, and covariates that stand for the other causes
``shapes``    effects beyond the mean: on variances and shapes
``joint``     joint influence, from the number of directions that each action is shown to move
``result``    `ActionInfluence` and `InfluenceTest`
``leakage``   effects on latents without an edge: what distorts latents, and what contradicts the graph
``latents``   the test of one action, for latents that are given
``held_out``  `test_influence`: the test of a trained model, with held-out data
============  ==================================================================================
"""

from estimation.influence.held_out import test_influence
from estimation.influence.leakage import EffectWithoutEdge, Leakage
from estimation.influence.learned import learned_influence
from estimation.influence.result import ActionInfluence, InfluenceTest

__all__ = [
    "ActionInfluence",
    "EffectWithoutEdge",
    "InfluenceTest",
    "Leakage",
    "learned_influence",
    "test_influence",
]
