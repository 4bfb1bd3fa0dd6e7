"""CSV as spreadsheets, pandas and R write it; white space, capitals and look-alikes never change the graph."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from identify.exceptions import FormatError
from identify.formats import FORMATS, read_graph
from identify.formats.cells import parse_entry
from identify.graph import CausalGraph
from tests.identify.named_graphs import named_graphs, quick

MU, MICRO = "\N{GREEK SMALL LETTER MU}", "\N{MICRO SIGN}"


def read(tmp_path: Path, name: str, text: str | bytes) -> CausalGraph:
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_graph(path)


READ = [
    ("e.csv", "parent,child\nspeed, place\nplace, speed\n", ("speed", "place"), (), [(0, 1), (1, 0)]),
    ("e.csv", "parent,child,kind\nspeed ,place,latent\nspeed,place,latent\npush,place,action\n",
     ("speed", "place"), ("push",), [(1, 0)]),
    ("e.csv", ' Parent , CHILD\n"speed ", "place"\n\n  \n', ("speed", "place"), (), [(1, 0)]),
    ("e.csv", '"parent" , "child" \n"speed" ,"place"  \n"a "" , b" , speed\n',
     ("speed", "place", 'a " , b'), (), [(0, 2), (1, 0)]),
    ("e.csv", "child,parent\nplace,speed\n", ("speed", "place"), (), [(1, 0)]),
    ("e.csv", "parent,kind,child\npush, Action ,x\n", ("x",), ("push",), []),
    ("e.csv", "# made by hand\nparent;child\n# another\na;b\n", ("a", "b"), (), [(1, 0)]),
    ("e.csv", "parent\tchild\r\na\tb\r\n", ("a", "b"), (), [(1, 0)]),
    ("e.csv", "parent,child\ra,b\r", ("a", "b"), (), [(1, 0)]),
    ("e.csv", ",parent,child\n0,a,b\n7,b,\n", ("a", "b"), (), [(1, 0)]),
    ("e.csv", "Unnamed: 0,parent,child\n0,a,b\n", ("a", "b"), (), [(1, 0)]),
    ("e.csv", "parent,child\n0,1.0\n1,\n", ("0", "1"), (), [(1, 0)]),
    ("e.csv", "parent,child\n0.5,1.5\n", ("0.5", "1.5"), (), [(1, 0)]),
    ("e.csv", "parent,child,,\na,b,,\n,,,\n", ("a", "b"), (), [(1, 0)]),
    ("e.csv", "\ufeffparent,child\na,b\n", ("a", "b"), (), [(1, 0)]),
    ("e.csv", "parent,child\na,b\n".encode("utf-16"), ("a", "b"), (), [(1, 0)]),
    ("t.csv", "child, speed, place, push\nspeed, 1, 0, 0\nplace, 1, 0, 1\n",
     ("speed", "place"), ("push",), [(0, 0), (1, 0)]),
    ("t.adjacency.csv", ",0,1\n0.0,0,1\n1.0,0,0\n", ("0", "1"), (), [(0, 1)]),
    ("t.adjacency.csv", ",0.0,1.0\n0,0,1\n1,0,0\n", ("0", "1"), (), [(0, 1)]),
    ("t.adjacency.csv", ";a;b\na;0,0;1,0\nb;0;1\n", ("a", "b"), (), [(0, 1), (1, 1)]),
    ("t.adjacency.csv", ",child,a\n0,a,1\n", ("a",), (), [(0, 0)]),
    ("t.csv", ",child,a\nchild,0,1\na,1,0\n", ("child", "a"), (), [(0, 1), (1, 0)]),
    ("t.csv", "child,parent\nx,1\n", ("x",), ("parent",), []),
    ("t.csv", f"child,{MU},{MICRO}\n{MU},0,1\n{MICRO},0,0\n", (MU, MICRO), (), [(0, 1)]),
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "text", "latents", "actions", "past"), READ, ids=[ascii(row[1])[:50] for row in READ]
)
def test_variants_of_tables_are_read(
    name: str,
    text: str | bytes,
    latents: tuple[str, ...],
    actions: tuple[str, ...],
    past: list[tuple[int, int]],
    tmp_path: Path,
) -> None:
    graph = read(tmp_path, name, text)
    assert (graph.latents, graph.actions) == (latents, actions)
    assert sorted(zip(*graph.Gz.nonzero(), strict=True)) == past


REJECTED = [
    ("t.adjacency.csv", ",Speed,Place,push\nspeed,0,1,0\nplace,0,0,1\n", "line 2: the row 'speed' and the column 'S"),
    ("t.adjacency.csv", f",{MU}\n{MICRO},1\n", f"line 2: the row '{MICRO}' and the column '{MU}' differ only in"),
    ("t.adjacency.csv", ",a,b\na,0,1\nb,0,0\npush,1,0\n", "line 1: has no column 'push'; give a past column"),
    ("t.adjacency.csv", ",a,\na,0,1\n", "line 2: has 3 cells; the header has 2"),
    ("t.adjacency.csv", ",a,,b\na,0,1,0\n", "line 1: a column has no name; name each parent"),
    ("t.adjacency.csv", ",a\na,0.5\n", "line 2, column 'a': is '0.5'; entries must be 0 or 1"),
    ("t.adjacency.csv", ",a\na,\n", "line 2, column 'a': is ''; entries must be 0 or 1"),
    ("t.adjacency.csv", ",child,a\n0,0,1\n1,1,0\n", "line 1: the first column has no name and the second is named"),
    ("t.adjacency.csv", ",1,1.0\n1,0,0\n1.0,0,1\nx,0,0\n", "line 1: has no column 'x'"),
    ("e.csv", "parent,child,weight\na,b,0.3\n", "line 1: is 'parent,child,weight'; it must be 'parent,child'"),
    ("e.csv", "parent,child\na,b,c\n", "line 2: has 3 cells; the header has 2"),
    ("e.csv", "source,target\na,b\n", "line 1: starts with 'source'; it must be 'parent,child,kind'"),
    ("e.csv", "parent child\na b\n", "line 1: starts with 'parent child'; it must be"),
    ("e.csv", 'parent,child\n"a" "b",c\n', "line 2: is not valid CSV"),
    ("e.csv", '# comment\n\nparent,child\na,"b\n', "line 4: is not valid CSV: unexpected end of data"),
    ("e.csv", "# nothing\n,,\n", "the file is empty"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "text", "message"), REJECTED, ids=[message[:50] for *_, message in REJECTED]
)
def test_tables_that_are_not_causal_graphs_are_rejected(
    name: str, text: str, message: str, tmp_path: Path
) -> None:
    with pytest.raises(FormatError) as caught:
        read(tmp_path, name, text)
    assert str(caught.value).startswith(f"{tmp_path / name}: {message}")


@pytest.mark.parametrize("form", [FORMATS["edges"], FORMATS["adjacency"]], ids=["edges", "adjacency"])
@given(graph=named_graphs(), padding=st.sampled_from([" ", "  ", "\t"]), sign=st.sampled_from(",;"))
@settings(quick, max_examples=40)
def test_white_space_around_cells_is_ignored(form, graph: CausalGraph, padding: str, sign: str) -> None:  # type: ignore[no-untyped-def]
    names = [f"n{i}" for i in range(graph.n_latents + graph.n_actions)]
    renamed = CausalGraph(graph.Gz, graph.Ga, names[: graph.n_latents], names[graph.n_latents :])
    text = form.write(renamed).decode().replace(",", f"{padding}{sign}{padding}")
    copy = form.read(text.encode())
    assert copy == renamed
    assert copy.same_names(renamed)


@pytest.mark.parametrize("cell", ["0", "1", "1.0", "1,0", "0,00", "TRUE", "False", "1e0", "+1"])
def test_entries_in_all_spellings(cell: str) -> None:
    assert parse_entry(cell) == (cell not in ("0", "0,00", "False"))


@pytest.mark.parametrize("cell", ["", "2", "-1", "0.5", "nan", "inf", "yes", "1 0", "9" * 5000])
def test_other_cells_are_not_entries(cell: str) -> None:
    assert parse_entry(cell) is None
