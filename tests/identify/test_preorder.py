"""The inclusion kernel against its definition, on every code path."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from scipy import sparse

from identify import preorder
from identify.preorder import Preorder, row_inclusion

matrices = npst.arrays(bool, st.tuples(st.integers(1, 9), st.integers(0, 9)))


def brute_force(rows: np.ndarray) -> np.ndarray:
    return np.array([[bool((a <= b).all()) for b in rows] for a in rows])


def full_relation(order: Preorder) -> np.ndarray:
    related = order.above.toarray() | np.eye(order.n_groups, dtype=bool)
    return related[np.ix_(order.labels, order.labels)]


@given(matrices)
@settings(max_examples=1000)
def test_row_inclusion_agrees_with_its_definition(rows: np.ndarray) -> None:
    assert np.array_equal(full_relation(row_inclusion(sparse.csr_array(rows))), brute_force(rows))


@given(matrices)
def test_groups_are_equal_rows_numbered_by_their_first(rows: np.ndarray) -> None:
    labels = row_inclusion(sparse.csr_array(rows)).labels
    seen: dict[bytes, int] = {}
    assert labels.tolist() == [seen.setdefault(row.tobytes(), len(seen)) for row in rows]


@given(matrices)
def test_the_strict_part_is_transitive_and_has_no_diagonal(rows: np.ndarray) -> None:
    above = row_inclusion(sparse.csr_array(rows)).above.toarray()
    assert not above.diagonal().any()
    assert not ((above.astype(int) @ above > 0) & ~above).any()


def scale_free(rng: np.random.Generator) -> np.ndarray:
    return rng.random((150, 200)) < rng.random(200) ** 4


def nested(rng: np.random.Generator) -> np.ndarray:
    return np.tri(150, 200, k=20, dtype=bool)[rng.permutation(150)][:, rng.permutation(200)]


def half(rng: np.random.Generator) -> np.ndarray:
    return rng.random((150, 200)) < 0.5


def few_columns(rng: np.random.Generator) -> np.ndarray:
    return rng.random((150, 5)) < 0.4


@pytest.mark.parametrize("make", [scale_free, nested, half, few_columns])
@pytest.mark.parametrize("packed_bytes", [0, 1 << 27], ids=["searched", "packed"])
@pytest.mark.parametrize("pairs_at_once", [1, 100, 1 << 21])
@pytest.mark.parametrize("min_candidates", [1, 20, 2048])
@pytest.mark.parametrize("short_lists", [0, 1_000], ids=["ranked", "listed"])
def test_all_code_paths_agree(
    make: Callable[[np.random.Generator], np.ndarray],
    packed_bytes: int,
    pairs_at_once: int,
    min_candidates: int,
    short_lists: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(preorder, "_SHORT_LISTS", short_lists)
    monkeypatch.setattr(preorder, "_SHORT_ROWS", 1_000)
    monkeypatch.setattr(preorder, "_PACKED_BYTES", packed_bytes)
    monkeypatch.setattr(preorder, "_PAIRS_AT_ONCE", pairs_at_once)
    monkeypatch.setattr(preorder, "_MIN_CANDIDATES_SCANNED", min_candidates)
    rows = make(np.random.default_rng(7))[: 60 if pairs_at_once == 1 else None]
    matrix, expected = sparse.csr_array(rows), brute_force(rows)
    assert np.array_equal(full_relation(row_inclusion(matrix)), expected)
    assert np.array_equal(full_relation(row_inclusion(matrix, matrix.tocsc)), expected)


def test_colliding_hashes_do_not_merge_different_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    fold_rows, seeds = preorder._fold_rows, []

    def fold_with_collisions(rows: sparse.csr_array, seed: int, fold: np.ufunc) -> np.ndarray:
        if fold is not np.add:
            return fold_rows(rows, seed, fold)
        seeds.append(seed)
        return fold_rows(rows, seed, fold) if seed else np.zeros(rows.shape[0], dtype=np.uint64)

    monkeypatch.setattr(preorder, "_fold_rows", fold_with_collisions)
    rows = np.random.default_rng(3).random((40, 6)) < 0.5
    assert np.array_equal(full_relation(row_inclusion(sparse.csr_array(rows))), brute_force(rows))
    assert seeds == [0, 1]


def test_adversarial_cases_stay_small() -> None:
    """The full relation, or the products of columns, would not fit into memory."""
    empty_rows = row_inclusion(sparse.csr_array((50_000, 10), dtype=bool))
    assert (empty_rows.n_groups, empty_rows.above.nnz) == (1, 0)
    full_rows = row_inclusion(sparse.csr_array(np.ones((2_000, 2_000), dtype=bool)))
    assert (full_rows.n_groups, full_rows.above.nnz) == (1, 0)
    n = 200_000
    own, hub = np.arange(1, n + 1), np.zeros(n, dtype=int)
    pairs = np.stack([hub, own], axis=1).ravel()
    star = sparse.csr_array((np.ones(2 * n, dtype=bool), pairs, np.arange(0, 2 * n + 1, 2)), shape=(n, n + 1))
    star_preorder = row_inclusion(star)
    assert (star_preorder.n_groups, star_preorder.above.nnz) == (n, 0)
