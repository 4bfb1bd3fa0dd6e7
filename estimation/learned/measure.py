"""`learned_entanglement`: choose a method, and measure the entanglement of a trained model."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

from estimation.config.training import COUNT_LIKELIHOODS
from estimation.dataset.alignment import align_observed, shared_columns
from estimation.dataset.dataset import Dataset
from estimation.device import default_modes
from estimation.exceptions import ConfigError, DataError
from estimation.learned.derivatives import between_models, from_decoders
from estimation.learned.points import sample_points
from estimation.learned.regression import from_regression
from estimation.learned.result import METHODS, LearnedEntanglement, Method, checked_threshold
from identify.names import default_names

if TYPE_CHECKING:
    from estimation.trained import TrainedModel

__all__ = ["learned_entanglement", "require_comparable"]

# default number of points; a regression needs more, since it is fitted to them
_N_SAMPLES = {"jacobian": 500, "models": 500, "regression": 4_000}


@default_modes
def learned_entanglement(
    model: TrainedModel,
    dataset: Dataset | None = None,
    *,
    other: TrainedModel | None = None,
    method: Method | None = None,
    threshold: float = 0.1,
    smoothing: float = 0.5,
    n_samples: int | None = None,
    seed: int = 0,
) -> LearnedEntanglement:
    """Measure the entanglement of a trained model.

    Args:
        model: Trained model. With the method ``"models"`` it is model A, whose latents are the rows.
        dataset: Data at which to measure, with true latents and true decoder as far as they are known. All time steps
            count as points.
        other: Second model B of the same data, for instance of another seed, whose latents are the columns. Up to the
            matching, the edges must lie inside the entanglement predicted from A's own graph.
        method: One of ``METHODS``. None chooses ``"models"`` if there is another model, otherwise ``"jacobian"`` if
            true decoder and model's decoder exist, otherwise ``"regression"``. Derivatives also count small, steep
            terms, a regression only terms that explain variance; therefore short runs contradict the prediction more
            often when measured by derivatives (docs/experiments.md).
        threshold: Threshold of an edge; see `LearnedEntanglement`.
        smoothing: Distance of neighbours, in standard deviations. Derivatives are compared between a point and five
            neighbours at this distance, and only what they have in common counts; 0 takes the root mean square at the
            points themselves, which for networks of leaky ReLUs is mostly the roughness of the fit.
        n_samples: Number of points; all if the dataset has fewer. None for 500 with derivatives and 4,000 with the
            regression.
        seed: Seed of points and neighbours.

    Returns:
        Strengths, with the matching and the graph at the threshold.

    Raises:
        ConfigError: If the method is unknown, or if threshold, smoothing or number of points are out of range.
        DataError: If the data lack what the method needs or don't fit the model, or if torch can't differentiate a
            decoder.
    """
    method = _checked_method(method, model, dataset, other)
    threshold = checked_threshold(threshold)
    if not 0 <= smoothing < math.inf:
        raise ConfigError(f"smoothing is {smoothing}; it must be a number of standard deviations, 0 or more")
    assert dataset is not None
    given = dataset
    dataset = align_observed(dataset, model)
    # each model takes its own covariates from those of the data
    dataset = replace(
        dataset,
        covariates=given.covariates,
        covariate_names=given.covariate_names,
        covariate_categories=given.covariate_categories,
    )
    points = sample_points(dataset, _N_SAMPLES[method] if n_samples is None else n_samples, seed)
    names = model.graph.latents
    if method == "models":
        assert other is not None
        strengths = between_models(model, other, points, shared_columns(model, other), smoothing, seed)
        return LearnedEntanglement(
            strengths, threshold, method, names, default_names("w", strengths.shape[1])
        )
    assert points.latents is not None
    if method == "jacobian":
        strengths = from_decoders(model, points, smoothing, seed)
    else:
        strengths = from_regression(model, points, seed)
    true_names = dataset.graph.latents if dataset.graph is not None else default_names("z", len(strengths))
    return LearnedEntanglement(strengths, threshold, method, true_names, names)


def _checked_method(
    method: Method | None, model: TrainedModel, dataset: Dataset | None, other: TrainedModel | None
) -> Method:
    if method is not None and method not in METHODS:
        raise ConfigError(f"the method is {method!r}; it must be one of {', '.join(METHODS)}")
    if dataset is None:
        raise DataError("no dataset is given; entanglement is measured at its observations")
    if method is None:
        method = _default_method(model, dataset, other)
    if other is not None:
        require_comparable(model, other)
    if method == "models" and other is None:
        raise DataError("the method 'models' needs a second trained model; give it as other=")
    if method != "models" and dataset.latents is None:
        raise DataError("the dataset holds no true latents; give a second trained model as other=")
    for candidate in (model, other):
        if method != "regression" and candidate is not None and not candidate.model.has_decoder:
            raise DataError(f"{candidate.method} has no decoder to differentiate; use method='regression'")
    if method == "jacobian" and dataset.decoder is None:
        raise DataError("the dataset has no true decoder; use method='regression'")
    if method == "jacobian" and _has_own_observations(model):
        raise DataError(
            "a model of counts, or with covariates, can't be compared with a true decoder; use method='regression'"
        )
    return method


def _default_method(model: TrainedModel, dataset: Dataset, other: TrainedModel | None) -> Method:
    if other is not None:
        return "models"
    # a true decoder gives the means of real observations, and knows no covariates
    comparable = model.model.has_decoder and not _has_own_observations(model)
    return "jacobian" if dataset.decoder is not None and comparable else "regression"


def require_comparable(model: TrainedModel, other: TrainedModel) -> None:
    """Refuse to compare a model of counts with one of real numbers.

    Args:
        model: One model.
        other: The other one.

    Raises:
        DataError: If one is of counts and the other isn't.
    """
    likelihoods = (model.config.likelihood, other.config.likelihood)
    if len({likelihood in COUNT_LIKELIHOODS for likelihood in likelihoods}) > 1:
        raise DataError(
            f"likelihoods are {likelihoods[0]!r} and {likelihoods[1]!r}; models of counts and of real numbers have "
            "different observations and can't be compared"
        )


def _has_own_observations(model: TrainedModel) -> bool:
    return bool(model.covariate_names) or model.config.likelihood != "gaussian"
