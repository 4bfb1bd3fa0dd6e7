"""
A gene regulatory network with dropout
======================================

SERGIO (Dibaeinia and Sinha, Cell Systems 11:252, 2020) simulates single cells: stochastic differential equations of
transcription, then the technical noise of sequencing with library sizes, dropout and counts. Nobody wrote it for this
library. Six regulators are hidden, perturbations switch them on, and a model sees the counts of 80 target genes only.
Does it find the regulators?
"""

import json
from pathlib import Path

import numpy as np
import sympy
from matplotlib import pyplot as plt
from scipy.optimize import linear_sum_assignment

import identify.graph
from identify.criterion import check
from identify.graph import CausalGraph
from identify.influence import check_influence
from identify.mechanisms import Mechanisms, gaussian

# %%
# SERGIO is under the GPL, and runs as a separate program. Simulation takes seconds, training minutes, so this page
# shows stored results. In a copy of the repository:
#
# .. code-block:: sh
#
#     pip install --target FOLDER --no-deps sergio-scSim==1.9.3 cma
#     PYTHONPATH=FOLDER python -m tests.benchmarks.systems.gene_network
#
# SERGIO also needs pandas, networkx, matplotlib and scikit-learn.
RESULTS = Path(identify.graph.__file__).parents[1] / "docs" / "results"
problems = json.loads((RESULTS / "gene_network.json").read_text(encoding="utf-8"))
stored = [problem for problem in problems if problem["runs"]]

# %%
# What is simulated
# -----------------
#
# Each target has one to three regulators. A regulator activates or represses it by a Hill function with SERGIO's
# standard ranges. Each of twelve perturbations raises the production of two regulators; there is also a control. Which
# regulators, targets and rates was drawn by a seed before anything was trained; settings were tried on network 100,
# which is not shown. Targets respond with a delay, and their transcription is noisy. So the targets of a cell don't
# determine its regulators, whatever the method. The amplitude of the noise of transcription is 0.3; SERGIO's README
# has 1, and one run has it too.
#
# Prediction
# ----------
#
# Each perturbation is on or off. The verdict was written to the file before training; here it is computed again.
REGULATORS = [f"r{k}" for k in range(6)]


def graph_of(record):
    """Return the true graph: perturbations as actions, regulators as latents."""
    edges = record["predicted"]["edges"]
    return CausalGraph.from_edges(edges, REGULATORS, list(dict.fromkeys(action for action, _ in edges)))


def title(record):
    """Return the setting in words."""
    where = record["where"]
    technical = {"dropout": "library sizes and dropout", "library": "library sizes, no dropout"}
    return (
        f"network {where['network']}, transcription noise {where['noise']}, {technical[where['technical']]}"
    )


for number in dict.fromkeys(record["where"]["network"] for record in stored):
    record = next(each for each in stored if each["where"]["network"] == number)
    verdict = check(graph_of(record), effects="shifts")
    print(f"network {number}: {verdict.headline}")
    print(" ", verdict.joint)
    for latent in verdict.latents:
        if not latent.disentangled:
            print(" ", latent)

# %%
# This is joint influence: all perturbations taken together. One perturbation at a time, nothing is guaranteed, since
# an on/off action on two latents moves them in one fixed proportion:
graph = graph_of(stored[0])
latents, actions = sympy.symbols(" ".join(graph.latents)), sympy.symbols(f"a0:{len(graph.actions)}")
moved, shifts = graph.Ga.toarray(), iter(sympy.primerange(1000))
means = [sum(next(shifts) * a for a, m in zip(actions, row, strict=True) if m) for row in moved]
densities = [gaussian(z, mean) for z, mean in zip(latents, means, strict=True)]
mechanisms = Mechanisms(list(latents), densities, list(actions), action_values=dict.fromkeys(actions, (0, 1)))
alone = check_influence(mechanisms)
print("per action:", ", ".join(sorted({cause.status for cause in alone.actions.values()})))
print(check(mechanisms.graph, influence=alone).guarantee)

# %%
# The prediction rests on conditions that a graph doesn't know. Three are doubtful here. The noise of a regulator
# should not depend on its mean, but SERGIO's variance is proportional to it. The decoder should be injective. And
# nothing but the latents should show in all genes together. A likelihood of counts scales the size of a cell away; but
# whether SERGIO drops an entry depends on its height, so large cells have fewer zeros in all genes.
#
# What the runs said
# ------------------
#
# Training was told the true numbers of latents and edges. "Negative binomial" and "zero-inflated" are likelihoods of
# counts. "With size" is the negative binomial with the logarithm of a cell's size as a covariate. "Gaussian on log1p"
# sees the logarithm of normalised counts, as most people would do. The last two lines of each run ask about the
# learned graph what was asked about the true one above.
for record in stored:
    actions = graph_of(record).actions
    for name, run in record["runs"].items():
        if run["missing"] is None:
            continue
        print(f"\n{title(record)}: {name}")
        print("  basis:", run["margin"])
        for warning in run["warnings"]:
            print("  warning:", warning)
        print("  confidence in latents:", run["confidence"])
        learned = CausalGraph.from_edges(run["edges"], [f"v{k}" for k in range(6)], actions)
        verdict = check(learned, effects="shifts")
        print("  learned graph:", verdict.headline)
        for latent in verdict.latents:
            if not latent.disentangled:
                print("   ", latent)

# %%
# What is true
# ------------
#
# Only now we look at the truth. iVAE and VAE are baselines without a graph, which see log1p. Scores are on cells that
# were simulated with another seed. "Supervised" is the mean correlation of a linear regression that was shown the true
# regulators, and tells what the targets can say linearly. "Within" is the same after the means of the perturbations are
# subtracted from everything.


def matched(run):
    """Return the correlation of each true latent with its match: over all cells, and within perturbations."""
    order = linear_sum_assignment(-np.array(run["correlations"]))[1]
    return [
        np.array(run[key])[np.arange(len(order)), order] for key in ("correlations", "within perturbations")
    ]


for record in stored:
    data = record["data"]
    print(f"\n{title(record)}")
    print(
        f"  {data['cells']} cells, median size {data['median sum']:.0f}, {data['share of zeros']:.0%} zeros"
    )
    for see, name in (("clean", "clean targets"), ("log1p", "log1p counts")):
        total, within = (np.mean(data[key][see]) for key in ("supervised", "supervised within"))
        print(f"  supervised, {name + ':':15} {total:.3f}, within {within:.3f}")
    for name, run in record["runs"].items():
        edges = "" if run["missing"] is None else f", {run['missing']} edges missing, {run['extra']} extra"
        scores = f"MCC {run['mcc']:.3f}, R {run['r']:.3f}, within {matched(run)[1].mean():.3f}"
        print(f"  {name + ':':20} {scores}{edges}")

# %%
# A run failed without a warning, and with a high confidence in all latents: the negative binomial on network 1. One
# latent is moved by no perturbation, and a regulator is missing. The verdict on its learned graph names this latent: it
# stays entangled with all others, so its confidence means little. The latent follows the size of a cell instead. We
# understood this only after looking at the truth. Network 3 was drawn afterwards, as a test of this explanation and of
# the remedy, the size as a covariate. Correlations of regulators with their matches, and the largest correlation of a
# latent with the logarithm of the size (not stored for the earlier runs):
for record in stored:
    for name, run in record["runs"].items():
        if run["missing"] is not None:
            found = " ".join(f"{value:.2f}" for value in matched(run)[0])
            size = (
                f"; size {max(run['correlations with size']):.2f}" if "correlations with size" in run else ""
            )
            where = record["where"]
            print(f"network {where['network']}, noise {where['noise']}, {name + ':':20} {found}{size}")

# %%
# Every run with the size as a covariate has the true graph, and its MCC is within 0.01 of R. Without it, the negative
# binomial has the true graph on one network of three. On network 2, the prediction was a tie for one regulator: other
# bases are as sparse as the true one. The run found this regulator all the same. Theory does not promise that, the
# verdict on its learned graph repeats it, and neither margin nor confidence of the run knows of the tie.
#
# Most of what is found is which regulators a perturbation switched on. Cells with the same perturbation differ by
# noise of transcription only, and of this noise the targets show little, by any method. Below, left: correlations of
# true and learned latents over all cells. Right: within perturbations.
shown = [
    (record, name, record["runs"][name])
    for record in stored
    for name in ("negative binomial", "with size")
    if name in record["runs"] and record["where"]["network"] in (1, 2)
]
figure, axes = plt.subplots(len(shown), 2, figsize=(7, 2.6 * len(shown)), layout="constrained", squeeze=False)
for row, (record, name, run) in zip(axes, shown, strict=True):
    order = linear_sum_assignment(-np.array(run["correlations"]))[1]
    for ax, key in zip(row, ("correlations", "within perturbations"), strict=True):
        values = np.array(run[key])[:, order]
        ax.imshow(values, cmap="gray_r", vmin=0, vmax=1)
        for (i, j), value in np.ndenumerate(values):
            colour = "white" if value > 0.5 else "black"
            ax.text(j, i, f"{value:.2f}", ha="center", va="center", fontsize=7, color=colour)
        ax.set_yticks(range(6), REGULATORS)
        ax.set_xticks(range(6), [f"v{k}" for k in order])
        ax.set_title(f"network {record['where']['network']}, {name}", fontsize=8)
