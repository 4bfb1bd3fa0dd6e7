"""The registry of methods: which model belongs to which settings."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import torch
from torch import Tensor, nn

from estimation.config.baselines import BaselineConfig
from estimation.config.training import SPARSE_VAE, TrainingConfig
from estimation.models.baselines.contrastive import PCL
from estimation.models.baselines.encoders import Baseline, RandomEncoder, Supervised
from estimation.models.baselines.variational import IVAE, TCVAE, VAE, SlowVAE
from estimation.models.representation import Shape
from estimation.models.sparse_vae import SparseVAE

__all__ = ["MODELS", "build_model", "with_current_names"]

#: The class of a method's model, by the method's name.
MODELS: Mapping[str, type[SparseVAE] | type[Baseline]] = MappingProxyType(
    {
        SPARSE_VAE: SparseVAE,
        "random": RandomEncoder,
        "supervised": Supervised,
        "vae": VAE,
        "tcvae": TCVAE,
        "ivae": IVAE,
        "slowvae": SlowVAE,
        "pcl": PCL,
    }
)

# names of tensors that earlier versions stored
_FORMER_TENSORS = MappingProxyType(
    {"turn": "rotation", "turn_back": "rotation_inverse", "changes.log_rate": "differences.log_rate"}
)


def build_model(
    shape: Shape,
    config: TrainingConfig | BaselineConfig,
    generator: torch.Generator,
    encoder: nn.Module | None = None,
    decoder: nn.Module | None = None,
) -> SparseVAE | Baseline:
    """Build the untrained model of a configuration.

    Args:
        shape: Sizes of the model.
        config: Settings; their type and ``method`` select the model.
        generator: Draws the initial weights.
        encoder: User-supplied encoder, or None for an MLP.
        decoder: User-supplied decoder, or None for an MLP.

    Raises:
        ConfigError: If the model would hold more than `estimation.config.size.MOST_NUMBERS`.
        TrainingError: If a user-supplied network maps to another shape.
    """
    kind = MODELS[config.method]
    return kind(shape, config, generator, encoder=encoder, decoder=decoder)  # type: ignore[arg-type]


def with_current_names(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors of a saved model under the names that models have now.

    Example:
        >>> sorted(with_current_names({"turn": torch.eye(2), "x_mean": torch.zeros(3)}))
        ['rotation', 'x_mean']
    """
    return {_FORMER_TENSORS.get(name, name): tensor for name, tensor in tensors.items()}
