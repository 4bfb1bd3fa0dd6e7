"""
When multi-target interventions fail, and why
=============================================

A knock-out is on or off. If it hits two genes at once, can a model with sparse mechanisms ever tell the two apart?
"""

import sympy

from identify.influence import check_influence
from identify.mechanisms import Mechanisms, gaussian

x, y = sympy.symbols("x y")
k = sympy.Symbol("knock_out")


def report(mean_x, mean_y, past=(), values=(0, 1)):
    densities = [gaussian(x, mean_x), gaussian(y, mean_y)]
    mechanisms = Mechanisms([x, y], densities, [k], past, action_values={k: list(values)})
    found = check_influence(mechanisms).actions[k]
    print(f"{found.status}: {found.reason}")
    return found


# %%
# On or off, with fixed effects on both genes: there is one difference between the two settings, one direction in
# which the pair moves. The combination that this direction leaves alone is not seen to be moved, so a sparse model
# will gladly use it as a latent with one edge less.
failing = report(-2 * k, -k)

# %%
# The proof is a relation between the two effects that holds in every setting, and what would break it:
print(failing.certificate, failing.certificate.verify())
for repair in failing.repairs:
    print("-", repair)

# %%
# A third setting, a double dose, helps if it does not move the pair along the same line. Twice the effect on both does.
report(-2 * k, -k, values=(0, 1, 2))

# %%
# Four times the effect on one of them, and twice on the other, doesn't.
curved = report(-2 * k, -(k**2), values=(0, 1, 2))

# %%
# What counts is the number of independent directions, and two targets need two. On and off are enough if the effect
# depends on where the genes were: then the past supplies the directions.
p, q = sympy.symbols("x_before y_before")
report(p * (1 - k), q * (1 - k), past=(p, q))

# %%
# If the past only adds to it, the difference between on and off stays what it was.
report(p - 2 * k, q - k, past=(p, q))

# %%
# An intervention on the noise counts as well. Here it doubles one variance and leaves the mean alone; how much evidence
# for that a value of the latent gives depends on the value, but there is still one direction at each.
densities = [gaussian(x, 0, 1 + k), gaussian(y, 0, 1 + 3 * k)]
both = Mechanisms([x, y], densities, [k], action_values={k: [0, 1]})
print(check_influence(both).actions[k].status)
