"""`BaselineConfig` at the path that scripts of earlier versions import it from."""

from estimation.config.baselines import BaselineConfig

__all__ = ["BaselineConfig"]
