"""The estimator passes scikit-learn's own checks, and trains the same model as `fit`."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from sklearn.utils import estimator_checks
from sklearn.utils.estimator_checks import parametrize_with_checks

from estimation import estimator as module
from estimation.config import TrainingConfig
from estimation.dataset import Dataset
from estimation.dataset.holdout import hold_out
from estimation.estimator import SparseMechanismVAE
from estimation.exceptions import ConfigError
from estimation.trained import TrainedModel
from estimation.training.loop import fit
from tests.estimation.tiny_estimator import TINY, numbers, record_fit_calls, tiny
from tests.seeds import training_seed

EXPECTED_FAILED_CHECKS = {
    "check_methods_subset_invariance": "torch sums float32 in an order that depends on the number of rows, so that "
    "encodings of a single row and of a batch agree to about 1e-6 relative to the largest entry, not always to 1e-7",
}


# scikit-learn runs these checks only on its own transformers; all of them apply to this one
MORE_CHECKS = [
    estimator_checks.check_dataframe_column_names_consistency,
    estimator_checks.check_transformer_get_feature_names_out,
    estimator_checks.check_transformer_get_feature_names_out_pandas,
    estimator_checks.check_get_feature_names_out_error,
    estimator_checks.check_set_output_transform,
    estimator_checks.check_set_output_transform_pandas,
    estimator_checks.check_global_output_transform_pandas,
]


@pytest.fixture
def fit_calls(monkeypatch: pytest.MonkeyPatch) -> list[SimpleNamespace]:
    return record_fit_calls(monkeypatch)


# scikit-learn's checks


@parametrize_with_checks(
    [tiny()], expected_failed_checks=lambda estimator: EXPECTED_FAILED_CHECKS, xfail_strict=False
)
def test_scikit_learn_checks(estimator: SparseMechanismVAE, check: Any) -> None:
    check(estimator)


@pytest.mark.filterwarnings("ignore:X does not have valid feature names", "ignore:X has feature names")
@pytest.mark.parametrize("check", MORE_CHECKS, ids=lambda check: check.__name__)
def test_more_scikit_learn_checks(check: Any) -> None:
    check("SparseMechanismVAE", tiny())


@pytest.mark.parametrize("name", EXPECTED_FAILED_CHECKS)
def test_the_documentation_names_the_checks_that_may_fail(name: str) -> None:
    assert name in (module.__doc__ or "")
    assert hasattr(estimator_checks, name)


def test_single_rows_and_batches_have_nearly_the_same_latents() -> None:
    x = numbers(40, 3)
    estimator = tiny(settings=TINY | {"width": 128}).fit(x)
    single_rows = np.concatenate([estimator.transform(row[None]) for row in x])
    np.testing.assert_allclose(single_rows, estimator.transform(x), atol=1e-5)


# comparison with `fit`


def test_independent_rows_give_the_same_model_as_fit() -> None:
    x, a = numbers(100, 4), numbers(100, 2, seed=1)
    estimator = tiny(max_edges_actions=3, random_state=training_seed(7)).fit(x, actions=a)
    config = TrainingConfig(
        n_latents=2,
        max_edges_actions=3,
        seed=training_seed(7),
        steps=20,
        batch_size=64,
        unmixing=False,
        **TINY,
    )
    model = fit(Dataset.from_arrays(x, actions=a), config)
    assert estimator.order_ == "independent"
    assert estimator.model_.config == config
    assert estimator.graph_ == model.graph
    assert estimator.graph_.n_edges == 3
    np.testing.assert_array_equal(estimator.transform(x), model.encode(x))
    np.testing.assert_array_equal(estimator.inverse_transform(a), model.decode(a))
    assert estimator.score(x, actions=a) == -model.negative_elbo(Dataset.from_arrays(x, actions=a))["total"]


def test_sequences_give_the_same_model_as_fit_on_explicit_pairs() -> None:
    x, a = numbers(90, 3), numbers(90, 2, seed=1)
    groups = np.random.default_rng(training_seed(2)).integers(0, 25, 90)
    pairs = [
        (x[[before, after]], a[after], label)
        for label in np.unique(groups)
        for before, after in zip(
            np.flatnonzero(groups == label), np.flatnonzero(groups == label)[1:], strict=False
        )
    ]
    observations, actions, episodes = (list(column) for column in zip(*pairs, strict=True))
    dataset = Dataset.from_arrays(observations, actions=actions, episodes=episodes)
    names = [f"group {label:02}" for label in groups]
    estimator = tiny(max_edges_past=3, max_edges_actions=2).fit(x, actions=a, groups=names)
    model = fit(dataset, estimator.model_.config)
    assert estimator.order_ == "sequence"
    assert (estimator.graph_.Gz.nnz, estimator.graph_.Ga.nnz) == (3, 2)
    np.testing.assert_array_equal(estimator.transform(x), model.encode(x))
    assert estimator.score(x, actions=a, groups=names) == -model.negative_elbo(dataset)["total"]


def test_the_action_of_a_row_acts_on_the_step_that_leads_to_it(fit_calls: list[SimpleNamespace]) -> None:
    a = numbers(60, 2)
    a[0] = np.nan
    x = np.vstack([np.zeros((1, 2)), a[1:].cumsum(axis=0)])
    tiny(order="sequence").fit(x, actions=a)
    pairs = fit_calls[0].dataset
    np.testing.assert_allclose(np.diff(pairs.observations, axis=1)[:, 0], pairs.actions, atol=1e-5)


def test_margin_warnings_and_confidence_are_attributes(monkeypatch: pytest.MonkeyPatch) -> None:
    x, a = numbers(400, 4), numbers(400, 2, seed=1)
    confidence = {"actions": np.array([[0.9, 0.1], [0.2, 0.8]])}
    with monkeypatch.context() as patch:
        patch.setattr(TrainedModel, "edge_confidence", confidence)
        estimator = tiny(steps=200, unmixing=None).fit(x, actions=a)
    assert estimator.model_.diagnostics is not None
    assert estimator.margin_ is estimator.model_.margin
    assert estimator.warnings_ is estimator.model_.warnings
    assert estimator.edge_confidence_ is confidence
    short = tiny().fit(x, actions=a)
    assert (short.margin_, short.warnings_, short.edge_confidence_) == (None, (), None)


def test_restarts_are_a_parameter() -> None:
    x, a = numbers(100, 4), numbers(100, 2, seed=1)
    estimator = tiny(restarts=2).fit(x, actions=a)
    assert estimator.model_.config.restarts == 2
    assert any(note.startswith("restart 2 of 2: ") for note in estimator.history_.notes)


# held-out data


def test_the_end_of_a_single_sequence_is_held_out_as_in_fit(fit_calls: list[SimpleNamespace]) -> None:
    tiny(1).fit(np.arange(101.0)[:, None])
    assert not hasattr(fit_calls[0], "validation")
    _, held_out = hold_out(fit_calls[0].dataset, training_seed())
    assert held_out.observations[:, 0, 0].tolist() == [95, 96, 97, 98, 99]


def test_pairs_are_sorted_by_sequence_and_time(fit_calls: list[SimpleNamespace]) -> None:
    """The end of each sequence is held out, even if its rows are not adjacent."""
    groups = np.random.default_rng(training_seed()).integers(0, 3, 60)
    tiny(1).fit(np.arange(60.0)[:, None], groups=groups)
    pairs = fit_calls[0].dataset
    for label in range(3):
        rows = np.flatnonzero(groups == label)
        observations = pairs.take(pairs.episodes == label).observations[..., 0]
        np.testing.assert_array_equal(observations, np.stack([rows[:-1], rows[1:]], axis=1))


# parameters


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({}, {"max_edges_past": 2, "max_edges_actions": 2}),
        ({"max_edges_past": 3}, {"max_edges_past": 3, "max_edges_actions": 2}),
        ({"max_edges_past": None}, {"max_edges_past": None, "max_edges_actions": 2}),
        ({"sparsity": "penalty"}, {"max_edges_past": None, "max_edges_actions": None}),
        ({"sparsity": "none"}, {"max_edges_past": None, "max_edges_actions": None}),
        ({"preset": "published", "steps": None}, {"max_edges_past": 2, "steps": 300_000, "width": 16}),
        ({"n_latents": None}, {"n_latents": 3, "max_edges_past": 3}),
        (
            {"n_latents": np.int64(1), "learning_rate": np.float32(0.5)},
            {"n_latents": 1, "learning_rate": 0.5},
        ),
        ({"threads": 2, "device": "cpu", "batch_size": 8}, {"threads": 2, "device": "cpu", "batch_size": 8}),
        ({"restarts": np.int64(3)}, {"restarts": 3}),
        ({"settings": {"penalty": np.float64(0.5)}}, {"penalty": 0.5, "width": 128}),
        ({"settings": None, "unmixing": None}, {"unmixing": True, "seed": training_seed()}),
    ],
)
def test_parameters_become_settings(
    parameters: dict[str, Any], expected: dict[str, Any], fit_calls: list[SimpleNamespace]
) -> None:
    tiny(**parameters).fit(numbers(30, 3), actions=numbers(30, 2), groups=np.repeat([0, 1], 15))
    assert {name: getattr(fit_calls[0].config, name) for name in expected} == expected
    assert fit_calls[0].progress is False


def test_default_budgets_are_set_only_for_masks_in_use(fit_calls: list[SimpleNamespace]) -> None:
    x, a = numbers(30, 3), numbers(30, 2)
    tiny(verbose=True).fit(x)
    tiny().fit(x, actions=a)
    assert [(call.config.max_edges_past, call.config.max_edges_actions) for call in fit_calls] == [
        (2, None),
        (None, 2),
    ]
    assert fit_calls[0].progress is True


@pytest.mark.parametrize(
    ("order", "actions", "groups", "steps", "note"),
    [
        ("auto", True, False, 1, "rows were treated as independent"),
        ("independent", True, False, 1, "rows were treated as independent"),
        ("auto", False, False, 2, "rows were treated as one sequence in time"),
        ("sequence", True, False, 2, "rows were treated as one sequence in time"),
        ("auto", False, True, 2, "rows were treated as 3 sequences in time"),
        ("sequence", True, True, 2, "rows were treated as 3 sequences in time"),
    ],
)
def test_the_order_determines_how_rows_are_treated(
    order: str, actions: bool, groups: bool, steps: int, note: str, fit_calls: list[SimpleNamespace]
) -> None:
    extra: dict[str, Any] = {"actions": numbers(30, 2)} if actions else {}
    extra |= {"groups": ["a"] * 14 + ["b"] + ["c"] * 15} if groups else {}
    estimator = tiny(order=order).fit(numbers(30, 3), **extra)
    assert fit_calls[0].dataset.n_steps == steps
    assert estimator.history_.notes[0] == note
    assert any("left out 1 episode" in text and "'b'" in text for text in estimator.history_.notes) == groups


def test_more_latents_than_columns_are_refused() -> None:
    message = (
        r"n_latents is 4, more than the observed columns \(n_features = 3\): no decoder is one to one then"
    )
    with pytest.raises(ConfigError, match=message):
        tiny(n_latents=4).fit(numbers(40, 3))


def test_random_state_determines_the_seed_of_training() -> None:
    x = numbers(40, 3)
    seeds = (training_seed(3), np.int64(training_seed(3)), training_seed(4))
    first, again, other = (tiny(random_state=seed).fit(x).transform(x) for seed in seeds)
    np.testing.assert_array_equal(first, again)
    assert not np.allclose(first, other)
    random_state = np.random.RandomState(training_seed())
    seeds_used = [tiny(random_state=random_state).fit(x).model_.config.seed for _ in range(2)]
    same = np.random.RandomState(training_seed())
    assert seeds_used == [same.randint(2**31 - 1), same.randint(2**31 - 1)]
