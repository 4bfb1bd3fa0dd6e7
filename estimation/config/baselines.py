"""Settings of the baselines, with checked defaults."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, get_args

from estimation.config.settings import MOST_STEPS, Derived, ObservationTransform, Settings
from estimation.config.size import require_affordable
from estimation.exceptions import ConfigError

__all__ = ["BASELINES", "NEEDS", "BaselineConfig", "Method"]

Method = Literal["random", "supervised", "vae", "tcvae", "ivae", "slowvae", "pcl"]
BASELINES: tuple[str, ...] = get_args(Method)

# what data must have for a method
NEEDS: Mapping[str, str] = MappingProxyType(
    {"supervised": "latents", "ivae": "actions", "slowvae": "past", "pcl": "past"}
)

# hidden layers of encoder and decoder, as in the sparse VAE; the supervised encoder, an upper bound, has more
_DEPTH, _SUPERVISED_DEPTH = 3, 5

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
        "tail_exponent": (0.1, 20),
        "gamma": (0, 1e9),
        "rotations": (0, 1000),
        "validate_every": (1, MOST_STEPS),
    }
)


@dataclass(frozen=True)
class BaselineConfig(Settings):
    """Settings of a baseline: sizes and optimiser of the sparse VAE, so that only the method differs.

    Attributes:
        method: ``"random"``, ``"supervised"``, ``"vae"``, ``"tcvae"``, ``"ivae"``, ``"slowvae"`` or ``"pcl"``.
        n_latents: Number of latents of the model. When left out, that of the true latents, if the data hold them.
        seed: Seed of weights, batches and noise.
        threads: Number of threads of torch.
        device: As for `estimation.config.TrainingConfig`.
        dtype: Type of the floating-point numbers, ``"float32"`` or ``"float64"``.
        steps: Number of optimisation steps; a random encoder takes none.
        batch_size: Samples per step.
        learning_rate: Highest learning rate of the schedule.
        optimizer: ``"soap"`` or ``"adam"``.
        warmup: Steps over which the learning rate rises; it falls as half a cosine after them.
        width: Width of the hidden layers of encoder and decoder.
        depth: Number of these layers. When left out, 3 as in the sparse VAE, and 5 for ``"supervised"``, which is an
            upper bound (docs/experiments.md).
        head_width: Width of the hidden layers of iVAE's prior or PCL's classifier.
        head_depth: Number of these layers.
        skip: Whether encoder and decoder have a linear skip connection.
        beta: Weight of the total correlation, for ``"tcvae"``; 2 and 6 scored lower (docs/experiments.md).
        rate: Rate of the distribution of temporal differences, one over their scale, for ``"slowvae"``. When left out,
            one rate per latent is learned.
        tail_exponent: Exponent of the generalised Laplace distribution of temporal differences, for ``"slowvae"``: 1
            is Laplace, as published, 2 is normal. Above 2 the distribution is flatter than a normal one, as are the
            differences of the published processes.
        gamma: Weight of the temporal differences' term, for ``"slowvae"``; 1 gives the ELBO (Klindt et al. took 10 for
            images).
        rotations: How often ``"tcvae"`` and ``"slowvae"`` apply the linear map of their latents that minimises their
            own loss, at equal intervals. With 0, as published, training alone has to find it.
        observation_transform: As for `estimation.config.TrainingConfig`.
        validate_every: Steps between two evaluations on held-out data.

    Raises:
        ConfigError: If a value is out of its range.

    Example:
        >>> BaselineConfig("ivae", steps=2000).batch_size
        512
    """

    RANGES = _RANGES
    FORMER_NAMES = MappingProxyType({"shape": "tail_exponent", "turns": "rotations"})

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
    depth: Derived[int] = Derived(
        lambda config: _SUPERVISED_DEPTH if config.method == "supervised" else _DEPTH
    )
    head_width: int = 32
    head_depth: int = 2
    skip: bool = True
    beta: float = 1.2
    rate: float | None = None
    tail_exponent: float = 4.0
    gamma: float = 1.0
    rotations: int = 4
    observation_transform: ObservationTransform = "auto"
    validate_every: int = 500

    @property
    def likelihood(self) -> str:
        """The likelihood of the observations: ``"gaussian"``."""
        return "gaussian"

    def __post_init__(self) -> None:
        self.check()
        require_affordable(self.to_dict(), self.n_latents or 1)
        if self.device.startswith("mps"):
            raise ConfigError(f"device is {self.device!r}, which is untested; give 'cpu' or 'auto'")
