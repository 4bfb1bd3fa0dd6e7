"""The methods by name: the settings that each takes, and what it needs of the data."""

from __future__ import annotations

from estimation.config.baselines import BASELINES, BaselineConfig
from estimation.config.training import SPARSE_VAE, TrainingConfig

__all__ = ["METHODS", "config_type"]

#: The sparse VAE and the baselines.
METHODS: tuple[str, ...] = (SPARSE_VAE, *BASELINES)


def config_type(method: str) -> type[TrainingConfig] | type[BaselineConfig]:
    """Return the class of a method's settings.

    Example:
        >>> config_type("sparse_vae").__name__, config_type("pcl").__name__
        ('TrainingConfig', 'BaselineConfig')
    """
    return TrainingConfig if method == SPARSE_VAE else BaselineConfig
