"""Screens of phosphoproteins: files of a small made-up screen are read, and the stored predictions are recomputed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np
import pytest

from identify.criterion import check
from identify.graph import CausalGraph
from tests.benchmarks.systems.panels import PANELS, main, panel, reached, read_columns, read_network
from tests.documentation import DOCS
from tests.seeds import training_seed

RECORDS: list[dict[str, Any]] = json.loads((DOCS / "results" / "panels.json").read_text(encoding="utf-8"))
NETWORK = nx.DiGraph([("egf", "ras"), ("ras", "mek"), ("mek", "erk"), ("tnf", "p38"), ("erk", "fos")])


@pytest.fixture
def files(tmp_path: Path) -> Path:
    for network, table in PANELS.values():
        (tmp_path / network).parent.mkdir(exist_ok=True)
        (tmp_path / network).write_text(
            "EGF\t1\tras\nras 1 mek\nmek\t1\terk\n\ntnf -1 p38\nerk 1 fos\n", encoding="utf-8"
        )
        (tmp_path / table).write_text(
            "TR:HepG2:CellLine,TR:NOCYTO,TR:egf,TR:TNF,TR:meki,DA:mek,DA:ERK,DV:mek,DV:ERK \n",
            encoding="utf-8",
        )
    return tmp_path


def test_networks_and_tables_are_read_in_lower_case(files: Path) -> None:
    network, table = PANELS["liver cells"]
    assert sorted(read_network(files / network).edges) == sorted(NETWORK.edges)
    assert read_columns(files / table) == (["egf", "tnf", "meki"], ["mek", "erk"])


def test_paths_stop_at_the_first_measured_protein_or_go_on() -> None:
    assert reached(NETWORK, "egf", ["mek", "erk", "p38"], through=False) == ["mek"]
    assert reached(NETWORK, "egf", ["mek", "erk", "p38"], through=True) == ["mek", "erk"]
    assert reached(NETWORK, "mek", ["mek", "erk"], through=False) == ["mek"]
    assert reached(NETWORK, "tnf", ["mek", "erk"], through=True) == []


@pytest.mark.parametrize("seed", range(40))
def test_what_is_reached_first_is_reached_by_paths_without_measured_proteins_inside(seed: int) -> None:
    rng = np.random.default_rng(training_seed(seed))
    edges = rng.integers(0, 7, (rng.integers(20), 2)).tolist()
    network = nx.DiGraph([(str(a), str(b)) for a, b in edges])
    network.add_nodes_from(map(str, range(7)))
    measured = [str(k) for k in np.flatnonzero(rng.random(7) < 0.4)]
    first = reached(network, "0", measured, through=False)
    assert set(first) <= set(reached(network, "0", measured, through=True))
    for name in measured:
        paths = [["0"]] if name == "0" else list(nx.all_simple_paths(network, "0", name))
        assert (name in first) == any(not set(path[:-1]) & set(measured) for path in paths)


def test_inhibitors_act_where_the_inhibited_protein_does() -> None:
    graph = panel(NETWORK, ["egf", "meki", "erki"], ["mek", "erk"], through=False)
    assert graph.edges() == [("egf", "mek"), ("meki", "mek"), ("erki", "erk")]
    with pytest.raises(
        ValueError, match="rafi is neither in the network nor an inhibitor of a protein in it"
    ):
        panel(NETWORK, ["rafi"], ["mek"], through=False)


def test_the_command_writes_graphs_and_designs(files: Path) -> None:
    assert main(["--data", str(files), "--out", str(files / "panels.json")]) == 0
    record = json.loads((files / "panels.json").read_text(encoding="utf-8"))[0]
    assert record["first"]["edges"] == [["egf", "mek"], ["meki", "mek"]]
    assert record["all"]["edges"] == [["egf", "mek"], ["meki", "mek"], ["egf", "erk"], ["meki", "erk"]]
    assert record["first"]["designs"]["doses"] == {"targets": [["erk"]], "at least": 1, "complete": True}


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record["name"])
def test_no_stored_panel_tells_all_its_proteins_apart_and_stored_designs_do(record: dict[str, Any]) -> None:
    for reading in ("first", "all"):
        edges = [tuple(edge) for edge in record[reading]["edges"]]
        graph = CausalGraph.from_edges(edges, record["latents"], record["actions"])
        assert not check(graph)
        designs = record[reading]["designs"]
        added = [(f"new {k}", name) for k, names in enumerate(designs["doses"]["targets"]) for name in names]
        actions = [*record["actions"], *dict.fromkeys(name for name, _ in added)]
        assert check(CausalGraph.from_edges([*edges, *added], record["latents"], actions))
        assert all(len(each["targets"]) >= each["at least"] for each in designs.values())
