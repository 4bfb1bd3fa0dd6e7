"""Training of sparse models on data, and comparison of what they have learned with the theory.

Needs the extra ``mechsparse[estimation]``. Every entry may import those above it.

========================  ============================================================================================
module                    contents
========================  ============================================================================================
``exceptions``            errors in data, a configuration, a run or a saved model
``arithmetic``            numpy's floating-point error handling, set to its defaults
``device``                device, threads and modes of torch
``config``                frozen settings with checked values: `TrainingConfig`, `BaselineConfig`
``dataset``               `Dataset`, and readers of arrays, tables and images
``simulate``              synthetic data with known graphs and latents
``metrics``               MCC, R, R_con, SHD and DCI
``storage``               folders of tensors and JSON, replaced as a whole
``latent_count``          how many latents the data ask for, with the numbers that were tried
``history``               records and notes of training
``models``                the networks, the sparse VAE and its ELBO, and the baselines' models
``methods``               the registry: which model belongs to which settings
``unmixing``              the linear map that makes the learned mechanisms sparse
``diagnostics``           whether a run kept the promise: margin of its basis and warnings
``stored_columns``        names, roles and centring of the columns of a saved model
``trained``               `TrainedModel`: the result of training
``training``              `fit`, for all methods
``baselines``             `fit` and `BaselineConfig` for the baselines, in one import
``checkpoint``            `load`: a saved model of any method
``estimator_parameters``  parameters of the scikit-learn estimator as settings of a run
``estimator``             the same training as a scikit-learn estimator
``learned``               the entanglement that a model has learned
``influence``             numerical evidence for sufficient influence, from a trained model
``evaluation``            all scores of a model, and verification of several runs
``selection``             how sparse the graph should be, from runs with several settings and seeds
``sweep``                 many runs from one file, on one machine or a cluster
``reproduction``          the published table, next to our scores
``plot``                  figures
``report``                tables on a terminal and HTML pages
``commands``              the whole command line
========================  ============================================================================================

This file contains no code; see `identify`.
"""
