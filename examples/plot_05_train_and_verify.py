"""
Train and verify in five minutes
================================

The theory predicts which latents a sparse model can recover. Does a trained model recover them? We simulate data with
known latents, compute the prediction, train a model, and compare.
"""

from matplotlib import pyplot as plt

from estimation.config import TrainingConfig
from estimation.evaluation import evaluate
from estimation.plot import plot_comparison, plot_graphs, plot_latents, plot_training
from estimation.simulate import simulate
from estimation.training import fit
from identify.criterion import check

# These sizes take minutes on one CPU thread; more samples and steps give better latents.
N_SAMPLES = 50_000
N_TEST = 5_000
N_STEPS = 2_500

# %%
# ActionNonDiag is a published process: ten latents, ten continuous actions that move two latents each, and
# observations of twenty dimensions through a random injective network. The seed fixes the process; each split has
# other samples of the same process.
data = simulate("ActionNonDiag", N_SAMPLES, seed=1)
test = simulate("ActionNonDiag", N_TEST, seed=1, split="test")
print(data)

# %%
# The prediction needs only the graph, neither training nor data. The rest of this page tests it.
verdict = check(data.graph)
print(verdict)
print(verdict.witness("z0", "z1"))

# %%
# The budget is the true number of edges; the model does not know which ones they are. (With your own data the number
# is unknown too: train with several budgets and compare.) The other settings are the defaults, except for
# fewer steps, to save time.
config = TrainingConfig(max_edges_actions=20, steps=N_STEPS, validate_every=50)
model = fit(data, config)
print(model)
print(f"{model.history.records[-1].seconds / 60:.1f} minutes")

# %%
# Training starts with every edge. Two rounds of unmixing then change to the basis of the latents in which the
# mechanisms are sparsest, and keep the strongest edges: these are the steps in the lower panel.
plot_training(model.history, plt.subplots(2, 1, figsize=(7, 5), sharex=True, layout="constrained")[1])
for note in model.history.notes:
    print(note)

# %%
# We now use the truth. The scores are on held-out samples. MCC is the mean correlation of the true latents
# with the learned ones matched to them, R the multiple correlation with all learned latents, SHD the number of wrong
# edges.
outcome = evaluate(model, test)
print(outcome)

# %%
# The model calls its latents v0, v1, ... in some order. Matched to the true latents, this is the learned graph next to
# the true one.
plot_graphs(data.graph, outcome.learned_graph)

# %%
# The next figure compares predicted and learned entanglement: which learned latents enter each true one. A tick means
# that no latent enters against the prediction.
print(outcome.comparison.verdict)
plot_comparison(outcome.comparison)

# %%
# Finally, each true latent against the learned one matched to it. The theory promises a monotone curve, not
# a straight line, and does not determine its direction.
plot_latents(test.latents, model.encode(test.observations), outcome.permutation)

# %%
# The same in a shell, with a report of all figures at the end:
#
# .. code-block:: sh
#
#     mechsparse simulate ActionNonDiag -n 50000 --seed 1 -o train.npz
#     mechsparse simulate ActionNonDiag -n 5000 --seed 1 --split test -o test.npz
#     mechsparse train train.npz -o model --max-edges-actions 20 --steps 2500
#     mechsparse evaluate model test.npz --report report.html
