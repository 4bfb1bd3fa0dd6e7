"""The networks: an autoencoder whose latents have a transition model with learnable masks.

==================  ==========================================================================
module              what it holds
==================  ==========================================================================
``jacobian``        Jacobians of batched functions, safe to compute in several threads
``networks``        MLPs, and a linear skip connection beside a network of the user's
``convolutional``   a convolutional encoder and decoder for small images
``posterior``       q(z | x), Gaussian with a full or diagonal covariance
``transitions``     p(z_t | z_{t-1}, a), one masked network per latent, evaluated at once
``masks``           learnable binary masks: the graph
``flow``            an invertible map of the latents, fitted after training
``refinement``      Gauss-Newton steps that bring encodings in line with the decoder
``representation``  what all models share: sizes, scales, encoding of observations
``sparse_vae``      `SparseVAE`, which joins these
``elbo``            the ELBO and its terms
==================  ==========================================================================
"""
