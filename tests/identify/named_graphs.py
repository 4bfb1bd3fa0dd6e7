"""Graphs with names that are hard to write into files, for every format."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from identify.formats import FORMATS
from identify.graph import CausalGraph
from tests.builders import graphs

__all__ = ["HARD_NAMES", "HEAD", "forms", "named_graphs", "names", "npz", "quick"]

HARD_NAMES = [
    "node", "edge", "graph", "strict", "a:b", "x->y", 'q"uote', "back\\", '\\"', "com,ma", "  spaces ", "007", "1e5",
    "ünï→", "<b>", "50%;", "{}", "[x]", "true", "null", "#c", "//", "&amp;", "&#65;", "None", "nan", "-", "'", "child",
    "parent", "\\N", "[]", "()", "0", "0.0", "1,0", "n0", "n0::n1", "62", "µ", "μ", "Raf", "raf", '"', '""', '"x"',
    "'x'", " ", "#", "sep=;", "a;b", "Unnamed: 0", "kind", "latent", "TRUE", "]]>", "<!--", "--", "backslashed 0",
    "digraph", "subgraph", "&lt;", "%22", "e\u0301", "\U0001f600", "_networkx_list_start", "mechsparse_name",
]  # fmt: skip
# first keys of a graph in JSON
HEAD = {"format": "mechsparse-graph", "version": 1}
names = st.one_of(st.sampled_from(HARD_NAMES), st.text(min_size=1, max_size=8).filter(str.isprintable))
forms = st.sampled_from(list(FORMATS.values()))
quick = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow], max_examples=150)


@st.composite
def named_graphs(draw: st.DrawFn) -> CausalGraph:
    graph = draw(graphs(max_latents=5, max_actions=4))
    count = graph.n_latents + graph.n_actions
    labels = draw(st.lists(names, min_size=count, max_size=count, unique=True))
    return CausalGraph(graph.Gz, graph.Ga, labels[: graph.n_latents], labels[graph.n_latents :])


def npz(**arrays: Any) -> bytes:
    out = io.BytesIO()
    np.savez(out, **arrays)
    return out.getvalue()
