"""Learned entanglement: which learned latents enter each true latent of a trained model.

The entanglement map v takes learned latents to true ones: v = f^(-1) o f_hat for decoders f (true) and f_hat
(learned). The entanglement graph has an edge (i, j) where dv_i/dz_hat_j is not zero everywhere (Lachapelle et al.,
arXiv 2401.04890, the definitions of entanglement maps and graphs). A trained model is never exact, so this package
measures *strengths*, and an edge is an entry that is strong enough. The method depends on what is known:

==============  ===============  ==================================================================================
method          needs            measures
==============  ===============  ==================================================================================
``jacobian``    true decoder     the Jacobian Dv = pinv(Df(z)) Df_hat(z_hat)
``regression``  true latents     how much worse z_i is predicted from z_hat if z_hat_j is permuted
``models``      a second model   v_AB = encoder_A o decoder_B, where model B takes the place of the truth
==============  ===============  ==================================================================================

Strengths have no unit. If v is linear, they are ``|dv_i/dz_hat_j| std(z_hat_j) / std(z_i)`` with all three methods, so
that one threshold serves all. Otherwise they are the root mean square of that expression, as far as neighbouring points
agree on it: a network's own roughness is not entanglement.

===============  =================================================================
module           contents
===============  =================================================================
``points``       the sample of points at which entanglement is measured
``derivatives``  strengths from Jacobians: through the true decoder or two models
``regression``   strengths from a regression of the true latents
``result``       `LearnedEntanglement`: strengths, graph and matching
``measure``      `learned_entanglement`, which chooses the method
===============  =================================================================
"""

from estimation.learned.measure import learned_entanglement
from estimation.learned.result import METHODS, LearnedEntanglement, Method

__all__ = ["METHODS", "LearnedEntanglement", "Method", "learned_entanglement"]
