"""What a trained model predicts.

======================  ==============================================================================================
module                  contents
======================  ==============================================================================================
``seen_actions``        the actions of the training data, as far as a prediction needs them
``latent_marginals``    the distribution of the latents over the training data
``coverage``            what the learned graph says about a prediction: mechanisms that were seen, or not
``request``             the inputs of a prediction, checked
``mechanisms``          the distribution of the latents that the transition predicts
``emission``            the decoder and the noise of some rows
``entries``             the observed entries of some rows, and their likelihood
``generation``          the model as a map from standard normal numbers to observations
``row_sizes``           sizes of rows of counts with missing entries
``laplace``             the posterior of these numbers given some entries of an observation
``composition``         effects of actions that were never seen together, added
``units``               from standardised observations to the user's units
``forecast``            `Forecast`: the distribution of observations under given actions
``trajectories``        trajectories under a sequence of actions
``imputation``          missing entries, filled from the posterior
``explained_variance``  how much of the observations' variance few latents explain
``records``             what a trained model stores for predictions
``request_checks``      requests checked against a trained model
``methods``             `PredictionMethods`: all of it as methods of a trained model
======================  ==============================================================================================
"""
