"""Which learned latents enter each true latent: the entanglement graph of a trained model.

The entanglement map v takes learned latents to true ones: v = f^(-1) o f_hat for decoders f (true) and f_hat
(learned), and the entanglement graph has an edge (i, j) where dv_i/dz_hat_j is not zero everywhere (Lachapelle et al.,
arXiv 2401.04890, the definitions of entanglement maps and graphs). A trained model is never exact, so *strengths* are
measured here, and an edge is one that is strong enough. Three ways, by what is known::

    jacobian     the true decoder: Dv = pinv(Df(z)) Df_hat(z_hat)
    regression   the true latents only: how well z_i can be predicted from z_hat, and what losing z_hat_j costs
    models       nothing: a second model B takes the place of the truth, v_AB = encoder_A o decoder_B

Strengths have no unit. Where v is linear they are ``|dv_i/dz_hat_j| std(z_hat_j) / std(z_i)`` in all three, so that
one threshold serves all. Where it is not, they are the root mean square of that, as far as neighbouring points agree on
it: a network's own roughness is no entanglement.
"""

from estimation.learned.measure import learned_entanglement
from estimation.learned.result import METHODS, LearnedEntanglement, Method

__all__ = ["METHODS", "LearnedEntanglement", "Method", "learned_entanglement"]
