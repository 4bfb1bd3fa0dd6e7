"""Every format is lossless for all names, and agrees with its schema and its documentation."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from jsonschema import Draft202012Validator

import identify.formats
from identify import catalog
from identify.design import Candidate, read_candidates
from identify.exceptions import IdentifyError
from identify.files import write_whole
from identify.formats import FORMATS, read_graph, write_graph
from identify.graph import CausalGraph
from tests.identify.named_graphs import HARD_NAMES, HEAD, named_graphs, quick

ROOT = Path(__file__).parents[2]


# Round trips ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", FORMATS.values(), ids=lambda form: form.name)
@given(graph=named_graphs())
@quick
@example(graph=CausalGraph(latents=["only"]))
@example(graph=CausalGraph(latents=HARD_NAMES, actions=["a"], Ga=[[1]] * len(HARD_NAMES)))
@example(graph=CausalGraph(latents=["a"], actions=HARD_NAMES, Ga=[[1] * len(HARD_NAMES)]))
def test_nothing_is_lost(form: identify.formats.Format, graph: CausalGraph) -> None:
    copy = form.read(form.write(graph))
    assert copy == graph
    assert copy.same_names(graph)


@pytest.mark.parametrize("form", FORMATS.values(), ids=lambda form: form.name)
@pytest.mark.parametrize("suffix_case", [str.lower, str.upper])
def test_files_by_suffix(form: identify.formats.Format, suffix_case: Any, tmp_path: Path) -> None:
    for suffix in form.suffixes:
        path = tmp_path / ("graph" + suffix_case(suffix))
        for name in ("Apoptosis Network", "Treatment of Castration-Resistant Prostate Cancer"):
            write_graph(catalog.load(name), path)
            assert read_graph(path) == catalog.load(name)
            assert read_graph(path, form.name).same_names(catalog.load(name))


@pytest.mark.parametrize("form", FORMATS.values(), ids=lambda form: form.name)
def test_the_same_graph_gives_the_same_bytes(form: identify.formats.Format) -> None:
    graph = catalog.load("Lac Operon")
    assert form.write(graph) == form.write(form.read(form.write(graph)))


def test_the_header_decides_between_the_forms_of_csv(tmp_path: Path) -> None:
    graph = catalog.load("actions-and-past")
    write_graph(graph, tmp_path / "one.csv", "adjacency")
    write_graph(graph, tmp_path / "two.adjacency.csv")
    write_graph(graph, tmp_path / "three.csv")
    assert (tmp_path / "one.csv").read_bytes() == (tmp_path / "two.adjacency.csv").read_bytes()
    assert (tmp_path / "three.csv").read_text().startswith("parent,child,kind\n")
    assert read_graph(tmp_path / "one.csv") == read_graph(tmp_path / "three.csv") == graph


def test_tables_written_by_pandas_are_read(tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    graph = catalog.load("actions-and-past")
    table = np.hstack([graph.Gz.toarray(), graph.Ga.toarray()])
    for number, frame in enumerate((table, table.astype(int), table.astype(float))):
        path = tmp_path / f"{number}.csv"
        pandas.DataFrame(frame, index=graph.latents, columns=[*graph.latents, *graph.actions]).to_csv(path)
        assert read_graph(path) == graph
        assert read_graph(path).same_names(graph)


def test_dot_with_groups_chains_ports_and_defaults() -> None:
    text = (
        'digraph { node [kind=latent]; "a b"; push [kind=action]; push:e -> {"a b" c}; "a b":n -> c -> d; }'
    )
    graph = FORMATS["dot"].read(text.encode())
    assert graph.latents == ("a b", "c", "d")
    assert graph.edges() == [("a b", "c"), ("c", "d"), ("push", "a b"), ("push", "c")]


def test_npz_does_not_store_default_names(tmp_path: Path) -> None:
    graph = catalog.load("TimeNonDiag")
    content = FORMATS["npz"].write(graph)
    assert "latents" not in np.load(io.BytesIO(content))
    assert FORMATS["npz"].read(content).same_names(graph)


def test_npz_with_dense_matrices(tmp_path: Path) -> None:
    np.savez(tmp_path / "g.npz", Gz=np.eye(2), Ga=[[1], [0]], latents=["x", "y"])
    assert read_graph(tmp_path / "g.npz").edges() == [("x", "x"), ("y", "y"), ("a0", "x")]


# JSON and its schema --------------------------------------------------------------------------------

SCHEMA = json.loads((ROOT / "identify/schemas/graph-1.schema.json").read_text())
VALIDATOR = Draft202012Validator(SCHEMA)


@given(named_graphs())
@quick
def test_written_files_satisfy_the_schema(graph: CausalGraph) -> None:
    Draft202012Validator.check_schema(SCHEMA)
    VALIDATOR.validate(json.loads(FORMATS["json"].write(graph)))


@pytest.mark.parametrize(
    "record",
    [
        {**HEAD, "Gz": [[0, 1], [1, 0]]},
        {**HEAD, "Ga": [[True], [False]], "latents": ["x", "y"], "actions": ["a"]},
        {**HEAD, "latents": ["x"], "edges": []},
        {**HEAD, "latents": ["x"]},
        {**HEAD, "latents": ["x"], "edges": [], "metadata": {"anything": [1, None]}},
    ],
)
def test_schema_and_reader_accept(record: dict[str, Any]) -> None:
    VALIDATOR.validate(record)
    FORMATS["json"].read(json.dumps(record).encode())


REJECTED = [
    ([], "line 1: contains a list; a graph is an object with 'format': 'mechsparse-graph'"),
    (None, "line 1: contains a null"),
    ({"version": 1, "latents": ["x"]}, "key 'format': is None; it must be 'mechsparse-graph'"),
    ({"format": "mechsparse-graph", "latents": ["x"]}, "key 'version': is None; it must be 1"),
    ({**HEAD, "version": True, "latents": ["x"]}, "key 'version': is True; it must be 1"),
    ({**HEAD, "version": 2, "latents": ["x"]}, "key 'version': is 2, newer than 1; update mechsparse"),
    ({**HEAD, "latents": ["x"], "edgse": []}, "key 'edgse': is unknown; put your own keys under 'metadata'"),
    ({**HEAD, "latents": ["x"], "metadata": 3}, "key 'metadata': is a number; it must be an object"),
    ({**HEAD}, "key 'latents': is missing; a graph has 'latents' and 'edges', or 'Gz' and 'Ga'"),
    ({**HEAD, "edges": []}, "key 'latents': is missing; 'edges' requires the names of the latents"),
    ({**HEAD, "latents": ["x"], "edges": [], "Gz": [[1]]}, "key 'edges': can't be combined with 'Gz' or 'Ga'"),
    ({**HEAD, "latents": "xy"}, "key 'latents': is a string; it must be a list of names"),
    ({**HEAD, "latents": ["x", 3]}, "latents[1]: is 3; a name is a non-empty string"),
    ({**HEAD, "latents": -3}, "key 'latents': is a number; it must be a list of names"),
    ({**HEAD, "latents": ["x", ""]}, "latents name 1 is empty"),
    ({**HEAD, "latents": ["x", "x"]}, "latents 0 and 1 are both named 'x'"),
    ({**HEAD, "latents": []}, "needs at least one latent"),
    ({**HEAD, "latents": ["x"], "edges": {}}, "key 'edges': is a object; it must be a list of pairs"),
    ({**HEAD, "latents": ["x"], "edges": [["x", "x"], ["x"]]}, "edges[1]: is ['x']; an edge is a pair of names"),
    ({**HEAD, "latents": ["x"], "edges": [["x", 1]]}, "edges[0]: is ['x', 1]; an edge is a pair of names"),
    ({**HEAD, "Gz": [[0, 2], [0, 0]]}, "Gz[0][1]: is 2; entries must be 0 or 1"),
    ({**HEAD, "Gz": [[0, "1"], [0, 0]]}, "Gz[0][1]: is '1'; entries must be 0 or 1"),
    ({**HEAD, "Gz": [0, 1]}, "key 'Gz': must be a list of rows of 0 and 1; rows are children"),
]  # fmt: skip


@pytest.mark.parametrize(("record", "message"), REJECTED, ids=[message[:40] for _, message in REJECTED])
def test_schema_and_reader_reject(record: Any, message: str) -> None:
    assert not VALIDATOR.is_valid(record)
    with pytest.raises(IdentifyError, match=re.escape(message)):
        FORMATS["json"].read(json.dumps(record).encode())


# The documentation ----------------------------------------------------------------------------------

PAGE = (ROOT / "docs/formats.md").read_text(encoding="utf-8")
OF_GRAPHS, OF_CANDIDATES = (
    re.findall(r"^```(\w+)\n(.*?)^```", part, re.MULTILINE | re.DOTALL)
    for part in PAGE.split("## Candidates")
)
LANGUAGES = {"json": "json", "xml": "graphml", "text": "gml", "dot": "dot", "none": "csv"}


def test_every_example_of_the_page_is_the_same_graph(tmp_path: Path) -> None:
    examples = [(LANGUAGES[language], text) for language, text in OF_GRAPHS if language in LANGUAGES]
    assert [suffix for suffix, _ in examples] == ["json", "json", "graphml", "gml", "dot", "csv", "csv"]
    expected = CausalGraph([[1, 0], [1, 0]], [[0], [1]], ["speed", "place"], ["push"])
    for suffix, text in examples:
        write_whole(tmp_path / f"g.{suffix}", text)
        graph = read_graph(tmp_path / f"g.{suffix}")
        assert graph == expected
        assert graph.same_names(expected)


def test_both_examples_of_candidates_are_the_same(tmp_path: Path) -> None:
    candidates = []
    for language, text in OF_CANDIDATES:
        path = tmp_path / f"candidates.{LANGUAGES[language]}"
        write_whole(path, text)
        candidates.append(read_candidates(path))
    low, high = Candidate(("speed",), "low dose", 1.0), Candidate(("speed", "place"), "high dose", 2.5)
    assert candidates == [[low, high]] * 2


def test_the_page_names_every_format_and_suffix() -> None:
    for form in FORMATS.values():
        assert f"`{form.name}`" in PAGE
        assert all(f"`{suffix}`" in PAGE for suffix in form.suffixes)
