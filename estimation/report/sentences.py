"""The sentences of a report, said once for the terminal and the page."""

from __future__ import annotations

__all__ = ["BETWEEN_MODELS", "CAUTION", "ENTANGLEMENT", "NO_GRAPH", "SCORES", "TRUST", "UNKNOWN"]

SCORES = (
    "MCC: mean correlation of each true latent with the learned one matched to it. R: multiple correlation of each "
    "true latent with all learned ones. R_con: with those only that the prediction allows; consistency shows as R_con "
    "near R, complete disentanglement as MCC near R. SHD: edges missing or extra in the learned graph. "
    "Held out: fitted on one half of the rows, scored on the other."
)
ENTANGLEMENT = (
    "A latent mixes with another when the learned latent matched to that other one enters it. The prediction says what "
    "may mix in the worst case: less is better than guaranteed, more contradicts the prediction, its assumptions or "
    "the training."
)
BETWEEN_MODELS = (
    "Nothing is known of the truth here. If both models found it, then each latent of the first model is a function of "
    "those latents of the second only that the first model's own graph allows. Agreement is evidence, not proof: two "
    "models may be wrong in the same way."
)
TRUST = (
    "The run with the best held-out ELBO is held against every other one. If both found the truth, a latent depends on "
    "those latents of the other run only that the learned graph lets it mix with. What all runs confirm is what the "
    "theory promises; a contradiction says that one of the two is wrong there. Agreement is evidence, not proof."
)
UNKNOWN = (
    "The data hold no true latents, so there is nothing to score against. "
    "'mechsparse verify' holds several models against each other."
)
NO_GRAPH = "{method} is a baseline: it learns no graph, and theory predicts nothing of its latents."
CAUTION = "Edges are the strongest within the budget, not tested one by one; other budgets give other graphs."
