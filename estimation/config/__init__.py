"""Settings of training runs: frozen dataclasses whose values are checked.

=============  ==================================================================
module         what it holds
=============  ==================================================================
``settings``   what all settings share: checks, TOML files, ``key=value`` changes
``size``       how many numbers a model would hold, and the limit on that
``training``   `TrainingConfig`, for the sparse VAE, and its presets
``baselines``  `BaselineConfig`, for the baselines
=============  ==================================================================
"""

from estimation.config.baselines import METHODS, BaselineConfig
from estimation.config.training import PRESETS, TrainingConfig, read_config

__all__ = ["METHODS", "PRESETS", "BaselineConfig", "TrainingConfig", "read_config"]
