"""Simulate cells with SERGIO: ``python sergio_driver.py PROBLEM.json OUT.npz``, a program of its own.

SERGIO (sergio-scSim 1.9.3, GPL) is a separate program for us: nothing else imports it, and this file imports nothing
of ours, so any interpreter with SERGIO can run it. `gene_cells.simulate` writes the problem and reads the result.

The problem has the keys ``edges`` (lists of regulator, target, strength k, Hill coefficient n), ``rates`` (production
rates of the master regulators, one list per regulator with an entry per cell type), ``decay``, ``noise``, ``dt``,
``cells_per_type``, ``safety_iter``, ``scale_iter``, ``technical`` (arguments of SERGIO's technical noise), ``fast``
(whether histories are stored as below), and ``seed``.
The result has ``clean`` and ``counts``, shapes (genes, cells), ``genes`` (their names), and ``types`` (the cell type of
each cell).
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
from SERGIO import sergio
from SERGIO.GRN import GRN, SingleInteraction
from SERGIO.GRN._components import Gene
from SERGIO.MR import mrProfile
from SERGIO.Noise._noise import scNoise


class FastGene(Gene):
    """A gene of SERGIO that stores all cell types of a time step at once; the original copies its history each time."""

    def __init__(self, name, decay):
        super().__init__(name=name, decay=decay)
        self.steps = []

    def append_sim_conc(self, conc, cTypes):
        self.steps.append(np.maximum(conc, 0).astype(np.float32))

    def get_last_conc(self, cTypes):
        return self.steps[-1].astype(float)


def build(problem):
    """Return the initialised network."""
    network, kind = GRN(), FastGene if problem.get("fast", True) else Gene
    for regulator, target, k, n in problem["edges"]:
        ends = [kind(name, problem["decay"]) for name in (regulator, target)]
        network.add_interaction(SingleInteraction(reg=ends[:1], tar=ends[1], k=k, h=None, n=n))
    network.setMRs()
    rates = problem["rates"]
    profile = mrProfile(list(rates), len(next(iter(rates.values()))))
    profile.profile = {name: np.array(values) for name, values in rates.items()}
    network.init(profile, update_half_resp=True)
    return network


def main(problem_path, out_path):
    problem = json.loads(Path(problem_path).read_text(encoding="utf-8"))
    # SERGIO draws from the global state, and this process is its alone
    np.random.seed(problem["seed"])  # noqa: NPY002
    network = build(problem)
    simulation = sergio(network)
    simulation.simulate(
        nCells=problem["cells_per_type"],
        noise_s=problem["noise"],
        safety_iter=problem["safety_iter"],
        scale_iter=problem["scale_iter"],
        dt=problem["dt"],
    )
    if problem.get("fast", True):
        for gene in network.attr_["genes"].values():
            gene.sim_conc_ = np.array(gene.steps).T
    table = simulation.getSimExpr()
    clean = table.to_numpy()
    counts = scNoise()._add_noise(clean, to_count=True, **problem["technical"])
    types = [int(name.split("_")[1]) for name in table.columns]
    np.savez_compressed(
        out_path,
        clean=clean.astype(np.float32),
        counts=counts.astype(np.int32),
        genes=table.index.to_numpy(dtype=str),
        types=np.array(types),
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
