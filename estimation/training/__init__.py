"""`fit`: from a dataset and a configuration to a trained model.

=========================  ==============================================================================
module                     contents
=========================  ==============================================================================
``loop``                   `fit`: the training loop, the same for all methods
``procedure``              `Procedure`: the interface between the loop and a method
``baseline_procedure``     training of a baseline
``sparse_vae_procedure``   training of the sparse VAE
``requirements``           checks of the settings against the data, and of the loss
``plan``                   stages, learning rates and the edge budget at every step
``latent_search``          the number of latents, found by short runs
``counting``               `count_latents`: the same search without training a model
``starts``                 random starts: short runs, of which the best is continued
``schedules``              learning rates as factors of the highest rate
``batches``                batches of a dataset as tensors
``leading_axes``           principal axes of observations with hundreds of columns
``count_data``             counts: what is checked of them, and what is measured before training
``optimisers``             the optimisers by name
``soap``                   SOAP for many small matrices
``optimiser_states``       stored states of optimisers, checked before they are loaded
``sparsity``               penalty, constraint, or projection onto a budget of edges
``covariate_adjustment``   latents made independent of covariates before unmixing
``encodings``              training rows, encoded once
``measured_effects``       effects and residuals, measured by networks with all edges
``unmixing_round``         change to the basis with the sparsest mechanisms, and keep the strongest edges
``nonlinear_correction``   a check of a new basis by a nonlinear correction of the latents
``distributional_change``  what actions change in distributions of latents whose means they don't move
``transition_fitting``     fitting of the transition networks to fixed encodings
``post_training``          refinement after the last step
``deep_flow``              the flow of runs whose actions change variances or shapes
``final_edges``            edges measured once more on the final latents, if their number is given
``final_count``            the number of edges, counted once more on the final latents
``edge_gains``             what missing edges would gain, one of each latent at a time
``flow_fitting``           fitting of the flow, a nonlinear correction of the latents
``gaps``                   latents that missing entries leave undetermined
``resampling``             effects measured again on resampled rows or episodes
``examination``            the evidence of the run's diagnostics, on held-out rows
``finish``                 what follows the last step, and a change of edges or basis there
``completion``             what has followed the last step, and whether a change is kept
``beyond_budget``          edges beyond the budget, removed after the last step
``snapshot``               a model as it was, where a change of it may be undone
``restarts``               whole runs, of which the best is kept
``agreement``              whether they end in the same latents
``restart_states``         finished restarts in the state of an unfinished run
``checkpointing``          the state of an unfinished run
``progress``               the progress bar
=========================  ==============================================================================
"""

from estimation.history import History, Record
from estimation.trained import TrainedModel
from estimation.training.loop import fit

__all__ = ["History", "Record", "TrainedModel", "fit"]
