"""Systems that nobody here wrote: data of packages from PyPI, and what is predicted and found on them.

=================  ==============================================================================
module             contents
=================  ==============================================================================
``light_tunnel``   views of a light tunnel that hide something (causalchamber)
``panels``         what screens of phosphoproteins could tell apart (cellnopt-data)
``sachs``          proteins in single cells under nine conditions (cdt)
``sprites``        images of two sprites that actions move and recolour (spriteworld)
``cart_pole``      images of a cart with a pole that a force pushes (gymnasium)
``gene_cells``     a network of genes whose regulators are hidden, and its cells (sergio-scSim)
``gene_network``   what is predicted and found on these cells
``sergio_driver``  the program that runs SERGIO in a process of its own
=================  ==============================================================================

`tests.benchmarks.promise.light_tunnel` has the formulas of the light tunnel written out once more.
"""
