"""
Must an intervention have a single target?
==========================================

No. It suffices that no latent's set of causes contains another's. Two textbook cases from the catalogue show
when this holds and when it fails.
"""

from matplotlib import pyplot as plt

from identify.catalog import entry
from identify.criterion import check
from identify.plot import plot_verdict

# %%
# Three interventions act on two of three latents each. None has a single target, yet every pair is separated.
separated = entry("multi-target-interventions")
print(separated.description)
verdict = check(separated.graph)
print(verdict)
for i, j in (("x", "y"), ("y", "w"), ("w", "x")):
    print(verdict.witness(i, j))

# %%
plot_verdict(verdict, fig=plt.figure())

# %%
# More actions are not always better. Here the first action moves all latents, the second all but one, and
# so on: the causes of each latent are contained in those of the next one.
nested = entry("nested-interventions")
verdict = check(nested.graph)
print(verdict)
for latent in verdict.latents:
    print(latent)

# %%
# The entanglement graph is a chain of blocks. An arrow means "stays entangled with, without the reverse".
print(verdict.entanglement.order(reduced=True).edges)
plot_verdict(verdict, fig=plt.figure())

# %%
# The graph can't show one requirement: an on/off intervention on several latents also needs sufficient influence, that
# is, effects that differ between settings. The page on the theory explains it.
