"""How well a run fits: reconstructions against the noise, and residuals against the noise that the model assumes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from estimation.diagnostics.evidence import Evidence

__all__ = ["ResidualShape", "residual_correlation", "residual_shapes", "structured_share"]

Array = NDArray[np.float64]

_RIDGE = 1e-6


@dataclass(frozen=True)
class ResidualShape:
    """The shape of the residual of a latent: 0 and 0 for normal noise.

    Attributes:
        latent: Name of the latent.
        skewness: Its skewness.
        kurtosis: Its excess kurtosis.
    """

    latent: str
    skewness: float
    kurtosis: float


def residual_shapes(evidence: Evidence) -> list[ResidualShape]:
    """Return the shapes of the standardised residuals of all active latents."""
    result = []
    for i in np.flatnonzero(~evidence.collapsed):
        values = evidence.learned_residuals[:, i]
        if (scale := values.std()) > 0:
            standard = (values - values.mean()) / scale
            shape = ResidualShape(
                evidence.names[i], float((standard**3).mean()), float((standard**4).mean() - 3)
            )
            result.append(shape)
    return result


def residual_correlation(evidence: Evidence) -> tuple[float, tuple[str, ...]]:
    """Return the largest absolute correlation between the residuals of two active latents, and their names.

    The model assumes 0. Latents that are mixed have correlated residuals, and so have children of an unobserved cause.
    """
    active = np.flatnonzero(~evidence.collapsed & (evidence.learned_residuals.std(0) > 0))
    if len(active) < 2:
        return 0.0, ()
    correlations = np.triu(np.abs(np.corrcoef(evidence.learned_residuals[:, active].T)), 1)
    i, j = np.unravel_index(correlations.argmax(), correlations.shape)
    return float(correlations[i, j]), (evidence.names[active[i]], evidence.names[active[j]])


def structured_share(evidence: Evidence) -> float:
    """Return the share of the squared reconstruction errors that quadratic functions of the latents predict.

    Of pure noise they predict nothing. The functions are fitted on every second row and judged on the others. Rows with
    missing entries are left out.
    """
    latents = evidence.latents[:, ~evidence.collapsed]
    latents = (latents - latents.mean(0)) / np.where(latents.std(0) > 0, latents.std(0), 1)
    i, j = np.triu_indices(latents.shape[1])
    features = np.column_stack([np.ones(len(latents)), latents, latents[:, i] * latents[:, j]])
    errors, fitted, judged = evidence.reconstruction_errors, slice(0, None, 2), slice(1, None, 2)
    incomplete = np.isnan(errors).any(axis=1)
    if incomplete.any():
        features, errors = features[~incomplete], errors[~incomplete]
    if len(features) < 4 * features.shape[1]:
        return 0.0
    gram = features[fitted].T @ features[fitted]
    ridge = _RIDGE * np.trace(gram) / len(gram) * np.eye(len(gram))
    coefficients = np.linalg.solve(gram + ridge, features[fitted].T @ errors[fitted])
    left = np.square(errors[judged] - features[judged] @ coefficients).sum()
    total = np.square(errors[judged]).sum()
    return float(max(1 - left / total, 0.0)) if total > 0 else 0.0
