"""
Train and verify in five minutes
================================

The theory says which latents a sparse model can recover. Does it recover them? We simulate data whose truth is known,
write down the prediction, train, and look.
"""

from matplotlib import pyplot as plt

from estimation.config import TrainingConfig
from estimation.evaluation import evaluate
from estimation.plot import plot_comparison, plot_graphs, plot_latents, plot_training
from estimation.simulate import simulate
from estimation.training import fit
from identify.criterion import check

# minutes on one CPU thread; more of both gives better latents
N_SAMPLES = 50_000
N_TEST = 5_000
N_STEPS = 2_500

# %%
# ActionNonDiag is a published process: ten latents, ten continuous actions that move two latents each, and
# observations of twenty dimensions through a random injective network. The seed fixes all of these; a split draws
# other samples of the same process.
data = simulate("ActionNonDiag", N_SAMPLES, seed=1)
test = simulate("ActionNonDiag", N_TEST, seed=1, split="test")
print(data)

# %%
# The prediction needs the graph alone: no training, no data. It is the claim that the rest of this page puts to the
# test.
verdict = check(data.graph)
print(verdict)
print(verdict.witness("z0", "z1"))

# %%
# A model may have as many edges as the truth, and isn't told which ones. (With data of your own you don't know the
# number either: train with several and compare.) The other settings are the defaults, but for the number of steps,
# which is smaller to be quick.
config = TrainingConfig(max_edges_actions=20, steps=N_STEPS, validate_every=50)
model = fit(data, config)
print(model)
print(f"{model.history.records[-1].seconds / 60:.1f} minutes")

# %%
# Training starts with every edge there. Then it changes, in two rounds, to the basis of the latents in which the
# mechanisms are sparsest, and keeps the strongest edges: the steps in the lower panel.
plot_training(model.history, plt.subplots(2, 1, figsize=(7, 5), sharex=True, layout="constrained")[1])
for note in model.history.notes:
    print(note)

# %%
# Now the truth. Scores are on samples that training has not seen. MCC is the mean correlation of the true latents
# with the learned ones matched to them, R what all learned latents together explain, SHD the number of wrong edges.
outcome = evaluate(model, test)
print(outcome)

# %%
# The matching alone is known to nobody but us: the model calls its latents v0, v1, ... in some order. In the true
# order, this is the graph that it learned.
plot_graphs(data.graph, outcome.learned_graph)

# %%
# Predicted beside learned entanglement: which learned latents enter each true one. A tick says that nothing enters
# which the theory keeps out.
print(outcome.comparison.verdict)
plot_comparison(outcome.comparison)

# %%
# And the latents themselves, each true one against the learned one matched to it. The theory promises a curve that
# rises or falls, not a straight line, and says nothing of its direction.
plot_latents(test.latents, model.encode(test.observations), outcome.permutation)

# %%
# The same in a shell, with a page of all figures at the end:
#
# .. code-block:: sh
#
#     mechsparse simulate ActionNonDiag -n 50000 --seed 1 -o train.npz
#     mechsparse simulate ActionNonDiag -n 5000 --seed 1 --split test -o test.npz
#     mechsparse train train.npz -o model --max-edges-actions 20 --steps 2500
#     mechsparse evaluate model test.npz --report report.html
