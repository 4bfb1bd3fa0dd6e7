"""The promise-kept benchmark: do runs with default settings find what the theory promises, and do they say when not?

================  ==================================================================
module            contents
================  ==================================================================
``functions``     random functions of a latent's parents
``problems``      random problems, by number
``light_tunnel``  a simulated light tunnel with sensors and a camera
``run``           the runs, whether they kept the promise, and whether they warned
``truth``         what is true of the latents of a model
``variants``      examined runs in a wrong basis, or with a wrong number of edges
``calibrate``     the confidence in edges and latents, fitted and judged
``latent_count``  whether the number of latents is found, and what superfluous ones cost
================  ==================================================================
"""
