"""Every invalid file gives one line with the position, and no file is unpacked that would exhaust the memory."""

from __future__ import annotations

import io
import json
import re
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import identify.formats
from identify import catalog
from identify.exceptions import FileAccessError, FormatError, IdentifyError, RequestError
from identify.formats import FORMATS, adjacency, format_of, read_graph, write_graph
from tests.identify.named_graphs import HEAD, named_graphs, npz

GRAPHML = FORMATS["graphml"].write(catalog.load("identical-twins")).decode()
BOMB = "".join(f'<!ENTITY a{i + 1} "{f"&a{i};" * 10}">' for i in range(9))


def zip_of(name: str, content: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr(name, content)
    return out.getvalue()


CSR = {"Gz_shape": [2, 2], "Gz_indptr": [0, 1, 2], "Gz_indices": [1, 0]}
INVALID: list[tuple[str, str | bytes, str]] = [
    ("g.json", "", "g.json: the file is empty"),
    ("g.json", " \n ", "g.json: the file is empty"),
    ("g.json", "{\n  'a': 1}", "g.json: line 2, column 3: is not valid JSON"),
    ("g.json", '{"format": "mechsparse-graph"', "g.json: line 1, column 30: is not valid JSON"),
    ("g.json", b"\xff\xfe\x00", "g.json: line 1: byte 0 is not UTF-8 text; save the file as UTF-8"),
    ("g.json", b"{}\n\n\xff", "g.json: line 3: byte 4 is not UTF-8 text"),
    ("g.json", "[" * 100_000, "g.json: line 1: is nested too deeply"),
    ("g.json", '{"Gz": [[NaN]]}', "g.json: contains NaN; entries must be 0 or 1"),
    ("g.json", '{"a": 1, "a": 2}', "g.json: key 'a': occurs twice; it must occur once"),
    ("g.json", '{"version": ' + "9" * 5000 + "}", "g.json: line 1: is not valid JSON: Exceeds the limit"),
    (
        "g.json",
        json.dumps({**HEAD, "latents": ["x"], "edges": [["x", "x"], ["q", "x"]]}),
        "g.json: edge 1 (q -> x) names an unknown node 'q'",
    ),
    (
        "g.json",
        json.dumps({**HEAD, "latents": ["x"], "actions": ["a"], "edges": [["x", "a"]]}),
        "g.json: edge 0 (x -> a) points at an action; actions have no parents",
    ),
    ("g.csv", "", "g.csv: the file is empty"),
    ("g.csv", "1,0\n0,1\n", "g.csv: line 1: starts with '1'; it must be 'parent,child,kind' (an edge list) or"),
    ("g.csv", "parent,kid\na,b\n", "g.csv: line 1: is 'parent,kid'; it must be 'parent,child'"),
    ("g.csv", "parent,child,kind\na,b\n", "g.csv: line 2: has 2 cells; the header has 3"),
    (
        "g.csv",
        "parent,child,kind\na,b,verb\n",
        "g.csv: line 2: has kind 'verb'; the kind of the parent must be 'latent'",
    ),
    ("g.csv", "parent,child,kind\na,b,\n", "g.csv: line 2: has kind ''; the kind of the parent must be"),
    ("g.csv", "parent,child\n,b\n", "g.csv: line 2: has no parent; to declare a node, write it as the parent"),
    (
        "g.csv",
        "parent,child,kind\na,b,action\nb,a,latent\n",
        "g.csv: line 3: 'a' is a latent here and an action on an earlier line",
    ),
    ("g.csv", 'parent,child\n"a,b\n', "g.csv: line 2: is not valid CSV: unexpected end of data"),
    ("g.csv", "parent,child\na,b\0c\n", "g.csv: latents name 1 is 'b\\x00c'; a name has printable"),
    ("g.csv", "parent,child\n", "g.csv: a graph needs at least one latent"),
    ("g.csv", b"parent,child\n\x80,b\n", "g.csv: line 2: byte 13 is not UTF-8 text"),
    ("g.csv", "child,a\n", "g.csv: line 1: is the only line; one row per latent must follow"),
    ("g.csv", "child,a,a\nx,1,0\n", "g.csv: line 1: names the column 'a' twice; names must be unique"),
    ("g.csv", "child,a,b\nx,1\n", "g.csv: line 2: has 2 cells; the header has 3"),
    ("g.csv", "child,a,b\nx,1,nan\n", "g.csv: line 2, column 'b': is 'nan'; entries must be 0 or 1"),
    ("g.csv", "child,x\nx,1\ny,0\n", "g.csv: line 1: has no column 'y'; give a past column for every row, or"),
    ("g.csv", "child,a\nx,1\nx,1\n", "g.csv: latents 0 and 1 are both named 'x'"),
    ("g.adjacency.csv", "parent,child\nx,y\n", "g.adjacency.csv: line 1: starts with 'parent'; it must start with"),
    ("g.graphml", "", "g.graphml: the file is empty"),
    ("g.graphml", "not xml", "g.graphml: line 1: is not valid XML: syntax error"),
    ("g.graphml", "<a/>", "g.graphml: is not GraphML"),
    ("g.graphml", GRAPHML[:200], "g.graphml: line"),
    ("g.graphml", GRAPHML.replace("directed", "undirected", 1), "g.graphml: the edge a0 -> left is undirected"),
    ("g.graphml", GRAPHML.replace(">latent<", ">thing<", 1), "g.graphml: node left has kind 'thing'"),
    (
        "g.graphml",
        f'<!DOCTYPE g [<!ENTITY a0 "ha">{BOMB}]><graphml>&a9;</graphml>',
        "g.graphml: declares a document type or entities; remove the <!DOCTYPE ...> part",
    ),
    (
        "g.graphml",
        '<!DOCTYPE g [<!ENTITY x SYSTEM "file:///etc/passwd">]><graphml>&x;</graphml>',
        "g.graphml: declares a document type or entities",
    ),
    ("g.gml", "", "g.gml: the file is empty"),
    ("g.gml", "graph [\n  node [\n", "g.gml: line 2: is not valid GML: the file ends inside brackets"),
    ("g.gml", "graph [\n  node ?\n]", "g.gml: line 2: is not valid GML"),
    ("g.gml", "graph [ node [ id 0 label \"x\" ] ]", "g.gml: line 1: the graph is undirected; edges must go from"),
    ("g.dot", "", "g.dot: the file is empty"),
    ("g.dot", "digraph {\n a -> ;\n}", "g.dot: line 2: is not valid DOT"),
    ("g.dot", "graph { a -- b }", "g.dot: line 1: is a graph; it must be a digraph"),
    ("g.dot", "digraph {a} digraph {b}", "g.dot: line 1: a second graph begins; the file must contain one"),
    ("g.dot", "digraph {" * 5000, "g.dot: "),
    ("g.dot", "digraph { a [kind=action]; b [kind=latent]; b -> a }", "g.dot: line 1: the edge b -> a points at"),
    ("g.npz", b"", "g.npz: the file is empty"),
    ("g.npz", b"PK\x03\x04junk", "g.npz: is not an NPZ file of plain arrays"),
    ("g.npz", npz(Gz=np.array([[{}]], dtype=object)), "g.npz: is not an NPZ file of plain arrays: object arrays"),
    ("g.npz", npz(**CSR)[:-40], "g.npz: is not an NPZ file of plain arrays"),
    ("g.npz", zip_of("Gz.npy", b"no array"), "g.npz: key 'Gz': is not a numpy array"),
    ("g.npz", npz(version=2, **CSR), "g.npz: key 'version': is 2; this version of mechsparse reads 1"),
    ("g.npz", npz(Gz=[[0, np.nan], [0, 0]]), "g.npz: Gz[0, 1] is nan; entries must be 0 or 1"),
    ("g.npz", npz(x=[1]), "g.npz: a graph needs Gz, Ga or the names of its latents"),
    ("g.npz", npz(**{**CSR, "Gz_shape": [-2, 2]}), "g.npz: key 'Gz_shape': is [-2, 2]; it must be two numbers"),
    ("g.npz", npz(**{**CSR, "Gz_shape": [2.0, 2.0]}), "g.npz: key 'Gz_shape': must be a one-dimensional array of"),
    ("g.npz", npz(**{**CSR, "Gz_indptr": [0, 1]}), "g.npz: key 'Gz_indptr': has 2 entries; 2 rows need 3"),
    ("g.npz", npz(**{**CSR, "Gz_indices": [1, 7]}), "g.npz: the arrays don't form a graph"),
    ("g.npz", npz(Gz_shape=[2, 2]), "g.npz: key 'Gz_indptr': is missing; a matrix has shape, indptr and indices"),
    ("g.npz", npz(**CSR, latents=[1, 2]), "g.npz: key 'latents': must be a one-dimensional array of strings"),
    ("g.npz", npz(**CSR, latents=["x"]), "g.npz: 1 latent names for 2 latents"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "content", "message"), INVALID, ids=[message[:60] for *_, message in INVALID]
)
def test_an_invalid_file_gives_one_line_with_the_position(
    name: str,
    content: str | bytes,
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    Path(name).write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(FormatError) as caught:
        read_graph(name)
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)
    assert capfd.readouterr() == ("", "")


def test_a_zip_bomb_is_rejected_before_it_is_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("identify.formats.arrays._LIMIT", 1 << 20)
    bomb = zip_of("Gz.npy", bytes(1 << 24))
    assert len(bomb) < 1 << 16
    with pytest.raises(FormatError, match=r"unpacks to 16,777,216 bytes, more than the limit of 1,048,576"):
        FORMATS["npz"].read(bomb)


def header(dtype: str, shape: tuple[int, ...], data: bytes = b"") -> bytes:
    """Return a member of an NPZ file that declares a shape, with any data."""
    out = io.BytesIO()
    np.lib.format.write_array_header_1_0(out, {"descr": dtype, "fortran_order": False, "shape": shape})
    return out.getvalue() + data


def csr(rows: int, columns: int) -> dict[str, object]:
    return {"Ga_shape": [rows, columns], "Ga_indptr": [0] * (rows + 1), "Ga_indices": np.zeros(0, dtype=int)}


HUGE = [
    (zip_of("Gz.npy", header("<f8", (10**6, 10**9))), "key 'Gz': has shape (1000000, 1000000000); a graph has at most"),
    (zip_of("Ga.npy", header("<f8", (10**9, 0))), "key 'Ga': has shape (1000000000, 0); a graph has at most"),
    (
        zip_of("Gz.npy", header("<f8", (10**5, 10**5))),
        "is not an NPZ file of plain arrays: key 'Gz' declares 80,000,000,000",
    ),
    (zip_of("latents.npy", header("<U9999", (10**6,))), "is not an NPZ file of plain arrays: key 'latents' declares"),
    (npz(**csr(2, 10**12)), "key 'Ga_shape': is [2, 1000000000000]; a graph has at most 20,000,000 nodes"),
    (zip_of("Gz.npy", bytes(1 << 28)), "unpacks from "),
    (zip_of("Gz.npy", header("<f8", (1, 1)).replace(b"NUMPY\x01", b"NUMPY\x03")), "key 'Gz': has version (3, 0)"),
]  # fmt: skip


@pytest.mark.parametrize(("content", "message"), HUGE, ids=[message[:40] for _, message in HUGE])
def test_sizes_are_checked_in_the_headers(
    content: bytes, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if "_shape" not in message:
        # the check must not load arrays
        monkeypatch.setattr(np, "load", None)
    with pytest.raises(FormatError) as caught:
        FORMATS["npz"].read(content)
    assert str(caught.value).startswith(message)


def test_other_members_of_an_npz_file_are_not_read() -> None:
    content = npz(**CSR, picture=np.zeros(100))
    with zipfile.ZipFile(io.BytesIO(content)) as file:
        assert "picture.npy" in file.namelist()
    assert FORMATS["npz"].read(content).n_latents == 2


def test_shapes_and_names_are_checked_before_entries(monkeypatch: pytest.MonkeyPatch) -> None:
    """The conversion of a dense matrix takes repeat times its memory."""
    monkeypatch.setattr("identify.binary._from_dense", None)
    with pytest.raises(IdentifyError, match="latents 0 and 1 are both named 'x'"):
        FORMATS["npz"].read(npz(Gz=np.eye(2), latents=["x", "x"]))
    with pytest.raises(
        IdentifyError, match=re.escape("Gz must be square (latents x latents), got shape (2, 3)")
    ):
        FORMATS["npz"].read(npz(Gz=np.ones((2, 3))))


def repeat(count: int, text: str) -> str:
    return "".join(text.replace("#", str(i)) for i in range(count))


LABELLED = 'node [ id # label "x" ]\n'
# files under 1 MB that once took a minute, to guard against quadratic time
SLOW = [
    ("g.json", "{" + repeat(20_000, '"k#": 0,') + '"k19999": 1}', "key 'k19999': occurs twice"),
    ("g.json", "[" * 160_000 + "]" * 160_000, "line 1: is nested too deeply"),
    ("g.adjacency.csv", "child," + repeat(20_000, "c#,") + "c19999\nx" + ",0" * 20_001, "line 1: names the column"),
    ("g.adjacency.csv", "child,r0\n" + repeat(20_000, "r#,0\n"), "line 1: has no column 'r1'"),
    ("g.dot", "digraph {" + "{a;" * 10_000, "line 1: subgraphs are nested more than 50 deep"),
    ("g.gml", "graph [ " * 50_000, "line 1: is not valid GML: the file ends inside brackets"),
    ("g.gml", "graph [ directed 1 " + repeat(5_000, LABELLED) + "]", "line 2: nodes 0 (line 1) and 1 both have"),
    ("g.graphml", "<graphml>" + "<graph>" * 50_000, "line 1: is not valid XML"),
    ("g.graphml", "<a>" * 50_000 + "</a>" * 50_000, "is not GraphML: the root is <a>"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "content", "message"), SLOW, ids=[f"{row[0]}: {row[2]}" for row in SLOW])
def test_short_files_are_rejected_quickly(name: str, content: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_text(content)
    with pytest.raises(FormatError) as caught:
        read_graph(path)
    assert str(caught.value).startswith(f"{path}: {message}")


@pytest.mark.parametrize("form", FORMATS.values(), ids=lambda form: form.name)
def test_a_huge_file_is_rejected_unread(form: identify.formats.Format, tmp_path: Path) -> None:
    path = tmp_path / ("huge" + form.suffixes[0])
    with open(path, "wb") as file:
        file.truncate(form.limit + 1)
    with pytest.raises(FileAccessError, match=r"is larger than \d+ [MG]iB, the limit for this format"):
        read_graph(path)


def test_an_adjacency_table_of_a_large_graph_is_rejected(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(adjacency, "_MAX_CELLS", 5)
    path = tmp_path / "g.adjacency.csv"
    with pytest.raises(FormatError, match=re.escape(f"{path}: an adjacency table of this graph has 6 cells")):
        write_graph(catalog.load("identical-twins"), path)
    assert not path.exists()


def test_unknown_formats_and_suffixes_are_rejected() -> None:
    with pytest.raises(
        RequestError, match="there is no format 'yaml'; formats are json, graphml, gml, dot, edges"
    ):
        format_of("g.json", "yaml")
    with pytest.raises(RequestError, match=r"g.txt: the suffix is unknown; use one of .json, .graphml, .gml"):
        read_graph("g.txt")
    with pytest.raises(RequestError, match="graph: the suffix is unknown"):
        write_graph(catalog.load("ActionDiag"), "graph")


@pytest.mark.parametrize("form", FORMATS.values(), ids=lambda form: form.name)
@given(data=st.data())
@settings(deadline=None, max_examples=200, suppress_health_check=[HealthCheck.too_slow])
def test_damaged_files_never_raise_another_error(form: identify.formats.Format, data: st.DataObject) -> None:
    """Try random bytes, and valid files with bytes changed, removed or inserted."""
    if data.draw(st.integers(0, 4)) == 0:
        content = data.draw(st.binary(max_size=60))
    else:
        damaged = bytearray(form.write(data.draw(named_graphs())))
        for _ in range(data.draw(st.integers(1, 3))):
            start = data.draw(st.integers(0, len(damaged)))
            length = data.draw(st.integers(0, 6))
            damaged[start : start + length] = data.draw(st.binary(max_size=6))
        content = bytes(damaged)
    try:
        graph = form.read(content)
    except IdentifyError as error:
        is_handled = "\n" not in str(error)
    else:
        is_handled = graph.n_latents >= 1
    assert is_handled
