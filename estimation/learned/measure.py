"""`learned_entanglement`: picks a way to measure, and measures."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from estimation.dataset.alignment import align_observed, shared_columns
from estimation.dataset.dataset import Dataset
from estimation.device import default_modes
from estimation.exceptions import ConfigError, DataError
from estimation.learned.derivatives import between_models, from_decoders
from estimation.learned.points import draw
from estimation.learned.regression import from_regression
from estimation.learned.result import METHODS, LearnedEntanglement, Method, checked_threshold
from identify.names import default_names

if TYPE_CHECKING:
    from estimation.trained import TrainedModel

__all__ = ["learned_entanglement"]

# a regression has to be learned from its rows
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
        model: the trained model. With the method ``"models"`` it is A, whose latents are the rows.
        dataset: where to measure; with what is known of the truth. All its steps are used alike.
        other: a second model B of the same data, for instance of another seed, whose latents are the columns. The
            pattern must lie inside the entanglement predicted from A's own graph, up to the matching.
        method: None takes ``"models"`` if there is another model, else ``"jacobian"`` if the dataset knows the true
            decoder and the model has one, else ``"regression"``. Derivatives count what is small and steep,
            a regression what explains variance: short runs are contradicted more by derivatives
            (docs/experiments.md, "Derivatives or regression for learned entanglement").
        threshold: see `LearnedEntanglement`.
        smoothing: of derivatives, in standard deviations. They are compared between a point and five neighbours so far
            away, and only what they share counts; 0 takes the root mean square at the points themselves, which for
            networks of leaky ReLUs is mostly the roughness of the fit.
        n_samples: how many points to measure at, or all there are; 500 for derivatives and 4,000 for the regression
            when left out.
        seed: picks points and neighbours.

    Raises:
        ConfigError: an unknown method, or a threshold, smoothing or number of points out of range.
        DataError: what the method needs is missing, doesn't fit the model, or can't be differentiated.
    """
    chosen = _checked_method(method, model, dataset, other)
    threshold = checked_threshold(threshold)
    if not 0 <= smoothing < math.inf:
        raise ConfigError(f"smoothing is {smoothing}; it is a number of standard deviations, 0 or more")
    assert dataset is not None
    dataset = align_observed(dataset, model)
    points = draw(dataset, _N_SAMPLES[chosen] if n_samples is None else n_samples, seed)
    names = model.graph.latents
    if chosen == "models":
        assert other is not None
        strengths = between_models(model, other, points, shared_columns(model, other), smoothing, seed)
        return LearnedEntanglement(
            strengths, threshold, chosen, names, default_names("w", strengths.shape[1])
        )
    assert points.latents is not None
    if chosen == "jacobian":
        strengths = from_decoders(model, points, smoothing, seed)
    else:
        strengths = from_regression(model, points, seed)
    truth = dataset.graph.latents if dataset.graph is not None else default_names("z", len(strengths))
    return LearnedEntanglement(strengths, threshold, chosen, truth, names)


def _checked_method(
    method: Method | None, model: TrainedModel, dataset: Dataset | None, other: TrainedModel | None
) -> Method:
    if method is not None and method not in METHODS:
        raise ConfigError(f"the method is {method!r}; it is one of {', '.join(METHODS)}")
    if dataset is None:
        raise DataError("no dataset is given; entanglement is measured at its observations")
    if method is None:
        method = _best_method(model, dataset, other)
    if method == "models" and other is None:
        raise DataError("the method 'models' needs a second trained model; give it as other=")
    if method != "models" and dataset.latents is None:
        raise DataError("the dataset holds no true latents; give a second trained model as other=")
    without = next((each for each in (model, other) if each is not None and not each.model.decodes), None)
    if method != "regression" and without is not None:
        raise DataError(f"{without.method} has no decoder to differentiate; take method='regression'")
    if method == "jacobian" and dataset.decoder is None:
        raise DataError("the dataset doesn't know its true decoder; take method='regression'")
    return method


def _best_method(model: TrainedModel, dataset: Dataset, other: TrainedModel | None) -> Method:
    if other is not None:
        return "models"
    return "jacobian" if dataset.decoder is not None and model.model.decodes else "regression"
