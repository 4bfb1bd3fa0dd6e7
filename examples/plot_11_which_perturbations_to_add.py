"""
Which perturbations should I add?
=================================

A graph leaves some latents entangled. New interventions can separate them: one that targets latent i and not latent j
separates i from j. One per entangled latent always does, and is seldom needed.
"""

import numpy as np
from matplotlib import pyplot as plt

from identify.catalog import load, names
from identify.criterion import check
from identify.design import INFLUENCE, design_interventions
from identify.graph import CausalGraph
from identify.plot import plot_design

# %%
# A model of T cell receptor signalling: what its dynamics and inputs separate, and what is left.
graph = load("T Cell Receptor Signaling")
verdict = check(graph)
print(verdict)

# %%
# Free choice of targets: any set of molecules may be perturbed together. How few perturbations are enough, and is it
# proved that fewer are not?
design = design_interventions(graph)
print(design)
print("at least", design.lower_bound, "are needed; proved to be the fewest:", design.optimal)
for action in design.actions:
    print(f"{action.name} separates {action.n_pairs} pairs: {', '.join(action.targets)}")

# %%
# Rows are the new perturbations, columns the molecules that need something.
plot_design(design)

# %%
# The result is a graph, so it can be checked, plotted and saved like any other.
print(check(design.graph))
print(INFLUENCE)

# %%
# Laboratories have limits. With at most three targets each, and out of reach what the first perturbation targets first:
limited = design_interventions(graph, max_targets=3, forbidden=[design.actions[0].targets[0]])
print(limited)
print("largest target set:", max(len(targets) for targets in limited.targets))
for (i, j), reason in zip(limited.unseparable, limited.reasons, strict=True):
    print(f"{i} can't be separated from {j}: {reason}")

# %%
# An experiment may fail. A robust design separates every pair by two of its perturbations; leave out each in turn:
robust = design_interventions(graph, robust=True)
print(robust)
print("complete without:", {name: bool(check(robust.without(name))) for name in robust.names})

# %%
# Often the choice is from a list: reagents at hand, each with its targets and its price. Here every entangled molecule
# has a dear reagent that hits it alone, and there are forty cheap ones that hit two or three.
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
# With half of that money, as many molecules as possible:
half = design_interventions(graph, reagents, costs=costs, budget=chosen.cost / 2)
print(half)
print("cost", half.cost, "and no choice within the budget disentangles more than", half.most_disentangled)

# %%
# How few perturbations are enough when nothing at all is known? Rows of the latents must be sets none of which contains
# another, and Sperner's theorem counts these.
for n in (3, 6, 10, 20, 70, 252):
    fewest = design_interventions(CausalGraph(latents=[f"z{i}" for i in range(n)]))
    print(f"{n:3} latents: {len(fewest.actions)} perturbations, proved: {fewest.optimal}")

# %%
# All real networks of the catalogue: how many perturbations complete disentanglement takes, against one per
# entangled molecule. A number with + is the best that was found, with no proof that it is the least.
ROW = "{:<62} {:>7} {:>10} {:>6} {:>7} {:>7} {:>7}"


def shown(design):
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
    assert all(check(found.graph) for found in designs)
    totals += [one_each, *(len(found.actions) for found in designs)]
    print(ROW.format(name[:62], network.n_latents, one_each, *map(shown, designs)))
print(ROW.format("all together", "", *totals))

# %%
# The same as a picture: one per entangled molecule against the fewest.
before, after = [], []
for name in names("real"):
    network = load(name)
    before.append(network.n_latents - check(network).n_disentangled)
    after.append(len(design_interventions(network).actions))
figure, ax = plt.subplots(figsize=(7, 4), layout="constrained")
ax.scatter(before, after, facecolor="none", edgecolor="black")
ax.set(
    xscale="symlog", xlabel="entangled molecules", ylabel="perturbations that are enough", xlim=(-0.5, None)
)
ax.set_title(f"{sum(after)} perturbations instead of {sum(before)}, over {len(before)} networks")
