"""What others would do: seven methods that know nothing of graphs, behind the interface of the sparse VAE.

Same networks, same optimiser, same data, same evaluation; only the method differs.
"""

from estimation.baselines.fitting import fit
from estimation.config.baselines import METHODS, BaselineConfig

__all__ = ["METHODS", "BaselineConfig", "fit"]
