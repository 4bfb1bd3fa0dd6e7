"""The rule for the number of latents, on curves whose answer is known, and the order in which numbers are tried."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from estimation.config import TrainingConfig
from estimation.dataset.holdout import training_pairs
from estimation.exceptions import CheckpointError
from estimation.history import HISTORY, History
from estimation.latent_count import Candidate, LatentCount, clear_directions, smallest_sufficient
from estimation.plot import plot_latent_count
from estimation.simulate import simulate
from estimation.storage.schema import check
from estimation.training.latent_search import (
    MAX_TRIALS,
    find_latent_count,
    intrinsic_dimension,
    next_trial,
    search,
)
from estimation.training.procedure import Initialisation
from identify.graph import CausalGraph
from tests.seeds import training_seed

N_OBSERVED = 20


def candidate(n: int, loss: float, true: int = 99, start: int = 0) -> Candidate:
    """Return a run of which at most ``true`` directions are clear."""
    ratios = tuple([2000.0 - k for k in range(min(n, true))] + [5.0] * max(n - true, 0))
    return Candidate(n, start, loss, 0.01, ratios)


def ideal(n: int, true: int, drop: float = 0.5) -> Candidate:
    """Return the run of a process with ``true`` latents, each of which lowers the negative ELBO by the same amount."""
    return candidate(n, -drop * min(n, true), true)


@dataclasses.dataclass
class Process:
    """A process with a known number of latents, whose short runs are computed instead of trained."""

    true: int
    bad_starts: int = 0
    drop: float = 0.5
    harm: float = 0.4
    trials: list[tuple[int, int]] = dataclasses.field(default_factory=list)

    def trial(self, n: int, start: int) -> Candidate:
        self.trials.append((n, start))
        run = ideal(n, self.true, self.drop)
        is_bad = n == self.true and start < self.bad_starts
        return dataclasses.replace(run, start=start, negative_elbo=run.negative_elbo + self.harm * is_bad)


def found(process: Process, first: int, n_observed: int = N_OBSERVED) -> int:
    tried = [process.trial(min(first, n_observed), 0)]
    while (number := next_trial(tried, n_observed)) is not None:
        assert len(tried) < MAX_TRIALS
        assert number not in process.trials
        tried.append(process.trial(*number))
    return smallest_sufficient(tried, n_observed)


@given(st.integers(1, 15), st.integers(1, 20), st.sampled_from([0.15, 0.5, 3.0]))
def test_the_search_finds_the_true_number_from_any_beginning(true: int, first: int, drop: float) -> None:
    assert found(Process(true, drop=drop), first) == true


@given(st.integers(2, 10), st.integers(1, 2), st.sampled_from([0.4, 2.0]))
def test_a_bad_start_of_the_true_number_is_repeated(true: int, bad_starts: int, harm: float) -> None:
    process = Process(true, bad_starts, harm=harm)
    assert found(process, true + 3) == true
    assert (true, bad_starts) in process.trials


def test_the_number_of_observed_dimensions_is_never_exceeded() -> None:
    process = Process(true=5)
    assert found(process, 9, n_observed=5) == 5
    assert max(n for n, _ in process.trials) == 5
    assert found(Process(true=1), 1, n_observed=1) == 1


def test_a_search_from_above_needs_three_runs() -> None:
    process = Process(true=6)
    assert found(process, 11) == 6
    assert process.trials[:2] == [(11, 0), (6, 0)]
    assert {n for n, _ in process.trials} == {5, 6, 11}


@pytest.mark.parametrize(
    ("ratios", "n_clear"),
    [
        ((3680, 2820, 2090, 1560), 4),
        ((3330, 2570, 1940, 1530, 1.84), 4),
        ((10100, 4700, 1920, 259, 9.35, 0.18), 4),
        ((50, 20, 3, 0.5), 3),
        ((31800, 6550), 2),
        ((210, 109, 0.57, 0.005), 2),
        ((1000,), 1),
        ((0.1, 0.05), 1),
    ],
)
def test_the_widest_gap_separates_clear_directions(ratios: tuple[float, ...], n_clear: int) -> None:
    assert clear_directions(ratios) == n_clear


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=12))
def test_clear_directions_are_between_one_and_all(values: list[float]) -> None:
    ratios = sorted(values, reverse=True)
    assert 1 <= clear_directions(ratios) <= len(ratios)


@given(st.permutations(range(1, 8)), st.integers(2, 6))
def test_the_rule_does_not_depend_on_the_order_of_the_runs(numbers: list[int], true: int) -> None:
    assert smallest_sufficient([ideal(n, true) for n in numbers], N_OBSERVED) == true


def test_a_latent_that_few_dimensions_show_is_kept_if_its_direction_is_clear() -> None:
    # 0.06 nats per dimension are 6 nats per row
    few, enough = candidate(4, -1.0), candidate(5, -1.06)
    assert smallest_sufficient([few, enough], 100) == 5
    assert smallest_sufficient([few, enough], 20) == 4
    assert smallest_sufficient([few, candidate(5, -1.06, true=4)], 100) == 4


def test_the_doubt_names_numbers_that_are_nearly_as_good() -> None:
    runs = [candidate(3, -0.1), candidate(4, -1.5), candidate(5, -1.57, true=4)]
    count = LatentCount.of(runs, N_OBSERVED, 3.4)
    assert count.n_latents == 4
    assert count.nearly_as_good == (5,)
    assert count.summary == "4 latents; 5 is nearly as good"
    assert count.note == (
        "found 4 latents; 5 is nearly as good: the held-out negative ELBOs of short runs were -0.1 with 3, "
        "-1.5 with 4, -1.57 with 5"
    )
    close = LatentCount.of([candidate(3, -1.35), candidate(4, -1.5), candidate(5, -1.5, 4)], N_OBSERVED, 3.4)
    assert close.summary == "4 latents; 3 is nearly as good"
    clear = LatentCount.of([candidate(3, -0.1), candidate(4, -1.5), candidate(5, -1.5, 4)], N_OBSERVED, 3.4)
    assert clear.summary == "4 latents"


def test_an_unfinished_search_says_what_it_did_not_try() -> None:
    runs = [candidate(5, -1.0), candidate(8, -2.0, true=7)]
    count = LatentCount.of(runs, N_OBSERVED, 5.0)
    assert count.doubt == "1 direction of the latents is weak; 7 was not tried; no larger number was tried"


@pytest.mark.parametrize(
    ("runs", "may_be_smaller"),
    [
        ([candidate(3, -0.1), candidate(4, -1.5), candidate(7, -1.57, 4)], False),
        # one that is nearly as good, a gap, and a number that was not tried
        ([candidate(3, -1.35), candidate(4, -1.5), candidate(7, -1.5, 4)], True),
        ([candidate(4, -0.1), candidate(5, -1.5, true=3)], True),
        ([candidate(3, -0.1), candidate(5, -1.5)], True),
        ([candidate(1, -0.1)], False),
    ],
)
def test_what_says_that_a_smaller_number_may_be_right(runs: list[Candidate], may_be_smaller: bool) -> None:
    assert LatentCount.of(runs, N_OBSERVED, 3.4).may_be_smaller == may_be_smaller


@pytest.mark.parametrize(("is_doubtful", "steps"), [(True, 5_000), (True, 500), (False, 5_000)])
def test_longer_runs_follow_a_search_that_leaves_a_doubt(
    is_doubtful: bool, steps: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Short runs need two latents more than there are."""
    lengths: list[int] = []

    class Fake:
        def __init__(self, config: TrainingConfig, initialisation: Initialisation) -> None:
            self.config, self.step = config, 0
            lengths.append(config.steps)

        def advance(self) -> None:
            self.step += 1

    def measured(run: Fake, held_out: object, start: int) -> Candidate:
        n, is_short = run.config.n_latents, run.step == 500
        assert isinstance(n, int)
        assert run.step == run.config.steps
        loss = -0.5 * min(n, 6) if is_short else -0.5 * min(n, 4)
        # numbers below 6 are hardly worse than it in short runs
        loss += 0.4 * max(min(n, 6) - 4, 0) if is_short and is_doubtful else 0.0
        return candidate(n, loss, 99 if is_short and is_doubtful else 6 if is_short else 4, start)

    data = simulate(CausalGraph(Ga=np.eye(4)), 300, n_observed=12, seed=training_seed(3))
    pairs, held_out = training_pairs(data, None, training_seed(0))
    monkeypatch.setattr("estimation.training.latent_search._measured", measured)
    config = TrainingConfig(n_latents="auto", steps=steps, seed=training_seed(0))
    count = find_latent_count(config, Initialisation(pairs, held_out), Fake, progress=False)
    is_longer = is_doubtful and steps > 500
    # the first run only checks the settings
    assert set(lengths[1:]) == ({500, 1_500} if is_longer else {500})
    assert count.n_latents == (4 if is_longer else 6)
    assert bool(count.shorter) == is_longer
    assert count.shorter in count.note
    assert ("; even shorter runs left a doubt (6 latents; " in count.note) == is_longer


def test_a_search_is_stored_and_read(tmp_path: object) -> None:
    count = LatentCount.of([candidate(3, -0.1), candidate(4, -1.5)], N_OBSERVED, 3.4)
    stored = json.loads(json.dumps(History(latent_count=count).to_dict()))
    check(stored, HISTORY)
    assert History.from_dict(stored).latent_count == count
    # earlier releases did not store what shorter runs found
    del stored["latent_count"]["shorter"]
    check(stored, HISTORY)
    assert History.from_dict(stored).latent_count == count
    del stored["latent_count"]
    check(stored, HISTORY)
    assert History.from_dict(stored).latent_count is None
    stored["latent_count"] = {**count.to_dict(), "n_latents": 0}
    with pytest.raises(CheckpointError, match=r"latent_count\.n_latents is 0; it must be a whole number"):
        check(stored, HISTORY)


def test_the_search_begins_above_the_intrinsic_dimension() -> None:
    data = simulate("ActionNonDiag", 2000, training_seed())
    process = Process(true=10)
    count = search(data, training_seed(), process.trial, progress=False)
    assert count.n_latents == 10
    assert len(count.candidates) == len(process.trials)
    assert process.trials[0][0] > count.intrinsic_dimension


@pytest.mark.parametrize("dimension", [1, 2, 5])
def test_the_intrinsic_dimension_of_a_curved_sheet_is_estimated(dimension: int) -> None:
    rng = np.random.default_rng(training_seed(dimension))
    latents = rng.normal(size=(3000, dimension))
    sheet = np.column_stack([latents, np.sin(latents), np.tanh(latents @ rng.normal(size=(dimension, 4)))])
    assert intrinsic_dimension(sheet, training_seed()) == pytest.approx(dimension, rel=0.2)


def test_the_intrinsic_dimension_of_few_or_repeated_rows_is_defined() -> None:
    assert intrinsic_dimension(np.ones((50, 3)), training_seed()) == 1.0
    lattice = np.stack(np.meshgrid(np.arange(5.0), np.arange(5.0)), -1).reshape(-1, 2)
    assert intrinsic_dimension(lattice, training_seed()) == 2.0


def test_the_figure_shows_every_run_and_the_number_found() -> None:
    runs = [candidate(3, -0.1), candidate(4, -1.5), candidate(4, -1.2, start=1), candidate(6, -1.5, true=4)]
    left, right = plot_latent_count(LatentCount.of(runs, N_OBSERVED, 3.4))
    points, best = left.lines[:2]
    assert len(points.get_xdata()) == 4
    assert list(best.get_ydata()) == [-0.1, -1.5, -1.5]
    assert len(right.lines[0].get_xdata()) == 3 + 4 + 6
    assert left.get_title("left") == "4 latents"
    assert left.lines[-1].get_xdata()[0] == 4
