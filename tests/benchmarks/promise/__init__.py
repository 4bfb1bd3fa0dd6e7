"""The promise-kept benchmark: do runs with default settings find what the theory promises, and do they say when not?

================  ==================================================================
module            contents
================  ==================================================================
``functions``     random functions of a latent's parents
``problems``      random problems, by number
``light_tunnel``  a simulated light tunnel with sensors and a camera
``run``           the runs, whether they kept the promise, and whether they warned
``latent_count``  whether the number of latents is found, and what superfluous ones cost
================  ==================================================================
"""
