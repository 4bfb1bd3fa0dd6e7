"""
Screens of phosphoproteins
==========================

Three published screens treated cells with ligands and inhibitors, and measured how strongly proteins are
phosphorylated half an hour later. They have a few dozen rows, far too few to train on. What could they tell apart with
as many rows as one likes, and which treatments should be added?
"""

import json
from pathlib import Path

from matplotlib import pyplot as plt

import identify.graph
from identify.criterion import check
from identify.design import design_interventions
from identify.graph import CausalGraph
from identify.plot import plot_design

# %%
# The tables and the networks are files of the package ``cellnopt-data`` 1.0.3. Its code is for Python 2, so it is not
# imported, and ``pip install "mechsparse[systems]"`` leaves it out:
#
# .. code-block:: sh
#
#     pip install --no-deps --target FOLDER cellnopt-data
#     python -m tests.benchmarks.systems.panels --data FOLDER/share/data
#
# The second command, in a copy of the repository, writes ``docs/results/panels.json``, which this page reads. For
# each ligand and inhibitor it holds the measured proteins that a path in the literature network leads to. The
# measured values are not used.
RESULTS = Path(identify.graph.__file__).parents[1] / "docs" / "results"
panels = json.loads((RESULTS / "panels.json").read_text(encoding="utf-8"))
for panel in panels:
    print(f"{panel['name']} ({panel['table']})")
    print("  treatments:", ", ".join(panel["actions"]))
    print("  measured:  ", ", ".join(panel["latents"]))

# %%
# Measured proteins are the latents here, treatments the actions. Which edges are there? Two readings:
#
# - *first*: a treatment moves the first measured protein on each path. Anything behind it follows later, from that
#   protein. This is the graph of the first minutes.
# - *all*: a treatment moves every measured protein that a path leads to. This is the graph of a single measurement
#   after half an hour, when effects have arrived. It asks for more than the theory has: proteins that still influence
#   each other are not independent given the treatments.
#
# Either way, the prediction comes before any data.


def graph_of(panel, reading):
    return CausalGraph.from_edges(panel[reading]["edges"], panel["latents"], panel["actions"])


print(f"{'panel':16} {'reading':8} {'edges':>5}  disentangled if effects are")
print(" " * 31, " sufficiently varied   on/off shifts")
for panel in panels:
    for reading in ("first", "all"):
        graph = graph_of(panel, reading)
        doses, shifts = check(graph), check(graph, effects="shifts")
        n = graph.n_latents
        print(
            f"{panel['name']:16} {reading:8} {graph.n_edges:5}  "
            f"{doses.n_disentangled:2} of {n:2}                {shifts.n_disentangled:2} of {n:2}"
        )

# %%
# No panel tells all of its proteins apart, under either reading. "Sufficiently varied" means that a treatment moves
# its targets in ways that are not proportional, for instance with several doses. The treatments of these screens were
# on or off, so the last column is the one that applies: almost nothing. The reasons are visible in the graph:
graph = graph_of(panels[0], "first")
verdict = check(graph)
print(verdict.headline)
for latent in verdict.latents:
    print("-", latent)
print("without any cause:", ", ".join(verdict.unconstrained))
for treatment in ("igf1", "tgfa", "pi3ki", "mek12i"):
    print(f"{treatment} moves", ", ".join(child for parent, child in graph.edges() if parent == treatment))

# %%
# Two ligands and an inhibitor with the same targets are worth as much as one. Inhibitors with a single target do most
# of the work. What else should be done to the cells? A new treatment may have up to three targets here.
first = graph_of(panels[0], "first")
design = design_interventions(first, max_targets=3)
print(design)
for action in design.actions:
    print("   ", ", ".join(action.targets))

# %%
# The other designs take longer; they are stored. These are few treatments, if they come in several doses. With
# treatments that are on or off, wrong latents that save edges have to be ruled out as well, and that takes nearly one
# new treatment per protein. A line ends at the proved lower bound where the search did not prove its design to be the
# smallest.
figure, ax = plt.subplots(figsize=(6, 3.2), layout="constrained")
styles = {"first": ("black", -0.2), "all": ("tab:red", 0.2)}
for k, panel in enumerate(panels):
    for reading, (colour, offset) in styles.items():
        for (effects, stored), marker in zip(panel[reading]["designs"].items(), "os", strict=True):
            n = len(stored["targets"])
            print(f"{panel['name']}, {reading}, {effects}: {n}, at least {stored['at least']}")
            ax.plot([k + offset] * 2, [stored["at least"], n], color=colour)
            ax.plot(k + offset, n, marker, color=colour)
ax.set_xticks(range(len(panels)), [f"{panel['name']}\n{len(panel['latents'])} proteins" for panel in panels])
ax.set(ylabel="treatments to add", ylim=(0, None))
ax.set_title(
    "circles: in doses; squares: on or off\nblack: first measured protein on a path, red: all", fontsize=9
)

# %%
# The cheapest way is to name the inhibitors that exist, with their prices. Suppose that each of the proteins of the
# first panel could be inhibited by itself, in doses:
chosen = design_interventions(first, {f"{name} inhibitor": [name] for name in first.latents})
print(chosen)
print(", ".join(chosen.names))
plot_design(chosen)

# %%
# What this page can't say: whether the literature network is right, whether effects have the sizes that training
# needs, and whether half an hour is early enough for either reading. It says what to ask for before the next
# experiment.
