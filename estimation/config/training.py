"""`TrainingConfig`, the settings of the sparse VAE, with presets; read from Python, TOML or ``key=value``."""

from __future__ import annotations

import os
import types
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from estimation.config.settings import MOST_STEPS, Derived, ObservationTransform, Settings, read_settings
from estimation.config.size import require_affordable
from estimation.config.sparse_columns import SparseColumns, checked_sparse_actions
from estimation.exceptions import ConfigError
from identify.names import quoted

__all__ = ["COUNT_LIKELIHOODS", "PRESETS", "SPARSE_VAE", "TrainingConfig", "read_config"]

# name of the method that has these settings
SPARSE_VAE = "sparse_vae"

Preset = Literal["fast", "published"]
Likelihood = Literal["gaussian", "poisson", "negative_binomial", "zero_inflated_negative_binomial"]
#: The likelihoods that need counts.
COUNT_LIKELIHOODS = ("poisson", "negative_binomial", "zero_inflated_negative_binomial")
Sparsity = Literal["budget", "constraint", "penalty", "adaptive", "none"]
Variance = Literal["profiled", "learned", "fixed", "state_dependent", "profiled_state_dependent"]

_RANGES: Mapping[str, tuple[float, float]] = types.MappingProxyType(
    {
        "max_edges_actions": (0, MOST_STEPS),
        "max_edges_past": (0, MOST_STEPS),
        "n_latents": (1, 10_000),
        "seed": (0, 2**31 - 1),
        "restarts": (1, 100),
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
                "restarts": "auto",
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
                "observation_transform": "auto",
            }
        ),
        # Lachapelle et al., the appendix on implementation; sizes and schedule of the published runs
        "published": types.MappingProxyType(
            {
                "restarts": 1,
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
                "observation_transform": "none",
            }
        ),
    }
)


def _from_preset(name: str) -> Derived[Any]:
    """Return a field whose default is the value of the preset."""
    return Derived(lambda config: PRESETS[config.preset][name])


@dataclass(frozen=True)
class TrainingConfig(Settings):
    """Settings of a training run. A setting that is left out takes the value of the preset.

    Attributes:
        preset: ``"fast"``, which takes minutes on one CPU thread, or ``"published"``, which has the sizes, the
            optimiser, the schedule and the constraint of Lachapelle et al. and takes days on a CPU.
        max_edges_actions: Budget: the largest number of edges of G^a. None sets no limit.
        max_edges_past: Budget: the largest number of edges of G^z. None sets no limit.
        sparse_actions: Names or positions of the actions whose columns of G^a are sparse: those with sufficient
            influence. Budget, penalty, estimated number of edges and unmixing then use these columns only. The other
            columns stay dense: all their edges are present, and none of them counts or is learned. None: all columns
            are sparse. An empty list: none is.
        sparse_past: Whether G^z is sparse. False leaves all its edges present, for a past without sufficient influence.
        n_latents: Number of latents of the model. When left out, that of the true latents, if the data hold them.
            ``"auto"``: found from the data before training (`estimation.latent_count`). Superfluous latents
            among those that you ask for are removed after the race of starts.
        seed: Seed of weights, batches and noise. The same seed gives the same numbers on the same machine.
        restarts: Number of whole runs, with other weights, batches and noise. The one with the fewest serious warnings
            is kept (a basis that is worse than another counts twice), and of several the one with the lowest held-out
            negative ELBO; ``penalty`` per edge is added where the numbers of edges differ. All of them are trained.
            Notes in the history say what each of them ended with, and a warning says if another one without serious
            warnings fits about as well with other latents, or if a clearly likelier one has other latents.
            ``"auto"``: one run, and two more if it has warnings of the basis, of missing edges or of edges of collapsed
            latents; never more than one with fewer than 1,000 steps, where more steps are the remedy, without unmixing,
            or with user-supplied networks.
        threads: Number of threads of torch.
        device: ``"auto"`` (a CUDA GPU if there is one), ``"cpu"``, ``"cuda"`` or ``"cuda:1"``. ``"mps"`` lacks double
            precision, which unmixing needs.
        dtype: Type of the floating-point numbers, ``"float32"`` or ``"float64"`` (twice the memory, half the speed).
            Data are stored in float32.
        sparsity: ``"budget"`` (mask probabilities are projected onto the budget), ``"constraint"`` (the same budget as
            a Lagrangian with dual restarts), ``"penalty"`` (``penalty`` per expected edge), ``"adaptive"`` (the number
            of edges is estimated in every round of unmixing and after the last step), or ``"none"``. With
            ``"penalty"`` and ``"adaptive"``, budgets are upper limits.
        penalty: Weight of the expected number of edges in the loss, with ``sparsity="penalty"``. With unmixing, those
            edges are kept that reduce the loss by more.
        steps: Number of optimisation steps.
        starts: Number of random starts. Each is trained for 500 steps; the first is continued unless the held-out
            ELBO of another is better by 0.1 per observed dimension. If it is better by more than 0.05, both are
            trained for 500 steps more and compared again. If no other start comes within 0.1 of the best, more follow
            until one does, as many again at most. If the dense stage is shorter than 500 steps, or with user-supplied
            networks, there is one start.
        dense_share: Share of the steps before edges are removed.
        budget_share: Share of the steps by which the budget has reached its final value.
        frozen_share: Share of the steps, at the end, with fixed edges.
        unmixing: Whether to change, after the dense stage, to the linear basis with the sparsest mechanisms, and to
            keep the strongest edges there. Without it, masks are learned by gradient descent.
        rounds: Number of rounds of unmixing, from the end of the dense stage to the start of the frozen one.
        batch_size: Samples per step.
        learning_rate: Highest learning rate of the main optimiser.
        flow_blocks: Number of blocks of the flow that corrects the latents nonlinearly after training; 0 for no flow.
        refinements: Number of Gauss-Newton steps that refine an encoding after training; 0 for none.
        optimizer: ``"soap"`` or ``"adam"``.
        warmup: Steps over which the learning rate rises.
        width: Width of the hidden layers of encoder and decoder.
        depth: Number of these layers.
        transition: Activation of the transition networks: ``"sines"``, with radial bumps of single inputs in addition,
            or ``"leaky_relu"``.
        transition_width: Width of the hidden layers of each transition network.
        transition_depth: Number of these layers.
        posterior: Covariance of q(z | x): ``"full"`` or ``"diagonal"``.
        skip: Whether encoder and decoder have a linear skip connection.
        predict: Whether the transition predicts the ``"change"`` of a latent or its ``"value"``.
        variance: Variances of p(z | .) and p(x | z): ``"profiled"`` (the closed-form optimum of each batch),
            ``"learned"``, ``"fixed"``, ``"state_dependent"`` (the transition networks output that of p(z | .), the rest
            is learned), or ``"profiled_state_dependent"`` (the networks output a factor; the rest is profiled).
        fixed_variance: Variance of p(z | .), with ``variance="fixed"``.
        likelihood: p(x | z): ``"gaussian"`` with one variance for all standardised columns; or, for counts,
            ``"poisson"``, ``"negative_binomial"`` or ``"zero_inflated_negative_binomial"``, whose rates are relative to
            the sum of the row.
        observation_transform: What happens to observations before they are standardised: ``"none"``, ``"arcsinh"``
            (arcsinh((x - m) / s), with the median m and a robust standard deviation s of every column), or ``"auto"``
            (arcsinh if the median column has an excess kurtosis above 4, and neither images nor networks are given).
            Predictions and reconstructions are in the user's units; the ELBO is not.
        noise: Shape of p(z_i | .): ``"gaussian"``; ``"flow"`` (a spline flow whose scale and shape depend on the
            parents, from the stage with fixed edges on); or ``"auto"`` (the flow is fitted after the last step, and
            kept if its held-out ELBO is better by more than 0.01 nats per latent than that of a Gaussian that is fitted
            in the same way).
        validate_every: Steps between two evaluations on held-out data.
        patience: Number of evaluations without improvement after which training stops, once edges are frozen. None
            never stops early.

    Raises:
        ConfigError: If a value is out of its range, or two values contradict each other.

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
    sparse_actions: tuple[str | int, ...] | None = None
    sparse_past: bool = True
    n_latents: int | Literal["auto"] | None = None
    seed: int = 0
    restarts: Derived[int | Literal["auto"]] = _from_preset("restarts")
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
    likelihood: Likelihood = "gaussian"
    observation_transform: Derived[ObservationTransform] = _from_preset("observation_transform")
    noise: Literal["gaussian", "flow", "auto"] = "gaussian"
    validate_every: int = 500
    patience: int | None = None

    @property
    def method(self) -> str:
        """The name of the method: ``"sparse_vae"``."""
        return SPARSE_VAE

    @property
    def profiled(self) -> bool:
        """Whether the loss replaces variances by their closed-form optimum on each batch."""
        return self.variance in ("profiled", "profiled_state_dependent")

    def sparse_columns(self, action_names: Sequence[str], past: bool) -> SparseColumns:
        """Return the columns of G^a and G^z that are sparse and those that are dense.

        Args:
            action_names: Names of the actions of the data, in order.
            past: Whether the data have a past.

        Raises:
            ConfigError: If ``sparse_actions`` names an action that the data don't have.
        """
        return SparseColumns.of(self.sparse_actions, self.sparse_past, action_names, past)

    def __post_init__(self) -> None:
        if not isinstance(self.preset, str) or self.preset not in PRESETS:
            raise ConfigError(f"the preset is {quoted(self.preset)}; it is one of {', '.join(PRESETS)}")
        # frozen: a list becomes a tuple, so that settings can be compared and hashed
        object.__setattr__(self, "sparse_actions", checked_sparse_actions(self.sparse_actions))
        self.check()
        _check_shares(self)
        _check_sparse_columns(self)
        require_affordable(self.to_dict(), self.n_latents if isinstance(self.n_latents, int) else 1)
        if self.sparsity == "adaptive" and not self.unmixing:
            raise ConfigError(
                "sparsity='adaptive' counts edges in rounds of unmixing, and unmixing is false; set it"
            )
        if self.likelihood in COUNT_LIKELIHOODS and self.observation_transform == "arcsinh":
            raise ConfigError(
                f"observation_transform='arcsinh' is for real numbers, and likelihood={self.likelihood!r} for counts; "
                "keep one of the two"
            )
        if self.noise != "gaussian" and self.variance == "fixed":
            raise ConfigError(
                f"noise={self.noise!r} fits the scale of p(z | .), and variance='fixed' fixes it; keep one of the two"
            )
        if self.device.startswith("mps"):
            raise ConfigError(
                f"device is {self.device!r}, which has no double precision, as unmixing needs; give 'cpu' or 'auto'"
            )


def read_config(path: str | os.PathLike[str] | None, changes: Iterable[str] = ()) -> TrainingConfig:
    """Read a configuration from a TOML file, and apply ``key=value`` changes.

    Args:
        path: TOML file with the settings at its top level, or None for the defaults.
        changes: Changes such as ``"steps=2000"``; values are written as in TOML, and a bare word is text.

    Raises:
        ConfigError: If the file is not TOML, or a setting is unknown or out of its range.
        FileAccessError: If the file can't be read.

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


def _check_sparse_columns(config: TrainingConfig) -> None:
    if config.sparse_actions == () and config.max_edges_actions is not None:
        raise ConfigError(
            "max_edges_actions is set, and sparse_actions is empty, so that no column of G^a is sparse; keep one"
        )
    if not config.sparse_past and config.max_edges_past is not None:
        raise ConfigError("max_edges_past is set, and sparse_past is false, so that G^z is dense; keep one")
