"""
Interventions with unknown targets
==================================

You intervened on a system in four ways, and don't know on what each intervention acts. Can the data say so?
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
# Six latents, each with a memory of its own past, and four interventions. Every latent is hit by another pair of
# them, so that each intervention has three targets. Four is the smallest number that can separate six latents.
targets = np.zeros((6, 4), dtype=int)
for latent, pair in enumerate(itertools.combinations(range(4), 2)):
    targets[latent, pair] = 1
graph = CausalGraph(Gz=np.eye(6), Ga=targets, actions=["drug A", "drug B", "drug C", "drug D"])
print(check(graph))
print(check(graph, using="actions"))

# %%
# In a sample at most one intervention is on; a fifth of them has none. It shifts its targets by about two standard
# deviations of their noise, in either direction, and by how much depends on where the target was. This is what makes
# the separation possible: an on/off intervention on several targets that shifts them all by fixed amounts doesn't
# have sufficient influence.
process = {"seed": 2, "actions": "interventions"}
data = simulate(graph, N_SAMPLES, **process)
test = simulate(graph, N_TEST, split="test", **process)
print(data)
print(np.unique(data.actions, axis=0, return_counts=True))

# %%
# The model is told which intervention was on, and that there are at most twelve effects and six dependencies on the
# past. Not which.
config = TrainingConfig(max_edges_actions=12, max_edges_past=6, steps=N_STEPS, validate_every=50)
model = fit(data, config)
print(f"{model.history.records[-1].seconds / 60:.1f} minutes")

# %%
# Each row of the picture is one possible edge. All are there until the first round of unmixing, which picks more than
# the budget; the next ones look again, and pick fewer.
plot_edge_probabilities(model.history)

# %%
# The targets that it found, as it would report them if nobody knew the truth:
for action in model.graph.actions:
    hit = [child for parent, child in model.graph.edges() if parent == action]
    print(f"{action}: {', '.join(hit)}")

# %%
# And beside the truth, after its latents have been matched to the true ones.
outcome = evaluate(model, test)
print(outcome)
plot_graphs(graph, outcome.learned_graph)

# %%
# The targets are right; the latents nearly. Their own noise is half as large as a typical shift, so that the basis is
# harder to find than where mechanisms are almost exact, and the run was short: the clouds are thin, but not lines.
# The strict comparison, which asks that no other latent has a tenth of the weight, says so.
plot_latents(test.latents, model.encode(test.observations), outcome.permutation)
print(outcome.comparison.verdict)
