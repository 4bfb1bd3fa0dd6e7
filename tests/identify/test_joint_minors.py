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
from identify.influence.joint.forests import obstruct
from identify.influence.joint.heavier import NoLighterRival, hitting_set
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


def any_ranks(matrix: np.ndarray, seed: int) -> GenericEffects:
    n, m = matrix.shape
    children = tuple(int(sum(1 << int(i) for i in np.flatnonzero(column))) for column in matrix.T)
    drawn = np.random.default_rng(seed).integers(1, 4, size=(m,)).tolist()
    return GenericEffects(
        n, children, tuple(min(rank, mask.bit_count()) for rank, mask in zip(drawn, children, strict=True))
    )


@settings(max_examples=60, deadline=None)
@given(SUPPORTS, st.integers(0, 2**32 - 1))
def test_effects_of_any_rank_are_certified_by_minors(matrix: np.ndarray, seed: int) -> None:
    effects = any_ranks(matrix, seed)
    competition = Competition(effects.weights())
    compete(effects, competition)
    if competition.lighter is not None or competition.equal:
        return
    certificate = no_generic_direction(effects, competition)
    assert certificate.verify()
    assert not NoGenericDirection(effects, certificate.against[1:]).verify()
    for i, proof in enumerate(certificate.against):
        fewer: list[Minors | NoLighterRival] = []
        if isinstance(proof, NoLighterRival):
            assert list(proof.rivals) == competition.rivals[i]
            fewer += [replace(proof, never_cancelled=()), replace(proof, latent=i + 1)]
            fewer += [replace(proof, excluded=proof.excluded[1:])] * bool(proof.excluded)
        elif proof.borders:
            fewer = [replace(proof, borders=proof.borders[1:])]
        for other in fewer:
            changed = (*certificate.against[:i], other, *certificate.against[i + 1 :])
            assert not NoGenericDirection(effects, changed).verify()


@settings(max_examples=60, deadline=None)
@given(SUPPORTS, st.integers(0, 2**32 - 1))
def test_no_minors_exclude_a_direction_that_exists(matrix: np.ndarray, seed: int) -> None:
    effects = any_ranks(matrix, seed)
    n, weights = effects.n_latents, effects.weights()
    # every minor that any set of actions and latents gives
    minors = set()
    for support in range(1, 1 << n):
        touching = [a for a, mask in enumerate(effects.children) if mask & support]
        for size in range(1, 4):
            for actions in itertools.combinations(touching, size):
                found = obstruct(support, effects.children, effects.ranks, actions)
                if found is not None:
                    minors.add(Minors(tuple(found), tuple(found.values())))
    competition = Competition(weights)
    compete(effects, competition)
    loser = competition.lighter or next(iter(competition.equal), None)
    if loser is None:
        return
    i = loser.latent
    rivals = tuple(effects.no_heavier(i, weights))
    proof = NoLighterRival(i, rivals, (), tuple(sorted(minors, key=str)))
    assert not proof.verify(effects, np.array(effects.capacities(i), dtype=np.int64))


@settings(max_examples=150, deadline=None)
@given(st.lists(st.integers(1, 63), max_size=6), st.integers(0, 4))
def test_hitting_sets_are_found_exactly_if_they_exist(sets: list[int], size: int) -> None:
    exists = any(all(chosen & s for s in sets) for chosen in range(64) if chosen.bit_count() <= size)
    found = hitting_set(sets, size)
    assert (found is not None) == exists
    assert found is None or (found.bit_count() <= size and all(found & s for s in sets))


RIVALRY = GenericEffects(3, (0b010, 0b110, 0b101, 0b001, 0b101, 0b010), (1, 1, 2, 1, 2, 1))


def rivalry() -> tuple[NoGenericDirection, NoLighterRival]:
    competition = Competition(RIVALRY.weights())
    compete(RIVALRY, competition)
    certificate = no_generic_direction(RIVALRY, competition)
    proof = certificate.against[0]
    assert isinstance(proof, NoLighterRival)
    return certificate, proof


def test_rivals_are_excluded_by_minors_of_the_actions_that_would_be_cancelled() -> None:
    certificate, proof = rivalry()
    # w_0 and w_2 are nonzero, so an action with effects of rank 2 on both can't be cancelled, nor one on either alone
    assert proof.rivals == (2,)
    assert [(set(m.rows), set(m.columns)) for m in proof.never_cancelled] == [
        ({2}, {1}),
        ({0, 2}, {2}),
        ({0}, {3}),
        ({0, 2}, {4}),
    ]
    (outnumbered,) = proof.excluded
    assert sorted(outnumbered.rows) == [1, 1, 2]
    assert certificate.verify()
    n_minors = sum(other.count for other in certificate.against)
    assert str(certificate) == f"{n_minors} nonzero minors modulo 2147483647 for 3 latents"


def test_tampered_certificates_of_rivals_are_refused() -> None:
    certificate, proof = rivalry()
    first, second, third, fourth = proof.never_cancelled
    (outnumbered,) = proof.excluded
    wrong = [
        replace(proof, rivals=()),
        replace(proof, rivals=(1, 2)),
        replace(proof, rivals=(0, 2)),
        replace(proof, excluded=(replace(outnumbered, rows=(1, 2), columns=(0, 1)),)),
        replace(proof, excluded=(replace(outnumbered, rows=(1, 2, 2)),)),
        replace(proof, excluded=(replace(outnumbered, columns=(0, 0, 0)),)),
        replace(proof, excluded=(replace(outnumbered, rows=(1, 0, 1)),)),
        replace(proof, excluded=(replace(outnumbered, borders=((1, 5),)),)),
        replace(proof, never_cancelled=(first, second, third)),
        replace(proof, never_cancelled=(first, second, third, replace(fourth, columns=(4, 9)))),
        replace(proof, never_cancelled=(first, second, third, replace(fourth, rows=(0, 7)))),
        replace(proof, never_cancelled=(first, second, third, replace(fourth, rows=(0, 0)))),
        replace(
            proof,
            never_cancelled=(first, replace(second, columns=(4, 4)), third, replace(fourth, rows=(0, 1))),
        ),
        replace(proof, never_cancelled=(first, second, third, replace(fourth, columns=(3, 1)))),
    ]
    for other in wrong:
        assert not replace(certificate, against=(other, *certificate.against[1:])).verify(), other
    one_rank_less = replace(RIVALRY, ranks=(1, 1, 1, 1, 2, 1))
    assert not replace(certificate, effects=one_rank_less).verify()


def test_a_certificate_of_higher_ranks_says_what_it_consists_of() -> None:
    triangle = CausalGraph(Ga=[[1, 1, 0], [1, 0, 1], [0, 1, 1]])
    certificate = check_joint_generic(triangle, ranks=2).certificate
    assert isinstance(certificate, NoGenericDirection)
    assert str(certificate) == "9 nonzero minors modulo 2147483647 for 3 latents"
    assert certificate.verify()
