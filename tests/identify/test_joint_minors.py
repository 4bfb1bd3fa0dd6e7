"""Certificates of nonzero minors: against brute force over sets of latents, and tampered ones."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from identify.graph import CausalGraph
from identify.influence.joint import check_joint_generic
from identify.influence.joint.certificates import (
    EnoughActions,
    NoGenericDirection,
    enough_actions,
    no_generic_direction,
)
from identify.influence.joint.counting import GenericEffects
from identify.influence.joint.minors import Minors, are_nonzero, find_minors
from identify.influence.joint.supports import Competition, compete

SUPPORTS = st.tuples(st.integers(1, 5), st.integers(1, 7), st.integers(0, 2**32 - 1)).map(
    lambda shape: np.random.default_rng(shape[2]).random(shape[:2]) < 0.5
)


def has_surplus(matrix: np.ndarray, repeated: int | None) -> bool:
    """Return by enumeration whether each set has as many columns as rows, and one more with the repeated row."""
    n = len(matrix)
    return all(
        matrix[list(rows)].any(axis=0).sum() >= size + (repeated in rows)
        for size in range(1, n + 1)
        for rows in itertools.combinations(range(n), size)
    )


@settings(max_examples=150, deadline=None)
@given(SUPPORTS, st.data())
def test_minors_exist_exactly_if_no_set_of_latents_has_too_few_actions(
    matrix: np.ndarray, data: st.DataObject
) -> None:
    n, m = matrix.shape
    repeated = data.draw(st.none() | st.integers(0, n - 1))
    minors = find_minors(matrix, range(n), range(m), [] if repeated is None else [repeated])
    assert (minors is not None) == has_surplus(matrix, repeated)
    if minors is not None:
        assert minors.rows == tuple(range(n))
        assert len({*minors.columns, *(a for _, a in minors.borders)}) == n + len(minors.borders)
        assert are_nonzero(matrix, minors, data.draw(st.integers(0, 100)))


@settings(max_examples=150, deadline=None)
@given(SUPPORTS, st.data())
def test_minors_are_nonzero_exactly_if_rows_and_columns_can_be_matched(
    matrix: np.ndarray, data: st.DataObject
) -> None:
    n, m = matrix.shape
    columns = data.draw(st.lists(st.integers(0, m - 1), min_size=n, max_size=n))
    can_match = any(matrix[range(n), list(order)].all() for order in itertools.permutations(columns))
    assert are_nonzero(matrix, Minors(tuple(range(n)), tuple(columns))) == can_match
    border = (data.draw(st.integers(0, n - 1)), data.draw(st.integers(0, m - 1)))
    larger = np.vstack([matrix, matrix[border[0]]])
    can_match_both = can_match and any(
        larger[range(n + 1), list(order)].all() for order in itertools.permutations([*columns, border[1]])
    )
    assert are_nonzero(matrix, Minors(tuple(range(n)), tuple(columns), (border,))) == can_match_both


def test_minors_of_other_shapes_are_refused() -> None:
    matrix = np.ones((2, 3), dtype=bool)
    assert not are_nonzero(matrix, Minors((0, 1), (0,)))
    assert not are_nonzero(matrix, Minors((0,), (0,), ((1, 1),)))
    assert not are_nonzero(matrix, Minors((), (), ((1, 1),)))
    assert are_nonzero(matrix, Minors((), ()))
    assert find_minors(matrix, [], []) == Minors((), ())


def on_off(n: int, m: int, n_targets: int, seed: int) -> CausalGraph:
    rng = np.random.default_rng(seed)
    matrix = np.zeros((n, m), dtype=bool)
    for column in matrix.T:
        column[rng.choice(n, n_targets, replace=False)] = True
    return CausalGraph(Ga=matrix)


def certificate_of(seed: int = 0) -> EnoughActions:
    certificate = check_joint_generic(on_off(6, 18, 2, seed)).certificate
    assert isinstance(certificate, EnoughActions)
    return certificate


def test_a_certificate_counts_its_minors() -> None:
    certificate = certificate_of()
    assert certificate.verify()
    matrix = certificate.effects.matrix().astype(int)
    n_sharing = int((matrix @ matrix.T > 0).sum()) - 6
    assert str(certificate) == f"{7 + n_sharing} nonzero minors modulo 2147483647 for 6 latents"


def test_tampered_certificates_of_screens_are_refused() -> None:
    certificate = certificate_of()
    first, *others = certificate.against
    on_latent = int(np.flatnonzero(certificate.effects.matrix()[0])[0])
    wrong = [
        replace(first, borders=first.borders[1:]),
        replace(first, columns=(on_latent, *first.columns[1:])),
        replace(first, columns=(first.columns[1], *first.columns[1:])),
        replace(first, borders=((first.borders[0][0], first.columns[0]), *first.borders[1:])),
        replace(first, borders=((first.borders[0][0], on_latent), *first.borders[1:])),
        replace(first, rows=first.rows[1:], columns=first.columns[1:]),
        others[0],
        replace(first, columns=(999, *first.columns[1:])),
        replace(first, columns=(-1, *first.columns[1:])),
        replace(first, borders=((first.borders[0][0], 999), *first.borders[1:])),
    ]
    for minors in wrong:
        assert not replace(certificate, against=(minors, *others)).verify()
    assert not replace(certificate, against=tuple(others)).verify()
    assert not replace(certificate, independent=None).verify()
    assert not replace(certificate, independent=first).verify()
    assert not replace(certificate, effects=replace(certificate.effects, ranks=(2,) * 18)).verify()


@pytest.mark.parametrize("seed", range(5))
def test_a_screen_without_joint_influence_has_no_certificate(seed: int) -> None:
    graph = on_off(6, 7, 2, seed)
    assert check_joint_generic(graph, basis=False).status == "fails"
    matrix = graph.Ga.toarray()
    children = tuple(int(sum(1 << int(i) for i in np.flatnonzero(column))) for column in matrix.T)
    assert not enough_actions(GenericEffects(6, children, (1,) * 7)).verify()


@settings(max_examples=60, deadline=None)
@given(SUPPORTS, st.integers(0, 2**32 - 1))
def test_effects_of_any_rank_are_certified_by_minors_and_examined_sets(matrix: np.ndarray, seed: int) -> None:
    n, m = matrix.shape
    children = tuple(int(sum(1 << int(i) for i in np.flatnonzero(column))) for column in matrix.T)
    drawn = np.random.default_rng(seed).integers(1, 4, size=(m,)).tolist()
    ranks = tuple(min(rank, mask.bit_count()) for rank, mask in zip(drawn, children, strict=True))
    effects = GenericEffects(n, children, ranks)
    competition = Competition(effects.weights())
    compete(effects, competition)
    if competition.lighter is not None or competition.equal:
        return
    certificate = no_generic_direction(effects, competition)
    assert certificate.verify()
    assert [minors is None for minors in certificate.against] == [
        bool(rivals) for rivals in certificate.examined
    ]
    for i, minors in enumerate(certificate.against):
        without = tuple(None if k == i else other for k, other in enumerate(certificate.against))
        assert minors is None or not NoGenericDirection(effects, certificate.examined, without).verify()
        if minors is not None and minors.borders:
            fewer = (
                *certificate.against[:i],
                replace(minors, borders=minors.borders[1:]),
                *certificate.against[i + 1 :],
            )
            assert not NoGenericDirection(effects, certificate.examined, fewer).verify()
    assert not NoGenericDirection(effects, certificate.examined, certificate.against[1:]).verify()


def test_a_certificate_of_higher_ranks_says_what_it_consists_of() -> None:
    triangle = CausalGraph(Ga=[[1, 1, 0], [1, 0, 1], [0, 1, 1]])
    certificate = check_joint_generic(triangle, ranks=2).certificate
    assert isinstance(certificate, NoGenericDirection)
    assert str(certificate) == "9 nonzero minors modulo 2147483647"
    assert certificate.verify()
