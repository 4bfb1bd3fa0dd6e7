"""
When multi-target interventions fail, and why
=============================================

A knock-out is on or off. If it targets two genes at once, can a model with sparse mechanisms ever separate them?
"""

import sympy

from identify.influence import check_influence
from identify.mechanisms import Mechanisms, gaussian

x, y = sympy.symbols("x y")
k = sympy.Symbol("knock_out")


def report(mean_x, mean_y, past=(), values=(0, 1)):
    densities = [gaussian(x, mean_x), gaussian(y, mean_y)]
    mechanisms = Mechanisms([x, y], densities, [k], past, action_values={k: list(values)})
    result = check_influence(mechanisms).actions[k]
    print(f"{result.status}: {result.reason}")
    return result


# %%
# First, an on/off intervention with fixed effects on both genes. The two settings differ by one vector, so the pair
# moves in one direction. The intervention does not move the orthogonal combination, so a sparse model can use this
# combination as a latent and save an edge.
failing = report(-2 * k, -k)

# %%
# The proof is a relation between the two effects that holds in every setting. The report lists what would break it:
print(failing.certificate, failing.certificate.verify())
for repair in failing.repairs:
    print("-", repair)

# %%
# A third setting, a double dose, does not help if both effects double: the pair moves along the same line.
report(-2 * k, -k, values=(0, 1, 2))

# %%
# It helps if one effect doubles and the other becomes four times as large.
curved = report(-2 * k, -(k**2), values=(0, 1, 2))

# %%
# What counts is the number of independent directions, and two targets need two. On and off suffice if the effect
# depends on the previous state of the genes: then the past supplies the directions.
p, q = sympy.symbols("x_before y_before")
report(p * (1 - k), q * (1 - k), past=(p, q))

# %%
# If the past is only additive, the difference between on and off stays the same vector.
report(p - 2 * k, q - k, past=(p, q))

# %%
# An intervention may also change the noise. Here it changes both variances and no mean. The difference of the
# log-density gradients then depends on the value of the latents, but there is still one direction at each value.
densities = [gaussian(x, 0, 1 + k), gaussian(y, 0, 1 + 3 * k)]
both = Mechanisms([x, y], densities, [k], action_values={k: [0, 1]})
print(check_influence(both).actions[k].status)
