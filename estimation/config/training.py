"""How to train: frozen settings with checked defaults, from Python, a TOML file or ``key=value``."""

from __future__ import annotations

import os
import types
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from estimation.config.settings import MOST_STEPS, Derived, Settings, read_settings
from estimation.config.size import require_affordable
from estimation.exceptions import ConfigError
from identify.names import quoted

__all__ = ["PRESETS", "SPARSE_VAE", "TrainingConfig", "read_config"]

# the method that these settings are of
SPARSE_VAE = "sparse_vae"

Preset = Literal["fast", "published"]
Sparsity = Literal["budget", "constraint", "penalty", "adaptive", "none"]
Variance = Literal["profiled", "learned", "fixed", "state_dependent"]

_RANGES: Mapping[str, tuple[float, float]] = types.MappingProxyType(
    {
        "max_edges_actions": (0, MOST_STEPS),
        "max_edges_past": (0, MOST_STEPS),
        "n_latents": (1, 10_000),
        "seed": (0, 2**31 - 1),
        "threads": (1, 1024),
        "penalty": (0, 1e30),
        "steps": (1, MOST_STEPS),
        "starts": (1, 1000),
        "rounds": (1, 1000),
        "flow_blocks": (0, 1000),
        "refinements": (0, 1000),
        "dense_share": (0, 1),
        "budget_share": (0, 1),
        "frozen_share": (0, 1),
        "batch_size": (2, MOST_STEPS),
        "learning_rate": (1e-12, 10),
        "warmup": (0, MOST_STEPS),
        "width": (1, 100_000),
        "depth": (0, 100),
        "transition_width": (1, 100_000),
        "transition_depth": (1, 100),
        "fixed_variance": (1e-30, 1e30),
        "validate_every": (1, MOST_STEPS),
        "patience": (1, MOST_STEPS),
    }
)


PRESETS: Mapping[str, Mapping[str, Any]] = types.MappingProxyType(
    {
        "fast": types.MappingProxyType(
            {
                "sparsity": "budget",
                "steps": 10_000,
                "starts": 3,
                "dense_share": 0.3,
                "budget_share": 0.6,
                "frozen_share": 0.35,
                "unmixing": True,
                "rounds": 2,
                "flow_blocks": 4,
                "refinements": 2,
                "batch_size": 512,
                "learning_rate": 7e-3,
                "optimizer": "soap",
                "warmup": 100,
                "width": 128,
                "depth": 3,
                "transition": "sines",
                "transition_width": 32,
                "transition_depth": 2,
                "posterior": "full",
                "skip": True,
                "variance": "profiled",
            }
        ),
        # Lachapelle et al., the appendix on implementation; sizes and schedule of the published runs
        "published": types.MappingProxyType(
            {
                "sparsity": "constraint",
                "steps": 300_000,
                "starts": 1,
                "dense_share": 0.0,
                "budget_share": 0.5,
                "frozen_share": 0.0,
                "unmixing": False,
                "rounds": 1,
                "flow_blocks": 0,
                "refinements": 0,
                "batch_size": 1024,
                "learning_rate": 5e-4,
                "optimizer": "adam",
                "warmup": 0,
                "width": 512,
                "depth": 6,
                "transition": "leaky_relu",
                "transition_width": 512,
                "transition_depth": 6,
                "posterior": "diagonal",
                "skip": False,
                "variance": "learned",
            }
        ),
    }
)


def _from_preset(name: str) -> Derived[Any]:
    """A setting that has the preset's value where none is given."""
    return Derived(lambda config: PRESETS[config.preset][name])


@dataclass(frozen=True)
class TrainingConfig(Settings):
    """Settings of a training run. Anything left at None takes the preset's value.

    Attributes:
        preset: ``"fast"``: minutes on one CPU thread. ``"published"``: sizes, optimiser, schedule and constraint of
            Lachapelle et al., days on a CPU.
        max_edges_actions: the budget: most edges of G^a. None: no limit on G^a.
        max_edges_past: the budget of G^z. None: no limit on G^z.
        n_latents: of the model; the truth's number when left out and known.
        seed: of weights, batches and noise. The same seed gives the same numbers on the same machine.
        threads: for torch's computations.
        device: ``"auto"`` (a GPU of CUDA when there is one), ``"cpu"``, ``"cuda"`` or ``"cuda:1"``. ``"mps"`` has no
            double precision, which bases are found in.
        dtype: of the computations, ``"float32"`` or ``"float64"`` (twice the memory, half the speed). Data are kept
            in float32.
        sparsity: ``"budget"`` (the mask probabilities are projected onto the budget), ``"constraint"`` (the same budget
            as a Lagrangian, with dual restarts), ``"penalty"`` (``penalty`` for every expected edge), ``"adaptive"``
            (as many edges as the latents ask for, found in every round of unmixing), ``"none"``. With a penalty, and
            adaptive, budgets that are given are upper limits.
        penalty: price of an edge, with ``sparsity="penalty"``: the weight of the expected number of edges in the loss;
            with unmixing, edges are kept that lower the loss by more.
        steps: optimisation steps in all.
        starts: initialisations that are trained for the first 500 steps. The first goes on, or one whose held-out ELBO
            is better by 0.1 per observed dimension. Where the dense part is shorter than that, there is one start; so
            it is with networks of yours, which begin as you give them.
        dense_share: part of the steps before sparsity sets in.
        budget_share: part of the steps by which the budget has come down to its end.
        frozen_share: part of the steps, at the end, with the best edges kept and all others gone.
        unmixing: after the dense part, change to the linear basis with the sparsest mechanisms, and keep the strongest
            edges there. Without, the masks are learned by gradient descent.
        rounds: how often that is done, from the end of the dense part to the start of the frozen one.
        flow_blocks: of the flow that straightens the latents at the end; 0 for none.
        refinements: Gauss-Newton steps that bring an encoding in line with the decoder, at the end and ever after; 0
            for none.
        batch_size: samples in a step.
        learning_rate: of the main optimiser, at its highest.
        optimizer: ``"soap"`` or ``"adam"``.
        warmup: steps over which the learning rate rises.
        width, depth: hidden layers of encoder and decoder.
        transition: the activation of the transition networks: ``"sines"``, beside bumps of one input each, or
            ``"leaky_relu"``.
        transition_width, transition_depth: hidden layers of each transition network.
        posterior: the covariance of q(z|x): ``"full"`` or ``"diagonal"``.
        skip: a linear map beside encoder and decoder.
        predict: the transition gives the ``"change"`` of a latent, or its ``"value"``.
        variance: of p(z|.) and p(x|z): ``"profiled"`` (the closed-form optimum of each batch), ``"learned"``,
            ``"fixed"``, or ``"state_dependent"`` (that of p(z|.) is an output of the transition networks).
        fixed_variance: of p(z|.), with ``variance="fixed"``.
        validate_every: steps between two looks at the held-out data.
        patience: stop after so many looks without improvement, once the edges are frozen. None: never.

    Raises:
        ConfigError: a value is out of its range, or two are at odds.

    Example:
        >>> TrainingConfig(max_edges_past=10).steps
        10000
        >>> TrainingConfig(preset="published", max_edges_past=10).optimizer
        'adam'
    """

    RANGES = _RANGES

    preset: Preset = "fast"
    max_edges_actions: int | None = None
    max_edges_past: int | None = None
    n_latents: int | None = None
    seed: int = 0
    threads: int = 1
    device: str = "auto"
    dtype: Literal["float32", "float64"] = "float32"
    sparsity: Derived[Sparsity] = _from_preset("sparsity")
    penalty: float = 0.01
    steps: Derived[int] = _from_preset("steps")
    starts: Derived[int] = _from_preset("starts")
    dense_share: Derived[float] = _from_preset("dense_share")
    budget_share: Derived[float] = _from_preset("budget_share")
    frozen_share: Derived[float] = _from_preset("frozen_share")
    unmixing: Derived[bool] = _from_preset("unmixing")
    rounds: Derived[int] = _from_preset("rounds")
    batch_size: Derived[int] = _from_preset("batch_size")
    learning_rate: Derived[float] = _from_preset("learning_rate")
    flow_blocks: Derived[int] = _from_preset("flow_blocks")
    refinements: Derived[int] = _from_preset("refinements")
    optimizer: Derived[Literal["soap", "adam"]] = _from_preset("optimizer")
    warmup: Derived[int] = _from_preset("warmup")
    width: Derived[int] = _from_preset("width")
    depth: Derived[int] = _from_preset("depth")
    transition: Derived[Literal["sines", "leaky_relu"]] = _from_preset("transition")
    transition_width: Derived[int] = _from_preset("transition_width")
    transition_depth: Derived[int] = _from_preset("transition_depth")
    posterior: Derived[Literal["full", "diagonal"]] = _from_preset("posterior")
    skip: Derived[bool] = _from_preset("skip")
    predict: Literal["change", "value"] = "change"
    variance: Derived[Variance] = _from_preset("variance")
    fixed_variance: float = 1e-4
    validate_every: int = 500
    patience: int | None = None

    @property
    def method(self) -> str:
        """The name of the method: ``"sparse_vae"``."""
        return SPARSE_VAE

    def __post_init__(self) -> None:
        if not isinstance(self.preset, str) or self.preset not in PRESETS:
            raise ConfigError(f"the preset is {quoted(self.preset)}; it is one of {', '.join(PRESETS)}")
        self.check()
        _check_shares(self)
        require_affordable(self.to_dict(), self.n_latents or 1)
        if self.sparsity == "adaptive" and not self.unmixing:
            raise ConfigError(
                "sparsity='adaptive' counts edges in rounds of unmixing, and unmixing is false; set it"
            )
        if self.device.startswith("mps"):
            raise ConfigError(
                f"device is {self.device!r}, which has no double precision, as unmixing needs; give 'cpu' or 'auto'"
            )


def read_config(path: str | os.PathLike[str] | None, changes: Iterable[str] = ()) -> TrainingConfig:
    """The configuration of a TOML file, with ``key=value`` changes on top.

    Args:
        path: a TOML file with the settings at its top level, or None for the defaults.
        changes: like ``"steps=2000"``; a value is written as in TOML, and a bare word is text.

    Raises:
        ConfigError: the file is no TOML, or a setting is unknown or out of its range.
        FileAccessError: the file can't be read.

    Example:
        >>> read_config(None, ["steps=500", "optimizer=adam"]).optimizer
        'adam'
    """
    return read_settings(TrainingConfig, path, changes)


def _check_shares(config: TrainingConfig) -> None:
    if not config.dense_share <= config.budget_share <= 1 - config.frozen_share:
        raise ConfigError(
            f"dense_share {config.dense_share}, budget_share {config.budget_share} and frozen_share "
            f"{config.frozen_share} must follow each other: dense_share <= budget_share <= 1 - frozen_share"
        )
