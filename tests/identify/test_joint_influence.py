"""Joint influence of numbers: against all bases over small finite fields, and laws."""

from __future__ import annotations

import itertools
import json
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from identify.entanglement import predict_entanglement
from identify.exceptions import RequestError
from identify.graph import CausalGraph
from identify.influence import JointInfluence, check_joint
from identify.influence.joint.answers import Names
from identify.influence.joint.fields import PrimeField, Rationals
from identify.influence.joint.numbers import decide_joint
from identify.influence.joint.sparsest import Effects


def decide_modulo(prime: int, blocks: list[np.ndarray], n: int) -> JointInfluence:
    """Decide joint influence of effects over a prime field."""
    field = PrimeField(prime)
    columns = field.array(np.hstack([np.zeros((n, 0), dtype=int), *blocks]))
    owner = np.repeat(np.arange(len(blocks)), [block.shape[1] for block in blocks])
    kept = columns.any(axis=0)
    effects = Effects(field, columns[:, kept], owner[kept], len(blocks))
    names = Names(tuple(f"z{i}" for i in range(n)), tuple(f"a{k}" for k in range(len(blocks))))
    return decide_joint(effects, names, 60)


class Vectors:
    """All vectors over a prime field with their weights: the brute force."""

    def __init__(self, prime: int, blocks: list[np.ndarray], n: int) -> None:
        self.prime, self.n = prime, n
        self.all = np.array(list(itertools.product(range(prime), repeat=n)))[1:]
        moved = [(self.all @ block % prime).any(axis=1) for block in blocks]
        self.weights = np.sum([np.zeros(len(self.all), dtype=int), *moved], axis=0)

    def span(self, chosen: np.ndarray) -> np.ndarray:
        """Return the reduced echelon form of some vectors."""
        return PrimeField(self.prime).echelon(chosen)[0]

    def contains(self, space: np.ndarray, vector: np.ndarray) -> bool:
        return len(self.span(np.vstack([space, vector]))) == len(space)

    def minimum_weight(self) -> int:
        """Return the total weight of a lightest basis, by the greedy algorithm on all vectors."""
        total, space = 0, self.all[:0]
        for k in np.argsort(self.weights, kind="stable"):
            if not self.contains(space, self.all[k]):
                space, total = self.span(np.vstack([space, self.all[k]])), total + int(self.weights[k])
                if len(space) == self.n:
                    break
        return total

    def lightest_bases(self) -> list[np.ndarray]:
        """Return all bases of the least total weight, one vector of each line."""
        lines = [k for k, v in enumerate(self.all) if v[np.flatnonzero(v)[0]] == 1]
        least = self.minimum_weight()
        return [
            self.all[list(chosen)]
            for chosen in itertools.combinations(lines, self.n)
            if self.weights[list(chosen)].sum() == least and len(self.span(self.all[list(chosen)])) == self.n
        ]

    def entanglement(self) -> np.ndarray:
        """Return V by its definition: a direction w in a lightest basis, and latents that lighter ones leave open."""
        result = np.eye(self.n, dtype=bool)
        spans = {int(w): self.span(self.all[self.weights < w]) for w in set(self.weights.tolist())}
        units = np.eye(self.n, dtype=int)
        for vector, weight in zip(self.all, self.weights.tolist(), strict=True):
            if not self.contains(spans[weight], vector):
                is_open = np.array([not self.contains(spans[weight], unit) for unit in units])
                result |= np.outer(vector != 0, (vector != 0) & is_open)
        return result


@st.composite
def problems(
    draw: st.DrawFn, sizes: list[int], prime: int, n_actions: int = 6
) -> tuple[int, list[np.ndarray]]:
    """Draw sparse effects of ranks 1 and 2."""
    n = draw(st.sampled_from(sizes))
    blocks = []
    for _ in range(draw(st.integers(0, n_actions))):
        rank = draw(st.sampled_from([1, 1, 2]))
        children = draw(st.lists(st.booleans(), min_size=n, max_size=n))
        block = np.array(
            draw(
                st.lists(
                    st.lists(st.integers(0, prime - 1), min_size=rank, max_size=rank), min_size=n, max_size=n
                )
            )
        )
        blocks.append(block * np.array(children)[:, None])
    return n, blocks


@settings(max_examples=10, deadline=None)
@given(problems([3], 3), st.just(3))
def test_all_lightest_bases_over_a_small_field(problem: tuple[int, list[np.ndarray]], prime: int) -> None:
    """The number of edges fewer, whether the truth is the only basis, and V from all lightest bases."""
    n, blocks = problem
    joint, vectors = decide_modulo(prime, blocks, n), Vectors(prime, blocks, n)
    bases = vectors.lightest_bases()
    assert joint.n_fewer == sum(joint.weights) - vectors.minimum_weight()
    is_only = all((np.count_nonzero(basis, axis=1) == 1).all() for basis in bases)
    assert bool(joint) == is_only
    if joint.n_fewer == 0:
        # every lightest basis is matched to the true latents by weight and nonzero coefficients
        expected = np.eye(n, dtype=bool)
        for basis in bases:
            for order in itertools.permutations(range(n)):
                matched = basis[list(order)]
                if matched.diagonal().all():
                    expected |= matched.T != 0
        assert joint.entanglement is not None
        assert (joint.entanglement == expected).all()


@settings(max_examples=10, deadline=None)
@given(problems([2, 3, 4], 5, 8))
def test_every_vector_over_a_small_field(problem: tuple[int, list[np.ndarray]]) -> None:
    n, blocks = problem
    joint, vectors = decide_modulo(5, blocks, n), Vectors(5, blocks, n)
    assert joint.n_fewer == sum(joint.weights) - vectors.minimum_weight()
    assert joint.entanglement is not None
    assert (joint.entanglement == vectors.entanglement()).all()
    assert bool(joint) == bool((joint.entanglement == np.eye(n, dtype=bool)).all() and joint.n_fewer == 0)
    assert joint.certificate is not None
    assert joint.certificate.verify()


# Exact numbers --------------------------------------------------------------------------------------


def flats(blocks: list[list[list[Fraction]]], n: int) -> tuple[int, np.ndarray]:
    """Return the least total weight of a basis and V, from the null spaces of all sets of actions."""
    field, units = Rationals(), Rationals().eye(n)
    arrays = [field.array(block) for block in blocks]
    spaces: list[tuple[int, np.ndarray]] = []
    for chosen in itertools.product([False, True], repeat=len(arrays)):
        kept = [array for array, keep in zip(arrays, chosen, strict=True) if keep]
        null = field.left_null(np.hstack([field.array([[]] * n).reshape(n, 0), *kept]))
        if len(null):
            moved = sum(bool(field.nonzero(field.product(null, array)).any()) for array in arrays)
            spaces.append((moved, null))
    levels = {
        weight: field.echelon(np.vstack([units[:0], *(null for w, null in spaces if w <= weight)]))[0]
        for weight in range(-1, len(arrays) + 1)
    }
    dimensions = [len(levels[weight]) for weight in range(-1, len(arrays) + 1)]
    total = sum(weight * new for weight, new in enumerate(np.diff(dimensions)))
    result = np.eye(n, dtype=bool)
    for weight, null in spaces:
        lighter = levels[weight - 1]
        if field.rank(np.vstack([lighter, null])) > len(lighter):
            is_open = [field.rank(np.vstack([lighter, unit[None]])) > len(lighter) for unit in units]
            support = field.nonzero(null).any(axis=0)
            result |= np.outer(support, support & np.array(is_open))
    return int(total), result


@settings(max_examples=10, deadline=None)
@given(problems([2, 3, 4], 4, 6))
def test_null_spaces_of_all_sets_of_actions(problem: tuple[int, list[np.ndarray]]) -> None:
    """Small integers have many coincidences, which generic effects lack."""
    n, blocks = problem
    effects = [(block - 2 * (block > 2)).tolist() for block in blocks]
    joint = check_joint(effects, n_latents=n)
    total, entanglement = flats([[list(map(Fraction, row)) for row in block] for block in effects], n)
    assert joint.exact
    assert joint.n_fewer == sum(joint.weights) - total
    assert joint.entanglement is not None
    assert (joint.entanglement == entanglement).all()
    assert joint.certificate is not None
    assert joint.certificate.verify()


def random_screen(n: int, m: int, k: int, seed: int) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    result = []
    for _ in range(m):
        vector = np.zeros(n, dtype=int)
        vector[rng.choice(n, k, replace=False)] = rng.choice([-3, -2, -1, 1, 2, 3], size=k)
        result.append(vector)
    return result


@pytest.mark.parametrize("seed", range(2))
def test_scale_order_and_type_of_the_numbers_change_nothing(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n, screen = 5, random_screen(5, 11, 2, seed)
    joint = check_joint(screen)
    assert joint.entanglement is not None
    scaled = check_joint([Fraction(int(rng.integers(1, 9)), 7) * vector for vector in screen])
    assert scaled.status == joint.status
    assert (scaled.entanglement == joint.entanglement).all()
    latents, actions = rng.permutation(n), rng.permutation(len(screen))
    permuted = check_joint([screen[a][latents] for a in actions])
    assert (permuted.entanglement == joint.entanglement[np.ix_(latents, latents)]).all()
    assert permuted.n_fewer == joint.n_fewer
    numerical = check_joint([0.1 * vector for vector in screen])
    assert numerical.status == joint.status
    assert (numerical.entanglement == joint.entanglement).all()
    assert numerical.n_fewer == joint.n_fewer
    assert numerical.certificate is None
    assert not numerical.exact
    assert numerical.tolerance == 1e-9


def test_huge_fractions_are_decided_exactly() -> None:
    """Two effects that agree in a hundred digits are not proportional, and floating point can't tell."""
    close = Fraction(10**100 + 1, 10**100)
    others = [[1, 0], [0, 1]]
    assert check_joint([[1, 1], [1, close], *others, *others]).status == "holds"
    joint = check_joint([[1, 1], [1, 1], *others, *others])
    assert joint.status == "fails"
    assert check_joint([[1.0, 1.0], [1.0, float(close)], *others, *others]).status == "fails"


def test_an_action_on_one_latent_never_breaks_joint_influence() -> None:
    screen = [vector.tolist() for vector in random_screen(6, 18, 2, 0)]
    assert check_joint(screen)
    for i in range(6):
        assert check_joint([*screen, np.eye(6, dtype=int)[i]])


@settings(max_examples=8, deadline=None)
@given(st.lists(st.lists(st.booleans(), min_size=4, max_size=4), min_size=1, max_size=5))
def test_full_effects_give_the_entanglement_of_sufficient_influence(columns: list[list[bool]]) -> None:
    joint = check_joint([np.diag(np.array(column, dtype=int)) for column in columns])
    graph = CausalGraph(Ga=np.array(columns, dtype=int).T)
    assert joint.n_fewer == 0
    assert (joint.entanglement == predict_entanglement(graph, "actions").matrix.toarray()).all()


def test_a_basis_with_fewer_edges() -> None:
    """Three effects on two latents: mixtures are moved by two actions, the latents by three."""
    joint = check_joint([[1, 1], [1, -1], [1, 2]])
    assert (joint.status, joint.n_fewer, joint.sparsest_weights) == ("fails", 2, (2, 2))
    assert joint.basis is not None
    assert {direction.coefficients for direction in joint.basis} <= {(1, -1), (1, 1), (2, -1)}
    assert joint.basis[0].beside == ("z0", "z1")
    assert joint.entanglement is not None
    assert joint.entanglement.all()
    assert "2 edges fewer" in joint.reason


# the interruption may come while hypothesis counts garbage collections, which only delays it
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_time_limit_leaves_it_undecided() -> None:
    joint = check_joint(random_screen(14, 60, 3, 0), time_limit=0.05)
    assert joint.status == "undecided"
    assert joint.entanglement is None
    assert joint.certificate is None
    assert "within 0.05 s" in joint.reason
    assert not joint.disentangled.any()
    assert joint.entangled_with(0) == ()


def test_json_and_text() -> None:
    joint = check_joint([[Fraction(1, 3), 1], [1, 1], [0, 1], [0, 1]])
    record = json.loads(json.dumps(joint.to_dict()))
    assert record["status"] == "fails"
    assert record["directions"][0]["coefficients"] in ([1, -1], [3, -1])
    assert str(joint).startswith("joint influence fails: ")
    assert len(check_joint([[1, 1], [2, 1]]).directions) > 0
    assert str(check_joint([], n_latents=1)) == "joint influence holds: there is only one latent"


@pytest.mark.parametrize(
    ("effects", "options", "message"),
    [
        ([], {}, "there are no actions; give n_latents, which effects would otherwise show"),
        ([[1, 2], [1, 2, 3]], {}, r"effects\[1\] has 3 rows, one per latent; effects\[0\] has 2"),
        ([[1, 2]], {"n_latents": 3}, r"effects\[0\] has 2 rows, one per latent; n_latents has 3"),
        ([[]], {}, r"effects\[0\] has no rows; it has one per latent"),
        ([[[1, 2], [3]]], {}, r"effects\[0\] is ragged; it is an array of shape \(n, r\)"),
        ([[[[1]]]], {}, r"effects\[0\] has 3 dimensions; it is an array of shape \(n, r\)"),
        ([[1.0, float("nan")]], {}, r"effects\[0\] has the entry nan; entries are finite real numbers"),
        ([["x", 1]], {}, r"effects\[0\] has the entry 'x'; entries are finite real numbers"),
        ([[1, 2]], {"n_latents": 0}, "n_latents is 0; it is a number of latents, an integer from 1"),
        ([[1, 2]], {"tolerance": 2}, "tolerance is 2; it is a number between 0 and 1"),
        ([[1, 2]], {"time_limit": 0}, "seconds is 0; it is a time limit, a number above 0"),
    ],
)
def test_bad_requests(effects: list[Any], options: dict[str, Any], message: str) -> None:
    with pytest.raises(RequestError, match=message):
        check_joint(effects, **options)
