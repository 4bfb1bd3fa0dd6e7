"""
Screens of on/off interventions
===============================

In a screen, an intervention is on or off, and often hits several targets at once. One action at a time, such data can't
separate the targets. All actions together may, and a design says which ones to add.
"""

from matplotlib import pyplot as plt

from identify.criterion import check
from identify.design import design_interventions
from identify.graph import CausalGraph
from identify.influence import check_joint_generic
from identify.plot import plot_design

# %%
# Six genes, and a pilot screen with guides for seven pairs of them. Some guide pair separates each gene from each other
# one, so the graphical criterion is met.
genes = ["raf", "mek", "erk", "akt", "pkc", "p38"]
ring = list(zip(genes, [*genes[1:], genes[0]], strict=True))
pairs = [*ring, ("raf", "akt")]
edges = [(f"{a}+{b}", gene) for a, b in pairs for gene in (a, b)]
pilot = CausalGraph.from_edges(edges, genes, [f"{a}+{b}" for a, b in pairs])
print(check(pilot).headline)

# %%
# The criterion assumes that each action moves its targets in different ways, which an on/off intervention does not.
# What would a sparse model find?
joint = check_joint_generic(pilot)
print(joint)
for direction in joint.directions[:2]:
    print("-", direction)

# %%
# A combination of genes in which guide pairs cancel saves edges, so the model takes it for a latent. Which guide pairs
# should be added?
design = design_interventions(pilot, min_targets=2, max_targets=2, effects="shifts")
print(design)
print("at least", round(design.lower_bound), "are needed")
for action in design.actions:
    print(f"{action.name}: {', '.join(action.targets)}")
print(design.influence_note)
plot_design(design)

# %%
# The answer carries a certificate that can be recomputed.
print(check_joint_generic(design.graph).certificate.verify())

# %%
# A library of guides is often fixed. With prices, the cheapest sufficient choice is found, with a proof:
library = {gene: [gene] for gene in genes} | {"raf+erk": ["raf", "erk"], "mek+p38": ["mek", "p38"]}
prices = {name: 1.0 if "+" in name else 3.0 for name in library}
chosen = design_interventions(pilot, library, costs=prices, effects="shifts")
print(chosen, "cost", chosen.cost, "and no choice costs less than", chosen.lower_bound)
print(", ".join(chosen.names))

# %%
# How many interventions does a screen of many latents need, if each has one, two or three targets?
sizes = (4, 6, 8, 10, 12)
figure, ax = plt.subplots(figsize=(6, 4), layout="constrained")
for k, marker, style in ((1, "o", "-"), (2, "s", "--"), (3, "^", ":")):
    counts = []
    for n in sizes:
        latents = CausalGraph(latents=[f"z{i}" for i in range(n)])
        counts.append(
            len(design_interventions(latents, min_targets=k, max_targets=k, effects="shifts").actions)
        )
    label = "1 target" if k == 1 else f"{k} targets"
    ax.plot(sizes, counts, style, marker=marker, color="black", markerfacecolor="none", label=f"{label} each")
ax.set(xlabel="latents", ylabel="on/off interventions needed")
ax.legend()
