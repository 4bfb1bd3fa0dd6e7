"""What a trained model says about columns, conditions and combinations of actions; none of it needs ground truth.

================  ================================================================================================
module            contents
================  ================================================================================================
``sample``        latents to evaluate the model at: encoded rows of data, or draws from the stored distribution
``columns``       how much every observed column changes with every latent
``settings``      one setting of every action, and the control that the settings are compared with
``conditions``    the latents under each condition: encoded rows, or the model's prediction
``combinations``  predictions for single actions and pairs, and what the training data cover of them
================  ================================================================================================
"""

from __future__ import annotations

from estimation.results.columns import ColumnEffects, column_effects
from estimation.results.combinations import Change, Combination, Combinations, predict_combinations
from estimation.results.conditions import LatentConditions, latents_by_condition, predicted_latents
from estimation.results.sample import LatentSample, latent_sample

__all__ = [
    "Change",
    "ColumnEffects",
    "Combination",
    "Combinations",
    "LatentConditions",
    "LatentSample",
    "column_effects",
    "latent_sample",
    "latents_by_condition",
    "predict_combinations",
    "predicted_latents",
]
