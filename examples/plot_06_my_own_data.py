"""
My own data
===========

You have a table with measured columns, columns of actions, and a column that identifies the runs of the
experiment. This page reads the table, trains on it, and saves and uses the model. The last section covers data that
don't fit in memory.
"""

import csv
import tempfile
from pathlib import Path

import numpy as np

from estimation.checkpoint import load
from estimation.config import TrainingConfig
from estimation.dataset import Dataset
from estimation.evaluation.comparison import compare
from estimation.learned import learned_entanglement
from estimation.plot import plot_comparison
from estimation.simulate import simulate
from estimation.training import fit
from identify.consistency import consistency_class
from identify.criterion import check
from identify.entanglement import predict_entanglement
from identify.graph import CausalGraph

N_RUNS = 300
N_STEPS = 800
temporary = tempfile.TemporaryDirectory()
folder = Path(temporary.name)

# %%
# In place of your table we simulate one and treat its origin as unknown: a climate chamber with three states that
# nobody measures directly, eight sensors that each respond to all of them, and two controls. A run takes 25 minutes.
chamber = CausalGraph(
    Gz=[[1, 0, 0], [1, 1, 0], [0, 1, 1]],
    Ga=[[1, 0], [0, 1], [0, 0]],
    latents=["temperature", "humidity", "growth"],
    actions=["heater", "mister"],
)
simulated = simulate(chamber, N_RUNS, seed=4, n_steps=25, n_observed=8, variance=0.01)
with open(folder / "chamber.csv", "w", newline="", encoding="utf-8") as file:
    writer = csv.writer(file)
    writer.writerow(["run", "minute", *(f"sensor {k}" for k in range(8)), "heater", "mister"])
    for run in range(N_RUNS):
        for minute in range(25):
            # the controls of a row are those that led to it; those of the first row of a run are not used
            controls = simulated.actions[run, minute - 1] if minute else (0, 0)
            writer.writerow([f"run {run}", minute, *simulated.observations[run, minute], *controls])
print((folder / "chamber.csv").read_text(encoding="utf-8")[:200])

# %%
# The arguments of ``read`` assign roles to columns; a pattern names several columns at once. The rows of a run are
# split into pairs of consecutive steps that never cross from one run into the next. A gap, text among numbers, or a
# constant column is an error that names the place. A column of categories (``categorical="drug"``) becomes one
# action per value. Parquet files are read in the same way.
data = Dataset.read(
    folder / "chamber.csv",
    observations="sensor *",
    actions=["heater", "mister"],
    episode="run",
    time="minute",
)
print(data)

# %%
# Training needs the number of latents and the number of edges, which are unknown here.
# Start with what you know about the system, and compare with models that have fewer and more.
config = TrainingConfig(
    n_latents=3, max_edges_actions=2, max_edges_past=5, steps=N_STEPS, batch_size=256, seed=0
)
model = fit(data, config)
print(model)
for parent, child in model.graph.edges():
    print(f"{parent} -> {child}")

# %%
# A model is a folder of tensors and JSON. Loading it runs no code from the folder.
model.save(folder / "model")
again = load(folder / "model")
latents = again.encode(data.observations)
print(latents.shape)

# %%
# All functions of the graph side accept the learned graph. If it is right, are its latents determined?
print(check(again.graph))

# %%
# Is it right? Without the truth, train a second model with another seed. First question: do both have the same graph,
# up to the order of the latents?
second = fit(data, config.replace(seed=1))
print(second.graph in consistency_class(model.graph))

# %%
# Second question: is each latent of one model a function of one latent of the other, or only of those that the
# graph allows? Agreement is evidence, not proof. A cross is a contradiction, and its size the strength. After such
# short training, expect some.
measured = learned_entanglement(model, data, other=second)
comparison = compare(predict_entanglement(model.graph), measured)
print(comparison.verdict)
plot_comparison(comparison)

# %%
# The same with scikit-learn: ``SparseMechanismVAE(3, ...).fit(X, actions=A, groups=run)``, then
# ``transform``. See :class:`estimation.estimator.SparseMechanismVAE`.
#
# Data larger than memory
# -----------------------
#
# Observations in an NPY file (float32) can stay on disk; training reads only the rows of each batch. Actions, which are
# small, come from an array or from an NPY file in the same folder.
rows = np.lib.format.open_memmap(
    folder / "big.npy", mode="w+", dtype=np.float32, shape=data.observations.shape
)
rows[:] = data.observations
rows.flush()
np.save(folder / "controls.npy", data.actions)
on_disk = Dataset.read(folder / "big.npy", actions="controls.npy", memory_map=True)
print(on_disk, isinstance(on_disk.observations, np.memmap))

# %%
# The held-out rows are then the last rows of the file, so that nothing is copied. An array that you
# opened with ``numpy.memmap`` works as well: ``Dataset.from_arrays(memmap, actions)``.
quick = fit(on_disk, config.replace(steps=max(N_STEPS // 10, 10)))
print(quick)
temporary.cleanup()
