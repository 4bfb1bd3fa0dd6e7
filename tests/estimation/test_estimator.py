"""The scikit-learn estimator: scikit-learn's own checks, and that it trains what `fit` trains."""

from __future__ import annotations

import pickle
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import sklearn
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.exceptions import NotFittedError, UnsetMetadataPassedError
from sklearn.model_selection import GridSearchCV, GroupKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import estimator_checks
from sklearn.utils.estimator_checks import parametrize_with_checks

from estimation import estimator as module
from estimation.config import TrainingConfig
from estimation.dataset import Dataset
from estimation.estimator import SparseMechanismVAE
from estimation.exceptions import ConfigError, DataError
from estimation.history import History
from estimation.training.loop import fit

TINY: dict[str, Any] = {"optimizer": "adam", "width": 16, "depth": 2, "transition_width": 8, "warmup": 5}
EXPECTED_FAILED_CHECKS = {
    "check_methods_subset_invariance": "torch adds up float32 in another order for other numbers of rows, so that a "
    "row alone and among others agree to some 1e-6 relative to the largest entry, not always to 1e-7",
}
# scikit-learn runs these on its own transformers only; all apply to this one
MORE_CHECKS = [
    estimator_checks.check_dataframe_column_names_consistency,
    estimator_checks.check_transformer_get_feature_names_out,
    estimator_checks.check_transformer_get_feature_names_out_pandas,
    estimator_checks.check_get_feature_names_out_error,
    estimator_checks.check_set_output_transform,
    estimator_checks.check_set_output_transform_pandas,
    estimator_checks.check_global_output_transform_pandas,
]


def tiny(n_latents: int | None = 2, **parameters: Any) -> SparseMechanismVAE:
    usual: dict[str, Any] = {"steps": 20, "batch_size": 64, "unmixing": False, "settings": TINY}
    return SparseMechanismVAE(n_latents, **(usual | parameters))


def numbers(*shape: int, seed: int = 0) -> NDArray[np.float64]:
    return np.random.default_rng(seed).normal(size=shape)


def recording(patch: pytest.MonkeyPatch) -> list[SimpleNamespace]:
    """What training is asked for, without training."""
    calls: list[SimpleNamespace] = []

    def train(dataset: Dataset, config: TrainingConfig, **options: Any) -> SimpleNamespace:
        calls.append(SimpleNamespace(dataset=dataset, config=config, **options))
        return SimpleNamespace(history=History(), graph=None)

    patch.setattr(module, "train", train)
    return calls


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[SimpleNamespace]:
    return recording(monkeypatch)


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


def test_rows_alone_and_among_others_have_nearly_the_same_latents() -> None:
    x = numbers(40, 3)
    estimator = tiny(settings=TINY | {"width": 128}).fit(x)
    alone = np.concatenate([estimator.transform(row[None]) for row in x])
    np.testing.assert_allclose(alone, estimator.transform(x), atol=1e-5)


# the same as `fit`


def test_independent_rows_train_what_fit_trains() -> None:
    x, a = numbers(100, 4), numbers(100, 2, seed=1)
    estimator = tiny(max_edges_actions=3, random_state=7).fit(x, actions=a)
    config = TrainingConfig(
        n_latents=2, max_edges_actions=3, seed=7, steps=20, batch_size=64, unmixing=False, **TINY
    )
    model = fit(Dataset.from_arrays(x, actions=a), config)
    assert estimator.order_ == "independent"
    assert estimator.model_.config == config
    assert estimator.graph_ == model.graph
    assert estimator.graph_.n_edges == 3
    np.testing.assert_array_equal(estimator.transform(x), model.encode(x))
    np.testing.assert_array_equal(estimator.inverse_transform(a), model.decode(a))
    assert estimator.score(x, actions=a) == -model.negative_elbo(Dataset.from_arrays(x, actions=a))["total"]


def test_many_sequences_train_what_fit_trains_on_pairs_made_by_hand() -> None:
    x, a = numbers(90, 3), numbers(90, 2, seed=1)
    groups = np.random.default_rng(2).integers(0, 25, 90)
    pairs = [
        (x[[before, after]], a[after], label)
        for label in np.unique(groups)
        for before, after in zip(
            np.flatnonzero(groups == label), np.flatnonzero(groups == label)[1:], strict=False
        )
    ]
    observations, actions, episodes = (list(part) for part in zip(*pairs, strict=True))
    dataset = Dataset.from_arrays(observations, actions=actions, episodes=episodes)
    names = [f"group {label:02}" for label in groups]
    estimator = tiny(max_edges_past=3, max_edges_actions=2).fit(x, actions=a, groups=names)
    model = fit(dataset, estimator.model_.config)
    assert estimator.order_ == "sequence"
    assert (estimator.graph_.Gz.nnz, estimator.graph_.Ga.nnz) == (3, 2)
    np.testing.assert_array_equal(estimator.transform(x), model.encode(x))
    assert estimator.score(x, actions=a, groups=names) == -model.negative_elbo(dataset)["total"]


def test_the_action_of_a_row_acts_on_the_step_that_leads_to_it(asked: list[SimpleNamespace]) -> None:
    a = numbers(60, 2)
    a[0] = np.nan
    x = np.vstack([np.zeros((1, 2)), a[1:].cumsum(axis=0)])
    tiny(order="sequence").fit(x, actions=a)
    for part in (asked[0].dataset, asked[0].validation):
        np.testing.assert_allclose(np.diff(part.observations, axis=1)[:, 0], part.actions, atol=1e-5)


# what is held out


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(1, 60), min_size=1, max_size=30), st.randoms(use_true_random=False))
def test_held_out_pairs_share_no_row_with_the_others(lengths: list[int], random: Any) -> None:
    if max(lengths) < 5:
        lengths = [*lengths, 5]
    groups = [label for label, length in enumerate(lengths) for _ in range(length)]
    random.shuffle(groups)
    x = np.arange(len(groups), dtype=float)[:, None]
    with pytest.MonkeyPatch.context() as patch:
        calls = recording(patch)
        tiny(1).fit(x, groups=groups)
    trained, held_out = calls[0].dataset, calls[0].validation
    rows = [part.observations.astype(int)[..., 0] for part in (trained, held_out) if part is not None]
    for before, after in np.concatenate(rows):
        assert groups[before] == groups[after]
        assert groups[before] not in groups[before + 1 : after]
    n_pairs = sum(length - 1 for length in lengths)
    if sum(length > 1 for length in lengths) >= 20:
        assert (held_out, len(trained)) == (None, n_pairs)
    else:
        assert not set(rows[0].ravel()) & set(rows[1].ravel())
        assert 1 <= len(rows[1]) <= max(1, n_pairs / 20)
        assert len(rows[0]) >= n_pairs - 2 * max(1, n_pairs / 20)


def test_one_sequence_is_held_out_at_its_end(asked: list[SimpleNamespace]) -> None:
    x = np.arange(101.0)[:, None]
    tiny(1).fit(x)
    assert asked[0].dataset.observations[-1].ravel().tolist() == [93, 94]
    assert asked[0].validation.observations[:, 0, 0].tolist() == [95, 96, 97, 98, 99]


def test_whole_sequences_are_held_out_when_there_are_twenty(asked: list[SimpleNamespace]) -> None:
    for count in (19, 20):
        tiny(1).fit(numbers(3 * count, 1), groups=np.repeat(np.arange(count), 3))
    assert [call.validation is None for call in asked] == [False, True]


def test_no_more_is_held_out_than_it_takes(asked: list[SimpleNamespace]) -> None:
    tiny(1).fit(np.arange(250_000.0)[:, None])
    assert len(asked[0].validation) == 10_000


# parameters


@pytest.mark.parametrize(
    ("given", "expected"),
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
        ({"settings": {"penalty": np.float64(0.5)}}, {"penalty": 0.5, "width": 128}),
        ({"settings": None, "unmixing": None}, {"unmixing": True, "seed": 0}),
    ],
)
def test_parameters_become_settings(
    given: dict[str, Any], expected: dict[str, Any], asked: list[SimpleNamespace]
) -> None:
    tiny(**given).fit(numbers(30, 3), actions=numbers(30, 2), groups=np.repeat([0, 1], 15))
    assert {name: getattr(asked[0].config, name) for name in expected} == expected
    assert asked[0].progress is False


def test_budgets_by_default_are_those_of_the_masks_there_are(asked: list[SimpleNamespace]) -> None:
    x, a = numbers(30, 3), numbers(30, 2)
    tiny(verbose=True).fit(x)
    tiny().fit(x, actions=a)
    assert [(call.config.max_edges_past, call.config.max_edges_actions) for call in asked] == [
        (2, None),
        (None, 2),
    ]
    assert asked[0].progress is True


@pytest.mark.parametrize(
    ("order", "actions", "groups", "steps", "note"),
    [
        ("auto", True, False, 1, "rows were taken as independent"),
        ("independent", True, False, 1, "rows were taken as independent"),
        ("auto", False, False, 2, "rows were taken as one sequence in time"),
        ("sequence", True, False, 2, "rows were taken as one sequence in time"),
        ("auto", False, True, 2, "rows were taken as sequences in time, 3 in all"),
        ("sequence", True, True, 2, "rows were taken as sequences in time, 3 in all"),
    ],
)
def test_what_the_order_of_rows_means(
    order: str, actions: bool, groups: bool, steps: int, note: str, asked: list[SimpleNamespace]
) -> None:
    extra: dict[str, Any] = {"actions": numbers(30, 2)} if actions else {}
    extra |= {"groups": ["a"] * 14 + ["b"] + ["c"] * 15} if groups else {}
    estimator = tiny(order=order).fit(numbers(30, 3), **extra)
    assert asked[0].dataset.n_steps == steps
    assert estimator.history_.notes[0] == note
    assert any("left out 1 episode" in text and "'b'" in text for text in estimator.history_.notes) == groups


def test_seeds() -> None:
    x = numbers(40, 3)
    first, again, other = (tiny(random_state=seed).fit(x).transform(x) for seed in (3, np.int64(3), 4))
    np.testing.assert_array_equal(first, again)
    assert not np.allclose(first, other)
    source = np.random.RandomState(0)
    drawn = [tiny(random_state=source).fit(x).model_.config.seed for _ in range(2)]
    same = np.random.RandomState(0)
    assert drawn == [same.randint(2**31 - 1), same.randint(2**31 - 1)]


# in the company of other estimators


def test_actions_and_groups_are_routed_through_a_pipeline() -> None:
    x, a, groups = numbers(60, 3), numbers(60, 2, seed=1), np.repeat(np.arange(3), 20)
    scaled = StandardScaler().fit_transform(x)
    direct = tiny().fit(scaled, actions=a, groups=groups)
    with sklearn.config_context(enable_metadata_routing=True):
        pipeline = clone(make_pipeline(StandardScaler(), tiny()))
        pipeline.fit(x, actions=a, groups=groups)
        score = pipeline.score(x, actions=a, groups=groups)
        latents = make_pipeline(StandardScaler(), tiny(), StandardScaler()).fit_transform(
            x, actions=a, groups=groups
        )
    assert pipeline[-1].graph_ == direct.graph_
    np.testing.assert_array_equal(pipeline.transform(x), direct.transform(scaled))
    np.testing.assert_allclose(latents.std(axis=0), 1, atol=1e-5)
    assert score == direct.score(scaled, actions=a, groups=groups)
    np.testing.assert_allclose(
        pipeline.inverse_transform(direct.transform(scaled)),
        direct.inverse_transform(direct.transform(scaled)) * x.std(axis=0) + x.mean(axis=0),
        atol=1e-6,
    )


def test_a_pipeline_without_routing_takes_them_by_the_name_of_the_step() -> None:
    x, a = numbers(60, 3), numbers(60, 2, seed=1)
    pipeline = make_pipeline(StandardScaler(), tiny()).fit(x, sparsemechanismvae__actions=a)
    assert pipeline[-1].graph_.n_actions == 2


def test_a_search_over_groups() -> None:
    x, a, groups = numbers(90, 3), numbers(90, 2, seed=1), np.repeat(np.arange(3), 30)
    with sklearn.config_context(enable_metadata_routing=True):
        search = GridSearchCV(
            tiny(), {"max_edges_past": np.arange(1, 3)}, cv=GroupKFold(3), error_score="raise"
        )
        search.fit(x, actions=a, groups=groups)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert search.best_estimator_.graph_.Gz.nnz == search.best_params_["max_edges_past"]


def test_groups_for_the_splits_only() -> None:
    x, a, groups = numbers(90, 3), numbers(90, 2, seed=1), np.repeat(np.arange(3), 30)
    with sklearn.config_context(enable_metadata_routing=True):
        estimator = tiny().set_fit_request(groups=False).set_score_request(groups=False)
        search = GridSearchCV(estimator, {"steps": [10]}, cv=GroupKFold(3), error_score="raise")
        search.fit(x, actions=a, groups=groups)
    assert search.best_estimator_.order_ == "independent"


def test_a_search_over_a_pipeline() -> None:
    x, a = numbers(90, 3), numbers(90, 2, seed=1)
    pipeline = make_pipeline(StandardScaler(), tiny())
    with sklearn.config_context(enable_metadata_routing=True):
        search = GridSearchCV(
            pipeline, {"sparsemechanismvae__max_edges_actions": [1, 2]}, cv=3, error_score="raise"
        )
        search.fit(x, actions=a)
        with pytest.raises(UnsetMetadataPassedError, match="sample_weight"):
            pipeline.fit(x, actions=a).score(x, actions=a, sample_weight=np.ones(90))
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()


def test_cross_validation_of_independent_rows() -> None:
    with sklearn.config_context(enable_metadata_routing=True):
        scores = cross_val_score(
            tiny(), numbers(90, 3), cv=3, params={"actions": numbers(90, 2)}, error_score="raise"
        )
    assert np.isfinite(scores).all()


def test_clones_and_copies() -> None:
    x = numbers(40, 3)
    estimator = tiny(max_edges_past=3).fit(x)
    copy, fresh = pickle.loads(pickle.dumps(estimator)), clone(estimator)
    np.testing.assert_array_equal(copy.transform(x), estimator.transform(x))
    assert copy.graph_ == estimator.graph_
    assert fresh.get_params() == estimator.get_params()
    with pytest.raises(NotFittedError):
        fresh.transform(x)


def test_the_score_knows_right_actions_from_wrong_ones() -> None:
    a = numbers(400, 2, seed=1)
    x = a @ numbers(2, 5, seed=2) + 0.01 * numbers(400, 5)
    estimator = tiny(max_edges_actions=None, sparsity="none", steps=60).fit(x, actions=a)
    assert estimator.score(x, actions=a) > estimator.score(x, actions=a[::-1])


# types and names


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_type_of_floats_is_kept(dtype: type[np.floating[Any]]) -> None:
    x = numbers(40, 3).astype(dtype)
    estimator = tiny().fit(x)
    assert estimator.transform(x).dtype == dtype
    assert estimator.inverse_transform(estimator.transform(x)).dtype == dtype
    assert estimator.inverse_transform(estimator.transform(x)).shape == (40, 3)


def test_names_of_data_frames() -> None:
    x = pd.DataFrame(numbers(40, 3), columns=["p", "q", "r"])
    a = pd.DataFrame(numbers(40, 2, seed=1), columns=["dose", "heat"])
    estimator = tiny().set_output(transform="pandas").fit(x, actions=a)
    assert estimator.graph_.actions == ("dose", "heat")
    assert estimator.graph_.latents == ("v0", "v1")
    assert estimator.feature_names_in_.tolist() == ["p", "q", "r"]
    assert estimator.get_feature_names_out().tolist() == ["v0", "v1"]
    assert estimator.transform(x).columns.tolist() == ["v0", "v1"]
    with pytest.raises(DataError, match="actions are called heat, dose; fit had dose, heat"):
        estimator.score(x, actions=a[["heat", "dose"]])


def test_columns_without_text_for_a_name_get_one() -> None:
    a = pd.DataFrame(numbers(40, 2, seed=1))
    assert tiny().fit(numbers(40, 3), actions=a).graph_.actions == ("a0", "a1")
    assert tiny().fit(numbers(40, 3), actions=a[0]).graph_.actions == ("a0",)


def test_arguments_stay_as_they_are() -> None:
    x, a, groups, given = numbers(40, 3), numbers(40, 2), np.repeat([1, 0], 20), dict(TINY)
    before = x.copy(), a.copy(), groups.copy()
    estimator = tiny(settings=given).fit(x, actions=a, groups=groups)
    estimator.inverse_transform(estimator.transform(x))
    estimator.score(x, actions=a, groups=groups)
    for array, copy in zip((x, a, groups), before, strict=True):
        np.testing.assert_array_equal(array, copy)
    assert given == TINY


def test_constant_columns_when_allowed() -> None:
    x = np.column_stack([numbers(40, 2), np.ones(40)])
    estimator = tiny(allow_constant=True).fit(x)
    assert np.isfinite(estimator.transform(x)).all()
    assert np.isfinite(estimator.score(x[:1].repeat(5, axis=0)))


# refusals

X, A = numbers(30, 3), numbers(30, 2, seed=1)


@pytest.mark.parametrize(
    ("parameters", "extra", "message"),
    [
        ({"order": "time"}, {}, r"order is 'time'; it is one of auto, sequence, independent"),
        (
            {"order": "independent"},
            {},
            r"there are no actions, so that nothing can be sparse; give actions, or",
        ),
        (
            {"order": "independent"},
            {"actions": A, "groups": [0] * 30},
            r"groups are given, but rows are indep",
        ),
        (
            {"settings": {"steps": 3}},
            {},
            r"settings holds 'steps'; set the estimator's parameter steps instead",
        ),
        ({"settings": {"seed": 3}}, {}, r"settings holds 'seed'; set the estimator's parameter random_state"),
        ({"settings": [3]}, {}, r"settings is \[3\]; it must be a mapping from names to values"),
        ({"settings": {"widht": 3}}, {}, r"no setting is called 'widht'; did you mean width\?"),
        ({"max_edges_past": "few"}, {}, r"max_edges_past is 'few'; it must be a whole number"),
        ({"max_edges_past": 3}, {"actions": A}, r"max_edges_past is set, but the data have one time step"),
        ({"max_edges_past": None}, {}, r"no edge budget is set"),
        ({"n_latents": 0}, {}, r"n_latents is 0; it must be from 1 to 10000"),
    ],
)
def test_parameters_refused(parameters: dict[str, Any], extra: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        tiny(**parameters).fit(X, **extra)


@pytest.mark.parametrize(
    ("x", "extra", "message"),
    [
        (X, {"actions": A[:20]}, r"actions have 20 rows and X has 30; every row of X needs its action"),
        (X, {"actions": A[None]}, r"actions have shape \(1, 30, 2\); they must be \(n_samples, d_a\)"),
        (X, {"actions": ["on"] * 30}, r"actions holds text; it must hold real numbers"),
        (X, {"actions": np.ones(30)}, r"action column a0 is constant; drop it or pass allow_constant=True"),
        (
            X,
            {"actions": pd.DataFrame(A, columns=["v1", "u"])},
            r"an action is called 'v1', like a learned la",
        ),
        (X, {"groups": [0] * 20}, r"groups have shape \(20,\); one label for each row of X is \(30,\)"),
        (X, {"groups": [0.0] * 20 + [np.nan] * 10}, r"groups\[20\] is missing; every row needs a label"),
        (X, {"groups": np.array([None, "a"] * 15, dtype=object)}, r"groups can't be sorted \(.*\); give num"),
        (X, {"groups": range(30)}, r"the longest episode has 1 steps; windows of 2 steps need longer ones"),
        (X[:4], {}, r"the sequences of X are too short; give one of 5 rows or more, as a step is held out"),
        (np.ones((30, 3)) * [1, 2, 3], {}, r"every observed column is constant"),
        (
            np.column_stack([X, np.ones(30)]),
            {},
            r"observed column 3 is constant; .* pass allow_constant=True",
        ),
    ],
)
def test_data_refused(x: Any, extra: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        tiny().fit(x, **extra)


def test_what_a_fitted_model_refuses() -> None:
    estimator = tiny().fit(X, actions=A)
    with pytest.raises(DataError, match="fit had 2 columns of actions; score has 0"):
        estimator.score(X)
    with pytest.raises(DataError, match="fit had 2 columns of actions; score has 1"):
        estimator.score(X, actions=A[:, 0])
    with pytest.raises(ConfigError, match="groups are given, but rows are independent here"):
        estimator.score(X, actions=A, groups=[0] * 30)
    with pytest.raises(DataError, match=r"latents have shape \(30, 3\); this model needs"):
        estimator.inverse_transform(X)
    with pytest.raises(ValueError, match="Input X contains NaN"):
        estimator.inverse_transform(A * np.nan)


def test_a_fit_that_was_refused_leaves_nothing_fitted() -> None:
    estimator = tiny(order="time")
    with pytest.raises(ConfigError):
        estimator.fit(X)
    for method in (estimator.transform, estimator.inverse_transform, estimator.score):
        with pytest.raises(NotFittedError):
            method(X)
