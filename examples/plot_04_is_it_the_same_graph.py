"""
Is the learned graph the true one?
==================================

A model has no names for its latents, so it learns the graph up to their order. The consistency class answers two
questions: is a learned graph the true one in another order, and does the theory allow the measured entanglement?
"""

import numpy as np
from matplotlib import pyplot as plt

from identify.catalog import load
from identify.consistency import consistency_class, consistent
from identify.graph import CausalGraph
from identify.plot import plot_matrix

# %%
# TimeBlockNonDiag is one of the published data sets, with five pairs of latents. How many graphs equal it up to the
# order of the latents?
true = load("TimeBlockNonDiag")
graphs = consistency_class(true)
print(graphs.n_graphs, "graphs;", graphs.n_automorphisms, "permutations keep the graph")

# %%
# Suppose that a model learned this graph. It looks different; is it?
learned = CausalGraph(Gz=true.permute([3, 8, 0, 6, 2, 5, 9, 1, 7, 4]).Gz)
figure, axes = plt.subplots(1, 2, figsize=(9, 5), layout="constrained")
plot_matrix(true, ax=axes[0])
axes[0].set_title("true")
plot_matrix(learned, ax=axes[1])
axes[1].set_title("learned")
print(learned in graphs)

# %%
# It is in the class. This order of the true latents gives it (others do too, since pairs are interchangeable):
order = graphs.permutation_to(learned)
print(order, true.permute(order) == learned)

# %%
# The graph is right; are the latents? Suppose that we measured the Jacobian of the entanglement map: rows are true
# latents, columns learned ones. Every latent is mixed with its twin, which the theory allows.
match = np.argsort(order)
mixed_within_pairs = np.kron(np.eye(5, dtype=bool), np.ones((2, 2), dtype=bool))
dependency = np.zeros((10, 10), dtype=bool)
dependency[:, match] = mixed_within_pairs
print(consistent(true, learned, dependency))

# %%
# Next, one true latent depends on a learned latent that belongs to another pair. The graph alone would not show it.
dependency[0, match[4]] = True
print(consistent(true, learned, dependency))
