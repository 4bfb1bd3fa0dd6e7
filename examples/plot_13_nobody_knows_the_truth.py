"""
How sparse, and which latents, when nobody knows the truth?
===========================================================

With real data neither the number of edges nor the true latents are known. Two quantities are available: how well a
model explains held-out data, and whether seeds agree.
"""

from estimation.config import TrainingConfig
from estimation.evaluation import evaluate
from estimation.evaluation.verification import verify
from estimation.plot import plot_selection, plot_verification
from estimation.selection import measure_runs, select
from estimation.simulate import simulate
from estimation.training import fit

N_SAMPLES = 20_000
N_TEST = 5_000
N_STEPS = 1_000

# %%
# Five actions move ten latents in pairs. We know this; the models don't.
train = simulate("ActionBlockDiag", N_SAMPLES, seed=3)
held_out = simulate("ActionBlockDiag", N_TEST, seed=3, split="test")

# %%
# We train three budgets with two seeds each, six models in all.
models = [
    (budget, fit(train, TrainingConfig(max_edges_actions=budget, steps=N_STEPS, seed=seed, restarts=1)))
    for budget in (4, 10, 40)
    for seed in (0, 1)
]
runs = measure_runs(models, held_out)
for run in runs:
    print(run)

# %%
# The default rule multiplies the gain in held-out ELBO, minus the cost in edges, by the agreement of the seeds.
chosen = select(runs)
print(chosen.reason)
plot_selection(chosen, runs)

# %%
# With the chosen budget, do the seeds confirm each other? The seed with the better ELBO is the reference. Its graph
# predicts which latents of the other seed may enter which of its own.
candidates = {f"seed {model.config.seed}": model for budget, model in models if budget == chosen.setting}
verification = verify(candidates, held_out)
plot_verification(verification)
for latent in verification.latents:
    print(f"{latent.latent}: {latent.verdict}, with {', '.join(latent.may_mix_with) or 'none'}")

# %%
# Finally we compare with the truth. R_con measures how well the learned latents recover the true ones, up to the mixing
# within pairs that no method could undo on these data.
for name, model in candidates.items():
    print(name, evaluate(model, held_out))
