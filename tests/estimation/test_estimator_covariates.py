"""Covariates of the scikit-learn estimator: as in `fit`, routed through pipelines and searches, and refusals."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from estimation.dataset import Dataset
from estimation.estimator import SparseMechanismVAE
from estimation.exceptions import DataError
from estimation.training import fit
from tests.estimation.tiny_estimator import numbers, tiny

N = 90
X, A = numbers(N, 3), numbers(N, 2, seed=1)
C = pd.DataFrame({"batch": ["b1", "b2", "b3"] * 30, "age": numbers(N, seed=2)})
NAMES = ("batch=b1", "batch=b2", "batch=b3", "age")


@pytest.fixture(scope="module")
def fitted() -> SparseMechanismVAE:
    return tiny().fit(X, actions=A, covariates=C)


def test_the_model_is_that_of_fit(fitted: SparseMechanismVAE) -> None:
    model = fit(Dataset.from_arrays(X, A, covariates=C), fitted.model_.config, progress=False)
    assert fitted.model_.covariate_names == model.covariate_names == NAMES
    np.testing.assert_array_equal(fitted.transform(X, covariates=C), model.encode(X, C).astype(np.float64))
    z = fitted.transform(X, C)
    np.testing.assert_array_equal(fitted.inverse_transform(z, C), model.decode(z, C).astype(np.float64))
    assert fitted.score(X, actions=A, covariates=C) == fitted.score(
        X, actions=A, covariates=C[["age", "batch"]]
    )
    np.testing.assert_array_equal(tiny().fit_transform(X, actions=A, covariates=C), z)


def test_covariates_may_be_one_column_or_one_row(fitted: SparseMechanismVAE) -> None:
    given = {"batch": "b2", "age": 0.5}
    row = pd.DataFrame([given])
    np.testing.assert_array_equal(fitted.transform(X, given), fitted.transform(X, row))
    repeated = pd.concat([row] * N)
    np.testing.assert_array_equal(fitted.transform(X, given), fitted.transform(X, repeated))
    assert fitted.score(X, actions=A, covariates=given) == fitted.score(X, actions=A, covariates=repeated)
    for column, name in ((C["batch"], "batch=b1"), (C["age"].to_numpy(), "c0"), (C["age"].tolist(), "c0")):
        assert tiny().fit(X, actions=A, covariates=column).model_.covariate_names[0] == name


def test_sequences_have_the_covariates_of_their_groups() -> None:
    groups = np.repeat(np.arange(3), 30)
    batch = pd.DataFrame({"batch": [f"b{k}" for k in groups]})
    estimator = tiny().fit(X, groups=groups, covariates=batch)
    assert estimator.transform(X, batch).shape == (N, 2)
    assert np.isfinite(estimator.score(X, groups=groups, covariates=batch))
    with pytest.raises(
        DataError,
        match=r"covariate 'batch' is 'b0' in row 29 and 'b1' in row 30 of episode 'X'; covariates are the",
    ):
        tiny().fit(X, covariates=batch)


def test_a_covariate_that_changes_is_named_in_score_as_in_fit() -> None:
    groups = np.repeat(np.arange(3), 30)
    estimator = tiny().fit(X, groups=groups, covariates=pd.DataFrame({"batch": [f"b{k}" for k in groups]}))
    message = r"covariate 'batch' is 'b0' in row 29 and 'b1' in row 30 of episode 'X'; covariates are the"
    with pytest.raises(DataError, match=message):
        estimator.score(X, covariates=pd.DataFrame({"batch": [f"b{k}" for k in groups]}))


def test_subsets_of_categories_are_fitted() -> None:
    declared = C.assign(batch=C["batch"].astype(pd.CategoricalDtype(["b1", "b2", "b3", "b4"])))
    assert tiny().fit(X, actions=A, covariates=declared).model_.covariate_names == NAMES
    part = (C["batch"] != "b3").to_numpy()
    fitted = tiny().fit(X[part], actions=A[part], covariates=declared[part])
    assert fitted.model_.covariate_categories == {"batch": ("b1", "b2")}


def test_the_explained_variance_takes_the_covariates_of_its_rows(fitted: SparseMechanismVAE) -> None:
    expected = fitted.model_.explained_variance(X, C)
    np.testing.assert_allclose(fitted.explained_variance_ratio_, expected.ratio)


# pipelines and searches


def test_a_pipeline_passes_them_on() -> None:
    scaled = StandardScaler().fit_transform(X)
    direct = tiny().fit(scaled, actions=A, covariates=C)
    with sklearn.config_context(enable_metadata_routing=True):
        pipeline = clone(make_pipeline(StandardScaler(), tiny())).fit(X, actions=A, covariates=C)
        np.testing.assert_array_equal(pipeline.transform(X, covariates=C), direct.transform(scaled, C))
        assert pipeline.score(X, actions=A, covariates=C) == direct.score(scaled, actions=A, covariates=C)
        z = direct.transform(scaled, C)
        np.testing.assert_allclose(
            pipeline.inverse_transform(z, covariates=C),
            StandardScaler().fit(X).inverse_transform(direct.inverse_transform(z, C)),
        )
        with pytest.raises(DataError, match="fit had the covariates"):
            pipeline.transform(X)
        # in the middle of a pipeline
        longer = make_pipeline(StandardScaler(), tiny(), StandardScaler())
        latents = longer.fit_transform(X, actions=A, covariates=C)
        np.testing.assert_array_equal(longer.transform(X, covariates=C), latents)
        labels = (X[:, 0] > 0).astype(int)
        classifier = make_pipeline(StandardScaler(), tiny(), LogisticRegression())
        classifier.fit(X, labels, actions=A, covariates=C)
        assert classifier.predict(X, covariates=C).shape == (N,)


def test_a_pipeline_without_routing_fits_and_says_how_to_transform() -> None:
    given = {"sparsemechanismvae__actions": A, "sparsemechanismvae__covariates": C}
    pipeline = make_pipeline(StandardScaler(), tiny()).fit(X, **given)
    message = r"transform\(X, covariates=C\). A pipeline passes them on with sklearn.set_config\(enable_metadata_rou"
    with pytest.raises(DataError, match=message):
        pipeline.transform(X)


def test_searches_pass_them_on() -> None:
    with sklearn.config_context(enable_metadata_routing=True):
        parameters = {"sparsemechanismvae__max_edges_actions": [1, 2]}
        pipeline = make_pipeline(StandardScaler(), tiny())
        search = GridSearchCV(pipeline, parameters, cv=2, error_score="raise").fit(X, actions=A, covariates=C)
        scores = cross_val_score(tiny(), X, cv=2, params={"actions": A, "covariates": C}, error_score="raise")
        assert search.best_estimator_.transform(X, covariates=C).shape == (N, 2)
    assert np.isfinite([*search.cv_results_["mean_test_score"], *scores]).all()


def test_a_request_may_be_withdrawn() -> None:
    with sklearn.config_context(enable_metadata_routing=True):
        estimator = tiny().set_fit_request(covariates=False).set_transform_request(covariates=False)
        pipeline = make_pipeline(StandardScaler(), estimator.set_score_request(covariates=False))
        pipeline.fit(X, actions=A)
        assert pipeline[-1].model_.covariate_names == ()


def test_latents_of_frames_have_names() -> None:
    estimator = tiny().set_output(transform="pandas")
    assert list(estimator.fit_transform(X, actions=A, covariates=C).columns) == ["v0", "v1"]
    assert list(estimator.transform(X, C).columns) == ["v0", "v1"]


# refusals

Use = Callable[[SparseMechanismVAE], Any]


@pytest.mark.parametrize(
    ("use", "message"),
    [
        (
            lambda e: e.transform(X),
            r"^fit had the covariates batch=b1, .*, age; give them: transform\(X, covariates=C\)",
        ),
        (lambda e: e.inverse_transform(X[:, :2]), r"give them: inverse_transform\(X, covariates=C\)"),
        (lambda e: e.score(X, actions=A), r"give them: score\(X, covariates=C\)"),
        (
            lambda e: e.transform(X, C[["age"]]),
            r"was trained with the covariates batch=b1, .*, which the data lack",
        ),
        (
            lambda e: e.transform(X, C.assign(batch="b9")),
            r"covariate 'batch' is 'b9' in row 0, on which this model",
        ),
        (
            lambda e: e.score(X, actions=A, covariates=C.assign(batch="b9")),
            r"^covariate 'batch' is 'b9' in row 0",
        ),
        (
            lambda e: e.transform(X, C[:20]),
            r"covariates have 20 rows, and observations have 90; give one each, or",
        ),
        (
            lambda e: e.score(X, actions=A, covariates=C[:20]),
            r"covariates have shape \(20, 4\); every row of X needs",
        ),
        (
            lambda e: e.transform(X, C["age"].to_numpy()),
            r"covariates have 1 columns; this model needs batch=b1",
        ),
        (
            lambda e: clone(e).fit(X, actions=A, covariates=C[:20]),
            r"have shape \(20, 4\); every row of X needs its own",
        ),
        (
            lambda e: clone(e).fit(X, actions=A, covariates={"batch": "b1"}),
            r"covariates are a mapping, which is one row of a request; give an array",
        ),
        (
            lambda e: clone(e).fit(X, actions=A, covariates=["a"] * N),
            r"covariates are texts or categories without names; give a data frame",
        ),
        (
            lambda e: clone(e).fit(X, actions=A, covariates=np.ones(N)),
            r"covariate c0 is constant; drop it or pass",
        ),
        (
            lambda e: clone(e).fit(X, actions=A).transform(X, C),
            r"covariates were given, and this model was trained without covariates; leave them out",
        ),
    ],
)
def test_wrong_covariates_are_refused(use: Use, message: str, fitted: SparseMechanismVAE) -> None:
    with pytest.raises(DataError, match=message):
        use(fitted)
