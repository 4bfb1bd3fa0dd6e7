"""
Interventions with unknown targets
==================================

You intervened on a system in four ways, but don't know the targets of the interventions. Can they be learned from the
data?
"""

import itertools

import numpy as np

from estimation.config import TrainingConfig
from estimation.evaluation import evaluate
from estimation.plot import plot_edge_probabilities, plot_graphs, plot_latents
from estimation.simulate import simulate
from estimation.training import fit
from identify.criterion import check
from identify.graph import CausalGraph

N_SAMPLES = 50_000
N_TEST = 5_000
N_STEPS = 3_000

# %%
# The system has six latents, each of which depends on its own past, and four interventions. Every latent is the target
# of a different pair of interventions, so each intervention has three targets. Four is the smallest number of
# interventions that can separate six latents.
targets = np.zeros((6, 4), dtype=int)
for latent, pair in enumerate(itertools.combinations(range(4), 2)):
    targets[latent, pair] = 1
graph = CausalGraph(Gz=np.eye(6), Ga=targets, actions=["drug A", "drug B", "drug C", "drug D"])
print(check(graph))
print(check(graph, using="actions"))

# %%
# In each sample at most one intervention is on; in a fifth of the samples none is. It shifts its targets by about two
# standard deviations of their noise, in either direction, by an amount that depends on the previous value of the
# target. This dependence makes the separation possible: an on/off intervention that shifts several targets by fixed
# amounts does not have sufficient influence.
process = {"seed": 2, "actions": "interventions"}
data = simulate(graph, N_SAMPLES, **process)
test = simulate(graph, N_TEST, split="test", **process)
print(data)
print(np.unique(data.actions, axis=0, return_counts=True))

# %%
# The model gets the intervention of each sample and the budgets, at most twelve effects and six dependencies on the
# past, but not the edges themselves.
config = TrainingConfig(max_edges_actions=12, max_edges_past=6, steps=N_STEPS, validate_every=50)
model = fit(data, config)
print(f"{model.history.records[-1].seconds / 60:.1f} minutes")

# %%
# Each row of the figure is one possible edge. All are present until the first round of unmixing, which keeps more than
# the budget; later rounds reconsider all edges and keep fewer.
plot_edge_probabilities(model.history)

# %%
# The learned targets, without using the truth:
for action in model.graph.actions:
    learned_targets = [child for parent, child in model.graph.edges() if parent == action]
    print(f"{action}: {', '.join(learned_targets)}")

# %%
# The learned graph next to the true one, with the learned latents matched to the true ones:
outcome = evaluate(model, test)
print(outcome)
plot_graphs(graph, outcome.learned_graph)

# %%
# The targets are right, and the latents are nearly right. Their own noise is half as large as a typical shift, so the
# basis is harder to find than with nearly deterministic mechanisms, and the run was short: the clouds are thin, but not
# lines. The comparison, whose threshold is a tenth of the weight of the matched latent, shows it.
plot_latents(test.latents, model.encode(test.observations), outcome.permutation)
print(outcome.comparison.verdict)
