"""The catalogue: hand-derived answers hold, sources are named, every graph loads."""

from __future__ import annotations

import numpy as np
import pytest

from identify import catalog
from identify.criterion import check
from identify.exceptions import RequestError, UnknownNameError

SMALL = [name for name in catalog.names() if catalog.entry(name).expected is not None]


@pytest.mark.parametrize("name", SMALL)
def test_the_verdict_agrees_with_the_hand_derived_answer(name: str) -> None:
    entry = catalog.entry(name)
    verdict, expected = check(entry.graph), entry.expected
    assert expected is not None
    entangled = {latent.name: latent.entangled_with for latent in verdict.latents if not latent.disentangled}
    assert entangled == dict(expected.entangled)
    assert verdict.complete == bool(verdict) == expected.complete
    names = entry.graph.latents
    assert tuple(tuple(names[i] for i in block) for block in verdict.entanglement.blocks) == expected.blocks


def test_the_groups_are_complete() -> None:
    assert len(catalog.names("published")) == 8
    assert len(catalog.names("real")) == 38
    assert {"lower-triangle", "identical-twins", "unconstrained-latent"} <= set(catalog.names("textbook"))
    assert set(SMALL) >= set(catalog.names("published")) | set(catalog.names("textbook"))
    assert len(set(catalog.names())) == len(catalog.names())


def test_published_graphs_have_the_published_shape_and_edges() -> None:
    edges = {name: catalog.load(name).n_edges for name in catalog.names("published")}
    assert edges == {
        "ActionDiag": 10,
        "ActionNonDiag": 20,
        "ActionBlockDiag": 10,
        "ActionBlockNonDiag": 12,
        "TimeDiag": 10,
        "TimeNonDiag": 55,
        "TimeBlockDiag": 20,
        "TimeBlockNonDiag": 32,
    }
    assert np.array_equal(catalog.load("TimeNonDiag").Gz.toarray(), np.tri(10, dtype=bool))


@pytest.mark.parametrize(
    ("name", "latents", "actions", "edges"),
    [
        ("Apoptosis Network", 39, 2, 73),
        ("Signaling in Macrophage Activation", 302, 19, 521),
        ("Cortical Area Development", 5, 0, 14),
        ("Sachs interventions", 11, 7, 7),
    ],
)
def test_real_networks_have_the_published_size(name: str, latents: int, actions: int, edges: int) -> None:
    graph = catalog.load(name)
    assert (graph.n_latents, graph.n_actions, graph.n_edges) == (latents, actions, edges)


@pytest.mark.parametrize("name", catalog.names())
def test_every_entry_names_source_and_licence(name: str) -> None:
    entry = catalog.entry(name)
    assert entry.source
    assert entry.licence
    assert entry.note
    assert entry.group in catalog.GROUPS


def test_the_licence_of_the_copied_networks_is_included() -> None:
    text = catalog._FOLDER.joinpath("LICENSE-CANA.txt").read_text(encoding="utf-8")
    assert "Copyright (c) 2017 Rion Brattig Correia" in text


def test_case_and_punctuation_of_names_are_ignored() -> None:
    assert catalog.load("lac operon") == catalog.load("Lac Operon")
    assert catalog.load("identical_twins") == catalog.load("identical-twins")


def test_an_unknown_name_gets_suggestions() -> None:
    with pytest.raises(UnknownNameError, match=r"no graph 'ActionDiagg'; did you mean 'ActionDiag' or"):
        catalog.load("ActionDiagg")
    with pytest.raises(UnknownNameError, match="'mechsparse catalog' lists them"):
        catalog.load("qqqq")
    with pytest.raises(RequestError, match="no catalogue group 'fake'; groups are published, textbook, real"):
        catalog.names("fake")
