"""
My own data
===========

You have a table: columns that were measured, columns that say what was done, and a column that tells one run of the
experiment from the next. This page reads it, trains on it, keeps the model and uses it. At the end: data that don't
fit in memory.
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
workplace = tempfile.TemporaryDirectory()
folder = Path(workplace.name)

# %%
# We have no table of yours, so we make one and forget where it came from: a climate chamber with three states that
# nobody measures directly, eight sensors that each see all of them, and two controls. A run takes 25 minutes.
chamber = CausalGraph(
    Gz=[[1, 0, 0], [1, 1, 0], [0, 1, 1]],
    Ga=[[1, 0], [0, 1], [0, 0]],
    latents=["temperature", "humidity", "growth"],
    actions=["heater", "mister"],
)
made = simulate(chamber, N_RUNS, seed=4, n_steps=25, n_observed=8, variance=0.01)
with open(folder / "chamber.csv", "w", newline="", encoding="utf-8") as file:
    writer = csv.writer(file)
    writer.writerow(["run", "minute", *(f"sensor {k}" for k in range(8)), "heater", "mister"])
    for run in range(N_RUNS):
        for minute in range(25):
            # the controls of a row are those that led to it; what led to the first row of a run isn't used
            controls = made.actions[run, minute - 1] if minute else (0, 0)
            writer.writerow([f"run {run}", minute, *made.observations[run, minute], *controls])
print((folder / "chamber.csv").read_text(encoding="utf-8")[:200])

# %%
# Reading says which columns are what. A pattern names several columns at once. The rows of a run are cut into pairs
# of steps that never reach from one run into the next. Everything is checked: a gap, a text among numbers, or a
# column that never changes is an error that names the place. A column of words (``categorical="drug"``) becomes one
# action for each value; Parquet files are read the same way.
data = Dataset.read(
    folder / "chamber.csv",
    observations="sensor *",
    actions=["heater", "mister"],
    episode="run",
    time="minute",
)
print(data)

# %%
# What must be said to train: how many latents, and how many edges they may have. Nobody tells the right numbers.
# Start with what you believe of the system, and look at models with fewer and more.
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
# The learned graph is an input of everything on the graph side. If it is right, are its latents determined?
print(check(again.graph))

# %%
# Is it right? Without the truth, train another model from another seed. First question: do both have the same graph,
# up to the order of the latents?
second = fit(data, config.replace(seed=1))
print(second.graph in consistency_class(model.graph))

# %%
# Second question: is a latent of the one model a function of one latent of the other, or of those at most that the
# graph allows? Agreement is evidence, not proof. A cross is a contradiction, the larger the stronger; after a
# training this short expect some.
measured = learned_entanglement(model, data, other=second)
comparison = compare(predict_entanglement(model.graph), measured)
print(comparison.verdict)
plot_comparison(comparison)

# %%
# The same for people who live in scikit-learn: ``SparseMechanismVAE(3, ...).fit(X, actions=A, groups=run)``, then
# ``transform``. See :class:`estimation.estimator.SparseMechanismVAE`.
#
# Larger than memory
# ------------------
#
# Observations in an NPY file (float32) can stay on disk, and training reads the rows of each batch. Actions, small as
# they are, come from an array or an NPY file beside it.
rows = np.lib.format.open_memmap(
    folder / "big.npy", mode="w+", dtype=np.float32, shape=data.observations.shape
)
rows[:] = data.observations
rows.flush()
np.save(folder / "controls.npy", data.actions)
on_disk = Dataset.read(folder / "big.npy", actions="controls.npy", memory_map=True)
print(on_disk, isinstance(on_disk.observations, np.memmap))

# %%
# What is held out of training are then the last rows in the file, so that nothing has to be copied. An array that you
# have opened with ``numpy.memmap`` yourself works as well: ``Dataset.from_arrays(memmap, actions)``.
quick = fit(on_disk, config.replace(steps=max(N_STEPS // 10, 10)))
print(quick)
workplace.cleanup()
