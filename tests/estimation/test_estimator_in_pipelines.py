"""The estimator in pipelines and searches; types and names that it preserves; invalid input."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.base import clone
from sklearn.exceptions import NotFittedError, UnsetMetadataPassedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, GroupKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from estimation.exceptions import ConfigError, DataError
from tests.estimation.tiny_estimator import TINY, numbers, tiny

# pipelines and searches


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


def test_a_pipeline_without_routing_takes_actions_by_step_name() -> None:
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


def test_groups_may_be_used_for_the_splits_only() -> None:
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


def test_latents_are_features_of_a_classifier() -> None:
    x, a = numbers(200, 4), numbers(200, 2, seed=1)
    labels = (x[:, 0] > 0).astype(int)
    features = tiny().set_output(transform="pandas")
    pipeline = make_pipeline(StandardScaler(), features, LogisticRegression())
    pipeline.fit(x, labels, sparsemechanismvae__actions=a)
    frame = pipeline[:-1].transform(x)
    assert list(frame.columns) == ["v0", "v1"]
    alone = LogisticRegression().fit(frame, labels)
    np.testing.assert_array_equal(pipeline.predict(x), alone.predict(frame))


def test_the_explained_variance_is_a_curve_over_latents() -> None:
    x, a = numbers(400, 4), numbers(400, 2, seed=1)
    estimator = tiny(3, steps=150).fit(x, actions=a)
    assert sorted(estimator.latent_order_) == [0, 1, 2]
    curve = np.cumsum(estimator.explained_variance_ratio_)
    standardised = (x - x.mean(0)) / x.std(0)
    reconstructed = (estimator.inverse_transform(estimator.transform(x)) - x.mean(0)) / x.std(0)
    assert curve[-1] == pytest.approx(1 - np.mean((reconstructed - standardised) ** 2), abs=0.02)


def test_clones_and_copies() -> None:
    x = numbers(40, 3)
    estimator = tiny(max_edges_past=3).fit(x)
    copy, cloned = pickle.loads(pickle.dumps(estimator)), clone(estimator)
    np.testing.assert_array_equal(copy.transform(x), estimator.transform(x))
    assert copy.graph_ == estimator.graph_
    assert cloned.get_params() == estimator.get_params()
    with pytest.raises(NotFittedError):
        cloned.transform(x)


def test_the_score_is_higher_for_the_right_actions() -> None:
    a = numbers(400, 2, seed=1)
    x = a @ numbers(2, 5, seed=2) + 0.01 * numbers(400, 5)
    estimator = tiny(max_edges_actions=None, sparsity="none", steps=60).fit(x, actions=a)
    assert estimator.score(x, actions=a) > estimator.score(x, actions=a[::-1])


# types and names


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_dtype_is_preserved(dtype: type[np.floating[Any]]) -> None:
    x = numbers(40, 3).astype(dtype)
    estimator = tiny().fit(x)
    assert estimator.transform(x).dtype == dtype
    assert estimator.inverse_transform(estimator.transform(x)).dtype == dtype
    assert estimator.inverse_transform(estimator.transform(x)).shape == (40, 3)


def test_column_names_of_data_frames_are_used() -> None:
    x = pd.DataFrame(numbers(40, 3), columns=["p", "q", "r"])
    a = pd.DataFrame(numbers(40, 2, seed=1), columns=["dose", "heat"])
    estimator = tiny().set_output(transform="pandas").fit(x, actions=a)
    assert estimator.graph_.actions == ("dose", "heat")
    assert estimator.graph_.latents == ("v0", "v1")
    assert estimator.feature_names_in_.tolist() == ["p", "q", "r"]
    assert estimator.get_feature_names_out().tolist() == ["v0", "v1"]
    assert estimator.transform(x).columns.tolist() == ["v0", "v1"]
    assert estimator.score(x, actions=a[["heat", "dose"]]) == estimator.score(x, actions=a)
    with pytest.raises(DataError, match=r"actions differ from those in fit: .* heat; .*lack 'dose'"):
        estimator.score(x, actions=a[["heat"]])


def test_columns_without_a_text_label_get_default_names() -> None:
    a = pd.DataFrame(numbers(40, 2, seed=1))
    assert tiny().fit(numbers(40, 3), actions=a).graph_.actions == ("a0", "a1")
    assert tiny().fit(numbers(40, 3), actions=a[0]).graph_.actions == ("a0",)


def test_arguments_are_not_modified() -> None:
    x, a, groups, settings = numbers(40, 3), numbers(40, 2), np.repeat([1, 0], 20), dict(TINY)
    before = x.copy(), a.copy(), groups.copy()
    estimator = tiny(settings=settings).fit(x, actions=a, groups=groups)
    estimator.inverse_transform(estimator.transform(x))
    estimator.score(x, actions=a, groups=groups)
    for array, copy in zip((x, a, groups), before, strict=True):
        np.testing.assert_array_equal(array, copy)
    assert settings == TINY


def test_constant_columns_are_accepted_if_allowed() -> None:
    x = np.column_stack([numbers(40, 2), np.ones(40)])
    estimator = tiny(allow_constant=True).fit(x)
    assert np.isfinite(estimator.transform(x)).all()
    assert np.isfinite(estimator.score(x[:1].repeat(5, axis=0)))


# invalid input

X, A = numbers(30, 3), numbers(30, 2, seed=1)


@pytest.mark.parametrize(
    ("parameters", "extra", "message"),
    [
        ({"order": "time"}, {}, r"order is 'time'; it is one of auto, sequence, independent"),
        (
            {"order": "independent"},
            {},
            r"there are no actions, so there are no mechanisms to learn; give actions, or",
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
def test_invalid_parameters_are_refused(
    parameters: dict[str, Any], extra: dict[str, Any], message: str
) -> None:
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
        (X, {"groups": np.array([None, "a"] * 15, dtype=object)}, r"groups\[0\] is missing"),
        (X, {"groups": np.array([1, "a"] * 15, dtype=object)}, r"groups can't be sorted \(.*\); give num"),
        (X, {"groups": range(30)}, r"the longest episode has 1 steps; windows of 2 steps need longer ones"),
        (X[:4], {}, r"the sequences are too short; give one of 5 steps or more, as the last one is held"),
        (np.ones((30, 3)) * [1, 2, 3], {}, r"every observed column is constant"),
        (
            np.column_stack([X, np.ones(30)]),
            {},
            r"observed column 3 is constant; .* pass allow_constant=True",
        ),
    ],
)
def test_invalid_data_are_refused(x: Any, extra: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        tiny().fit(x, **extra)


def test_a_fitted_estimator_refuses_data_unlike_those_in_fit() -> None:
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


def test_a_refused_fit_leaves_the_estimator_unfitted() -> None:
    estimator = tiny(order="time")
    with pytest.raises(ConfigError):
        estimator.fit(X)
    for method in (estimator.transform, estimator.inverse_transform, estimator.score):
        with pytest.raises(NotFittedError):
            method(X)
