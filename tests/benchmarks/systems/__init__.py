"""Systems that nobody here wrote: data of packages from PyPI, and what is predicted and found on them.

=================  ==============================================================================
module             contents
=================  ==============================================================================
``gene_network``   counts of genes whose regulators are hidden and perturbed (sergio-scSim)
``gene_cells``     the network of these genes, and its cells
``sergio_driver``  the program that runs SERGIO in a process of its own
=================  ==============================================================================
"""
