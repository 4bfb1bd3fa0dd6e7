"""
How sparse, and which latents, when nobody knows the truth?
===========================================================

With real data there is no true graph to take the number of edges from, and no true latents to be scored against. What
can be seen is how well a model explains data that it wasn't trained on, and whether seeds agree.
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
# Five actions move ten latents in pairs. We know that here, and the models don't.
train = simulate("ActionBlockDiag", N_SAMPLES, seed=3)
held_out = simulate("ActionBlockDiag", N_TEST, seed=3, split="test")

# %%
# Three budgets, two seeds each: six trainings.
models = [
    (budget, fit(train, TrainingConfig(max_edges_actions=budget, steps=N_STEPS, seed=seed)))
    for budget in (4, 10, 40)
    for seed in (0, 1)
]
runs = measure_runs(models, held_out)
for run in runs:
    print(run)

# %%
# The default rule weighs the gain in held-out ELBO against the edges that it took, times the agreement of the seeds.
chosen = select(runs)
print(chosen.reason)
plot_selection(chosen, runs)

# %%
# With the budget chosen, what do the seeds say of each other? The one with the better ELBO is the reference. Its graph
# says which of the other's latents may enter which of its own.
judged = {f"seed {model.config.seed}": model for budget, model in models if budget == chosen.setting}
verification = verify(judged, held_out)
plot_verification(verification)
for latent in verification.latents:
    print(f"{latent.latent}: {latent.verdict}, with {', '.join(latent.may_mix_with) or 'none'}")

# %%
# Now the truth may speak. R_con says how well the learned latents show the true ones, up to the mixing within pairs
# that no method could undo on these data.
for name, model in judged.items():
    print(name, evaluate(model, held_out))
