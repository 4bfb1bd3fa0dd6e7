"""Settings of the baselines, with checked defaults."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, get_args

from estimation.config.settings import MOST_STEPS, Settings
from estimation.config.size import require_affordable
from estimation.exceptions import ConfigError

__all__ = ["METHODS", "NEEDS", "BaselineConfig", "Method"]

Method = Literal["random", "supervised", "vae", "tcvae", "ivae", "slowvae", "pcl"]
METHODS: tuple[str, ...] = get_args(Method)

# what data must have for a method
NEEDS: Mapping[str, str] = MappingProxyType(
    {"supervised": "latents", "ivae": "actions", "slowvae": "past", "pcl": "past"}
)

_DEPTH, _DEEPER = 3, 5

_RANGES: Mapping[str, tuple[float, float]] = MappingProxyType(
    {
        "n_latents": (1, 10_000),
        "seed": (0, 2**31 - 1),
        "threads": (1, 1024),
        "steps": (1, MOST_STEPS),
        "batch_size": (2, MOST_STEPS),
        "learning_rate": (1e-12, 10),
        "warmup": (0, MOST_STEPS),
        "width": (1, 100_000),
        "depth": (0, 100),
        "head_width": (1, 100_000),
        "head_depth": (1, 100),
        "beta": (0, 1e9),
        "rate": (1e-6, 1e9),
        "shape": (0.1, 20),
        "gamma": (0, 1e9),
        "turns": (0, 1000),
        "validate_every": (1, MOST_STEPS),
    }
)


@dataclass(frozen=True)
class BaselineConfig(Settings):
    """Settings of a baseline: sizes and optimiser of the sparse VAE, so that only the method differs.

    Attributes:
        method: ``"random"``, ``"supervised"``, ``"vae"``, ``"tcvae"``, ``"ivae"``, ``"slowvae"`` or ``"pcl"``.
        n_latents: of the model; the truth's number when left out and known.
        seed: of weights, batches and noise.
        threads: for torch's computations.
        device: as for `estimation.config.TrainingConfig`.
        dtype: of the computations.
        steps: optimisation steps; a random encoder takes none.
        batch_size: samples in a step.
        learning_rate: at its highest.
        optimizer: ``"soap"`` or ``"adam"``.
        warmup: steps over which the learning rate rises; it falls as half a cosine after them.
        width, depth: hidden layers of encoder and decoder. When left out, there are 3 as in the sparse VAE, and 5 for
            ``"supervised"``, which is to say what can be reached (docs/experiments.md).
        head_width, head_depth: hidden layers of what else a method has: the prior of iVAE, the classifier of PCL.
        skip: a linear map beside encoder and decoder.
        beta: weight of the total correlation, for ``"tcvae"``; with 2 and 6 it scored lower (docs/experiments.md).
        rate: of the changes, for ``"slowvae"``: one over their scale; learned for each latent when left out.
        shape: of the distribution of changes, for ``"slowvae"``: 1 is Laplace's, as in its paper, 2 the normal
            one; above 2, it is flatter than that, as are the changes of the published processes.
        gamma: weight of the term of changes, for ``"slowvae"``; 1 is the ELBO (Klindt et al. took 10 for images).
        turns: how often, at equal distances, ``"tcvae"`` and ``"slowvae"`` get the linear map of their latents that
            makes their own loss least; with 0, as in their papers, training alone has to find it.
        validate_every: steps between two looks at held-out data.

    Raises:
        ConfigError: a value is out of its range.

    Example:
        >>> BaselineConfig("ivae", steps=2000).batch_size
        512
    """

    RANGES = _RANGES

    method: Method
    n_latents: int | None = None
    seed: int = 0
    threads: int = 1
    device: str = "auto"
    dtype: Literal["float32", "float64"] = "float32"
    steps: int = 8_000
    batch_size: int = 512
    learning_rate: float = 7e-3
    optimizer: Literal["soap", "adam"] = "soap"
    warmup: int = 100
    width: int = 128
    depth: int | None = None
    head_width: int = 32
    head_depth: int = 2
    skip: bool = True
    beta: float = 1.2
    rate: float | None = None
    shape: float = 4.0
    gamma: float = 1.0
    turns: int = 4
    validate_every: int = 500

    @property
    def layers(self) -> int:
        """Hidden layers of encoder and decoder."""
        if self.depth is not None:
            return self.depth
        return _DEEPER if self.method == "supervised" else _DEPTH

    def __post_init__(self) -> None:
        self.check()
        require_affordable({**self.to_dict(), "depth": self.layers}, self.n_latents or 1)
        if self.device.startswith("mps"):
            raise ConfigError(f"device is {self.device!r}, which is not tried; give 'cpu' or 'auto'")
