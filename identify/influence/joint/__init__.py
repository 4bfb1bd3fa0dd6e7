"""Joint influence: whether the true latents are the sparsest basis, all actions taken together.

Sufficient influence of every action is sufficient for disentanglement, not necessary. A learned latent along the
direction w of the latent space needs one edge for every action that moves w, so a model with the sparsest graph is
a basis of the latent space of least total weight,

    weight(w) = number of actions l with w^T S_l != 0,     S_l = the span of what action l does,

a minimum-weight basis of a linear matroid. The true latents are a sparsest basis iff every w weighs at least as much
as each latent in its support; they are the only one, up to order and scale, iff every w with two or more latents weighs
more. (Ours, docs/theory.md.)

================  ================================================================================
module            contents
================  ================================================================================
``numbers``       `check_joint`: effects that are numbers
``mechanisms``    `check_joint_mechanisms`: densities, at values of the latents
``generic``       `check_joint_generic`: generic effects on the edges of a graph
``counting``      which latents can share a light direction, by flows
``expansion``     on/off interventions: sets of latents that too few actions touch, by minimum cuts
``screens``       on/off interventions: the answer for a graph of any size
``forests``       the largest set of actions that a direction with a given support cancels
``supports``      light directions of generic effects, by their supports
``fields``        linear algebra over rationals, integers modulo a prime, and floating point
``light``         all light directions with a given latent: an exhaustive search
``batches``       the same search for many small subspaces at once
``sparsest``      a sparsest basis, by exchanges, and the entanglement that sparsest bases allow
``minors``        nonzero minors modulo a prime: enough actions touch every set of latents
``heavier``       minors that exclude the directions of a latent and its rivals
``certificates``  certificates that can be verified
``answers``       from sparsest bases to the answer
``result``        the answer
================  ================================================================================
"""

from identify.influence.joint.generic import check_joint_generic
from identify.influence.joint.mechanisms import check_joint_mechanisms
from identify.influence.joint.numbers import check_joint
from identify.influence.joint.result import Direction, JointInfluence

__all__ = ["Direction", "JointInfluence", "check_joint", "check_joint_generic", "check_joint_mechanisms"]
