"""
What can perturbations of a real network separate?
==================================================

The catalogue holds 37 published models of gene regulation and signalling. We treat molecules as latents and the
inputs of a model as actions (our modelling choice, not that of the authors). What could a sparse model of
the dynamics recover?
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
# The dynamics separate most molecules. These stay entangled:
for latent in verdict.latents:
    if not latent.disentangled:
        print(latent)

# %%
plot_verdict(verdict, fig=plt.figure())

# %%
# PI3K and PIP2 have the same neighbours. Each needs its own perturbation, since an action on PI3K alone separates PI3K
# from PIP2 but leaves PIP2 entangled with PI3K. Apoptosis needs a perturbation that does not target p53.
for latent in verdict.latents:
    if latent.remedy:
        print(latent.remedy)

# %%
# We add these perturbations and check again.
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
# Across all networks, what share of the molecules can be recovered one by one?
networks = [name for name in names("real") if name != "Sachs interventions"]
verdicts = [check(entry(name).graph) for name in networks]
share = np.array([verdict.n_disentangled / verdict.graph.n_latents for verdict in verdicts])
size = np.array([verdict.graph.n_latents for verdict in verdicts])

figure, ax = plt.subplots(figsize=(7, 4), layout="constrained")
ax.scatter(size, share, facecolor="none", edgecolor="black")
ax.set(xscale="log", ylim=(0, 1.05), xlabel="latents (molecules)", ylabel="share disentangled")
ax.set_title(f"{sum(map(bool, verdicts))} of {len(verdicts)} networks are completely disentangled")

# %%
# The blocks give the best view of the largest network, a model of macrophage activation.
largest = verdicts[int(np.argmax(size))]
print(largest)
figure, ax = plt.subplots(figsize=(9, 6), layout="constrained")
plot_blocks(largest.entanglement, ax=ax)
