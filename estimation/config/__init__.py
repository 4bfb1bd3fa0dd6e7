"""Settings of training runs: frozen dataclasses whose values are checked.

==================  ==================================================================
module              contents
==================  ==================================================================
``settings``        the base class of all settings: checks, TOML files, ``key=value``
``size``            how many numbers a model would hold, and the limit on that
``sparse_columns``  `SparseColumns`: the columns of G^a and G^z that are learned
``training``        `TrainingConfig`, for the sparse VAE, and its presets
``baselines``       `BaselineConfig`, for the baselines
``methods``         all methods by name
==================  ==================================================================
"""

from estimation.config.baselines import BASELINES, BaselineConfig
from estimation.config.methods import METHODS, config_type
from estimation.config.training import PRESETS, TrainingConfig, read_config

__all__ = [
    "BASELINES",
    "METHODS",
    "PRESETS",
    "BaselineConfig",
    "TrainingConfig",
    "config_type",
    "read_config",
]
