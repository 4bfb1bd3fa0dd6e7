"""
Must an intervention hit one latent only?
=========================================

No. What counts is that the sets of causes are not contained in one another. Two textbook cases from the catalogue show
both sides.
"""

from matplotlib import pyplot as plt

from identify.catalog import entry
from identify.criterion import check
from identify.plot import plot_verdict

# %%
# Three interventions, each on two of three latents: none is alone on a latent, yet every pair is separated.
fine = entry("multi-target-interventions")
print(fine.description)
verdict = check(fine.graph)
print(verdict)
for i, j in (("x", "y"), ("y", "w"), ("w", "x")):
    print(verdict.witness(i, j))

# %%
plot_verdict(verdict, fig=plt.figure())

# %%
# More actions are not better by themselves. Here the first action moves everything, the second all but one latent, and
# so on: each latent's causes are contained in the next one's.
nested = entry("nested-interventions")
verdict = check(nested.graph)
print(verdict)
for latent in verdict.latents:
    print(latent)

# %%
# The entanglement graph is a chain of blocks: an arrow says "stays entangled with, and not the other way round".
print(verdict.entanglement.order(reduced=True).edges)
plot_verdict(verdict, fig=plt.figure())

# %%
# One caution that the graph can't show: an on/off intervention on several latents also needs sufficient influence, that
# is, effects that differ between settings. See the page on the theory.
