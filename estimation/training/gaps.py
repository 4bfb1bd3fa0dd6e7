"""Latents that missing entries leave undetermined, for a note of the run.

The encoder sees neither which entries are missing nor the actions. A row whose observed entries don't determine a
latent is encoded near the latent's mean, whatever the actions are, so that effects are learned too weak.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from estimation.dataset.dataset import Dataset
from estimation.device import default_modes
from estimation.exceptions import NotDifferentiableError
from estimation.models.jacobian import batch_jacobian
from estimation.models.representation import Representation
from estimation.models.sparse_vae import SparseVAE
from estimation.prediction.records import model_inputs, spaced_rows

__all__ = ["gap_notes", "undetermined_latents"]

_N_SAMPLED, _N_EXAMINED, _MIN_COMPLETE = 20_000, 1_000, 500
# share of a latent's variance that its observed entries leave, and share of the rows from which on it is named
_MAX_REMAINING, _MIN_SHARE = 0.5, 0.05


def gap_notes(model: Representation, dataset: Dataset) -> list[str]:
    """Return a note on every latent that missing entries leave undetermined.

    Args:
        model: The trained networks.
        dataset: The training data.
    """
    try:
        shares = undetermined_latents(model, dataset)
    except NotDifferentiableError:
        return []
    return [
        f"missing entries leave {name} undetermined in {share:.0%} of the rows; its effects are learned too weak"
        for name, share in shares.items()
    ]


@default_modes
@torch.no_grad()
def undetermined_latents(model: Representation, dataset: Dataset) -> dict[str, float]:
    """Return the latents that missing entries leave undetermined, with the share of the rows in which they do.

    A latent is undetermined in a row if the observed entries leave more than half of its variance (the Laplace
    approximation at its encoding), and would not if all entries were there.

    Args:
        model: The trained networks.
        dataset: The training data, of which about 20,000 rows are read, and up to 1,000 with missing entries examined.

    Raises:
        NotDifferentiableError: If torch can't differentiate the decoder.
    """
    rows, covariates = spaced_rows(dataset, _N_SAMPLED)
    incomplete = np.isnan(rows).any(axis=1)
    if not isinstance(model, SparseVAE) or not incomplete.any():
        return {}
    inputs, latents = _encoded(model, rows, covariates, incomplete)
    # rows that leave a latent undetermined are encoded near its mean, and don't show its variance
    has_complete = (~incomplete).sum() >= _MIN_COMPLETE
    whole = _encoded(model, rows, covariates, ~incomplete)[1] if has_complete else latents
    variances = whole.double().var(0).clamp_min(1e-12)
    decoded, jacobian = batch_jacobian(model.decoder_given(model.covariates(inputs)), latents)
    if model.counts is None:
        jacobian = jacobian.double() / (0.5 * model.log_variance_x.double()).exp()
    else:
        # the information of whole rows
        whole_rows = model.counts.mean(decoded, model.observed(inputs))
        information = model.counts.score_and_information(decoded, whole_rows)[1]
        jacobian = jacobian.double() * information.double().sqrt()[..., None]
    observed = torch.where(torch.isnan(model.observed(inputs))[..., None], 0, jacobian)
    opened = _is_open(observed, variances) & ~_is_open(jacobian, variances)
    shares = opened.double().mean(0).cpu().numpy() * incomplete.mean()
    return {f"v{i}": float(share) for i, share in enumerate(shares) if share > _MIN_SHARE}


def _encoded(
    model: SparseVAE, rows: NDArray[Any], covariates: NDArray[Any] | None, which: NDArray[np.bool_]
) -> tuple[Tensor, Tensor]:
    """Return inputs of the encoder and latents before the flow of some of the rows (N, d_x) of a kind."""
    positions = np.flatnonzero(which)
    chosen = positions[:: max(1, len(positions) // _N_EXAMINED)]
    inputs = model_inputs(rows[chosen], None if covariates is None else covariates[chosen], model)
    return inputs, model.latents_before_flow(inputs)


def _is_open(jacobian: Tensor, variances: Tensor) -> Tensor:
    """Return which latents keep most of their variances (n,), given observations with Jacobians (B, d_x, n)."""
    information = jacobian.mT @ jacobian + torch.diag(1 / variances)
    remaining = torch.linalg.inv(information).diagonal(dim1=-2, dim2=-1)
    opened: Tensor = remaining > _MAX_REMAINING * variances
    return opened
