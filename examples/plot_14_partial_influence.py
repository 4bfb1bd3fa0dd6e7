"""
When influence fails for some actions only
==========================================

One action moves both latents together, another moves one of them in its own way. The first action lacks sufficient
influence. What do the remaining actions still guarantee, and how should the model be trained?
"""

import sympy

from estimation.config import TrainingConfig
from estimation.evaluation import evaluate
from estimation.plot import plot_comparison, plot_graphs
from estimation.simulate import simulate
from estimation.simulate.mechanisms import from_sympy
from estimation.training import fit
from identify.criterion import check
from identify.influence import check_influence
from identify.mechanisms import Mechanisms, gaussian

N_SAMPLES = 10_000
N_TEST = 5_000
N_STEPS = 1_000

# %%
# ``stress`` has one and the same effect on both latents; ``drug`` targets only the second one.
z1, z2, stress, drug = sympy.symbols("z1 z2 stress drug")
shared = 2 * sympy.sin(2 * stress)
means = [shared, shared + sympy.sin(3 * drug + 1)]
variance = sympy.Rational(1, 100)
densities = [gaussian(z, mean, variance) for z, mean in zip([z1, z2], means, strict=True)]
mechanisms = Mechanisms([z1, z2], densities, [stress, drug])
graph = mechanisms.graph

# %%
# Stress moves the pair in one direction only: the difference of the two latents does not change. Its influence fails,
# and that of the drug holds.
report = check_influence(mechanisms)
for influence in report.actions.values():
    print(f"{influence.cause}: {influence.status}")

# %%
# The theory uses one action at a time, so what follows from the drug is still guaranteed: z2 is not mixed with z1. Rows
# and columns are the latents; z1 may mix with z2, since no action targets it alone.
guarantee = check(graph, influence=report).guarantee
print(guarantee)
print(guarantee.entanglement.matrix.toarray().astype(int))

# %%
# The guarantee requires that the learned graph is no denser *in the columns of these actions*. With a budget for all
# columns, an edge saved in the column of stress pays for one in the column of the drug: the basis z1 - z2, z1 + z2 also
# has three edges. It also has the sparser mechanisms, and a model with the true number of edges as its budget finds it.
data, test = (
    simulate(
        graph, n, mechanism=from_sympy(graph, means, actions=[stress, drug], variances=0.01), split=split
    )
    for n, split in ((N_SAMPLES, "train"), (N_TEST, "test"))
)
total = fit(data, TrainingConfig(max_edges_actions=3, steps=N_STEPS, starts=1, restarts=1))
mixed = evaluate(total, test)
print(mixed)
plot_comparison(mixed.comparison)

# %%
# With ``sparse_actions``, budget, estimated number of edges and unmixing use the column of the drug alone. The column
# of stress stays dense: all its edges are present, and none is learned or counted.
config = TrainingConfig(
    max_edges_actions=guarantee.budget.actions, sparse_actions=guarantee.actions, steps=N_STEPS, starts=1
)
model = fit(data, config)
outcome = evaluate(model, test)
print(outcome)
for comparison in (mixed.comparison, outcome.comparison):
    print(f"strongest relative dependence that is not allowed: {comparison.strongest_extra:.2f}")
plot_comparison(outcome.comparison)

# %%
# The first model mixes z2 with z1 entirely. What remains in the second, about a fifth, is above the threshold of a
# tenth that counts as mixing. A likely reason, which we did not test: with one edge, the drug moves a single learned
# latent, so the other one is z1, but the direction of the first follows only from the independent noise, which is weak
# here and estimated roughly.
#
# Evaluation, reports and figures leave dense columns out:
plot_graphs(graph, outcome.learned_graph, sparse_columns=model.sparse_columns)

# %%
# On the command line, ``mechsparse train data.npz --mechanisms model.toml`` decides influence and sets the sparse
# columns, and ``--influence report.json`` takes them from the output of ``mechsparse check --mechanisms model.toml
# --json``.
