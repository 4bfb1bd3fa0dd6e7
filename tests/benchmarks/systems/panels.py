"""What screens of phosphoproteins could tell apart: ``python -m tests.benchmarks.systems.panels --data FOLDER``.

It takes some minutes. The folder is ``share/data`` of the package cellnopt-data 1.0.3, whose code is for Python 2::

    pip install --no-deps --target FOLDER cellnopt-data

It holds tables of measurements (MIDAS) and networks that were put together from the literature. The result,
``docs/results/panels.json``, says which measured proteins each stimulus and each inhibitor reaches in the network, and
which treatments of up to three proteins should be added. The measurements are not used. How graphs follow from tables
and networks is ours.
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import networkx as nx

from identify.design import design_interventions
from identify.files import write_whole
from identify.graph import CausalGraph

__all__ = ["PANELS", "main", "panel", "reached", "read_columns", "read_network"]

#: Name of a panel: the network, the table, and where both are from.
PANELS = {
    "DREAM challenge": ("LiverDREAM/PKN-LiverDREAM.sif", "LiverDREAM/MD-LiverDREAM.csv"),
    "HepG2 cells": ("LiverMSB2009/PKN-LiverMSB2009.sif", "LiverMSB2009/MD-LiverMSB2009.csv"),
    "liver cells": ("ExtLiverPCB/PKN-ExtLiverPCB.sif", "ExtLiverPCB/MD-ExtLiverPCB.csv"),
}
_CONTROLS = ("noinhib", "nocyto", "nolig")


def read_network(path: Path) -> nx.DiGraph:
    """Read a network in SIF; names become lower case, signs are left out."""
    network = nx.DiGraph()
    for line in path.read_text(encoding="utf-8").splitlines():
        parent, _, *children = line.lower().split() or ["", ""]
        network.add_edges_from((parent, child) for child in children)
    return network


def read_columns(path: Path) -> tuple[list[str], list[str]]:
    """Return the treatments and the measured proteins of a table in MIDAS, in lower case.

    Columns of controls ("no inhibitor") and of cell lines are left out.
    """
    with path.open(encoding="utf-8", newline="") as file:
        header = [name.strip().lower() for name in next(csv.reader(file))]
    treatments = [name[3:] for name in header if name.startswith("tr:") and not name.endswith(":cellline")]
    measured = [name[3:] for name in header if name.startswith("dv:")]
    return [name for name in treatments if name not in _CONTROLS], measured


def reached(network: nx.DiGraph, start: str, measured: Iterable[str], *, through: bool) -> list[str]:
    """Return the measured proteins that are reached from a protein, itself included.

    Args:
        network: The network.
        start: A protein of the network.
        measured: The measured proteins.
        through: Whether paths go on behind a measured protein. If not, only the first on each path is reached.
    """
    measured = list(measured)
    blocked = network.copy()
    if not through:
        blocked.remove_edges_from([edge for edge in network.edges if edge[0] in measured])
    found = {start, *nx.descendants(blocked, start)}
    return [name for name in measured if name in found]


def panel(
    network: nx.DiGraph, treatments: Sequence[str], measured: Sequence[str], *, through: bool
) -> CausalGraph:
    """Return the graph of a panel: measured proteins as latents, treatments as actions.

    A treatment that is a protein of the network is a stimulus. Otherwise it is an inhibitor, named after the protein
    that it inhibits and the letter i.

    Raises:
        ValueError: If a treatment is neither.
    """
    edges = []
    for treatment in treatments:
        target = treatment if treatment in network else treatment.removesuffix("i")
        if target not in network:
            raise ValueError(f"{treatment} is neither in the network nor an inhibitor of a protein in it")
        edges += [(treatment, name) for name in reached(network, target, measured, through=through)]
    return CausalGraph.from_edges(edges, measured, treatments)


def _designs(graph: CausalGraph) -> dict[str, Any]:
    """Return the treatments to add if their effects come in doses, and if they are on or off."""
    designs = {}
    for name, effects in (("doses", None), ("on/off", "shifts")):
        design = design_interventions(graph, max_targets=3, effects=effects)
        designs[name] = {
            "targets": [action.targets for action in design.actions],
            "at least": round(design.lower_bound),
            "complete": design.complete,
        }
    return designs


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the graphs of all panels.

    Args:
        arguments: Arguments of the command line; None for those of the process.
    """
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.systems.panels", description=__doc__)
    parser.add_argument(
        "--data", type=Path, required=True, metavar="FOLDER", help="share/data of the package"
    )
    parser.add_argument("--out", type=Path, default=Path("docs/results/panels.json"), metavar="FILE")
    options = parser.parse_args(arguments)
    records: list[dict[str, Any]] = []
    for name, (network_file, table) in PANELS.items():
        network = read_network(options.data / network_file)
        treatments, measured = read_columns(options.data / table)
        record: dict[str, Any] = {"name": name, "table": table, "actions": treatments, "latents": measured}
        for kind, through in (("first", False), ("all", True)):
            graph = panel(network, treatments, measured, through=through)
            record[kind] = {"edges": graph.edges(), "designs": _designs(graph)}
        records.append(record)
    write_whole(options.out, "[\n" + ",\n".join(map(json.dumps, records)) + "\n]\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
