"""
Did it work? Reading a run
==========================

A loss says little about the latents: a run with a good ELBO can have found their space and a wrong basis in it. Every
run is therefore examined on held-out rows. Here are a run that went well and three that didn't: first the diagnostics,
which need no ground truth, and below them the scores, which do.
"""

import numpy as np
from matplotlib import pyplot as plt

from estimation.config import TrainingConfig
from estimation.evaluation import evaluate
from estimation.plot import plot_edge_confidence
from estimation.simulate import simulate
from estimation.simulate.mechanisms import Mechanism
from estimation.training import fit
from identify.graph import CausalGraph

N_SAMPLES = 10_000
N_TEST = 5_000
N_STEPS = 1_700

# %%
# Four latents and four actions, each of which moves two of them. Rows are children. The graph meets the criterion, so
# the theory promises all latents.
graph = CausalGraph(Ga=[[1, 0, 0, 1], [1, 1, 0, 0], [0, 1, 1, 0], [0, 0, 1, 1]])
train, test = (
    simulate(graph, n, seed=5, split=split) for n, split in ((N_SAMPLES, "train"), (N_TEST, "test"))
)


def read(model, test):
    """Print the diagnostics of a run, and below them its scores, which real data don't give."""
    print("basis:  ", None if model.margin is None else model.margin.summary)
    for warning in model.warnings:
        print("warning:", warning)
    if model.latent_confidence is not None:
        print("latents:", model.latent_confidence.round(2))
    print("truth:  ", evaluate(model, test))


# %%
# **A success.** The basis is clear: no other one has as few edges.
success = fit(train, TrainingConfig(max_edges_actions=8, steps=N_STEPS), progress=False)
read(success, test)

# %%
# **A wrong basis.** Without unmixing and with half as many edges again as there are, nothing leads to the sparsest
# basis. R is high, so the space of the latents is right, but MCC is lower. The search for a sparser basis of its
# latents finds one.
wrong = fit(
    train, TrainingConfig(max_edges_actions=12, steps=N_STEPS, unmixing=False, seed=1), progress=False
)
read(wrong, test)

# %%
# **Superfluous latents.** Six latents were asked for, and the observations have four. Training finds that two of them
# do nothing, trains the other four, and says so.
too_many = fit(train, TrainingConfig(max_edges_actions=8, steps=N_STEPS, n_latents=6), progress=False)
read(too_many, test)


# %%
# **A violated assumption.** Now every action moves its two latents by the same function of its value, up to a factor.
# Influence is not sufficient, and the theory promises nothing, though the graph is the same. The warning about
# influence names the actions whose effects are nearly proportional. (Runs with doubts about basis or edges are followed
# by others, unless the number of restarts is given.)
rng = np.random.default_rng(0)
factors = rng.uniform(1, 2, (4, 4)) * rng.choice([-1, 1], (4, 4)) * graph.Ga.toarray()
proportional = Mechanism(
    graph, lambda _, actions: np.sin(1.5 * actions) @ factors.T, lambda *_: np.array([[0.1]])
)
train_proportional, test_proportional = (
    simulate(graph, n, seed=5, split=split, mechanism=proportional)
    for n, split in ((N_SAMPLES, "train"), (N_TEST, "test"))
)
config = TrainingConfig(max_edges_actions=8, steps=N_STEPS, restarts=1)
violated = fit(train_proportional, config, progress=False)
read(violated, test_proportional)

# %%
# The confidence in edges tells the first two runs apart as well: the cells are filled up to the confidence.
figure, axes = plt.subplots(1, 2, figsize=(9, 3.2), layout="constrained")
for ax, (name, model) in zip(axes, {"a success": success, "a wrong basis": wrong}.items(), strict=True):
    if model.edge_confidence is not None:
        plot_edge_confidence(model.sparse_graph, model.edge_confidence, ax=ax, legend=ax is axes[1])
    ax.set_title(name)

# %%
# `Did it work? Reading a run <../reading_a_run.html>`_ explains margin, warnings and confidence, and how far they can
# be trusted.
