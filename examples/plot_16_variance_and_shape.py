"""
Causes that change variance or shape
====================================

Some causes leave the mean of a latent where it is: one drug makes cells respond more variably, another splits them
into two groups. The theory covers such causes, since it concerns the whole density. What does training make of them?
"""

import sympy
from matplotlib import pyplot as plt

from estimation.config import TrainingConfig
from estimation.evaluation import certify, evaluate
from estimation.plot import plot_comparison
from estimation.simulate import simulate
from estimation.training import fit
from identify.criterion import check
from identify.influence import check_influence
from identify.mechanisms import Mechanisms, gaussian, mixture

N_SAMPLES = 20_000
N_TEST = 5_000
N_STEPS = 2_500

# %%
# Three latents and three drugs, each of which acts on two latents. First, drugs change variances: all means are zero
# whatever the drugs do.
latents, drugs = sympy.symbols("z1:4"), sympy.symbols("drug1:4")
targets = [(0, 1), (1, 2), (2, 0)]


def response(i):
    """Return the response of a latent to its two drugs."""
    return sum(sympy.sin((2 + i) * drugs[j] / 2 + 2 * i + j) for j in targets[i])


variances = [gaussian(z, 0, sympy.exp(1.5 * response(i))) for i, z in enumerate(latents)]
scaling = Mechanisms(latents, variances, drugs)

# %%
# Every drug has sufficient influence, because the precisions of its two targets vary in different ways. The graph meets
# the criterion as well, so the theory promises complete disentanglement.
train, test = (
    simulate(scaling, n, seed=2, split=split) for n, split in ((N_SAMPLES, "train"), (N_TEST, "test"))
)
influence = check_influence(scaling)
print(influence)
print(check(train.graph, influence=influence))

# %%
# A model that looks at means only would learn nothing here. Training notices that, and says what it did about it.
config = TrainingConfig(max_edges_actions=train.graph.n_edges, steps=N_STEPS)
model = fit(train, config)
for note in model.history.notes:
    print("-", note)
outcome = evaluate(model, test)
print(outcome)
print(certify(outcome, influence))

# %%
# Now mean and variance are both constant: drugs split the cells into two groups, and move the groups apart.


def two_groups(z, separation):
    """Return a mixture of two normal densities with mean 0 and variance 1."""
    groups = [gaussian(z, sign * separation, 1 - separation**2) for sign in (-1, 1)]
    return mixture([1, 1], groups)


separations = [sympy.Rational(49, 50) / (1 + sympy.exp(-2 * response(i))) for i in range(3)]
splitting = Mechanisms(latents, [two_groups(z, s) for z, s in zip(latents, separations, strict=True)], drugs)
split_train, split_test = (
    simulate(splitting, n, seed=2, split=split) for n, split in ((N_SAMPLES, "train"), (N_TEST, "test"))
)
figure, axes = plt.subplots(1, 2, figsize=(9, 3), layout="constrained")
for ax, data, what in zip(axes, (test, split_test), ("variance", "shape"), strict=True):
    ax.scatter(data.actions[:, 0], data.latents[:, 0, 0], s=2, alpha=0.5, color="0.3")
    ax.set(xlabel="drug1", ylabel="z1" if ax is axes[0] else "", title=f"drug1 changes the {what} of z1")

# %%
split_influence = check_influence(splitting)
print({name: answer.status for name, answer in split_influence.actions.items()})
split_model = fit(split_train, config)
for note in split_model.history.notes:
    print("-", note)
split_outcome = evaluate(split_model, split_test)
print(split_outcome)

# %%
# In both cases the learned graph is the true one, and every learned latent follows one true latent closely, as theory
# predicts. What is left of the others is weak, but in places above the tenth that counts as mixing, which is why the
# prediction is not fully confirmed: these runs are short. With 50,000 samples and 4,000 steps MCC is about 0.99.
for result in (outcome, split_outcome):
    print(f"MCC {result.mcc:.3f}, R {result.r:.3f}, wrong edges {result.shd}")
plot_comparison(split_outcome.comparison)
