"""
Is the learned graph the true one?
==================================

A model has no names for its latents, so it learns the graph up to their order. Whether a learned graph is the true
one in another order, and whether the entanglement that was measured is what the theory allows, are questions about the
consistency class.
"""

import numpy as np
from matplotlib import pyplot as plt

from identify.catalog import load
from identify.consistency import consistency_class, consistent
from identify.graph import CausalGraph
from identify.plot import plot_matrix

# %%
# TimeBlockNonDiag, one of the published data sets: five pairs of latents. How many graphs are the same up to the order
# of the latents?
true = load("TimeBlockNonDiag")
found = consistency_class(true)
print(found.n_graphs, "graphs;", found.n_automorphisms, "permutations keep the graph")

# %%
# A model learned this graph. It looks different; is it?
learned = CausalGraph(Gz=true.permute([3, 8, 0, 6, 2, 5, 9, 1, 7, 4]).Gz)
figure, axes = plt.subplots(1, 2, figsize=(9, 5), layout="constrained")
plot_matrix(true, ax=axes[0])
axes[0].set_title("true")
plot_matrix(learned, ax=axes[1])
axes[1].set_title("learned")
print(learned in found)

# %%
# It is in the class. This order of the true latents gives it (there are others, since pairs are interchangeable):
order = found.permutation_to(learned)
print(order, true.permute(order) == learned)

# %%
# The graph is right; are the latents? Suppose that the Jacobian of the entanglement map was measured: rows are true
# latents, columns learned ones. Here every latent is mixed with its twin, which the theory allows.
match = np.argsort(order)
mixed_within_pairs = np.kron(np.eye(5, dtype=bool), np.ones((2, 2), dtype=bool))
dependency = np.zeros((10, 10), dtype=bool)
dependency[:, match] = mixed_within_pairs
print(consistent(true, learned, dependency))

# %%
# And here one true latent depends on a learned latent that belongs to another pair. The graph alone would not show it.
dependency[0, match[4]] = True
print(consistent(true, learned, dependency))
