"""
What can perturbations of a real network tell apart?
====================================================

The catalogue holds 37 published models of gene regulation and signalling. We take molecules as latents and the
inputs of the model as actions (our modelling choice, not that of the models' authors) and ask what a sparse model of
the dynamics could recover.
"""

import numpy as np
from matplotlib import pyplot as plt

from identify.catalog import entry, names
from identify.criterion import check
from identify.graph import CausalGraph
from identify.plot import plot_blocks, plot_verdict

# %%
network = entry("Apoptosis Network")
print(network.source)
verdict = check(network.graph)
print(verdict)

# %%
# Most molecules are separated by the dynamics alone. What is left:
for latent in verdict.latents:
    if not latent.disentangled:
        print(latent)

# %%
plot_verdict(verdict, fig=plt.figure())

# %%
# PI3K and PIP2 have the same neighbours. They need one perturbation each, since an action on PI3K alone separates PI3K
# from PIP2 and leaves PIP2 entangled with PI3K. Apoptosis needs one that does not touch p53.
for latent in verdict.latents:
    if latent.remedy:
        print(latent.remedy)

# %%
# Do it, and check again.
targets = [latent.name for latent in verdict.latents if latent.remedy]
new = np.array([[name == target for target in targets] for name in network.graph.latents])
graph = network.graph
perturbed = CausalGraph(
    Gz=graph.Gz,
    Ga=np.hstack([graph.Ga.toarray(), new]),
    latents=graph.latents,
    actions=[*graph.actions, *(f"perturb {target}" for target in targets)],
)
print(check(perturbed))

# %%
# Across all networks: how large a share of the molecules can be recovered one by one?
networks = [name for name in names("real") if name != "Sachs interventions"]
verdicts = [check(entry(name).graph) for name in networks]
share = np.array([found.n_disentangled / found.graph.n_latents for found in verdicts])
size = np.array([found.graph.n_latents for found in verdicts])

figure, ax = plt.subplots(figsize=(7, 4), layout="constrained")
ax.scatter(size, share, facecolor="none", edgecolor="black")
ax.set(xscale="log", ylim=(0, 1.05), xlabel="latents (molecules)", ylabel="share disentangled")
ax.set_title(f"{sum(map(bool, verdicts))} of {len(verdicts)} networks are completely disentangled")

# %%
# The largest, a model of macrophage activation, is best seen by its blocks.
largest = verdicts[int(np.argmax(size))]
print(largest)
figure, ax = plt.subplots(figsize=(9, 6), layout="constrained")
plot_blocks(largest.entanglement, ax=ax)
