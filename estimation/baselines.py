"""The baselines in one import: their settings, and the `fit` that trains them as it trains the sparse VAE.

Their networks and losses are in `estimation.models.baselines`.
"""

from estimation.config.baselines import BASELINES, BaselineConfig
from estimation.training.loop import fit

__all__ = ["BASELINES", "BaselineConfig", "fit"]
