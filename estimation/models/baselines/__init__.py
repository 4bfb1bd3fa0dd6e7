"""Baselines: seven methods without a causal graph, behind the interface of the sparse VAE.

They share networks, optimiser, data and evaluation with it; only the method differs. `estimation.training.fit` trains
them when it is given a `BaselineConfig`.

========================  ==================================================================
module                    contents
========================  ==================================================================
``encoders``              the base class; the random and the supervised encoder
``variational``           VAE, beta-TCVAE, iVAE and SlowVAE
``temporal_differences``  the prior of SlowVAE
``contrastive``           permutation-contrastive learning (PCL)
``rotation``              linear maps of the latents that minimise a method's own loss
``ica``                   FastICA, safe to run in several threads
========================  ==================================================================
"""
