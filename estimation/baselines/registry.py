"""A fresh model of a method, by name."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

import torch
from torch import nn

from estimation.baselines.contrastive import PCL
from estimation.baselines.encoders import Baseline, RandomEncoder, Supervised
from estimation.baselines.variational import IVAE, TCVAE, VAE, SlowVAE
from estimation.config.size import require_affordable
from estimation.models.representation import Shape

if TYPE_CHECKING:
    from estimation.config.baselines import BaselineConfig

__all__ = ["KINDS", "fresh"]

KINDS: Mapping[str, type[Baseline]] = MappingProxyType(
    {
        "random": RandomEncoder,
        "supervised": Supervised,
        "vae": VAE,
        "tcvae": TCVAE,
        "ivae": IVAE,
        "slowvae": SlowVAE,
        "pcl": PCL,
    }
)


def fresh(
    shape: Shape, config: BaselineConfig, encoder: nn.Module | None = None, decoder: nn.Module | None = None
) -> Baseline:
    """The model before training.

    Raises:
        ConfigError: it would hold more than `estimation.config.size.MOST_NUMBERS`.
    """
    require_affordable(
        {**config.to_dict(), "depth": config.layers},
        shape.n_latents,
        n_observed=shape.n_observed,
        own_encoder=encoder is not None,
        own_decoder=decoder is not None,
    )
    generator = torch.Generator().manual_seed(config.seed)
    return KINDS[config.method](shape, config, generator, encoder=encoder, decoder=decoder)
