"""
What goes wrong without sufficient influence
============================================

The graph can promise complete disentanglement and be right, and a model can still mix its latents up: when causes don't
move their effects in enough different ways. Two published processes show it. They have the same graph.
"""

import numpy as np
import sympy

from estimation.config import TrainingConfig
from estimation.evaluation import evaluate
from estimation.plot import plot_comparison, plot_latents
from estimation.simulate import simulate
from estimation.training import fit
from identify.criterion import check
from identify.influence import check_influence
from identify.mechanisms import Mechanisms, gaussian

N_SAMPLES = 50_000
N_TEST = 5_000
N_STEPS = 2_500

# %%
# In ActionNonDiag every action moves its two targets by two different waves, sin((i + 3) / pi a + i) for latent i. In
# ActionNonDiag_NoSuffInf it moves them by multiples of itself: the mean of the latents is A a.
names = {"with": "ActionNonDiag", "without": "ActionNonDiag_NoSuffInf"}
data = {which: simulate(name, N_SAMPLES, seed=1) for which, name in names.items()}
test = {which: simulate(name, N_TEST, seed=1, split="test") for which, name in names.items()}
print(data["with"].graph == data["without"].graph)

# %%
# The graphical criterion is about the graph, so it gives one answer for both.
print(check(data["with"].graph))

# %%
# Why the second one breaks the promise: with means A a, the two targets of an action move along one line, whatever
# the setting. Some combination of the two cancels, so that the action doesn't move it. Here it goes as far as it can:
# A can be inverted, and in the combinations A^-1 z every latent has one cause. A model that mixes has ten edges where
# the truth has twenty, so that asking for few edges rewards the mixing. Waves of two frequencies never cancel.
#
# This is the reasoning in words. Written down as formulas, the mechanisms can be asked for a proof: for every action a
# determinant that is not zero in the one case, and in the other the relation between its two targets.
graph = data["with"].graph
latents, actions = sympy.symbols("z0:10"), sympy.symbols("a0:10")
weights = np.random.default_rng(0).integers(1, 9, (10, 10))
effects = {
    "with": lambda i, j: sympy.sin((i + 3) / sympy.pi * actions[j] + i),
    "without": lambda i, j: int(weights[i, j]) * actions[j],
}
for which, effect in effects.items():
    means = [sum(effect(i, j) for j in graph.Ga[[i]].indices.tolist()) for i in range(10)]
    densities = [gaussian(z, mean, sympy.Rational(1, 10_000)) for z, mean in zip(latents, means, strict=True)]
    report = check_influence(Mechanisms(latents, densities, actions))
    print(f"{which}: {[found.status for found in report.actions.values()]}")
    print(f"  a0: {report.actions['a0'].certificate}")

# %%
# Both models get the same budget, the true number of edges.
config = TrainingConfig(max_edges_actions=20, steps=N_STEPS)
models = {which: fit(data[which], config) for which in data}
outcomes = {which: evaluate(models[which], test[which]) for which in data}
for which, outcome in outcomes.items():
    print(f"{which} sufficient influence: {outcome}")

# %%
# R is about the same: together, the learned latents of both models hold what there is to know of the true ones. MCC
# is not: one by one, those of the second don't. First the entanglement with sufficient influence, predicted beside
# learned,
plot_comparison(outcomes["with"].comparison)
print(outcomes["with"].comparison.verdict)

# %%
# and without.
plot_comparison(outcomes["without"].comparison)
print(outcomes["without"].comparison.verdict)

# %%
# The latents of the second model. Some are clouds. More data or longer training can't be relied on to find them,
# since the data don't prefer the true basis to the sparser one.
z_hat = models["without"].encode(test["without"].observations)
plot_latents(test["without"].latents, z_hat, outcomes["without"].permutation)
