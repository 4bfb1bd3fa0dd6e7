"""
Which perturbations should I add?
=================================

A graph leaves some latents entangled. New interventions can separate them: one that targets latent i and not latent j
separates i from j. One intervention per entangled latent always suffices, but far fewer are usually enough.
"""

import numpy as np
from matplotlib import pyplot as plt

from identify.catalog import load, names
from identify.criterion import check
from identify.design import INFLUENCE, design_interventions
from identify.graph import CausalGraph
from identify.plot import plot_design

# %%
# We take a model of T cell receptor signalling. Its dynamics and inputs separate most molecules, but not all.
graph = load("T Cell Receptor Signaling")
verdict = check(graph)
print(verdict)

# %%
# First, a free choice of targets: any set of molecules may be perturbed together. How few perturbations suffice, and
# is there a proof that fewer don't?
design = design_interventions(graph)
print(design)
print("at least", design.lower_bound, "are needed; proved to be the fewest:", design.optimal)
for action in design.actions:
    print(f"{action.name} separates {action.n_pairs} pairs: {', '.join(action.targets)}")

# %%
# Rows are the new perturbations, columns the entangled molecules.
plot_design(design)

# %%
# The result is a graph that can be checked, plotted and saved like any other.
print(check(design.graph))
print(INFLUENCE)

# %%
# Laboratories have limits. Here a perturbation has at most three targets, and one molecule can't be targeted:
limited = design_interventions(graph, max_targets=3, forbidden=[design.actions[0].targets[0]])
print(limited)
print("largest target set:", max(len(targets) for targets in limited.targets))
for (i, j), reason in zip(limited.unseparable, limited.reasons, strict=True):
    print(f"{i} can't be separated from {j}: {reason}")

# %%
# An experiment may fail. A robust design separates every pair by two perturbations, so it survives the loss of any one:
robust = design_interventions(graph, robust=True)
print(robust)
print("complete without:", {name: bool(check(robust.without(name))) for name in robust.names})

# %%
# Often the choice is from a list of available reagents, each with targets and a price. Here every entangled molecule
# has an expensive reagent with no other target, and there are forty cheap ones with two or three targets.
rng = np.random.default_rng(0)
entangled = [latent.name for latent in verdict.latents if not latent.disentangled]
reagents = {f"clean {name}": [name] for name in entangled}
reagents |= {
    f"cheap {number}": rng.choice(entangled, rng.integers(2, 4), replace=False).tolist()
    for number in range(40)
}
costs = {name: 5.0 if name.startswith("clean") else 2.0 for name in reagents}
chosen = design_interventions(graph, reagents, costs=costs)
print(chosen)
print("cost", chosen.cost, "and no choice costs less than", chosen.lower_bound)
plot_design(chosen)

# %%
# With half of that budget, the design disentangles as many molecules as possible:
half = design_interventions(graph, reagents, costs=costs, budget=chosen.cost / 2)
print(half)
print("cost", half.cost, "and no choice within the budget disentangles more than", half.most_disentangled)

# %%
# How few perturbations suffice when the graph is empty? The sets of perturbations that act on each latent must not
# contain one another, and Sperner's theorem gives the largest number of such sets.
for n in (3, 6, 10, 20, 70, 252):
    fewest = design_interventions(CausalGraph(latents=[f"z{i}" for i in range(n)]))
    print(f"{n:3} latents: {len(fewest.actions)} perturbations, proved: {fewest.optimal}")

# %%
# The table has the number of perturbations that complete disentanglement takes in all real networks of the catalogue,
# compared with one per entangled molecule. A number with + is the best found, without a proof that it is the smallest.
ROW = "{:<62} {:>7} {:>10} {:>6} {:>7} {:>7} {:>7}"


def count(design):
    return f"{len(design.actions)}{'' if design.optimal else '+'}"


print(ROW.format("network", "latents", "one each", "free", "3 each", "2 each", "robust"))
totals = np.zeros(5, dtype=int)
for name in names("real"):
    network = load(name)
    one_each = network.n_latents - check(network).n_disentangled
    designs = [
        design_interventions(network),
        design_interventions(network, max_targets=3),
        design_interventions(network, max_targets=2),
        design_interventions(network, robust=True),
    ]
    assert all(check(design.graph) for design in designs)
    totals += [one_each, *(len(design.actions) for design in designs)]
    print(ROW.format(name[:62], network.n_latents, one_each, *map(count, designs)))
print(ROW.format("all together", "", *totals))

# %%
# The same as a figure: one perturbation per entangled molecule against the fewest.
before, after = [], []
for name in names("real"):
    network = load(name)
    before.append(network.n_latents - check(network).n_disentangled)
    after.append(len(design_interventions(network).actions))
figure, ax = plt.subplots(figsize=(7, 4), layout="constrained")
ax.scatter(before, after, facecolor="none", edgecolor="black")
ax.set(xscale="symlog", xlabel="entangled molecules", ylabel="sufficient perturbations", xlim=(-0.5, None))
ax.set_title(f"{sum(after)} perturbations instead of {sum(before)}, over {len(before)} networks")
