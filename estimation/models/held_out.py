"""The negative ELBO of a model on held-out data."""

from __future__ import annotations

import torch

from estimation.dataset.centring import centred
from estimation.dataset.dataset import Dataset
from estimation.device import default_modes
from estimation.models.representation import Batch, Representation, as_tensor

__all__ = ["held_out_terms"]

_CHUNK = 16_384


@default_modes
@torch.no_grad()
def held_out_terms(model: Representation, dataset: Dataset, seed: int) -> dict[str, float]:
    """Return the terms of the negative ELBO, averaged over a dataset of one or two steps."""
    device, dtype = model.x_mean.device, model.x_mean.dtype
    generator = torch.Generator(device).manual_seed(seed)
    totals = {"reconstruction": 0.0, "divergence": 0.0}
    for start in range(0, len(dataset), _CHUNK):
        part = slice(start, start + _CHUNK)
        x = as_tensor(centred(dataset.observations[part], model.x_centring)).to(device, dtype)
        a = None
        if dataset.actions is not None:
            a = as_tensor(centred(dataset.actions[part], model.a_centring)).to(device, dtype)
        c = None if dataset.covariates is None else as_tensor(dataset.covariates[part]).to(device, dtype)
        for name, term in zip(totals, model.bound(Batch(x, a, covariates=c), generator), strict=True):
            totals[name] += float(term) * len(x) / len(dataset)
    return {"total": sum(totals.values()), **totals}
