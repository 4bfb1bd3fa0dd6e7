"""The neural networks: an autoencoder with a latent transition model whose parents are learnable binary masks.

=====================  ===============================================================================================
module                 contents
=====================  ===============================================================================================
``jacobian``           Jacobians of batched functions, safe to compute in several threads
``networks``           MLPs, and trainable linear layers around user-supplied networks
``convolutional``      a convolutional encoder and decoder for small images
``principal_axes``     what an encoder reads of observations with hundreds of columns
``posterior``          q(z | x), a Gaussian with a full or diagonal covariance
``transitions``        the networks of p(z_t | z_{t-1}, a), one masked network per latent
``splines``            monotone rational-quadratic splines
``noise``              noise of p(z_t | z_{t-1}, a): spline flows whose scale and shape depend on the parents
``masks``              learnable binary masks, which define the graph
``flow``               a normalising flow on the latents, fitted after training
``conditional``        a decoder with covariates as a function of the latents
``counts``             likelihoods of counts
``missing``            missing entries of observations
``refinement``         Gauss-Newton refinement of encodings through the decoder
``representation``     the base class of all models: sizes, scales, encoding of observations
``masked_transition``  p(z_t | z_{t-1}, a) with masks: every latent depends on its own parents only
``sparse_vae``         `SparseVAE`, which combines these parts
``elbo``               the ELBO and its terms
``chunks``             a network applied to many rows
``held_out``           the ELBO on held-out data
``baselines``          the models of seven other methods
=====================  ===============================================================================================
"""
