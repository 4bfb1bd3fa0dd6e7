"""What a trained model predicts.

================  ==================================================================================
module            contents
================  ==================================================================================
``seen_actions``  the actions of the training data, as far as a prediction needs them
``coverage``      what the learned graph says about a prediction: mechanisms that were seen, or not
``request``       the inputs of a prediction, checked
``laplace``       the posterior of the latents given some entries of an observation
``composition``   effects of actions that were never seen together, added
``priors``        the priors of the latents
``forecast``      `Forecast`: the distribution of observations under given actions
``trajectories``  trajectories under a sequence of actions
``imputation``    missing entries, filled from the posterior
``methods``       `PredictionMethods`: all of it as methods of a trained model
================  ==================================================================================
"""
